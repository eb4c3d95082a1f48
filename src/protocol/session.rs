//! `session.*`: the session, the report of each adapter, and the methods that read them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::bounded::{self, Bounded};
use super::reading::null_as_absent;
use crate::base::{AbsPath, AgentId, Pid, SessionId, Timestamp};

/// What a session is doing, concluded once, from evidence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A live owner is blocked on a human.
    Waiting,
    /// A live owner has a turn in progress.
    Running,
    /// A live owner, whose last turn ended.
    Idle,
    /// No live owner.
    Stopped,
    /// No live owner, and the last turn or the process ended in error.
    Failed,
    /// The evidence does not say.
    Unknown,
}

/// The machine word under a status: why it is so.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Running: the records show a turn that has begun and not ended.
    TurnInProgress,
    /// Running: the agent says itself that a run is active, or that a command which its last turn has left in the
    /// background still runs.
    ActiveRun,
    /// Running or unknown: a live process, whose records do not say what it does.
    ProcessAlive,
    /// Waiting: for a permission.
    Permission,
    /// Waiting: for the answer to a question.
    Question,
    /// Waiting: for a plan to be approved.
    Plan,
    /// Waiting: for other input.
    Input,
    /// Waiting: for a login.
    Login,
    /// Waiting: its process is suspended, as after Ctrl-Z, and not at the end of a turn; a person has to continue it.
    Suspended,
    /// Idle: the last turn ended.
    TurnEnded,
    /// Idle: nothing was asked yet.
    NeverPrompted,
    /// Stopped: the last turn ended by itself.
    Completed,
    /// Stopped: the last turn was interrupted by a person or a signal that the agent handled.
    Interrupted,
    /// Stopped: the process died in the middle of a turn.
    Killed,
    /// Stopped: the records do not say how it ended.
    UnknownEnd,
    /// Failed: the model's service refused or failed.
    ModelError,
    /// Failed: the model's service did not accept the login.
    Auth,
    /// Failed: the process ended with an exit code that says failure.
    ExitCode,
    /// Failed: the launch itself did not succeed.
    LaunchError,
    /// Unknown: the adapter that could tell has failed.
    AdapterFailed,
    /// Unknown: the agent's service cannot be reached.
    Unreachable,
    /// Unknown: the agent says a word that this version does not know.
    Unrecognised,
    /// Unknown: two sources that should agree do not.
    Contradiction,
}

/// How far a status can be trusted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Concluded from the tail of a transcript or from a bare process.
    Inferred,
    /// The agent itself or the kernel says so.
    Asserted,
}

/// What kind of conversation a session is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SessionKind {
    /// Started by a person or a program, at the top.
    #[default]
    Main,
    /// Started by another session, inside its process or on its behalf.
    Subagent,
    /// Started to run detached from any terminal, by the agent's own means.
    Background,
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

/// Tokens and cost; every model call is counted once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Input tokens, without what was read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2.
    pub output_tokens: u64,
    /// Input tokens served from a cache; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Input tokens written to a cache; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Cost in US dollars; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// True where the cost is the agent's own estimate and not a bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_is_estimate: Option<bool>,
}

/// What a session has spent: its own calls, and apart from them those of its subagents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUsage {
    /// The session's own calls; their members stand beside `subagents`.
    #[serde(flatten)]
    pub own: Usage,
    /// The calls of this session's subagents, at whatever depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagents: Option<Usage>,
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

/// A state that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Two live processes write one session.
    TwoOwners,
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

/// What may be asked for beyond the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Exact tokens and cost: every transcript is read whole, once.
    Usage,
}

/// Which sessions a request is about; members that are absent do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Only these agents; adapters of others are not touched.
    #[serde(default)]
    pub agents: Option<Vec<AgentId>>,
    /// Only sessions in one of these states.
    #[serde(default)]
    pub status: Option<Vec<Status>>,
    /// Only sessions that work in exactly this directory.
    #[serde(default)]
    pub cwd: Option<AbsPath>,
    /// Only sessions that work in this directory or below it.
    #[serde(default)]
    pub under: Option<AbsPath>,
    /// Only sessions that were launched in this group.
    #[serde(default)]
    pub group: Option<String>,
    /// Only sessions with activity at or after this instant.
    #[serde(default)]
    pub updated_since: Option<Timestamp>,
    /// Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
    #[serde(default)]
    pub query: Option<String>,
    /// Whether subagents are listed too.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include_subagents: bool,
}

/// Milliseconds that an adapter may take.
pub type DeadlineMs = Bounded<1, 600_000>;

/// `session.list`: the sessions of every agent, merged.
pub struct List;

/// The parameters of `session.list`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// Only these agents; adapters of others are not touched.
    #[serde(default)]
    pub agents: Option<Vec<AgentId>>,
    /// Only sessions in one of these states.
    #[serde(default)]
    pub status: Option<Vec<Status>>,
    /// Only sessions that work in exactly this directory.
    #[serde(default)]
    pub cwd: Option<AbsPath>,
    /// Only sessions that work in this directory or below it.
    #[serde(default)]
    pub under: Option<AbsPath>,
    /// Only sessions that were launched in this group.
    #[serde(default)]
    pub group: Option<String>,
    /// Only sessions with activity at or after this instant.
    #[serde(default)]
    pub updated_since: Option<Timestamp>,
    /// Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
    #[serde(default)]
    pub query: Option<String>,
    /// Whether subagents are listed too.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include_subagents: bool,
    /// What to add to each session.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include: Vec<Include>,
    /// How many sessions a page holds; 100 where absent.
    #[serde(default)]
    pub limit: Option<Bounded<1, 10_000>>,
    /// Where the page begins: the `nextCursor` of the page before, with the same filter.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How long each adapter may take; 5000 where absent.
    #[serde(default)]
    pub deadline_ms: Option<DeadlineMs>,
}

impl ListParams {
    /// The members that say which sessions are meant.
    pub fn filter(&self) -> Filter {
        Filter {
            agents: self.agents.clone(),
            status: self.status.clone(),
            cwd: self.cwd.clone(),
            under: self.under.clone(),
            group: self.group.clone(),
            updated_since: self.updated_since,
            query: self.query.clone(),
            include_subagents: self.include_subagents,
        }
    }
}

/// The result of `session.list`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListResult {
    /// One page: `waiting`, `running`, `idle`, then the rest; in each the newest activity first.
    // In boxes: a page of thousands is put together without moving any of them.
    pub sessions: Vec<Box<Session>>,
    /// How many sessions the filter lets through, over all pages.
    pub total: u64,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed.
    pub agents: Vec<AgentReport>,
    /// What headcount could not read: its settings, its ledger of launches, the links of the filter's directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The instant that the result speaks of.
    pub observed_at: Timestamp,
}

impl Method for List {
    const NAME: &'static str = "session.list";
    const SUMMARY: &'static str =
        "Lists the sessions of every agent on this machine, as they are now.";
    type Params = ListParams;
    type Result = ListResult;
}

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
    type Params = StatusParams;
    type Result = StatusResult;
}

/// `session.peek`: the last turns of one session.
pub struct Peek;

/// The parameters of `session.peek`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeekParams {
    /// The session's id, or a prefix of at least 4 characters that only it has.
    pub session_id: String,
    /// The adapter to ask; all where absent.
    #[serde(default)]
    pub agent: Option<AgentId>,
    /// How many turns at the most, the newest; 20 where absent.
    #[serde(default)]
    pub turns: Option<Bounded<1, 200>>,
    /// How many bytes of text at the most, over all turns; 65536 where absent.
    #[serde(default)]
    pub max_bytes: Option<Bounded<1, 4_194_304>>,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The agent.
    Assistant,
    /// A tool that the agent called.
    Tool,
}

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// When it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What is said; for a tool, what it was given or what it answered.
    pub text: String,
    /// The tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// True where the text was cut to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

/// The result of `session.peek`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeekResult {
    /// The newest turns, oldest of them first.
    pub turns: Vec<Turn>,
    /// True where turns came before the first one shown.
    pub earlier: bool,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed to finding the session.
    pub agents: Vec<AgentReport>,
    /// Why there are no turns, where the agent could not show them: then the result is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Method for Peek {
    const NAME: &'static str = "session.peek";
    const SUMMARY: &'static str = "Returns the last turns of one session.";
    type Params = PeekParams;
    type Result = PeekResult;
}

/// Sessions by agent and status.
pub type Tally = BTreeMap<AgentId, BTreeMap<Status, u64>>;

impl Usage {
    /// The order of two counts of the same calls, of which one holds the other.
    pub fn extent(&self) -> impl Ord + use<> {
        let cached = (self.cache_read_tokens, self.cache_write_tokens);
        (self.output_tokens, self.input_tokens, cached, self.reasoning_tokens)
    }

    /// Adds the calls of `other`. A count that only one of them has stays.
    pub fn add(&mut self, other: &Self) {
        fn sum<T: Copy>(a: Option<T>, b: Option<T>, add: fn(T, T) -> T) -> Option<T> {
            a.zip(b).map(|(a, b)| add(a, b)).or(a).or(b)
        }
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens =
            sum(self.cache_read_tokens, other.cache_read_tokens, u64::saturating_add);
        self.cache_write_tokens =
            sum(self.cache_write_tokens, other.cache_write_tokens, u64::saturating_add);
        self.reasoning_tokens =
            sum(self.reasoning_tokens, other.reasoning_tokens, u64::saturating_add);
        self.cost_usd = sum(self.cost_usd, other.cost_usd, |a, b| a + b);
        self.cost_is_estimate = self.cost_is_estimate.max(other.cost_is_estimate);
    }
}
