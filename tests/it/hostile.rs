//! Stores that nobody would wish for: each costs its own session at most, is named, and leaves nothing behind.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};

use crate::support::{Home, copy, project};

/// A home with the recorded stores of the agents whose sessions are files.
fn home() -> Home {
    let home = Home::with("claude-code");
    let fixtures = project().join("tests/fixtures");
    copy(&fixtures.join("codex/home"), home.path());
    copy(&fixtures.join("pi/final"), home.path());
    home
}

fn list(home: &Home) -> Value {
    let reply = home.call(
        "session.list",
        &json!({ "limit": 10_000, "includeSubagents": true, "include": ["usage"], "deadlineMs": 600_000 }),
    );
    assert!(reply["error"].is_null(), "{reply}");
    reply["result"].clone()
}

fn ids(list: &Value) -> Vec<String> {
    let mut ids: Vec<String> = list["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["agent"], it["sessionId"]))
        .collect();
    ids.sort();
    ids
}

/// The paths that one agent's problems name.
fn problem_paths(list: &Value, agent: &str) -> Vec<String> {
    let reports = list["agents"].as_array().unwrap();
    let report = reports.iter().find(|it| it["agent"] == agent).expect("every agent is reported");
    assert_eq!(report["outcome"], "ok", "{report}");
    report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| Some(it["path"].as_str()?.to_owned()))
        .collect()
}

/// Where a transcript of each agent can be put, by a number that makes it a session of its own.
fn place(agent: &str, number: u32) -> PathBuf {
    match agent {
        "claude-code" => format!(".claude/projects/-hostile/dddddddd-0000-4000-8000-{number:012}.jsonl").into(),
        "codex" => {
            format!(".codex/sessions/2026/11/22/rollout-2026-11-22T20-00-00-01a20400-0000-7000-8000-{number:012}.jsonl").into()
        }
        "pi" => {
            format!(".pi/agent/sessions/--hostile--/2026-11-22T20-00-00-000Z_01a20400-0000-7000-8000-{number:012}.jsonl").into()
        }
        _ => unreachable!("{agent}"),
    }
}

const AGENTS: [&str; 3] = ["claude-code", "codex", "pi"];

/// Makes each kind of thing that is no transcript, under the name of one.
fn put(kind: &str, path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match kind {
        "empty" => fs::write(path, "").unwrap(),
        "directory" => fs::create_dir(path).unwrap(),
        // Root reads it all the same, and finds no transcript.
        "unreadable" => {
            fs::write(path, "this is\nno transcript\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        "binary" => fs::write(path, (0..=255_u8).cycle().take(70_000).collect::<Vec<_>>()).unwrap(),
        "torn" => fs::write(path, br#"{"type":"session_meta","payload":{"id":"01a2"#).unwrap(),
        "no json" => fs::write(path, "this is\nno transcript\n").unwrap(),
        "deep" => {
            fs::write(path, format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000))).unwrap();
        }
        "wrong types" => {
            fs::write(path, "{\"type\":7,\"sessionId\":[],\"payload\":\"x\",\"message\":3,\"id\":{}}\n\"text\"\n17\nnull\n").unwrap();
        }
        "fifo" => mkfifo(path, Mode::from_bits_truncate(0o600)).unwrap(),
        "loop" => symlink(path, path).unwrap(),
        "huge line" => one_line(path, 200 << 20),
        "long line" => one_line(path, 20 << 20),
        _ => unreachable!("{kind}"),
    }
}

/// Writes one line of that size, sparse: it costs the disk nothing.
fn one_line(path: &Path, size: u64) {
    let file = File::create(path).unwrap();
    file.write_all_at(br#"{"type":"user","x":""#, 0).unwrap();
    file.write_all_at(b"\"}\n", size).unwrap();
}

#[test]
fn each_hostile_file_costs_itself_alone_and_is_named() {
    let kinds = [
        "binary",
        "torn",
        "no json",
        "deep",
        "wrong types",
        "fifo",
        "loop",
        "directory",
        "unreadable",
        "empty",
        "huge line",
    ];
    let home = home();
    let before = ids(&list(&home));
    assert!(before.len() > 20, "{before:?}");
    for agent in AGENTS {
        for (number, kind) in (1..).zip(kinds) {
            put(kind, &home.path().join(place(agent, number)));
        }
    }
    let after = list(&home);
    let missing: Vec<String> = before.into_iter().filter(|it| !ids(&after).contains(it)).collect();
    assert_eq!(missing, Vec::<String>::new());
    for agent in AGENTS {
        let named = problem_paths(&after, agent);
        for (number, kind) in (1..).zip(kinds) {
            let path = home.path().join(place(agent, number));
            let is_named = named.iter().any(|it| Path::new(it) == path);
            // A line that is not at its end yet may be a session that begins: where the name of the file
            // says which, it is shown as one of which nothing is known.
            // To Pi a directory of any name is one that may hold transcripts.
            let is_plain = agent == "pi" && kind == "directory";
            let may_begin = matches!(kind, "torn" | "empty" | "huge line");
            let is_shown = ids(&after).iter().any(|it| it.contains(&format!("{number:012}")));
            assert!(
                is_named || is_plain || may_begin && is_shown,
                "{agent}: {kind} is not named in {named:#?}"
            );
        }
    }
}

#[test]
fn a_store_that_is_a_file_is_a_problem_of_that_agent_alone() {
    for (agent, root) in
        [("claude-code", ".claude"), ("codex", ".codex"), ("pi", ".pi/agent/sessions")]
    {
        let home = home();
        fs::remove_dir_all(home.path().join(root)).unwrap();
        fs::write(home.path().join(root), "not a directory").unwrap();
        let list = list(&home);
        let reports = list["agents"].as_array().unwrap();
        let report = reports.iter().find(|it| it["agent"] == agent).unwrap();
        assert!(!report["problems"].as_array().unwrap().is_empty(), "{report}");
        let others = list["sessions"].as_array().unwrap();
        assert!(!others.is_empty() && others.iter().all(|it| it["agent"] != agent));
    }
}

#[test]
fn reading_changes_nothing_in_any_store() {
    let home = home();
    let snapshot = |home: &Home| {
        let mut found = Vec::new();
        let mut left = vec![home.path().to_owned()];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    left.push(path.clone());
                }
                found.push((path, meta.len(), meta.modified().unwrap()));
            }
        }
        found.sort();
        found
    };
    let before = snapshot(&home);
    let listed = list(&home);
    for session in listed["sessions"].as_array().unwrap() {
        let id = &session["sessionId"];
        home.call("session.status", &json!({ "sessionId": id, "agent": session["agent"] }));
        home.call("session.peek", &json!({ "sessionId": id, "agent": session["agent"] }));
    }
    assert_eq!(snapshot(&home), before);
}

/// What the kernel says of a process: open descriptors and resident kilobytes.
fn held(pid: u32) -> (usize, usize) {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
    (descriptors, resident.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn a_thousand_lists_and_looks_at_long_lines_hold_no_more_than_a_few() {
    /// What an allocator may keep between two looks at it.
    const SLACK_KB: usize = 4 << 10;
    let home = home();
    for agent in AGENTS {
        for (number, kind) in (1..).zip(["binary", "fifo", "loop"]) {
            put(kind, &home.path().join(place(agent, number)));
        }
    }
    let long = [(8, "huge line"), (9, "long line")].map(|(number, kind)| {
        put(kind, &home.path().join(place("claude-code", number)));
        format!("dddddddd-0000-4000-8000-{number:012}")
    });
    let mut server = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    let mut call = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(input, "{request}").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.contains("\"result\""), "{line}");
    };
    let mut ask = |times: usize| {
        for time in 0..times {
            call("session.list", json!({ "include": ["usage"] }));
            for id in long.iter().filter(|_| time % 50 == 0) {
                call("session.status", json!({ "sessionId": id }));
                call("session.peek", json!({ "sessionId": id }));
            }
        }
        held(server.id())
    };
    let (descriptors, resident) = ask(50);
    let (descriptors_after, resident_after) = ask(1000);
    drop(input);
    server.wait().unwrap();
    assert!(
        descriptors_after <= descriptors,
        "{descriptors} descriptors became {descriptors_after}"
    );
    assert!(resident_after <= resident + SLACK_KB, "{resident} KB became {resident_after}");
}
