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
