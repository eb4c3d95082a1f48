//! The lines of a chat: what a session is, how its last turn stands, what was said. PURE.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::evidence::{Failure, Prompt, Record, TurnState};
use super::super::excerpt::{Excerpt, Malformed, Parsed, Wants};
use super::super::files::Marks;
use super::super::jsonl;
use crate::base::{SessionId, Timestamp};
use crate::protocol::session::{Role, SessionKind, Source, Turn, Usage};

/// What Gemini's own first message begins with.
const CONTEXT: &str = "<session_context>";
/// What it notes when a person has ended a turn.
const CANCELLED: &str = "Request cancelled.";

/// A line: the header, a change to it, or a message. Of the older whole files, all at once.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line {
    session_id: Option<String>,
    start_time: Option<String>,
    last_updated: Option<String>,
    kind: Option<String>,
    summary: Option<String>,
    messages: Option<Vec<Message>>,
    #[serde(rename = "$set")]
    set: Option<Box<Line>>,
    /// The message to before which a person has rewound the conversation.
    #[serde(rename = "$rewindTo")]
    rewind_to: Option<String>,
}

/// A message; `kind` is `user`, `gemini`, `info`, `warning` or `error`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) id: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<String>,
    content: Option<Content>,
    model: Option<String>,
    pub(super) tokens: Option<Tokens>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
}

/// A text, or a list of parts of which some are text.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
    Other(serde::de::IgnoredAny),
}

#[derive(Clone, Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Clone, Deserialize)]
struct ToolCall {
    name: Option<String>,
    args: Option<Box<RawValue>>,
}

/// Tokens as Gemini counts them: what a cache served is part of the input, thoughts are no part of the output.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    input: u64,
    output: u64,
    cached: u64,
    thoughts: u64,
    /// Results of tools, given to the model beside its input.
    tool: u64,
}

impl Tokens {
    /// The same on the wire, where input is what no cache had, and reasoning is part of the output.
    pub(super) fn shown(self) -> Usage {
        Usage {
            input_tokens: self.input.saturating_sub(self.cached).saturating_add(self.tool),
            output_tokens: self.output.saturating_add(self.thoughts),
            cache_read_tokens: Some(self.cached),
            reasoning_tokens: Some(self.thoughts),
            ..Usage::default()
        }
    }
}

/// The messages that a line holds: itself, or those that take the place of all before.
pub(super) fn messages(line: &[u8]) -> Vec<Message> {
    if let Some(message) = jsonl::record::<Message>(line) {
        return vec![message];
    }
    let line = jsonl::record::<Line>(line).unwrap_or_default();
    let set = line.set.and_then(|it| it.messages);
    set.or(line.messages).unwrap_or_default()
}

impl Message {
    fn at(&self) -> Option<Timestamp> {
        self.timestamp.as_deref().and_then(Timestamp::parse)
    }

    fn text(&self) -> String {
        match &self.content {
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => {
                let texts: Vec<&str> = parts.iter().filter_map(|it| it.text.as_deref()).collect();
                texts.join("\n")
            }
            _ => String::new(),
        }
    }

    /// What a person asked; nothing for Gemini's own context and for results of tools. Of a conversation that it has
    /// taken up again, the first prompt stands behind the context.
    fn prompt(&self) -> Option<String> {
        let text = match &self.content {
            Some(Content::Parts(parts)) if self.kind == "user" => {
                let texts = parts.iter().filter_map(|it| it.text.as_deref());
                texts.filter(|it| !it.starts_with(CONTEXT)).collect::<Vec<_>>().join("\n")
            }
            Some(Content::Text(text)) if self.kind == "user" => text.clone(),
            _ => return None,
        };
        (!text.trim().is_empty() && !text.starts_with(CONTEXT)).then_some(text)
    }

    /// Whether a person or the model said something in it.
    fn is_said(&self) -> bool {
        self.prompt().is_some() || self.kind == "gemini"
    }

    fn is_context(&self) -> bool {
        self.kind == "user" && self.text().starts_with(CONTEXT)
    }

    /// How the turn stands that ends in this message; nothing where it says nothing of a turn.
    fn turn(&self) -> Option<TurnState> {
        match self.kind.as_str() {
            "user" => (!self.is_context()).then_some(TurnState::InProgress),
            // An answer without a text is one that calls tools, and it is written again when they have ended.
            "gemini" if self.tool_calls.is_empty() && !self.text().trim().is_empty() => {
                Some(TurnState::Completed)
            }
            "gemini" => Some(TurnState::InProgress),
            "error" => Some(TurnState::Failed(Failure::Model)),
            "info" if self.text() == CANCELLED => Some(TurnState::Interrupted),
            _ => None,
        }
    }

    /// The same, and when a turn that is in flight last moved.
    fn turn_and_time(&self) -> Option<(TurnState, Option<Timestamp>)> {
        let turn = self.turn()?;
        let moved = self.at().filter(|_| turn.is_in_flight());
        Some((turn, moved))
    }
}

/// Reads what an excerpt says of its session.
pub(super) fn parse(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    if excerpt.path.extension().is_some_and(|it| it == "json") {
        return parse_whole(excerpt);
    }
    let no_header = || Malformed { what: "the first record is no header".into(), line: Some(1) };
    let first =
        excerpt.head_lines().next().and_then(jsonl::record::<Line>).ok_or_else(no_header)?;
    let mut record = header(excerpt, &first).ok_or_else(no_header)?;
    let prompt = excerpt.head_lines().flat_map(messages).find_map(|it| it.prompt());
    record.prompt = prompt.as_deref().map(Prompt::of);
    let mut turn: Option<(TurnState, Option<Timestamp>)> = None;
    let (mut is_timed, mut was_taken_back) = (false, false);
    for line in excerpt.tail_lines() {
        let Line { set, rewind_to, .. } = jsonl::record::<Line>(line).unwrap_or_default();
        let change = set.unwrap_or_default();
        let messages = messages(line);
        let at = change.last_updated.as_deref().and_then(Timestamp::parse);
        let spoke = messages.iter().filter_map(Message::at).max();
        record.updated = record.updated.max(at).max(spoke);
        record.title = record.title.or(change.summary);
        let model = |it: &Message| it.model.clone().filter(|_| it.kind == "gemini");
        record.model = record.model.or_else(|| messages.iter().rev().find_map(model));
        let last = messages.iter().rev().find_map(Message::turn_and_time);
        if let Some((told, moved)) = &mut turn {
            if told.is_in_flight() && moved.is_none() && change.messages.is_none() {
                *moved = last.and_then(|(_, at)| at);
            }
        } else {
            // What a session holds is repeated when it is gone on with, under the time of that.
            let last = last.map(|(turn, at)| (turn, at.filter(|_| change.messages.is_none())));
            turn = last.map(|(turn, moved)| {
                let is_end = matches!(turn, TurnState::Interrupted | TurnState::Failed(_));
                // That something was asked does not say how it has come to be taken back.
                if was_taken_back && !is_end { (TurnState::Unknown, None) } else { (turn, moved) }
            });
            // To the end of a turn, or to where nothing had been asked.
            turn = turn.or(rewind_to.is_some().then_some((TurnState::Completed, None)));
            // All there was has been taken back: what was asked has failed, or was undone.
            was_taken_back |= change.messages.is_some() && record.prompt.is_some();
        }
        is_timed = turn.as_ref().is_some_and(|(it, moved)| moved.is_some() || !it.is_in_flight());
        if is_timed && record.model.is_some() {
            break;
        }
    }
    let wants = Wants {
        longer_head: record.prompt.is_none(),
        longer_tail: !is_timed || record.model.is_none(),
        line_holding: None,
    };
    (record.turn, record.turn_moved) = turn.unwrap_or(match record.prompt {
        None if excerpt.is_whole() => (TurnState::NeverPrompted, None),
        _ => (TurnState::Unknown, None),
    });
    Ok(Parsed { value: record, wants })
}

/// Reads a session of an older version: one JSON text, which has to be there to its end.
fn parse_whole(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    if !excerpt.is_whole() {
        return Err(Malformed::new("a session in one JSON text that is too long to be read whole"));
    }
    let malformed = || Malformed::new("no session in one JSON text");
    let session = jsonl::record::<Line>(excerpt.head()).ok_or_else(malformed)?;
    let mut record = header(excerpt, &session).ok_or_else(malformed)?;
    let messages = session.messages.unwrap_or_default();
    record.prompt = messages.iter().find_map(Message::prompt).as_deref().map(Prompt::of);
    record.title = session.summary;
    record.updated = record.updated.max(messages.iter().filter_map(Message::at).max());
    record.model = messages.iter().rev().find_map(|it| it.model.clone());
    let turn = messages.iter().rev().find_map(Message::turn_and_time);
    (record.turn, record.turn_moved) = turn.unwrap_or((TurnState::NeverPrompted, None));
    Ok(Parsed { value: record, wants: Wants::default() })
}

fn header(excerpt: &Excerpt<'_>, line: &Line) -> Option<Record> {
    let session = SessionId::parse(line.session_id.as_deref()?)?;
    let mut record = Record::new(session, Source::Transcript);
    record.created = line.start_time.as_deref().and_then(Timestamp::parse);
    record.updated = line.last_updated.as_deref().and_then(Timestamp::parse).max(record.created);
    if line.kind.as_deref() == Some("subagent") {
        record.kind = SessionKind::Subagent;
        let parent = excerpt.path.parent().and_then(|it| it.file_name()).and_then(|it| it.to_str());
        record.parent = parent.and_then(SessionId::parse);
    }
    Some(record)
}

/// How it shows that a conversation was rewound, and that another has taken its place (`/chat resume`): the messages of that
/// are written down first, under new ids, and then said to be all.
pub(super) const MARKS: Marks = Marks {
    back_to: |line| {
        static REWIND: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"$rewindTo\""));
        let line = Some(line).filter(|it| jsonl::holds(it, &REWIND))?;
        jsonl::record::<Line>(line)?.rewind_to
    },
    id: |line| jsonl::record::<Message>(line)?.id,
    all: |line| {
        static SET: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"messages\""));
        let line = Some(line).filter(|it| jsonl::holds(it, &SET))?;
        let messages = jsonl::record::<Line>(line)?.set?.messages?;
        // Where nothing is left that was said, what was asked in vain is all there is to tell.
        let is_conversation = messages.iter().any(Message::is_said);
        is_conversation.then(|| messages.into_iter().filter_map(|it| it.id).collect())
    },
};

/// The turns of a line. A change that repeats all messages says nothing new.
pub(super) fn turns(line: &[u8]) -> Vec<Turn> {
    let Some(message) = jsonl::record::<Message>(line) else { return Vec::new() };
    let at = message.at();
    let said = |role, text| Turn { role, at, text, tool: None, truncated: None };
    match message.kind.as_str() {
        "user" => message.prompt().map(|it| said(Role::User, it)).into_iter().collect(),
        // A message without calls may be written again with them; its text is shown where it stands alone.
        "gemini" if message.tool_calls.is_empty() => {
            let text = Some(message.text()).filter(|it| !it.trim().is_empty());
            text.map(|it| said(Role::Assistant, it)).into_iter().collect()
        }
        "gemini" => {
            let calls = message.tool_calls.iter().map(|it| Turn {
                tool: it.name.clone(),
                ..said(Role::Tool, it.args.as_deref().map_or("", RawValue::get).to_owned())
            });
            calls.collect()
        }
        _ => Vec::new(),
    }
}
