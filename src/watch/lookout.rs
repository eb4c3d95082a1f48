//! The lookout: looks once, then again whenever a store, a program, a process or a service says that something has
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::agenda::{Agenda, Cause};
use super::audience::{Audience, Wishes};
use super::files::{AgentIndex, StoreWatcher, Teller, Touched, Watchlist};
use super::glances::Glances;
use super::looks::{Look, Looks};
use super::owners::Owners;
use super::seen::{Alive, Seen};
use super::services::Services;
use super::view::{View, Views};
use crate::adapters::{Adapter, Watched};
use crate::base::AgentId;
use crate::census;
use crate::env::Env;
use crate::memo::Memo;
use crate::offload::blocking;
use crate::protocol::session::{Outcome, Problem};
use crate::protocol::settings::Settings;
use crate::reconcile::fades_after;
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

/// What there is to look at, and by which settings.
#[derive(Clone)]
pub struct Ground {
    pub env: Arc<Env>,
    pub memo: Arc<Memo>,
    pub adapters: Vec<&'static dyn Adapter>,
    /// Reads the settings, and what is wrong with them: with each look, since what they say now holds now.
    pub settings: Arc<dyn Fn() -> (Settings, Option<Problem>) + Send + Sync>,
}

/// Looks for as long as somebody holds it.
pub struct Lookout {
    view: watch::Receiver<Option<View>>,
    audience: Audience,
    /// The looking itself; it ends with the lookout.
    _tasks: JoinSet<()>,
}

impl Lookout {
    /// Begins to look, on the current runtime.
    pub fn start(ground: Ground) -> Self {
        Self::with(ground, StoreWatcher::new())
    }

    fn with(ground: Ground, stores: StoreWatcher) -> Self {
        let (tell, view) = watch::channel(None);
        let audience = Audience::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(look(ground, audience.wishes(), stores, tell));
        Self { view, audience, _tasks: tasks }
    }

    /// The views for one who wants to see these agents, or all that the settings do not leave out.
    pub fn views(self: Arc<Self>, agents: Option<Vec<AgentId>>) -> Views {
        Views::new(self.view.clone(), self.audience.seat(agents), self)
    }

    /// Whether a defect has ended it.
    pub fn has_ended(&self) -> bool {
        self.view.has_changed().is_err()
    }
}

/// Looks, tells, and waits for a reason to look again.
async fn look(
    ground: Ground,
    mut wishes: Wishes,
    mut stores: StoreWatcher,
    tell: watch::Sender<Option<View>>,
) {
    let mut work = Work::default();
    loop {
        let started = Instant::now();
        // Before the look: what happens while we look is then told again, and nothing in between is lost.
        let occasion;
        (stores, occasion) = prepare(stores, &ground, wishes.clone()).await;
        work.begin(&ground, &occasion, &stores.teller(), started + REST).await;
        work.conclude(&ground.env).await;
        let (proc_root, teller) = (ground.env.proc_root(), stores.teller());
        work.glances.follow(proc_root, &teller);
        let unwatched = [stores.problem.clone(), work.owners.watch(proc_root, &teller)];
        let sees_processes = occasion.scope.processes.problem().is_none();
        if !sees_processes || unwatched.iter().any(Option::is_some) {
            for agent in &occasion.agents {
                work.agenda.plan_once(*agent, Cause::Blind, started + FALLBACK);
            }
        }
        let unwatched = unwatched.into_iter().flatten().map(looking_instead);
        let told = occasion.problem.into_iter().chain(unwatched);
        work.seen.publish(&tell, &occasion.scope, occasion.usual, told);

        let mut touched = tokio::select! {
            touched = stores.touched() => touched,
            () = work.is_due() => Touched::default(),
            () = wishes.changed() => Touched::default(),
        };
        sleep_until(started + REST).await;
        touched.extend(stores.touched_meanwhile());
        work.take_in(touched, Instant::now());
    }
}

/// What the lookout has to do, has begun, and has seen.
#[derive(Default)]
struct Work {
    /// Who is to be looked at, as soon as no look at them is under way.
    dirty: BTreeSet<AgentIndex>,
    looks: Looks,
    seen: Seen,
    owners: Owners,
    glances: Glances,
    services: Services,
    silences: Silences,
    agenda: Agenda,
}

impl Work {
    /// Looks at whoever is to be looked at, and waits for them: at most until then, for one may be silent for long.
    async fn begin(
        &mut self,
        ground: &Ground,
        occasion: &Occasion,
        teller: &Teller,
        until: Instant,
    ) {
        let Ground { env, adapters, .. } = ground;
        let Occasion { scope, agents, deadline, .. } = occasion;
        self.services.follow(env, adapters, agents, teller);
        self.looks.keep(agents);
        self.seen.keep(agents);
        self.owners.keep(agents);
        self.glances.keep(agents);
        self.silences.keep(agents);
        let is_new = |it: &&AgentIndex| !self.seen.has(**it) && !self.looks.has(**it);
        self.dirty.extend(agents.iter().filter(is_new));
        self.dirty.retain(|it| agents.contains(it));
        let free = self.dirty.extract_if(.., |it| !self.looks.has(*it));
        let begun: BTreeSet<AgentIndex> = free.collect();
        for agent in begun.iter().copied() {
            self.looks.begin(agent, adapters[agent], scope.clone(), *deadline);
        }
        // What is not done by then is told when it is.
        drop(timeout_at(until, self.looks.are_done(&begun)).await);
    }

    /// Concludes what those looks have brought that are done.
    async fn conclude(&mut self, env: &Arc<Env>) {
        let done = self.looks.take_done();
        if done.is_empty() {
            return;
        }
        // Read last: a launch that an adapter saw is in it.
        let ledger = self.seen.read_ledger(env).await;
        for Look { agent, surveyed, scope } in done {
            let outcome = surveyed.survey.outcome;
            if let Some(after) = fades_after(&ledger, &surveyed.agent, scope.now) {
                self.agenda.plan(agent, Cause::Fading, Instant::now() + after);
            }
            if let Some(alive) = self.seen.conclude(agent, surveyed, &ledger, &scope) {
                let Alive { awaited, at_work } = alive;
                self.owners.replace(agent, awaited);
                self.glances.replace(agent, at_work);
            }
            let is_well = match outcome {
                Outcome::Absent => true,
                Outcome::Ok => !self.services.is_silent(agent),
                Outcome::TimedOut | Outcome::Failed => false,
            };
            if let Some(after) = self.silences.after(agent, is_well) {
                self.agenda.plan(agent, Cause::Silent, Instant::now() + after);
            }
        }
    }

    /// Returns when there is something to do, though nothing was touched. Loses nothing where it is dropped.
    async fn is_due(&mut self) {
        if self.dirty.iter().any(|it| !self.looks.has(*it)) {
            return;
        }
        tokio::select! {
            () = self.looks.one_is_done() => {}
            () = until(self.agenda.next()) => {}
        }
    }

    /// Plans the looks at what was touched, and at what is due.
    fn take_in(&mut self, touched: Touched, now: Instant) {
        let Touched { mut changed, started, unsettled } = touched;
        for (nth, after) in AFTER_START.into_iter().enumerate() {
            self.agenda.plan_all(&started, Cause::Started(nth), now + after);
        }
        for (nth, after) in AFTER_WRITE.into_iter().enumerate() {
            self.agenda.plan_all(&unsettled, Cause::Written(nth), now + after);
        }
        changed.extend(started);
        self.silences.forget(&changed);
        self.dirty.extend(changed);
        self.dirty.extend(self.agenda.take_due(now));
    }
}

/// What is done where changes cannot be watched.
fn looking_instead(problem: Problem) -> Problem {
    let message = format!("{}; looking every {} s instead", problem.message, FALLBACK.as_secs());
    Problem { message, ..problem }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// One look: the world, whose part of it is wanted, and how long each of them may take.
struct Occasion {
    scope: Scope,
    agents: BTreeSet<AgentIndex>,
    /// The agents that the settings do not leave out.
    usual: Vec<AgentId>,
    deadline: Duration,
    /// What is wrong with the settings.
    problem: Option<Problem>,
}

/// Watches what is there now, and takes the scope of a look.
async fn prepare(
    mut stores: StoreWatcher,
    ground: &Ground,
    mut wishes: Wishes,
) -> (StoreWatcher, Occasion) {
    let Ground { env, memo, adapters, settings } = ground.clone();
    blocking(move || {
        let (settings, problem) = settings();
        let ids = adapters.iter().map(|it| &it.card().id);
        let usual: Vec<AgentId> =
            ids.clone().filter(|it| !settings.leaves_out(it)).cloned().collect();
        let named = wishes.agents(&usual);
        let index = |(index, id)| named.contains(id).then_some(index);
        let agents: BTreeSet<AgentIndex> = ids.enumerate().filter_map(index).collect();
        stores.follow(&watchlist(&env, &adapters, &agents));
        let scope = Scope::observe(env, memo, Interest::SESSIONS);
        let deadline = census::deadline(settings.deadline_ms);
        (stores, Occasion { scope, agents, usual, deadline, problem })
    })
    .await
}

/// What to watch: the stores and programs of these agents, and for all of them the ledger.
fn watchlist(
    env: &Env,
    adapters: &[&'static dyn Adapter],
    agents: &BTreeSet<AgentIndex>,
) -> Watchlist {
    let mut watchlist = Watchlist { home: Some(env.in_home("")), ..Watchlist::default() };
    for agent in agents.iter().copied() {
        let adapter = adapters[agent];
        let stores = adapter.watched(env).into_iter().chain([Watched::just(env.state_dir())]);
        watchlist.stores.extend(stores.map(|it| (agent, it)));
        let programs = adapter.card().binaries.iter().filter_map(|it| program(env, it));
        watchlist.programs.extend(programs.map(|it| (agent, it)));
    }
    watchlist
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

    /// Nobody wants to see the others.
    fn keep(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.0.retain(|agent, _| agents.contains(agent));
    }

    /// Something changed: it is worth trying as often again.
    fn forget(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.0.retain(|agent, _| !agents.contains(agent));
    }
}

#[cfg(test)]
mod tests;
