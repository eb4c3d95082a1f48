//! What headcount itself owns: the launches it made. Read as a view; empty until something was launched.

use crate::base::{AgentId, ProcessRef, SessionId};
use crate::protocol::session::Launch;

/// What was launched and is not yet forgotten.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    pub launches: Vec<LaunchEntry>,
}

/// One launch.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchEntry {
    pub agent: AgentId,
    /// The agent's own id of the session, once it has told it.
    pub session: Option<SessionId>,
    /// The agent's process.
    pub process: Option<ProcessRef>,
    pub launch: Launch,
}
