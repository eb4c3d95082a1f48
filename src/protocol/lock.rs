//! `lock.*`: claims on directories.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::bounded::Bounded;
use super::error::Code;
use super::error::codes::{DIRECTORY_LOCKED, LEDGER_UNAVAILABLE};
use super::reading::null_as_absent;
use crate::base::{AbsPath, Pid, SessionId, Timestamp};

/// Milliseconds that a claim or a fuse may last: up to 366 days.
pub type TtlMs = Bounded<1, 31_622_400_000>;

/// Who made a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LockKind {
    /// Somebody asked for it; it lasts until it is released or runs out.
    Manual,
    /// A launch; it lasts as long as the agent's process.
    Launch,
}

/// A claim on a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lock {
    /// The directory, without symbolic links.
    pub directory: AbsPath,
    /// Who holds it: the name given when it was acquired, or the agent that was launched.
    pub by: String,
    /// Who made the claim.
    pub kind: LockKind,
    /// The process whose life the claim is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<Pid>,
    /// The session that was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Since when.
    pub since: Timestamp,
    /// When the claim runs out; absent where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why it was claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Who stands in the way, and for how long: what 1004 says of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Holder {
    /// Who holds it.
    pub by: String,
    /// Who made the claim, which says what ends it.
    pub kind: LockKind,
    /// The process whose life the claim is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<Pid>,
    /// The session that was launched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Since when.
    pub since: Timestamp,
    /// When the claim runs out; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Why it was claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Lock> for Holder {
    fn from(lock: Lock) -> Self {
        let Lock { directory: _, by, kind, pid, session_id, since, expires_at, reason } = lock;
        Self { by, kind, pid, session_id, since, expires_at, reason }
    }
}

/// `lock.acquire`: claims a directory.
pub struct Acquire;

/// The parameters of `lock.acquire`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "LockAcquireParams")]
pub struct AcquireParams {
    /// The directory; it must exist.
    pub directory: AbsPath,
    /// Who claims it, as others shall read it.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
    /// After how long the claim runs out; never where absent.
    #[serde(default)]
    pub ttl_ms: Option<TtlMs>,
}

/// The result of `lock.acquire`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LockAcquireResult")]
pub struct AcquireResult {
    /// The claim.
    pub lock: Lock,
}

impl Method for Acquire {
    const NAME: &'static str = "lock.acquire";
    const SUMMARY: &'static str =
        "Claims a directory, unless it or one above or below it is claimed.";
    const ERRORS: &'static [Code] = &[DIRECTORY_LOCKED, LEDGER_UNAVAILABLE];
    type Params = AcquireParams;
    type Result = AcquireResult;
}

/// `lock.release`: gives a directory up.
pub struct Release;

/// The parameters of `lock.release`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "LockReleaseParams")]
pub struct ReleaseParams {
    /// The directory; it need not exist any more.
    pub directory: AbsPath,
    /// Gives up the claim that was acquired under this name, and nobody else's: who is not sure whether an earlier request
    /// came through can ask again, whoever has claimed the directory meanwhile. Not together with `force`.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether every claim on it is given up, even that of a launch whose agent still lives; else the one that was
    /// acquired.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub force: bool,
}

/// The result of `lock.release`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LockReleaseResult")]
pub struct ReleaseResult {
    /// Whether there was such a claim on exactly this directory.
    pub released: bool,
}

impl Method for Release {
    const NAME: &'static str = "lock.release";
    const SUMMARY: &'static str = "Gives up the claim on a directory.";
    const ERRORS: &'static [Code] = &[DIRECTORY_LOCKED, LEDGER_UNAVAILABLE];
    type Params = ReleaseParams;
    type Result = ReleaseResult;
}

/// `lock.list`: every claim.
pub struct List;

/// The parameters of `lock.list`: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "LockListParams")]
pub struct ListParams {}

/// The result of `lock.list`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LockListResult")]
pub struct ListResult {
    /// The claims that hold now, by directory.
    pub locks: Vec<Lock>,
}

impl Method for List {
    const NAME: &'static str = "lock.list";
    const SUMMARY: &'static str = "Lists the claims on directories that hold now.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE];
    type Params = ListParams;
    type Result = ListResult;
}
