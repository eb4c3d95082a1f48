//! What comes with an error, for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::{AbsPath, AgentId, SessionId};
use crate::protocol::lock::Holder;
use crate::protocol::session::Process;

/// What comes with an error, as its `data`.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ErrorWith{Details}")]
pub(super) struct ErrorData<Details> {
    /// What this kind of error alone has.
    #[serde(flatten)]
    pub(super) details: Details,
    /// The kind of error, for machines.
    pub(super) kind: &'static str,
    /// Whether the same request may succeed later without any change to it.
    pub(super) retryable: bool,
    /// What to do next, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

/// Nothing that other errors do not have.
#[derive(Serialize, JsonSchema)]
pub(super) struct NoDetails {}

/// Where the parameters are wrong.
#[derive(Serialize, JsonSchema)]
pub(super) struct Member {
    /// The member that is wrong, as in `status[0]`; empty where it is the whole.
    pub(super) path: String,
}

/// The sessions that may be meant.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ambiguity {
    /// The sessions to choose from.
    pub(super) candidates: Vec<Candidate>,
    /// How many more there are, where they are not all listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) candidates_omitted: Option<usize>,
}

/// The agents that there are.
#[derive(Serialize, JsonSchema)]
pub(super) struct KnownAgents {
    /// The ids of all adapters.
    pub(super) known: Vec<AgentId>,
}

/// The claim that stands in the way.
#[derive(Serialize, JsonSchema)]
pub(super) struct Claimed {
    /// The directory that is claimed.
    pub(super) directory: AbsPath,
    /// Who claims it.
    pub(super) holder: Holder,
}

/// Who keeps the session alive.
#[derive(Serialize, JsonSchema)]
pub(super) struct Owned {
    /// The live process, where it is a single one that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Process>,
}

/// A session that a prefix or an id may mean: what tells it from the others for who chooses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// The agent; the same id may be known to several.
    pub agent: AgentId,
    /// The whole id.
    pub session_id: SessionId,
    /// Where it works, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
    /// The agent's own title of it, where it has one.
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
    pub(super) fn hint(self) -> &'static str {
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
