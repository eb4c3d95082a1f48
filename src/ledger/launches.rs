//! How a launch may change, from its beginning to its end. PURE.

use super::entry::{End, LaunchEntry, Ledger, Life, Refusal, World};
use crate::base::{AgentId, ProcessRef, SessionId, Timestamp};

/// Most launches kept: a month of a busy machine. Over it, the launches that ended first are forgotten, and then the oldest
/// that another machine or container has never told the end of. Every change
/// of the ledger reads and compares them all while others wait: with a thousand, eight windows that launched at
/// once could wait for longer than they are let.
const LAUNCHES_MAX: usize = 512;

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
            self.launches.drain(..).partition(|it| {
                it.is_in_service() || it.is_elsewhere() || it.life(world) == Life::Dead
            });
        over.sort_by_key(|it| (it.is_elsewhere(), it.ended.unwrap_or(it.launch.launched_at)));
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
            if let Some(owner) = other.lives_by(world) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pid;
    use crate::ledger::Elsewhere;
    use crate::ledger::testing::{ALIVE, DEAD, UNKNOWN, World as W, launch};
    use crate::procs::Place;
    use crate::protocol::session::Launch;

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
    fn until_the_end_is_noted_a_launch_lives_by_its_supervisor() {
        let world = W::at(2);
        let supervisor = ProcessRef { pid: Pid(4), ..ALIVE };
        let ending = |process| LaunchEntry {
            process: Some(process),
            session: session("s"),
            ..launch("one", "/a", supervisor)
        };
        for (process, expect) in [(ALIVE, ALIVE), (DEAD, supervisor)] {
            let mut ledger = Ledger::default();
            ledger.begin(ending(process), world.view()).unwrap();
            assert_eq!(ledger.held(world.view())[0].pid, Some(expect.pid));
            let resumed = LaunchEntry { session: session("s"), ..launch("two", "/b", ALIVE) };
            assert_eq!(ledger.begin(resumed, world.view()), Err(Refusal::Alive(expect)));
        }
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
    fn what_runs_elsewhere_is_forgotten_after_all_that_has_ended() {
        let world = W::at(20);
        let unclaimed = |entry: LaunchEntry| LaunchEntry { claim: None, ..entry };
        let alive = |n: usize| unclaimed(launch(&n.to_string(), "/a", ALIVE));
        let place = Some(Elsewhere { place: Place::default(), process: None, keeper: None });
        let elsewhere = LaunchEntry { elsewhere: place, ..unclaimed(launch("there", "/a", ALIVE)) };
        let ended = |at: i64, id| LaunchEntry {
            ended: Some(W::instant(at)),
            ..unclaimed(launch(id, "/a", DEAD))
        };
        let mut ledger =
            Ledger { launches: vec![elsewhere.clone(), ended(9, "ended")], ..Ledger::default() };
        ledger.launches.extend((2..LAUNCHES_MAX).map(alive));
        let mut forgotten = |n: usize| {
            let forgotten = ledger.begin(alive(n), world.view()).unwrap();
            forgotten.into_iter().map(|it| it.launch.launch_id).collect::<Vec<_>>()
        };
        assert_eq!(forgotten(LAUNCHES_MAX), ["ended"]);
        assert_eq!(forgotten(LAUNCHES_MAX + 1), ["there"]);
        assert_eq!(forgotten(LAUNCHES_MAX + 2), [""; 0], "what lives is never");
        let told = LaunchEntry { ended: Some(W::instant(9)), ..elsewhere };
        assert!(!told.is_elsewhere(), "its end is known");
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
