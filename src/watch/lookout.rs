//! The lookout: looks once, then again whenever a store or a process says that something has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use super::files::{AgentIndex, StoreWatcher, Teller};
use crate::adapters::files::blocking;
use crate::adapters::{Adapter, Tell, Watched};
use crate::base::{ProcessRef, Timestamp};
use crate::census;
use crate::env::Env;
use crate::ledger::{Ledger, LedgerFile};
use crate::memo::Memo;
use crate::procs;
use crate::protocol::session::{Problem, Session};
use crate::reconcile::reconcile;
use crate::scope::{Interest, Scope};

/// Shortest time between two looks: bursts of changes are told at most ten times a second.
const REST: Duration = Duration::from_millis(100);
/// How often to look where changes cannot be watched.
const FALLBACK: Duration = Duration::from_secs(2);

/// Every session as last seen.
#[derive(Clone, Debug)]
pub struct View {
    pub observed_at: Timestamp,
    pub sessions: Arc<Vec<Session>>,
    /// What keeps changes from being seen as they happen.
    pub problems: Vec<Problem>,
}

/// Looks for as long as somebody holds it.
pub struct Lookout {
    view: watch::Receiver<Option<View>>,
    /// The looking itself; it ends with the lookout.
    _tasks: JoinSet<()>,
}

impl Lookout {
    /// Begins to look, on the current runtime.
    pub fn start(env: Arc<Env>, memo: Arc<Memo>, adapters: Vec<&'static dyn Adapter>) -> Self {
        let (tell, view) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(look(env, memo, adapters, tell));
        Self { view, _tasks: tasks }
    }

    /// The views from now on; the first comes when the first look is done.
    pub fn views(&self) -> watch::Receiver<Option<View>> {
        self.view.clone()
    }
}

/// Looks, tells, and waits for a reason to look again.
async fn look(
    env: Arc<Env>,
    memo: Arc<Memo>,
    adapters: Vec<&'static dyn Adapter>,
    tell: watch::Sender<Option<View>>,
) {
    let mut stores = StoreWatcher::new();
    let mut owners = Owners::default();
    let mut services = Services::default();
    let mut sessions: BTreeMap<AgentIndex, Vec<Session>> = BTreeMap::new();
    let mut dirty: BTreeSet<AgentIndex> = (0..adapters.len()).collect();
    loop {
        let started = Instant::now();
        // Before the look: what happens while we look is then told again, and nothing in between is lost.
        stores.follow(&watched(&env, &adapters));
        services.follow(&env, &adapters, &stores.teller());
        let (scope, ledger) = observe(env.clone(), memo.clone()).await;
        let asked: Vec<&'static dyn Adapter> = dirty.iter().map(|it| adapters[*it]).collect();
        let surveys = census::take(&asked, &scope, census::DEADLINE).await;
        for (agent, surveyed) in dirty.iter().zip(surveys) {
            let roster = reconcile(vec![surveyed], &ledger, &scope.processes, scope.now);
            owners.replace(
                *agent,
                roster.rows.iter().flat_map(|it| it.owners.iter().copied()).collect(),
            );
            sessions.insert(*agent, roster.rows.into_iter().map(|it| *it.session).collect());
        }
        owners.watch(&env, &stores.teller());
        publish(&tell, &sessions, scope.now, stores.problem.iter().cloned().collect());
        let is_blind = stores.problem.is_some();
        let changed = async {
            let dirty = stores.changed().await;
            sleep_until(started + REST).await;
            dirty
        };
        dirty = if is_blind {
            timeout(FALLBACK, changed).await.unwrap_or_else(|_| (0..adapters.len()).collect())
        } else {
            changed.await
        };
        dirty.extend(stores.changed_meanwhile());
    }
}

/// What to watch: each agent's stores, and for all of them the ledger.
fn watched(env: &Env, adapters: &[&'static dyn Adapter]) -> Vec<(AgentIndex, Watched)> {
    let own = |agent| (agent, Watched::just(env.state_dir()));
    let of = |(agent, adapter): (AgentIndex, &&'static dyn Adapter)| {
        adapter.watched(env).into_iter().map(move |it| (agent, it)).chain([own(agent)])
    };
    adapters.iter().enumerate().flat_map(of).collect()
}

async fn observe(env: Arc<Env>, memo: Arc<Memo>) -> (Scope, Ledger) {
    blocking(move || {
        let ledger = LedgerFile::of(&env).read().unwrap_or_else(|error| {
            tracing::warn!(%error, "the ledger cannot be read");
            Ledger::default()
        });
        (Scope::observe(env, memo, Interest::SESSIONS), ledger)
    })
    .await
}

/// Tells the new view, unless it is the old one.
fn publish(
    tell: &watch::Sender<Option<View>>,
    sessions: &BTreeMap<AgentIndex, Vec<Session>>,
    observed_at: Timestamp,
    problems: Vec<Problem>,
) {
    let sessions: Vec<Session> = sessions.values().flatten().cloned().collect();
    tell.send_if_modified(|view| {
        let is_new =
            view.as_ref().is_none_or(|it| *it.sessions != sessions || it.problems != problems);
        if is_new {
            *view = Some(View { observed_at, sessions: Arc::new(sessions), problems });
        }
        is_new
    });
}

/// The live processes of all sessions: the end of one is a reason to look again.
#[derive(Default)]
struct Owners {
    by_agent: BTreeMap<AgentIndex, BTreeSet<ProcessRef>>,
    /// A handle that is done belongs to a process that has ended; it is not awaited twice.
    awaited: BTreeMap<(AgentIndex, ProcessRef), AbortHandle>,
    tasks: JoinSet<()>,
}

impl Owners {
    fn replace(&mut self, agent: AgentIndex, owners: BTreeSet<ProcessRef>) {
        self.by_agent.insert(agent, owners);
    }

    fn watch(&mut self, env: &Arc<Env>, teller: &Teller) {
        while self.tasks.try_join_next().is_some() {}
        let by_agent = &self.by_agent;
        self.awaited.retain(|(agent, process), handle| {
            let is_owner = by_agent.get(agent).is_some_and(|it| it.contains(process));
            if !is_owner {
                handle.abort();
            }
            is_owner
        });
        for (agent, process) in
            by_agent.iter().flat_map(|(agent, it)| it.iter().map(|it| (*agent, *it)))
        {
            let (env, teller) = (env.clone(), teller.clone());
            self.awaited.entry((agent, process)).or_insert_with(|| {
                self.tasks.spawn(async move {
                    procs::ended(env.proc_root(), process).await;
                    teller.tell(agent);
                })
            });
        }
    }
}

/// The services of agents that can only be asked.
#[derive(Default)]
struct Services {
    followed: BTreeMap<AgentIndex, AbortHandle>,
    tasks: JoinSet<()>,
}

impl Services {
    /// Listens to each service that can be heard; one that fell silent is tried again with the next look.
    fn follow(&mut self, env: &Arc<Env>, adapters: &[&'static dyn Adapter], teller: &Teller) {
        while self.tasks.try_join_next().is_some() {}
        self.followed.retain(|_, handle| !handle.is_finished());
        for (agent, adapter) in adapters.iter().enumerate() {
            if self.followed.contains_key(&agent) {
                continue;
            }
            let teller = teller.clone();
            let tell: Tell = Arc::new(move || teller.tell(agent));
            if let Some(following) = adapter.follow(env.clone(), tell) {
                self.followed.insert(agent, self.tasks.spawn(following));
            }
        }
    }
}
