//! `session.launch`, `session.resume`, `session.stop` and `session.prune`: the methods that change something.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::Method;
use super::bounded::Bounded;
use super::error::Code;
use super::error::codes::{
    AGENT_UNKNOWN, DIRECTORY_LOCKED, LAUNCH_FAILED, LEDGER_UNAVAILABLE, NOT_OURS, SESSION_ALIVE,
    SESSION_AMBIGUOUS, SESSION_NOT_FOUND, UNSUPPORTED,
};
use super::reading::null_as_absent;
use super::session::{AgentReport, Process, Session};
use crate::base::{AbsPath, AgentId, Pid, SessionId, Timestamp};

/// What an agent may do without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permissions {
    /// What the agent allows by itself.
    #[default]
    Agent,
    /// It may edit files.
    Edit,
    /// It may do anything.
    Full,
}

/// Milliseconds that a launched agent may run: up to 31 days.
pub type RunMs = Bounded<1, 2_678_400_000>;

/// Declares parameters that start an agent: a method's own, and then what all of them have in common. serde could
/// flatten the latter in from a type of their own, but would no longer say which member is wrong.
macro_rules! starting_params {
    ($(#[$about:meta])* $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($own)*
            /// What the agent is asked to do.
            pub prompt: String,
            /// The model, as the agent names it; the agent's own choice where absent.
            #[serde(default)]
            pub model: Option<String>,
            /// A name for people.
            #[serde(default)]
            pub label: Option<String>,
            /// The group of launches that this one belongs to.
            #[serde(default)]
            pub group: Option<String>,
            /// The specification that the prompt follows.
            #[serde(default)]
            pub spec: Option<String>,
            /// What the agent may do without asking.
            #[serde(default, deserialize_with = "null_as_absent")]
            pub permissions: Permissions,
            /// Variables to set on top of the server's own environment.
            #[serde(default, deserialize_with = "null_as_absent")]
            pub env: BTreeMap<String, String>,
            /// Arguments to pass to the agent as they are, before the prompt.
            #[serde(default, deserialize_with = "null_as_absent")]
            pub args: Vec<String>,
            /// Whether to claim the directory for as long as the agent runs. Without a claim of its own it is not
            /// kept out by those of others. A session in the agent's own service has no process whose life a claim
            /// could have: its launch is kept out by the claims of others, and leaves none.
            #[serde(default = "yes", deserialize_with = "null_as_yes")]
            pub lock: bool,
            /// Whether to go on, and to claim the directory too, where somebody else claims it; of a session that was
            /// launched where it cannot be seen from here, whether to resume it all the same.
            #[serde(default, deserialize_with = "null_as_absent")]
            pub force: bool,
            /// After how long the agent is stopped; never where absent.
            #[serde(default)]
            pub timeout_ms: Option<RunMs>,
            /// A program and its arguments, run without a shell once the session's id is known.
            #[serde(default)]
            pub on_create: Option<Vec<String>>,
            /// A program and its arguments, run without a shell once the agent has ended.
            #[serde(default)]
            pub on_complete: Option<Vec<String>>,
        }
    };
}

fn yes() -> bool {
    true
}

fn null_as_yes<'de, D: Deserializer<'de>>(json: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_else(yes))
}

/// `session.launch`: starts an agent.
pub struct LaunchSession;

starting_params! {
    /// The parameters of `session.launch`.
    LaunchParams {
        /// The adapter of the agent to start.
        pub agent: AgentId,
        /// Where it works; an existing directory.
        pub cwd: AbsPath,
    }
}

/// `session.resume`: lets a session go on with another prompt.
pub struct Resume;

starting_params! {
    /// The parameters of `session.resume`.
    ResumeParams {
        /// The session's id, or a prefix of at least 4 characters that only it has.
        pub session_id: String,
        /// The adapter to ask; all where absent.
        #[serde(default)]
        pub agent: Option<AgentId>,
    }
}

impl ResumeParams {
    /// The launch by which the session goes on where it worked.
    #[must_use]
    pub fn at(self, agent: AgentId, cwd: AbsPath) -> LaunchParams {
        let Self { prompt, model, label, group, spec, permissions, env, args, .. } = self;
        let Self { lock, force, timeout_ms, on_create, on_complete, .. } = self;
        LaunchParams {
            agent,
            cwd,
            prompt,
            model,
            label,
            group,
            spec,
            permissions,
            env,
            args,
            lock,
            force,
            timeout_ms,
            on_create,
            on_complete,
        }
    }
}

/// How an agent was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Launched {
    /// The id of the launch, given by headcount.
    pub launch_id: String,
    /// The agent's own id of the session; absent where it has not told it in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The agent's process; absent where the agent's own service runs the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<Pid>,
    /// The program and its arguments, a prompt among them cut; absent where none was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Where it works.
    pub cwd: AbsPath,
    /// Where its output is kept; absent where the agent's own service runs the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_path: Option<AbsPath>,
    /// The login shell's PATH, where the program is only on that: the agent was given it behind the server's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_path: Option<String>,
}

/// The result of `session.launch` and `session.resume`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LaunchResult {
    /// The session; absent where the agent has not told its id in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// How it was started.
    pub launch: Launched,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed.
    pub agents: Vec<AgentReport>,
}

impl Method for LaunchSession {
    const NAME: &'static str = "session.launch";
    const SUMMARY: &'static str =
        "Starts an agent, detached, and answers when it has told its session's id.";
    const ERRORS: &'static [Code] =
        &[AGENT_UNKNOWN, DIRECTORY_LOCKED, LAUNCH_FAILED, UNSUPPORTED, LEDGER_UNAVAILABLE];
    type Params = LaunchParams;
    type Result = LaunchResult;
}

impl Method for Resume {
    const NAME: &'static str = "session.resume";
    const SUMMARY: &'static str =
        "Lets a session that no live process owns go on with another prompt.";
    const ERRORS: &'static [Code] = &[
        SESSION_NOT_FOUND,
        SESSION_AMBIGUOUS,
        AGENT_UNKNOWN,
        DIRECTORY_LOCKED,
        SESSION_ALIVE,
        LAUNCH_FAILED,
        UNSUPPORTED,
        LEDGER_UNAVAILABLE,
    ];
    type Params = ResumeParams;
    type Result = LaunchResult;
}

/// `session.stop`: ends the process that owns a session, or its turn where that process serves others too.
pub struct Stop;

/// The parameters of `session.stop`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StopParams {
    /// The session's id, or a prefix of at least 4 characters that only it has.
    #[serde(default)]
    pub session_id: Option<String>,
    /// The live process that owns the session: before its agent has given it an id, nothing else names it.
    #[serde(default)]
    pub pid: Option<Pid>,
    /// The adapter to ask; all where absent.
    #[serde(default)]
    pub agent: Option<AgentId>,
    /// How long the agent, or the turn in its service, may take to end by itself; 5000 where absent.
    #[serde(default)]
    pub grace_ms: Option<Bounded<0, 600_000>>,
}

/// How a stop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopOutcome {
    /// Every owner has ended; what outlived them is among the survivors, and so is an owner that others need. Where all
    /// serve several sessions, the session's turn has ended. Where there was no owner any more, what an earlier stop had
    /// left has ended, whose server was killed in the middle.
    Stopped,
    /// No live process owned the session, or its service had no turn of it in progress.
    AlreadyStopped,
}

/// A signal that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Signalled {
    /// The signal, for example `SIGTERM`.
    pub signal: String,
    /// The process that it was sent to.
    pub pid: Pid,
}

/// The result of `session.stop`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StopResult {
    /// How it ended.
    pub outcome: StopOutcome,
    /// What was sent to whom, in order.
    pub signals: Vec<Signalled>,
    /// What of the agent still lives; of a session that nobody owned, what its agent had left at work.
    pub survivors: Vec<Process>,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed.
    pub agents: Vec<AgentReport>,
}

impl Method for Stop {
    const NAME: &'static str = "session.stop";
    const SUMMARY: &'static str = "Ends the process that owns a session, with everything it started; in a shared service, its turn.";
    const ERRORS: &'static [Code] =
        &[SESSION_NOT_FOUND, SESSION_AMBIGUOUS, AGENT_UNKNOWN, UNSUPPORTED, NOT_OURS];
    type Params = StopParams;
    type Result = StopResult;
}

/// `session.prune`: forgets launches that have ended and claims that are void.
pub struct Prune;

/// The parameters of `session.prune`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PruneParams {
    /// Whether to only say what would be forgotten.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub dry_run: bool,
    /// Only launches that ended before this instant.
    #[serde(default)]
    pub older_than: Option<Timestamp>,
}

/// Why something is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PruneReason {
    /// The agent's process has ended, or its service runs the session no more.
    Ended,
    /// The process is gone; nobody saw it end.
    ProcessGone,
    /// The claim has run out.
    Expired,
}

/// A launch that is forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forgotten {
    /// The id of the launch.
    pub launch_id: String,
    /// The agent's own id of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// The id of the adapter.
    pub agent: AgentId,
    /// Why.
    pub reason: PruneReason,
}

/// A claim that is void.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleasedClaim {
    /// The directory.
    pub directory: AbsPath,
    /// Who held it.
    pub holder: String,
    /// Why.
    pub reason: PruneReason,
}

/// The result of `session.prune`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PruneResult {
    /// The launches that are forgotten. The sessions themselves stay: they are their agents'.
    pub forgotten: Vec<Forgotten>,
    /// The claims that are void.
    pub released: Vec<ReleasedClaim>,
    /// How many launches are kept.
    pub kept: u64,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// True when no adapter failed or missed its deadline.
    pub complete: bool,
    /// What the adapters contributed whose services were asked for the launches that they run; none where there are
    /// none.
    pub agents: Vec<AgentReport>,
}

impl Method for Prune {
    const NAME: &'static str = "session.prune";
    const SUMMARY: &'static str =
        "Forgets launches that have ended and claims that are void; never an agent's files.";
    const ERRORS: &'static [Code] = &[LEDGER_UNAVAILABLE];
    type Params = PruneParams;
    type Result = PruneResult;
}
