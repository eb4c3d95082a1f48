//! The method table: one line a method.

use std::sync::Arc;

use crate::adapters::Adapter;
use crate::env::Env;
use crate::memo::Memo;
use crate::protocol::{discover, lifecycle, lock, session};

mod ledger_access;
mod lifecycle_handlers;
mod lock_handlers;
pub mod openrpc;
mod router;
mod session_handlers;

pub use router::{Call, Router};

/// What every handler works with. It holds no state of sessions: the memo can only save a read whose answer
/// could not differ.
pub struct App {
    pub env: Arc<Env>,
    pub adapters: Vec<&'static dyn Adapter>,
    pub memo: Arc<Memo>,
}

impl App {
    /// The application over some adapters, in the world of `env`.
    pub fn new(env: Env, adapters: &[&'static dyn Adapter]) -> Self {
        Self { env: Arc::new(env), adapters: adapters.to_vec(), memo: Arc::default() }
    }
}

/// THE METHOD TABLE. The call that dispatches a method is the call that documents it.
pub fn router(app: App) -> Router {
    Router::new(app)
        .method::<lifecycle::Initialize, _, _>(lifecycle_handlers::initialize)
        .method::<discover::Discover, _, _>(lifecycle_handlers::discover)
        .method::<session::List, _, _>(session_handlers::list)
        .method::<session::GetStatus, _, _>(session_handlers::status)
        .method::<session::Peek, _, _>(session_handlers::peek)
        .method::<lock::Acquire, _, _>(lock_handlers::acquire)
        .method::<lock::Release, _, _>(lock_handlers::release)
        .method::<lock::List, _, _>(lock_handlers::list)
}
