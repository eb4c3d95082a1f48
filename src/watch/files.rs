//! Which agents' files have changed: one watcher over all stores, and no timer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::adapters::Watched;
use crate::protocol::session::{Problem, ProblemKind};

/// Which agent, by its place in the registry.
pub(super) type AgentIndex = usize;

/// Watches the stores of all agents, whether they are there yet or not.
pub(super) struct StoreWatcher {
    watcher: Option<RecommendedWatcher>,
    /// What is watched now: a store, or the nearest directory above one that is not there yet.
    watching: BTreeMap<PathBuf, bool>,
    shared: Arc<Shared>,
    /// Why changes may go unseen.
    pub(super) problem: Option<Problem>,
}

/// What the watcher's thread and the lookout both touch.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Below which path which agents keep something.
    routes: Vec<(PathBuf, BTreeSet<AgentIndex>)>,
    dirty: BTreeSet<AgentIndex>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, event: notify::Result<Event>) {
        let mut state = self.state();
        let touched: BTreeSet<AgentIndex> = match event {
            Ok(event) if is_only_reading(event.kind) => return,
            Ok(event) if !event.need_rescan() => {
                let concerns = |route: &Path| {
                    event
                        .paths
                        .iter()
                        .any(|path| path.starts_with(route) || route.starts_with(path))
                };
                let routes = state.routes.iter().filter(|(route, _)| concerns(route));
                routes.flat_map(|(_, agents)| agents.iter().copied()).collect()
            }
            // Events were lost, or cannot be told: anything may have changed.
            Ok(_) | Err(_) => {
                state.routes.iter().flat_map(|(_, agents)| agents.iter().copied()).collect()
            }
        };
        if touched.is_empty() {
            return;
        }
        state.dirty.extend(touched);
        drop(state);
        self.changed.notify_one();
    }
}

/// Whether the event is somebody reading, as we do ourselves.
fn is_only_reading(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

impl StoreWatcher {
    pub(super) fn new() -> Self {
        let shared = Arc::<Shared>::default();
        let told = shared.clone();
        let config = Config::default().with_follow_symlinks(false);
        let watcher = RecommendedWatcher::new(move |event| told.take_in(event), config);
        let problem = watcher.as_ref().err().map(problem);
        Self { watcher: watcher.ok(), watching: BTreeMap::new(), shared, problem }
    }

    /// Watches what is to be watched now: stores that have come to be, and no longer those that are gone.
    pub(super) fn follow(&mut self, wanted: &[(AgentIndex, Watched)]) {
        let mut routes: BTreeMap<PathBuf, BTreeSet<AgentIndex>> = BTreeMap::new();
        let mut targets: BTreeMap<PathBuf, bool> = BTreeMap::new();
        for (agent, watched) in wanted {
            routes.entry(watched.path.clone()).or_default().insert(*agent);
            let Some(there) = watched.path.ancestors().find(|it| it.exists()) else { continue };
            let is_recursive = watched.is_recursive && there == watched.path;
            *targets.entry(there.to_owned()).or_default() |= is_recursive;
        }
        self.shared.state().routes = routes.into_iter().collect();
        let Some(watcher) = &mut self.watcher else { return };
        self.problem = None;
        let gone: Vec<PathBuf> = self
            .watching
            .iter()
            .filter(|(path, mode)| targets.get(*path) != Some(mode))
            .map(|it| it.0.clone())
            .collect();
        for path in gone {
            self.watching.remove(&path);
            // Where the directory itself is gone, so is its watch.
            drop(watcher.unwatch(&path));
        }
        for (path, is_recursive) in targets {
            if self.watching.contains_key(&path) {
                continue;
            }
            let mode =
                if is_recursive { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            match watcher.watch(&path, mode) {
                Ok(()) => {
                    self.watching.insert(path, is_recursive);
                }
                Err(error) => self.problem = Some(problem(&error)),
            }
        }
    }

    /// Says that an agent's part may have changed, for a reason other than its files.
    pub(super) fn teller(&self) -> Teller {
        Teller(self.shared.clone())
    }

    /// Whose files have changed and were not told yet.
    pub(super) fn changed_meanwhile(&self) -> BTreeSet<AgentIndex> {
        std::mem::take(&mut self.shared.state().dirty)
    }

    /// Waits until something changes, and returns whose.
    pub(super) async fn changed(&self) -> BTreeSet<AgentIndex> {
        loop {
            let dirty = self.changed_meanwhile();
            if !dirty.is_empty() {
                return dirty;
            }
            self.shared.changed.notified().await;
        }
    }
}

/// A handle to say that an agent's part may have changed.
#[derive(Clone)]
pub(super) struct Teller(Arc<Shared>);

impl Teller {
    pub(super) fn tell(&self, agent: AgentIndex) {
        self.0.state().dirty.insert(agent);
        self.0.changed.notify_one();
    }
}

fn problem(error: &notify::Error) -> Problem {
    let (kind, message) = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => (
            ProblemKind::Limit,
            "the system's limit of watched files is reached; looking every 2 s instead".to_owned(),
        ),
        _ => (
            ProblemKind::Unreadable,
            format!("changes cannot be watched: {error}; looking every 2 s instead"),
        ),
    };
    Problem { kind, message, path: None, line: None }
}
