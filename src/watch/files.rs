//! Which agents' files have changed: one watcher over all stores and programs, and no timer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::adapters::Watched;
use crate::base::AbsPath;
use crate::protocol::session::{Problem, ProblemKind};

/// Which agent, by its place in the registry.
pub(crate) type AgentIndex = usize;

pub(super) type AnyWatcher = Box<dyn Watcher + Send + Sync>;

/// What to watch for the sake of which agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watchlist {
    /// Where they keep something, there or not.
    pub(crate) stores: Vec<(AgentIndex, Watched)>,
    /// The files of their programs: opening one is how a process begins.
    pub(crate) programs: Vec<(AgentIndex, PathBuf)>,
    /// The home directory: whatever lies between it and a store may be renamed or replaced. Nothing where only the stores
    /// themselves are watched.
    pub(crate) home: Option<PathBuf>,
}

/// Whose part may have changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(super) changed: BTreeSet<AgentIndex>,
    /// Whose program was opened, as it is when it is started.
    pub(super) started: BTreeSet<AgentIndex>,
    /// In whose database something was written: readers see it only once the writer says so in shared memory, later
    /// than this event and without another.
    pub(super) unsettled: BTreeSet<AgentIndex>,
}

impl Touched {
    pub(super) fn is_empty(&self) -> bool {
        // What is unsettled has changed, too.
        self.changed.is_empty() && self.started.is_empty()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.changed.extend(other.changed);
        self.started.extend(other.started);
        self.unsettled.extend(other.unsettled);
    }
}

/// Watches the stores and programs of all agents, whether they are there yet or not.
pub(crate) struct StoreWatcher {
    make: fn(Arc<Shared>) -> notify::Result<AnyWatcher>,
    watcher: Option<AnyWatcher>,
    /// What is watched now: stores, or the nearest directory above one that is not there yet, and what is above.
    watching: BTreeMap<PathBuf, RecursiveMode>,
    shared: Arc<Shared>,
    /// Why changes may go unseen.
    pub(crate) problem: Option<Problem>,
}

/// What the watcher's thread and the lookout both touch.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Below which path which agents keep something.
    stores: BTreeMap<PathBuf, BTreeSet<AgentIndex>>,
    programs: BTreeMap<PathBuf, BTreeSet<AgentIndex>>,
    touched: Touched,
    /// What came, went or was replaced at a watched path or above one: the watch there is another file's now.
    replaced: BTreeSet<PathBuf>,
    /// Whether events were lost, and with them perhaps directories that should be watched.
    is_torn: bool,
}

impl State {
    fn everybody(&self) -> BTreeSet<AgentIndex> {
        self.stores.values().chain(self.programs.values()).flatten().copied().collect()
    }

    fn take_in(&mut self, event: notify::Result<Event>) -> Touched {
        match event {
            Ok(event) if !event.need_rescan() => self.take_in_told(&event),
            // Events were lost, or can be told no more: anything may have changed.
            Ok(_) | Err(_) => {
                self.is_torn = true;
                Touched { changed: self.everybody(), ..Touched::default() }
            }
        }
    }

    fn take_in_told(&mut self, event: &Event) -> Touched {
        let mut touched = Touched::default();
        for path in &event.paths {
            if is_only_reading(event.kind, path) {
                touched.started.extend(self.programs.get(path).into_iter().flatten());
                continue;
            }
            let concerned = |route: &Path| path.starts_with(route) || route.starts_with(path);
            for (route, agents) in self.stores.iter().chain(&self.programs) {
                if concerned(route) {
                    touched.changed.extend(agents);
                    if is_log(path) {
                        touched.unsettled.extend(agents);
                    }
                }
                if is_about_being_there(event.kind) && route.starts_with(path) {
                    self.replaced.insert(path.clone());
                }
            }
        }
        touched
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, event: notify::Result<Event>) {
        let mut state = self.state();
        let touched = state.take_in(event);
        if !touched.is_empty() {
            state.touched.extend(touched);
            drop(state);
            self.changed.notify_one();
        }
    }
}

/// Whether the event is somebody reading, as we do ourselves. To read a database SQLite opens its log for writing and,
/// where root reads, sets its owner; what is written into the log is told besides. It writes the index of the log, too,
/// where it is the only one to read: whoever changes the database writes the log before.
fn is_only_reading(kind: EventKind, path: &Path) -> bool {
    match kind {
        _ if is_index(path) => true,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Metadata(_)) => is_log(path),
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Whether SQLite writes there before a change can be read.
fn is_log(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-wal")
}

/// Whether SQLite keeps there where in the log what is, for all who read and write.
fn is_index(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"-shm")
}

/// Whether what is at the path now may be another file than before.
fn is_about_being_there(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
    )
}

fn system_watcher(shared: Arc<Shared>) -> notify::Result<AnyWatcher> {
    let config = Config::default().with_follow_symlinks(false);
    let watcher = RecommendedWatcher::new(move |event| shared.take_in(event), config)?;
    Ok(Box::new(watcher))
}

impl StoreWatcher {
    pub(crate) fn new() -> Self {
        Self::made_by(system_watcher)
    }

    pub(super) fn made_by(make: fn(Arc<Shared>) -> notify::Result<AnyWatcher>) -> Self {
        let shared = Arc::default();
        Self { make, watcher: None, watching: BTreeMap::new(), shared, problem: None }
    }

    /// Watches what is to be watched now: stores that have come to be, and no longer those that are gone.
    pub(crate) fn follow(&mut self, watchlist: &Watchlist) {
        let (replaced, is_torn) = {
            let mut state = self.shared.state();
            state.stores = by_path(watchlist.stores.iter().map(|it| (it.0, it.1.path.clone())));
            state.programs = by_path(watchlist.programs.iter().cloned());
            (std::mem::take(&mut state.replaced), std::mem::take(&mut state.is_torn))
        };
        self.problem = None;
        if is_torn {
            self.watcher = None;
        }
        if self.watcher.is_none() {
            self.watching.clear();
            match (self.make)(self.shared.clone()) {
                Ok(made) => self.watcher = Some(made),
                Err(error) => self.problem = Some(problem(&error)),
            }
        }
        let Some(watcher) = &mut self.watcher else { return };
        let targets = targets(watchlist);
        let is_void = |path: &Path, mode: RecursiveMode| {
            targets.get(path) != Some(&mode) || replaced.iter().any(|it| path.starts_with(it))
        };
        for (path, _) in self.watching.extract_if(.., |path, mode| is_void(path, *mode)) {
            // Where the directory itself is gone, so is its watch.
            drop(watcher.unwatch(&path));
        }
        // What came or went while we looked at it.
        let mut astir = Vec::new();
        let mut is_wider = false;
        for (path, mode) in &targets {
            if self.watching.contains_key(path) {
                continue;
            }
            is_wider = true;
            match watcher.watch(path, *mode) {
                Ok(()) => {
                    self.watching.insert(path.clone(), *mode);
                }
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {
                    astir.push(path.clone());
                }
                Err(error) => self.problem = Some(problem(&error)),
            }
        }
        if is_wider {
            let now = self::targets(watchlist).into_keys();
            astir.extend(now.filter(|it| !targets.contains_key(it)));
        }
        // It is seen with the next look, which is due.
        for path in astir {
            self.shared.take_in(Ok(Event::new(EventKind::Any).add_path(path)));
        }
    }

    /// Says that an agent's part may have changed, for a reason other than its files.
    pub(super) fn teller(&self) -> Teller {
        Teller(self.shared.clone())
    }

    /// Whose part has changed and was not told yet.
    pub(super) fn touched_meanwhile(&self) -> Touched {
        std::mem::take(&mut self.shared.state().touched)
    }

    /// Waits until something changes, and returns whose. Loses nothing where it is dropped.
    pub(crate) async fn touched(&self) -> Touched {
        loop {
            let touched = self.touched_meanwhile();
            if !touched.is_empty() {
                return touched;
            }
            self.shared.changed.notified().await;
        }
    }
}

fn by_path(
    kept: impl Iterator<Item = (AgentIndex, PathBuf)>,
) -> BTreeMap<PathBuf, BTreeSet<AgentIndex>> {
    let mut agents: BTreeMap<PathBuf, BTreeSet<AgentIndex>> = BTreeMap::new();
    for (agent, path) in kept {
        agents.entry(path).or_default().insert(agent);
    }
    agents
}

/// What is to be watched so that nothing on the list changes unseen.
fn targets(watchlist: &Watchlist) -> BTreeMap<PathBuf, RecursiveMode> {
    let mut targets = BTreeMap::new();
    let mut whole_trees = BTreeSet::new();
    for (_, watched) in &watchlist.stores {
        let Some(there) = watched.path.ancestors().find(|it| it.exists()) else { continue };
        if watched.is_recursive && there == watched.path {
            whole_trees.insert(there);
        }
        targets.insert(there.to_owned(), RecursiveMode::NonRecursive);
        // A directory that is renamed, or a link that is put in its place, tells those alone who watch its parent.
        let above = there.ancestors().skip(1).enumerate();
        let home = watchlist.home.as_ref();
        let above =
            above.take_while(|(up, it)| home.is_some_and(|home| *up == 0 || it.starts_with(home)));
        targets.extend(above.map(|(_, it)| (it.to_owned(), RecursiveMode::NonRecursive)));
    }
    // Not their directories: there, every program of the machine would be heard.
    targets.extend(watchlist.programs.iter().map(|it| (it.1.clone(), RecursiveMode::NonRecursive)));
    targets.retain(|path, _| !path.ancestors().skip(1).any(|it| whole_trees.contains(it)));
    targets.extend(whole_trees.into_iter().map(|it| (it.to_owned(), RecursiveMode::Recursive)));
    targets
}

/// A handle to say that an agent's part may have changed.
#[derive(Clone)]
pub(super) struct Teller(Arc<Shared>);

impl Teller {
    pub(super) fn tell(&self, agent: AgentIndex) {
        self.0.state().touched.changed.insert(agent);
        self.0.changed.notify_one();
    }
}

fn problem(error: &notify::Error) -> Problem {
    let (kind, message) = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => (
            ProblemKind::Limit,
            "the system's limit of watched files (fs.inotify.max_user_watches) is reached"
                .to_owned(),
        ),
        // By its cause alone: what it is about is the problem's path.
        notify::ErrorKind::Io(cause) => {
            (ProblemKind::Unreadable, format!("changes cannot be watched: {cause}"))
        }
        _ => (ProblemKind::Unreadable, format!("changes cannot be watched: {error}")),
    };
    Problem { kind, message, path: error.paths.first().and_then(AbsPath::parse), line: None }
}

#[cfg(test)]
pub(super) mod tests;
