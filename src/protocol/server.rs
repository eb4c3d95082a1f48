//! `server.*`: what the server says of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::error::Code;
use super::session::{Problem, Tally};

/// `server.metrics`: counts.
pub struct Metrics;

/// The parameters of `server.metrics`: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsParams {}

/// How often a method was called, and how long it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Calls {
    /// Requests answered, with a result or an error.
    pub answered: u64,
    /// Of these, the ones answered with an error.
    pub failed: u64,
    /// Requests that were dropped before their answer, cancelled or with their client; not among the answered.
    pub cancelled: u64,
    /// How long the answered took.
    pub latency: Latency,
}

/// How long requests took, from when they were begun to their answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// All together, in milliseconds.
    pub total_ms: f64,
    /// The longest, in milliseconds.
    pub longest_ms: f64,
    /// How many took at most so long; each counts those of the ones before it, too.
    pub buckets: Vec<Bucket>,
}

/// How many requests took at most so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Bucket {
    /// The bound, in milliseconds, included.
    pub up_to_ms: u64,
    /// How many.
    pub count: u64,
}

/// Launches in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LaunchCounts {
    /// Launches whose process lives, or may: those of another machine or container, and those that an agent's own
    /// service runs, cannot be told from here.
    pub active: u64,
    /// Launches that ended with exit code 0.
    pub succeeded: u64,
    /// Launches that ended with another exit code, or did not start.
    pub failed: u64,
    /// Launches whose process is gone, and whose end nobody saw; and those that a service may have begun, and did not
    /// say so.
    pub lost: u64,
}

/// What headcount itself owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerCounts {
    /// Claims on directories that hold now; absent where the ledger cannot be read.
    pub locks_active: u64,
    /// Fuses that have not been fired; absent where the ledger cannot be read.
    pub fuses_active: u64,
    /// Launches that are not yet forgotten; absent where the ledger cannot be read.
    pub launches: LaunchCounts,
}

/// The result of `server.metrics`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MetricsResult {
    /// How long the server has run, in milliseconds.
    pub uptime_ms: u64,
    /// Requests by method, since this server started; `session.unwatch` is not counted.
    pub requests: BTreeMap<String, Calls>,
    /// Sessions by agent and status, as of the last `session.list`; empty before the first.
    pub sessions_active: Tally,
    /// What the ledger counts; absent where it cannot be read.
    #[serde(flatten)]
    pub ledger: Option<LedgerCounts>,
    /// Why the ledger's counts are absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Method for Metrics {
    const NAME: &'static str = "server.metrics";
    const SUMMARY: &'static str = "Counts requests, sessions, claims, fuses and launches.";
    const ERRORS: &'static [Code] = &[];
    type Params = MetricsParams;
    type Result = MetricsResult;
}
