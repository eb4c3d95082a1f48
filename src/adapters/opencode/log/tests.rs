use super::*;
use crate::adapters::pairing::Live;
use crate::base::AbsPath;
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

/// A call of a tool that began when the log says that it asked.
fn call(tool: &str, started: &str) -> SilentCall {
    SilentCall { tool: tool.to_owned(), started: Some(at(started)) }
}

const ASKED: &str = "2026-11-28T01:19:50.139Z";

#[test]
fn a_run_tells_where_it_worked_and_for_which_call_it_asked() {
    let log = Log::parse(ONE, true);
    let run = &log.runs["37f236d8"];
    assert!(run.tells_its_work);
    assert_eq!(run.worked[&id("ses_1")], at("2026-11-28T01:19:40.801Z"));
    let fetch = call("webfetch", "2026-11-28T01:19:50.164Z");
    // Which of two sessions it asked for, the call tells.
    for session in ["ses_1", "ses_2"] {
        assert_eq!(log.asked_for(&id(session), &fetch), Some(at(ASKED)), "{session}");
    }
    assert_eq!(log.asked_for(&id("ses_3"), &fetch), None);
    assert_eq!(log.asked_for(&id("ses_1"), &call("read", ASKED)), None);
    assert_eq!(
        log.asked_for(&id("ses_1"), &call("webfetch", "2026-11-28T01:19:51.139Z")),
        Some(at(ASKED))
    );
    assert_eq!(log.asked_for(&id("ses_1"), &call("webfetch", "2026-11-28T01:19:51.140Z")), None);
    let with = |line: &str| {
        Log::parse(
            &format!("{ONE}timestamp=2026-11-28T01:19:55.000Z level=INFO run=37f236d8 {line}\n"),
            true,
        )
    };
    let cleaned = with("message=cleanup prune=7.days");
    assert!(cleaned.asked_for(&id("ses_2"), &fetch).is_some(), "it says nothing of the session");
    let gone_on = with("message=loop session.id=ses_2 step=1");
    assert_eq!(gone_on.asked_for(&id("ses_2"), &fetch), None);
    assert!(gone_on.asked_for(&id("ses_1"), &fetch).is_some());
    let outside = ONE.replace("permission=webfetch", "permission=external_directory");
    assert!(Log::parse(&outside, true).asked_for(&id("ses_1"), &call("read", ASKED)).is_some());
}

#[test]
fn a_log_cut_at_any_byte_or_of_another_kind_is_read_as_far_as_it_goes() {
    for end in 0..ONE.len() {
        let log = Log::parse(&ONE[..end], true);
        assert!(log.runs.len() <= 1, "cut at {end}");
    }
    for text in
        ["", "\0\u{1}", "timestamp=never run=x", "run= message=\"torn", " run=x message=asking"]
    {
        assert!(Log::parse(text, true).runs.is_empty(), "{text:?}");
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

#[test]
fn what_ends_at_a_position_tells_whose_it_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(NAME);
    let others = ONE.replace("37f236d8", "other");
    let trace =
        "timestamp=2026-11-28T01:20:00.000Z level=ERROR run=37f236d8 cause=\"Error\n    at run=x\n";
    let text = format!("{ONE}{others}{trace}");
    std::fs::write(&path, &text).unwrap();
    let check = |end: usize, expect: Option<&str>| {
        assert_eq!(run_before(&path, end as u64).as_deref(), expect, "{end}");
    };
    check(ONE.len(), Some("37f236d8"));
    check(ONE.len() + others.len(), Some("other"));
    check(text.len(), Some("37f236d8"));
    check(0, None);
    // The log was made anew, and is shorter now.
    check(text.len() + 1, None);
    for unusual in [LINE_USUAL, LINE_MAX - ONE.len() as u64 - 1] {
        let unusual = usize::try_from(unusual).unwrap();
        std::fs::write(&path, format!("{ONE}{}\n", "x".repeat(unusual))).unwrap();
        check(ONE.len() + unusual + 1, Some("37f236d8"));
    }
    let max = usize::try_from(LINE_MAX).unwrap();
    std::fs::write(&path, format!("{ONE}{}\n{others}", "x".repeat(max))).unwrap();
    check(ONE.len() + max + 1, None);
    check(ONE.len() + max + 1 + others.len(), Some("other"));
    assert_eq!(run_before(&home.path().join("none"), 5), None);
}

/// A process that started then, whose last line is of that run.
fn agent(started: &str, run: &str) -> Agent {
    let live = Live {
        process: FakeProc::new().process(7, 100, "opencode").identity,
        started: Some(at(started)),
        cwd: AbsPath::parse("/w"),
        session: None,
        is_interactive: true,
        runs_a_tool: false,
        is_one_shot: false,
        tells_prompts: true,
    };
    Agent { live, is_service: false, server: None, run: Some(run.to_owned()), terminal: None }
}

#[test]
fn all_of_a_process_is_told_if_it_says_its_work_and_nothing_was_left_out_since_it_started() {
    let check = |text: &str, is_whole, started, expect| {
        let log = Log::parse(text, is_whole);
        assert_eq!(log.tells_all_of(&agent(started, "37f236d8")), expect, "{started}");
    };
    let (before, after) = ("2026-11-28T01:19:20Z", "2026-11-28T01:19:29Z");
    check(ONE, true, before, true);
    check(ONE, false, before, false);
    check(ONE, false, after, true);
    let (_, quiet) = ONE.split_once('\n').unwrap();
    check(quiet, true, before, false);
    check("", true, before, false);
}

#[test]
fn a_session_is_of_who_was_last_in_it() {
    let later = "timestamp=2026-11-28T01:20:00.000Z level=INFO run=other message=loop session.id=ses_1 step=0\n";
    let log = Log::parse(&format!("{ONE}{later}"), true);
    let (first, second) = (agent(ASKED, "37f236d8"), agent(ASKED, "other"));
    let last_in = |it: &Agent| ["ses_1", "ses_2"].map(|session| log.was_last_in(it, &id(session)));
    assert_eq!((last_in(&first), last_in(&second)), ([false, true], [true, false]));
    let nobody = Agent { run: None, ..agent(ASKED, "") };
    assert_eq!((last_in(&nobody), log.has_worked(&nobody)), ([false, false], false));
    assert!(log.has_worked(&first) && !log.tells_all_of(&nobody));
}
