use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::adapters::Survey;
use crate::adapters::evidence::{Activity, Bond, Failure, Hints, PROMPT_MAX, Prompt, WaitingFor};
use crate::base::AbsPath;
use crate::ledger::{Elsewhere, End};
use crate::procs::Place;
use crate::protocol::session::{
    Certainty, Conflict, Launch, Problem, ProblemKind, Reason, Source, Status, Usage,
};
use crate::testing::FakeProc;

/// Three processes live in every test here: 100, 200, and 400, which is suspended. 300 does not.
struct World {
    processes: Arc<ProcessTable>,
    ledger: Ledger,
}

fn world() -> World {
    static PROCESSES: LazyLock<Arc<ProcessTable>> = LazyLock::new(|| {
        let proc = FakeProc::new();
        proc.process(100, 1_000, "agent");
        proc.process(200, 2_000, "agent");
        proc.process(400, 4_000, "agent").suspended();
        Arc::new(ProcessTable::snapshot(proc.root()).unwrap())
    });
    World { processes: PROCESSES.clone(), ledger: Ledger::default() }
}

fn process(pid: i32) -> ProcessRef {
    ProcessRef { pid: crate::base::Pid(pid), start_ticks: u64::try_from(pid).unwrap() * 10 }
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(1_795_377_600_000 + minute * 60_000).unwrap()
}

fn record(session: &str, turn: TurnState) -> Record {
    Record { turn, ..Record::new(id(session), Source::Transcript) }
}

fn subagent(session: &str, parent: &str, turn: TurnState) -> Record {
    Record { kind: SessionKind::Subagent, parent: Some(id(parent)), ..record(session, turn) }
}

fn claim(session: &str, pid: i32) -> Claim {
    Claim::of(process(pid), Some(id(session)), Source::Registry)
}

fn busy(session: &str, pid: i32, activity: Activity) -> Sighting {
    Sighting::Claimed(Claim { activity: Some(activity), ..claim(session, pid) })
}

fn seen(record: Record) -> Sighting {
    Sighting::Recorded(Arc::new(record))
}

impl World {
    fn conclude(&self, sightings: Vec<Sighting>) -> Roster {
        self.conclude_survey(Survey::of(sightings, Vec::new()))
    }

    fn conclude_survey(&self, survey: Survey) -> Roster {
        let surveyed = Surveyed { agent: AgentId::of("agent"), survey, elapsed: Duration::ZERO };
        reconcile(vec![surveyed], &self.ledger, &self.processes, at(60))
    }
}

/// A row as its verdict: id, status, reason, certainty, owner.
type Verdict<'a> = (Option<&'a str>, Status, Reason, Certainty, Option<i32>);

fn verdict(row: &Row) -> Verdict<'_> {
    let session = &row.session;
    let id = session.session_id.as_ref().map(SessionId::as_str);
    let owner = session.process.as_ref().map(|it| it.pid.0);
    (id, session.status, session.reason, session.certainty, owner)
}

fn verdicts(roster: &Roster) -> Vec<Verdict<'_>> {
    roster.rows.iter().map(verdict).collect()
}

fn check_one(
    sightings: Vec<Sighting>,
    status: Status,
    reason: Reason,
    certainty: Certainty,
    owner: Option<i32>,
) {
    let what = format!("{sightings:?}");
    let roster = world().conclude(sightings);
    assert_eq!(verdicts(&roster), [(Some("s1"), status, reason, certainty, owner)], "{what}");
}

#[test]
fn the_agents_own_live_record_decides() {
    let tail = || seen(record("s1", TurnState::InProgress));
    let cases = [
        (Activity::Busy, Status::Running, Reason::TurnInProgress),
        (Activity::Background, Status::Running, Reason::ActiveRun),
        (Activity::Idle, Status::Idle, Reason::TurnEnded),
        (Activity::Waiting(WaitingFor::Permission), Status::Waiting, Reason::Permission),
        (Activity::Waiting(WaitingFor::Login), Status::Waiting, Reason::Login),
        (Activity::Unrecognised("dreaming".into()), Status::Unknown, Reason::Unrecognised),
    ];
    for (activity, status, reason) in cases {
        check_one(
            vec![tail(), busy("s1", 100, activity)],
            status,
            reason,
            Certainty::Asserted,
            Some(100),
        );
    }
    let unprompted = vec![busy("s1", 100, Activity::Idle)];
    check_one(unprompted, Status::Idle, Reason::NeverPrompted, Certainty::Asserted, Some(100));
}

#[test]
fn without_a_live_record_the_tail_of_the_records_decides() {
    let cases = [
        (TurnState::InProgress, Status::Running, Reason::TurnInProgress),
        (TurnState::Waiting(WaitingFor::Plan), Status::Waiting, Reason::Plan),
        (TurnState::Completed, Status::Idle, Reason::TurnEnded),
        (TurnState::Interrupted, Status::Idle, Reason::TurnEnded),
        (TurnState::Failed(Failure::Model), Status::Idle, Reason::TurnEnded),
        (TurnState::NeverPrompted, Status::Idle, Reason::NeverPrompted),
        (TurnState::Unknown, Status::Running, Reason::ProcessAlive),
        (TurnState::Unrecognised("x".into()), Status::Unknown, Reason::Unrecognised),
    ];
    for (turn, status, reason) in cases {
        let sightings = vec![seen(record("s1", turn)), Sighting::Claimed(claim("s1", 100))];
        check_one(sightings, status, reason, Certainty::Inferred, Some(100));
    }
    let stated = Record { certainty: Certainty::Asserted, ..record("s1", TurnState::InProgress) };
    let sightings = vec![seen(stated), Sighting::Claimed(claim("s1", 100))];
    check_one(sightings, Status::Running, Reason::TurnInProgress, Certainty::Asserted, Some(100));
}

#[test]
fn what_is_suspended_in_the_middle_of_a_turn_waits_for_somebody_to_continue_it() {
    let tail = || seen(record("s1", TurnState::InProgress));
    let cases = [
        (Activity::Busy, Status::Waiting, Reason::Suspended),
        (Activity::Background, Status::Waiting, Reason::Suspended),
        (Activity::Waiting(WaitingFor::Permission), Status::Waiting, Reason::Permission),
        (Activity::Idle, Status::Idle, Reason::TurnEnded),
        (Activity::Unrecognised("dreaming".into()), Status::Unknown, Reason::Unrecognised),
    ];
    for (activity, status, reason) in cases {
        let sightings = vec![tail(), busy("s1", 400, activity)];
        check_one(sightings, status, reason, Certainty::Asserted, Some(400));
    }
    let by_tail = vec![tail(), Sighting::Claimed(claim("s1", 400))];
    check_one(by_tail, Status::Waiting, Reason::Suspended, Certainty::Asserted, Some(400));
    let guessed = Claim { bond: Bond::Inferred, ..claim("s1", 400) };
    let guessed = vec![tail(), Sighting::Claimed(guessed)];
    check_one(guessed, Status::Waiting, Reason::Suspended, Certainty::Inferred, Some(400));
    // Which of several it is, is not known.
    let alike = [100, 400].map(|pid| Claim { bond: Bond::Alike, ..claim("s1", pid) });
    let alike = [vec![tail()], alike.map(Sighting::Claimed).to_vec()].concat();
    check_one(alike, Status::Running, Reason::TurnInProgress, Certainty::Inferred, None);
}

#[test]
fn without_a_live_process_no_session_is_alive_whatever_its_records_say() {
    let cases = [
        (TurnState::InProgress, Status::Stopped, Reason::Killed),
        (TurnState::Waiting(WaitingFor::Permission), Status::Stopped, Reason::Killed),
        (TurnState::Completed, Status::Stopped, Reason::Completed),
        (TurnState::Interrupted, Status::Stopped, Reason::Interrupted),
        (TurnState::Failed(Failure::Auth), Status::Failed, Reason::Auth),
        (TurnState::Failed(Failure::Model), Status::Failed, Reason::ModelError),
        (TurnState::NeverPrompted, Status::Stopped, Reason::UnknownEnd),
        (TurnState::Unknown, Status::Stopped, Reason::UnknownEnd),
    ];
    for (turn, status, reason) in cases {
        let stale = busy("s1", 300, Activity::Busy);
        let somewhere = Record { cwd: AbsPath::parse("/work"), ..record("s1", turn) };
        check_one(vec![seen(somewhere), stale], status, reason, Certainty::Inferred, None);
    }
}

#[test]
fn one_that_ends_with_its_turn_is_at_work_for_as_long_as_it_lives() {
    let (inferred, owner) = (Certainty::Inferred, Some(100));
    let one_turn = || busy("s1", 100, Activity::OneTurn);
    for turn in [TurnState::Completed, TurnState::NeverPrompted, TurnState::Unknown] {
        let sightings = vec![seen(record("s1", turn)), one_turn()];
        check_one(sightings, Status::Running, Reason::ProcessAlive, inferred, owner);
    }
    check_one(vec![one_turn()], Status::Running, Reason::ProcessAlive, inferred, owner);
    let begun = vec![seen(record("s1", TurnState::InProgress)), one_turn()];
    check_one(begun, Status::Running, Reason::TurnInProgress, inferred, owner);
    // Its subagents end before it does.
    let finished = seen(subagent("s2", "s1", TurnState::Completed));
    let roster =
        world().conclude(vec![seen(record("s1", TurnState::InProgress)), one_turn(), finished]);
    let (id, status, reason, ..) = verdict(&roster.rows[1]);
    assert_eq!((id, status, reason), (Some("s2"), Status::Idle, Reason::TurnEnded));
}

#[test]
fn a_record_of_nothing_is_no_session_while_nobody_owns_it() {
    let nothing = || record("s1", TurnState::NeverPrompted);
    assert_eq!(verdicts(&world().conclude(vec![seen(nothing())])), []);
    let named = Record { title: Some("Mine".into()), ..nothing() };
    let asked = Record { prompt: Some(Prompt::of("do it")), ..nothing() };
    for something in [named, asked, record("s1", TurnState::Unknown)] {
        assert_eq!(world().conclude(vec![seen(something)]).rows.len(), 1);
    }
    let owned = vec![seen(nothing()), busy("s1", 100, Activity::Idle)];
    check_one(owned, Status::Idle, Reason::NeverPrompted, Certainty::Asserted, Some(100));
}

#[test]
fn a_recycled_pid_owns_nothing() {
    let recycled = ProcessRef { start_ticks: 7, ..process(100) };
    let claim = Claim { process: recycled, activity: Some(Activity::Busy), ..claim("s1", 100) };
    let sightings = vec![seen(record("s1", TurnState::InProgress)), Sighting::Claimed(claim)];
    check_one(sightings, Status::Stopped, Reason::Killed, Certainty::Inferred, None);
}

#[test]
fn a_gateway_answers_for_its_own_sessions() {
    let hosted = |turn| {
        vec![seen(Record {
            owner: Owner::Gateway,
            certainty: Certainty::Asserted,
            ..record("s1", turn)
        })]
    };
    let (asserted, inferred) = (Certainty::Asserted, Certainty::Inferred);
    check_one(hosted(TurnState::InProgress), Status::Running, Reason::ActiveRun, asserted, None);
    check_one(hosted(TurnState::Completed), Status::Stopped, Reason::Completed, asserted, None);
    check_one(hosted(TurnState::Killed), Status::Stopped, Reason::Killed, asserted, None);
    check_one(hosted(TurnState::Unknown), Status::Unknown, Reason::Contradiction, inferred, None);
}

#[test]
fn two_live_processes_on_one_session_are_a_conflict_and_what_needs_you_shows() {
    let roster = world().conclude(vec![
        seen(record("s1", TurnState::InProgress)),
        busy("s1", 100, Activity::Idle),
        busy("s1", 200, Activity::Waiting(WaitingFor::Question)),
    ]);
    let session = &roster.rows[0].session;
    assert_eq!(session.conflict, Some(Conflict::TwoOwners));
    assert_eq!((session.status, session.process.as_ref().unwrap().pid.0), (Status::Waiting, 200));
    let twice = vec![busy("s1", 100, Activity::Idle), Sighting::Claimed(claim("s1", 100))];
    assert_eq!(world().conclude(twice).rows[0].session.conflict, None);
}

/// A turn in progress that last moved so many seconds after boot; 100 started 10 seconds after that, 200 20.
fn moved(session: &str, seconds: i64, turn: TurnState) -> Record {
    let moved = Timestamp::from_millis(at(0).as_millis() + seconds * 1_000);
    Record { turn_moved: moved, ..record(session, turn) }
}

#[test]
fn a_turn_that_is_older_than_a_process_is_none_of_its() {
    let asks = || TurnState::Waiting(WaitingFor::Permission);
    let owned = |turn, moved_at, owner| {
        let sightings =
            vec![seen(moved("s1", moved_at, turn)), Sighting::Claimed(claim("s1", owner))];
        let roster = world().conclude(sightings);
        let (_, status, reason, certainty, shown) = verdict(&roster.rows[0]);
        assert_eq!(shown, Some(owner));
        (status, reason, certainty)
    };
    let guessed = Certainty::Inferred;
    let ended = (Status::Idle, Reason::TurnEnded, guessed);
    let running = (Status::Running, Reason::TurnInProgress, guessed);
    let waiting = (Status::Waiting, Reason::Permission, guessed);
    assert_eq!(owned(TurnState::InProgress, 0, 100), ended);
    assert_eq!(owned(asks(), 0, 100), ended);
    assert_eq!(owned(TurnState::InProgress, 15, 200), ended);
    assert_eq!(owned(TurnState::InProgress, 10, 100), running);
    assert_eq!(owned(asks(), 15, 100), waiting);
    // Without an owner it is the records' word alone.
    let nobodys = vec![seen(moved("s1", 0, TurnState::InProgress))];
    check_one(nobodys, Status::Stopped, Reason::Killed, guessed, None);
}

#[test]
fn of_two_owners_the_one_at_work_is_shown() {
    let roster = world().conclude(vec![
        seen(moved("s1", 15, TurnState::InProgress)),
        seen(subagent("s2", "s1", TurnState::Unknown)),
        seen(Record {
            kind: SessionKind::Subagent,
            parent: Some(id("s1")),
            ..moved("s3", 15, TurnState::InProgress)
        }),
        Sighting::Claimed(claim("s1", 200)),
        Sighting::Claimed(Claim { source: Source::Process, ..claim("s1", 100) }),
    ]);
    let session = &roster.rows[0].session;
    assert_eq!(session.conflict, Some(Conflict::TwoOwners));
    let shown: Vec<_> = verdicts(&roster).into_iter().map(|it| (it.1, it.2, it.4)).collect();
    let at_work = |reason, pid| (Status::Running, reason, Some(pid));
    let (turn, alive) = (Reason::TurnInProgress, Reason::ProcessAlive);
    assert_eq!(shown, [at_work(turn, 100), at_work(alive, 200), at_work(turn, 100)]);
    let says: Vec<_> = roster.rows[0].evidence.iter().map(|it| (it.source, &*it.says)).collect();
    assert_eq!(
        says,
        [
            (
                Source::Registry,
                "process 200, started 2026-11-22T20:00:20.000Z, is alive and owns the session"
            ),
            (
                Source::Process,
                "process 200 started after the last turn last moved, which is none of its"
            ),
            (
                Source::Process,
                "process 100, started 2026-11-22T20:00:10.000Z, is alive and owns the session"
            ),
            (Source::Transcript, "the last turn has begun and not ended"),
        ]
    );
}

#[test]
fn a_turn_is_cut_off_if_it_is_older_than_each_process_that_may_serve_it() {
    let alike = |moved_at| {
        let claims = [100, 200].map(|pid| Claim { bond: Bond::Alike, ..claim("s1", pid) });
        let record = seen(moved("s1", moved_at, TurnState::InProgress));
        [vec![record], claims.map(Sighting::Claimed).to_vec()].concat()
    };
    let guessed = Certainty::Inferred;
    check_one(alike(15), Status::Running, Reason::TurnInProgress, guessed, None);
    check_one(alike(0), Status::Idle, Reason::TurnEnded, guessed, None);
}

#[test]
fn what_the_agent_says_itself_goes_before_the_age_of_the_turn() {
    let with =
        |activity| vec![seen(moved("s1", 0, TurnState::InProgress)), busy("s1", 100, activity)];
    let (told, guessed) = (Certainty::Asserted, Certainty::Inferred);
    let check = |activity, reason, certainty| {
        check_one(with(activity), Status::Running, reason, certainty, Some(100));
    };
    check(Activity::Busy, Reason::TurnInProgress, told);
    // It was started for a turn, which is not written down yet.
    check(Activity::OneTurn, Reason::ProcessAlive, guessed);
    let says = world().conclude(with(Activity::Busy)).rows[0].evidence.len();
    assert_eq!(says, 2, "how old the turn is does not matter");
}

#[test]
fn nothing_is_cut_off_where_nobody_knows_when_its_process_started() {
    let proc = FakeProc::new();
    std::fs::remove_file(proc.root().join("stat")).unwrap();
    proc.process(100, 1_000, "agent");
    let world =
        World { processes: Arc::new(ProcessTable::snapshot(proc.root()).unwrap()), ..world() };
    let old = seen(moved("s1", -60, TurnState::InProgress));
    let roster = world.conclude(vec![old, Sighting::Claimed(claim("s1", 100))]);
    let (_, status, reason, ..) = verdict(&roster.rows[0]);
    assert_eq!((status, reason), (Status::Running, Reason::TurnInProgress));
}

#[test]
fn a_live_process_without_a_session_is_a_row_of_its_own_until_one_is_known() {
    let hints = Hints { cwd: AbsPath::parse("/home/dev/work"), ..Hints::default() };
    let bare = || {
        let claim = Claim { session: None, hints: hints.clone(), ..claim("x", 100) };
        Sighting::Claimed(Claim { bond: Bond::Inferred, source: Source::Process, ..claim })
    };
    let roster = world().conclude(vec![bare()]);
    assert_eq!(
        verdicts(&roster),
        [(None, Status::Running, Reason::ProcessAlive, Certainty::Inferred, Some(100))]
    );
    assert_eq!(roster.rows[0].session.cwd, AbsPath::parse("/home/dev/work"));

    let known = world().conclude(vec![
        bare(),
        seen(record("s1", TurnState::Completed)),
        busy("s1", 100, Activity::Idle),
    ]);
    assert_eq!(known.rows.len(), 1);
    assert_eq!(known.rows[0].session.session_id, Some(id("s1")));
}

#[test]
fn what_was_inferred_of_a_process_is_void_where_its_session_is_asserted() {
    let guess = Claim { bond: Bond::Inferred, ..claim("old", 100) };
    let roster = world().conclude(vec![
        seen(record("old", TurnState::InProgress)),
        seen(record("s1", TurnState::InProgress)),
        Sighting::Claimed(guess),
        Sighting::Claimed(claim("s1", 100)),
    ]);
    let owned: Vec<_> =
        verdicts(&roster).into_iter().map(|(id, status, .., owner)| (id, status, owner)).collect();
    assert_eq!(
        owned,
        [(Some("old"), Status::Stopped, None), (Some("s1"), Status::Running, Some(100))]
    );
}

/// Two sessions at work, which the processes 100 and 200 may serve, each as well as the other.
fn alike() -> Vec<Sighting> {
    let may_serve = |session: &str, pid| {
        Sighting::Claimed(Claim {
            bond: Bond::Alike,
            source: Source::Process,
            ..claim(session, pid)
        })
    };
    vec![
        seen(record("s1", TurnState::InProgress)),
        seen(record("s2", TurnState::InProgress)),
        may_serve("s1", 100),
        may_serve("s1", 200),
        may_serve("s2", 100),
        may_serve("s2", 200),
    ]
}

/// Which sessions are alive, and which process is shown with them.
fn owned(roster: &Roster) -> Vec<(&str, Status, Option<i32>)> {
    let owned = |it| {
        let (id, status, .., owner) = verdict(it);
        (id.unwrap_or("-"), status, owner)
    };
    roster.rows.iter().map(owned).collect()
}

#[test]
fn sessions_of_processes_that_are_alike_are_alive_and_show_none_of_them() {
    let roster = world().conclude(alike());
    let alive = |id| (Some(id), Status::Running, Reason::TurnInProgress, Certainty::Inferred, None);
    assert_eq!(verdicts(&roster), [alive("s1"), alive("s2")]);
    for row in &roster.rows {
        assert_eq!((&row.owners[..], row.session.conflict), (&[][..], None));
        assert_eq!(row.candidates, [process(100), process(200)]);
        let says = "one of the processes 100 and 200, which are alike, may own the session";
        assert_eq!(row.evidence[0].says, says);
    }
}

#[test]
fn what_is_known_of_one_of_them_leaves_the_other_no_choice() {
    let running = |id, pid| (id, Status::Running, Some(pid));
    let told =
        |of: Claim| world().conclude(alike().into_iter().chain([Sighting::Claimed(of)]).collect());
    assert_eq!(owned(&told(claim("s2", 100))), [running("s1", 200), running("s2", 100)]);

    let by_launch = conclude_with(vec![launch()], Survey::of(alike(), Vec::new()));
    assert_eq!(owned(&by_launch), [running("s1", 100), running("s2", 200)]);

    // It serves another: that one of the two is alive is known, and no more.
    let elsewhere = told(claim("s3", 100));
    let either = |id| (id, Status::Running, None);
    assert_eq!(owned(&elsewhere), [either("s1"), either("s2"), running("s3", 100)]);
    assert_eq!(elsewhere.rows[0].candidates, [process(200)]);
}

#[test]
fn a_subagent_lives_in_one_of_the_processes_that_its_parent_may_live_in() {
    let child = seen(subagent("child", "s1", TurnState::InProgress));
    let roster = world().conclude(alike().into_iter().chain([child]).collect());
    let child = &roster.rows[0];
    assert_eq!(child.session.session_id, Some(id("child")));
    assert_eq!(
        (child.session.status, &child.candidates[..]),
        (Status::Running, &[process(100), process(200)][..])
    );
}

#[test]
fn a_subagent_lives_in_its_parents_process_but_speaks_for_itself() {
    let roster = world().conclude(vec![
        seen(record("parent", TurnState::InProgress)),
        seen(subagent("child", "parent", TurnState::Completed)),
        seen(subagent("grandchild", "child", TurnState::InProgress)),
        seen(subagent("orphan", "gone", TurnState::InProgress)),
        busy("parent", 100, Activity::Waiting(WaitingFor::Permission)),
    ]);
    let said: Vec<_> = verdicts(&roster)
        .into_iter()
        .map(|(id, status, .., owner)| (id.unwrap(), status, owner))
        .collect();
    assert_eq!(
        said,
        [
            ("child", Status::Idle, Some(100)),
            ("grandchild", Status::Running, Some(100)),
            ("orphan", Status::Stopped, None),
            ("parent", Status::Waiting, Some(100)),
        ]
    );
}

#[test]
fn whoever_started_a_subagent_that_waits_waits_with_it() {
    let check = |top: Activity, asking: Activity, expect| {
        let roster = world().conclude(vec![
            seen(record("top", TurnState::InProgress)),
            seen(subagent("middle", "top", TurnState::InProgress)),
            seen(subagent("low", "middle", TurnState::InProgress)),
            seen(subagent("other", "top", TurnState::InProgress)),
            busy("top", 100, top),
            busy("low", 100, asking),
        ]);
        let top = roster.rows.iter().find(|it| it.session.session_id == Some(id("top"))).unwrap();
        let middle = &roster.rows.iter().find(|it| it.session.session_id == Some(id("middle")));
        let other = &roster.rows.iter().find(|it| it.session.session_id == Some(id("other")));
        assert_eq!(other.unwrap().session.status, Status::Running);
        let told = [top, middle.unwrap()].map(|it| (it.session.status, it.session.reason));
        assert_eq!(told, expect);
        top.evidence.last().unwrap().says.to_string()
    };
    let waiting = (Status::Waiting, Reason::Permission);
    let question = || Activity::Waiting(WaitingFor::Permission);
    let says = check(Activity::Busy, question(), [waiting, waiting]);
    assert_eq!(says, "its subagent low waits");
    check(Activity::Idle, question(), [waiting, waiting]);
    let running = (Status::Running, Reason::TurnInProgress);
    check(Activity::Busy, Activity::Busy, [running, running]);
    let own_question = Activity::Waiting(WaitingFor::Plan);
    check(own_question, question(), [(Status::Waiting, Reason::Plan), waiting]);
}

#[test]
fn what_a_subagent_seems_to_ask_counts_where_it_is_known_to_be_at_work() {
    let asks = || TurnState::Waiting(WaitingFor::Permission);
    let waits = (Status::Waiting, Reason::Permission);
    let check = |turn: TurnState, owner_of_child: Option<i32>, top, child| {
        let mut sightings = vec![
            seen(record("top", turn)),
            seen(subagent("low", "top", asks())),
            Sighting::Claimed(claim("top", 100)),
        ];
        sightings.extend(owner_of_child.map(|it| Sighting::Claimed(claim("low", it))));
        let roster = world().conclude(sightings);
        let told = |session: &str| {
            let row = roster.rows.iter().find(|it| it.session.session_id == Some(id(session)));
            let session = &row.unwrap().session;
            (session.status, session.reason)
        };
        assert_eq!((told("top"), told("low")), (top, child));
    };
    let running = (Status::Running, Reason::TurnInProgress);
    let idle = (Status::Idle, Reason::TurnEnded);
    check(TurnState::InProgress, Some(100), waits, waits);
    check(TurnState::InProgress, None, waits, waits);
    // Codex's subagents go on, and ask, when the turn that started them has ended: they hold a lock of their own.
    check(TurnState::Completed, Some(100), waits, waits);
    let left_over = (Status::Unknown, Reason::Contradiction);
    check(TurnState::Completed, None, idle, left_over);
    check(TurnState::InProgress, Some(200), running, waits);
}

#[test]
fn a_subagent_in_a_process_of_its_own_answers_to_whoever_opened_it() {
    let spent = |session: &str, input_tokens| Sighting::Counted {
        session: id(session),
        usage: Usage { input_tokens, ..Usage::default() },
    };
    let kinds = |claims: &[(&str, i32)]| {
        let records = [
            seen(record("top", TurnState::Completed)),
            seen(subagent("middle", "top", TurnState::InProgress)),
            seen(subagent("low", "middle", TurnState::InProgress)),
            spent("middle", 10),
            spent("low", 1),
        ];
        let claimed = claims.iter().map(|(session, pid)| Sighting::Claimed(claim(session, *pid)));
        let roster = world().conclude(records.into_iter().chain(claimed).collect());
        let told = |session: &str| {
            let row = roster.rows.iter().find(|it| it.session.session_id == Some(id(session)));
            let session = &row.unwrap().session;
            let below = session.usage.as_ref().and_then(|it| it.subagents.as_ref());
            (session.kind, session.process.is_some(), below.map_or(0, |it| it.input_tokens))
        };
        ["top", "middle", "low"].map(told)
    };
    let (main, below) = (SessionKind::Main, SessionKind::Subagent);
    assert_eq!(kinds(&[]), [(main, false, 11), (below, false, 0), (below, false, 0)]);
    assert_eq!(kinds(&[("top", 100)]), [(main, true, 11), (below, true, 0), (below, true, 0)]);
    let served = [("top", 100), ("middle", 100), ("low", 100)];
    assert_eq!(kinds(&served), [(main, true, 11), (below, true, 0), (below, true, 0)]);
    assert_eq!(kinds(&[("middle", 100)]), [(main, false, 0), (main, true, 1), (below, true, 0)]);
    let apart = [("top", 100), ("low", 200)];
    assert_eq!(kinds(&apart), [(main, true, 10), (below, true, 0), (main, true, 0)]);
}

#[test]
fn a_subagents_question_is_told_though_which_process_it_lives_in_is_not() {
    let asks = TurnState::Waiting(WaitingFor::Permission);
    let child = seen(subagent("child", "s1", asks));
    let roster = world().conclude(alike().into_iter().chain([child]).collect());
    let guessed = Certainty::Inferred;
    let waits = |id| (Some(id), Status::Waiting, Reason::Permission, guessed, None);
    let running = (Some("s2"), Status::Running, Reason::TurnInProgress, guessed, None);
    assert_eq!(verdicts(&roster), [waits("child"), waits("s1"), running]);
}

#[test]
fn subagents_that_are_each_others_parents_end_nowhere() {
    let roster = world().conclude(vec![
        seen(subagent("a", "b", TurnState::InProgress)),
        seen(subagent("b", "a", TurnState::InProgress)),
    ]);
    assert_eq!(roster.rows.len(), 2);
}

#[test]
fn subagents_usage_is_counted_once_and_for_the_session_at_the_top() {
    let spent = |session: &str, input_tokens| Sighting::Counted {
        session: id(session),
        usage: Usage { input_tokens, ..Usage::default() },
    };
    let roster = world().conclude(vec![
        seen(record("parent", TurnState::Completed)),
        seen(subagent("child", "parent", TurnState::Completed)),
        seen(subagent("grandchild", "child", TurnState::Completed)),
        spent("parent", 1),
        spent("child", 10),
        spent("grandchild", 100),
        spent("nobody", 1000),
    ]);
    let usage: Vec<_> = roster
        .rows
        .iter()
        .map(|row| {
            let usage = row.session.usage.as_ref().unwrap();
            (usage.own.input_tokens, usage.subagents.as_ref().map(|it| it.input_tokens))
        })
        .collect();
    assert_eq!(usage, [(10, None), (100, None), (1, Some(110))]);
}

#[test]
fn of_a_copied_transcript_the_one_that_went_on_is_counted() {
    let spent = |output_tokens| Sighting::Counted {
        session: id("s1"),
        usage: Usage { output_tokens, ..Usage::default() },
    };
    for counts in [[spent(1), spent(2)], [spent(2), spent(1)]] {
        let recorded = [seen(record("s1", TurnState::Completed))];
        let roster = world().conclude(recorded.into_iter().chain(counts).collect());
        assert_eq!(roster.rows[0].session.usage.as_ref().unwrap().own.output_tokens, 2);
    }
}

#[test]
fn one_session_recorded_twice_is_one_row_led_by_the_later_activity() {
    let old = Record {
        title: Some("named".into()),
        prompt: Some(Prompt::of("first")),
        created: Some(at(1)),
        updated: Some(at(2)),
        ..record("s1", TurnState::InProgress)
    };
    let new = Record {
        prompt: Some(Prompt::of("stub")),
        created: Some(at(5)),
        updated: Some(at(6)),
        ..record("s1", TurnState::Completed)
    };
    let roster = world().conclude(vec![seen(new), seen(old)]);
    let session = &roster.rows[0].session;
    assert_eq!(roster.rows.len(), 1);
    assert_eq!(
        (session.title.as_deref(), session.prompt.as_deref()),
        (Some("named"), Some("first"))
    );
    assert_eq!(
        (session.created_at, session.updated_at, session.reason),
        (Some(at(1)), Some(at(6)), Reason::Completed)
    );
}

#[test]
fn what_was_launched_enriches_its_session_and_names_its_process() {
    let launch = Launch {
        launch_id: "l1".into(),
        launched_at: at(1),
        prompt: "do it".into(),
        group: Some("night".into()),
        spec: None,
        label: None,
        model: None,
        exit_code: None,
        log_path: AbsPath::parse("/log"),
        hook_failure: None,
    };
    let entry = LaunchEntry {
        agent: AgentId::of("agent"),
        session: Some(id("s1")),
        process: Some(process(200)),
        is_served: false,
        keeper: None,
        cwd: None,
        claim: None,
        is_forced: false,
        ended: None,
        end: None,
        elsewhere: None,
        launch,
    };
    let world = World { ledger: Ledger { launches: vec![entry], ..Ledger::default() }, ..world() };
    let roster = world.conclude(vec![seen(record("s1", TurnState::InProgress))]);
    let session = &roster.rows[0].session;
    assert_eq!(session.launch.as_ref().unwrap().group.as_deref(), Some("night"));
    assert_eq!((session.status, session.process.as_ref().unwrap().pid.0), (Status::Running, 200));
    assert_eq!(session.prompt.as_deref(), Some("do it"));
}

#[test]
fn a_prompt_is_cut_between_characters_at_its_bound() {
    for (len, expect) in [(PROMPT_MAX, PROMPT_MAX), (PROMPT_MAX + 1, PROMPT_MAX)] {
        let prompt = Some(Prompt::of(&"日".repeat(len)));
        let roster =
            world().conclude(vec![seen(Record { prompt, ..record("s1", TurnState::Completed) })]);
        assert_eq!(roster.rows[0].session.prompt.as_ref().unwrap().chars().count(), expect);

        let mut launched = launch();
        launched.launch.prompt = "日".repeat(len);
        let roster = conclude_with(vec![launched], Survey::absent());
        let shown = &roster.rows[0].session.launch.as_ref().unwrap().prompt;
        assert_eq!(shown.chars().count(), expect);
    }
}

#[test]
fn problems_beyond_the_bound_are_counted() {
    let problem = |number: usize| Problem {
        kind: ProblemKind::Malformed,
        message: format!("{number:02}"),
        path: None,
        line: None,
    };
    for (count, omitted) in [(PROBLEMS_MAX, None), (PROBLEMS_MAX + 1, Some(1))] {
        let survey = Survey::of(Vec::new(), (0..count).rev().map(problem).collect());
        let roster = world().conclude_survey(survey);
        let report = &roster.reports[0];
        assert_eq!((report.problems.len(), report.problems_omitted), (PROBLEMS_MAX, omitted));
        assert_eq!(report.problems[0].message, "00");
    }
}

#[test]
fn the_evidence_tells_the_whole_chain() {
    let roster = world().conclude(vec![
        seen(record("s1", TurnState::InProgress)),
        busy("s1", 100, Activity::Waiting(WaitingFor::Permission)),
        busy("s1", 300, Activity::Busy),
    ]);
    let says: Vec<_> = roster.rows[0].evidence.iter().map(|it| (it.source, &*it.says)).collect();
    assert_eq!(
        says,
        [
            (
                Source::Registry,
                "process 100, started 2026-11-22T20:00:10.000Z, says that it waits for a permission"
            ),
            (Source::Transcript, "the last turn has begun and not ended"),
        ]
    );
}

/// Sightings of three sessions and their subagents, with claims of live and dead processes and counts.
fn any_sighting() -> impl Strategy<Value = Sighting> {
    let session = prop::sample::select(vec!["a", "b", "c"]);
    let turn =
        prop::sample::select(vec![TurnState::InProgress, TurnState::Completed, TurnState::Unknown]);
    let activity = prop::sample::select(vec![None, Some(Activity::Busy), Some(Activity::Idle)]);
    let pid = prop::sample::select(vec![100, 200, 300, 400]);
    let bond = prop::sample::select(vec![Bond::Asserted, Bond::Inferred, Bond::Alike]);
    prop_oneof![
        (session.clone(), turn, prop::option::of(session.clone()), 0..60_i64).prop_map(
            |(own, turn, parent, minute)| {
                let base = match parent.filter(|it| *it != own) {
                    Some(parent) => subagent(own, parent, turn),
                    None => record(own, turn),
                };
                // A stamp of its own tells two records of one session apart, as file times do.
                seen(Record {
                    updated: Some(at(minute)),
                    turn_moved: Some(at(minute - 30)),
                    path: Some(format!("/{own}/{minute}").into()),
                    ..base
                })
            }
        ),
        (session.clone(), 0..3_u64, prop::option::of(0..3_u64)).prop_map(
            |(session, input_tokens, cache_read_tokens)| Sighting::Counted {
                session: id(session),
                usage: Usage { input_tokens, cache_read_tokens, ..Usage::default() },
            }
        ),
        (prop::option::of(session), pid, activity, bond).prop_map(
            |(session, pid, activity, bond)| {
                // A process is one of several alike only for a session.
                let bond = if session.is_none() { bond.max(Bond::Inferred) } else { bond };
                Sighting::Claimed(Claim {
                    session: session.map(id),
                    activity,
                    bond,
                    ..claim("x", pid)
                })
            }
        ),
    ]
}

proptest! {
    #[test]
    fn the_order_of_sightings_never_matters(
        (sightings, shuffled) in prop::collection::vec(any_sighting(), 0..12)
            .prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle()))
    ) {
        let distinct: BTreeSet<String> = sightings.iter().filter_map(|it| match it {
            Sighting::Recorded(record) => Some(format!("{:?}", record.path)),
            _ => None,
        }).collect();
        let records = sightings.iter().filter(|it| matches!(it, Sighting::Recorded(_))).count();
        // Two different records cannot come from one path.
        prop_assume!(distinct.len() == records);
        let shown = |sightings| {
            let roster = world().conclude(sightings);
            roster.rows.into_iter().map(|row| (row.session, row.evidence)).collect::<Vec<_>>()
        };
        prop_assert_eq!(shown(sightings), shown(shuffled));
    }

    #[test]
    fn no_row_is_alive_without_a_live_process(sightings in prop::collection::vec(any_sighting(), 0..12)) {
        for row in world().conclude(sightings).rows {
            let session = row.session;
            let says_alive = matches!(session.status, Status::Running | Status::Idle | Status::Waiting);
            let one_of_several = session.process.is_none() && !row.candidates.is_empty();
            // What a subagent seems to ask may be left over.
            let says_alive = says_alive || session.reason == Reason::Contradiction;
            prop_assert_eq!(says_alive, session.process.is_some() || one_of_several);
            prop_assert!(row.owners.is_empty() || row.candidates.is_empty());
            prop_assert!(session.session_id.is_some() || session.process.is_some());
        }
    }
}

/// A launch of session `s1` at minute 59, a minute ago, by process 100.
fn launch() -> LaunchEntry {
    LaunchEntry {
        agent: AgentId::of("agent"),
        session: Some(id("s1")),
        process: Some(process(100)),
        is_served: false,
        keeper: None,
        cwd: AbsPath::parse("/work"),
        claim: None,
        is_forced: false,
        ended: None,
        end: None,
        elsewhere: None,
        launch: Launch {
            launch_id: "l1".into(),
            launched_at: at(59),
            prompt: "do it".into(),
            group: None,
            spec: None,
            label: None,
            model: None,
            exit_code: None,
            hook_failure: None,
            log_path: AbsPath::parse("/log"),
        },
    }
}

fn ended(end: End) -> LaunchEntry {
    let mut entry = LaunchEntry { process: Some(process(300)), ended: Some(at(60)), ..launch() };
    entry.end = Some(end);
    entry.launch.exit_code = end.exit_code();
    entry
}

fn ended_before(millis: u64, entry: LaunchEntry) -> LaunchEntry {
    let ended = at(60).as_millis() - i64::try_from(millis).unwrap();
    LaunchEntry { ended: Timestamp::from_millis(ended), ..entry }
}

fn fresh(mut entry: LaunchEntry) -> LaunchEntry {
    entry.launch.launched_at = Timestamp::from_millis(at(60).as_millis() - 29_999).unwrap();
    entry
}

fn conclude_with(launches: Vec<LaunchEntry>, survey: Survey) -> Roster {
    let world = world();
    World { ledger: Ledger { launches, ..Ledger::default() }, ..world }.conclude_survey(survey)
}

#[test]
fn a_launch_that_no_store_shows_is_listed_while_it_lives_and_a_moment_longer() {
    let running =
        (Some("s1"), Status::Running, Reason::ProcessAlive, Certainty::Inferred, Some(100));
    let roster = conclude_with(vec![launch()], Survey::of(Vec::new(), Vec::new()));
    assert_eq!(verdicts(&roster), [running]);
    let session = &roster.rows[0].session;
    assert_eq!((&session.cwd, session.created_at), (&AbsPath::parse("/work"), Some(at(59))));
    assert_eq!(session.prompt.as_deref(), Some("do it"));
    assert!(session.launch.is_some());

    let stopped = (Some("s1"), Status::Stopped, Reason::Completed, Certainty::Inferred, None);
    let failed = (Some("s1"), Status::Failed, Reason::ExitCode, Certainty::Asserted, None);
    let check = |exit_code, before: u64, expected: &[Verdict<'_>]| {
        let launch = ended_before(before, ended(End::Exit(exit_code)));
        let roster = conclude_with(vec![launch.clone()], Survey::absent());
        assert_eq!(verdicts(&roster), expected, "{exit_code} {before} ms ago");
        let ledger = Ledger { launches: vec![launch], ..Ledger::default() };
        let fades = fades_after(&ledger, &AgentId::of("agent"), at(60));
        assert_eq!(fades.is_some(), !expected.is_empty());
    };
    // By when it ended, however long ago it began.
    check(0, 29_999, &[stopped]);
    check(0, 30_000, &[]);
    check(3, 86_399_999, &[failed]);
    check(3, 86_400_000, &[]);
}

#[test]
fn a_launch_that_ended_without_a_session_is_listed_by_its_launch_for_a_day() {
    let nameless = |launch| LaunchEntry { session: None, ..launch };
    let failed = (None, Status::Failed, Reason::ExitCode, Certainty::Asserted, None);
    let entry = nameless(ended_before(86_399_999, ended(End::Exit(3))));
    let roster = conclude_with(vec![entry.clone()], Survey::absent());
    assert_eq!(verdicts(&roster), [failed]);
    let session = &roster.rows[0].session;
    assert_eq!((session.ended_at, session.process.as_ref()), (entry.ended, None));
    assert_eq!(session.launch.as_ref().unwrap().exit_code, Some(3));

    let stale = nameless(ended_before(86_400_000, ended(End::Exit(0))));
    let never_ran = nameless(ended(End::NotStarted));
    for launch in [stale, never_ran] {
        assert_eq!(verdicts(&conclude_with(vec![launch], Survey::absent())), []);
    }
}

#[test]
fn a_launch_has_not_ended_before_its_supervisor_said_how() {
    let dying = LaunchEntry { process: Some(process(300)), keeper: Some(process(200)), ..launch() };
    let agent = AgentId::of("agent");
    let heard_from = |launch: &LaunchEntry| {
        let ledger = Ledger { launches: vec![launch.clone()], ..Ledger::default() };
        keepers_to_hear(&ledger, &agent, &world().processes).collect::<Vec<_>>()
    };
    let (running, guessed) = (Status::Running, Certainty::Inferred);
    let as_before = (Some("s1"), running, Reason::ProcessAlive, guessed, None);
    let roster = conclude_with(vec![dying.clone()], Survey::absent());
    assert_eq!(verdicts(&roster), [as_before]);
    assert_eq!(heard_from(&dying), [process(200)]);
    let nameless = LaunchEntry { session: None, ..dying.clone() };
    assert_eq!(
        verdicts(&conclude_with(vec![nameless], Survey::absent())),
        [(None, running, Reason::ProcessAlive, guessed, None)]
    );
    let recorded = |turn| Survey::of(vec![seen(record("s1", turn))], Vec::new());
    for (turn, status, reason) in [
        (TurnState::InProgress, running, Reason::TurnInProgress),
        (TurnState::Completed, Status::Idle, Reason::TurnEnded),
    ] {
        let roster = conclude_with(vec![dying.clone()], recorded(turn));
        assert_eq!(verdicts(&roster), [(Some("s1"), status, reason, guessed, None)]);
    }

    // Where that is gone, too, nobody will ever say.
    let lost = LaunchEntry { keeper: Some(process(300)), ..dying };
    let roster = conclude_with(vec![lost.clone()], recorded(TurnState::InProgress));
    let killed = (Some("s1"), Status::Stopped, Reason::Killed, guessed, None);
    assert_eq!(verdicts(&roster), [killed]);
    assert_eq!(heard_from(&lost), []);
}

#[test]
fn a_launch_that_cannot_be_seen_from_here_may_be_at_work() {
    let there = Elsewhere { place: Place::default(), process: Some(process(7)), keeper: None };
    let elsewhere = LaunchEntry { process: None, elsewhere: Some(there), ..launch() };
    let guessed = Certainty::Inferred;
    let unseen = |session| (session, Status::Unknown, Reason::Unreachable, guessed, None);
    let recorded =
        |minute| Record { updated: Some(at(minute)), ..record("s1", TurnState::InProgress) };
    let check = |launch: &LaunchEntry, seen: Vec<Sighting>, expected: &[Verdict<'_>]| {
        let roster = conclude_with(vec![launch.clone()], Survey::of(seen, Vec::new()));
        assert_eq!(verdicts(&roster), expected);
    };
    check(&elsewhere, vec![seen(recorded(60))], &[unseen(Some("s1"))]);
    check(&elsewhere, vec![], &[unseen(Some("s1"))]);
    check(&LaunchEntry { session: None, ..elsewhere.clone() }, vec![], &[unseen(None)]);

    // What is told here goes before.
    let owner = Sighting::Claimed(claim("s1", 100));
    let running = (Some("s1"), Status::Running, Reason::TurnInProgress, guessed, Some(100));
    check(&elsewhere, vec![seen(recorded(60)), owner], &[running]);
    let killed =
        LaunchEntry { ended: Some(at(60)), end: Some(End::Signal(9)), ..elsewhere.clone() };
    let by_signal = (Some("s1"), Status::Stopped, Reason::Killed, Certainty::Asserted, None);
    check(&killed, vec![seen(recorded(60))], &[by_signal]);

    // After a day without a word it is over.
    let over = (Some("s1"), Status::Stopped, Reason::Killed, guessed, None);
    let (day, mut old) = (24 * 60, elsewhere);
    old.launch.launched_at = at(60 - day);
    check(&old, vec![], &[]);
    check(&old, vec![seen(recorded(60 - day))], &[over]);
    check(&old, vec![seen(recorded(61 - day))], &[unseen(Some("s1"))]);
}

#[test]
fn a_launch_that_has_not_begun_says_nothing_yet() {
    let begins = LaunchEntry { process: None, keeper: Some(process(100)), ..launch() };
    let roster = conclude_with(vec![fresh(begins.clone())], Survey::absent());
    assert_eq!(verdicts(&roster), [], "its session is only an id that we chose");
    let earlier = ended(End::Exit(1));
    let survey = Survey::of(vec![seen(record("s1", TurnState::InProgress))], Vec::new());
    let roster = conclude_with(vec![earlier, fresh(begins)], survey);
    assert_eq!(roster.rows[0].session.reason, Reason::ExitCode, "the one before still speaks");
}

#[test]
fn what_was_launched_is_known_though_its_adapter_failed() {
    let failed = || {
        Survey::failed(Problem {
            kind: ProblemKind::Unreadable,
            message: "no".into(),
            path: None,
            line: None,
        })
    };
    let unknown =
        |owner| (Some("s1"), Status::Unknown, Reason::AdapterFailed, Certainty::Inferred, owner);
    assert_eq!(verdicts(&conclude_with(vec![ended(End::Exit(0))], failed())), [unknown(None)]);
    assert_eq!(verdicts(&conclude_with(vec![launch()], failed())), [unknown(Some(100))]);
}

#[test]
fn the_exit_code_speaks_where_the_records_do_not() {
    use TurnState::{Completed, InProgress, Interrupted, Unknown};

    let check = |turn: TurnState, launch: LaunchEntry, status, reason, certainty| {
        let survey = Survey::of(vec![seen(record("s1", turn))], Vec::new());
        let roster = conclude_with(vec![launch], survey);
        assert_eq!(verdicts(&roster), [(Some("s1"), status, reason, certainty, None)]);
    };
    let (told, guessed) = (Certainty::Asserted, Certainty::Inferred);
    let exited = |code| ended(End::Exit(code));
    check(InProgress, exited(1), Status::Failed, Reason::ExitCode, told);
    check(InProgress, ended(End::Signal(15)), Status::Stopped, Reason::Killed, told);
    check(InProgress, exited(0), Status::Stopped, Reason::Killed, guessed);
    check(Unknown, exited(0), Status::Stopped, Reason::Completed, guessed);
    check(Unknown, ended(End::NotStarted), Status::Failed, Reason::LaunchError, told);
    check(Unknown, ended(End::Unknown), Status::Stopped, Reason::UnknownEnd, guessed);
    check(Completed, exited(1), Status::Stopped, Reason::Completed, guessed);
    check(Interrupted, exited(1), Status::Stopped, Reason::Interrupted, guessed);

    // An exit code may be what shells show a signal's end as.
    for code in [129, 143, 255] {
        check(InProgress, exited(code), Status::Failed, Reason::ExitCode, told);
    }
    let of_earlier_version = |exit_code| {
        let mut entry = LaunchEntry { end: None, ..exited(0) };
        entry.launch.exit_code = exit_code;
        entry
    };
    for (code, status, reason, certainty) in [
        (Some(128), Status::Failed, Reason::ExitCode, told),
        (Some(129), Status::Stopped, Reason::Killed, guessed),
        (Some(192), Status::Stopped, Reason::Killed, guessed),
        (Some(193), Status::Failed, Reason::ExitCode, told),
        (None, Status::Failed, Reason::LaunchError, told),
    ] {
        check(InProgress, of_earlier_version(code), status, reason, certainty);
    }
}

#[test]
fn the_exit_code_says_nothing_of_a_session_that_went_on_without_us() {
    for (later_ms, expect) in [(5_000, Reason::ExitCode), (5_001, Reason::Killed)] {
        let updated = Timestamp::from_millis(at(60).as_millis() + later_ms);
        let record = Record { updated, ..record("s1", TurnState::InProgress) };
        let survey = Survey::of(vec![seen(record)], Vec::new());
        let roster = conclude_with(vec![ended(End::Exit(1))], survey);
        assert_eq!(roster.rows[0].session.reason, expect, "{later_ms} ms after its end");
    }
}

#[test]
fn the_ledger_names_the_session_of_a_process_and_adds_no_second_owner() {
    let nameless = Claim::of(process(100), None, Source::Process);
    let survey = Survey::of(vec![Sighting::Claimed(nameless.clone())], Vec::new());
    let roster = conclude_with(vec![launch()], survey);
    let running =
        (Some("s1"), Status::Running, Reason::ProcessAlive, Certainty::Inferred, Some(100));
    assert_eq!(verdicts(&roster), [running]);

    let shown = vec![seen(record("s1", TurnState::Completed)), Sighting::Claimed(claim("s1", 100))];
    let roster = conclude_with(vec![launch()], Survey::of(shown, Vec::new()));
    assert_eq!(roster.rows.len(), 1);
    assert_eq!(roster.rows[0].session.conflict, None);

    let guessed = Claim { bond: Bond::Inferred, ..claim("other", 100) };
    let sightings = vec![seen(record("other", TurnState::InProgress)), Sighting::Claimed(guessed)];
    let roster = conclude_with(vec![launch()], Survey::of(sightings, Vec::new()));
    let owners: Vec<_> = verdicts(&roster).iter().map(|it| (it.0, it.4)).collect();
    assert_eq!(owners, [(Some("other"), None), (Some("s1"), Some(100))]);
}

#[test]
fn a_launch_is_at_work_before_its_turn_is_written_down() {
    let check = |turn, claim: Claim, status, reason, certainty| {
        let sightings = vec![seen(record("s1", turn)), Sighting::Claimed(claim)];
        let roster = conclude_with(vec![launch()], Survey::of(sightings, Vec::new()));
        assert_eq!(verdicts(&roster), [(Some("s1"), status, reason, certainty, Some(100))]);
    };
    let (told, guessed) = (Certainty::Asserted, Certainty::Inferred);
    let untold = || claim("s1", 100);
    let nameless = || Claim::of(process(100), None, Source::Process);
    for by in [untold, nameless] {
        check(TurnState::Completed, by(), Status::Running, Reason::ProcessAlive, guessed);
        let asks = TurnState::Waiting(WaitingFor::Permission);
        check(asks, by(), Status::Waiting, Reason::Permission, guessed);
    }
    let idle = Claim { activity: Some(Activity::Idle), ..untold() };
    check(TurnState::Completed, idle, Status::Idle, Reason::TurnEnded, told);
}

#[test]
fn what_the_agent_knows_of_a_session_goes_before_what_the_launch_does() {
    let hints = Hints { title: Some("Mine".into()), ..Hints::default() };
    let own = Sighting::Claimed(Claim { hints, source: Source::Lock, ..claim("s1", 100) });
    let roster = conclude_with(vec![launch()], Survey::of(vec![own], Vec::new()));
    assert_eq!(roster.rows[0].session.title.as_deref(), Some("Mine"));
}

#[test]
fn the_agents_own_word_about_its_process_goes_before_the_ledgers() {
    let moved_on = vec![Sighting::Claimed(claim("cleared", 100))];
    let roster = conclude_with(vec![launch()], Survey::of(moved_on, Vec::new()));
    let owners: Vec<_> = verdicts(&roster).iter().map(|it| (it.0, it.4)).collect();
    assert_eq!(owners, [(Some("cleared"), Some(100))]);
}

#[test]
fn a_launch_that_told_no_session_is_a_row_of_its_process() {
    let silent = LaunchEntry { session: None, ..launch() };
    let roster = conclude_with(vec![silent.clone()], Survey::absent());
    let running = (None, Status::Running, Reason::ProcessAlive, Certainty::Inferred, Some(100));
    assert_eq!(verdicts(&roster), [running]);
    assert!(roster.rows[0].session.launch.is_some());
    let shown = Sighting::Claimed(Claim::of(process(100), None, Source::Process));
    let roster = conclude_with(vec![silent], Survey::of(vec![shown], Vec::new()));
    assert_eq!(verdicts(&roster), [running]);
}
