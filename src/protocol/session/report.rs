//! What one adapter contributed to a result, and what it could not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{AbsPath, AgentId};

/// What kind of failure a problem is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A file or directory is there and cannot be read.
    Unreadable,
    /// A file does not hold what it should.
    Malformed,
    /// A file or record is over a limit.
    TooLarge,
    /// The deadline passed.
    TimedOut,
    /// The adapter has a defect.
    Panicked,
    /// The agent's service does not answer.
    Unreachable,
    /// The agent's service does not accept our credentials.
    Auth,
    /// The agent's service speaks another version.
    Protocol,
    /// One of our limits was reached, so that something is left out.
    Limit,
}

/// A failure that was reported and survived.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What kind of failure it is.
    pub kind: ProblemKind,
    /// What failed, with the offending value.
    pub message: String,
    /// The file or directory concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<AbsPath>,
    /// The line in the file, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// How an adapter's part of a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The adapter has read all it knows of; what it could not read is among the problems.
    Ok,
    /// Nothing of this agent is installed or stored here.
    Absent,
    /// The deadline passed first.
    TimedOut,
    /// The adapter could not do its work at all.
    Failed,
}

/// What one adapter contributed to a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentReport {
    /// The id of the adapter.
    pub agent: AgentId,
    /// How its part ended.
    pub outcome: Outcome,
    /// How many sessions it contributed, before any filter but `includeSubagents`.
    pub sessions: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
    /// What it could not read; at most 20.
    pub problems: Vec<Problem>,
    /// How many further problems are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problems_omitted: Option<u64>,
}

impl AgentReport {
    /// Whether the adapter has read all it knows of.
    pub fn has_answered(&self) -> bool {
        matches!(self.outcome, Outcome::Ok | Outcome::Absent)
    }
}
