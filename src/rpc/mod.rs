//! The method table: one line a method.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::adapters::Adapter;
use crate::base::AgentId;
use crate::env::Env;
use crate::fuses::FuseBoard;
use crate::launch::LoginPath;
use crate::memo::Memo;
use crate::protocol::settings::Settings;
use crate::protocol::{discover, fuse, launch, lifecycle, lock, server, session, watch};
use crate::unfinished::Unfinished;
use crate::watch::{Ground, Lookout, Views};

mod checks;
mod counters;
mod fuse_handlers;
mod launch_handlers;
mod ledger_access;
mod lifecycle_handlers;
mod lock_handlers;
mod look;
mod named;
pub mod openrpc;
mod real_paths;
mod router;
mod server_handlers;
mod session_handlers;
mod settings;
mod stop_handlers;
mod stop_notes;
mod subscription;
mod unanswered;
mod watch_handlers;

use counters::Counters;
pub use router::{Call, Router};

/// What every handler works with. It holds no state of sessions: the memo can only save a read whose answer
/// could not differ.
pub struct App {
    pub env: Arc<Env>,
    pub adapters: Vec<&'static dyn Adapter>,
    pub memo: Arc<Memo>,
    /// The program that supervises launches: this one, even where its file was replaced.
    program: PathBuf,
    login_path: LoginPath,
    /// The fuses that run out while this serves.
    pub fuses: Arc<FuseBoard>,
    /// What the process has to finish before it ends.
    pub unfinished: Unfinished,
    counters: Counters,
    /// What `initialize` set for this connection.
    options: Arc<Mutex<Settings>>,
    lookout: Mutex<Weak<Lookout>>,
}

impl App {
    /// The application over some adapters, in the world of `env`.
    pub fn new(env: Env, adapters: &[&'static dyn Adapter]) -> Self {
        Self {
            env: Arc::new(env),
            adapters: adapters.to_vec(),
            memo: Arc::default(),
            program: PathBuf::from("/proc/self/exe"),
            login_path: LoginPath::default(),
            fuses: Arc::default(),
            unfinished: Unfinished::default(),
            counters: Counters::default(),
            options: Arc::default(),
            lookout: Mutex::default(),
        }
    }

    /// The same with another program to supervise launches, for where this one is not headcount.
    #[must_use]
    pub fn supervised_by(self, program: PathBuf) -> Self {
        Self { program, ..self }
    }

    /// The adapter of that id.
    fn adapter(&self, agent: &AgentId) -> Option<&'static dyn Adapter> {
        self.adapters.iter().copied().find(|it| it.card().id == *agent)
    }

    /// The views for one who wants to see these agents, or all that the settings do not leave out. The lookout is shared
    /// by all who look on, and looks only while one of them does.
    fn views(&self, agents: Option<Vec<AgentId>>) -> Views {
        let mut shared = self.lookout.lock().unwrap_or_else(PoisonError::into_inner);
        let lookout = shared.upgrade().filter(|it| !it.has_ended()).unwrap_or_else(|| {
            let (env, memo) = (self.env.clone(), self.memo.clone());
            let (adapters, settings) = (self.adapters.clone(), settings::reader(self));
            let lookout = Arc::new(Lookout::start(Ground { env, memo, adapters, settings }));
            *shared = Arc::downgrade(&lookout);
            lookout
        });
        lookout.views(agents)
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
        .method::<watch::Wait, _, _>(watch_handlers::wait)
        .subscription::<watch::Watch, _, _>(watch_handlers::watch)
        .method::<launch::LaunchSession, _, _>(launch_handlers::launch)
        .method::<launch::Resume, _, _>(launch_handlers::resume)
        .method::<launch::Stop, _, _>(stop_handlers::stop)
        .method::<launch::Prune, _, _>(launch_handlers::prune)
        .method::<fuse::Set, _, _>(fuse_handlers::set)
        .method::<fuse::Extend, _, _>(fuse_handlers::extend)
        .method::<fuse::Cancel, _, _>(fuse_handlers::cancel)
        .method::<fuse::List, _, _>(fuse_handlers::list)
        .method::<server::Metrics, _, _>(server_handlers::metrics)
        .method::<lock::Acquire, _, _>(lock_handlers::acquire)
        .method::<lock::Release, _, _>(lock_handlers::release)
        .method::<lock::List, _, _>(lock_handlers::list)
}
