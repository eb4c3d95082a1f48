//! A line of a rollout becomes what was said in it. PURE.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::jsonl::Text;
use super::line::{Line, message};
use crate::protocol::session::{Role, Turn};

/// The turns of a line: messages from the events, calls of tools from what the model wrote, so that a call is
/// shown while it runs or waits and not when it has ended.
pub(super) fn turns(line: &[u8]) -> Vec<Turn> {
    let Some(line) = Line::parse(line) else { return Vec::new() };
    let at = line.at();
    let turn = match &*line.kind {
        "event_msg" => message(&line).map(|(role, text)| (role, text, None)),
        "response_item" => tool(&line).map(|(text, tool)| (Role::Tool, text, tool)),
        _ => None,
    };
    let turn = turn.map(|(role, text, tool)| Turn { role, at, text, tool, truncated: None });
    turn.into_iter().collect()
}

fn tool(line: &Line<'_>) -> Option<(String, Option<String>)> {
    let item: ResponseItem<'_> = line.payload()?;
    if item.kind.ends_with("_output") {
        return Some((item.output.map_or(String::new(), answer), item.name.kept()));
    }
    // Those that the model's service runs itself have no name, and an action in the place of arguments.
    let tool = item.kind.strip_suffix("_call")?;
    let asked = [item.arguments, item.input, item.action].into_iter().flatten().next();
    let name = item.name.kept().unwrap_or_else(|| tool.to_owned());
    Some((asked.map_or(String::new(), text), Some(name)))
}

/// The members that matter of a `response_item` to somebody who reads along.
#[derive(Deserialize)]
struct ResponseItem<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
}

/// A part of what a tool has put out.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    text: Text<'a>,
}

/// What a tool has put out: a text, or parts of which pictures are only named.
fn answer(output: &RawValue) -> String {
    let Ok(parts) = serde_json::from_str::<Vec<Part<'_>>>(output.get()) else {
        return text(output);
    };
    let shown = |it: &Part<'_>| it.text.kept().unwrap_or_else(|| format!("[{}]", it.kind));
    parts.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// The text that is told, or else the JSON.
fn text(value: &RawValue) -> String {
    serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned())
}
