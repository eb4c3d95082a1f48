//! A line of a rollout becomes what was said in it. PURE.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

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
        let text = match item.output? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return Some((text, item.name));
    }
    item.kind
        .ends_with("_call")
        .then(|| (item.arguments.or(item.input).unwrap_or_default(), item.name))
}

/// The members that matter of a `response_item` to somebody who reads along.
#[derive(Deserialize)]
struct ResponseItem<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    name: Option<String>,
    arguments: Option<String>,
    input: Option<String>,
    output: Option<Value>,
}
