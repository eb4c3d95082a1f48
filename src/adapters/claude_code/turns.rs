//! A line of a transcript becomes what was said in it. PURE.

use serde_json::value::RawValue;

use super::line::{Block, Content, Line, Message};
use crate::adapters::files::Link;
use crate::adapters::jsonl;
use crate::base::Timestamp;
use crate::protocol::session::{Role, Turn};

/// Where a record hangs: a prompt that follows the same one as an earlier prompt is where the interface was told to
/// rewind. A record of an answer may stand before what it answers (2.1.197).
pub(super) fn link(bytes: &[u8]) -> Option<Link> {
    let line = jsonl::record::<Line<'_>>(bytes)?;
    let may_go_back = line.is_sidechain != Some(true) && line.prompt().is_some();
    let parent = line.parent_uuid.as_ref()?.kept();
    Some(Link { id: line.uuid.kept()?, parent, may_go_back })
}

pub(super) fn turns(bytes: &[u8]) -> Vec<Turn> {
    let Some(line) = jsonl::record::<Line<'_>>(bytes) else { return Vec::new() };
    let role = match line.kind.get() {
        "user" if !line.is_note() => Role::User,
        "assistant" => Role::Assistant,
        _ => return Vec::new(),
    };
    let Some(content) = line.message.as_ref().and_then(Message::content) else {
        return Vec::new();
    };
    let at = Timestamp::parse(line.timestamp.get());
    let said = match content {
        Content::Text(_) => {
            let prompt = line.prompt();
            prompt.map(|it| turn(role, it.get().to_owned())).into_iter().collect()
        }
        Content::Blocks(blocks) => {
            blocks.iter().filter_map(|it| of_block(role, it)).collect::<Vec<_>>()
        }
    };
    said.into_iter().map(|it| Turn { at, ..it }).collect()
}

fn of_block(role: Role, block: &Block<'_>) -> Option<Turn> {
    match block.kind.get() {
        "text" if !block.text.trim().is_empty() => Some(turn(role, block.text.get().to_owned())),
        "tool_use" => Some(Turn {
            tool: block.name.kept(),
            ..turn(Role::Tool, block.input.map_or(String::new(), |it| RawValue::get(it).to_owned()))
        }),
        "tool_result" => Some(turn(Role::Tool, answer(block))),
        _ => None,
    }
}

/// What a tool answered, as text.
fn answer(block: &Block<'_>) -> String {
    match block.content() {
        Some(Content::Text(text)) => text.get().to_owned(),
        Some(Content::Blocks(blocks)) => {
            let text = |it: &Block<'_>| match it.kind.get() {
                "text" => it.text.get().to_owned(),
                other => format!("[{other}]"),
            };
            blocks.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        None => String::new(),
    }
}

fn turn(role: Role, text: String) -> Turn {
    Turn { role, at: None, text, tool: None, truncated: None }
}
