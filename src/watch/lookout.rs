//! The lookout: looks once, then again whenever a store, a program, a process or a service says that something has
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::agenda::{Agenda, Cause};
use super::files::{AgentIndex, StoreWatcher, Touched, Wanted};
use super::owners::Owners;
use super::services::Services;
use crate::adapters::files::blocking;
use crate::adapters::{Adapter, Watched};
use crate::base::{ProcessRef, Timestamp};
use crate::census::{self, Surveyed};
use crate::env::Env;
use crate::ledger::{Ledger, LedgerFile};
use crate::memo::Memo;
use crate::protocol::session::{Outcome, Problem, Session};
use crate::reconcile::{fades_after, keepers_to_hear, reconcile};
use crate::scope::{Interest, Scope};

/// Shortest time between two looks: bursts of changes are told at most ten times a second.
const REST: Duration = Duration::from_millis(100);
/// How often to look where changes cannot be watched.
const FALLBACK: Duration = Duration::from_secs(2);
/// When to look after a program was opened, besides at once: a process shows what it is only after some loading.
const AFTER_START: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
];
/// When to look after something was written into a database, besides at once: after flushing to a disk, and to a slow one.
const AFTER_WRITE: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// When to look again after an agent's adapter or service did not answer, each time since the time before: it may be
/// starting. Then no more, until something changes.
const AFTER_SILENCE: [Duration; 6] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

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
        tasks.spawn(look(env, memo, adapters, StoreWatcher::new(), tell));
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
    mut stores: StoreWatcher,
    tell: watch::Sender<Option<View>>,
) {
    let everybody: BTreeSet<AgentIndex> = (0..adapters.len()).collect();
    let mut owners = Owners::default();
    let mut services = Services::default();
    let mut agenda = Agenda::default();
    let mut silences = Silences::default();
    let mut seen = Seen::default();
    let mut dirty = everybody.clone();
    loop {
        let started = Instant::now();
        // Before the look: what happens while we look is then told again, and nothing in between is lost.
        let scope;
        (stores, scope) = prepare(stores, &env, &memo, &adapters).await;
        services.follow(&env, &adapters, &stores.teller());
        let asked: Vec<&'static dyn Adapter> = dirty.iter().map(|it| adapters[*it]).collect();
        let surveys = census::take(&asked, &scope, census::DEADLINE).await;
        // Read last: a launch that an adapter saw is in it.
        let ledger = seen.read_ledger(&env).await;
        for (agent, surveyed) in dirty.iter().copied().zip(surveys) {
            let outcome = surveyed.survey.outcome;
            if let Some(after) = fades_after(&ledger, &surveyed.agent, scope.now) {
                agenda.plan(agent, Cause::Fading, Instant::now() + after);
            }
            seen.conclude(agent, surveyed, &ledger, &scope, &mut owners);
            let is_well = match outcome {
                Outcome::Absent => true,
                Outcome::Ok => !services.is_silent(agent),
                Outcome::TimedOut | Outcome::Failed => false,
            };
            if let Some(after) = silences.after(agent, is_well) {
                agenda.plan(agent, Cause::Silent, Instant::now() + after);
            }
        }
        let blindness = [stores.problem.clone(), owners.watch(env.proc_root(), &stores.teller())];
        if blindness.iter().any(Option::is_some) {
            for agent in &everybody {
                agenda.plan_once(*agent, Cause::Blind, started + FALLBACK);
            }
        }
        seen.publish(&tell, scope.now, blindness.into_iter().flatten());

        let mut touched = tokio::select! {
            touched = stores.touched() => touched,
            () = until(agenda.next()) => Touched::default(),
        };
        sleep_until(started + REST).await;
        touched.extend(stores.touched_meanwhile());
        let now = Instant::now();
        for (nth, after) in AFTER_START.into_iter().enumerate() {
            agenda.plan_all(&touched.started, Cause::Started(nth), now + after);
        }
        for (nth, after) in AFTER_WRITE.into_iter().enumerate() {
            agenda.plan_all(&touched.unsettled, Cause::Written(nth), now + after);
        }
        dirty = touched.changed;
        dirty.extend(touched.started);
        silences.forget(&dirty);
        dirty.extend(agenda.take_due(now));
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Watches what is there now, and takes the scope of a look.
async fn prepare(
    mut stores: StoreWatcher,
    env: &Arc<Env>,
    memo: &Arc<Memo>,
    adapters: &[&'static dyn Adapter],
) -> (StoreWatcher, Scope) {
    let (env, memo, adapters) = (env.clone(), memo.clone(), adapters.to_vec());
    blocking(move || {
        stores.follow(&wanted(&env, &adapters));
        (stores, Scope::observe(env, memo, Interest::SESSIONS))
    })
    .await
}

/// What to watch: each agent's stores and programs, and for all of them the ledger.
fn wanted(env: &Env, adapters: &[&'static dyn Adapter]) -> Wanted {
    let mut wanted = Wanted { home: env.in_home(""), ..Wanted::default() };
    for (agent, adapter) in adapters.iter().enumerate() {
        let stores = adapter.watched(env).into_iter().chain([Watched::just(env.state_dir())]);
        wanted.stores.extend(stores.map(|it| (agent, it)));
        let programs = adapter.card().binaries.iter().filter_map(|it| program(env, it));
        wanted.programs.extend(programs.map(|it| (agent, it)));
    }
    wanted
}

/// The file that is opened where a program of that name is started, behind all links.
fn program(env: &Env, name: &str) -> Option<PathBuf> {
    env.find_program(name)?.canonicalize().ok()
}

/// How often each agent's adapter or service did not answer.
#[derive(Default)]
struct Silences(BTreeMap<AgentIndex, usize>);

impl Silences {
    /// After how long to look again; nothing where all is well, and where it is for long not.
    fn after(&mut self, agent: AgentIndex, is_well: bool) -> Option<Duration> {
        if is_well {
            self.0.remove(&agent);
            return None;
        }
        let times = self.0.entry(agent).or_default();
        let after = AFTER_SILENCE.get(*times).copied();
        *times += 1;
        after
    }

    /// Something changed: it is worth trying as often again.
    fn forget(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.0.retain(|agent, _| !agents.contains(agent));
    }
}

/// What was seen of each agent when it was last looked at.
#[derive(Default)]
struct Seen {
    sessions: BTreeMap<AgentIndex, Vec<Session>>,
    /// Why what was seen is not all.
    failures: BTreeMap<AgentIndex, Problem>,
    ledger: Option<Problem>,
}

impl Seen {
    async fn read_ledger(&mut self, env: &Arc<Env>) -> Ledger {
        let env = env.clone();
        match blocking(move || LedgerFile::of(&env).read()).await {
            Ok(ledger) => {
                self.ledger = None;
                ledger
            }
            Err(error) => {
                self.ledger = Some(error.into());
                Ledger::default()
            }
        }
    }

    fn conclude(
        &mut self,
        agent: AgentIndex,
        surveyed: Surveyed,
        ledger: &Ledger,
        scope: &Scope,
        owners: &mut Owners,
    ) {
        let keepers = keepers_to_hear(ledger, &surveyed.agent, &scope.processes);
        let mut awaited: BTreeSet<ProcessRef> = keepers.collect();
        let roster = reconcile(vec![surveyed], ledger, &scope.processes, scope.now);
        self.failures.remove(&agent);
        for report in &roster.reports {
            let is_late = report.outcome == Outcome::TimedOut;
            if is_late || report.outcome == Outcome::Failed {
                let problem = report.problems.first();
                self.failures.extend(problem.map(|it| {
                    let message = format!("{}: {}", report.agent, it.message);
                    (agent, Problem { message, ..it.clone() })
                }));
            }
            // Who was merely slow has not lost its sessions: they are as they were last seen.
            if is_late && self.sessions.contains_key(&agent) {
                return;
            }
        }
        let owning = roster.rows.iter().flat_map(|it| it.owners.iter().chain(&it.candidates));
        awaited.extend(owning);
        owners.replace(agent, awaited);
        self.sessions.insert(agent, roster.rows.into_iter().map(|it| *it.session).collect());
    }

    /// Tells the new view, unless it is the old one.
    fn publish(
        &self,
        tell: &watch::Sender<Option<View>>,
        observed_at: Timestamp,
        blindness: impl Iterator<Item = Problem>,
    ) {
        let sessions: Vec<Session> = self.sessions.values().flatten().cloned().collect();
        let own = blindness.chain(self.ledger.clone());
        let problems: Vec<Problem> = own.chain(self.failures.values().cloned()).collect();
        tell.send_if_modified(|view| {
            let is_new =
                view.as_ref().is_none_or(|it| *it.sessions != sessions || it.problems != problems);
            if is_new {
                *view = Some(View { observed_at, sessions: Arc::new(sessions), problems });
            }
            is_new
        });
    }
}

#[cfg(test)]
mod tests;
