//! `session.watch` and `session.wait`: changes as they happen.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bounded::Bounded;
use super::error::Code;
use super::error::codes::{AGENT_UNKNOWN, SESSION_AMBIGUOUS};
use super::fuse::{FUSE_EXPIRED, FuseExpired};
use super::session::{AgentReport, Filter, Problem, Session, Status};
use super::{Method, Notification, Subscription};
use crate::base::Timestamp;

/// `session.watch`: tells every change of the sessions that a filter lets through.
///
/// Changes are told as they happen: those of the agents' files, the end of a process, and the start of one whose
/// program is on `PATH`. Bursts are told together, at most ten times a second. A process that is started otherwise, and
/// touches no file of its agent, is seen with the next change of anything of that agent. Nothing tells that a process is
/// suspended or continued, nor how its terminal is used: at those of sessions that are at work, a glance is taken every two
/// seconds.
pub struct Watch;

/// What became of a session.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It was not there before, or the filter did not let it through.
    Added,
    /// Something about it is different.
    Changed,
    /// It is not there any more, or the filter does not let it through; the session is as it was last seen.
    Removed,
}

/// One session that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// What became of it.
    pub kind: ChangeKind,
    /// The session as it is now.
    pub session: Session,
}

/// What one `session.changed` notification carries.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    /// Counts the notifications of the subscription, from 1. The first carries every session, as added.
    pub seq: u64,
    /// The instant that the changes speak of.
    pub observed_at: Timestamp,
    /// The sessions that are not as they were, in the order of `session.list`.
    pub changes: Vec<Change>,
    /// What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's
    /// settings; absent while nothing is. How many expiries of fuses came faster than they could be told is said once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Subscription for Watch {
    const NAME: &'static str = "session.watch";
    const UNSUBSCRIBE: &'static str = "session.unwatch";
    const NOTIFICATION: &'static str = "session.changed";
    const OTHERS: &'static [Notification] = &[Notification::of::<FuseExpired>(FUSE_EXPIRED)];
    const SUMMARY: &'static str =
        "Tells every change of the sessions that a filter lets through, as it happens.";
    const ERRORS: &'static [Code] = &[AGENT_UNKNOWN];
    type Params = Filter;
    type Event = Changed;
}

/// The parameters that end a subscription; an array of the id alone is accepted too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnwatchParams {
    /// The subscription's id, as it was given.
    pub subscription: SubscriptionId,
}

/// The id of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SubscriptionId {
    /// One that this server gives.
    Number(u64),
    /// One that no server of this version gives; it names no subscription.
    Text(String),
}

impl JsonSchema for SubscriptionId {
    fn schema_name() -> Cow<'static, str> {
        "SubscriptionId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["integer", "string"], "description": "The id of a subscription." })
    }
}

/// `session.wait`: answers as soon as one of some sessions has one of some states.
pub struct Wait;

/// The parameters of `session.wait`: `sessionIds` or `filter`, not both.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WaitParams {
    /// The ids of the sessions, each whole or the beginning of one, of at least 4 characters; at most 1000. One that no
    /// session has is waited for; one that several have is the error `session_ambiguous`.
    #[serde(default)]
    pub session_ids: Option<Vec<String>>,
    /// Which sessions are meant.
    #[serde(default)]
    pub filter: Option<Filter>,
    /// The states that are waited for; at least one.
    pub until: Vec<Status>,
    /// How long to wait after the first look, in milliseconds, at most a day: 1 asks for what is so now.
    pub timeout_ms: Bounded<1, 86_400_000>,
}

/// The result of `session.wait`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitResult {
    /// The sessions that have one of the states; none where the time ran out first.
    pub sessions: Vec<Session>,
    /// Whether the time ran out first.
    pub timed_out: bool,
    /// True when no adapter had failed or missed its deadline when it was asked last, and the processes of this machine
    /// could be seen.
    pub complete: bool,
    /// What each adapter contributed when it was asked last.
    pub agents: Vec<AgentReport>,
    /// What keeps changes from being seen, or the filter's directory from being followed, and what is wrong with the user's
    /// settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Method for Wait {
    const NAME: &'static str = "session.wait";
    const SUMMARY: &'static str = "Answers as soon as one of some sessions has one of some states.";
    const ERRORS: &'static [Code] = &[SESSION_AMBIGUOUS, AGENT_UNKNOWN];
    type Params = WaitParams;
    type Result = WaitResult;
}
