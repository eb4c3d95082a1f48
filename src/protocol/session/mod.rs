//! `session.*`: the session, the report of each adapter, and the methods that read them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{AbsPath, AgentId, Pid, SessionId, Timestamp};

mod list;
mod peek;
mod report;
mod state;
mod status;
mod usage;

pub use list::{DeadlineMs, Filter, Include, List, ListParams, ListResult};
pub use peek::{Peek, PeekParams, PeekResult, Role, Turn};
pub use report::{AgentReport, Outcome, Problem, ProblemKind};
pub use state::{Certainty, Conflict, Reason, SessionKind, Status};
pub use status::{Ancestor, GetStatus, ResumeCommand, StatusParams, StatusResult};
pub use usage::{SessionUsage, Usage};

/// One conversation with one agent. Absent members are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The agent's own id of the session; absent for a live agent whose store shows no session yet,
    /// which is then known by its agent and process, and for a launch that ended before it told one, which is
    /// known by its `launch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The id of the adapter.
    pub agent: AgentId,
    /// What the session is doing.
    pub status: Status,
    /// Why the status is what it is.
    pub reason: Reason,
    /// How far the status can be trusted.
    pub certainty: Certainty,
    /// The agent's own title of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The first human prompt, at most 500 characters; never a machine-made preamble.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<Arc<str>>,
    /// Where the session works, from the agent's records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
    /// The git branch that the agent recorded last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The last real model; never the name of a stand-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// When the first record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When the last activity was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// When the session ended, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// The live owner; absent too where one of several processes owns the session and nothing says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The session that started this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_session_id: Option<SessionId>,
    /// What kind of conversation it is.
    pub kind: SessionKind,
    /// The session whose history this one began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<SessionId>,
    /// True where the agent has put the session away; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Tokens and cost, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<SessionUsage>,
    /// What headcount knows because it launched the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launch>,
    /// A state that should not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflict: Option<Conflict>,
    /// Which machine it is on, when not this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The chain that led to the status; in `session.status` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Vec<Evidence>>,
}

/// A live process, by its identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The process id.
    pub pid: Pid,
    /// When the process started, by the kernel's clock: up to a second early, and the same whenever it is asked.
    pub started_at: Timestamp,
}

/// What headcount knows of a session because headcount launched it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Launch {
    /// The id of the launch, given by headcount.
    pub launch_id: String,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// The prompt it was launched with, at most 500 characters of it.
    pub prompt: String,
    /// The group that the launcher put it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The specification that the launcher named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// The label that the launcher gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The model that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The exit code, once the process has ended; 128 + n where signal n ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Which of the launcher's own programs, `onCreate` or `onComplete`, did not do its work, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook_failure: Option<String>,
    /// Where the agent's output is kept; absent where the agent's own service runs the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_path: Option<AbsPath>,
}

/// Where a piece of evidence comes from.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The agent's own record of its live processes.
    Registry,
    /// A lock that a live process holds.
    Lock,
    /// The process table.
    Process,
    /// The file that records the conversation.
    Transcript,
    /// The agent's database.
    Database,
    /// The agent's own service.
    Gateway,
    /// What headcount launched.
    Ledger,
}

/// One step of the chain that led to a status; never transcript text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where it was seen.
    pub source: Source,
    /// When it was seen.
    pub observed_at: Timestamp,
    /// What it says.
    pub says: Cow<'static, str>,
}

/// Sessions by agent and status.
pub type Tally = BTreeMap<AgentId, BTreeMap<Status, u64>>;
