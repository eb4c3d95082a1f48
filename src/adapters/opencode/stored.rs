//! A session as either store has it. PURE.

use std::path::Path;
use std::sync::Arc;

use super::message::{self, Message, Part, SilentCall};
use crate::adapters::evidence::{Prompt, TurnState};
use crate::adapters::{Peeked, Record};
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Certainty, SessionKind, Source, Turn, Usage};

/// How far from the end the last answer of the model is looked for: prompts stand in line while it works.
pub(super) const LAST_MESSAGES: usize = 16;
/// How far from the start the first prompt is looked for.
pub(super) const FIRST_MESSAGES: usize = 8;

/// A session, and what is known of it beyond its record.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) record: Arc<Record>,
    /// Since when it seems to wait for a permission.
    pub(super) asks_since: Option<Timestamp>,
    /// Calls that may have asked a person first, for all that is recorded.
    pub(super) silent_calls: Vec<SilentCall>,
    /// Whether other calls beside them are at work.
    pub(super) has_others_at_work: bool,
    /// Its own calls, where the session itself says what they add up to.
    pub(super) usage: Option<Usage>,
    /// Whether `opencode run` began it, in a process of its own.
    pub(super) is_headless: bool,
}

/// What is said of a session beside its messages.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) session: SessionId,
    pub(super) parent: Option<SessionId>,
    pub(super) directory: Option<String>,
    pub(super) title: Option<String>,
    pub(super) created: Option<Timestamp>,
    pub(super) updated: Option<Timestamp>,
    pub(super) is_archived: bool,
    pub(super) usage: Option<Usage>,
    /// Whether questions are denied to it: `opencode run` does so, and nothing else.
    pub(super) is_headless: bool,
}

impl Facts {
    /// Adds what the newest messages say, the newest of them first, and the parts of [`step_in_progress`]. A message that
    /// cannot be read is nothing.
    pub(super) fn with_messages(
        self,
        newest: Vec<Option<Message>>,
        parts: &[Part],
        prompt: Option<&str>,
        source: Source,
        path: &Path,
    ) -> Stored {
        let last = newest.first();
        let turn = match last {
            None => TurnState::NeverPrompted,
            Some(None) => TurnState::Unknown,
            // A prompt may stand in line behind a step that waits for a person.
            Some(Some(last)) => waiting(&newest, parts).unwrap_or_else(|| last.turn_with(parts)),
        };
        let moved = last.and_then(|it| it.as_ref()?.last_time());
        let is_in_flight = turn.is_in_flight();
        // What ended says so; what did not end says nothing, and is seen not to have ended.
        let certainty = match turn {
            TurnState::InProgress | TurnState::Waiting(_) | TurnState::Unknown => {
                Certainty::Inferred
            }
            _ => Certainty::Asserted,
        };
        let model = newest.into_iter().flatten().find_map(|it| match it {
            Message::Assistant(step) => step.model,
            Message::User { .. } => None,
        });
        let kind = if self.parent.is_some() { SessionKind::Subagent } else { SessionKind::Main };
        let parts_at_work = || parts.iter().filter(|it| is_in_flight && it.is_at_work());
        let record = Record {
            kind,
            parent: self.parent,
            title: self.title.and_then(message::title),
            prompt: prompt.map(Prompt::of),
            cwd: self.directory.and_then(AbsPath::parse),
            model,
            created: self.created,
            // The session's own time stands still while a step runs.
            updated: self.updated.max(moved),
            is_archived: self.is_archived,
            turn,
            turn_moved: moved.filter(|_| is_in_flight),
            certainty,
            path: Some(path.to_owned()),
            ..Record::new(self.session, source)
        };
        Stored {
            record: Arc::new(record),
            asks_since: Message::asks_since(parts),
            silent_calls: parts_at_work().filter_map(Part::as_silent_call).collect(),
            has_others_at_work: parts_at_work().any(|it| it.as_silent_call().is_none()),
            usage: self.usage,
            is_headless: self.is_headless,
        }
    }
}

/// The newest step of the model's, if its turn seems to be in progress; `newest` comes the newest first.
pub(super) fn step_in_progress<K>(newest: &[(Option<Message>, K)]) -> Option<&K> {
    let mut steps = newest.iter().filter(|(it, _)| matches!(it, Some(Message::Assistant(_))));
    let (step, key) = steps.next()?;
    step.as_ref().is_some_and(|it| it.turn() == TurnState::InProgress).then_some(key)
}

/// What the newest step of the model's waits for, by its parts.
fn waiting(newest: &[Option<Message>], parts: &[Part]) -> Option<TurnState> {
    let step = newest.iter().flatten().find(|it| matches!(it, Message::Assistant(_)))?;
    Some(step.turn_with(parts)).filter(|it| matches!(it, TurnState::Waiting(_)))
}

/// The last of a session's turns, which come the newest first and one more than wanted where there are more.
pub(super) fn last_turns(mut newest_first: Vec<Turn>, wanted: usize) -> Peeked {
    let has_earlier = newest_first.len() > wanted;
    newest_first.truncate(wanted);
    newest_first.reverse();
    Peeked { turns: newest_first, has_earlier }
}
