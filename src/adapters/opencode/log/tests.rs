use super::*;
use crate::adapters::pairing::Live;
use crate::testing::FakeProc;

const ONE: &str = r#"timestamp=2026-11-28T01:19:28.055Z level=INFO run=37f236d8 message="creating instance" directory="/home/dev/a b"
timestamp=2026-11-28T01:19:40.801Z level=INFO run=37f236d8 message=loop session.id=ses_1 step=0
timestamp=2026-11-28T01:19:45.000Z level=INFO run=37f236d8 message=stream providerID=mock session.id=ses_2 small=false
timestamp=2026-11-28T01:19:50.139Z level=INFO run=37f236d8 message=asking id=per_21fc permission=webfetch patterns="[\"x\"]"
"#;

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

#[test]
fn a_run_tells_where_it_began_where_it_worked_and_what_it_said_last() {
    let log = Log::parse(ONE);
    let run = &log.runs["37f236d8"];
    let began = (at("2026-11-28T01:19:28.055Z"), AbsPath::parse("/home/dev/a b").unwrap());
    assert_eq!(run.began, Some(began));
    assert_eq!(run.worked[&id("ses_1")], at("2026-11-28T01:19:40.801Z"));
    assert_eq!(log.asked_in(&id("ses_1")), None, "another session was at work since");
    assert_eq!(log.asked_in(&id("ses_2")), Some(at("2026-11-28T01:19:50.139Z")));
    let more =
        "timestamp=2026-11-28T01:19:55.000Z level=INFO run=37f236d8 message=tracking hash=1\n";
    let others = more.replace("37f236d8", "other");
    assert!(Log::parse(&format!("{ONE}{others}")).asked_in(&id("ses_2")).is_some());
    assert_eq!(Log::parse(&format!("{ONE}{more}")).asked_in(&id("ses_2")), None);
}

#[test]
fn where_the_beginning_of_a_run_was_cut_off_it_is_not_known() {
    let (_, rest) = ONE.split_once('\n').unwrap();
    let again = ONE.lines().next().unwrap();
    let log = Log::parse(&format!("{rest}{again}\n"));
    assert_eq!(log.runs["37f236d8"].began, None);
}

#[test]
fn a_log_cut_at_any_byte_or_of_another_kind_is_read_as_far_as_it_goes() {
    for end in 0..ONE.len() {
        let log = Log::parse(&ONE[..end]);
        assert!(log.runs.len() <= 1, "cut at {end}");
    }
    for text in
        ["", "\0\u{1}", "timestamp=never run=x", "run= message=\"torn", " run=x message=asking"]
    {
        assert!(Log::parse(text).runs.is_empty(), "{text:?}");
    }
}

#[test]
fn only_the_end_of_a_long_log_is_read() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("log")).unwrap();
    let sessions = |padding: usize| -> usize {
        let text = format!("{ONE}{}", "x".repeat(padding));
        std::fs::write(home.path().join("log/opencode.log"), text).unwrap();
        Log::read(&crate::testing::scope(), home.path())
            .runs
            .values()
            .map(|it| it.worked.len())
            .sum()
    };
    let max = usize::try_from(READ_MAX).unwrap();
    let until_first = ONE.find("timestamp=2026-11-28T01:19:45").unwrap();
    assert_eq!(sessions(max - ONE.len()), 2);
    assert_eq!(sessions(max - ONE.len() + until_first), 1);
    assert_eq!(sessions(max), 0);
}

/// Which of the processes, by when they started, has which of the runs, by when they began; all in one directory.
fn check_runs(started: &[i64], began: &[i64], expected: &[(i64, i64)]) {
    let boot = at("2026-11-22T20:00:00Z").as_millis();
    let time = |second: i64| Timestamp::from_millis(boot + second * 1000).unwrap();
    let line = |second: &i64| {
        let begins = "message=\"creating instance\" directory=/w";
        format!("timestamp={} level=INFO run=r{second} {begins}\n", time(*second))
    };
    let log = Log::parse(&began.iter().map(line).collect::<String>());
    let table = FakeProc::new();
    let agent = |second: &i64| Agent {
        live: Live {
            process: table.process(i32::try_from(*second).unwrap() + 1, 100, "opencode").identity,
            started: Some(time(*second)),
            cwd: AbsPath::parse("/w"),
            session: None,
            is_interactive: true,
            runs_a_tool: false,
            is_one_shot: false,
            tells_prompts: true,
        },
        is_service: false,
        server: None,
    };
    let agents: Vec<_> = started.iter().map(agent).collect();
    let mut found: Vec<_> = log
        .runs_of(&agents)
        .into_iter()
        .map(|(process, run)| {
            let began = run.began.as_ref().unwrap().0.as_millis() - boot;
            (i64::from(process.pid.0) - 1, began / 1000)
        })
        .collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{started:?} {began:?}");
}

#[test]
fn a_process_has_the_only_run_that_may_be_its_own() {
    check_runs(&[100], &[104], &[(100, 104)]);
    check_runs(&[100], &[160], &[(100, 160)]);
    check_runs(&[100], &[99, 161], &[]);
    check_runs(&[100, 300], &[104, 304], &[(100, 104), (300, 304)]);
    // The second can only have the later one, which leaves the earlier one to the first.
    check_runs(&[100, 130], &[120, 145], &[(100, 120), (130, 145)]);
    // Both began when both were there.
    check_runs(&[100, 101], &[104, 105], &[]);
    // One of them may be of a process that is gone.
    check_runs(&[100], &[104, 120], &[]);
    // The second has said nothing yet.
    check_runs(&[100, 102], &[104], &[]);
}
