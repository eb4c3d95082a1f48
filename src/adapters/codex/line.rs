//! A line of a rollout, read into the few members that matter. PURE.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::jsonl::{self, Text};
use crate::base::{SessionId, Timestamp};
use crate::protocol::session::Role;

/// A line of a rollout. What its payload holds depends on its type.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(default, borrow)]
    pub(super) timestamp: Text<'a>,
    /// Since some version between 0.98.0 and 0.169.0: the line's place in the thread's history.
    pub(super) ordinal: Option<IgnoredAny>,
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) payload: &'a RawValue,
}

impl<'a> Line<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        jsonl::record(line)
    }

    pub(super) fn payload<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.payload.get()).ok()
    }

    pub(super) fn at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.timestamp.get())
    }
}

/// The payload of `session_meta`, the first line.
#[derive(Deserialize)]
pub(super) struct Meta {
    pub(super) id: String,
    /// The root thread's id; not in 0.98.0.
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) session_id: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) timestamp: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) cwd: Option<String>,
    /// A word, or an object that says of which thread this is a subagent.
    pub(super) source: Option<Value>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) thread_source: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) parent_thread_id: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) forked_from_id: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) history_base: Option<HistoryBase>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) git: Option<Git>,
}

/// With the beginning of which rollout a thread goes on that was rewound or forked.
#[derive(Deserialize)]
pub(super) struct HistoryBase {
    /// The rollout's own id.
    #[serde(rename = "thread_id")]
    pub(super) rollout: String,
    /// How many of its bytes.
    #[serde(rename = "end_byte_offset")]
    pub(super) len: u64,
}

#[derive(Deserialize)]
pub(super) struct Git {
    pub(super) branch: Option<String>,
}

/// The members that matter of `turn_context`, which each turn begins with.
#[derive(Deserialize)]
pub(super) struct TurnContext {
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) cwd: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) model: Option<String>,
    /// A word; Codex knows an object, too, that says it for each kind of question.
    pub(super) approval_policy: Option<Value>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) approvals_reviewer: Option<String>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    collaboration_mode: Option<CollaborationMode>,
}

#[derive(Deserialize)]
struct CollaborationMode {
    mode: String,
}

impl TurnContext {
    /// Whether the model is to make a plan, and to do nothing yet.
    pub(super) fn is_planning(&self) -> bool {
        self.collaboration_mode.as_ref().is_some_and(|it| it.mode == "plan")
    }
}

/// The members that matter of an `event_msg`.
#[derive(Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    /// Of `task_complete`: `{"message":"…","codex_error_info":"other"}`.
    pub(super) error: Option<Value>,
    /// Of `user_message` and `agent_message`, in 0.98.0.
    #[serde(default, borrow)]
    pub(super) message: Text<'a>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) item: Option<Item>,
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) thread_settings: Option<TurnContext>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) content: Vec<Content>,
    /// Of a plan.
    #[serde(default, deserialize_with = "jsonl::or_nothing")]
    pub(super) text: Option<String>,
}

/// The kind of an item that holds a plan which the model proposes. The interface then asks whether it is to be done, which
/// is not recorded, and neither is that it was declined.
pub(super) const PLAN: &str = "Plan";

#[derive(Deserialize)]
pub(super) struct Content {
    pub(super) text: Option<String>,
}

/// What a `response_item` says of how a turn stands, without what its tools have put out.
#[derive(Deserialize)]
pub(super) struct Standing<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) role: Text<'a>,
    #[serde(default, borrow)]
    pub(super) call_id: Text<'a>,
    #[serde(default, borrow)]
    pub(super) name: Text<'a>,
    /// A text that holds JSON.
    #[serde(default, borrow)]
    pub(super) arguments: Text<'a>,
    /// Of a `custom_tool_call`, in the place of arguments.
    #[serde(default, borrow)]
    pub(super) input: Text<'a>,
}

impl Meta {
    /// The thread that spawned this one. Where only the root is named, the root.
    pub(super) fn parent(&self) -> Option<SessionId> {
        let spawned_by =
            || self.source.as_ref()?.pointer("/subagent/thread_spawn/parent_thread_id")?.as_str();
        let parent = self.parent_thread_id.as_deref().or_else(spawned_by);
        parent.or(self.session_id.as_deref()).and_then(SessionId::parse)
    }
}

pub(super) fn turn_context(line: &Line<'_>) -> Option<TurnContext> {
    match &*line.kind {
        "turn_context" => line.payload(),
        "event_msg" => line.payload::<Event<'_>>()?.thread_settings,
        _ => None,
    }
    .filter(|it: &TurnContext| it.model.is_some())
}

/// What was said by whom, in either shape of the records. A raw `message` of the model's is not asked: the
/// first of a user's is the environment, written by Codex itself.
pub(super) fn message(line: &Line<'_>) -> Option<(Role, String)> {
    if line.kind != "event_msg" {
        return None;
    }
    let event: Event<'_> = line.payload()?;
    let (role, text) = match (&*event.kind, event.item, event.message) {
        ("item_completed", Some(item), _) => {
            let role = match item.kind.as_str() {
                "UserMessage" => Role::User,
                "AgentMessage" | PLAN => Role::Assistant,
                _ => return None,
            };
            let parts = item.content.into_iter().filter_map(|it| it.text);
            let parts: Vec<String> = item.text.into_iter().chain(parts).collect();
            (role, parts.join("\n"))
        }
        ("user_message", _, text) => (Role::User, text.get().to_owned()),
        ("agent_message", _, text) => (Role::Assistant, text.get().to_owned()),
        _ => return None,
    };
    let text = if role == Role::User { typed(&text).to_owned() } else { text };
    (!text.trim().is_empty()).then_some((role, text))
}

/// How what an editor or the desktop's program puts before a prompt begins: open files, attachments, a selection. Known
/// from transcripts that others have published, not from a run.
const PREAMBLES: [&str; 4] = [
    "# Context from my IDE setup:",
    "# Files mentioned by the user:",
    "# Selected text:",
    "<in-app-browser-context",
];
/// And how it ends. The first is a text that Codex 0.169.0 itself holds, the second that of newer programs.
const REQUESTS: [&str; 2] = ["\n## My request for Codex:\n", "\n## My request:\n"];

/// What the person typed of a message; all of it where nothing was put before it.
fn typed(message: &str) -> &str {
    let text = message.trim_start();
    if !PREAMBLES.iter().any(|it| text.starts_with(it)) {
        return message;
    }
    let after = |heading: &&str| text.find(*heading).map(|it| &text[it + heading.len()..]);
    REQUESTS.iter().find_map(after).unwrap_or(message)
}
