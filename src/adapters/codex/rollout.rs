//! An excerpt of a rollout becomes a record: what the thread is, and how its last turn stands. PURE.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;

use super::super::evidence::{Failure, Prompt, Record, TurnState, WaitingFor};
use super::super::excerpt::{Excerpt, Malformed, Parsed, Wants};
use super::super::jsonl::{self, Text};
use super::line::{Event, Line, Meta, PLAN, Standing, TurnContext, message, turn_context};
use super::rolled_back::ROLLED_BACK;
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Certainty, Role, SessionKind, Source};

/// What the name of a rollout says: `rollout-2026-11-22T20-22-32-<thread id>.jsonl`, and for one that a thread goes on
/// in after it was rewound `rollout-2026-11-22T20-22-32-<thread id>_<its own id>.jsonl`.
pub(super) struct Name<'a> {
    pub(super) thread: SessionId,
    /// The id by which other rollouts name this one: the first of a thread has the thread's.
    pub(super) own: &'a str,
}

impl<'a> Name<'a> {
    pub(super) fn of(name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
        let ids = rest.get("2026-11-22T20-22-32-".len()..)?;
        let (thread, own) = ids.split_once('_').unwrap_or((ids, ids));
        Some(Self { thread: SessionId::parse(thread)?, own })
    }

    pub(super) fn of_file(path: &'a Path) -> Option<Self> {
        Self::of(path.file_name()?.to_str()?)
    }

    /// Whether the thread goes on here, and did not begin here.
    pub(super) fn goes_on(&self) -> bool {
        self.own != self.thread.as_str()
    }
}

/// Reads what an excerpt says of its thread.
pub(super) fn parse(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    let meta = meta(excerpt)?;
    let session = SessionId::parse(&meta.id).ok_or_else(|| Malformed {
        what: format!("`{}` is no thread id", meta.id),
        line: Some(1),
    })?;
    let head = Head::of(excerpt);
    let tail = Tail::of(excerpt, head.states_turns);
    let wants = Wants {
        longer_head: head.prompt.is_none(),
        longer_tail: tail.is_short,
        line_holding: None,
    };

    let mut record = Record::new(session, Source::Transcript);
    let is_subagent = meta.thread_source.as_deref() == Some("subagent")
        || meta.source.as_ref().is_some_and(|it| it.get("subagent").is_some());
    if is_subagent {
        record.kind = SessionKind::Subagent;
        record.parent = meta.parent().filter(|it| *it != record.session);
    }
    // One that was rewound to its very beginning has no history, and was asked something all the same.
    let goes_on = Name::of_file(excerpt.path).is_some_and(|it| it.goes_on());
    let has_history = meta.history_base.is_some() || goes_on;
    record.forked_from = meta.forked_from_id.as_deref().and_then(SessionId::parse);
    record.branch = meta.git.and_then(|it| it.branch).filter(|it| !it.is_empty());
    record.created = meta.timestamp.as_deref().and_then(Timestamp::parse);
    record.updated = tail.updated.or(excerpt.modified_unseen()).or(record.created);
    let (first, last) = (head.context, tail.context);
    let (cwd, model) = match last {
        Some(last) => (last.cwd, last.model),
        None => first.map_or((None, None), |it| (it.cwd, it.model)),
    };
    record.cwd = cwd.or(meta.cwd).and_then(AbsPath::parse);
    record.model = model.filter(|it| !it.is_empty());
    record.is_archived = excerpt.path.components().any(|it| it.as_os_str() == super::ARCHIVE);
    (record.turn, record.certainty) = match tail.turn {
        Some(stated) => stated,
        // Nothing was asked since the thread was rewound or forked: to the end of a turn.
        None if excerpt.is_whole() && has_history => (TurnState::Completed, Certainty::Inferred),
        // Nothing of a turn in all of the file.
        None if excerpt.is_whole() && head.prompt.is_none() => {
            (TurnState::NeverPrompted, Certainty::Inferred)
        }
        None => (TurnState::Unknown, Certainty::Inferred),
    };
    record.turn_moved = tail.updated.filter(|_| record.turn.is_in_flight());
    record.prompt = head.prompt;
    Ok(Parsed { value: record, wants })
}

/// Reads the first line.
pub(super) fn meta(excerpt: &Excerpt<'_>) -> Result<Meta, Malformed> {
    let no_meta = |what| Malformed { what: String::from(what), line: Some(1) };
    let Some(first) = excerpt.head_lines().next() else {
        return torn_meta(excerpt.head()).ok_or_else(|| no_meta("no complete record"));
    };
    let meta = without_instructions(first).and_then(|it| first_line(&it));
    meta.or_else(|| first_line(first))
        .ok_or_else(|| no_meta("the first record is no `session_meta`"))
}

/// What comes before the system prompt in a first line that is longer than all that is read.
fn torn_meta(head: &[u8]) -> Option<Meta> {
    let end = memchr::memmem::find(head, br#","base_instructions""#)?;
    first_line(&[&head[..end], b"}}"].concat())
}

/// The first line without the text of the system prompt: 22 KB of escapes, on which reading the line as JSON
/// spends nearly all of its time.
fn without_instructions(line: &[u8]) -> Option<Vec<u8>> {
    const BEFORE: &[u8] = br#""base_instructions":{"text":""#;
    let start = memchr::memmem::find(line, BEFORE)? + BEFORE.len();
    let text = &line[start..];
    // A quote that is part of the text has an odd number of backslashes before it.
    let is_end = |at: &usize| {
        let backslashes = text[..*at].iter().rev().take_while(|it| **it == b'\\').count();
        backslashes.is_multiple_of(2)
    };
    let end = memchr::memchr_iter(b'"', text).find(is_end)?;
    Some([&line[..start], &text[end..]].concat())
}

fn first_line(line: &[u8]) -> Option<Meta> {
    #[derive(Deserialize)]
    struct FirstLine<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        payload: Meta,
    }
    let line: FirstLine<'_> = jsonl::record(line)?;
    (line.kind == "session_meta").then_some(line.payload)
}

/// What the beginning of a rollout says.
struct Head {
    prompt: Option<Prompt>,
    context: Option<TurnContext>,
    /// Whether this Codex states how turns begin and end.
    states_turns: bool,
}

impl Head {
    fn of(excerpt: &Excerpt<'_>) -> Self {
        let mut head = Self { prompt: None, context: None, states_turns: false };
        for line in excerpt.head_lines().skip(1) {
            head.states_turns = head.states_turns || may_be(line, &["task_started"]);
            if head.context.is_none() && may_be(line, &["turn_context"]) {
                head.context = Line::parse(line).and_then(|it| turn_context(&it));
            }
            if may_be(line, &["UserMessage", "user_message"]) {
                let message = Line::parse(line).and_then(|it| message(&it));
                if let Some((Role::User, text)) = message {
                    head.prompt = Some(Prompt::of(&text));
                    break;
                }
            }
        }
        head
    }
}

/// What the end of a rollout says.
#[derive(Default)]
struct Tail {
    updated: Option<Timestamp>,
    context: Option<TurnContext>,
    turn: Option<(TurnState, Certainty)>,
    /// Whether the last turn has proposed a plan.
    has_plan: bool,
    /// Whether the last turn was read to its beginning.
    is_read: bool,
    /// Whether what comes before it may say more.
    is_short: bool,
}

/// Bytes at the beginning of a line in which Codex says what kind of record it is: it writes time, type and the
/// payload's own type first, and an item's type behind three ids. A tool's result may be megabytes.
const KIND_WITHIN: usize = 512;

/// Whether a line may be of one of these kinds: a cheap test before parsing.
pub(super) fn may_be(line: &[u8], kinds: &[&str]) -> bool {
    static TYPE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""type":""#));
    let beginning = &line[..line.len().min(KIND_WITHIN)];
    TYPE.find_iter(beginning).any(|at| {
        let kind = &beginning[at + TYPE.needle().len()..];
        let is =
            |it: &&str| kind.strip_prefix(it.as_bytes()).is_some_and(|it| it.starts_with(b"\""));
        kinds.iter().any(is)
    })
}

/// The records that say how turns stand.
const MARKS: [&str; 4] = ["task_complete", "task_started", "turn_aborted", ROLLED_BACK];
/// The records that say with which settings a turn runs.
const CONTEXTS: [&str; 2] = ["turn_context", "thread_settings_applied"];
/// The records of tools that a person may be asked about, and of their results.
const CALLS: [&str; 4] =
    ["function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"];
/// The records that say whether a turn has proposed a plan: one that does, and one that the turn begins with.
const PLANS: [&str; 2] = [PLAN, "task_started"];
/// The tool with which the model asks a person something; it does nothing but wait.
const QUESTION: &str = "request_user_input";
/// What a call's arguments hold that asks to leave the sandbox.
const ESCALATES: &str = r#""require_escalated""#;
/// What a call holds that changes files: within the workspace that is done in milliseconds, elsewhere a person is asked.
const PATCHES: &str = "*** Begin Patch";

impl Tail {
    /// Walks back from the end until it is known how the last turn stands and with which settings it ran.
    fn of(excerpt: &Excerpt<'_>, states_turns: bool) -> Self {
        let mut tail = Self::default();
        let mut states_turns = states_turns;
        let mut shape = Shape::default();
        let mut calls = Calls::default();
        for bytes in excerpt.tail_lines() {
            // Where turns are not stated, the last records say what there is to say.
            let is_shaped = !states_turns && !shape.is_open();
            let may_mark = tail.turn.is_none() && may_be(bytes, &MARKS);
            let may_set = tail.context.is_none() && may_be(bytes, &CONTEXTS);
            let may_call = tail.turn.is_none() && !is_shaped && may_be(bytes, &CALLS);
            let may_shape = !states_turns && shape.is_open();
            let may_plan = tail.may_have_planned() && may_be(bytes, &PLANS);
            if tail.updated.is_some() && !(may_mark || may_set || may_call || may_shape || may_plan)
            {
                continue;
            }
            let Some(line) = Line::parse(bytes) else { continue };
            tail.updated = tail.updated.or_else(|| line.at());
            states_turns |= line.ordinal.is_some();
            if may_set {
                tail.context = turn_context(&line);
            }
            if may_mark {
                tail.turn = mark(&line);
            }
            if may_plan {
                tail.look_for_plan(&line);
            }
            if may_call {
                calls.look(&line);
            }
            if !states_turns {
                shape.look(&line);
            }
            if tail.turn.is_some() && tail.context.is_some() && !tail.may_have_planned() {
                break;
            }
        }
        let is_stated = tail.turn.is_some();
        let has_context = tail.context.is_some();
        tail.is_short = !has_context || states_turns && !is_stated || tail.may_have_planned();
        let turn = match tail.turn.take() {
            // A turn longer than all that is read: its end would be among the last records.
            None if states_turns && !excerpt.is_whole() => {
                Some((TurnState::InProgress, Certainty::Inferred))
            }
            None if !states_turns => shape.concluded(),
            stated => stated,
        };
        tail.turn = match turn {
            Some((TurnState::InProgress, certainty)) => {
                Some(calls.turn(tail.context.as_ref(), certainty))
            }
            // That it is declined is not recorded; that the mode is left is.
            Some((TurnState::Completed, _)) if tail.has_plan && tail.is_planning() => {
                Some((TurnState::Planned, Certainty::Inferred))
            }
            turn => turn,
        };
        tail
    }

    fn is_planning(&self) -> bool {
        self.context.as_ref().is_some_and(TurnContext::is_planning)
    }

    /// Whether it is still to be seen if the last turn has proposed a plan.
    fn may_have_planned(&self) -> bool {
        let has_ended = matches!(self.turn, Some((TurnState::Completed, Certainty::Asserted)));
        let may_plan = self.context.is_none() || self.is_planning();
        has_ended && may_plan && !self.has_plan && !self.is_read
    }

    fn look_for_plan(&mut self, line: &Line<'_>) {
        let Some(event) = line.payload::<Event<'_>>() else { return };
        self.has_plan = event.item.is_some_and(|it| it.kind == PLAN);
        self.is_read = event.kind == "task_started";
    }
}

/// Reads `task_started`, `task_complete` or `turn_aborted`: the agent's own word on its turn. A thread that was rewound
/// stands at the end of an earlier one.
fn mark(line: &Line<'_>) -> Option<(TurnState, Certainty)> {
    if line.kind != "event_msg" {
        return None;
    }
    let event: Event<'_> = line.payload()?;
    if event.kind == ROLLED_BACK {
        return Some((TurnState::Completed, Certainty::Inferred));
    }
    let turn = match (&*event.kind, &event.error) {
        ("task_started", _) => TurnState::InProgress,
        ("task_complete", Some(error)) => TurnState::Failed(failure(error)),
        ("task_complete", None) => TurnState::Completed,
        ("turn_aborted", _) => TurnState::Interrupted,
        _ => return None,
    };
    Some((turn, Certainty::Asserted))
}

/// Seen in `codex_error_info`: `"other"` and `{"http_connection_failed":{"http_status_code":401}}`.
fn failure(error: &Value) -> Failure {
    let info = error.get("codex_error_info").unwrap_or(&Value::Null);
    let status = info.as_object().and_then(|it| it.values().next()?.get("http_status_code"));
    let is_refused = info == "unauthorized" || status.and_then(Value::as_u64) == Some(401);
    if is_refused { Failure::Auth } else { Failure::Model }
}

/// The calls of tools seen so far on the way back that have no answer.
#[derive(Default)]
struct Calls {
    answered: HashSet<String>,
    is_open: bool,
    /// One that a person may have to approve.
    asks: bool,
    is_question: bool,
}

impl Calls {
    fn look(&mut self, line: &Line<'_>) {
        if line.kind != "response_item" {
            return;
        }
        let Some(call) = line.payload::<Standing<'_>>() else { return };
        let Some(id) = call.call_id.kept() else { return };
        if call.kind.ends_with("_output") {
            self.answered.insert(id);
        } else if !self.answered.contains(&id) {
            let asks = |it: &Text<'_>| it.contains(ESCALATES) || it.contains(PATCHES);
            self.is_open = true;
            self.is_question |= call.name.get() == QUESTION;
            self.asks |= asks(&call.arguments) || asks(&call.input);
        }
    }

    /// How a turn in progress stands. Codex records neither that it asks a person to approve a call nor the answer:
    /// that the call then runs is seen from its process.
    fn turn(&self, context: Option<&TurnContext>, stated: Certainty) -> (TurnState, Certainty) {
        if self.is_question {
            return (TurnState::Waiting(WaitingFor::Question), Certainty::Inferred);
        }
        let asks_a_person = context.is_some_and(|it| {
            it.approval_policy.as_ref().is_some_and(|it| it != "never")
                && it.approvals_reviewer.as_deref().is_none_or(|it| it == "user")
        });
        match (self.is_open && asks_a_person, self.asks) {
            (true, true) => (TurnState::Waiting(WaitingFor::Permission), Certainty::Inferred),
            (true, false) => (TurnState::InProgress, Certainty::Inferred),
            (false, _) => (TurnState::InProgress, stated),
        }
    }
}

/// What the last records of 0.98.0 allow to say, which states neither the beginning nor the end of a turn.
/// An answer of the assistant's with nothing after it ends the turn, and a call without its result is in
/// progress. A prompt or a result without an answer may be cut off or have failed: errors were not recorded.
#[derive(Default)]
enum Shape {
    #[default]
    Open,
    Said(TurnState),
}

impl Shape {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    fn look(&mut self, line: &Line<'_>) {
        if !self.is_open() {
            return;
        }
        let turn = match &*line.kind {
            "event_msg" => match message(line) {
                Some((Role::User, _)) => TurnState::Unknown,
                Some(_) => TurnState::Completed,
                None => return,
            },
            "response_item" => match line.payload::<Standing<'_>>() {
                Some(it) if it.kind == "message" && it.role.get() == "assistant" => {
                    TurnState::Completed
                }
                Some(it) if it.kind.ends_with("_call") => TurnState::InProgress,
                Some(it) if it.kind.ends_with("_output") => TurnState::Unknown,
                _ => return,
            },
            _ => return,
        };
        *self = Self::Said(turn);
    }

    fn concluded(self) -> Option<(TurnState, Certainty)> {
        match self {
            Self::Open => None,
            Self::Said(turn) => Some((turn, Certainty::Inferred)),
        }
    }
}

#[cfg(test)]
mod tests;
