//! What an adapter is, and the registry of all of them.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::env::Env;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, Turn};
use crate::scope::Scope;

pub mod codex;
pub mod evidence;
pub mod excerpt;
pub mod files;
pub mod jsonl;
pub mod live;
mod openclaw;
pub mod pairing;
pub mod parallel;
pub mod pi;
pub mod pi_rust;
pub mod scan;
pub mod sqlite;

pub use evidence::{Record, Survey};

/// Every adapter, in the order that reports are listed.
pub static REGISTRY: &[&'static dyn Adapter] =
    &[&codex::ADAPTER, &openclaw::ADAPTER, &pi::ADAPTER, &pi_rust::ADAPTER];

/// Code that knows one agent: where it keeps its sessions and how its live processes are told.
pub trait Adapter: Send + Sync + 'static {
    /// What is always true of the agent.
    fn card(&self) -> &AgentCard;

    /// Where the agent keeps its sessions, whether or not anything is there.
    fn stores(&self, _env: &Env) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Looks at the agent's store and processes, as they are now. Ends when its future is dropped.
    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey>;

    /// The last turns of one session, the newest last. Nothing where the agent's turns cannot be read.
    fn peek(
        &'static self,
        _scope: Scope,
        _record: Arc<Record>,
        _turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        None
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
