//! Processes that are not registered, not yet or not any more.

use super::live::registered;
use super::*;

/// Of each process without a session: its id, and what is said of it.
fn without_session(store: &Store) -> Vec<String> {
    let survey = store.survey();
    let rows = survey["sessions"].as_array().unwrap().iter();
    let rows = rows.filter(|it| it.get("sessionId").is_none());
    let told = ["status", "reason", "certainty", "cwd"];
    rows.map(|row| {
        let told = told.map(|it| row[it].as_str().unwrap_or_default());
        format!("{} {}", row["process"]["pid"], told.join(" "))
    })
    .collect()
}

#[test]
fn a_process_that_has_not_registered_yet_is_a_row_without_a_session() {
    let store = registered(&json!({}));
    let tty = Path::new("/dev/pts/3");
    let start = |pid, parent, arguments: &[&str]| {
        let process = store.proc.process_like(pid, 600, "claude", parent, 34816);
        process.arguments(arguments).cwd("/work/a").open_file(0, tty).open_file(1, tty)
    };
    start(80, 1, &["claude", "--model", "opus"]);
    start(81, 1, &["/opt/claude-code/bin/claude.exe", "-p", "stop"]).open_file(2, tty);
    start(82, 1, &["claude"]).environ(&[("HOME", "/home/other")]);
    start(83, 80, &["claude", "--model", "opus"]);
    start(84, 1, &["rg", "--files"]);
    start(85, 1, &["claude", "mcp", "serve"]);
    start(86, 1, &["/opt/claude-code/bin/claude.exe", "--bg-pty-host", "/tmp/x"]);
    store.proc.process(87, 600, "claude").arguments(&["claude", "-p", "x"]).cwd("/work/b");
    store.proc.process(88, 600, "node").arguments(&["claude", "-p", "x"]).cwd("/work/b");
    let expect = [
        "80 idle never_prompted inferred /work/a",
        "81 running process_alive inferred /work/a",
        "87 running process_alive inferred /work/b",
    ];
    assert_eq!(without_session(&store), expect);
    let entry = json!({"pid": 80, "sessionId": TOOL, "procStart": "600", "status": "idle"});
    store.put("sessions/80.json", entry.to_string());
    assert_eq!(without_session(&store), expect[1..]);
}

#[test]
fn what_the_program_does_beside_sessions_is_none() {
    let started_as = |arguments: &[&str]| {
        let store = Store::of("home");
        store.proc.process(80, 600, "claude").arguments(arguments).cwd("/work/a");
        without_session(&store)
    };
    // A browser starts it, and it lives for as long as the browser does.
    for first in ["--chrome-native-host", "--claude-in-chrome-mcp", "--computer-use-mcp"] {
        assert_eq!(started_as(&["/opt/bin/claude", first]), [""; 0], "{first}");
    }
    for first in ["remote-control", "rc", "remote", "sync", "bridge", "kill", "respawn", "rm"] {
        assert_eq!(started_as(&["claude", first]), [""; 0], "{first}");
    }
    for first in ["--daemon-worker", "--preload", "--update", "--upgrade", "--version", "-h"] {
        assert_eq!(started_as(&["claude", first]), [""; 0], "{first}");
    }
    assert_eq!(started_as(&["claude", "kill the cache"]).len(), 1, "a prompt");
}

#[test]
fn a_process_that_keeps_its_sessions_elsewhere_is_a_row_without_a_session() {
    let store = Store::of("home");
    let away = |pid, arguments: &[&str]| {
        let process = store.proc.process(pid, 600, "claude").arguments(arguments);
        process.environ(&[("CLAUDE_CONFIG_DIR", "/elsewhere")]).cwd("/work/a");
    };
    away(80, &["claude", "-p", "--resume", HELLO, "--", "more"]);
    away(81, &["claude", "--resume", HELLO]);
    away(82, &["claude", "mcp", "serve"]);
    let expect =
        ["80 running process_alive inferred /work/a", "81 unknown process_alive inferred /work/a"];
    assert_eq!(without_session(&store), expect);
    assert_eq!(store.state(HELLO), "stopped completed inferred null", "the one here is another");
}

#[test]
fn a_first_start_has_a_process_before_it_has_a_store() {
    let store = Store::empty();
    store.proc.process(80, 600, "claude").arguments(&["claude"]).cwd("/work/a");
    assert_eq!(without_session(&store), ["80 running process_alive inferred /work/a"]);
}

#[test]
fn the_arguments_tell_whose_a_process_is() {
    let check = |arguments: &[&str], expect: &str| {
        let store = Store::of("home");
        store.proc.process(80, 600, "claude").arguments(arguments).cwd("/work/a");
        assert_eq!(store.state(HELLO), format!("{expect} 80"), "{arguments:?}");
        assert_eq!(without_session(&store), [""; 0], "{arguments:?}");
    };
    check(&["claude", "-p", "--resume", HELLO, "--", "more"], "running process_alive inferred");
    check(&["claude", "--resume", HELLO], "idle turn_ended inferred");
    let new = "99999999-0000-4000-8000-000000000001";
    let store = Store::of("home");
    let arguments = ["claude", "-p", "--session-id", new, "--", "hi"];
    store.proc.process(80, 600, "claude").arguments(&arguments).cwd("/work/a");
    assert_eq!(store.state(new), "running process_alive inferred 80");
    assert_eq!(store.row(new)["cwd"], "/work/a");
}

/// Makes the file one that was written then.
fn write_at(time: &str, path: &Path) {
    let millis = Timestamp::parse(time).unwrap().as_millis().cast_unsigned();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    if path.is_file() {
        fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }
}

/// A store in which HELLO was the last that was written.
fn written_last(written: &str) -> Store {
    let mut store = Store::of("home");
    store.now = Timestamp::parse("2026-11-22T21:00:10.000Z");
    for entry in fs::read_dir(store.path(PROJECT)).unwrap() {
        write_at("2026-11-22T20:30:00.000Z", &entry.unwrap().path());
    }
    write_at(written, &store.path(&Store::session_path(HELLO)));
    store
}

/// The same, and a process in its directory that is not registered.
fn just_left(arguments: &[&str], written: &str) -> Store {
    let store = written_last(written);
    let process = store.proc.process(80, 360_000, "claude");
    process.arguments(arguments).cwd("/home/dev/work/my.repo_A b");
    store
}

#[test]
fn a_process_that_is_about_to_end_is_no_new_session() {
    let check = |written: &str, expect: &[&str]| {
        let store = just_left(&["claude"], written);
        assert_eq!(without_session(&store), expect, "{written}");
        assert_eq!(store.state(HELLO), "stopped completed inferred null");
    };
    let starting = ["80 running process_alive inferred /home/dev/work/my.repo_A b"];
    check("2026-11-22T21:00:09.000Z", &[]);
    check("2026-11-22T21:00:00.001Z", &[]);
    // Before it started, and so long ago that it does not end.
    check("2026-11-22T20:59:59.000Z", &starting);
    let mut store = just_left(&["claude"], "2026-11-22T21:00:00.001Z");
    store.now = Timestamp::parse("2026-11-22T21:00:10.001Z");
    assert_eq!(without_session(&store), starting);
}

#[test]
fn an_interface_that_is_left_long_after_its_last_word_is_no_new_session() {
    let tty = Path::new("/dev/pts/3");
    let check = |written: &str, expect: usize| {
        let mut store = written_last(written);
        store.now = Timestamp::parse("2026-11-22T22:00:00.000Z");
        let process = store.proc.process_like(80, 360_000, "claude", 1, 34816);
        let process = process.arguments(&["claude"]).cwd("/home/dev/work/my.repo_A b");
        process.open_file(0, tty).open_file(1, tty);
        assert_eq!(without_session(&store).len(), expect, "{written}");
    };
    check("2026-11-22T21:00:00.001Z", 0);
    check("2026-11-22T20:59:59.000Z", 1);
}

#[test]
fn what_somebody_else_has_written_ends_nobody() {
    let store = just_left(&["claude"], "2026-11-22T21:00:09.000Z");
    store.proc.process(77, 500, "claude");
    let entry = json!({"pid": 77, "sessionId": HELLO, "procStart": "500", "status": "idle"});
    store.put("sessions/77.json", entry.to_string());
    assert_eq!(without_session(&store).len(), 1);
}

#[test]
fn an_interface_may_have_begun_another_session_than_its_arguments_say() {
    let written = "2026-11-22T21:00:09.000Z";
    let store = just_left(&["claude", "--resume", TOOL], written);
    assert_eq!(store.state(TOOL), "stopped completed inferred null");
    let store = just_left(&["claude", "-p", "--resume", TOOL, "--", "more"], written);
    assert_eq!(store.state(TOOL), "running process_alive inferred 80");
    let store = just_left(&["claude", "--resume", HELLO], written);
    assert_eq!(store.state(HELLO), "idle turn_ended inferred 80");
}
