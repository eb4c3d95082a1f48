//! The demo world shows what the README says, and tells how its sessions go on.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::project;

#[expect(clippy::disallowed_methods, reason = "the program under test")]
fn call(method: &str, params: &Value) -> Value {
    let demo = project().join("tests/fixtures/demo");
    let state = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_headcount"))
        .env_clear()
        .env("HOME", state.path())
        .arg("--home")
        .arg(demo.join("home"))
        .arg("--proc")
        .arg(demo.join("proc"))
        .args(["call", method, &params.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
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
