//! `session.status`: one session, with its evidence and how to go on with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentReport, Session};
use crate::base::{AbsPath, AgentId, Pid};
use crate::protocol::Method;
use crate::protocol::bounded;
use crate::protocol::error::Code;
use crate::protocol::error::codes::{AGENT_UNKNOWN, SESSION_AMBIGUOUS, SESSION_NOT_FOUND};

/// `session.status`: one session, with the evidence.
pub struct GetStatus;

/// The parameters of `session.status`: `sessionId` or `pid`, not both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusParams {
    /// The session's id, or a prefix of at least 4 characters that only it has.
    #[serde(default)]
    pub session_id: Option<String>,
    /// The live process that owns the session: before its agent has given it an id, nothing else names it.
    #[serde(default, deserialize_with = "bounded::pid")]
    pub pid: Option<Pid>,
    /// The adapter to ask; all where absent.
    #[serde(default)]
    pub agent: Option<AgentId>,
}

/// The result of `session.status`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusResult {
    /// The session, with `evidence` and `usage`.
    pub session: Session,
    /// How a person goes on with it in a terminal; absent where the agent cannot, and for subagents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<ResumeCommand>,
    /// The owner's process and those above it, nearest first: a terminal whose shell is among them runs the session.
    /// None without a live owner.
    pub ancestors: Vec<Ancestor>,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed.
    pub agents: Vec<AgentReport>,
}

/// A command line for a person's terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResumeCommand {
    /// The program and its arguments; not quoted for any shell.
    pub command: Vec<String>,
    /// Where it has to be run: most agents find a session in its own directory alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
}

/// A process on the way from a session's owner to the first process of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ancestor {
    /// The process id.
    pub pid: Pid,
    /// The kernel's name of the process, at most 15 bytes; programs may set it.
    pub name: String,
}

impl Method for GetStatus {
    const NAME: &'static str = "session.status";
    const SUMMARY: &'static str = "Returns one session, fresh, with the evidence for its status.";
    const ERRORS: &'static [Code] = &[SESSION_NOT_FOUND, SESSION_AMBIGUOUS, AGENT_UNKNOWN];
    type Params = StatusParams;
    type Result = StatusResult;
}
