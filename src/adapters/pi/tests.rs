use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::adapters::evidence::{Failure, Record, TurnState};
use crate::adapters::excerpt::Excerpt;
use crate::adapters::{Adapter, pi_rust};
use crate::protocol::session::Turn;
use crate::testing::{self, FakeProc};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pi").join(name)
}

/// One line for each session: what it is, how it stands, what it says, what it took.
pub(in crate::adapters) fn roster(adapter: &'static dyn Adapter, scope: &Scope) -> String {
    let concluded = testing::concluded(adapter, scope);
    assert_eq!(concluded["report"]["problems"], json!([]));
    let line = |row: &Value| {
        let usage = &row["usage"];
        let fields = [
            &row["sessionId"],
            &row["status"],
            &row["reason"],
            &row["certainty"],
            &row["process"]["pid"],
            &row["cwd"],
            &row["createdAt"],
            &row["updatedAt"],
            &row["model"],
            &row["title"],
            &row["prompt"],
            &row["forkedFrom"],
            &usage["inputTokens"],
            &usage["outputTokens"],
            &usage["cacheReadTokens"],
            &usage["reasoningTokens"],
            &usage["costUsd"],
        ];
        let shown = fields.map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
        format!("{}\n", shown.join(" | ").replace("null", "-"))
    };
    concluded["sessions"].as_array().unwrap().iter().map(line).collect()
}

/// How the session of each row stands, and which process owns it.
pub(in crate::adapters) fn standing(adapter: &'static dyn Adapter, scope: &Scope) -> Vec<String> {
    let concluded = testing::concluded(adapter, scope);
    let line = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap_or("-").to_owned();
        let id: String = text("sessionId").chars().take(13).collect();
        format!("{id} {} {} {}", text("status"), text("reason"), row["process"]["pid"])
    };
    concluded["sessions"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn a_store_that_nobody_works_in() {
    let table = FakeProc::new();
    insta::assert_snapshot!(roster(&ADAPTER, &table.scope(&fixture("final"))), @r"
    01a204f6-844d-73c4-8b03-5aab158a0bf0 | stopped | completed | asserted | - | /home/dev/work/a | 2026-11-22T20:33:14.318Z | 2026-11-22T20:33:14.613Z | mock-1 | - | hello pi one | - | 1000 | 34 | 200 | - | 0.0035700000000000003
    01a204f6-8c6a-71a3-9441-069f54705eec | stopped | completed | asserted | - | /home/dev/work/a | 2026-11-22T20:33:16.395Z | 2026-11-22T20:33:30.603Z | mock-1 | - | [[slow 14]] pi slow | - | 1000 | 34 | 200 | - | 0.0035700000000000003
    01a204f7-8c62-72c2-bcf2-47f894bc9b89 | stopped | killed | inferred | - | /home/dev/work/b | 2026-11-22T20:34:21.922Z | 2026-11-22T20:48:50.162Z | mock-1 | - | do [[bash sleep 12; echo hi]] | - | 6000 | 204 | 1200 | - | 0.02142
    01a204fa-505b-77bc-b173-173d11852440 | failed | model_error | asserted | - | /home/dev/work/a | 2026-11-22T20:37:23.163Z | 2026-11-22T20:37:23.422Z | mock-1 | - | [[error 400]] | - | 0 | 0 | 0 | - | 0.0
    01a204fa-5d10-71df-b6f8-058ebf1ab46d | failed | model_error | asserted | - | /home/dev/work/a | 2026-11-22T20:37:26.417Z | 2026-11-22T20:37:26.824Z | mock-1 | - | [[error 400]] j | - | 0 | 0 | 0 | - | 0.0
    01a204fa-66f5-74e7-aa14-1581863ad69e | stopped | completed | asserted | - | /home/dev/work/a | 2026-11-22T20:37:28.950Z | 2026-11-22T20:37:29.129Z | mock-1 | - | do [[bash sleep 12; echo hi]] | 01a204f7-8c62-72c2-bcf2-47f894bc9b89 | 1000 | 34 | 200 | - | 0.0035700000000000003
    01a204fc-f6de-7779-99af-607582504d47 | stopped | interrupted | asserted | - | /home/dev/work/c | 2026-11-22T20:40:16.863Z | 2026-11-22T20:40:24.284Z | mock-1 | - | rpc [[slow 8]] hello | - | 0 | 0 | 0 | - | 0.0
    01a204ff-e591-7729-bfa7-bf213a778cb1 | stopped | interrupted | asserted | - | /home/dev/work/c | 2026-11-22T20:43:29.042Z | 2026-11-22T20:43:46.369Z | mock-1 | My named session | tui hello [[bash sleep 9]] | - | 1000 | 34 | 200 | - | 0.0035700000000000003
    01a20503-c7c7-7397-a6f1-52d48617b93b | failed | model_error | asserted | - | /home/dev/work/c | 2026-11-22T20:47:43.559Z | 2026-11-22T20:47:43.764Z | mock-1 | - | [[error 400]] q | - | 0 | 0 | 0 | - | 0.0
    01a20504-b618-7310-90b8-de4d24b12f95 | stopped | completed | asserted | - | /home/dev/work/with space.dot_x | 2026-11-22T20:48:44.569Z | 2026-11-22T20:48:44.730Z | mock-1 | - | slug test | - | 1000 | 34 | 200 | - | 0.0035700000000000003
    01a20504-e699-7182-bb87-b4e0a86a06fc | stopped | completed | asserted | - | /home/dev/work/c | 2026-11-22T20:48:56.986Z | 2026-11-22T20:48:57.137Z | mock-1 | - | symlink | - | 1000 | 34 | 200 | - | 0.0035700000000000003
    my-custom-id-1 | stopped | completed | asserted | - | /home/dev/work/c | 2026-11-22T20:47:27.840Z | 2026-11-22T20:47:42.113Z | mock-1 | Named run | new pi [[slow 14]] x | - | 1000 | 34 | 200 | 4 | 0.0035700000000000003
    ");
}

/// Ticks after boot of a time of day in the fixtures.
pub(in crate::adapters) fn ticks(minutes: u64, seconds: u64) -> u64 {
    (minutes * 60 + seconds) * 100
}

#[test]
fn a_process_in_a_tool_owns_the_session_that_it_began() {
    let (table, home) = (FakeProc::new(), fixture("running"));
    let home_text = home.to_str().unwrap();
    table
        .process(4883, ticks(34, 20), "pi")
        .exe("/usr/bin/node")
        .arguments(&["pi", "", ""])
        .cwd("/home/dev/work/b")
        .environ(&[("HOME", home_text)]);
    insta::assert_snapshot!(standing(&ADAPTER, &table.scope(&home)).join("\n"), @r"
    01a204f6-844d stopped completed null
    01a204f6-8c6a stopped completed null
    01a204f7-8c62 running turn_in_progress 4883
    ");
}

#[test]
fn a_resumed_session_belongs_to_the_process_that_touched_it() {
    let (table, home) = (FakeProc::new(), fixture("final"));
    table
        .process(1, ticks(48, 48), "pi")
        .exe("/usr/bin/node22")
        .cwd("/home/dev/work/b")
        .environ(&[("HOME", home.to_str().unwrap())]);
    let rows = standing(&ADAPTER, &table.scope(&home));
    assert!(rows.contains(&"01a204f7-8c62 running turn_in_progress 1".to_owned()), "{rows:?}");
}

#[test]
fn processes_without_a_session_are_shown_as_far_as_they_are_known() {
    let (table, home) = (FakeProc::new(), fixture("final"));
    let vars = [("HOME", home.to_str().unwrap())];
    let tty = Path::new("/dev/pts/0");
    // A terminal beside old sessions, idle or in its first answer, a first answer without a terminal, one that has not yet wiped
    // its arguments, and one that a program may feed.
    let interface = table.process_like(11, ticks(50, 0), "pi", 1, 34816).cwd("/home/dev/work/c");
    interface.exe("/usr/bin/node").environ(&vars).open_file(0, tty).open_file(1, tty);
    let first = table.process(2, ticks(50, 0), "pi").cwd("/home/dev/work/a");
    first.exe("/usr/bin/node").environ(&vars);
    let starting = table.process(3, ticks(50, 0), "node").cwd("/home/dev/work/a");
    starting.exe("/usr/bin/node").environ(&vars).arguments(&["node", "/x/.bin/pi", "-p", "hello"]);
    let fed = table.process(4, ticks(50, 0), "pi").cwd("/home/dev/work/a");
    fed.exe("/usr/bin/node").environ(&vars).open_file(0, Path::new("socket:[4711]"));
    let rows = standing(&ADAPTER, &table.scope(&home));
    let live: Vec<_> = rows.iter().filter(|it| !it.ends_with("null")).collect();
    let expect = [
        "- running process_alive 2",
        "- running process_alive 3",
        "- unknown process_alive 4",
        "- unknown process_alive 11",
    ];
    assert_eq!(live, expect);
    // A tool of it runs: it is at work, whatever it keeps.
    table.process_like(12, ticks(51, 0), "bash", 11, 34816);
    let rows = standing(&ADAPTER, &table.scope(&home));
    assert!(rows.contains(&"- running process_alive 11".to_owned()), "{rows:?}");
}

#[test]
fn processes_of_others_are_not_ours() {
    let (table, home) = (FakeProc::new(), fixture("running"));
    let vars = [("HOME", home.to_str().unwrap())];
    let begin = |pid| table.process(pid, ticks(34, 20), "pi").cwd("/home/dev/work/b");
    begin(1).exe("/usr/bin/node").environ(&[("HOME", "/home/other")]);
    begin(2).exe("/opt/pi").environ(&vars);
    begin(3).environ(&vars);
    let node = table.process(4, ticks(34, 20), "node").cwd("/home/dev/work/b").environ(&vars);
    node.arguments(&["node", "server.js", "/pi"]).exe("/usr/bin/node");
    let rows = standing(&ADAPTER, &table.scope(&home));
    assert!(rows.iter().all(|it| it.ends_with("null")), "{rows:?}");
}

#[test]
fn one_whose_store_is_elsewhere_is_told_as_a_process_alone() {
    let (table, home) = (FakeProc::new(), fixture("running"));
    let elsewhere = [("HOME", home.to_str().unwrap()), ("PI_CODING_AGENT_DIR", "/else")];
    let tty = Path::new("/dev/pts/0");
    let begin = |pid, tty_nr| {
        let process = table.process_like(pid, ticks(34, 20), "pi", 1, tty_nr);
        process.cwd("/home/dev/work/b").exe("/usr/bin/node").environ(&elsewhere)
    };
    begin(11, 34_816).open_file(0, tty).open_file(1, tty);
    begin(12, 0);
    let rows = standing(&ADAPTER, &table.scope(&home));
    let live: Vec<_> = rows.iter().filter(|it| !it.ends_with("null")).collect();
    assert_eq!(live, ["- unknown process_alive 11", "- running process_alive 12"]);
}

/// A home with the sessions of both agents in one folder, and what else lies there.
fn shared_home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join(".pi/agent/sessions");
    for agent in ["pi", "pi-rust"] {
        let store = fixture("..").join(agent).join("final/.pi/agent/sessions");
        for entry in fs::read_dir(store).unwrap() {
            let entry = entry.unwrap().path();
            let place = sessions.join(entry.file_name().unwrap());
            if entry.is_file() {
                fs::copy(&entry, &place).unwrap();
                continue;
            }
            fs::create_dir_all(&place).unwrap();
            for file in fs::read_dir(&entry).unwrap() {
                let file = file.unwrap().path();
                fs::copy(&file, place.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
    let parts = sessions.join("--home-dev-work-c--/2026-11-22T20-57-27.240Z_10a9f8b7.v2/segments");
    fs::create_dir_all(&parts).unwrap();
    fs::write(parts.join("000001.jsonl"), "{}\n").unwrap();
    fs::create_dir_all(sessions.join("--home-dev-empty--")).unwrap();
    home
}

fn ids(adapter: &'static dyn Adapter, scope: &Scope) -> Vec<String> {
    let concluded = testing::concluded(adapter, scope);
    assert_eq!(concluded["report"]["problems"], json!([]));
    let rows = concluded["sessions"].as_array().unwrap();
    rows.iter().map(|it| it["sessionId"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn one_folder_of_two_agents_lists_each_session_once() {
    let home = shared_home();
    let scope = testing::scope_at(home.path());
    let (pi, rust) = (ids(&ADAPTER, &scope), ids(&pi_rust::ADAPTER, &scope));
    assert_eq!((pi.len(), rust.len()), (12, 3));
    assert!(rust.iter().all(|it| !pi.contains(it)));
}

#[test]
fn a_flat_folder_is_read_and_what_is_no_session_there_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let flat = home.path().join("project");
    fs::create_dir(&flat).unwrap();
    let header = |id: &str, more: &str| {
        format!("{{\"type\":\"session\",\"id\":\"{id}\",\"cwd\":\"/p\"{more}}}\n")
    };
    fs::write(flat.join("2026-11-22T20-33-14-318Z_a.jsonl"), header("a", "")).unwrap();
    fs::write(flat.join("mine.jsonl"), header("b", "")).unwrap();
    fs::write(flat.join("rust.jsonl"), header("c", ",\"modelId\":\"m\"")).unwrap();
    fs::write(flat.join("data.jsonl"), "{\"type\":\"row\"}\n").unwrap();
    fs::write(flat.join("torn.jsonl"), "{\"type\":\"sess").unwrap();
    fs::write(flat.join("notes.txt"), header("d", "")).unwrap();
    let table = FakeProc::new();
    let scope = table.scope_with(home.path(), &[("PI_CODING_AGENT_SESSION_DIR", "~/project")]);
    assert_eq!(ids(&ADAPTER, &scope), ["a", "b"]);
    assert_eq!(ids(&pi_rust::ADAPTER, &scope), ["c"]);
}

#[test]
fn a_fork_of_a_file_that_a_person_named_is_not_counted_for_what_its_source_spent() {
    let recorded = |name: &str| {
        let path = fixture("final").join(".pi/agent/sessions").join(name);
        fs::read_to_string(path).unwrap()
    };
    let source = recorded(
        "--home-dev-work-b--/2026-11-22T20-34-21-922Z_01a204f7-8c62-72c2-bcf2-47f894bc9b89.jsonl",
    );
    let fork = recorded(
        "--home-dev-work-a--/2026-11-22T20-37-28-950Z_01a204fa-66f5-74e7-aa14-1581863ad69e.jsonl",
    );
    let header: Value = serde_json::from_str(fork.lines().next().unwrap()).unwrap();
    let told = |source_name: &str| {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join(".pi/agent/sessions");
        fs::create_dir_all(&dir).unwrap();
        let named = dir.join(source_name);
        let recorded_source = header["parentSession"].as_str().unwrap();
        fs::write(&named, &source).unwrap();
        let fork = fork.replace(recorded_source, named.to_str().unwrap());
        fs::write(dir.join("fork.jsonl"), fork).unwrap();
        let scope = FakeProc::new().scope_with(home.path(), &[]);
        let concluded = testing::concluded(&ADAPTER, &scope);
        let mut rows = concluded["sessions"].as_array().unwrap().iter();
        let fork = rows.find(|it| it["sessionId"] == header["id"]).unwrap();
        (fork["forkedFrom"].clone(), fork["usage"].clone())
    };
    let by_id = told("2026-11-22T20-34-21-922Z_01a204f7-8c62-72c2-bcf2-47f894bc9b89.jsonl");
    let by_file = told("mine.jsonl");
    assert_eq!(by_id, by_file);
    let source: Value = serde_json::from_str(source.lines().next().unwrap()).unwrap();
    assert_eq!(by_file.0, source["id"]);
}

#[test]
fn nothing_stored_and_nothing_running_is_absent() {
    let home = tempfile::tempdir().unwrap();
    let concluded = testing::concluded(&ADAPTER, &testing::scope_at(home.path()));
    assert_eq!(concluded["report"]["outcome"], "absent");
}

fn message(message: &Value) -> String {
    json!({ "type": "message", "id": "1", "timestamp": "2026-11-22T20:40:00.000Z", "message": message })
        .to_string()
}

const HEADER: &str =
    r#"{"type":"session","version":3,"id":"s","timestamp":"2026-11-22T20:30:00.000Z","cwd":"/p"}"#;

/// What a transcript of these lines behind a header says.
fn parsed(lines: &[String]) -> Record {
    let text = format!("{HEADER}\n{}\n", lines.join("\n"));
    parse_bytes(text.as_bytes()).unwrap()
}

fn parse_bytes(bytes: &[u8]) -> Option<Record> {
    let excerpt = Excerpt::whole(Path::new("/s/x.jsonl"), bytes);
    transcript::parse(&excerpt).ok().map(|it| it.value)
}

#[test]
fn the_last_message_says_how_the_turn_stands() {
    let check = |last: Value, expect: TurnState| {
        let asked = message(&json!({ "role": "user", "content": "go" }));
        let noise = r#"{"type":"compaction","id":"9","timestamp":"2026-11-22T20:41:00.000Z"}"#;
        let record = parsed(&[asked, message(&last), noise.into()]);
        assert_eq!(record.turn, expect, "{last}");
        assert_eq!(record.updated.unwrap().to_string(), "2026-11-22T20:41:00.000Z");
    };
    let answer = |reason: &str| json!({ "role": "assistant", "content": [], "stopReason": reason });
    let error = |text| json!({ "role": "assistant", "stopReason": "error", "errorMessage": text });
    check(answer("stop"), TurnState::Completed);
    check(answer("length"), TurnState::Completed);
    check(answer("toolUse"), TurnState::InProgress);
    check(answer("aborted"), TurnState::Interrupted);
    check(answer("paused"), TurnState::Unrecognised("paused".into()));
    check(error("400 mock error"), TurnState::Failed(Failure::Model));
    check(error("401 invalid x-api-key"), TurnState::Failed(Failure::Auth));
    check(json!({ "role": "toolResult", "content": [] }), TurnState::InProgress);
    check(json!({ "role": "bashExecution", "command": "ls" }), TurnState::InProgress);
    assert_eq!(parsed(&[]).turn, TurnState::NeverPrompted);
}

#[test]
fn the_last_model_and_the_last_name_count() {
    let answer = |model: &str| {
        message(&json!({ "role": "assistant", "model": model, "stopReason": "stop" }))
    };
    let changed = r#"{"type":"model_change","modelId":"b","provider":"p"}"#.to_owned();
    assert_eq!(parsed(&[answer("a"), changed.clone()]).model.as_deref(), Some("b"));
    assert_eq!(parsed(&[changed, answer("a")]).model.as_deref(), Some("a"));
    let name = |name: &str| json!({ "type": "session_info", "name": name }).to_string();
    assert_eq!(parsed(&[name("one"), name(" two ")]).title.as_deref(), Some("two"));
    assert_eq!(parsed(&[name("one"), name("")]).title, None);
}

#[test]
fn a_name_in_the_middle_of_a_long_transcript_is_found() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".pi/agent/sessions/--p--");
    fs::create_dir_all(&dir).unwrap();
    let name = |name: &str| json!({ "type": "session_info", "name": name }).to_string();
    let said = message(&json!({ "role": "user", "content": "x".repeat(4_000) }));
    let mut lines = vec![HEADER.to_owned(), name("first")];
    lines.extend(vec![said.clone(); 300]);
    lines.push(name("middle"));
    lines.extend(vec![said; 300]);
    fs::write(dir.join("2026-11-22T20-30-00-000Z_s.jsonl"), lines.join("\n") + "\n").unwrap();
    let scope = testing::scope_at(home.path());
    for _ in 0..2 {
        let rows = testing::concluded(&ADAPTER, &scope);
        assert_eq!(rows["sessions"][0]["title"], "middle");
        assert_eq!(rows["sessions"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn later_versions_and_members_of_the_wrong_type_cost_only_themselves() {
    let header =
        r#"{"type":"session","version":9,"id":"s","timestamp":5,"cwd":["/p"],"parentSession":{}}"#;
    let odd = r#"{"type":"message","timestamp":7,"message":"hello"}"#;
    let asked = message(&json!({ "role": "user", "content": [{ "type": "text", "text": "go" }] }));
    let text = format!("{header}\n{odd}\n[]\nnot json\n{asked}\n");
    let record = parse_bytes(text.as_bytes()).unwrap();
    assert_eq!((record.session.as_str(), record.created, record.cwd), ("s", None, None));
    assert_eq!(record.prompt.as_deref(), Some("go"));
    for text in
        ["", "\n", "{}\n", "[1]\n", "{\"type\":\"session\"}\n", "{\"type\":\"session\",\"id\":7}\n"]
    {
        assert!(parse_bytes(text.as_bytes()).is_none(), "{text}");
    }
}

fn transcripts() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for store in ["final", "running"] {
        let dirs = fs::read_dir(fixture(store).join(".pi/agent/sessions")).unwrap();
        for dir in dirs {
            let files = fs::read_dir(dir.unwrap().path()).unwrap();
            found.extend(files.map(|it| it.unwrap().path()));
        }
    }
    found
}

#[test]
fn a_transcript_torn_anywhere_keeps_its_identity_or_has_none() {
    let telling = |it: &PathBuf| {
        let name = it.to_str().unwrap();
        ["01a204ff", "my-custom-id"].iter().any(|id| name.contains(id))
    };
    for path in transcripts().into_iter().filter(telling) {
        let bytes = fs::read(&path).unwrap();
        let whole = parse_bytes(&bytes).unwrap();
        for end in 0..bytes.len() {
            if let Some(torn) = parse_bytes(&bytes[..end]) {
                assert_eq!((torn.session, torn.cwd), (whole.session.clone(), whole.cwd.clone()));
            }
        }
    }
}

#[test]
fn turns_are_said_by_whom_they_are() {
    let path =
        transcripts().into_iter().find(|it| it.to_str().unwrap().contains("01a204ff")).unwrap();
    let bytes = fs::read(path).unwrap();
    let said =
        |it: Turn| format!("{:?} {}: {}", it.role, it.tool.unwrap_or_default(), it.text.trim());
    let said: Vec<_> =
        bytes.split(|it| *it == b'\n').flat_map(transcript::turns).map(said).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    User : tui hello [[bash sleep 9]]
    Tool bash: {"command":"sleep 9","description":"mock command"}
    Tool bash: Command aborted
    User : !echo user-bash
    Tool bash: user-bash
    "#);
}

/// What is shown of the last turns, and whether there were more.
fn peeked(adapter: &'static dyn Adapter, path: &Path, turns: usize) -> (Vec<String>, bool) {
    let record = parse_bytes(&fs::read(path).unwrap()).unwrap();
    testing::peeked(
        adapter,
        testing::scope(),
        Record { path: Some(path.to_owned()), ..record },
        turns,
    )
}

#[test]
fn what_was_abandoned_is_no_part_of_the_conversation() {
    let store = fixture("tree/.pi/agent/sessions/--home-dev-work-tree--");
    let path = fs::read_dir(store).unwrap().next().unwrap().unwrap().path();
    let conversation = [
        "First question",
        "reply to: First question",
        "Third question",
        "reply to: Third question",
    ];
    for adapter in [&ADAPTER, &pi_rust::ADAPTER] {
        assert_eq!(peeked(adapter, &path, 20), (conversation.map(String::from).to_vec(), false));
        assert!(!peeked(adapter, &path, 4).1);
        let last = conversation[1..].iter().map(ToString::to_string).collect();
        assert_eq!(peeked(adapter, &path, 3), (last, true));
    }
    // `pi_agent_rust` leaves the member out where Pi says null.
    let home = tempfile::tempdir().unwrap();
    let unsaid = home.path().join(path.file_name().unwrap());
    let text = fs::read_to_string(path).unwrap().replace(r#""parentId":null,"#, "");
    fs::write(&unsaid, text).unwrap();
    assert_eq!(peeked(&pi_rust::ADAPTER, &unsaid, 20).0, conversation);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0..300_usize) {
        let path = Path::new("/s/x.jsonl");
        let valid = format!("{HEADER}\n{}\n", message(&json!({ "role": "user", "content": "go" }))).into_bytes();
        let mut mixed = valid.clone();
        mixed.splice(at.min(valid.len())..at.min(valid.len()), bytes.iter().copied());
        for text in [&bytes, &mixed] {
            let cut = text.len() / 2;
            drop(transcript::parse(&Excerpt::whole(path, text)));
            drop(transcript::parse(&Excerpt::parts(path, &text[..cut], &text[cut..])));
            for line in text.split(|it| *it == b'\n') {
                drop(transcript::turns(line));
                drop(transcript::link(line));
            }
        }
    }
}

#[test]
fn a_program_named_pi_is_whose_it_is_by_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let put = |path: &str, bytes: &[u8]| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    put("script/pi", b"#!/usr/bin/env node\n");
    put("native/pi", b"\x7fELF\x02\x01\x01");
    put("short/pi", b"\x7fEL");
    put("named/pi-rust", b"#!/bin/sh\n");
    put("manager/volta-shim", b"\x7fELF\x02\x01\x01");
    fs::create_dir(dir.path().join("shim")).unwrap();
    std::os::unix::fs::symlink("../manager/volta-shim", dir.path().join("shim/pi")).unwrap();
    for (path, is_pi, is_rust) in [
        ("script/pi", true, false),
        ("native/pi", false, true),
        ("short/pi", true, false),
        ("shim/pi", true, false),
        ("named/pi-rust", true, true),
    ] {
        let is = |it: &'static dyn Adapter| (it.driver().is_program)(&dir.path().join(path));
        assert_eq!((is(&ADAPTER), is(&pi_rust::ADAPTER)), (is_pi, is_rust), "{path}");
    }
}
