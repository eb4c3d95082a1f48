//! What the ledger holds, and how each of it may change. PURE.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fuses::Firing;
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId, Timestamp};
use crate::procs::Place;
use crate::protocol::fuse::Fuse;
use crate::protocol::launch::PruneReason;
use crate::protocol::lock::{Lock, LockKind};
use crate::protocol::session::Launch;

/// Most launches kept: a month of a busy machine. Over it, the launches that ended first are forgotten. Every change
/// of the ledger reads and compares them all while others wait: with a thousand, eight windows that launched at
/// once could wait for longer than they are let.
const LAUNCHES_MAX: usize = 512;

/// What shells add to the number of a signal to show it as an exit code, and what they show the 64 signals as.
const SIGNALLED_ABOVE: i32 = 128;
const SIGNALLED: RangeInclusive<i32> = 129..=192;

/// What was launched and is not yet forgotten; the directories that were claimed, and the fuses on them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By the id of the launch.
    pub launches: Vec<LaunchEntry>,
    /// The claims that somebody asked for, by directory. Those of launches follow from the launches.
    pub locks: Vec<Lock>,
    /// By directory.
    pub fuses: Vec<Fuse>,
    /// Fuses that are no more, and whose work is not known to be under way.
    pub firings: Vec<Firing>,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchEntry {
    pub agent: AgentId,
    /// The agent's own id of the session, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The agent's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// Whether the agent's own service runs the session: there is no process to look at, and the service's word is
    /// all there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_served: bool,
    /// Who answers for the launch: the server that makes it, then the supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<ProcessRef>,
    /// Where the agent works, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
    /// The directory that the launch claims, without symbolic links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<AbsPath>,
    /// Whether the claim was made over those of others.
    #[serde(default)]
    pub is_forced: bool,
    /// When the agent's process ended, as far as that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How it ended; nothing where it has not, or where a version noted it that told codes and signals not apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Its processes, where they are not to be seen from here.
    #[serde(skip)]
    pub elsewhere: Option<Elsewhere>,
    pub launch: Launch,
}

/// How a launch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nothing of it ever ran.
    NotStarted,
    /// By itself, with this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell, not even whether it began: the agent's service did not answer.
    Unknown,
}

impl End {
    /// The exit code as shells show it: 128 + n where signal n ended the process.
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exit(code) => Some(code),
            Self::Signal(signal) => Some(SIGNALLED_ABOVE + signal),
            Self::NotStarted | Self::Unknown => None,
        }
    }
}

/// The processes of a launch that another machine made, or another container, which keeps its ledger in the same home.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    pub place: Place,
    pub process: Option<ProcessRef>,
    pub keeper: Option<ProcessRef>,
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Alive,
    Dead,
    /// It cannot be told; taken for alive wherever being wrong would do harm.
    Unknown,
}

/// What a change of the ledger may know of the world.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub now: Timestamp,
    pub life: &'a dyn Fn(ProcessRef) -> Life,
    /// Whether a directory is the root of a git worktree.
    pub is_worktree_root: &'a dyn Fn(&Path) -> bool,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another claim covers the directory.
    Locked(Box<Lock>),
    /// A live process that headcount launched owns the session.
    Alive(ProcessRef),
    /// The launch is not in the ledger any more.
    Gone,
}

impl LaunchEntry {
    /// How it ended; nothing where nobody saw it end. A signal is guessed from the exit code where an earlier version
    /// noted that alone.
    pub fn how_ended(&self) -> Option<End> {
        self.ended?;
        Some(self.end.unwrap_or(match self.launch.exit_code {
            None => End::NotStarted,
            Some(code) if SIGNALLED.contains(&code) => End::Signal(code - SIGNALLED_ABOVE),
            Some(code) => End::Exit(code),
        }))
    }

    /// Whether anything of it runs, or ever did: at first there is only who answers for it.
    pub fn has_begun(&self) -> bool {
        self.process.is_some() || self.ended.is_some() || self.keeper.is_none()
    }

    /// Whether a process of the launch lives. One that ended is dead, whatever has its ids now.
    pub fn life(&self, world: World<'_>) -> Life {
        if self.ended.is_some() {
            return Life::Dead;
        }
        if self.elsewhere.is_some() || self.is_in_service() {
            return Life::Unknown;
        }
        let lives = [self.process, self.keeper].into_iter().flatten().map(world.life);
        lives.fold(Life::Dead, |a, b| match (a, b) {
            (Life::Alive, _) | (_, Life::Alive) => Life::Alive,
            (Life::Unknown, _) | (_, Life::Unknown) => Life::Unknown,
            (Life::Dead, Life::Dead) => Life::Dead,
        })
    }

    /// Whether the session has been handed to the agent's own service on this machine, which alone knows how it goes.
    pub fn is_in_service(&self) -> bool {
        let is_handed_over = self.keeper.is_none() && self.session.is_some();
        self.is_served && is_handed_over && self.ended.is_none() && self.elsewhere.is_none()
    }
}

/// Launches.
impl Ledger {
    pub fn launch(&self, id: &str) -> Option<&LaunchEntry> {
        self.launches.iter().find(|it| it.launch.launch_id == id)
    }

    /// The launch that a session's live owners came from. One that was lost may be of the same session, and so may one
    /// that another machine made: of those that may live it is the latest, of this machine's if any is.
    pub fn launch_of(
        &self,
        agent: &AgentId,
        session: Option<&SessionId>,
        owners: &[ProcessRef],
        world: World<'_>,
    ) -> Option<&LaunchEntry> {
        let is_of = |it: &&LaunchEntry| {
            let is_named = session.is_some() && it.session.as_ref() == session;
            let is_owner = it.process.is_some_and(|it| owners.contains(&it));
            it.agent == *agent && (is_named || is_owner) && it.life(world) != Life::Dead
        };
        let launches = self.launches.iter().filter(is_of);
        launches.max_by_key(|it| (it.elsewhere.is_none(), it.launch.launched_at))
    }

    fn launch_mut(&mut self, id: &str) -> Result<&mut LaunchEntry, Refusal> {
        self.launches.iter_mut().find(|it| it.launch.launch_id == id).ok_or(Refusal::Gone)
    }

    /// Takes the launch in, before anything is started. Its claim is checked and made in one. Returns the
    /// launches that are forgotten for it, whose logs are nobody's from now on.
    pub fn begin(
        &mut self,
        entry: LaunchEntry,
        world: World<'_>,
    ) -> Result<Vec<LaunchEntry>, Refusal> {
        self.check(&entry, world)?;
        self.launches.push(entry);
        let surplus = self.launches.len().saturating_sub(LAUNCHES_MAX);
        if surplus == 0 {
            return Ok(Vec::new());
        }
        let (mut over, kept): (Vec<_>, Vec<_>) =
            // One in a service may live, and loses no more than its label here.
            self.launches.drain(..).partition(|it| it.is_in_service() || it.life(world) == Life::Dead);
        over.sort_by_key(|it| it.ended.unwrap_or(it.launch.launched_at));
        let remembered = over.split_off(surplus.min(over.len()));
        self.launches = kept;
        self.launches.extend(remembered);
        Ok(over)
    }

    /// The supervisor takes over. The claim is checked anew: the server may have died in between, and
    /// its claim with it.
    pub fn adopt(
        &mut self,
        id: &str,
        supervisor: ProcessRef,
        world: World<'_>,
    ) -> Result<(), Refusal> {
        let entry = self.launch(id).filter(|it| it.ended.is_none());
        let entry = entry.ok_or(Refusal::Gone)?.clone();
        self.check(&entry, world)?;
        self.launch_mut(id)?.keeper = Some(supervisor);
        Ok(())
    }

    /// Whether a launch may go on, as far as others are concerned.
    fn check(&self, entry: &LaunchEntry, world: World<'_>) -> Result<(), Refusal> {
        let others =
            self.launches.iter().filter(|it| it.launch.launch_id != entry.launch.launch_id);
        for other in others.filter(|it| it.agent == entry.agent && it.session.is_some()) {
            if other.session != entry.session || other.life(world) == Life::Dead {
                continue;
            }
            if let Some(owner) = other.process.or(other.keeper) {
                return Err(Refusal::Alive(owner));
            }
        }
        match &entry.claim {
            Some(directory) if !entry.is_forced => {
                match self.holder(directory, Some(&entry.launch.launch_id), world) {
                    Some(lock) => Err(Refusal::Locked(Box::new(lock))),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The agent is about to run in this process; refused where the launch was called off.
    pub fn started(&mut self, id: &str, process: ProcessRef) -> Result<(), Refusal> {
        let entry = self.launch_mut(id)?;
        if entry.ended.is_some() {
            return Err(Refusal::Gone);
        }
        entry.process = Some(process);
        Ok(())
    }

    /// Ends the launch where its agent has not been started, which then never shall be; else returns its process.
    pub fn call_off(&mut self, id: &str, now: Timestamp) -> Result<Option<ProcessRef>, Refusal> {
        let process = self.launch_mut(id)?.process;
        if process.is_none() {
            self.ended(id, End::NotStarted, now)?;
        }
        Ok(process)
    }

    /// Forgets a launch that nobody wants to know of.
    pub fn forget(&mut self, id: &str) -> Result<LaunchEntry, Refusal> {
        let at = self.launches.iter().position(|it| it.launch.launch_id == id);
        Ok(self.launches.remove(at.ok_or(Refusal::Gone)?))
    }

    /// The agent has told its session.
    pub fn named(&mut self, id: &str, session: SessionId) -> Result<(), Refusal> {
        self.launch_mut(id)?.session = Some(session);
        Ok(())
    }

    /// The agent's own service runs the session from now on. A claim would be worth as long as a process lives, and
    /// there is none.
    pub fn served(&mut self, id: &str, session: SessionId) -> Result<(), Refusal> {
        let entry = self.launch_mut(id)?;
        entry.session = Some(session);
        entry.keeper = None;
        entry.claim = None;
        Ok(())
    }

    /// The agent's process has ended, or could not be started. The claim ends with it.
    pub fn ended(&mut self, id: &str, end: End, now: Timestamp) -> Result<(), Refusal> {
        let entry = self.launch_mut(id)?;
        entry.ended = Some(now);
        entry.end = Some(end);
        entry.claim = None;
        entry.launch.exit_code = end.exit_code();
        Ok(())
    }

    /// A hook did not do its work; another may not have done so before.
    pub fn hook_failed(&mut self, id: &str, failure: &str) -> Result<(), Refusal> {
        let failures = &mut self.launch_mut(id)?.launch.hook_failure;
        let before = failures.take().map(|it| it + "; ").unwrap_or_default();
        *failures = Some(before + failure);
        Ok(())
    }
}

/// What pruning forgets and releases, or would.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pruned {
    pub forgotten: Vec<(LaunchEntry, PruneReason)>,
    pub released: Vec<(Lock, PruneReason)>,
    pub kept: usize,
}

impl Ledger {
    /// Forgets launches that ended, before `older_than` where that is given, and claims that are void.
    /// What lives stays, and what cannot be told. `served` says how launches in a service stand.
    pub fn prune(
        &mut self,
        older_than: Option<Timestamp>,
        world: World<'_>,
        served: &dyn Fn(&LaunchEntry) -> Life,
    ) -> Pruned {
        let mut pruned = Pruned::default();
        let is_gone =
            |entry: &LaunchEntry| entry.ended.is_none() && entry.life(world) == Life::Dead;
        for entry in self.launches.iter().filter(|it| is_gone(it)) {
            let lock = entry.claim.as_ref().map(|directory| entry.lock_on(directory));
            pruned.released.extend(lock.map(|it| (it, PruneReason::ProcessGone)));
        }
        let (void, kept) = std::mem::take(&mut self.launches).into_iter().partition(|entry| {
            let end = entry.ended.unwrap_or(entry.launch.launched_at);
            let life = if entry.is_in_service() { served(entry) } else { entry.life(world) };
            life == Life::Dead && older_than.is_none_or(|limit| end < limit)
        });
        self.launches = kept;
        for entry in self.launches.iter_mut().filter(|it| is_gone(it)) {
            entry.claim = None;
            // A supervisor may be on its way; without the claim it must not go on.
            if !entry.has_begun() {
                entry.ended = Some(world.now);
                entry.end = Some(End::NotStarted);
            }
        }
        let void: Vec<LaunchEntry> = void;
        pruned.forgotten = void
            .into_iter()
            .map(|entry| match entry.ended {
                Some(_) => (entry, PruneReason::Ended),
                None if entry.is_in_service() => (entry, PruneReason::Ended),
                None => (entry, PruneReason::ProcessGone),
            })
            .collect();
        let (expired, held) =
            std::mem::take(&mut self.locks).into_iter().partition(|it| has_expired(it, world.now));
        self.locks = held;
        let expired: Vec<Lock> = expired;
        pruned.released.extend(expired.into_iter().map(|it| (it, PruneReason::Expired)));
        pruned.kept = self.launches.len();
        pruned
    }
}

impl LaunchEntry {
    /// The claim of the launch, as others see it.
    pub(super) fn lock_on(&self, directory: &AbsPath) -> Lock {
        Lock {
            directory: directory.clone(),
            by: self.agent.as_str().to_owned(),
            kind: LockKind::Launch,
            pid: self.process.or(self.keeper).map(|it| it.pid),
            session_id: self.session.clone(),
            since: self.launch.launched_at,
            expires_at: None,
            reason: self.launch.label.clone(),
        }
    }
}

pub(super) fn has_expired(lock: &Lock, now: Timestamp) -> bool {
    lock.expires_at.is_some_and(|it| it <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{ALIVE, DEAD, UNKNOWN, World as W, launch, lock, path};

    fn session(text: &str) -> Option<SessionId> {
        SessionId::parse(text)
    }

    #[test]
    fn a_launch_claims_its_directory_while_its_process_lives() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", ALIVE), world.view()).unwrap();
        let Err(Refusal::Locked(holder)) = ledger.begin(launch("two", "/a/b", ALIVE), world.view())
        else {
            panic!("two launches share a directory");
        };
        assert_eq!((holder.by.as_str(), holder.pid), ("codex", Some(ALIVE.pid)));
        assert!(ledger.launch("two").is_none());

        let forced = LaunchEntry { is_forced: true, ..launch("three", "/a", ALIVE) };
        ledger.begin(forced, world.view()).unwrap();
        let unclaimed = LaunchEntry { claim: None, ..launch("four", "/a", ALIVE) };
        ledger.begin(unclaimed, world.view()).unwrap();
    }

    #[test]
    fn what_cannot_be_told_counts_as_alive_and_the_dead_hold_nothing() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        ledger.begin(launch("dead", "/a", DEAD), world.view()).unwrap();
        ledger.begin(launch("unknown", "/a", UNKNOWN), world.view()).unwrap();
        assert!(ledger.begin(launch("third", "/a", ALIVE), world.view()).is_err());
    }

    #[test]
    fn a_supervisor_gives_way_when_its_server_died_and_another_came() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", DEAD), world.view()).unwrap();
        ledger.begin(launch("two", "/a", ALIVE), world.view()).unwrap();
        let supervisor = ProcessRef { start_ticks: 9, ..ALIVE };
        assert!(matches!(ledger.adopt("one", supervisor, world.view()), Err(Refusal::Locked(_))));
        assert_eq!(ledger.adopt("two", supervisor, world.view()), Ok(()));
        assert_eq!(ledger.adopt("none", supervisor, world.view()), Err(Refusal::Gone));
        assert_eq!(ledger.launch("two").unwrap().keeper, Some(supervisor));
    }

    #[test]
    fn a_session_is_resumed_once_at_a_time_even_over_the_claims_of_others() {
        let world = W::at(2);
        let resume = |id: &str, dir: &str| LaunchEntry {
            session: session("s"),
            is_forced: true,
            ..launch(id, dir, ALIVE)
        };
        let mut ledger = Ledger::default();
        ledger.begin(resume("one", "/a"), world.view()).unwrap();
        assert_eq!(ledger.begin(resume("two", "/b"), world.view()), Err(Refusal::Alive(ALIVE)));
        ledger.ended("one", End::Exit(0), W::instant(2)).unwrap();
        assert_eq!(ledger.begin(resume("two", "/b"), world.view()), Ok(Vec::new()));
    }

    #[test]
    fn what_was_called_off_never_starts_and_what_has_started_is_not_called_off() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", ALIVE), world.view()).unwrap();
        assert_eq!(ledger.call_off("one", W::instant(2)), Ok(None));
        assert_eq!(ledger.held(world.view()), []);
        assert_eq!(ledger.adopt("one", ALIVE, world.view()), Err(Refusal::Gone));
        assert_eq!(ledger.started("one", ALIVE), Err(Refusal::Gone));

        ledger.begin(launch("two", "/a", ALIVE), world.view()).unwrap();
        ledger.started("two", ALIVE).unwrap();
        assert_eq!(ledger.call_off("two", W::instant(2)), Ok(Some(ALIVE)));
        assert_eq!(ledger.held(world.view()).len(), 1);
        assert_eq!(ledger.call_off("none", W::instant(2)), Err(Refusal::Gone));

        assert_eq!(ledger.forget("two").unwrap().process, Some(ALIVE));
        assert_eq!(ledger.held(world.view()), []);
        assert_eq!(ledger.forget("two"), Err(Refusal::Gone));
    }

    #[test]
    fn a_session_came_from_the_latest_of_its_launches_that_live() {
        let world = W::at(9);
        let at = |seconds: i64, entry: LaunchEntry| {
            let launch = Launch { launched_at: W::instant(seconds), ..entry.launch };
            LaunchEntry { session: session("s"), launch, ..entry }
        };
        let elsewhere = Some(Elsewhere { place: Place::default(), process: None, keeper: None });
        let mut ledger = Ledger {
            launches: vec![
                at(4, launch("resumed", "/a", ALIVE)),
                at(3, launch("first", "/a", UNKNOWN)),
                at(5, launch("lost", "/a", DEAD)),
                at(6, LaunchEntry { ended: Some(W::instant(7)), ..launch("ended", "/a", ALIVE) }),
                at(8, LaunchEntry { elsewhere, ..launch("elsewhere", "/a", ALIVE) }),
                at(8, LaunchEntry { agent: AgentId::of("pi"), ..launch("other", "/a", ALIVE) }),
            ],
            ..Ledger::default()
        };
        let of = |ledger: &Ledger, id: Option<SessionId>, owners: &[ProcessRef]| {
            let found = ledger.launch_of(&AgentId::of("codex"), id.as_ref(), owners, world.view());
            found.map(|it| it.launch.launch_id.clone())
        };
        assert_eq!(of(&ledger, session("s"), &[]).as_deref(), Some("resumed"));
        assert_eq!(of(&ledger, session("t"), &[]), None);
        // Before it has told a session, its process is all that names it.
        ledger.launches = vec![LaunchEntry { process: Some(ALIVE), ..launch("new", "/a", ALIVE) }];
        assert_eq!(of(&ledger, None, &[ALIVE]).as_deref(), Some("new"));
        assert_eq!(of(&ledger, None, &[UNKNOWN]), None);
    }

    #[test]
    fn every_hook_that_failed_is_told() {
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", ALIVE), W::at(2).view()).unwrap();
        ledger.hook_failed("one", "onCreate: x").unwrap();
        ledger.hook_failed("one", "onComplete: y").unwrap();
        let failure = ledger.launch("one").unwrap().launch.hook_failure.as_deref();
        assert_eq!(failure, Some("onCreate: x; onComplete: y"));
    }

    #[test]
    fn an_end_is_noted_and_gives_the_directory_back() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", ALIVE), world.view()).unwrap();
        ledger.started("one", ProcessRef { start_ticks: 5, ..ALIVE }).unwrap();
        ledger.named("one", session("s").unwrap()).unwrap();
        ledger.ended("one", End::Signal(15), W::instant(3)).unwrap();
        let entry = ledger.launch("one").unwrap();
        assert_eq!(entry.launch.exit_code, Some(143));
        assert_eq!((&entry.session, entry.life(world.view())), (&session("s"), Life::Dead));
        assert_eq!(ledger.held(world.view()), []);
    }

    #[test]
    fn pruning_forgets_what_is_void_and_keeps_what_lives_or_cannot_be_told() {
        let world = W::at(100);
        let ended = |id: &str, at| LaunchEntry {
            ended: Some(W::instant(at)),
            claim: None,
            ..launch(id, "/e", DEAD)
        };
        let expired = Lock { expires_at: Some(W::instant(50)), ..lock("/m", "me") };
        let ledger = Ledger {
            launches: vec![
                ended("early", 10),
                ended("late", 90),
                launch("gone", "/g", DEAD),
                launch("alive", "/l", ALIVE),
                launch("unknown", "/u", UNKNOWN),
            ],
            locks: vec![expired.clone(), lock("/n", "me")],
            ..Ledger::default()
        };
        let prune = |older_than: Option<i64>| {
            let mut ledger = ledger.clone();
            let pruned = ledger.prune(older_than.map(W::instant), world.view(), &|_| Life::Unknown);
            let forgotten: Vec<(String, PruneReason)> = pruned
                .forgotten
                .iter()
                .map(|(it, why)| (it.launch.launch_id.clone(), *why))
                .collect();
            (ledger, forgotten, pruned)
        };
        let (after, forgotten, pruned) = prune(None);
        assert_eq!(
            forgotten,
            [
                ("early".into(), PruneReason::Ended),
                ("late".into(), PruneReason::Ended),
                ("gone".into(), PruneReason::ProcessGone)
            ]
        );
        let released: Vec<_> =
            pruned.released.iter().map(|(it, why)| (&it.directory, *why)).collect();
        assert_eq!(
            released,
            [(&path("/g"), PruneReason::ProcessGone), (&path("/m"), PruneReason::Expired)]
        );
        assert_eq!((pruned.kept, after.launches.len()), (2, 2));
        assert_eq!(after.locks, [lock("/n", "me")]);
        assert_eq!(
            after.clone().prune(None, world.view(), &|_| Life::Unknown),
            Pruned { kept: 2, ..Pruned::default() }
        );

        let (_, forgotten, _) = prune(Some(50));
        assert_eq!(forgotten.len(), 2, "those that ended before: {forgotten:?}");

        // What is gone and kept has given up its claim, and so never begins.
        let (mut after, _, pruned) = prune(Some(1));
        assert_eq!(pruned.released.len(), 2);
        assert_eq!(after.adopt("gone", ALIVE, world.view()), Err(Refusal::Gone));
    }

    #[test]
    fn a_launch_in_a_service_claims_nothing_and_is_forgotten_by_the_services_word() {
        let world = W::at(2);
        let served = LaunchEntry { is_served: true, ..launch("one", "/a", ALIVE) };
        let mut ledger = Ledger::default();
        ledger.begin(served.clone(), world.view()).unwrap();
        assert_eq!(ledger.held(world.view()).len(), 1, "while the service is asked");
        ledger.served("one", session("k:a").unwrap()).unwrap();
        assert_eq!(ledger.held(world.view()), []);
        assert_eq!(ledger.launches[0].life(world.view()), Life::Unknown);
        ledger.begin(launch("two", "/a", ALIVE), world.view()).unwrap();

        for (life, kept) in [(Life::Alive, 2), (Life::Unknown, 2), (Life::Dead, 1)] {
            let pruned = ledger.clone().prune(None, world.view(), &|_| life);
            assert_eq!(pruned.kept, kept, "{life:?}");
            let reasons: Vec<_> = pruned.forgotten.iter().map(|(_, why)| *why).collect();
            assert_eq!(reasons, vec![PruneReason::Ended; 2 - kept]);
        }
        // One whose server died while the service was asked has told nothing, and is nobody's.
        let lost = LaunchEntry { keeper: Some(DEAD), ..served };
        assert_eq!(lost.life(world.view()), Life::Dead);
    }

    #[test]
    fn the_oldest_ends_are_forgotten_when_there_are_too_many() {
        let world = W::at(2);
        let mut ledger = Ledger::default();
        for n in 0..LAUNCHES_MAX {
            let at = W::instant(i64::try_from(n).unwrap());
            let claim = LaunchEntry { claim: None, ..launch(&n.to_string(), "/a", DEAD) };
            ledger.launches.push(LaunchEntry { ended: Some(at), ..claim });
        }
        // One whose end nobody saw counts from its beginning.
        ledger.launches[7].ended = None;
        ledger.launches[7].launch.launched_at = W::instant(-1);
        let forgotten = |ledger: &mut Ledger, id: &str| {
            let entry = LaunchEntry { claim: None, ..launch(id, "/a", ALIVE) };
            let forgotten = ledger.begin(entry, world.view()).unwrap();
            assert_eq!(ledger.launches.len(), LAUNCHES_MAX);
            assert!(ledger.launch(id).is_some());
            forgotten.into_iter().map(|it| it.launch.launch_id).collect::<Vec<_>>()
        };
        assert_eq!(forgotten(&mut ledger, "new"), ["7"]);
        assert_eq!(forgotten(&mut ledger, "newer"), ["0"]);

        // What lives is never forgotten.
        let alive = |n: usize| LaunchEntry { claim: None, ..launch(&n.to_string(), "/a", ALIVE) };
        let mut ledger =
            Ledger { launches: (0..LAUNCHES_MAX).map(alive).collect(), ..Ledger::default() };
        assert_eq!(ledger.begin(alive(LAUNCHES_MAX), world.view()), Ok(Vec::new()));
        assert_eq!(ledger.launches.len(), LAUNCHES_MAX + 1);
    }
}
