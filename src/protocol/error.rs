//! Why a request cannot be answered: one enum, its codes and its machine-readable data.

use jsonrpsee::types::ErrorObjectOwned;
use schemars::JsonSchema;
use serde::Serialize;

use super::session::Process;
use crate::base::{AbsPath, AgentId, SessionId};

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

/// A request that cannot be answered. An adapter's failure is never one of these.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RpcError {
    #[error("invalid params: {message}")]
    InvalidParams { path: String, message: String },
    #[error("internal error: {0}")]
    Internal(String),
    /// `unanswered` are the adapters that failed or were late, and might have known it.
    #[error("no session has the id or prefix `{query}`")]
    SessionNotFound { query: String, unanswered: Vec<AgentId> },
    #[error("`{query}` matches {} sessions", candidates.len())]
    SessionAmbiguous { query: String, candidates: Vec<Candidate> },
    #[error("no adapter is called `{agent}`")]
    AgentUnknown { agent: String, known: Vec<AgentId> },
    #[error("a live process owns session `{session}`")]
    SessionAlive { session: SessionId, process: Process },
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
            Self::SessionAlive { .. } => 1005,
            Self::Unsupported { .. } => 1007,
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
            Self::SessionAlive { .. } => "session_alive",
            Self::Unsupported { .. } => "unsupported",
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
            Self::InvalidParams { .. } | Self::Internal(_) | Self::AgentUnknown { .. } => None,
        }
    }

    /// Whether the same request may succeed later without any change to it.
    fn is_retryable(&self) -> bool {
        match self {
            Self::SessionAlive { .. } => true,
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
            Self::SessionAlive { process, .. } => serde_json::json!({ "process": process }),
            Self::Internal(_) | Self::SessionNotFound { .. } | Self::Unsupported { .. } => {
                serde_json::json!({})
            }
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
