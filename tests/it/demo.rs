//! The demo world shows what the README says, and tells how its sessions go on.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::project;

fn call(method: &str, params: &Value) -> Value {
    let output = called(&project().join("tests/fixtures/demo/proc"), method, params);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn called(proc: &Path, method: &str, params: &Value) -> Output {
    run(proc, &["call", method, &params.to_string()])
}

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn run(proc: &Path, command: &[&str]) -> Output {
    let state = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_headcount"))
        .env_clear()
        .env("HOME", state.path())
        .arg("--home")
        .arg(project().join("tests/fixtures/demo/home"))
        .arg("--proc")
        .arg(proc)
        .args(command)
        .output()
        .unwrap()
}

#[test]
fn the_demo_world_has_sessions_of_every_state() {
    let result = call("session.list", &json!({"includeSubagents": true}));
    let rows: Vec<String> = result["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let word = |member: &str| it[member].as_str().unwrap_or_default().to_owned();
            let title = it["title"].as_str().or(it["prompt"].as_str()).unwrap_or_default();
            format!("{} {} {}: {title}", word("status"), word("reason"), word("agent"))
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
    assert_eq!(result["complete"], json!(true));
    let problems = |it: &Value| it["problems"].as_array().map_or(0, Vec::len);
    assert_eq!(result["agents"].as_array().unwrap().iter().map(problems).sum::<usize>(), 0);
}

/// The lines of a table without their last column, which tells ages.
fn ageless(table: &str) -> Vec<&str> {
    table.lines().map(|it| it.rsplit_once(' ').map_or(it, |(rest, _)| rest.trim_end())).collect()
}

#[test]
fn the_picture_in_the_readme_is_what_the_demo_shows() {
    let readme = fs::read_to_string(project().join("README.md")).unwrap();
    let (_, picture) = readme.split_once("$ headcount list\n").unwrap();
    let (picture, _) = picture.split_once("```").unwrap();
    let listed = run(&project().join("tests/fixtures/demo/proc"), &["list"]);
    assert_eq!(ageless(picture), ageless(&String::from_utf8(listed.stdout).unwrap()));
}

#[test]
fn a_status_tells_how_to_go_on_and_which_processes_stand_above_the_owner() {
    let sessions = call("session.list", &json!({}));
    let status = |title: &str| {
        let named = |it: &&Value| it["title"] == title || it["prompt"] == title;
        let session = sessions["sessions"].as_array().unwrap().iter().find(named).unwrap();
        call("session.status", &json!({"sessionId": session["sessionId"]}))
    };
    let waiting = status("Migrate the payments table");
    let id = waiting["session"]["sessionId"].as_str().unwrap();
    let cwd = "/home/dev/work/shop-api";
    assert_eq!(waiting["resume"], json!({"command": ["claude", "--resume", id], "cwd": cwd}));
    let above = |it: &Value| format!("{} {}", it["pid"], it["name"].as_str().unwrap());
    let ancestors: Vec<String> =
        waiting["ancestors"].as_array().unwrap().iter().map(above).collect();
    assert_eq!(ancestors, ["4101 claude", "4100 bash", "900 tmux: server", "1 systemd"]);

    let ended = status("Write a fuzz target for the lexer.");
    assert_eq!(ended["ancestors"], json!([]));
    let transcript = ended["resume"]["command"][2].as_str().unwrap();
    let transcript = std::path::Path::new(transcript);
    assert!(transcript.is_absolute() && transcript.extension().is_some_and(|it| it == "jsonl"));
}

#[test]
fn a_session_is_known_by_the_process_that_owns_it() {
    let of_owner = call("session.status", &json!({ "pid": 4101 }));
    assert_eq!(of_owner["session"]["title"], "Migrate the payments table");
    assert!(of_owner["session"]["usage"].is_object() && of_owner["session"]["evidence"].is_array());
    let id = of_owner["session"]["sessionId"].clone();
    let same = call("session.status", &json!({ "sessionId": id }));
    assert_eq!(of_owner["ancestors"], same["ancestors"]);
    // Its subagent lives in the same process, and is not who owns it.
    let parent = call("session.status", &json!({ "pid": 4303, "agent": "claude-code" }));
    assert_eq!(parent["session"]["kind"], "main");
}

#[test]
fn a_session_without_an_id_is_known_by_its_process_alone() {
    let proc = tempfile::tempdir().unwrap();
    let recorded = project().join("tests/fixtures/demo/proc");
    for entry in fs::read_dir(&recorded).unwrap() {
        let entry = entry.unwrap();
        symlink(entry.path(), proc.path().join(entry.file_name())).unwrap();
    }
    // Pi below another shell, where it has no session yet.
    let pi = proc.path().join("6101");
    fs::create_dir(&pi).unwrap();
    for name in ["cmdline", "environ", "exe"] {
        symlink(recorded.join("5101").join(name), pi.join(name)).unwrap();
    }
    symlink("/home/dev/elsewhere", pi.join("cwd")).unwrap();
    let stat = fs::read_to_string(recorded.join("5101/stat")).unwrap();
    fs::write(
        pi.join("stat"),
        stat.replace("5101 (pi) S 5100 5101 5101", "6101 (pi) S 4100 6101 6101"),
    )
    .unwrap();
    let status = |params: Value| called(proc.path(), "session.status", &params);
    let answer: Value = serde_json::from_slice(&status(json!({ "pid": 6101 })).stdout).unwrap();
    let session = &answer["session"];
    assert_eq!(
        (&session["agent"], &session["sessionId"]),
        (&json!("pi"), &Value::Null),
        "{answer}"
    );
    assert!(session["evidence"].is_array());
    assert_eq!(
        (&answer["ancestors"][1]["name"], &answer["complete"]),
        (&json!("bash"), &json!(true))
    );
    for (params, says) in [
        (json!({ "pid": 6102 }), "no session is known by `process 6102`"),
        (json!({ "pid": 6101, "sessionId": "6101" }), "`pid`: not together with `sessionId`"),
        (json!({}), "`sessionId` is missing"),
    ] {
        let refused = status(params);
        let error: Value = serde_json::from_slice(&refused.stderr).unwrap();
        let message = error["message"].as_str().unwrap();
        assert!(refused.status.code() == Some(1) && message.contains(says), "{message}");
    }
}

#[test]
fn a_call_that_would_end_before_its_news_is_refused() {
    let output = called(&project().join("tests/fixtures/demo/proc"), "session.watch", &json!({}));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("`session.watch`") && said.contains("headcount serve"), "{said}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn a_home_that_is_no_directory_is_refused() {
    let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .args(["--home", env!("CARGO_BIN_EXE_headcount"), "list"])
        .output()
        .unwrap();
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && says.contains("is not a directory"), "{says}");
}

#[test]
fn where_processes_cannot_be_seen_nobody_is_said_to_have_stopped() {
    let blind = |method: &str, params: Value| {
        called(&project().join("tests/fixtures/demo/no-proc"), method, &params)
    };
    let list: Value = serde_json::from_slice(&blind("session.list", json!({})).stdout).unwrap();
    assert_eq!(list["complete"], json!(false));
    assert_eq!(list["problems"][0]["kind"], "unreadable");
    let sessions = list["sessions"].as_array().unwrap();
    let is_unknown =
        |it: &Value| (&it["status"], &it["reason"]) == (&json!("unknown"), &json!("unreachable"));
    assert!(!sessions.is_empty() && sessions.iter().all(is_unknown), "{list}");
    for (method, more) in [
        ("session.stop", json!({})),
        ("session.resume", json!({ "prompt": "go on", "force": true })),
    ] {
        let mut params = more;
        params["sessionId"] = sessions[0]["sessionId"].clone();
        let refused = blind(method, params);
        let says = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && says.contains("cannot be seen"), "{method}: {says}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the program under test")]
fn a_home_that_is_not_there_is_not_made() {
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("nobody");
    let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .arg("list")
        .env_clear()
        .env("HOME", &home)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!home.exists());
    std::fs::create_dir(&home).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .arg("list")
        .env_clear()
        .env("HOME", &home)
        .output();
    assert_eq!(output.unwrap().status.code(), Some(0));
    assert!(home.join(".local/state/headcount/logs").is_dir(), "the log has its place");
}
