use proptest::prelude::*;

use super::*;
use crate::base::Pid;

/// A session as a test tells it: times in seconds.
#[derive(Clone, Debug)]
struct Told {
    id: SessionId,
    cwd: AbsPath,
    created: i64,
    touched: i64,
    in_flight: bool,
    in_flight_since: Option<i64>,
}

impl Told {
    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            session: &self.id,
            cwd: Some(&self.cwd),
            created: at(self.created),
            touched: at(self.touched),
            is_in_flight: self.in_flight,
            in_flight_since: self.in_flight_since.and_then(at),
        }
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_millis(1_795_377_600_000 + seconds * 1_000)
}

fn dir(name: &str) -> AbsPath {
    AbsPath::parse(format!("/work/{name}")).unwrap()
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn tui(pid: i32, started: i64) -> Live {
    Live {
        process: ProcessRef { pid: Pid(pid), start_ticks: 1 },
        started: at(started),
        cwd: Some(dir("a")),
        session: None,
        is_interactive: true,
        runs_a_tool: false,
        is_one_shot: false,
        tells_prompts: true,
    }
}

fn headless(pid: i32, started: i64) -> Live {
    Live { is_interactive: false, ..tui(pid, started) }
}

fn ended(name: &str, created: i64, touched: i64) -> Told {
    Told { id: id(name), cwd: dir("a"), created, touched, in_flight: false, in_flight_since: None }
}

fn in_flight(name: &str, created: i64, touched: i64) -> Told {
    Told { in_flight: true, ..ended(name, created, touched) }
}

/// Says of each process which session it serves, `-` for none and `nothing asked`; with `?` for one that others like it
/// may serve as well.
fn check(live: &[Live], told: &[Told], expect: &[(i32, &str)]) {
    let claims = pair(live, told.iter().map(Told::candidate));
    let found: Vec<_> = claims
        .iter()
        .map(|it| {
            let none = if it.hints.nothing_asked { "nothing asked" } else { "-" };
            let session = it.session.as_ref().map_or(none, SessionId::as_str);
            let mark = if it.bond == Bond::Alike { "?" } else { "" };
            (it.process.pid.0, format!("{session}{mark}"))
        })
        .collect();
    let expect: Vec<_> = expect.iter().map(|(pid, says)| (*pid, (*says).to_owned())).collect();
    assert_eq!(found, expect);
}

#[test]
fn a_session_in_the_arguments_is_asserted_and_nobody_elses() {
    let named = Live { session: Some(id("s")), ..tui(1, 100) };
    let claims =
        pair(&[named.clone(), tui(2, 100)], [in_flight("s", 10, 200)].iter().map(Told::candidate));
    assert_eq!(claims[0].session, Some(id("s")));
    assert_eq!(claims[0].bond, Bond::Asserted);
    assert_eq!(claims[0].hints.cwd, Some(dir("a")));
    assert_eq!((&claims[1].session, claims[1].bond), (&None, Bond::Inferred));
}

#[test]
fn an_idle_terminal_beside_old_sessions_owns_none_of_them() {
    check(
        &[tui(1, 100)],
        &[ended("old", 10, 50), in_flight("cut", 20, 90)],
        &[(1, "nothing asked")],
    );
    check(&[headless(1, 100)], &[ended("old", 10, 50)], &[(1, "-")]);
}

#[test]
fn one_process_serves_what_was_touched_last_since_it_started() {
    check(&[tui(1, 100)], &[ended("old", 10, 50), in_flight("new", 102, 130)], &[(1, "new")]);
    // Resumed: created long before the process, written to by it.
    check(&[tui(1, 100)], &[ended("resumed", 10, 130)], &[(1, "resumed")]);
    // `/new`: the session it left is over.
    check(&[tui(1, 100)], &[ended("left", 102, 130), in_flight("next", 140, 150)], &[(1, "next")]);
}

#[test]
fn of_its_own_sessions_a_process_serves_the_one_at_work() {
    // The other was worked on for longer, by a process that is gone.
    let others = ended("others", 80, 170);
    check(&[headless(1, 100)], &[others.clone(), in_flight("own", 103, 130)], &[(1, "own")]);
    check(&[headless(1, 100)], &[others, ended("own", 103, 130)], &[(1, "own")]);
    // Resumed in a terminal that had begun another before.
    check(
        &[tui(1, 100)],
        &[ended("own", 103, 130), in_flight("resumed", 10, 150)],
        &[(1, "resumed")],
    );
}

#[test]
fn one_that_is_started_as_soon_as_another_has_a_session_does_not_take_it() {
    let told = [in_flight("first", 299, 500), in_flight("second", 303, 310)];
    check(&[headless(1, 296), headless(2, 300)], &told, &[(1, "first"), (2, "second")]);
    check(&[tui(2, 300)], &[ended("before", 297, 299)], &[(2, "nothing asked")]);
}

#[test]
fn two_sessions_created_after_the_start_of_each_are_told_apart() {
    // Both worked on since the second process started.
    let told = [in_flight("first", 103, 500), in_flight("second", 304, 510)];
    check(&[tui(1, 100), tui(2, 300)], &told, &[(1, "first"), (2, "second")]);
    // The same where sessions are created long after the start, on the first prompt.
    let told = [in_flight("first", 203, 500), in_flight("second", 404, 510)];
    check(&[tui(1, 100), tui(2, 300)], &told, &[(1, "first"), (2, "second")]);
}

#[test]
fn a_first_turn_without_a_file_takes_no_session_from_its_neighbour() {
    let told = [in_flight("theirs", 102, 350)];
    check(&[tui(1, 100), headless(2, 300)], &told, &[(1, "theirs"), (2, "-")]);
}

#[test]
fn one_resumes_while_the_other_goes_on() {
    let told = [in_flight("own", 102, 350), in_flight("resumed", 10, 350)];
    check(&[tui(1, 100), headless(2, 300)], &told, &[(1, "own"), (2, "resumed")]);
}

#[test]
fn work_is_the_headless_processs_where_a_terminal_idles_beside_it() {
    let told = [in_flight("s", 450, 470)];
    check(&[tui(1, 100), headless(2, 300)], &told, &[(1, "-"), (2, "s")]);
}

#[test]
fn a_first_session_is_the_new_processs_and_not_the_idle_ones() {
    check(&[tui(1, 100), tui(2, 300)], &[ended("s", 304, 320)], &[(1, "nothing asked"), (2, "s")]);
}

#[test]
fn what_another_opened_later_may_be_either_ones() {
    let busy = |it: Live| Live { runs_a_tool: true, ..it };
    let (first, second) = (tui(1, 100), tui(2, 300));
    let either = [(1, "s?"), (1, "-"), (2, "s?"), (2, "-")];
    // The second one's tool may well be of the session that the first had created.
    let turn = [in_flight("s", 200, 400)];
    check(&[first.clone(), busy(second.clone())], &turn, &either);
    check(&[first.clone(), second.clone()], &turn, &either);
    check(&[first.clone(), busy(second.clone())], &[ended("s", 200, 400)], &either);
    // The first one's tool is; and a turn that has ended is nobody's.
    check(&[busy(first.clone()), second.clone()], &turn, &[(1, "s"), (2, "-")]);
    check(&[first.clone(), second.clone()], &[ended("s", 200, 400)], &[(1, "s"), (2, "-")]);
    // What has a session of its own, or had nothing to do with it, is no rival.
    let own = [turn[0].clone(), in_flight("t", 310, 410)];
    check(&[first.clone(), second.clone()], &own, &[(1, "s"), (2, "t")]);
    check(&[first, second], &[in_flight("s", 200, 250)], &[(1, "s"), (2, "nothing asked")]);
    check(&[headless(1, 100), tui(2, 300)], &turn, &[(1, "s"), (2, "-")]);
}

#[test]
fn of_a_store_that_is_silent_at_first_nobody_is_said_to_have_asked_nothing() {
    let silent = Live { tells_prompts: false, ..tui(1, 100) };
    check(std::slice::from_ref(&silent), &[], &[(1, "-")]);
    let may_be_idle = |it: Live| pair(&[it], [])[0].hints.may_be_idle;
    assert!(may_be_idle(silent.clone()));
    assert!(!may_be_idle(Live { runs_a_tool: true, ..silent }), "it is at work");
}

#[test]
fn what_cannot_be_told_apart_is_not_guessed_at() {
    check(&[tui(1, 100), tui(2, 100)], &[ended("x", 400, 410)], &[(1, "-"), (2, "-")]);
    check(&[tui(1, 100)], &[in_flight("x", 400, 410), in_flight("y", 400, 410)], &[(1, "-")]);
}

#[test]
fn sessions_at_work_belong_to_processes_that_are_alike_and_nothing_says_which_to_which() {
    // Started at once, by a script.
    let told = [in_flight("second", 103, 410), in_flight("first", 102, 410)];
    let either = [(1, "first?"), (1, "second?"), (2, "first?"), (2, "second?")];
    check(&[headless(1, 100), headless(2, 100)], &told, &either);
    // Terminals, asked for the first time long after their start.
    let told = [in_flight("first", 300, 410), in_flight("second", 310, 410)];
    check(&[tui(1, 100), tui(2, 200)], &told, &either);
    // One of them was there only for one of the sessions.
    let told = [in_flight("first", 90, 310), in_flight("second", 90, 410)];
    check(&[tui(1, 100), tui(2, 300)], &told, &either);
    let told = [in_flight("first", 90, 310), in_flight("second", 90, 410), ended("own", 500, 510)];
    check(
        &[tui(1, 100), tui(2, 300), tui(3, 400), tui(4, 495)],
        &told,
        &[
            (1, "first?"),
            (1, "second?"),
            (1, "-"),
            (2, "first?"),
            (2, "second?"),
            (2, "-"),
            (3, "second?"),
            (3, "-"),
            (4, "own"),
        ],
    );
}

#[test]
fn with_more_processes_than_sessions_each_is_shown_without_one_too() {
    let told = [in_flight("x", 102, 410), in_flight("y", 103, 410)];
    let one_too_many: Vec<_> =
        (1..=3).flat_map(|pid| [(pid, "x?"), (pid, "y?"), (pid, "-")]).collect();
    check(&[headless(1, 100), headless(2, 101), headless(3, 101)], &told, &one_too_many);
    // A terminal idles beside them: those who must be at work suffice.
    let beside: Vec<_> = one_too_many.iter().copied().chain([(4, "-")]).collect();
    check(&[headless(1, 100), headless(2, 101), headless(3, 101), tui(4, 90)], &told, &beside);
    let only = [(1, "x?"), (1, "-"), (2, "x?"), (2, "-")];
    check(&[tui(1, 100), tui(2, 100)], &[in_flight("x", 400, 410)], &only);
}

#[test]
fn with_fewer_processes_than_sessions_nothing_says_which_are_over() {
    let told = [in_flight("x", 102, 410), in_flight("y", 102, 410), in_flight("z", 102, 410)];
    check(&[headless(1, 100), headless(2, 100)], &told, &[(1, "-"), (2, "-")]);
    // Enough of them, but not for those that were worked on before the second started.
    let told = [in_flight("x", 50, 150), in_flight("y", 50, 150), in_flight("z", 50, 150)];
    let expect = [(1, "-"), (2, "-"), (3, "nothing asked")];
    check(&[tui(1, 100), tui(2, 100), tui(3, 300)], &told, &expect);
}

#[test]
fn a_turn_begun_before_the_process_is_not_its_own() {
    let cut = Told { in_flight_since: Some(50), ..in_flight("cut", 10, 150) };
    check(&[tui(1, 100)], &[cut], &[(1, "nothing asked")]);
}

#[test]
fn elsewhere_or_at_unknown_times_nothing_is_concluded() {
    let elsewhere = Told { cwd: dir("b"), ..in_flight("s", 120, 130) };
    check(&[tui(1, 100)], &[elsewhere], &[(1, "nothing asked")]);
    let timeless = Live { started: None, ..tui(1, 100) };
    check(&[timeless], &[in_flight("s", 120, 130)], &[(1, "-")]);
}

fn any_live() -> impl Strategy<Value = Vec<Live>> {
    let one = (0..60_i64, 0..2_u8, any::<bool>(), prop::option::weighted(0.1, 0..6_u8));
    prop::collection::vec(one, 0..5).prop_map(|all| {
        let live =
            |(pid, (started, cwd, is_interactive, named)): (i32, (_, u8, _, Option<u8>))| Live {
                cwd: Some(dir(&cwd.to_string())),
                session: named.map(|it| id(&format!("s{it}"))),
                is_interactive,
                ..tui(pid, started)
            };
        (1..).zip(all).map(live).collect()
    })
}

fn any_sessions() -> impl Strategy<Value = Vec<Told>> {
    let one = (0..60_i64, 0..30_i64, 0..2_u8, any::<bool>(), prop::option::of(0..60_i64));
    prop::collection::vec(one, 0..6).prop_map(|all| {
        type One = (i64, i64, u8, bool, Option<i64>);
        let told =
            |(number, (created, more, cwd, in_flight, in_flight_since)): (usize, One)| Told {
                id: id(&format!("s{number}")),
                cwd: dir(&cwd.to_string()),
                created,
                touched: created + more,
                in_flight,
                in_flight_since,
            };
        (0..).zip(all).map(told).collect()
    })
}

proptest! {
    #[test]
    fn order_never_matters_and_nothing_is_given_twice(
        (live, shuffled_live) in any_live().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        (told, shuffled_told) in any_sessions().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
    ) {
        let claims = pair(&live, told.iter().map(Told::candidate));
        prop_assert_eq!(&claims, &pair(&shuffled_live, shuffled_told.iter().map(Told::candidate)));

        let mut processes: Vec<_> = claims.iter().map(|it| it.process).collect();
        processes.dedup();
        prop_assert_eq!(processes, live.iter().map(|it| it.process).collect::<Vec<_>>());
        let mut owned = BTreeSet::new();
        for claim in claims.iter().filter(|it| it.bond != Bond::Asserted) {
            let Some(session) = &claim.session else { continue };
            let is_alone = claims
                .iter()
                .all(|it| it.bond == Bond::Alike || it.session.as_ref() != Some(session));
            let is_first = claim.bond == Bond::Inferred && owned.insert(session.clone());
            prop_assert!(is_first || is_alone, "{} has two", session);
            prop_assert!(live.iter().all(|it| it.session.as_ref() != Some(session)));
            let process = live.iter().find(|it| it.process == claim.process).unwrap();
            let session = told.iter().find(|it| it.id == *session).unwrap();
            prop_assert_eq!(process.cwd.as_ref(), Some(&session.cwd));
            prop_assert!(process.started <= at(session.touched));
        }
    }
}
