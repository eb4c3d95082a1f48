//! What messages and their parts say: the same JSON in the database and in the older files. PURE.
//!
//! ```json
//! {"role":"user","time":{"created":1795378785545},"agent":"build","model":{"providerID":"mock","modelID":"mock-1"}}
//! {"role":"assistant","tokens":{"input":1000,"output":30,"reasoning":4,"cache":{"write":0,"read":200}},"cost":0.00357,
//!  "modelID":"mock-1","time":{"created":1795378788834,"completed":1795378795067},"finish":"stop"}
//! {"type":"text","text":"\"hello world one\""}
//! {"type":"tool","tool":"bash","state":{"status":"running","input":{"command":"sleep 20"},"metadata":{"output":""}}}
//! ```

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::adapters::evidence::{Failure, TurnState, WaitingFor};
use crate::adapters::jsonl;
use crate::base::Timestamp;
use crate::protocol::session::{Role, Turn, Usage};

/// Most bytes of a tool's input and output that a turn shows each; a result can be megabytes.
const TOOL_TEXT_MAX: usize = 4 << 10;

/// How a call ends that the user refused, or a question that the user did not want to answer; nothing follows it.
const REFUSALS: [&str; 2] = [
    "The user rejected permission to use this specific tool call.",
    "The user dismissed this question",
];

/// One message: a user's, or one step of the model.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    User { created: Option<Timestamp> },
    Assistant(Step),
}

/// One call of the model, and what came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub created: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    pub model: Option<String>,
    pub finish: Option<String>,
    pub error: Option<Fault>,
    pub usage: Usage,
}

impl Step {
    /// Whether the call was made for a session that began then: a fork begins with copies of its source's messages,
    /// times and tokens included.
    pub fn is_of_session_since(&self, began: Option<Timestamp>) -> bool {
        self.created.zip(began).is_none_or(|(created, began)| created >= began)
    }
}

/// Why a step ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Aborted,
    Failed(Failure),
}

impl Message {
    /// Nothing where the bytes are no message that this version knows.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let raw: RawMessage<'_> = jsonl::record(json)?;
        let time = raw.time.unwrap_or_default();
        let created = time.created.and_then(Timestamp::from_millis);
        match &*raw.role {
            "user" => Some(Self::User { created }),
            "assistant" => Some(Self::Assistant(Step {
                created,
                completed: time.completed.and_then(Timestamp::from_millis),
                model: raw.model_id.map(Cow::into_owned).filter(|it| !it.is_empty()),
                finish: raw.finish.map(Cow::into_owned),
                error: raw.error.map(|it| it.fault()),
                usage: usage(&raw.tokens.unwrap_or_default(), raw.cost),
            })),
            _ => None,
        }
    }

    /// The last instant that the message itself speaks of.
    pub fn last_time(&self) -> Option<Timestamp> {
        match self {
            Self::User { created } => *created,
            Self::Assistant(step) => step.completed.max(step.created),
        }
    }

    /// When the message began.
    pub fn created(&self) -> Option<Timestamp> {
        match self {
            Self::User { created } => *created,
            Self::Assistant(step) => step.created,
        }
    }

    /// How the turn stands whose newest message this is, by itself.
    pub fn turn(&self) -> TurnState {
        let Self::Assistant(step) = self else { return TurnState::InProgress };
        match (step.error, step.completed, step.finish.as_deref()) {
            (Some(Fault::Aborted), ..) => TurnState::Interrupted,
            (Some(Fault::Failed(failure)), ..) => TurnState::Failed(failure),
            // The next step is about to begin: a tool has answered, or the model stopped without saying why.
            (None, None, _) | (None, Some(_), Some("tool-calls" | "unknown")) => {
                TurnState::InProgress
            }
            (None, Some(_), Some("error")) => TurnState::Failed(Failure::Model),
            (None, Some(_), _) => TurnState::Completed,
        }
    }

    /// How the turn stands, by this message and its parts.
    pub fn turn_with(&self, parts: &[Part]) -> TurnState {
        let calls = || parts.iter().filter_map(Part::as_tool);
        match (self.turn(), self) {
            (TurnState::InProgress, Self::Assistant(step)) if step.completed.is_none() => {
                let waiting = calls().find_map(ToolCall::waiting_for);
                waiting.map_or(TurnState::InProgress, TurnState::Waiting)
            }
            // No further step follows a call that the user refused, though it reads as if one did.
            (TurnState::InProgress, Self::Assistant(_)) if calls().any(ToolCall::is_refused) => {
                TurnState::Interrupted
            }
            (turn, _) => turn,
        }
    }

    /// Since when a call waits that seems to wait for a permission.
    pub fn asks_since(parts: &[Part]) -> Option<Timestamp> {
        let mut calls = parts.iter().filter_map(Part::as_tool);
        calls.find(|it| it.waiting_for() == Some(WaitingFor::Permission))?.started
    }
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    time: Option<RawTime>,
    #[serde(borrow, rename = "modelID")]
    model_id: Option<Cow<'a, str>>,
    tokens: Option<RawTokens>,
    cost: Option<f64>,
    #[serde(borrow)]
    finish: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<RawError<'a>>,
}

#[derive(Default, Deserialize)]
struct RawTime {
    created: Option<i64>,
    completed: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawTokens {
    input: u64,
    output: u64,
    reasoning: u64,
    cache: RawCache,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCache {
    read: u64,
    write: u64,
}

#[derive(Deserialize)]
struct RawError<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    data: Option<RawErrorData>,
}

#[derive(Deserialize)]
struct RawErrorData {
    #[serde(rename = "statusCode")]
    status_code: Option<u16>,
}

impl RawError<'_> {
    fn fault(&self) -> Fault {
        let status = self.data.as_ref().and_then(|it| it.status_code);
        match &*self.name {
            "MessageAbortedError" => Fault::Aborted,
            "ProviderAuthError" => Fault::Failed(Failure::Auth),
            _ if matches!(status, Some(401 | 403)) => Fault::Failed(Failure::Auth),
            _ => Fault::Failed(Failure::Model),
        }
    }
}

/// The counts as the agent recorded them: input without what was cached; output without reasoning, but with it
/// up to 1.2.
fn usage(tokens: &RawTokens, cost: Option<f64>) -> Usage {
    Usage {
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cache_read_tokens: Some(tokens.cache.read),
        cache_write_tokens: Some(tokens.cache.write),
        reasoning_tokens: Some(tokens.reasoning),
        cost_usd: cost,
        // Computed by the agent from a list of prices.
        cost_is_estimate: cost.is_some().then_some(true),
    }
}

/// One part of a message, of the kinds that matter.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    Text(String),
    Tool(ToolCall),
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    pub name: String,
    pub is_running: bool,
    /// Whether the tool has begun to work: see [`APPROVED_FIRST`].
    pub has_metadata: bool,
    pub started: Option<Timestamp>,
    input: String,
    output: Option<String>,
    error: Option<String>,
}

/// A running call that has not written anything yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilentCall {
    pub tool: String,
    pub started: Option<Timestamp>,
}

impl SilentCall {
    /// Whether it would be done by now if it had been allowed to: see [`SOON_DONE`].
    pub fn is_soon_done(&self) -> bool {
        SOON_DONE.contains(&self.tool.as_str())
    }
}

impl Part {
    fn as_tool(&self) -> Option<&ToolCall> {
        match self {
            Self::Tool(call) => Some(call),
            Self::Text(_) => None,
        }
    }

    /// Whether it is a call that has not ended.
    pub fn is_at_work(&self) -> bool {
        self.as_tool().is_some_and(|it| it.is_running)
    }

    /// The call, where nothing tells whether it works or waits to be allowed to.
    pub fn as_silent_call(&self) -> Option<SilentCall> {
        let call = self.as_tool().filter(|it| it.is_running && !it.has_metadata)?;
        Some(SilentCall { tool: call.name.clone(), started: call.started })
    }

    /// Nothing where the part is of another kind, or was made by the program and not by whom the message is from.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let raw: RawPart<'_> = jsonl::record(json)?;
        match &*raw.kind {
            "text" if !raw.synthetic && !raw.ignored => Some(Self::Text(raw.text?.into_owned())),
            "tool" => {
                let state = raw.state?;
                Some(Self::Tool(ToolCall {
                    name: raw.tool?.into_owned(),
                    is_running: state.status == "running",
                    has_metadata: state.metadata.is_some(),
                    started: state.time.and_then(|it| Timestamp::from_millis(it.start?)),
                    input: state.input.map_or(String::new(), |it| it.to_string()),
                    output: state.output.map(Cow::into_owned),
                    error: state.error.map(Cow::into_owned),
                }))
            }
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct RawPart<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    /// Text that the program put beside the prompt: the contents of a file that it names.
    #[serde(default)]
    synthetic: bool,
    #[serde(default)]
    ignored: bool,
    #[serde(borrow)]
    tool: Option<Cow<'a, str>>,
    #[serde(borrow)]
    state: Option<RawState<'a>>,
}

#[derive(Deserialize)]
struct RawState<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    input: Option<serde_json::Value>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
    #[serde(borrow)]
    output: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    time: Option<RawStart>,
}

#[derive(Deserialize)]
struct RawStart {
    start: Option<i64>,
}

/// Tools that were seen (1.18.33) to wait for approval while they run and have no metadata. A `bash` that works has
/// some, and the others are done within 0.2 seconds, even on a busy machine.
const APPROVED_FIRST: [&str; 4] = ["bash", "write", "edit", "apply_patch"];

/// Tools that have no metadata while they run, allowed or not, and are done within seconds once they are: one of which the
/// log says that it asked most likely waits.
const SOON_DONE: [&str; 7] =
    ["read", "list", "glob", "grep", "webfetch", "websearch", "codesearch"];

impl ToolCall {
    /// What a running call waits for, if a human is what it waits for.
    ///
    /// Nothing in the store says so outright. The tools that ask a question do nothing but wait. Tools that work without
    /// metadata, like `webfetch`, may be either.
    fn waiting_for(&self) -> Option<WaitingFor> {
        match &*self.name {
            _ if !self.is_running => None,
            it if APPROVED_FIRST.contains(&it) && !self.has_metadata => {
                Some(WaitingFor::Permission)
            }
            "question" => Some(WaitingFor::Question),
            "plan_enter" | "plan_exit" => Some(WaitingFor::Plan),
            _ => None,
        }
    }

    /// Whether the user refused it without a word; with one, the model would go on.
    fn is_refused(&self) -> bool {
        self.error.as_deref().is_some_and(|it| REFUSALS.contains(&it))
    }
}

/// The prompt of a user's message: its first text that is not empty.
pub fn prompt(parts: &[Part]) -> Option<String> {
    parts.iter().find_map(|part| match part {
        Part::Text(text) => Some(unquoted(text.trim())).filter(|it| !it.is_empty()),
        Part::Tool(_) => None,
    })
}

/// `opencode run` puts an argument with a space in it between quotes, those within it behind backslashes, and stores
/// the result: `"hello \"world\""`.
fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let Some(inner) = inner.filter(|it| it.contains(' ')) else { return text.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('"') {
        // A quote of its own: these are two arguments, or a person's own quotes.
        let Some(before) = rest[..at].strip_suffix('\\') else { return text.to_owned() };
        plain.push_str(before);
        plain.push('"');
        rest = &rest[at + 1..];
    }
    if rest.ends_with('\\') {
        return text.to_owned();
    }
    plain.push_str(rest);
    plain
}

/// The agent's title, without the one that every session begins with: `New session - 2026-11-22T20:19:44.851Z`.
pub fn title(title: String) -> Option<String> {
    let time = ["New session - ", "Child session - "].iter().find_map(|it| title.strip_prefix(it));
    let is_default = time.is_some_and(|it| Timestamp::parse(it).is_some());
    (!is_default && !title.trim().is_empty()).then_some(title)
}

/// What the parts of one message say, oldest first.
pub fn turns(message: &Message, parts: Vec<Part>) -> Vec<Turn> {
    let (role, at) = match message {
        Message::User { created } => (Role::User, *created),
        Message::Assistant(step) => (Role::Assistant, step.created),
    };
    let said = |text: String| Turn { role, at, text, tool: None, truncated: None };
    let mut turns = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) if text.trim().is_empty() => {}
            Part::Text(text) if role == Role::User => turns.push(said(unquoted(text.trim()))),
            Part::Text(text) => turns.push(said(text)),
            Part::Tool(call) => {
                let mut text = call.input;
                let mut is_cut = shorten(&mut text);
                if let Some(mut output) = call.output.or(call.error) {
                    is_cut |= shorten(&mut output);
                    text.push('\n');
                    text.push_str(&output);
                }
                turns.push(Turn {
                    role: Role::Tool,
                    at: call.started.or(at),
                    text,
                    tool: Some(call.name),
                    truncated: is_cut.then_some(true),
                });
            }
        }
    }
    turns
}

/// Cuts a tool's text to what a turn shows, between characters. Whether there was something to cut.
fn shorten(text: &mut String) -> bool {
    let is_longer = text.len() > TOOL_TEXT_MAX;
    if is_longer {
        text.truncate(text.floor_char_boundary(TOOL_TEXT_MAX));
    }
    is_longer
}

#[cfg(test)]
mod tests;
