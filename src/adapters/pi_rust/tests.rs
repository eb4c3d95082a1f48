use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::adapters::excerpt::Excerpt;
use crate::adapters::pi::tests::{roster, standing, ticks};
use crate::testing::{self, FakeProc, FakeProcess};

/// A session that has ended, in the fixture of a store that nobody works in.
const FINISHED: &str =
    ".pi/agent/sessions/--home-dev-work-c--/2026-11-22T20-57-27.240Z_10a9f8b7.jsonl";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pi-rust").join(name)
}

#[test]
fn a_store_that_nobody_works_in() {
    let table = FakeProc::new();
    insta::assert_snapshot!(roster(&ADAPTER, &table.scope(&fixture("final"))), @r"
    077643e9-5d38-419b-9490-2caa664b580b | stopped | killed | inferred | - | /home/dev/work/c | 2026-11-22T20:57:58.866Z | 2026-11-22T20:57:58.991Z | mock-1 | - | [[error 400]] | - | - | - | - | - | -
    10a9f8b7-cbc6-468b-b6fe-9744c81a439d | stopped | completed | asserted | - | /home/dev/work/c | 2026-11-22T20:57:25.262Z | 2026-11-22T20:57:58.804Z | mock-1 | - | rpc rust [[bash sleep 6; echo hi]] | - | 4000 | 136 | 800 | - | 0.014280000000000001
    18fdb510-c351-417d-bf0f-a80ce411444f | stopped | killed | inferred | - | /home/dev/work/c | 2026-11-22T20:57:51.988Z | 2026-11-22T20:57:52.166Z | mock-1 | - | rust yolo [[bash sleep 30]] x | - | - | - | - | - | -
    ");
}

#[test]
fn a_store_of_databases() {
    let table = FakeProc::new();
    insta::assert_snapshot!(roster(&ADAPTER, &table.scope(&fixture("databases"))), @r"
    16d145d0-2fba-4eaa-81ba-e4e5fe75d252 | stopped | completed | asserted | - | /home/dev/work/c | 2026-11-27T21:50:36.138Z | 2026-11-27T21:50:40.274Z | mock-1 | Kept in a database | Say hello | - | 3000 | 102 | 600 | - | 0.01071
    a4ca1e1c-aee3-4095-9976-a299c88282b8 | stopped | killed | inferred | - | /home/dev/work/c | 2026-11-27T21:50:41.072Z | 2026-11-27T21:50:41.721Z | mock-1 | - | Never ends [[bash sleep 30]] | - | - | - | - | - | -
    ");
}

#[test]
fn a_fork_names_its_source_is_its_terminals_and_is_not_counted_for_what_its_source_spent() {
    /// Five days and some hours after the boot of the recorded table, and before the source began.
    const TWO_SECONDS_BEFORE: u64 = 49_247_700;
    let home = tempfile::tempdir().unwrap();
    let folder = ".pi/agent/sessions/--home-dev-work-c--";
    fs::create_dir_all(home.path().join(folder)).unwrap();
    for entry in fs::read_dir(fixture("forked").join(folder)).unwrap() {
        let entry = entry.unwrap();
        let here = home.path().join(".pi");
        let text = fs::read_to_string(entry.path()).unwrap();
        let text = text.replace("/home/dev/.pi", here.to_str().unwrap());
        fs::write(home.path().join(folder).join(entry.file_name()), text).unwrap();
    }
    let (table, tty) = (FakeProc::new(), Path::new("/dev/pts/3"));
    let at_work = table.process_like(7, TWO_SECONDS_BEFORE, "pi", 1, 34_819).exe("/opt/bin/pi");
    let environment = [("HOME", home.path().to_str().unwrap())];
    let at_work = at_work.environ(&environment).arguments(&["/opt/bin/pi"]);
    at_work.cwd("/home/dev/work/c").open_file(0, tty).open_file(1, tty);
    let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
    let rows = concluded["sessions"].as_array().unwrap();
    let row = |id| rows.iter().find(|it| it["sessionId"] == id).unwrap();
    let source = "63afa3ea-0425-4dd2-936d-772341c07cbc";
    let fork = row("4cc31fa1-a439-4759-8d2c-94de0105cbc8");
    assert_eq!(fork["forkedFrom"], source);
    assert_eq!((&fork["status"], &fork["process"]["pid"]), (&json!("idle"), &json!(7)));
    // Of the three calls in its file the first is its source's.
    assert_eq!(fork["usage"]["inputTokens"], 2000);
    assert_eq!(row(source)["forkedFrom"], Value::Null);
}

/// A process in the directory of the fixtures' sessions, started just before the one that runs a tool.
fn started<'a>(table: &'a FakeProc, pid: i32, arguments: &[&str]) -> FakeProcess<'a> {
    started_at(ticks(57, 51), table, pid, arguments)
}

fn started_at<'a>(
    start_ticks: u64,
    table: &'a FakeProc,
    pid: i32,
    arguments: &[&str],
) -> FakeProcess<'a> {
    let home = fixture("running");
    table
        .process(pid, start_ticks, "pi")
        .exe("/opt/bin/pi")
        .cwd("/home/dev/work/c")
        .environ(&[("HOME", home.to_str().unwrap())])
        .arguments(&[&["/opt/bin/pi", "--provider", "mock"], arguments].concat())
}

fn rows(table: &FakeProc) -> Vec<String> {
    standing(&ADAPTER, &table.scope(&fixture("running")))
}

#[test]
fn a_process_in_a_tool_owns_the_session_that_it_began() {
    let table = FakeProc::new();
    let sessions = fixture("running").join(".pi/agent/sessions");
    let dir = sessions.to_str().unwrap();
    started(&table, 32184, &["--session-dir", dir, "--mode", "json", "-p", "rust yolo"]);
    insta::assert_snapshot!(rows(&table).join("\n"), @r"
    10a9f8b7-cbc6 stopped completed null
    18fdb510-c351 running turn_in_progress 32184
    ");
}

#[test]
fn a_print_run_keeps_no_session_and_so_has_none() {
    for arguments in [&["--mode", "json", "-p", "hi"][..], &["--session-dir", "/else", "-p", "hi"]]
    {
        let table = FakeProc::new();
        started(&table, 31838, arguments);
        let rows = rows(&table);
        assert_eq!(rows.last().unwrap(), "- running process_alive 31838");
        assert!(rows.contains(&"18fdb510-c351 stopped killed null".to_owned()), "{rows:?}");
    }
}

#[test]
fn a_terminal_that_keeps_no_session_may_be_idle() {
    let tty = Path::new("/dev/pts/3");
    let row = |arguments: &[&str]| {
        let (table, home) = (FakeProc::new(), fixture("running"));
        table
            .process_like(7, ticks(57, 51), "pi", 1, 34_819)
            .exe("/opt/bin/pi")
            .cwd("/home/dev/work/c")
            .environ(&[("HOME", home.to_str().unwrap())])
            .arguments(&[&["/opt/bin/pi"], arguments].concat())
            .open_file(0, tty)
            .open_file(1, tty);
        rows(&table).pop().unwrap()
    };
    assert_eq!(row(&["--no-session"]), "- unknown process_alive 7");
    assert_eq!(row(&["--session-dir", "/else"]), "- unknown process_alive 7");
    assert_eq!(row(&["--no-session", "-p", "hi"]), "- running process_alive 7");
}

#[test]
fn one_whose_store_is_elsewhere_is_told_as_a_process_alone() {
    let (table, home) = (FakeProc::new(), fixture("running"));
    let vars = [("HOME", home.to_str().unwrap()), ("PI_CODING_AGENT_DIR", "/else")];
    let process = table.process(7, ticks(57, 51), "pi").exe("/opt/bin/pi").environ(&vars);
    process.cwd("/home/dev/work/c").arguments(&["/opt/bin/pi", "--mode", "rpc"]);
    let rows = rows(&table);
    assert_eq!(rows.last().unwrap(), "- running process_alive 7");
    assert!(rows.contains(&"18fdb510-c351 stopped killed null".to_owned()), "{rows:?}");
}

#[test]
fn a_session_named_in_the_arguments_is_its_processs() {
    let table = FakeProc::new();
    let file = fixture("running").join(FINISHED);
    started(&table, 7, &["-p", "--session", file.to_str().unwrap(), "go on"]);
    let rows = rows(&table);
    // It was started for a turn, which is not written down yet.
    assert_eq!(
        rows,
        ["10a9f8b7-cbc6 running process_alive 7", "18fdb510-c351 stopped killed null"]
    );
}

#[test]
fn a_turn_that_was_cut_off_is_none_of_a_process_that_names_its_session() {
    let cut = ".pi/agent/sessions/--home-dev-work-c--/2026-11-22T20-57-52.167Z_18fdb510.jsonl";
    let file = fixture("running").join(cut);
    let table = FakeProc::new();
    started_at(ticks(59, 0), &table, 7, &["--session", file.to_str().unwrap()]);
    assert_eq!(
        rows(&table),
        ["10a9f8b7-cbc6 stopped completed null", "18fdb510-c351 idle turn_ended 7"]
    );
}

#[test]
fn programs_that_are_run_by_another_are_not_it() {
    let table = FakeProc::new();
    table.process(1, ticks(57, 51), "pi").exe("/usr/bin/node").cwd("/home/dev/work/c");
    let table_with_stranger = started(&table, 2, &[]);
    table_with_stranger.environ(&[("HOME", "/home/other")]);
    assert!(rows(&table).iter().all(|it| it.ends_with("null")));
}

#[test]
fn a_transcript_torn_anywhere_keeps_its_identity_or_has_none() {
    let bytes = std::fs::read(fixture("final").join(FINISHED)).unwrap();
    for end in 0..=bytes.len() {
        let excerpt = Excerpt::whole(Path::new(FINISHED), &bytes[..end]);
        let Ok(torn) = transcript::parse(&excerpt) else { continue };
        assert_eq!(torn.value.session.as_str(), "10a9f8b7-cbc6-468b-b6fe-9744c81a439d");
        assert_eq!(torn.value.cwd.unwrap().as_path(), Path::new("/home/dev/work/c"));
    }
}

/// A store with one session in a database, made of a recorded transcript.
fn database(lines: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join(".pi/agent/sessions/--home-dev-work-c--");
    std::fs::create_dir_all(&dir).unwrap();
    let database = Connection::open(dir.join("2026-11-22T20-57-27.240Z_10a9f8b7.sqlite")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE pi_session_header(id TEXT, json TEXT); CREATE TABLE pi_session_entries(seq INTEGER, json TEXT)",
        )
        .unwrap();
    let (header, entries) = lines.split_first().unwrap();
    database.execute("INSERT INTO pi_session_header VALUES('10a9f8b7', ?1)", [header]).unwrap();
    for entry in entries {
        let next = "INSERT INTO pi_session_entries SELECT count(*), ?1 FROM pi_session_entries";
        database.execute(next, [entry]).unwrap();
    }
    home
}

#[test]
fn a_session_in_a_database_reads_as_it_does_in_a_transcript() {
    let table = FakeProc::new();
    let text = std::fs::read_to_string(fixture("final").join(FINISHED)).unwrap();
    let in_transcript = roster(&ADAPTER, &table.scope(&fixture("final")));
    let expected = in_transcript.lines().find(|it| it.starts_with("10a9f8b7")).unwrap();

    let lines: Vec<&str> = text.lines().collect();
    let home = database(&lines);
    assert_eq!(roster(&ADAPTER, &table.scope(home.path())).trim(), expected);

    // The same with more between its ends than is read.
    let noise = r#"{"type":"label","timestamp":"2026-11-22T20:57:26.000Z"}"#;
    let (first, last) = lines.split_at(5);
    let long = [first, &[noise; 200][..], last].concat();
    let home = database(&long);
    assert_eq!(roster(&ADAPTER, &table.scope(home.path())).trim(), expected);
}

#[test]
fn a_database_tells_a_name_that_was_given_in_its_middle() {
    let text = std::fs::read_to_string(fixture("final").join(FINISHED)).unwrap();
    let home = database(&text.lines().collect::<Vec<_>>());
    let title = || {
        let concluded = crate::testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
        concluded["sessions"][0]["title"].clone()
    };
    assert_eq!(title(), serde_json::Value::Null);
    let path = std::fs::read_dir(home.path().join(".pi/agent/sessions/--home-dev-work-c--"));
    let path = path.unwrap().next().unwrap().unwrap().path();
    let database = Connection::open(path).unwrap();
    database
        .execute_batch(
            "CREATE TABLE pi_session_meta(key TEXT PRIMARY KEY, value TEXT NOT NULL);
             INSERT INTO pi_session_meta VALUES('name', 'Given in its middle')",
        )
        .unwrap();
    assert_eq!(title(), "Given in its middle");
    database.execute("UPDATE pi_session_meta SET value = ''", []).unwrap();
    assert_eq!(title(), serde_json::Value::Null);
}

#[test]
fn a_name_comes_from_the_index_while_it_speaks_of_the_transcript_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join(".pi/agent/sessions");
    let path = home.path().join(FINISHED);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = std::fs::read_to_string(fixture("final").join(FINISHED)).unwrap();
    let noise = r#"{"type":"label","timestamp":"2026-11-22T20:57:26.000Z"}"#;
    let named = r#"{"type":"session_info","name":"In the transcript"}"#;
    // Longer than what is read of both ends.
    let long = [text.lines().next().unwrap(), &vec![noise; 2000].join("\n"), named];
    let long = [&long.join("\n"), &vec![noise; 2000].join("\n"), text.lines().last().unwrap()];
    std::fs::write(&path, long.join("\n") + "\n").unwrap();
    let title = || {
        let concluded = crate::testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
        assert_eq!(concluded["report"]["problems"], serde_json::json!([]));
        concluded["sessions"][0]["title"].clone()
    };
    assert_eq!(title(), "In the transcript");

    let index = Connection::open(sessions.join("session-index.sqlite")).unwrap();
    let table =
        "CREATE TABLE sessions(path TEXT, last_modified_ms INTEGER, size_bytes INTEGER, name TEXT)";
    index.execute_batch(table).unwrap();
    let meta = std::fs::metadata(&path).unwrap();
    let modified = meta.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    let modified_ms = i64::try_from(modified.as_millis()).unwrap();
    let size = i64::try_from(meta.len()).unwrap();
    let row = (path.to_str().unwrap(), modified_ms, size, "In the index");
    index.execute("INSERT INTO sessions VALUES(?1, ?2, ?3, ?4)", row).unwrap();
    assert_eq!(title(), "In the index");

    for stale in ["size_bytes = size_bytes + 1", "last_modified_ms = last_modified_ms - 1"] {
        index.execute(&format!("UPDATE sessions SET {stale}"), []).unwrap();
        assert_eq!(title(), "In the transcript", "{stale}");
        index.execute("UPDATE sessions SET size_bytes = ?1", [size]).unwrap();
    }
    index.execute("UPDATE sessions SET last_modified_ms = ?1, name = NULL", [modified_ms]).unwrap();
    assert_eq!(title(), serde_json::Value::Null, "a session that has no name");
    drop(index);
    std::fs::write(sessions.join("session-index.sqlite"), "no database").unwrap();
    assert_eq!(title(), "In the transcript", "what cannot be read is never required");
}

#[test]
fn a_database_of_another_kind_is_a_problem() {
    let home = tempfile::tempdir().unwrap();
    let sessions = home.path().join(".pi/agent/sessions");
    std::fs::create_dir_all(&sessions).unwrap();
    Connection::open(sessions.join("x.sqlite"))
        .unwrap()
        .execute_batch("CREATE TABLE t(a)")
        .unwrap();
    let concluded = crate::testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()));
    assert_eq!(concluded["report"]["problems"][0]["kind"], "malformed");
}
