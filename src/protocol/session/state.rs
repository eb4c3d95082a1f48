//! What a session does, in words that machines and people know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a session is doing, concluded once, from evidence.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A live owner is blocked on a human, by the session itself or by a subagent that it started.
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
    /// Unknown: the agent's service cannot be reached, or its processes cannot be seen from here.
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
    /// Started by another session, inside its process or on its behalf. One that a person has opened in a process of its
    /// own is `main` while it lives there.
    Subagent,
    /// Started to run detached from any terminal, by the agent's own means.
    Background,
}

/// A state that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    /// Two live processes write one session.
    TwoOwners,
}
