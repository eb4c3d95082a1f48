//! `session.*` on an empty machine and with parameters that make no sense.

use serde_json::{Value, json};

use crate::support::Home;

#[test]
fn an_empty_machine_has_no_sessions_and_every_agent_is_absent() {
    let reply = Home::empty().call("session.list", &Value::Null);
    let result = &reply["result"];
    assert_eq!(result["sessions"], json!([]));
    assert_eq!(result["complete"], json!(true));
    for report in result["agents"].as_array().unwrap() {
        assert_eq!(report["outcome"], "absent", "{report}");
    }
}

#[test]
fn params_that_make_no_sense_are_refused_by_name() {
    let home = Home::empty();
    let cases = [
        (json!({"limt": 3}), "limt"),
        (json!({"limit": 0}), "limit"),
        (json!({"limit": 10_001}), "limit"),
        (json!({"limit": "3"}), "limit"),
        (json!({"cwd": "relative"}), "cwd"),
        (json!({"status": ["sleeping"]}), "status[0]"),
        (json!({"updatedSince": "yesterday"}), "updatedSince"),
        (json!({"deadlineMs": 0}), "deadlineMs"),
        (json!({"cursor": "zz"}), "cursor"),
        (json!({"cursor": "7b7d"}), "cursor"),
        (json!({"include": ["cost"]}), "include[0]"),
    ];
    for (params, path) in cases {
        let error = &home.call("session.list", &params)["error"];
        assert_eq!(error["code"], -32602, "{params}: {error}");
        assert_eq!(error["data"]["path"], path, "{params}");
        assert!(
            error["message"].as_str().unwrap().contains(path.split('[').next().unwrap()),
            "{error}"
        );
    }
    for limit in [1, 10_000] {
        assert!(home.call("session.list", &json!({ "limit": limit }))["result"].is_object());
    }
}

#[test]
fn an_unknown_agent_is_named_beside_the_known_ones() {
    let error = &Home::empty().call("session.list", &json!({"agents": ["clod"]}))["error"];
    assert_eq!(error["code"], 1003);
    assert!(error["message"].as_str().unwrap().contains("`clod`"));
    assert!(error["data"]["known"].is_array());
}

#[test]
fn a_session_that_is_not_there_is_said_so() {
    let home = Home::empty();
    let error = &home.call("session.status", &json!({"sessionId": "0000"}))["error"];
    assert_eq!(
        (&error["code"], &error["data"]["kind"]),
        (&json!(1001), &json!("session_not_found"))
    );
    let error = &home.call("session.status", &json!({"sessionId": "000"}))["error"];
    assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!("sessionId")));
}

#[test]
fn subagents_are_neither_shown_nor_read_nor_counted_where_nobody_asks_for_them() {
    let home = Home::with("claude-code");
    let list = |params: Value| home.call("session.list", &params)["result"].clone();
    let agents = ["claude-code"];
    let without = list(json!({ "agents": agents }));
    let with = list(json!({ "agents": agents, "includeSubagents": true }));
    let subagents: Vec<_> =
        with["sessions"].as_array().unwrap().iter().filter(|it| it["kind"] == "subagent").collect();
    assert!(!subagents.is_empty());
    let count = |list: &Value| list["agents"][0]["sessions"].as_u64().unwrap();
    assert_eq!(count(&without), without["total"].as_u64().unwrap());
    assert_eq!(count(&with), count(&without) + subagents.len() as u64);

    let parent = subagents[0]["parentSessionId"].as_str().unwrap();
    let projects = home.path().join(".claude/projects");
    let project = std::fs::read_dir(projects).unwrap().map(|it| it.unwrap().path());
    let dir = project.map(|it| it.join(parent).join("subagents")).find(|it| it.is_dir()).unwrap();
    std::fs::write(dir.join("agent-broken.jsonl"), "no record\n").unwrap();
    let problems = |list: &Value| list["agents"][0]["problems"].as_array().map_or(0, Vec::len);
    assert_eq!(problems(&list(json!({ "agents": agents }))), 0);
    assert_eq!(problems(&list(json!({ "agents": agents, "includeSubagents": true }))), 1);
    let counted = list(json!({ "agents": agents, "include": ["usage"] }));
    assert_eq!(problems(&counted), 1, "what they spent is counted");
    assert_eq!(count(&counted), count(&with));
}
