use super::*;
use crate::testing::FakeProc;

fn asked(arguments: &str) -> Option<(Option<String>, bool)> {
    let arguments: Vec<String> = arguments.split(' ').map(str::to_owned).collect();
    Asked::of(&arguments).map(|it| (it.session.map(|it| it.to_string()), it.is_service))
}

#[test]
fn arguments_tell_what_a_process_is_for() {
    let named = Some((Some("ses_1".to_owned()), false));
    assert_eq!(asked("opencode"), Some((None, false)));
    assert_eq!(asked("opencode -s ses_1"), named);
    assert_eq!(asked("opencode --session=ses_1 /work/a"), named);
    assert_eq!(asked("opencode run -m a/b --session ses_1 go on"), named);
    assert_eq!(asked("opencode run -s ses_1 --fork go"), Some((None, false)));
    assert_eq!(asked("opencode run -- -s ses_1"), Some((None, false)), "a prompt names nothing");
    assert_eq!(asked("opencode -s nonsense"), Some((None, false)));
    assert_eq!(asked("opencode --log-level DEBUG serve --port 0"), Some((None, true)));
    assert_eq!(asked("opencode --model export/import"), Some((None, false)));
    for bystander in [
        "attach http://127.0.0.1:1",
        "run --attach=http://127.0.0.1:1 hi",
        "run --attach http://x hi",
        "session list",
        "db path",
    ] {
        assert_eq!(asked(&format!("opencode {bystander}")), None, "{bystander}");
    }
}

/// A home with a database, and a table of processes that may use it.
fn check(expected: &[i32], processes: impl Fn(&FakeProc, &Path)) {
    let home = tempfile::tempdir().unwrap();
    let data = fs::canonicalize(home.path()).unwrap().join("opencode");
    fs::create_dir_all(data.join("log")).unwrap();
    fs::write(data.join("opencode.db"), "").unwrap();
    let table = FakeProc::new();
    processes(&table, &data);
    let found = find(&table.scope(home.path()), &data, &[data.join("opencode.db")].into()).here;
    let pids: Vec<_> = found.iter().map(|it| it.live.process.pid.0).collect();
    assert_eq!(pids, expected);
}

const EXE: &str = "/usr/lib/node_modules/opencode-ai/bin/opencode.exe";

#[test]
fn only_the_program_itself_counts_and_only_with_this_store() {
    check(&[10, 11, 12], |table, data| {
        let database = data.join("opencode.db");
        let process = |pid| table.process(pid, 100, "opencode").arguments(&["opencode"]);
        process(10).exe(EXE).open_file(24, &database);
        process(11).exe("/opt/opencode-linux-x64/bin/opencode").open_file(9, &database);
        // Up to 1.1 a log is all it holds.
        process(12).exe(EXE).open_file(15, &data.join("log/2026-11-22T204058.log"));
        process(13).exe("/usr/bin/bash").open_file(3, &database);
        process(14).exe(EXE).open_file(24, Path::new("/elsewhere/opencode.db"));
        // The log is shared by processes that keep their sessions elsewhere.
        process(15)
            .exe(EXE)
            .open_file(24, Path::new("/x.db"))
            .open_file(14, &data.join("log/opencode.log"));
        process(16).exe(EXE);
        table
            .process(17, 100, "timeout")
            .exe("/usr/bin/timeout")
            .arguments(&["timeout", "60", "opencode"])
            .open_file(3, &database);
        process(18).exe("/usr/bin/opencode-helper").open_file(3, &database);
    });
}

#[test]
fn a_tool_about_to_begin_is_not_a_second_agent() {
    check(&[10, 12], |table, data| {
        let database = data.join("opencode.db");
        let process = |pid, parent| {
            table.process_like(pid, 100, "opencode", parent, 0).exe(EXE).open_file(24, &database)
        };
        process(10, 1).arguments(&["opencode", "run", "x"]);
        process(11, 10).arguments(&["opencode", "run", "x"]);
        process(12, 10).arguments(&["opencode", "run", "y"]);
    });
}

#[test]
fn a_server_is_asked_on_the_loopback_and_never_past_a_password() {
    let home = tempfile::tempdir().unwrap();
    let data = fs::canonicalize(home.path()).unwrap();
    fs::create_dir_all(data.join("log")).unwrap();
    let table = FakeProc::new();
    fs::create_dir_all(table.root().join("net")).unwrap();
    let line = |address: &str, inode: u32| {
        format!(
            "0: {address}:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"
        )
    };
    fs::write(
        table.root().join("net/tcp"),
        line("0100007F", 1) + &line("00000000", 2) + &line("0200A8C0", 3),
    )
    .unwrap();
    let serve = |pid: i32, inode: u32, vars: &[(&str, &str)]| {
        table
            .process(pid, 100, "opencode")
            .exe(EXE)
            .arguments(&["opencode", "serve"])
            .environ(vars)
            .open_file(3, &data.join("log/opencode.log"))
            .open_file(40, &PathBuf::from(format!("socket:[{inode}]")));
    };
    serve(11, 1, &[]);
    serve(12, 2, &[("OPENCODE_SERVER_PASSWORD", "")]);
    serve(13, 3, &[]);
    serve(14, 1, &[("OPENCODE_SERVER_PASSWORD", "secret")]);
    let found = find(&table.scope(home.path()), &data, &BTreeSet::new()).here;
    let servers: Vec<_> = found.iter().map(|it| it.server.map(|it| it.to_string())).collect();
    let loopback = Some("127.0.0.1:4096".to_owned());
    assert_eq!(servers, [loopback.clone(), loopback, None, None]);
    assert!(found.iter().all(|it| it.live.is_interactive), "a server may well have nothing to do");
}

#[test]
fn one_that_works_for_another_store_of_the_same_home_is_told_as_a_process_alone() {
    let home = tempfile::tempdir().unwrap();
    let ours = [("HOME", home.path().to_str().unwrap()), ("XDG_DATA_HOME", "/else")];
    let others = [("HOME", "/home/other")];
    let table = FakeProc::new();
    let process = |pid, environment: &[(&str, &str)], arguments: &[&str], open: &str| {
        let process = table.process(pid, 100, "opencode").exe("/opt/opencode").cwd("/work/a");
        process.environ(environment).arguments(arguments).open_file(9, Path::new(open));
    };
    let database = "/else/opencode/opencode.db";
    process(11, &ours, &["opencode", "run", "hi"], database);
    process(12, &ours, &["opencode", "serve"], database);
    process(13, &others, &["opencode", "run", "hi"], database);
    process(14, &ours, &["opencode", "run", "not there yet"], "/dev/null");
    let found = find(&table.scope(home.path()), &home.path().join("data"), &BTreeSet::new());
    assert!(found.here.is_empty(), "{found:?}");
    let pids: Vec<_> = found.elsewhere.iter().map(|it| it.process.pid.0).collect();
    assert_eq!(pids, [11]);
    assert_eq!(found.elsewhere[0].session, None);
}
