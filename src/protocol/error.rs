//! Why a request cannot be answered: one enum, its codes and its machine-readable data.

use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::Serialize;

use super::lock::Holder;
use super::session::Process;
use crate::base::{AbsPath, AgentId, Pid, SessionId};

/// A session that a prefix or an id may mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    pub agent: AgentId,
    pub session_id: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a launch failed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The program could not be started, or the agent's service not be reached.
    Spawn,
    /// The agent ended, or its service refused, before it told a session.
    Exit,
    /// The agent wants a login.
    Auth,
    /// The agent does not trust the directory.
    Trust,
    /// The agent does not know or may not use the model.
    Model,
}

impl Stage {
    fn hint(self) -> &'static str {
        match self {
            Self::Spawn => {
                "is the agent installed and on the PATH of the login shell, or its service up?"
            }
            Self::Exit => "`output` is what the agent said last",
            Self::Auth => "log the agent in, in a terminal, and launch again",
            Self::Trust => "open the agent once in that directory, in a terminal, and trust it",
            Self::Model => "name a model that the agent knows, or none",
        }
    }
}

/// How a launch failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaunchFailure {
    /// What it failed at.
    pub stage: Stage,
    /// The exit code; 128 + n where signal n ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The last 2 KiB that the agent said.
    pub output: String,
}

/// A request that cannot be answered. An adapter's failure is never one of these.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RpcError {
    #[error("invalid params: {message}")]
    InvalidParams { path: String, message: String },
    #[error("internal error: {0}")]
    Internal(String),
    /// `unanswered` are the adapters that failed or were late, and might have known it.
    #[error("no session is known by `{query}`")]
    SessionNotFound { query: String, unanswered: Vec<AgentId> },
    #[error("`{query}` matches {} sessions", candidates.len())]
    SessionAmbiguous { query: String, candidates: Vec<Candidate> },
    #[error("no adapter is called `{agent}`")]
    AgentUnknown { agent: String, known: Vec<AgentId> },
    /// `process` is not known where a service serves the session.
    #[error("session `{session}` is owned by {}", if process.is_some() { "a live process" } else { "a run in its service" })]
    SessionAlive { session: SessionId, process: Option<Process> },
    #[error("{directory} is claimed by `{}`", holder.by)]
    DirectoryLocked { directory: AbsPath, holder: Box<Holder> },
    #[error("{agent} did not come up")]
    LaunchFailed { agent: AgentId, failure: Box<LaunchFailure> },
    #[error("{0}")]
    LedgerUnavailable(String),
    #[error("process {} is not the one that was looked at; nothing was signalled", .0)]
    NotOurs(Pid),
    #[error("no fuse is set on {0}")]
    FuseNotFound(AbsPath),
    #[error("{agent} cannot {what}")]
    Unsupported { agent: AgentId, what: String, hint: String },
}

impl RpcError {
    /// A parameter that cannot be what it is.
    pub fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::InvalidParams { path: path.to_owned(), message: message.into() }
    }

    /// The code on the wire; stable.
    pub fn code(&self) -> i32 {
        match self {
            Self::InvalidParams { .. } => -32602,
            Self::Internal(_) => -32603,
            Self::SessionNotFound { .. } => 1001,
            Self::SessionAmbiguous { .. } => 1002,
            Self::AgentUnknown { .. } => 1003,
            Self::DirectoryLocked { .. } => 1004,
            Self::SessionAlive { .. } => 1005,
            Self::LaunchFailed { .. } => 1006,
            Self::Unsupported { .. } => 1007,
            Self::LedgerUnavailable(_) => 1008,
            Self::NotOurs(_) => 1009,
            Self::FuseNotFound(_) => 1010,
        }
    }

    /// The machine word on the wire; stable.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::InvalidParams { .. } => "invalid_params",
            Self::Internal(_) => "internal",
            Self::SessionNotFound { .. } => "session_not_found",
            Self::SessionAmbiguous { .. } => "session_ambiguous",
            Self::AgentUnknown { .. } => "agent_unknown",
            Self::DirectoryLocked { .. } => "directory_locked",
            Self::SessionAlive { .. } => "session_alive",
            Self::LaunchFailed { .. } => "launch_failed",
            Self::Unsupported { .. } => "unsupported",
            Self::LedgerUnavailable(_) => "ledger_unavailable",
            Self::NotOurs(_) => "not_ours",
            Self::FuseNotFound(_) => "fuse_not_found",
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
            Self::DirectoryLocked { .. } => {
                Some("wait for its release, or give `force`; lock.list shows every claim".into())
            }
            Self::LaunchFailed { failure, .. } => Some(failure.stage.hint().into()),
            Self::LedgerUnavailable(_) => {
                Some("nothing was changed; repair or move the file".into())
            }
            Self::NotOurs(_) => Some("look again with session.status".into()),
            Self::FuseNotFound(_) => Some("fuse.list shows every fuse".into()),
            Self::InvalidParams { .. } | Self::Internal(_) | Self::AgentUnknown { .. } => None,
        }
    }

    /// Whether the same request may succeed later without any change to it.
    fn is_retryable(&self) -> bool {
        match self {
            Self::SessionAlive { .. } | Self::DirectoryLocked { .. } | Self::NotOurs(_) => true,
            Self::SessionNotFound { unanswered, .. } => !unanswered.is_empty(),
            _ => false,
        }
    }

    /// The members that this kind of error alone has.
    fn details(&self) -> serde_json::Value {
        match self {
            Self::InvalidParams { path, .. } => serde_json::json!({ "path": path }),
            Self::SessionAmbiguous { candidates, .. } => {
                serde_json::json!({ "candidates": candidates })
            }
            Self::AgentUnknown { known, .. } => serde_json::json!({ "known": known }),
            Self::SessionAlive { process: Some(process), .. } => {
                serde_json::json!({ "process": process })
            }
            Self::DirectoryLocked { directory, holder } => {
                serde_json::json!({ "directory": directory, "holder": holder })
            }
            Self::LaunchFailed { failure, .. } => serde_json::json!(failure),
            Self::SessionAlive { process: None, .. }
            | Self::Internal(_)
            | Self::SessionNotFound { .. }
            | Self::Unsupported { .. }
            | Self::LedgerUnavailable(_)
            | Self::NotOurs(_)
            | Self::FuseNotFound(_) => serde_json::json!({}),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let mut data = error.details();
        data["kind"] = error.kind().into();
        data["retryable"] = error.is_retryable().into();
        if let Some(hint) = error.hint() {
            data["hint"] = hint.into();
        }
        ErrorObjectOwned::owned(error.code(), error.to_string(), Some(data))
    }
}
