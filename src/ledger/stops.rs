//! Stops under way: what each is to end, so that one whose server is killed in the middle can be gone through with. PURE.

use serde::{Deserialize, Serialize};

use super::entry::{Ledger, Life, World};
use crate::base::{AgentId, ProcessRef, SessionId, Timestamp};
use crate::procs::{Place, Sight};

/// How long a stop that was cut short is remembered: what still lives after a day, somebody may have come to want.
const STOP_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// Most processes of a stop that are noted: those of an agent are tens, and every change of the ledger reads them.
const PROCESSES_MAX: usize = 1_000;

/// A stop that has begun.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    pub agent: AgentId,
    pub session: SessionId,
    pub begun: Timestamp,
    /// All that is to end.
    pub processes: Vec<ProcessRef>,
    /// Where their ids mean what they mean.
    pub place: Place,
}

impl Stop {
    /// Its key in the ledger.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.agent, self.session)
    }

    fn is_of(&self, agent: &AgentId, session: &SessionId) -> bool {
        self.agent == *agent && self.session == *session
    }

    fn is_remembered(&self, now: Timestamp) -> bool {
        now.millis_since(self.begun) < STOP_MAX_MS
    }
}

impl Ledger {
    /// Notes a stop before its first signal, in place of an earlier one of the session, whose work it takes over.
    pub fn begin_stop(&mut self, mut stop: Stop) {
        stop.processes.truncate(PROCESSES_MAX);
        let now = stop.begun;
        self.stops.retain(|it| !it.is_of(&stop.agent, &stop.session) && it.is_remembered(now));
        self.stops.push(stop);
    }

    /// Notes that nothing is left to do.
    pub fn finish_stop(&mut self, agent: &AgentId, session: &SessionId) {
        self.stops.retain(|it| !it.is_of(agent, session));
    }

    /// What a stop of the session, which was cut short, was to end and still lives.
    pub fn unfinished(
        &self,
        agent: &AgentId,
        session: &SessionId,
        here: &Place,
        world: World<'_>,
    ) -> Vec<ProcessRef> {
        let is_it = |it: &&Stop| {
            it.is_of(agent, session)
                && it.is_remembered(world.now)
                && here.sees(&it.place) == Sight::Here
        };
        let processes = self.stops.iter().filter(is_it).flat_map(|it| it.processes.iter().copied());
        processes.filter(|it| (world.life)(*it) == Life::Alive).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pid;
    use crate::ledger::testing::{ALIVE, DEAD, UNKNOWN, World as W};

    fn session(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    fn stop(of: &str, at: i64, processes: &[ProcessRef]) -> Stop {
        Stop {
            agent: AgentId::of("codex"),
            session: session(of),
            begun: W::instant(at),
            processes: processes.to_vec(),
            place: Place::default(),
        }
    }

    fn unfinished(ledger: &Ledger, of: &str, at: i64) -> Vec<ProcessRef> {
        let (agent, here, world) = (AgentId::of("codex"), Place::default(), W::at(at));
        ledger.unfinished(&agent, &session(of), &here, world.view())
    }

    #[test]
    fn what_a_stop_was_to_end_is_known_until_it_is_done() {
        let mut ledger = Ledger::default();
        ledger.begin_stop(stop("s", 5, &[ALIVE, DEAD, UNKNOWN]));
        assert_eq!(unfinished(&ledger, "s", 6), [ALIVE]);
        assert_eq!(unfinished(&ledger, "t", 6), []);
        let other = AgentId::of("pi");
        let of_other = ledger.unfinished(&other, &session("s"), &Place::default(), W::at(6).view());
        assert_eq!(of_other, []);
        ledger.begin_stop(stop("t", 6, &[ALIVE]));
        ledger.begin_stop(stop("s", 7, &[]));
        assert_eq!((unfinished(&ledger, "s", 8), ledger.stops.len()), (vec![], 2));
        ledger.finish_stop(&AgentId::of("codex"), &session("t"));
        assert_eq!(ledger.stops, [stop("s", 7, &[])]);
    }

    #[test]
    fn a_stop_is_forgotten_after_a_day_and_means_nothing_elsewhere() {
        let mut ledger = Ledger::default();
        ledger.begin_stop(stop("s", 0, &[ALIVE]));
        let day = i64::try_from(STOP_MAX_MS / 1000).unwrap();
        assert_eq!(
            (unfinished(&ledger, "s", day - 1), unfinished(&ledger, "s", day)),
            (vec![ALIVE], vec![])
        );
        ledger.begin_stop(stop("t", day - 1, &[]));
        assert_eq!(ledger.stops.len(), 2);
        ledger.begin_stop(stop("t", day, &[]));
        assert_eq!(ledger.stops.len(), 1);

        let place = serde_json::from_value(serde_json::json!({ "boot": "another" })).unwrap();
        ledger.begin_stop(Stop { place, ..stop("s", day, &[ALIVE]) });
        assert_eq!(unfinished(&ledger, "s", day), []);
    }

    #[test]
    fn of_a_stop_so_many_processes_are_noted() {
        let even = |number: usize| ProcessRef {
            pid: Pid(i32::try_from(2 + 2 * number).unwrap()),
            ..ALIVE
        };
        let processes: Vec<ProcessRef> = (0..=PROCESSES_MAX).map(even).collect();
        let mut ledger = Ledger::default();
        ledger.begin_stop(stop("s", 5, &processes));
        assert_eq!(unfinished(&ledger, "s", 5), processes[..PROCESSES_MAX]);
    }
}
