use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::evidence::{Bond, Claim, Failure, TurnState};
use super::super::excerpt::Excerpt;
use super::*;
use crate::base::Timestamp;
use crate::procs::Terminal;
use crate::protocol::session::Role;
use crate::testing::{self, FakeProc, FakeProcess};

const ID: &str = "11111111-2222-4333-8444-555555555555";
const SLOW: &str = "f0553513-6e4a-42fa-9b9e-2334093b7c2e";

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gemini/home")
}

fn chat(name: &str) -> Vec<u8> {
    std::fs::read(home().join(".gemini/tmp/gemwork/chats").join(name)).unwrap()
}

fn parse(bytes: &[u8]) -> Option<Record> {
    chat::parse(&Excerpt::whole(Path::new("/x/chats/session-y.jsonl"), bytes))
        .ok()
        .map(|it| it.value)
}

/// A store with one chat in a project of `/work/a`.
fn store(name: &str, text: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join(".gemini/tmp/a");
    std::fs::create_dir_all(project.join("chats")).unwrap();
    std::fs::write(project.join(".project_root"), "/work/a").unwrap();
    std::fs::write(project.join("chats").join(name), text).unwrap();
    home
}

/// A Gemini and the child that it starts itself again as, as both were seen.
fn gemini<'a>(
    table: &'a FakeProc,
    pids: (i32, i32),
    ticks: u64,
    home: &Path,
    args: &[&str],
) -> FakeProcess<'a> {
    let environ = [("HOME", home.to_str().unwrap())];
    let script = "/opt/npm/node_modules/.bin/gemini";
    let outer = [&["node", script][..], args].concat();
    table
        .process(pids.0, ticks, "node")
        .arguments(&outer)
        .environ(&environ)
        .cwd("/home/dev/gemwork");
    let inner = [&["/usr/bin/node", "--max-old-space-size=12052", script][..], args].concat();
    let child = table.process_like(pids.1, ticks + 40, "node", pids.0, 0);
    child.arguments(&inner).environ(&environ).cwd("/home/dev/gemwork")
}

#[test]
fn a_recorded_home_with_a_session_that_is_resumed() {
    let table = FakeProc::new();
    gemini(&table, (30724, 30743), 100, &home(), &["--resume", ID, "-p", "second turn"]);
    insta::assert_json_snapshot!(testing::concluded(&ADAPTER, &table.scope_with(&home(), &[])));
}

#[test]
fn one_that_names_no_session_is_paired_by_directory_and_times() {
    let chat = String::from_utf8(chat("session-2026-11-22T20-28-f0553513.jsonl")).unwrap();
    let home = store("session-2026-11-22T20-28-f0553513.jsonl", &chat);
    std::fs::write(home.path().join(".gemini/tmp/a/.project_root"), "/home/dev/gemwork").unwrap();
    let table = FakeProc::new();
    // The session begins 1721 seconds after the kernel's boot.
    gemini(&table, (30724, 30743), 171_900, home.path(), &["-p", "SLOW=18 gem"]);
    let claims = claims(&table.scope(home.path()));
    let [claim] = &claims[..] else { panic!("{claims:?}") };
    assert_eq!(claim.session.as_ref().map(SessionId::as_str), Some(SLOW));
    assert_eq!((claim.process.pid.0, claim.bond), (30743, Bond::Inferred));
}

#[test]
fn a_turn_that_was_cut_off_is_none_of_a_process_that_resumes_its_session() {
    let chat = String::from_utf8(chat("session-2026-11-22T20-28-f0553513.jsonl")).unwrap();
    let (asked, _) = chat.split_once("{\"id\":\"f4b0e806").unwrap();
    let home = store("session-2026-11-22T20-28-f0553513.jsonl", asked);
    let reason = |ticks, is_at_terminal| {
        let table = FakeProc::new();
        let arguments = &["node", "/opt/npm/node_modules/.bin/gemini", "--resume", SLOW];
        let process = table.process_like(8, ticks, "node", 1, 34_819).arguments(arguments);
        let process = process.environ(&[("HOME", home.path().to_str().unwrap())]);
        if is_at_terminal {
            let tty = Path::new("/dev/pts/3");
            process.open_file(0, tty).open_file(1, tty);
        }
        let rows = testing::concluded(&ADAPTER, &table.scope(home.path()));
        assert_eq!(rows["sessions"][0]["process"]["pid"], 8);
        rows["sessions"][0]["reason"].as_str().unwrap().to_owned()
    };
    // It was asked 1721 seconds after the kernel's boot, and what it is called changed later.
    assert_eq!(reason(171_900, true), "turn_in_progress");
    assert_eq!(reason(180_000, true), "turn_ended");
    // One without a terminal was started for a turn, which is not written down yet.
    assert_eq!(reason(180_000, false), "process_alive");
}

#[test]
fn an_interface_in_a_turn_that_draws_nothing_waits_for_a_person() {
    let chat = String::from_utf8(chat("session-2026-11-22T20-28-f0553513.jsonl")).unwrap();
    let (asked, _) = chat.split_once("{\"id\":\"f4b0e806").unwrap();
    let home = store("session-2026-11-22T20-28-f0553513.jsonl", asked);
    let now = Timestamp::parse("2026-11-22T21:00:00Z").unwrap();
    let reason = |drawn_before_s: i64, arguments: &[&str], is_suspended: bool| {
        let table = FakeProc::new();
        let arguments = [&["node", "/opt/bin/gemini", "--resume", SLOW], arguments].concat();
        let process = table.process_like(8, 171_900, "node", 1, 34_819).arguments(&arguments);
        let process = process.environ(&[("HOME", home.path().to_str().unwrap())]);
        let tty = Path::new("/dev/pts/3");
        let process = process.open_file(0, tty).open_file(1, tty);
        if is_suspended {
            process.suspended();
        }
        let drawn = Timestamp::from_millis(now.as_millis() - drawn_before_s * 1000).unwrap();
        table.terminal(8, "/dev/pts/3", Terminal { typed: drawn, drawn });
        let mut scope = table.scope(home.path());
        scope.now = now;
        let rows = testing::concluded(&ADAPTER, &scope);
        let told = ["reason", "certainty"].map(|it| rows["sessions"][0][it].clone());
        told.map(|it| it.as_str().unwrap().to_owned()).join(" ")
    };
    let at_work = "turn_in_progress inferred";
    assert_eq!(reason(10, &[], false), at_work);
    assert_eq!(reason(11, &[], false), "input inferred");
    assert_eq!(reason(11, &[], true), "suspended asserted");
    assert_eq!(reason(11, &["-p", "x"], false), at_work, "it draws nothing at all");
    // A person may want to see nothing turn.
    let settings = home.path().join(".gemini/settings.json");
    std::fs::write(&settings, r#"{"ui": {"showSpinner": false}}"#).unwrap();
    assert_eq!(reason(11, &[], false), at_work);
    std::fs::write(&settings, "{}").unwrap();
    assert_eq!(reason(11, &[], false), "input inferred");
}

#[test]
fn a_server_without_a_session_and_commands_are_nobodys() {
    for args in [&["--acp"][..], &["--list-sessions"], &["mcp", "list"], &["--version"]] {
        let table = FakeProc::new();
        gemini(&table, (1000, 1001), 2_000_000, &home(), args);
        assert_eq!(claims(&table.scope(&home())), [], "{args:?}");
    }
    let table = FakeProc::new();
    gemini(&table, (1000, 1001), 2_000_000, Path::new("/home/other"), &["-p", "x"]);
    table.process(7, 100, "node").arguments(&["node", "/srv/app.js", "gemini"]);
    assert_eq!(claims(&table.scope(&home())), []);
}

fn claims(scope: &Scope) -> Vec<Claim> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let survey = runtime.block_on(super::super::Adapter::survey(&ADAPTER, scope.clone()));
    let claims = survey.sightings.into_iter().filter_map(|it| match it {
        Sighting::Claimed(claim) => Some(claim),
        _ => None,
    });
    claims.collect()
}

#[test]
fn one_whose_store_is_elsewhere_is_told_as_a_process_alone() {
    let check = |args: &[&str], expect: Option<bool>| {
        let table = FakeProc::new();
        let environ = [("HOME", home()), ("GEMINI_CLI_HOME", PathBuf::from("/else"))];
        let environ = environ.each_ref().map(|(name, value)| (*name, value.to_str().unwrap()));
        let script = [&["node", "/opt/npm/node_modules/.bin/gemini"][..], args].concat();
        let tty = Path::new("/dev/pts/3");
        let process = table.process_like(7, 100, "node", 1, 34_819).environ(&environ);
        let process = process.arguments(&script).open_file(0, tty);
        if !args.contains(&"-p") {
            process.open_file(1, tty);
        }
        let claims = claims(&table.scope(&home()));
        assert!(claims.iter().all(|it| it.session.is_none()));
        assert_eq!(claims.first().map(|it| it.hints.may_be_idle), expect, "{args:?}");
    };
    check(&["--resume", ID], Some(true));
    check(&["-p", "hi"], Some(false));
    check(&["--acp"], None);
    check(&["--version"], None);
}

#[test]
fn arguments_name_a_session_only_by_its_whole_id() {
    let named = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        named_session(&args).map(|it| it.to_string())
    };
    assert_eq!(named(&["gemini", "--session-id", ID]).as_deref(), Some(ID));
    assert_eq!(named(&["gemini", "-r", ID, "-p", "x"]).as_deref(), Some(ID));
    assert_eq!(named(&["gemini", &format!("--resume={ID}")]).as_deref(), Some(ID));
    for args in [
        &["--resume", "latest"][..],
        &["--resume", "3"],
        &["--resume"],
        &["-p", ID],
        &["--", "-r", ID],
    ] {
        assert_eq!(named(args), None, "{args:?}");
    }
}

#[test]
fn the_home_may_be_elsewhere() {
    let vars = [("GEMINI_CLI_HOME", home())];
    let vars = vars.each_ref().map(|(name, value)| (*name, value.to_str().unwrap()));
    let scope = FakeProc::new().scope_with(Path::new("/nonexistent"), &vars);
    assert_eq!(testing::concluded(&ADAPTER, &scope)["report"]["sessions"], 4);
    assert_eq!(testing::concluded(&ADAPTER, &testing::scope())["report"]["outcome"], "absent");
}

#[test]
fn how_the_turn_stands_after_each_line() {
    use TurnState::{Completed, InProgress, NeverPrompted};
    let text = chat("session-2026-11-22T23-44-272c2e6b.jsonl");
    let lines: Vec<&[u8]> = text.split_inclusive(|it| *it == b'\n').collect();
    let at_work =
        [InProgress, InProgress, InProgress, InProgress, InProgress, InProgress, InProgress];
    let expect = [&[NeverPrompted, NeverPrompted][..], &at_work, &[Completed, Completed]].concat();
    let seen: Vec<_> =
        (1..=lines.len()).map(|it| parse(&lines[..it].concat()).unwrap().turn).collect();
    assert_eq!(seen, expect);
}

#[test]
fn a_prompt_that_was_taken_back_leaves_it_open_how_it_ended() {
    let record = parse(&chat("session-2026-11-22T23-44-214c6aff.jsonl")).unwrap();
    assert_eq!(record.turn, TurnState::Unknown);
    assert_eq!(record.prompt.as_deref(), Some("fail [[error:400]]"));
}

#[test]
fn a_prompt_that_was_taken_back_ended_as_was_noted_before() {
    let text = String::from_utf8(chat("session-2026-11-22T23-44-214c6aff.jsonl")).unwrap();
    let (asked, taken_back) = text.trim_end().rsplit_once('\n').unwrap();
    let check = |noted: &str, turn| {
        let text = format!("{asked}\n{noted}\n{taken_back}\n");
        assert_eq!(parse(text.as_bytes()).unwrap().turn, turn, "{noted}");
    };
    // As Gemini 0.61.0 writes it after Escape.
    let at =
        r#""id":"78342ef3-273f-45c5-80b3-f7e9ff12593f","timestamp":"2026-11-22T23:44:59.204Z""#;
    let cancelled = format!(r#"{{{at},"type":"info","content":"Request cancelled."}}"#);
    check(&cancelled, TurnState::Interrupted);
    check(&format!(r#"{{{at},"type":"error","content":"no"}}"#), TurnState::Failed(Failure::Model));
    check(&format!(r#"{{{at},"type":"info","content":"Try /help"}}"#), TurnState::Unknown);
    // What was asked after that was taken back without a word.
    let again =
        r#"{"id":"x","timestamp":"2026-11-22T23:45:00.000Z","type":"user","content":"Again"}"#;
    check(&format!("{cancelled}\n{again}"), TurnState::Unknown);
    // Before it is taken back, it has ended as well.
    let text = format!("{asked}\n{cancelled}\n");
    assert_eq!(parse(text.as_bytes()).unwrap().turn, TurnState::Interrupted);
}

#[test]
fn what_is_repeated_when_a_session_is_gone_on_with_was_said_when_it_was_said() {
    let message = |at: &str, text: &str| json!({ "id": at, "timestamp": at, "type": "user", "content": [{ "text": text }] });
    let context = |at: &str| message(at, "<session_context>\nThis is the Gemini CLI.");
    let header = |at: &str| json!({ "sessionId": ID, "startTime": at, "lastUpdated": at });
    let [first, asked] = ["2026-11-28T17:46:45.587Z", "2026-11-28T17:46:45.599Z"];
    let [second, repeated] = ["2026-11-28T17:46:48.871Z", "2026-11-28T17:46:48.968Z"];
    let all = [context(second), message(repeated, "Begin")];
    let mut lines = vec![
        header(first),
        json!({ "$set": { "messages": [context(first)] } }),
        message(asked, "Begin"),
        header(second),
        json!({ "$set": { "messages": [context(second)] } }),
        json!({ "$set": { "sessionId": ID } }),
        json!({ "$set": { "messages": all, "lastUpdated": repeated } }),
    ];
    let told = |lines: &[Value]| {
        let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
        let record = parse((lines.join("\n") + "\n").as_bytes()).unwrap();
        (record.turn, record.turn_moved)
    };
    let at = |text| Timestamp::parse(text);
    assert_eq!(told(&lines), (TurnState::InProgress, at(asked)));
    assert_eq!(told(&[&lines[..2], &lines[6..]].concat()), (TurnState::InProgress, None));
    let later = "2026-11-28T17:47:00.000Z";
    lines.push(message(later, "Go on"));
    assert_eq!(told(&lines), (TurnState::InProgress, at(later)));
}

/// A chat that was rewound to before its second question, asked a third, and rewound to before the first.
/// A chat in which `/chat resume` went back to what had been kept after the first answer.
const ANOTHER: &str = include_str!("../../../tests/fixtures/gemini/another-conversation.jsonl");
const REWOUND: &str = include_str!("../../../tests/fixtures/gemini/rewound.jsonl");

#[test]
fn a_chat_that_was_rewound_stands_at_the_end_of_a_turn() {
    let (middle, start) = REWOUND.trim_end().rsplit_once('\n').unwrap();
    // A moment later it notes what is left.
    let emptied = format!("{REWOUND}{}\n", r#"{"$set":{"messages":[]}}"#);
    let shorter = middle.split("{\"id\":\"9616b8c4").next().unwrap();
    for text in [shorter, middle, REWOUND, &emptied] {
        let record = parse(format!("{}\n", text.trim_end()).as_bytes()).unwrap();
        assert_eq!(record.turn, TurnState::Completed, "{text}");
        assert_eq!(record.prompt.as_deref(), Some("First question"));
    }
    assert!(start.contains("$rewindTo"));
}

#[test]
fn what_was_rewound_is_no_part_of_the_conversation() {
    let (middle, _) = REWOUND.trim_end().rsplit_once('\n').unwrap();
    let file = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
    let said = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        let record = parse(text.as_bytes()).unwrap();
        let record = Record { path: Some(file.path().to_owned()), ..record };
        testing::peeked(&ADAPTER, testing::scope(), record, 20)
    };
    let left = ["First", "Third"]
        .map(|it| [format!("{it} question"), format!("reply to: {it} question.")]);
    assert_eq!(said(&format!("{middle}\n")), (left.concat(), false));
    assert_eq!(said(REWOUND), (Vec::new(), false));
}

#[test]
fn a_conversation_that_is_taken_up_again_takes_the_place_of_the_present_one() {
    let said = |text: &str| {
        let file = tempfile::NamedTempFile::with_suffix(".jsonl").unwrap();
        std::fs::write(file.path(), text).unwrap();
        let record = parse(text.as_bytes()).unwrap();
        assert_eq!(record.turn, TurnState::Completed);
        let record = Record { path: Some(file.path().to_owned()), ..record };
        testing::peeked(&ADAPTER, testing::scope(), record, 20).0
    };
    let turns = |of: &[&str]| {
        let turns = of.iter().map(|it| [format!("{it} thing"), format!("reply to: {it} thing.")]);
        turns.flatten().collect::<Vec<_>>()
    };
    assert_eq!(said(ANOTHER), turns(&["One", "Three"]));
    // Before that it was the one with the second question.
    let (before, _) = ANOTHER.split_once(r#"{"id":"97cf0a2f-"#).unwrap();
    assert_eq!(said(before), turns(&["One", "Two"]));
}

#[test]
fn answers_that_are_repeated_count_once() {
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope_with(&home(), &[]));
    let usage = |id: &str| {
        let sessions = roster["sessions"].as_array().unwrap();
        let session = sessions.iter().find(|it| it["sessionId"] == id).unwrap();
        session["usage"]["inputTokens"].as_u64()
    };
    // Two answers, of which the first stands in the file twice; two answers, of which the first was written again.
    assert_eq!(usage(ID), Some(200));
    assert_eq!(usage("272c2e6b-9eea-412a-a3da-73b70f409981"), Some(200));
}

#[test]
fn a_subagent_belongs_to_the_session_of_its_directory() {
    let header =
        r#"{"sessionId":"child","startTime":"2026-11-22T20:27:29.227Z","kind":"subagent"}"#;
    let home = store("x.jsonl", &format!("{header}\n"));
    let chats = home.path().join(".gemini/tmp/a/chats");
    std::fs::create_dir(chats.join(ID)).unwrap();
    std::fs::rename(chats.join("x.jsonl"), chats.join(ID).join("child.jsonl")).unwrap();
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
    let child = &roster["sessions"][0];
    assert_eq!(
        (&child["kind"], &child["parentSessionId"], &child["cwd"]),
        (&"subagent".into(), &ID.into(), &"/work/a".into())
    );
}

#[test]
fn a_whole_file_of_an_older_version_is_read() {
    let text = r#"{
  "sessionId": "old", "projectHash": "8f76", "startTime": "2025-09-01T10:00:00.000Z", "lastUpdated": "2025-09-01T10:05:00.000Z",
  "messages": [
    {"id": "1", "timestamp": "2025-09-01T10:00:01.000Z", "type": "user", "content": "an old question"},
    {"id": "2", "timestamp": "2025-09-01T10:05:00.000Z", "type": "gemini", "content": "an old answer", "model": "gemini-2.5-pro",
     "tokens": {"input": 10, "output": 2, "cached": 4, "thoughts": 3, "tool": 1, "total": 16}}
  ]
}"#;
    let home = store("session-2025-09-01T10-00-old.json", text);
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
    let session = &roster["sessions"][0];
    assert_eq!(
        (&session["prompt"], &session["model"]),
        (&"an old question".into(), &"gemini-2.5-pro".into())
    );
    assert_eq!(
        (&session["reason"], &session["updatedAt"]),
        (&"completed".into(), &"2025-09-01T10:05:00.000Z".into())
    );
}

#[test]
fn tokens_are_shown_as_the_protocol_has_them() {
    let tokens: chat::Tokens = serde_json::from_str(
        r#"{"input":10,"output":2,"cached":4,"thoughts":3,"tool":1,"total":16}"#,
    )
    .unwrap();
    let usage = tokens.shown();
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 5));
    assert_eq!((usage.cache_read_tokens, usage.reasoning_tokens), (Some(4), Some(3)));
}

#[test]
fn what_was_said_is_shown_without_the_preamble() {
    let text = chat("session-2026-11-22T23-44-272c2e6b.jsonl");
    let turns = text.split(|it| *it == b'\n').flat_map(chat::turns);
    let said: Vec<_> = turns.map(|it| (it.role, it.tool, it.text)).collect();
    assert_eq!(
        said,
        [
            (Role::User, None, "do it [[bash:echo one; sleep 1]] [[say:done]]".into()),
            (
                Role::Tool,
                Some("run_shell_command".into()),
                r#"{"command":"echo one; sleep 1"}"#.into()
            ),
            (Role::Assistant, None, "done.".into()),
        ]
    );
}

#[test]
fn a_chat_cut_at_any_byte_is_read_or_refused() {
    let bytes = chat("session-2026-11-22T20-27-11111111.jsonl");
    let header = memchr::memchr(b'\n', &bytes).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(parse(&bytes[..end]).is_some(), end > header, "cut at {end}");
    }
}

#[test]
fn what_is_no_chat_costs_one_problem() {
    for name in ["session-x.jsonl", "session-x.json"] {
        for text in
            ["", "\0binary\n", "[]\n", "{}\n", "{\"sessionId\":7}\n", "{\"sessionId\":\"\"}\n"]
        {
            let home = store(name, text);
            let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
            assert_eq!(roster["sessions"], serde_json::json!([]), "{name}: {text}");
            assert_eq!(roster["report"]["problems"][0]["kind"], "malformed", "{name}: {text}");
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        tail in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0_usize..5000,
    ) {
        let mut bytes = chat("session-2026-11-22T23-44-272c2e6b.jsonl");
        bytes.truncate(cut);
        bytes.extend(tail);
        bytes.push(b'\n');
        parse(&bytes);
        for line in bytes.split(|it| *it == b'\n') {
            chat::turns(line);
        }
    }
}
