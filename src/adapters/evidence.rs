//! What an adapter reports: sightings and problems. Evidence only; `reconcile` concludes. PURE.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::base::{AbsPath, ProcessRef, SessionId, Timestamp};
use crate::protocol::session::{
    Certainty, Outcome, Problem, ProblemKind, Reason, SessionKind, Source, Usage,
};
use crate::scope::Interest;

/// What one adapter saw in one request.
#[derive(Debug)]
pub struct Survey {
    /// `Ok`, `Absent` (nothing of this agent is here) or `Failed` (it could not do its work at all).
    pub outcome: Outcome,
    pub sightings: Vec<Sighting>,
    pub problems: Vec<Problem>,
}

impl Survey {
    /// Nothing of this agent is installed or stored here.
    pub fn absent() -> Self {
        Self { outcome: Outcome::Absent, sightings: Vec::new(), problems: Vec::new() }
    }

    /// The adapter could not do its work at all.
    pub fn failed(problem: Problem) -> Self {
        Self { outcome: Outcome::Failed, sightings: Vec::new(), problems: vec![problem] }
    }

    /// The adapter did its work; what it could not read is among the problems.
    pub fn of(sightings: Vec<Sighting>, problems: Vec<Problem>) -> Self {
        Self { outcome: Outcome::Ok, sightings, problems }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug)]
pub enum Sighting {
    /// A store holds this session.
    Recorded(Arc<Record>),
    /// A live process belongs to a session, or to none that the store shows yet.
    Claimed(Claim),
    /// The model calls of this session alone: its subagents' and its parent's are not among them.
    Counted { session: SessionId, usage: Usage },
}

impl Sighting {
    /// What a store says, where it is that.
    pub fn record(&self) -> Option<&Arc<Record>> {
        match self {
            Self::Recorded(record) => Some(record),
            Self::Claimed(_) | Self::Counted { .. } => None,
        }
    }
}

/// What a store says of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub session: SessionId,
    pub kind: SessionKind,
    pub parent: Option<SessionId>,
    pub forked_from: Option<SessionId>,
    /// What sessions have in common that begin with the same history, in agents that copy it: the id of what
    /// that begins with. The adapter's own; nothing of it reaches the wire.
    pub lineage: Option<String>,
    /// The transcript whose history this one begins with a copy of, where the agent names it by its file. The adapter's
    /// own, too.
    pub copied_from: Option<PathBuf>,
    pub title: Option<String>,
    /// The first human prompt.
    pub prompt: Option<Prompt>,
    pub cwd: Option<AbsPath>,
    pub branch: Option<String>,
    /// The last real model.
    pub model: Option<String>,
    pub created: Option<Timestamp>,
    pub updated: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub is_archived: bool,
    /// How the last turn stands, as far as the records say.
    pub turn: TurnState,
    /// When the turn in progress last moved, where the records tell: a process that started later has no part in it.
    pub turn_moved: Option<Timestamp>,
    /// Whether the agent states how the turn stands, or we conclude it from the shape of the records.
    pub certainty: Certainty,
    pub source: Source,
    /// Who keeps the session alive.
    pub owner: Owner,
    /// The file that holds the conversation, for agents with one file a session.
    pub path: Option<PathBuf>,
}

impl Record {
    /// A record that says no more than that the session is there.
    pub fn new(session: SessionId, source: Source) -> Self {
        Self {
            session,
            kind: SessionKind::Main,
            parent: None,
            forked_from: None,
            lineage: None,
            copied_from: None,
            title: None,
            prompt: None,
            cwd: None,
            branch: None,
            model: None,
            created: None,
            updated: None,
            ended: None,
            is_archived: false,
            turn: TurnState::Unknown,
            turn_moved: None,
            certainty: Certainty::Inferred,
            source,
            owner: Owner::Process,
            path: None,
        }
    }

    /// Whether its tokens are wanted.
    pub fn is_to_count(&self, interest: &Interest) -> bool {
        interest.usage.includes(&self.session, self.parent.as_ref())
    }
}

/// Deepest chain of subagents that lives in the process of the top; deeper than any agent goes.
pub const SUBAGENT_DEPTH_MAX: usize = 16;

/// Most characters of a prompt that are kept and shown.
pub const PROMPT_MAX: usize = 500;

/// A prompt, as much of it as is shown. The text is shared: each answer would else hold a copy of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt(Arc<str>);

impl Prompt {
    /// The first [`PROMPT_MAX`] characters of the text.
    pub fn of(text: &str) -> Self {
        let end = text.char_indices().nth(PROMPT_MAX).map_or(text.len(), |(at, _)| at);
        Self(text[..end].into())
    }

    pub fn into_text(self) -> Arc<str> {
        self.0
    }
}

impl Deref for Prompt {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Who keeps a session alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A process: without a live one the session is over, whatever the records say.
    Process,
    /// The service that listed it: its word is the state.
    Gateway,
}

/// How a session's last turn stands, by its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// The records do not say.
    Unknown,
    /// Nothing was asked yet.
    NeverPrompted,
    /// Begun and not ended.
    InProgress,
    /// In progress, and blocked on a human.
    Waiting(WaitingFor),
    /// Ended by itself.
    Completed,
    /// Ended by itself, with a plan that a person is to accept or to refuse.
    Planned,
    /// Interrupted by a person, or by a signal that the agent handled.
    Interrupted,
    /// Cut off from outside, by the service's own account.
    Killed,
    /// Ended in an error.
    Failed(Failure),
    /// The agent says a word that this version does not know.
    Unrecognised(String),
}

impl TurnState {
    /// Whether it has begun and not ended, whatever it waits for.
    pub fn is_in_flight(&self) -> bool {
        matches!(self, Self::InProgress | Self::Waiting(_))
    }
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WaitingFor {
    Permission,
    Question,
    Plan,
    Input,
    Login,
}

impl From<WaitingFor> for Reason {
    fn from(waiting: WaitingFor) -> Self {
        match waiting {
            WaitingFor::Permission => Self::Permission,
            WaitingFor::Question => Self::Question,
            WaitingFor::Plan => Self::Plan,
            WaitingFor::Input => Self::Input,
            WaitingFor::Login => Self::Login,
        }
    }
}

/// Why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model's service refused or failed.
    Model,
    /// The model's service did not accept the login.
    Auth,
}

/// A live process, and the session it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The session; nothing where the process has none that a store shows.
    pub session: Option<SessionId>,
    pub process: ProcessRef,
    /// What the agent's own live record says it does; nothing where there is no such record.
    pub activity: Option<Activity>,
    pub bond: Bond,
    pub source: Source,
    /// What the live record knows of a session that has no transcript yet.
    pub hints: Hints,
}

impl Claim {
    /// The claim of a process on a session, made by what `source` says.
    pub fn of(process: ProcessRef, session: Option<SessionId>, source: Source) -> Self {
        Self {
            session,
            process,
            activity: None,
            bond: Bond::Asserted,
            source,
            hints: Hints::default(),
        }
    }
}

/// What ties a process to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bond {
    /// Several processes are alike: one of them serves the session, and nothing says which.
    Alike,
    /// Concluded from what is known of both.
    Inferred,
    /// The agent or the kernel says so.
    Asserted,
}

impl Bond {
    /// How far a status can be trusted that rests on it.
    pub fn certainty(self) -> Certainty {
        match self {
            Self::Alike | Self::Inferred => Certainty::Inferred,
            Self::Asserted => Certainty::Asserted,
        }
    }
}

/// What a live record knows of its session; used where no transcript says better.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hints {
    pub title: Option<String>,
    pub cwd: Option<AbsPath>,
    pub created: Option<Timestamp>,
    /// When the live record last changed: activity that the transcript may not show.
    pub updated: Option<Timestamp>,
    pub is_background: bool,
    /// A person's process, since whose start no session of its directory was touched.
    pub nothing_asked: bool,
    /// A person's process of which nothing tells whether it was asked anything.
    pub may_be_idle: bool,
}

/// What an agent's own live record says that it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Activity {
    Busy,
    /// Its turn has ended, and what it has started in the background still runs.
    Background,
    Idle,
    Waiting(WaitingFor),
    /// It does not say how its turn stands, but ends with it: for as long as it lives, it is at work.
    OneTurn,
    /// A word that this version does not know.
    Unrecognised(String),
}

/// A problem that no one file is to blame for.
pub fn problem(kind: ProblemKind, message: impl Into<String>) -> Problem {
    Problem { kind, message: message.into(), path: None, line: None }
}

/// A problem with a file or directory.
pub fn problem_at(
    kind: ProblemKind,
    path: &std::path::Path,
    message: impl Into<String>,
) -> Problem {
    Problem { path: AbsPath::parse(path), ..problem(kind, message) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::UsageWanted;

    #[test]
    fn the_tokens_of_a_subagent_are_wanted_with_those_of_who_started_it() {
        let id = |text: &str| SessionId::parse(text).unwrap();
        let record = |session, parent: Option<&str>| Record {
            parent: parent.map(id),
            ..Record::new(id(session), Source::Transcript)
        };
        let interest = Interest { usage: UsageWanted::Of("1111".into()), ..Interest::SESSIONS };
        assert!(record("1111-2222", None).is_to_count(&interest));
        assert!(record("3333", Some("1111-2222")).is_to_count(&interest));
        assert!(!record("3333", Some("4444")).is_to_count(&interest));
        assert!(!record("1111-2222", None).is_to_count(&Interest::SESSIONS));
    }
}
