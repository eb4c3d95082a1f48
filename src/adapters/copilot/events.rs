//! The records of `events.jsonl`: what a session is, how its last turn stands, what was said. PURE.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::evidence::{Failure, Prompt, Record, TurnState, WaitingFor};
use super::super::excerpt::{Excerpt, Malformed, Parsed, Wants};
use super::super::jsonl;
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Certainty, Role, Source, Turn};

/// A line; what its data hold depends on its type.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    timestamp: Option<String>,
    #[serde(borrow)]
    data: &'a RawValue,
}

impl<'a> Event<'a> {
    fn data<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.data.get()).ok()
    }

    fn at(&self) -> Option<Timestamp> {
        self.timestamp.as_deref().and_then(Timestamp::parse)
    }
}

/// The data of `session.start`, the first line.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    session_id: String,
    #[serde(rename = "startTime")]
    created: Option<String>,
    selected_model: Option<String>,
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cwd: Option<String>,
    branch: Option<String>,
}

/// The members that matter of all other events.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    content: Option<String>,
    model: Option<String>,
    new_model: Option<String>,
    tool_name: Option<String>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    result: Option<ToolResult>,
    request_id: Option<String>,
    tool_call_id: Option<String>,
    status_code: Option<u16>,
}

#[derive(Deserialize)]
struct ToolResult {
    content: Option<String>,
}

/// Reads what an excerpt says of its session.
pub(super) fn parse(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    let first = excerpt.head_lines().next().and_then(jsonl::record::<Event<'_>>);
    let start = first.filter(|it| it.kind == "session.start").and_then(|it| it.data::<Start>());
    let no_start =
        || Malformed { what: "the first record is no `session.start`".into(), line: Some(1) };
    let start = start.ok_or_else(no_start)?;
    let session = SessionId::parse(&start.session_id).ok_or_else(no_start)?;

    let prompt = first_prompt(excerpt);
    let tail = Tail::of(excerpt);
    let wants = Wants {
        longer_head: prompt.is_none(),
        longer_tail: tail.turn.is_none() || tail.model.is_none(),
        line_holding: None,
    };
    let mut record = Record::new(session, Source::Transcript);
    record.created = start.created.as_deref().and_then(Timestamp::parse);
    record.updated = tail.updated.or(excerpt.modified_unseen()).or(record.created);
    record.ended = tail.ended;
    record.model = tail.model.or(start.selected_model);
    if let Some(context) = start.context {
        record.cwd = context.cwd.and_then(AbsPath::parse);
        record.branch = context.branch;
    }
    (record.turn, record.certainty) = match tail.turn {
        Some(turn) => (turn, Certainty::Asserted),
        None if prompt.is_none() && excerpt.is_whole() => {
            (TurnState::NeverPrompted, Certainty::Asserted)
        }
        // A turn longer than all that is read: its end would be among the last records.
        None => (TurnState::InProgress, Certainty::Inferred),
    };
    record.turn_moved = tail.updated.filter(|_| record.turn.is_in_flight());
    record.prompt = prompt.as_deref().map(Prompt::of);
    Ok(Parsed { value: record, wants })
}

fn first_prompt(excerpt: &Excerpt<'_>) -> Option<String> {
    static BY_PERSON: LazyLock<Finder<'static>> =
        LazyLock::new(|| Finder::new(r#""user.message""#));
    let messages = excerpt.head_lines().filter(|it| jsonl::holds(it, &BY_PERSON));
    messages.filter_map(jsonl::record::<Event<'_>>).find_map(|it| {
        let data: Data<'_> = it.data().filter(|_| it.kind == "user.message")?;
        data.content.filter(|it| !it.trim().is_empty())
    })
}

/// What the end of the records says.
#[derive(Default)]
struct Tail {
    updated: Option<Timestamp>,
    /// When the session was closed, if nothing came after.
    ended: Option<Timestamp>,
    model: Option<String>,
    turn: Option<TurnState>,
}

impl Tail {
    /// Walks back from the end until it is known how the last turn stands, and which model it was.
    fn of(excerpt: &Excerpt<'_>) -> Self {
        let mut tail = Self::default();
        let mut answered = BTreeSet::new();
        // Whether what came later belongs to a turn.
        let mut is_at_work = false;
        let mut was_closed = false;
        for event in excerpt.tail_lines().filter_map(jsonl::record::<Event<'_>>) {
            if tail.updated.is_none() {
                tail.updated = event.at();
                tail.ended = tail.updated.filter(|_| event.kind == "session.shutdown");
            }
            tail.look_for_model(&event);
            if tail.turn.is_none() {
                tail.turn = match &*event.kind {
                    "session.shutdown" if !is_at_work => {
                        was_closed = true;
                        None
                    }
                    "assistant.turn_end" if !is_at_work => Some(TurnState::Completed),
                    "abort" if !is_at_work => Some(TurnState::Interrupted),
                    "session.error" if !is_at_work => Some(TurnState::Failed(failure(&event))),
                    "assistant.turn_start" | "assistant.turn_end" | "session.shutdown" => {
                        Some(TurnState::InProgress)
                    }
                    kind => {
                        is_at_work |= is_work(kind);
                        waiting(&event, &mut answered)
                    }
                };
            }
            if tail.turn.is_some() && tail.model.is_some() {
                break;
            }
        }
        if tail.turn.is_none() && is_at_work {
            tail.turn = Some(TurnState::InProgress);
        }
        // The agent was told to end in the middle of a turn, and did.
        if was_closed && tail.turn.as_ref().is_some_and(TurnState::is_in_flight) {
            tail.turn = Some(TurnState::Interrupted);
        }
        tail
    }

    fn look_for_model(&mut self, event: &Event<'_>) {
        if self.model.is_none() {
            self.model = match &*event.kind {
                "assistant.message" => event.data::<Data<'_>>().and_then(|it| it.model),
                "session.model_change" => event.data::<Data<'_>>().and_then(|it| it.new_model),
                _ => None,
            };
        }
    }
}

/// Whether such an event happens only while a turn is in progress. What a turn had asked for may be called off after
/// its end: `abort`, then `permission.completed`.
fn is_work(kind: &str) -> bool {
    let (group, step) = kind.split_once('.').unwrap_or((kind, ""));
    let is_end = matches!(step, "completed" | "execution_complete");
    let is_of_turn = matches!(
        group,
        "user"
            | "assistant"
            | "tool"
            | "permission"
            | "user_input"
            | "elicitation"
            | "exit_plan_mode"
    );
    is_of_turn && !is_end
}

/// A question to the person that has no answer yet; `answered` are the answers that came after it, by their request or
/// by the call of a tool.
fn waiting(event: &Event<'_>, answered: &mut BTreeSet<String>) -> Option<TurnState> {
    let (what, step) = event.kind.split_once('.')?;
    if what == "tool" {
        return asking(event, step, answered);
    }
    let waiting = match what {
        "permission" => WaitingFor::Permission,
        "user_input" | "elicitation" => WaitingFor::Question,
        "exit_plan_mode" => WaitingFor::Plan,
        _ => return None,
    };
    let request = event.data::<Data<'_>>()?.request_id?;
    match step {
        "requested" if !answered.contains(&request) => Some(TurnState::Waiting(waiting)),
        "completed" => {
            answered.insert(request);
            None
        }
        _ => None,
    }
}

/// A tool with which the model asks a person does nothing but wait; no request of its own is recorded (1.0.102).
fn asking(event: &Event<'_>, step: &str, answered: &mut BTreeSet<String>) -> Option<TurnState> {
    let data = event.data::<Data<'_>>()?;
    let call = data.tool_call_id?;
    match step {
        "execution_start" if !answered.contains(&call) => {
            let waiting = match data.tool_name.as_deref()? {
                "ask_user" => WaitingFor::Question,
                "exit_plan_mode" => WaitingFor::Plan,
                _ => return None,
            };
            Some(TurnState::Waiting(waiting))
        }
        "execution_complete" => {
            answered.insert(call);
            None
        }
        _ => None,
    }
}

fn failure(event: &Event<'_>) -> Failure {
    match event.data::<Data<'_>>().and_then(|it| it.status_code) {
        Some(401 | 403) => Failure::Auth,
        _ => Failure::Model,
    }
}

/// The turns of a line.
pub(super) fn turns(line: &[u8]) -> Vec<Turn> {
    let event = jsonl::record::<Event<'_>>(line);
    event.as_ref().and_then(turn).into_iter().collect()
}

fn turn(event: &Event<'_>) -> Option<Turn> {
    let data: Data<'_> = event.data()?;
    let (role, text) = match &*event.kind {
        "user.message" => (Role::User, data.content?),
        "assistant.message" => (Role::Assistant, data.content?),
        "tool.execution_start" => (Role::Tool, data.arguments.map_or("", RawValue::get).to_owned()),
        "tool.execution_complete" => (Role::Tool, data.result?.content?),
        _ => return None,
    };
    // An answer that only calls tools says nothing.
    let is_said = role == Role::Tool || !text.trim().is_empty();
    is_said.then(|| Turn { role, at: event.at(), text, tool: data.tool_name, truncated: None })
}
