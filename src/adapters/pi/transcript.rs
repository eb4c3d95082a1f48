//! What a transcript of Pi or `pi_agent_rust` says: its header, its last leaf, its turns. PURE.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::evidence::{Failure, Prompt, Record, TurnState};
use super::super::excerpt::{Excerpt, Malformed, Parsed, Wants};
use super::super::files::Link;
use super::super::jsonl::{self, Text};
use super::store;
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Certainty, Role, Source, Turn};

/// The text that every line with a name of the session holds.
pub(super) const NAMES: &str = r#""session_info""#;
static NAMING: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(NAMES));

/// Reads the members of a line that matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    timestamp: Text<'a>,
    /// Of `session_info`.
    #[serde(default, borrow)]
    name: Text<'a>,
    /// Of `model_change`.
    #[serde(default, borrow)]
    model_id: Text<'a>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    model: Option<String>,
    stop_reason: Option<String>,
    #[serde(rename = "errorMessage")]
    error: Option<String>,
    tool_name: Option<String>,
    /// Of `bashExecution`: what a person ran with `!`.
    command: Option<String>,
    output: Option<String>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    text: Cow<'a, str>,
    #[serde(default)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Entry<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        jsonl::record(line)
    }

    pub(super) fn at(&self) -> Option<Timestamp> {
        Timestamp::parse(self.timestamp.get())
    }

    /// The name that this entry gives the session, if it gives one: an empty one takes it away.
    pub(super) fn name(&self) -> Option<String> {
        let is_naming = self.kind == "session_info";
        is_naming.then(|| self.name.trim().to_owned())
    }

    fn message(&self) -> Option<Message<'a>> {
        let message = self.message.filter(|_| self.kind == "message")?;
        serde_json::from_str(message.get()).ok()
    }

    /// The model from here on: that of an answer, or the one that was chosen.
    fn model(&self, message: Option<&Message<'_>>) -> Option<String> {
        let chosen = Some(self.model_id.get()).filter(|_| self.kind == "model_change");
        let model = message.and_then(|it| it.model.as_deref()).or(chosen);
        model.filter(|it| !it.is_empty()).map(str::to_owned)
    }
}

impl Message<'_> {
    /// How the turn stands after this message; nothing where it is no part of a turn.
    fn turn(&self) -> Option<(TurnState, Certainty)> {
        let stated = |it| Some((it, Certainty::Asserted));
        match (&*self.role, self.stop_reason.as_deref()) {
            ("user" | "toolResult", _) | ("assistant", Some("toolUse")) => {
                Some((TurnState::InProgress, Certainty::Inferred))
            }
            ("assistant", Some("stop" | "length")) => stated(TurnState::Completed),
            ("assistant", Some("aborted")) => stated(TurnState::Interrupted),
            ("assistant", Some("error")) => stated(TurnState::Failed(self.failure())),
            ("assistant", Some(word)) => stated(TurnState::Unrecognised(word.to_owned())),
            ("assistant", None) => Some((TurnState::Unknown, Certainty::Inferred)),
            _ => None,
        }
    }

    /// Pi's messages of the model's service begin with the status: `400 mock error`, `400: {…}`.
    fn failure(&self) -> Failure {
        let message = self.error.as_deref().unwrap_or_default();
        let is_auth = message.starts_with("401") || message.starts_with("403");
        if is_auth { Failure::Auth } else { Failure::Model }
    }

    /// What is said, without what the model thinks.
    fn text(&self) -> Option<String> {
        let content = self.content?.get();
        let text = if content.starts_with('"') {
            serde_json::from_str(content).ok()?
        } else {
            let blocks = self.blocks();
            let texts = blocks.iter().filter(|it| it.kind == "text").map(|it| &*it.text);
            texts.collect::<Vec<_>>().join("\n")
        };
        (!text.trim().is_empty()).then_some(text)
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let content = self.content.map_or("", RawValue::get);
        serde_json::from_str(content).unwrap_or_default()
    }
}

/// Reads what the first and the last lines say.
pub(in super::super) fn parse(excerpt: &Excerpt<'_>) -> Result<Parsed<Record>, Malformed> {
    let header = Header::of(excerpt)?;
    let head = Head::of(excerpt);
    let tail = Tail::of(excerpt);
    let wants = Wants {
        longer_head: head.prompt.is_none(),
        longer_tail: tail.turn.is_none() || tail.model.is_none(),
        line_holding: None,
    };

    let mut record = Record::new(header.session, Source::Transcript);
    let source = header.source.as_deref();
    record.forked_from = source.and_then(|it| SessionId::parse(store::id_in_name(it)?));
    record.copied_from = header.source.map(PathBuf::from);
    record.title = tail.name.or(head.name).filter(|it| !it.is_empty());
    record.prompt = head.prompt.as_deref().map(Prompt::of);
    record.cwd = header.cwd;
    record.model = tail.model.or(head.model).or(header.model);
    record.created = header.created;
    record.updated = tail.updated.or(excerpt.modified).max(header.created);
    (record.turn, record.certainty) = match tail.turn {
        Some(turn) => turn,
        None if excerpt.is_whole() => (TurnState::NeverPrompted, Certainty::Inferred),
        None => (TurnState::Unknown, Certainty::Inferred),
    };
    record.turn_moved = tail.moved.filter(|_| record.turn.is_in_flight());
    Ok(Parsed { value: record, wants })
}

/// The first line. Its members are read one by one: only the id is indispensable.
struct Header {
    session: SessionId,
    created: Option<Timestamp>,
    cwd: Option<AbsPath>,
    /// Only `pi_agent_rust` writes it.
    model: Option<String>,
    /// The transcript that this one is a fork of.
    source: Option<String>,
}

impl Header {
    fn of(excerpt: &Excerpt<'_>) -> Result<Self, Malformed> {
        let malformed = |what: &str| Malformed { what: what.to_owned(), line: Some(1) };
        let first = excerpt.head_lines().next().ok_or_else(|| malformed("no complete record"))?;
        let header: Value = jsonl::record(first).ok_or_else(|| malformed("not JSON"))?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        if text("type") != Some("session") {
            return Err(malformed("the first record is no `session`"));
        }
        let session = text("id").and_then(SessionId::parse);
        Ok(Self {
            session: session.ok_or_else(|| malformed("the header has no id"))?,
            created: text("timestamp").and_then(Timestamp::parse),
            cwd: text("cwd").and_then(AbsPath::parse),
            model: text("modelId").filter(|it| !it.is_empty()).map(str::to_owned),
            source: text("parentSession").or(text("branchedFrom")).map(str::to_owned),
        })
    }
}

/// What the beginning says: who asked for what.
#[derive(Default)]
struct Head {
    prompt: Option<String>,
    name: Option<String>,
    model: Option<String>,
}

impl Head {
    fn of(excerpt: &Excerpt<'_>) -> Self {
        let mut head = Self::default();
        for line in excerpt.head_lines().skip(1) {
            if head.prompt.is_some() && !jsonl::holds(line, &NAMING) {
                continue;
            }
            let Some(entry) = Entry::parse(line) else { continue };
            let message = entry.message();
            head.name = entry.name().or(head.name);
            head.model = entry.model(message.as_ref()).or(head.model);
            let asked = message.filter(|it| head.prompt.is_none() && it.role == "user");
            head.prompt = asked.and_then(|it| it.text()).or(head.prompt);
        }
        head
    }
}

/// What the end says: how things stand.
#[derive(Default)]
struct Tail {
    updated: Option<Timestamp>,
    turn: Option<(TurnState, Certainty)>,
    /// When what shows how the turn stands was recorded.
    moved: Option<Timestamp>,
    model: Option<String>,
    name: Option<String>,
}

impl Tail {
    fn of(excerpt: &Excerpt<'_>) -> Self {
        let mut tail = Self::default();
        for line in excerpt.tail_lines() {
            let is_complete = tail.updated.is_some() && tail.turn.is_some() && tail.model.is_some();
            let may_name = tail.name.is_none() && jsonl::holds(line, &NAMING);
            if is_complete && !may_name {
                continue;
            }
            let Some(entry) = Entry::parse(line) else { continue };
            let message = entry.message();
            tail.updated = tail.updated.or_else(|| entry.at());
            let turn = message.as_ref().filter(|_| tail.turn.is_none()).and_then(Message::turn);
            if turn.is_some() {
                tail.turn = turn;
                tail.moved = entry.at();
            }
            tail.model = tail.model.or_else(|| entry.model(message.as_ref()));
            tail.name = tail.name.or_else(|| entry.name());
        }
        tail
    }
}

/// Where a line's entry hangs: after `/tree`, the next entry follows one that is not the last of the file.
pub(in super::super) fn link(line: &[u8]) -> Option<Link> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place<'a> {
        #[serde(default, borrow)]
        id: Text<'a>,
        /// Null in the first entry of Pi, and not there in that of `pi_agent_rust`.
        #[serde(default, borrow)]
        parent_id: Text<'a>,
    }
    let place: Place<'_> = jsonl::record(line)?;
    Some(Link { id: place.id.kept()?, parent: place.parent_id.kept(), may_go_back: true })
}

/// The turns of a line: an answer holds what it says and each tool that it calls.
pub(in super::super) fn turns(line: &[u8]) -> Vec<Turn> {
    let Some(entry) = Entry::parse(line) else { return Vec::new() };
    let Some(message) = entry.message() else { return Vec::new() };
    let at = entry.at();
    let turn = |role, text, tool: Option<String>| Turn { role, at, text, tool, truncated: None };
    let said = |role| message.text().map(|text| turn(role, text, None));
    match &*message.role {
        "user" => said(Role::User).into_iter().collect(),
        "assistant" => {
            let called = message.blocks().into_iter().filter(|it| it.kind == "toolCall");
            let called = called.map(|it| {
                let arguments = it.arguments.map_or("", RawValue::get);
                turn(Role::Tool, arguments.to_owned(), Some(it.name.into_owned()))
            });
            said(Role::Assistant).into_iter().chain(called).collect()
        }
        "toolResult" => {
            vec![turn(Role::Tool, message.text().unwrap_or_default(), message.tool_name)]
        }
        "bashExecution" => {
            let command = format!("!{}", message.command.unwrap_or_default());
            let output = message.output.unwrap_or_default();
            vec![turn(Role::User, command, None), turn(Role::Tool, output, Some("bash".into()))]
        }
        _ => Vec::new(),
    }
}
