//! `fuse.*`: timers on directories, fired by the servers that run: on time, or late by the next one that does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::error::Code;
use super::error::codes::{FUSE_NOT_FOUND, LEDGER_UNAVAILABLE};
use super::lock::TtlMs;
use crate::base::{AbsPath, SessionId, Timestamp};

/// What happens when a fuse runs out: one thing or several, each at most once. Where the server was killed just then,
/// nobody can tell whether it happened, and nobody does it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OnExpire {
    /// A program and its arguments, run in the directory, without a shell. It outlives its server, which else
    /// ends it after five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// An `http://` or `https://` address that is sent the fuse as JSON by POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A name under which watching clients are told, by `fuse.expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// A timer on a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fuse {
    /// The directory, without symbolic links where it exists.
    pub directory: AbsPath,
    /// When it runs out.
    pub expires_at: Timestamp,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The session it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// What happens then.
    pub on_expire: OnExpire,
}

/// The notification that watching clients are sent when a fuse with an `event` runs out.
pub const FUSE_EXPIRED: &str = "fuse.expired";

/// What a webhook and a `fuse.expired` notification carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FuseExpired {
    /// The fuse.
    pub fuse: Fuse,
    /// When it was fired.
    pub fired_at: Timestamp,
    /// Whether nobody was there to fire it in time.
    pub late: bool,
}

/// `fuse.set`: sets a timer on a directory.
pub struct Set;

/// The parameters of `fuse.set`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "FuseSetParams")]
pub struct SetParams {
    /// The directory; it must exist.
    pub directory: AbsPath,
    /// After how long the fuse runs out.
    pub ttl_ms: TtlMs,
    /// The session it is about.
    #[serde(default)]
    pub session_id: Option<SessionId>,
    /// What happens then; at least one member.
    pub on_expire: OnExpire,
    /// What it is for.
    #[serde(default)]
    pub label: Option<String>,
}

/// The result of `fuse.set` and `fuse.extend`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FuseResult {
    /// The fuse.
    pub fuse: Fuse,
}

impl Method for Set {
    const NAME: &'static str = "fuse.set";
    const SUMMARY: &'static str =
        "Sets a timer on a directory, in place of the one that it may have.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE];
    type Params = SetParams;
    type Result = FuseResult;
}

/// `fuse.extend`: sets a fuse's end anew, counted from now.
pub struct Extend;

/// The parameters of `fuse.extend`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "FuseExtendParams")]
pub struct ExtendParams {
    /// The directory.
    pub directory: AbsPath,
    /// After how long, from now, the fuse runs out.
    pub ttl_ms: TtlMs,
}

impl Method for Extend {
    const NAME: &'static str = "fuse.extend";
    const SUMMARY: &'static str = "Lets a fuse run out that long from now.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE, FUSE_NOT_FOUND];
    type Params = ExtendParams;
    type Result = FuseResult;
}

/// `fuse.cancel`: takes a fuse away.
pub struct Cancel;

/// The parameters of `fuse.cancel`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(rename = "FuseCancelParams")]
pub struct CancelParams {
    /// The directory.
    pub directory: AbsPath,
}

/// The result of `fuse.cancel`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "FuseCancelResult")]
pub struct CancelResult {
    /// Whether there was a fuse.
    pub cancelled: bool,
}

impl Method for Cancel {
    const NAME: &'static str = "fuse.cancel";
    const SUMMARY: &'static str = "Takes the fuse of a directory away.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE];
    type Params = CancelParams;
    type Result = CancelResult;
}

/// `fuse.list`: every fuse that has not been fired.
pub struct List;

/// The parameters of `fuse.list`: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FuseListParams")]
pub struct ListParams {}

/// The result of `fuse.list`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "FuseListResult")]
pub struct ListResult {
    /// The fuses that have not been fired, by directory. One that has run out is fired by the next server that runs.
    pub fuses: Vec<Fuse>,
}

impl Method for List {
    const NAME: &'static str = "fuse.list";
    const SUMMARY: &'static str = "Lists the fuses that have not been fired.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE];
    type Params = ListParams;
    type Result = ListResult;
}
