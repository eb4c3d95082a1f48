//! What an adapter is, and the registry of all of them.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::env::Env;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, Turn};
use crate::scope::Scope;

pub mod billing;
pub mod claude_code;
pub mod codex;
pub mod copilot;
pub mod drive;
pub mod evidence;
pub mod excerpt;
pub mod files;
pub mod gemini;
pub mod jsonl;
pub mod live;
pub mod openclaw;
pub mod opencode;
pub mod pairing;
mod percent;
pub mod pi;
pub mod pi_rust;
pub mod scan;
pub mod service;
pub mod sqlite;

pub use evidence::{Record, Survey};
pub use files::FileAgent;

/// Every adapter, in the order that reports are listed.
pub static REGISTRY: &[&'static dyn Adapter] = &[
    &claude_code::ADAPTER,
    &codex::ADAPTER,
    &copilot::ADAPTER,
    &gemini::ADAPTER,
    &openclaw::ADAPTER,
    &opencode::ADAPTER,
    &pi::ADAPTER,
    &pi_rust::ADAPTER,
];

/// Code that knows one agent: where it keeps its sessions and how its live processes are told.
pub trait Adapter: Send + Sync + 'static {
    /// What is always true of the agent.
    fn card(&self) -> &AgentCard;

    /// Where the agent keeps its sessions, whether or not anything is there.
    fn stores(&self, _env: &Env) -> Vec<PathBuf> {
        Vec::new()
    }

    /// What changes on disk when a session does.
    fn watched(&self, env: &Env) -> Vec<Watched> {
        self.stores(env).into_iter().map(Watched::all_below).collect()
    }

    /// For an agent that can only be asked: calls `tell` whenever its service says that something has changed,
    /// for as long as the service can be heard. Nothing for agents whose files tell.
    fn follow(&'static self, _env: Arc<Env>, _tell: Tell) -> Option<BoxFuture<'static, ()>> {
        None
    }

    /// Looks at the agent's store and processes, as they are now. Ends when its future is dropped.
    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey>;

    /// How the agent is started, resumed and stopped.
    fn driver(&self) -> &'static drive::Driver {
        &drive::UNDRIVEN
    }

    /// The last turns of one session, the newest last. Nothing where none are recorded.
    fn peek(
        &'static self,
        _scope: Scope,
        _record: Arc<Record>,
        _turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        None
    }
}

/// Says that something of an agent may have changed.
pub type Tell = Arc<dyn Fn() + Send + Sync>;

/// A place on disk that changes when a session does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// A directory or a file, there or not.
    pub path: PathBuf,
    /// Whether everything below counts too, or only what the directory itself holds.
    pub is_recursive: bool,
}

impl Watched {
    /// A directory and everything below it.
    pub fn all_below(path: PathBuf) -> Self {
        Self { path, is_recursive: true }
    }

    /// A directory and what it holds itself, or a file.
    pub fn just(path: PathBuf) -> Self {
        Self { path, is_recursive: false }
    }
}

/// The last turns of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peeked {
    /// The newest turns, oldest of them first.
    pub turns: Vec<Turn>,
    /// Whether turns came before the first of these.
    pub has_earlier: bool,
}

/// The adapter of that id.
pub fn find(id: &str) -> Option<&'static dyn Adapter> {
    REGISTRY.iter().copied().find(|it| it.card().id.as_str() == id)
}
