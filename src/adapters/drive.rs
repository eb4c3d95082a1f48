//! How agents are started, resumed and stopped: described here, done elsewhere. PURE.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::billing::Billing;
use super::service::{EndTurn, Service};
use crate::base::{AbsPath, AgentId, SessionId, Timestamp};
use crate::env::Env;
use crate::protocol::launch::Permissions;

/// Longest prompt that travels as an argument; a longer one is written to the agent's stdin.
/// Linux takes at most 128 KiB in one argument.
pub const PROMPT_ARGUMENT_MAX: usize = 64 << 10;

/// How one agent is driven.
pub struct Driver {
    /// Whether a program of one of the agent's names is the agent: another may be called the same.
    pub is_program: fn(&Path) -> bool,
    /// The command line that does what is ordered.
    pub command: fn(&Order) -> Result<CommandLine, Unsupported>,
    /// The arguments by which a person goes on with a session in a terminal, in the session's directory; nothing
    /// where there are none, or where they take a transcript whose path is not known.
    pub by_hand: fn(&SessionId, Option<&Path>) -> Option<Vec<String>>,
    /// Who would bill what a launch spends; nothing where that cannot be told.
    pub billing: fn(&Env) -> Option<Billing>,
    /// Variables by which the agent's own tools are known. What is launched must not inherit them.
    pub nesting: &'static [&'static str],
    /// Of these, the one that holds the id of the session.
    pub session_variable: Option<&'static str>,
    /// Of these, the one that holds the id of the agent's process.
    pub pid_variable: Option<&'static str>,
    /// How the agent is asked to end.
    pub polite: Polite,
    /// Whether a process of the agent, known by its arguments, serves many sessions.
    pub is_shared: fn(&[String]) -> bool,
    /// How a launched session is found in the store, for agents that tell it late.
    pub find_launched: Option<FindLaunched>,
    /// The service that sessions begin in, for agents that are not started as processes.
    pub service: Option<&'static dyn Service>,
    /// How the agent's own service is asked to end the turn of one session among those that it serves.
    pub end_turn: Option<EndTurn>,
}

/// The signal that an agent handles best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polite {
    Interrupt,
    Terminate,
}

/// An agent that we cannot drive.
pub static UNDRIVEN: Driver = Driver {
    is_program: |_| true,
    command: |_| {
        Err(Unsupported {
            what: "be launched or resumed from here".into(),
            hint: "start it in a terminal; it is listed like any other".into(),
        })
    },
    by_hand: |_, _| None,
    billing: |_| None,
    nesting: &[],
    session_variable: None,
    pid_variable: None,
    polite: Polite::Terminate,
    is_shared: |_| false,
    find_launched: None,
    service: None,
    end_turn: None,
};

/// The driver of an agent.
pub fn of(agent: &AgentId) -> &'static Driver {
    super::find(agent.as_str()).map_or(&UNDRIVEN, |it| it.driver())
}

/// Every variable by which a tool of some agent is known.
pub fn nesting_variables() -> impl Iterator<Item = &'static str> {
    super::REGISTRY.iter().flat_map(|it| it.driver().nesting.iter().copied())
}

/// What is asked of an agent.
#[derive(Clone, Debug)]
pub struct Order {
    pub task: Task,
    pub prompt: String,
    pub model: Option<String>,
    pub permissions: Permissions,
    /// Arguments of the caller's own, put before the prompt.
    pub args: Vec<String>,
    pub label: Option<String>,
    /// Where the agent keeps its sessions.
    pub store: Option<PathBuf>,
}

/// Whether a session begins or goes on.
#[derive(Clone, Debug)]
pub enum Task {
    /// A new session. `id` is fresh, for agents that let the launcher choose.
    Launch { id: SessionId },
    /// An old session goes on, in its own directory.
    Resume { id: SessionId, transcript: Option<PathBuf> },
}

impl Task {
    /// The session that goes on.
    pub fn resumed(&self) -> Option<&SessionId> {
        match self {
            Self::Launch { .. } => None,
            Self::Resume { id, .. } => Some(id),
        }
    }
}

impl Order {
    pub(super) fn is_resume(&self) -> bool {
        matches!(self.task, Task::Resume { .. })
    }

    pub(super) fn prompt_is_long(&self) -> bool {
        self.prompt.len() > PROMPT_ARGUMENT_MAX
    }
}

/// How an agent is started. Nothing here is for a shell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The arguments, without the program.
    pub args: Vec<String>,
    /// Where the prompt travels.
    pub prompt: PromptBy,
    /// What tells the session's id.
    pub learn: Option<Learn>,
    /// The session's id, where it is known before the agent tells it.
    pub session: Option<SessionId>,
}

/// Where a prompt travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PromptBy {
    /// It is one of the arguments.
    #[default]
    Argument,
    /// It is written to stdin, which then ends.
    Stdin,
}

/// Which line of an agent's output tells its session: a JSON object whose `type` is one of `kinds` (any where
/// there are none) and that has this member; or says, where there is no member, that the session we chose has begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learn {
    pub kinds: Vec<String>,
    pub member: Option<String>,
}

impl Learn {
    pub(super) fn from(kinds: &[&str], member: &str) -> Self {
        Self { member: Some(member.into()), ..Self::begun(kinds) }
    }

    pub(super) fn begun(kinds: &[&str]) -> Self {
        Self { kinds: kinds.iter().map(|it| (*it).into()).collect(), member: None }
    }

    /// The session that a line tells, of an agent for which we may have chosen one.
    pub fn session_in(&self, line: &[u8], chosen: Option<&SessionId>) -> Option<SessionId> {
        let line: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).ok()?;
        let kind = line.get("type").and_then(|it| it.as_str()).unwrap_or_default();
        if !self.kinds.is_empty() && !self.kinds.iter().any(|it| it == kind) {
            return None;
        }
        match &self.member {
            Some(member) => SessionId::parse(line.get(member)?.as_str()?),
            None => chosen.cloned(),
        }
    }
}

/// What is known of a launch whose session is looked for in a store.
#[derive(Clone, Copy, Debug)]
pub struct Launched<'a> {
    pub cwd: &'a AbsPath,
    pub prompt: &'a str,
    /// The session began at or after this instant.
    pub since: Timestamp,
}

/// Finds a launched session in the agent's own store. Reads only.
pub type FindLaunched = fn(&Env, &Launched<'_>) -> Option<SessionId>;

/// What an agent cannot do, and what can be done instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Follows "… cannot".
    pub what: String,
    pub hint: String,
}

impl Unsupported {
    /// The agent has no flag for this permission.
    pub(super) fn permissions(permissions: Permissions, hint: &str) -> Self {
        let word = match permissions {
            Permissions::Agent => "agent",
            Permissions::Edit => "edit",
            Permissions::Full => "full",
        };
        Self { what: format!("be given the permissions `{word}`"), hint: hint.into() }
    }
}

/// Arguments under construction.
#[derive(Debug, Default)]
pub(super) struct Args(pub(super) Vec<String>);

impl Args {
    pub(super) fn of(words: &[&str]) -> Self {
        Self(words.iter().map(|it| (*it).to_owned()).collect())
    }

    pub(super) fn add(&mut self, words: &[&str]) {
        self.0.extend(words.iter().map(|it| (*it).to_owned()));
    }

    /// Adds `flag value`, where there is a value.
    pub(super) fn flag(&mut self, flag: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(&[flag, value]);
        }
    }

    /// Adds `flag=value`, where there is a value: as a word of its own it could be taken for a flag.
    pub(super) fn joined(&mut self, flag: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.0.push(format!("{flag}={value}"));
        }
    }

    /// Ends the arguments with the caller's own and the prompt, behind `--`: it may begin with a dash.
    pub(super) fn with_prompt(mut self, order: &Order) -> CommandLine {
        self.0.extend(order.args.iter().cloned());
        if order.prompt_is_long() {
            return CommandLine { args: self.0, prompt: PromptBy::Stdin, ..CommandLine::default() };
        }
        self.add(&["--", &order.prompt]);
        CommandLine { args: self.0, ..CommandLine::default() }
    }
}

#[cfg(test)]
mod tests;
