//! What the server tells the supervisor, and what the supervisor tells back: one JSON text each way.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::adapters::drive::Learn;
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId, Timestamp};

/// Everything that a supervisor has to know. The agent's environment is its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SupervisorOrder {
    pub launch_id: String,
    pub launched_at: Timestamp,
    pub agent: AgentId,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub cwd: AbsPath,
    pub ledger: AbsPath,
    pub log: AbsPath,
    pub prompt: String,
    /// Whether the prompt is written to the agent's stdin.
    pub prompt_on_stdin: bool,
    pub learn: Option<Learn>,
    /// The session, where it was known before.
    pub session: Option<SessionId>,
    pub timeout_ms: Option<u64>,
    pub on_create: Option<Vec<String>>,
    pub on_complete: Option<Vec<String>>,
    pub group: Option<String>,
    pub model: Option<String>,
}

/// News of a launch, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The ledger has another mind by now: nothing was started.
    Refused(String),
    /// The program could not be started.
    NotStarted(String),
    /// The agent runs.
    Started(ProcessRef),
    /// The agent has told its session.
    Session(SessionId),
    /// The agent has ended; `output` is the last that it said.
    Ended { exit_code: i32, output: String },
}
