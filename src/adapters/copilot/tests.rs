use proptest::prelude::*;

use super::super::evidence::{Failure, Record, TurnState, WaitingFor};
use super::super::excerpt::Excerpt;
use super::*;
use crate::protocol::session::Role;
use crate::testing::{self, FakeProc};

const INTERACTIVE: &str = "99805134-3f16-464d-ae0c-e45cf9e70e30";
const UNASKED: &str = "7d1f0a52-97a1-4c3e-9a59-0f2f4d6f6f11";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/copilot")
}

fn home() -> PathBuf {
    fixtures().join("home").canonicalize().unwrap()
}

fn session(id: &str) -> PathBuf {
    home().join(".copilot/session-state").join(id)
}

fn parse(bytes: &[u8]) -> Option<Record> {
    let path = Path::new("/x/session-state/y/events.jsonl");
    events::parse(&Excerpt::whole(path, bytes)).ok().map(|it| it.value)
}

/// A store with one session of these records.
fn store(id: &str, records: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".copilot/session-state").join(id);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("events.jsonl"), records).unwrap();
    home
}

#[test]
fn a_recorded_home_with_two_live_sessions_and_one_that_starts() {
    let table = FakeProc::new();
    let copilot = |pid, comm| table.process(pid, 100_000, comm).exe("/opt/bin/copilot");
    let [asking, unasked] = [(INTERACTIVE, 30926), (UNASKED, 31000)]
        .map(|(id, pid)| session(id).join(format!("inuse.{pid}.hold")));
    copilot(30926, "MainThread").open_file(41, &asking).holds_lock(&asking).arguments(&["copilot"]);
    copilot(31000, "copilot").open_file(41, &unasked).holds_lock(&unasked).arguments(&["copilot"]);
    let home = home();
    let environ = [("HOME", home.to_str().unwrap())];
    copilot(32000, "MainThread").arguments(&["copilot"]).environ(&environ).cwd("/home/dev/new");
    // The process that was killed had this id; and it had looked like this one.
    copilot(1413, "MainThread").arguments(&["copilot", "--acp"]).environ(&environ);
    insta::assert_json_snapshot!(testing::concluded(&ADAPTER, &table.scope_with(&home, &[])));
}

#[test]
fn without_its_process_no_session_is_alive() {
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope(&home()));
    let sessions = roster["sessions"].as_array().unwrap();
    assert!(
        sessions.iter().all(|it| it["status"] == "stopped" || it["status"] == "failed"),
        "{roster}"
    );
    assert!(sessions.iter().all(|it| it["sessionId"] != UNASKED), "nothing was ever asked there");
}

#[test]
fn a_file_left_behind_by_another_process_of_that_id_claims_nothing() {
    let table = FakeProc::new();
    let left = session("58a8fa75-6025-453d-a121-0338c3ecd86b").join("inuse.1413.hold");
    // Another Copilot looks whether the session is in use, and a process of the old id is something else.
    table.process(77, 100, "MainThread").exe("/opt/bin/copilot").open_file(9, &left);
    table.process(1413, 100, "MainThread").exe("/usr/bin/node").open_file(9, &left);
    let roster = testing::concluded(&ADAPTER, &table.scope(&home()));
    let killed =
        roster["sessions"].as_array().unwrap().iter().find(|it| it["prompt"] == "SLOW=20 cop");
    assert_eq!(killed.unwrap()["reason"], "killed");
}

#[test]
fn where_the_kernel_shows_no_lock_the_open_file_is_inferred_from() {
    let table = FakeProc::new();
    let hold = session(INTERACTIVE).join("inuse.30926.hold");
    table.process(30926, 100, "MainThread").exe("/opt/bin/copilot").open_file(41, &hold);
    let linked = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(home().join(".copilot"), linked.path().join(".copilot")).unwrap();
    for home in [&home(), linked.path()] {
        let roster = testing::concluded(&ADAPTER, &table.scope(home));
        let asking =
            roster["sessions"].as_array().unwrap().iter().find(|it| it["sessionId"] == INTERACTIVE);
        assert_eq!(asking.unwrap()["status"], "waiting");
        assert_eq!(asking.unwrap()["certainty"], "inferred");
    }
}

#[test]
fn a_process_without_a_session_is_one_that_starts_or_nobodys() {
    let check = |arguments: &[&str], expect: Option<&str>| {
        let table = FakeProc::new();
        let terminal = Path::new("/dev/pts/3");
        let process = table.process_like(1, 100, "MainThread", 1, 34_819).exe("/opt/bin/copilot");
        let process = process.open_file(0, terminal).open_file(1, terminal);
        process.arguments(arguments).environ(&[("HOME", "/h")]).cwd("/work/a");
        let roster = testing::concluded(&ADAPTER, &table.scope(Path::new("/h")));
        assert_eq!(roster["sessions"][0]["reason"].as_str(), expect, "{arguments:?}");
    };
    check(&["copilot"], Some("never_prompted"));
    check(&["copilot", "--model", "m"], Some("never_prompted"));
    check(&["copilot", "-p", "help"], Some("process_alive"));
    check(&["copilot", "--interactive=hi"], Some("process_alive"));
    for command in ["--acp", "--version", "-h", "help", "mcp", "update"] {
        check(&["copilot", command], None);
    }
}

#[test]
fn one_whose_store_is_elsewhere_is_told_as_a_process_alone() {
    let check = |arguments: &[&str], home: &str, expect: &[&str]| {
        let table = FakeProc::new();
        let process = table.process(1, 100, "MainThread").exe("/opt/bin/copilot");
        process.arguments(arguments).environ(&[("HOME", home), ("COPILOT_HOME", "/else")]);
        let roster = testing::concluded(&ADAPTER, &table.scope(Path::new("/h")));
        let rows = roster["sessions"].as_array().unwrap().iter();
        let told: Vec<_> = rows.map(|it| it["status"].as_str().unwrap()).collect();
        assert_eq!(told, expect, "{arguments:?}");
    };
    check(&["copilot"], "/h", &["unknown"]);
    check(&["copilot", "--prompt=hi"], "/h", &["running"]);
    check(&["copilot", "--acp"], "/h", &[]);
    check(&["copilot"], "/home/other", &[]);
}

#[test]
fn the_home_may_be_elsewhere() {
    let root = home().join(".copilot");
    let vars = [("COPILOT_HOME", root.to_str().unwrap())];
    let scope = FakeProc::new().scope_with(Path::new("/nonexistent"), &vars);
    assert_eq!(testing::concluded(&ADAPTER, &scope)["report"]["sessions"], 5);
    let nowhere = testing::concluded(&ADAPTER, &testing::scope());
    assert_eq!(nowhere["report"]["outcome"], "absent");
}

#[test]
fn how_the_turn_stands_at_each_moment_of_a_session() {
    use TurnState::{Completed, Failed, InProgress, Interrupted, NeverPrompted, Waiting};
    let text = std::fs::read_to_string(fixtures().join("moments/interactive.jsonl")).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let asks = Waiting(WaitingFor::Permission);
    let failed = Failed(Failure::Model);
    // From which line on the session stands like this.
    let moments = [
        (1, NeverPrompted),
        (3, InProgress),
        (9, asks),
        (10, InProgress),
        (12, Completed),
        (13, InProgress),
        (16, Completed),
        (17, InProgress),
        (21, Waiting(WaitingFor::Question)),
        (22, InProgress),
        (23, Completed),
        (24, InProgress),
        (27, Completed),
        (28, InProgress),
        (30, Completed),
        (31, Interrupted),
        (32, InProgress),
        (34, Completed),
        (35, failed.clone()),
        (36, InProgress),
        (38, Completed),
        (39, failed),
    ];
    for count in 1..=lines.len() {
        let record = parse(lines[..count].concat().as_bytes()).unwrap();
        let expect = moments.iter().rfind(|(from, _)| *from <= count).unwrap();
        assert_eq!((count, &record.turn), (count, &expect.1));
        assert_eq!(record.ended.is_some(), count == lines.len());
    }
}

#[test]
fn one_of_two_questions_answered_leaves_the_other() {
    let start = r#"{"type":"session.start","data":{"sessionId":"s"}}"#;
    let event =
        |kind: &str, id: &str| format!(r#"{{"type":"{kind}","data":{{"requestId":"{id}"}}}}"#);
    let turn = |events: &[String]| {
        parse(format!("{start}\n{}\n", events.join("\n")).as_bytes()).unwrap().turn
    };
    let turn_start = r#"{"type":"assistant.turn_start","data":{}}"#.to_owned();
    let asked =
        [turn_start, event("permission.requested", "a"), event("permission.requested", "b")];
    let answer = |id| [&asked[..], &[event("permission.completed", id)]].concat();
    assert_eq!(turn(&answer("b")), TurnState::Waiting(WaitingFor::Permission));
    assert_eq!(turn(&answer("a")), TurnState::Waiting(WaitingFor::Permission));
    assert_eq!(
        turn(&[&answer("a")[..], &[event("permission.completed", "b")]].concat()),
        TurnState::InProgress
    );
    let question = [&asked[..1], &[event("user_input.requested", "q")]].concat();
    assert_eq!(turn(&question), TurnState::Waiting(WaitingFor::Question));
}

#[test]
fn a_question_of_the_models_waits_until_its_call_has_ended() {
    let start = r#"{"type":"session.start","data":{"sessionId":"s"}}
{"type":"assistant.turn_start","data":{}}"#;
    let asks = r#"{"type":"tool.execution_start","data":{"toolCallId":"c","toolName":"ask_user"}}"#;
    let plans =
        r#"{"type":"tool.execution_start","data":{"toolCallId":"c","toolName":"exit_plan_mode"}}"#;
    let works = r#"{"type":"tool.execution_start","data":{"toolCallId":"d","toolName":"bash"}}"#;
    let told = r#"{"type":"tool.execution_complete","data":{"toolCallId":"c"}}"#;
    let check = |events: &[&str], expect| {
        let text = format!("{start}\n{}\n", events.join("\n"));
        assert_eq!(parse(text.as_bytes()).unwrap().turn, expect, "{events:?}");
    };
    check(&[asks], TurnState::Waiting(WaitingFor::Question));
    check(&[asks, works], TurnState::Waiting(WaitingFor::Question));
    check(&[asks, told], TurnState::InProgress);
    check(&[plans], TurnState::Waiting(WaitingFor::Plan));
    check(&[plans, told], TurnState::InProgress);
    check(&[works], TurnState::InProgress);
}

#[test]
fn what_is_called_off_after_a_turn_does_not_begin_it_again() {
    let record = parse(
        br#"{"type":"session.start","data":{"sessionId":"s"}}
{"type":"assistant.turn_start","data":{}}
{"type":"tool.execution_start","data":{"toolCallId":"c","toolName":"bash"}}
{"type":"permission.requested","data":{"requestId":"r"}}
{"type":"assistant.turn_end","data":{}}
{"type":"abort","data":{"reason":"user_initiated"}}
{"type":"permission.completed","data":{"requestId":"r","result":{"kind":"cancelled"}}}
{"type":"tool.execution_complete","data":{"toolCallId":"c"}}
"#,
    );
    assert_eq!(record.unwrap().turn, TurnState::Interrupted);
}

/// What is said of the session that was killed while it asked, with these Copilots at terminals; those without
/// arguments have it open.
fn killed_and_opened(copilots: &[(i32, u64, &[&str])]) -> Vec<(String, Option<u64>)> {
    let table = FakeProc::new();
    let home = home();
    let environ = [("HOME", home.to_str().unwrap())];
    let terminal = Path::new("/dev/pts/3");
    for (pid, ticks, arguments) in copilots {
        let process = table.process_like(*pid, *ticks, "MainThread", 1, 34_819);
        let process = process.exe("/opt/bin/copilot").arguments(arguments).environ(&environ);
        let process = process.open_file(0, terminal).open_file(1, terminal);
        if arguments.len() == 1 {
            process.open_file(41, &session(INTERACTIVE).join(format!("inuse.{pid}.hold")));
        }
    }
    let roster = testing::concluded(&ADAPTER, &table.scope_with(&home, &[]));
    let rows = roster["sessions"].as_array().unwrap().iter();
    let told = rows.filter(|it| it["sessionId"] == INTERACTIVE || it["sessionId"].is_null());
    told.map(|it| (it["reason"].as_str().unwrap().to_owned(), it["process"]["pid"].as_u64()))
        .collect()
}

#[test]
fn a_session_that_is_resumed_is_idle_until_it_is_asked_something() {
    // A long time after the records end.
    const LATER: u64 = 100_000_000;
    let says = |reason: &str, pid| (reason.to_owned(), pid);
    let resume: &[&str] = &["copilot", "--resume", INTERACTIVE];
    let joined = format!("--resume={INTERACTIVE}");
    let with_prompt: &[&str] = &["copilot", &joined, "-p", "Go on"];
    assert_eq!(killed_and_opened(&[(7, LATER, resume)]), [says("turn_ended", Some(7))]);
    assert_eq!(
        killed_and_opened(&[(7, LATER, &["copilot", &joined])]),
        [says("turn_ended", Some(7))]
    );
    assert_eq!(
        killed_and_opened(&[(7, LATER, with_prompt)]),
        [says("killed", None), says("process_alive", Some(7))]
    );
    let unknown: &[&str] = &["copilot", "--resume=of-another-store"];
    assert_eq!(
        killed_and_opened(&[(7, LATER, unknown)]),
        [says("killed", None), says("never_prompted", Some(7))]
    );
    // It asks whether to go on with what another has open.
    assert_eq!(
        killed_and_opened(&[(7, 100, &["copilot"]), (8, LATER, resume)]),
        [says("permission", Some(7)), says("never_prompted", Some(8))]
    );
    // What was begun before is not its own turn, though it has the session open.
    assert_eq!(killed_and_opened(&[(7, LATER, &["copilot"])]), [says("turn_ended", Some(7))]);
}

#[test]
fn a_close_in_the_middle_of_a_turn_interrupts_it() {
    let record = parse(
        br#"{"type":"session.start","data":{"sessionId":"s"}}
{"type":"user.message","data":{"content":"do"}}
{"type":"assistant.turn_start","data":{}}
{"type":"session.shutdown","timestamp":"2026-11-22T20:30:19.872Z","data":{}}
"#,
    );
    assert_eq!(record.unwrap().turn, TurnState::Interrupted);
}

#[test]
fn a_call_is_counted_once_and_in_the_session_that_made_it() {
    let call = |id: &str, of: &str| {
        format!(
            r#"{{"type":"session.usage_record","data":{{"usage":{{"inputTokens":1200,"outputTokens":34,"cacheReadTokens":200,"accounting":{{"sourceSessionId":"{of}","usageId":"{id}"}}}}}}}}"#
        )
    };
    let start = r#"{"type":"session.start","data":{"sessionId":"fork","context":{"cwd":"/work"}}}"#;
    let lines = [
        start.into(),
        call("1", "parent"),
        call("2", "fork"),
        call("2", "fork"),
        call("3", "fork"),
    ];
    let home = store("fork", &format!("{}\n", lines.join("\n")));
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope_with(home.path(), &[]));
    let usage = &roster["sessions"][0]["usage"];
    assert_eq!(
        (&usage["inputTokens"], &usage["outputTokens"], &usage["cacheReadTokens"]),
        (&2000.into(), &68.into(), &400.into())
    );
}

#[test]
fn what_was_said_is_shown_with_the_calls_of_tools() {
    let text = std::fs::read_to_string(
        session("b905a18a-eaa4-4f3d-86d7-64ad1c03cc6b").join("events.jsonl"),
    );
    let text = text.unwrap();
    let turns = text.lines().flat_map(|it| events::turns(it.as_bytes()));
    let said: Vec<_> = turns.map(|it| (it.role, it.tool, it.text)).collect();
    let [prompt, call, result, ..] = &said[..] else { panic!("{said:?}") };
    assert_eq!(prompt.0, Role::User);
    assert_eq!((call.0, call.1.as_deref()), (Role::Tool, Some("bash")));
    assert_eq!(call.2, r#"{"command":"echo one; sleep 1","description":"Run a mock command"}"#);
    assert_eq!(
        (result.0, result.2.as_str()),
        (Role::Tool, "one\n<shellId: 0 completed with exit code 0>")
    );
    assert_eq!(said.last().unwrap(), &(Role::Assistant, None, "done".to_owned()));
}

#[test]
fn a_transcript_cut_at_any_byte_is_read_or_refused() {
    let path = session(INTERACTIVE).join("events.jsonl");
    let bytes = std::fs::read(path).unwrap();
    let first_line = memchr::memchr(b'\n', &bytes).unwrap();
    for end in 0..bytes.len() {
        let record = parse(&bytes[..end]);
        assert_eq!(record.is_some(), end > first_line, "cut at {end}");
    }
}

#[test]
fn what_is_no_transcript_costs_one_problem() {
    for bytes in [
        "",
        "\0\u{1}binary\n",
        "{}\n",
        "[1,2]\n",
        r#"{"type":"session.start","data":{"sessionId":7}}"#,
    ] {
        let home = store("s", &format!("{bytes}\n"));
        let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
        assert_eq!(roster["sessions"], serde_json::json!([]), "{bytes}");
        assert_eq!(roster["report"]["problems"][0]["kind"], "malformed", "{bytes}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        tail in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..4000,
    ) {
        let mut bytes = std::fs::read(session(INTERACTIVE).join("events.jsonl")).unwrap();
        bytes.truncate(cut);
        bytes.extend(tail);
        bytes.push(b'\n');
        parse(&bytes);
        for line in bytes.split(|it| *it == b'\n') {
            events::turns(line);
        }
    }
}
