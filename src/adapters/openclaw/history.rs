//! What was said in a session, read into turns. PURE.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::base::Timestamp;
use crate::protocol::session::{Role, Turn};

/// A message of `chat.history`; `timestamp` is milliseconds since 1970 UTC.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    role: String,
    timestamp: Option<i64>,
    /// A text, or a list of parts.
    content: Option<Box<RawValue>>,
    /// Which tool a `toolResult` is of.
    tool_name: Option<String>,
}

/// A part of a message: `text`, `thinking`, `toolCall`, `image`.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
    name: Option<String>,
    arguments: Option<Box<RawValue>>,
}

impl Message {
    /// What was said, in order; nothing of a message that is neither a person's, the agent's nor a tool's.
    pub fn turns(self) -> Vec<Turn> {
        let Self { role, timestamp, content, tool_name } = self;
        let at = timestamp.and_then(Timestamp::from_millis);
        let role = match role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "toolResult" | "tool" => Role::Tool,
            _ => return Vec::new(),
        };
        let said = |text: String| Turn { role, at, text, tool: tool_name.clone(), truncated: None };
        let content = content.as_deref().map_or("null", RawValue::get);
        if let Ok(text) = serde_json::from_str(content) {
            return vec![said(text)];
        }
        let parts: Vec<Part> = serde_json::from_str(content).unwrap_or_default();
        let turn = |part: Part| match part.kind.as_str() {
            "text" => part.text.map(said),
            "toolCall" => Some(Turn {
                role: Role::Tool,
                at,
                text: part.arguments.map_or_else(String::new, |it| it.get().to_owned()),
                tool: part.name,
                truncated: None,
            }),
            _ => None,
        };
        parts.into_iter().filter_map(turn).collect()
    }
}
