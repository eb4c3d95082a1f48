//! Why a request cannot be answered: one enum, and what its errors say to people.

use std::fmt;

use jsonrpsee::types::ErrorObjectOwned;

use super::lock::{Holder, Lock, LockKind};
use super::session::Process;
use crate::base::{AbsPath, AgentId, Pid, SessionId};

pub mod codes;
mod data;

pub use codes::{Code, OUR_CODES};
pub use data::{Candidate, LaunchFailure, Stage};

use codes::{
    AGENT_UNKNOWN, DIRECTORY_LOCKED, FUSE_NOT_FOUND, INTERNAL, INVALID_PARAMS, LAUNCH_FAILED,
    LEDGER_UNAVAILABLE, NOT_OURS, SESSION_ALIVE, SESSION_AMBIGUOUS, SESSION_NOT_FOUND, UNSUPPORTED,
};
use data::{Ambiguity, Claimed, ErrorData, KnownAgents, Member, NoDetails, Owned};

/// A request that cannot be answered. An adapter's failure is never one of these.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RpcError {
    /// The client has to ask otherwise; `path` is the member that is wrong.
    #[error("invalid params: {message}")]
    InvalidParams { path: String, message: String },
    /// A bug, or a world that nobody thought of: whoever mends the server has to look.
    #[error("internal error: {0}")]
    Internal(String),
    /// The client can look whether the turn has ended all the same, and ask once more: the agent's own service has
    /// failed, or takes long.
    #[error("the turn may not have ended: {0}")]
    NotEnded(String),
    /// `unanswered` are the adapters that failed or were late, and might have known it.
    #[error("no session is known by `{query}`")]
    SessionNotFound { query: String, unanswered: Vec<AgentId> },
    /// The client has to say which of them it means; `omitted` are further ones, which are not listed.
    #[error("`{query}` matches {} sessions", candidates.len() + omitted)]
    SessionAmbiguous { query: String, candidates: Vec<Candidate>, omitted: usize },
    /// The client has to name one of the `known`.
    #[error("no adapter is called `{agent}`")]
    AgentUnknown { agent: String, known: Vec<AgentId> },
    /// The client can wait, or have the session stopped; where `owner` names several processes, the user ends one.
    #[error("session `{session}` is owned by {owner}")]
    SessionAlive { session: SessionId, owner: LiveOwner },
    /// Whoever holds the claim can give it up; the client can wait, or go over it as `asked` allows.
    #[error("{directory} is claimed by `{}`", holder.by)]
    DirectoryLocked { directory: AbsPath, holder: Box<Holder>, asked: Claiming },
    /// The user has to put in order what the stage of the failure names.
    #[error("{agent} did not come up")]
    LaunchFailed { agent: AgentId, failure: Box<LaunchFailure> },
    /// Nothing was changed; what is wrong stands in `message`, and the `cure` says who can mend it.
    #[error("{message}")]
    LedgerUnavailable { message: String, cure: LedgerCure },
    /// The client has to look again: that process has ended, and its id is another's.
    #[error("process {} is not the one that was looked at; nothing was signalled", .0)]
    NotOurs(Pid),
    /// There is no fuse on that directory, or it has been fired.
    #[error("no fuse is set on {0}")]
    FuseNotFound(AbsPath),
    /// `hint` says what can do it, or who.
    #[error("{agent} cannot {what}")]
    Unsupported { agent: AgentId, what: String, hint: String },
}

impl RpcError {
    /// A parameter that cannot be what it is.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::InvalidParams { path: path.to_owned(), message: message.into() }
    }

    /// A directory that another claim covers.
    pub fn locked(lock: Lock, asked: Claiming) -> Self {
        let directory = lock.directory.clone();
        Self::DirectoryLocked { directory, holder: Box::new(lock.into()), asked }
    }

    /// How the wire names it.
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidParams { .. } => INVALID_PARAMS,
            Self::Internal(_) | Self::NotEnded(_) => INTERNAL,
            Self::SessionNotFound { .. } => SESSION_NOT_FOUND,
            Self::SessionAmbiguous { .. } => SESSION_AMBIGUOUS,
            Self::AgentUnknown { .. } => AGENT_UNKNOWN,
            Self::DirectoryLocked { .. } => DIRECTORY_LOCKED,
            Self::SessionAlive { .. } => SESSION_ALIVE,
            Self::LaunchFailed { .. } => LAUNCH_FAILED,
            Self::Unsupported { .. } => UNSUPPORTED,
            Self::LedgerUnavailable { .. } => LEDGER_UNAVAILABLE,
            Self::NotOurs(_) => NOT_OURS,
            Self::FuseNotFound(_) => FUSE_NOT_FOUND,
        }
    }

    /// What to do next, where that can be said.
    fn hint(&self) -> Option<String> {
        match self {
            Self::SessionNotFound { unanswered, .. } => Some(match &unanswered[..] {
                [] => "session.list shows every id".into(),
                [first, ..] => format!("{first} did not answer; session.list says why"),
            }),
            Self::SessionAmbiguous { .. } => Some("give more of the id, or `agent`".into()),
            Self::SessionAlive { .. } => {
                Some("stop it first, or go to the terminal that runs it".into())
            }
            Self::Unsupported { hint, .. } => Some(hint.clone()),
            Self::DirectoryLocked { holder, asked, .. } => Some(asked.hint(holder)),
            Self::LaunchFailed { failure, .. } => Some(failure.stage.hint().into()),
            Self::LedgerUnavailable { cure, .. } => {
                Some(format!("nothing was changed; {}", cure.hint()))
            }
            Self::NotOurs(_) => Some("look again with session.status".into()),
            Self::NotEnded(_) => {
                Some("look with session.status whether it has, or stop it again".into())
            }
            Self::FuseNotFound(_) => Some("fuse.list shows every fuse".into()),
            Self::InvalidParams { .. } | Self::Internal(_) | Self::AgentUnknown { .. } => None,
        }
    }

    /// Whether the same request may succeed later without any change to it.
    fn is_retryable(&self) -> bool {
        match self {
            Self::SessionAlive { .. }
            | Self::DirectoryLocked { .. }
            | Self::NotOurs(_)
            | Self::NotEnded(_) => true,
            Self::SessionNotFound { unanswered, .. } => !unanswered.is_empty(),
            Self::LedgerUnavailable { cure, .. } => *cure == LedgerCure::Wait,
            _ => false,
        }
    }

    /// The members that this kind of error alone has.
    fn details(&self) -> serde_json::Value {
        match self {
            Self::InvalidParams { path, .. } => serde_json::json!(Member { path: path.clone() }),
            Self::SessionAmbiguous { candidates, omitted, .. } => serde_json::json!(Ambiguity {
                candidates: candidates.clone(),
                candidates_omitted: (*omitted > 0).then_some(*omitted),
            }),
            Self::AgentUnknown { known, .. } => {
                serde_json::json!(KnownAgents { known: known.clone() })
            }
            Self::SessionAlive { owner, .. } => serde_json::json!(Owned {
                process: match owner {
                    LiveOwner::Process(process) => Some(process.clone()),
                    LiveOwner::Named(_) | LiveOwner::Service => None,
                },
            }),
            Self::DirectoryLocked { directory, holder, asked: _ } => serde_json::json!(Claimed {
                directory: directory.clone(),
                holder: Holder::clone(holder),
            }),
            Self::LaunchFailed { failure, .. } => serde_json::json!(failure),
            Self::Internal(_)
            | Self::NotEnded(_)
            | Self::SessionNotFound { .. }
            | Self::Unsupported { .. }
            | Self::LedgerUnavailable { .. }
            | Self::NotOurs(_)
            | Self::FuseNotFound(_) => serde_json::json!(NoDetails {}),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let Code { code, kind, .. } = error.code();
        let (details, retryable, hint) = (error.details(), error.is_retryable(), error.hint());
        let data = ErrorData { details, kind, retryable, hint };
        ErrorObjectOwned::owned(code, error.to_string(), Some(data))
    }
}

/// Who keeps a session alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveOwner {
    Process(Process),
    /// A process that cannot be shown, or several of which nothing says which: by these words.
    Named(String),
    /// A run in the agent's own service.
    Service,
}

impl fmt::Display for LiveOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(_) => f.write_str("a live process"),
            Self::Named(named) => f.write_str(named),
            Self::Service => f.write_str("a run in its service"),
        }
    }
}

/// What makes the ledger usable again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerCure {
    /// Another program is to let go of it.
    Wait,
    /// This program is too old for it.
    Update,
    /// Its file is damaged.
    Replace,
    /// The system does not let it be read or written.
    Allow,
}

impl LedgerCure {
    fn hint(self) -> &'static str {
        match self {
            Self::Wait => "ask again, or end the program that keeps it locked",
            Self::Update => "update headcount",
            Self::Replace => "move the file away, and the next change begins a new ledger",
            Self::Allow => "see to the disk, and to who may read and write the file",
        }
    }
}

/// What a claim stands in the way of; each has another way on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claiming {
    /// An agent is to be launched or resumed in the directory.
    Launch,
    /// Somebody wants the directory for themselves.
    Acquire,
    /// Somebody wants the directory to be free.
    Release,
}

impl Claiming {
    fn hint(self, holder: &Holder) -> String {
        let end = match (holder.kind, holder.expires_at) {
            (LockKind::Launch, _) => "wait until its agent has ended",
            (LockKind::Manual, Some(_)) => "wait until it is released or runs out",
            (LockKind::Manual, None) => "wait until it is released",
        };
        let way = match (self, holder.kind) {
            (Self::Launch | Self::Release, _) => "give `force`",
            (Self::Acquire, LockKind::Manual) => "give it up with lock.release",
            (Self::Acquire, LockKind::Launch) => "give it up with lock.release and its `force`",
        };
        format!("{end}, or {way}; lock.list shows every claim")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;

    #[test]
    fn a_hint_names_what_the_method_has_and_the_holder_how_long_it_may_last() {
        let check = |asked, kind, ends: Option<i64>, expect: &str| {
            let instant = |seconds: i64| Timestamp::from_millis(seconds * 1000).unwrap();
            let lock = Lock {
                directory: AbsPath::parse("/a").unwrap(),
                by: "me".into(),
                kind,
                pid: None,
                session_id: None,
                since: instant(1),
                expires_at: ends.map(instant),
                reason: None,
            };
            let error = ErrorObjectOwned::from(RpcError::locked(lock, asked));
            let data: serde_json::Value =
                serde_json::from_str(error.data().unwrap().get()).unwrap();
            let hint = format!("wait until {expect}; lock.list shows every claim");
            assert_eq!((error.code(), &data["hint"]), (1004, &hint.into()));
            assert_eq!(data["holder"]["kind"], serde_json::json!(kind));
            assert_eq!(data["holder"].get("expiresAt").is_some(), ends.is_some());
        };
        let (launch, manual) = (LockKind::Launch, LockKind::Manual);
        check(Claiming::Launch, manual, Some(2), "it is released or runs out, or give `force`");
        check(Claiming::Launch, launch, None, "its agent has ended, or give `force`");
        let by_hand = "it is released, or give it up with lock.release";
        check(Claiming::Acquire, manual, None, by_hand);
        let by_force = "its agent has ended, or give it up with lock.release and its `force`";
        check(Claiming::Acquire, launch, None, by_force);
        check(Claiming::Release, launch, None, "its agent has ended, or give `force`");
    }
}
