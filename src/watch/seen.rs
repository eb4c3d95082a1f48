//! What was seen of each agent when it was last looked at, and what is remembered of those that could not be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use super::diff::key;
use super::files::AgentIndex;
use super::glances::AtWork;
use super::view::View;
use crate::base::{AgentId, ProcessRef};
use crate::census::Surveyed;
use crate::env::Env;
use crate::ledger::{Ledger, LedgerFile};
use crate::offload::blocking;
use crate::procs::{ProcessTable, Signs};
use crate::protocol::session::{
    AgentReport, Outcome, Problem, ProblemKind, Reason, Session, Status,
};
use crate::reconcile::{Roster, Row, keepers_to_hear, recalled, reconcile};
use crate::scope::Scope;

/// The live processes of an agent, of which something is to be heard.
pub(super) struct Alive {
    /// Whose end says that something has changed.
    pub(super) awaited: BTreeSet<ProcessRef>,
    pub(super) at_work: AtWork,
}

/// What was seen of each agent when it was last looked at.
#[derive(Default)]
pub(super) struct Seen {
    agents: BTreeMap<AgentIndex, (AgentReport, Vec<Session>)>,
    ledger: Option<Problem>,
}

impl Seen {
    pub(super) fn has(&self, agent: AgentIndex) -> bool {
        self.agents.contains_key(&agent)
    }

    /// Forgets what was seen of other agents than these: nobody says when it changes.
    pub(super) fn keep(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.agents.retain(|it, _| agents.contains(it));
    }

    /// The ledger, for what was launched; that it cannot be read is told with the next view.
    pub(super) async fn read_ledger(&mut self, env: &Arc<Env>) -> Ledger {
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

    /// Takes in what a look at the agent has brought. Returns whom it has now; nothing where that could not be seen.
    pub(super) fn conclude(
        &mut self,
        agent: AgentIndex,
        surveyed: Surveyed,
        ledger: &Ledger,
        scope: &Scope,
    ) -> Option<Alive> {
        let keepers = keepers_to_hear(ledger, &surveyed.agent, &scope.processes);
        let mut awaited: BTreeSet<ProcessRef> = keepers.collect();
        let Roster { rows, mut reports, is_blind, .. } =
            reconcile(vec![surveyed], ledger, &scope.processes, scope.now);
        let report = reports.pop()?;
        let before = self.agents.remove(&agent).map(|(_, sessions)| sessions);
        let (sessions, alive) = match before {
            Some(before) if is_blind || !report.has_answered() => {
                let told = rows.into_iter().map(|it| *it.session);
                (remembered(before, told, &report, &scope.processes), None)
            }
            _ => {
                awaited.extend(rows.iter().flat_map(|it| it.owners.iter().chain(&it.candidates)));
                let alive = Alive { awaited, at_work: at_work(&rows, scope) };
                (rows.into_iter().map(|it| *it.session).collect(), Some(alive))
            }
        };
        self.agents.insert(agent, (report, sessions));
        alive
    }

    /// Tells the new view, unless it is the old one.
    pub(super) fn publish(
        &self,
        tell: &watch::Sender<Option<View>>,
        scope: &Scope,
        usual: Vec<AgentId>,
        problems: impl Iterator<Item = Problem>,
    ) {
        let unseen = scope.processes.problem().cloned();
        let seen = self.agents.values();
        let new = View {
            observed_at: scope.now,
            sees_processes: unseen.is_none(),
            sessions: Arc::new(seen.clone().flat_map(|(_, it)| it).cloned().collect()),
            reports: Arc::new(seen.map(|(report, _)| report.clone()).collect()),
            usual,
            blindness: problems.chain(unseen).chain(self.ledger.clone()).collect(),
        };
        tell.send_if_modified(|view| {
            let is_new = view.as_ref().is_none_or(|it| !it.is_as(&new));
            if is_new {
                *view = Some(new);
            }
            is_new
        });
    }
}

/// The processes of sessions that are at work, and what they showed: of them alone it is silent when what they do is
/// another thing. Of one that waits for a person, only where its terminal tells the answer.
fn at_work(rows: &[Row], scope: &Scope) -> AtWork {
    let may_turn = |row: &Row, signs: &Signs| match row.session.status {
        Status::Running => true,
        Status::Waiting => row.session.reason == Reason::Suspended || signs.are_of_a_terminal(),
        Status::Idle | Status::Stopped | Status::Failed | Status::Unknown => false,
    };
    let owned = rows.iter().flat_map(|row| row.owners.iter().map(move |it| (row, *it)));
    let signs =
        owned.filter_map(|(row, it)| Some((row, it, scope.processes.signs(it, scope.now)?)));
    signs.filter(|(row, _, signs)| may_turn(row, signs)).map(|(_, it, signs)| (it, signs)).collect()
}

/// The sessions of an agent that did not answer, or whose processes nobody could see. Who was merely slow has not lost them:
/// they are as they were last seen. Where it failed, whether they live is not known any more. What it told all the same is
/// believed, and where it told all that its store holds, only those are missed that a process had.
fn remembered(
    before: Vec<Session>,
    told: impl Iterator<Item = Session>,
    report: &AgentReport,
    processes: &ProcessTable,
) -> Vec<Session> {
    let doubt = match (report.outcome, report.problems.first().map(|it| it.kind)) {
        _ if processes.problem().is_some() => Some(Reason::Unreachable),
        (Outcome::Failed, Some(ProblemKind::Unreachable)) => Some(Reason::Unreachable),
        (Outcome::Failed, _) => Some(Reason::AdapterFailed),
        _ => None,
    };
    let is_missed = |it: &Session| !report.has_answered() || it.process.is_some();
    let missed = before.into_iter().filter(is_missed);
    let missed = missed.filter_map(|it| recalled(it, doubt, processes));
    let mut sessions: BTreeMap<_, Session> = missed.map(|it| (key(&it), it)).collect();
    for session in told {
        let key = key(&session);
        if session.reason == Reason::AdapterFailed {
            sessions.entry(key).or_insert(session);
        } else {
            sessions.insert(key, session);
        }
    }
    sessions.into_values().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::adapters::evidence::{Activity, Claim, Sighting, WaitingFor, problem};
    use crate::adapters::{Record, Survey};
    use crate::base::{SessionId, Timestamp};
    use crate::procs::Terminal;
    use crate::protocol::session::{Certainty, Source};
    use crate::testing::{self, FakeProc};

    /// What is remembered of one agent, look by look.
    #[derive(Default)]
    struct Memory(Seen);

    /// A session, its status and the process that is shown.
    type Shown = (&'static str, Status, Option<i32>);

    impl Memory {
        /// Looks once, and compares what is known then, by session.
        fn look(&mut self, survey: Survey, scope: &Scope, expect: &[Shown]) {
            let surveyed = Surveyed { agent: AgentId::of("a"), survey, elapsed: Duration::ZERO };
            self.0.conclude(0, surveyed, &Ledger::default(), scope);
            let mut sessions: Vec<&Session> = self.0.agents[&0].1.iter().collect();
            sessions.sort_by_key(|it| key(it));
            let shown = |it: &&Session| {
                let id = it.session_id.as_ref().map_or("", SessionId::as_str).to_owned();
                (id, it.status, it.process.as_ref().map(|it| it.pid.0))
            };
            let shown: Vec<_> = sessions.iter().map(shown).collect();
            let expect: Vec<_> =
                expect.iter().map(|(id, status, pid)| ((*id).to_owned(), *status, *pid)).collect();
            assert_eq!(shown, expect);
        }
    }

    /// A world, and its agent with a process that serves a session and one that shows none yet.
    struct World {
        home: tempfile::TempDir,
        table: FakeProc,
        processes: [ProcessRef; 2],
    }

    impl World {
        fn new() -> Self {
            let table = FakeProc::new();
            let processes = [7, 8].map(|pid| table.process(pid, 100, "agent").identity);
            Self { home: tempfile::tempdir().unwrap(), table, processes }
        }

        fn survey(&self) -> Survey {
            let [with, without] = self.processes;
            let id = SessionId::parse("one").unwrap();
            let claim =
                |process, session| Sighting::Claimed(Claim::of(process, session, Source::Process));
            let Survey { mut sightings, .. } = stored("one");
            sightings.extend([claim(with, Some(id)), claim(without, None)]);
            Survey::of(sightings, Vec::new())
        }

        fn scope(&self) -> Scope {
            self.table.scope(self.home.path())
        }

        /// The same world after the end of all its processes.
        fn ended(&self) -> Scope {
            FakeProc::new().scope(self.home.path())
        }

        /// The same world where nobody sees its processes.
        fn unseen(&self) -> Scope {
            testing::scope_at(self.home.path())
        }
    }

    fn stored(id: &str) -> Survey {
        let record = Record::new(SessionId::parse(id).unwrap(), Source::Transcript);
        Survey::of(vec![Sighting::Recorded(Arc::new(record))], Vec::new())
    }

    fn nothing() -> Survey {
        Survey::of(Vec::new(), Vec::new())
    }

    fn broken() -> Survey {
        Survey::failed(problem(ProblemKind::Unreadable, "it broke"))
    }

    fn late() -> Survey {
        Survey { outcome: Outcome::TimedOut, ..Survey::failed(problem(ProblemKind::TimedOut, "")) }
    }

    const LIVE: [Shown; 2] = [("", Status::Running, Some(8)), ("one", Status::Running, Some(7))];

    #[test]
    fn who_fails_keeps_its_live_processes_as_unknown_and_no_other() {
        let (world, mut memory) = (World::new(), Memory::default());
        memory.look(world.survey(), &world.scope(), &LIVE);
        let unknown = [("", Status::Unknown, Some(8)), ("one", Status::Unknown, Some(7))];
        for _ in 0..2 {
            memory.look(broken(), &world.scope(), &unknown);
        }
        for _ in 0..2 {
            memory.look(broken(), &world.ended(), &[("one", Status::Unknown, None)]);
        }
        memory.look(nothing(), &world.ended(), &[]);
    }

    #[test]
    fn who_is_late_keeps_its_sessions_as_they_were_but_for_owners_that_have_ended() {
        let (world, mut memory) = (World::new(), Memory::default());
        memory.look(world.survey(), &world.scope(), &LIVE);
        memory.look(late(), &world.scope(), &LIVE);
        memory.look(late(), &world.ended(), &[("one", Status::Unknown, None)]);
        memory.look(stored("one"), &world.ended(), &[("one", Status::Stopped, None)]);
        memory.look(late(), &world.ended(), &[("one", Status::Stopped, None)]);
    }

    #[test]
    fn processes_that_nobody_sees_are_not_gone_until_somebody_sees_that() {
        let (world, mut memory) = (World::new(), Memory::default());
        memory.look(world.survey(), &world.scope(), &LIVE);
        let unknown = [("", Status::Unknown, Some(8)), ("one", Status::Unknown, None)];
        for _ in 0..2 {
            memory.look(world.survey(), &world.unseen(), &unknown);
        }
        memory.look(late(), &world.unseen(), &unknown);
        memory.look(nothing(), &world.ended(), &[]);

        memory.look(stored("old"), &world.scope(), &[("old", Status::Stopped, None)]);
        // A store that was read does not hold it any more.
        memory.look(nothing(), &world.unseen(), &[]);
    }

    #[test]
    fn silent_is_who_is_at_work_or_suspended_and_who_waits_where_its_terminal_tells_the_answer() {
        let home = tempfile::tempdir().unwrap();
        let check = |activity: Activity, is_suspended: bool, by_terminal: bool, expect: bool| {
            let table = FakeProc::new();
            let used = Timestamp::parse("2026-11-22T20:00:10Z").unwrap();
            table.terminal(7, "/dev/pts/3", Terminal { typed: used, drawn: used });
            let process = table.process(7, 100, "agent").open_file(1, Path::new("/dev/pts/3"));
            let process = if is_suspended { process.suspended() } else { process }.identity;
            let scope = table.scope(home.path());
            if by_terminal {
                scope.processes.terminal(process).unwrap();
            }
            let claim = Claim::of(process, SessionId::parse("one"), Source::Process);
            let claim = Claim { activity: Some(activity.clone()), ..claim };
            let survey = Survey::of(vec![Sighting::Claimed(claim)], Vec::new());
            let surveyed = Surveyed { agent: AgentId::of("a"), survey, elapsed: Duration::ZERO };
            let alive = Seen::default().conclude(0, surveyed, &Ledger::default(), &scope).unwrap();
            assert_eq!(alive.awaited, [process].into());
            let is_glanced_at = alive.at_work.contains_key(&process);
            assert_eq!(is_glanced_at, expect, "{activity:?} {is_suspended} {by_terminal}");
        };
        check(Activity::Busy, false, false, true);
        check(Activity::Busy, true, false, true);
        let waiting = || Activity::Waiting(WaitingFor::Permission);
        check(waiting(), false, false, false);
        check(waiting(), true, false, false);
        check(waiting(), false, true, true);
        check(Activity::Idle, false, true, false);
        check(Activity::Unrecognised("new".into()), false, true, false);
    }

    #[test]
    fn what_is_recalled_with_a_doubt_says_which() {
        let session = |status: &str| -> Session {
            let process = serde_json::json!({ "pid": 7, "startedAt": "2026-11-22T20:00:00.000Z" });
            let process = (status != "failed").then_some(process);
            serde_json::from_value(serde_json::json!({
                "sessionId": "one", "agent": "a", "status": status, "reason": "turn_ended", "certainty": "asserted",
                "kind": "main", "process": process,
            }))
            .unwrap()
        };
        let recalled = |status| {
            recalled(session(status), Some(Reason::Unreachable), &ProcessTable::empty()).unwrap()
        };
        let it = recalled("running");
        assert_eq!((it.status, it.reason), (Status::Unknown, Reason::Unreachable));
        assert_eq!((it.certainty, it.process), (Certainty::Inferred, None));
        assert_eq!(recalled("failed"), session("failed"));
    }
}
