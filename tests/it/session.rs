//! `session.*` on an empty machine and with parameters that make no sense.

use std::convert::Infallible;
use std::path::Path;

use headcount::adapters::REGISTRY;
use headcount::ledger::{Elsewhere, LaunchEntry, LedgerFile};
use headcount::rpc::{self, App, openrpc};
use headcount::scope;
use serde_json::{Value, json};

use crate::support::{Home, talk};

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
        (json!({"limit": 2.5}), "limit"),
        (json!({"limit": true}), "limit"),
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
fn members_that_are_missing_or_too_long_are_named() {
    let home = Home::empty();
    let cases = [
        ("session.status", json!({}), "sessionId"),
        ("session.status", json!({"sessionId": "x".repeat(257)}), "sessionId"),
        ("session.wait", json!({"filter": {}}), "until"),
        ("lock.acquire", json!({"directory": "/"}), "by"),
        ("initialize", json!({"clientInfo": {}}), "clientInfo.name"),
        ("session.unwatch", json!({}), "subscription"),
    ];
    for (method, params, path) in cases {
        let error = &home.call(method, &params)["error"];
        let data = &error["data"];
        assert_eq!((&error["code"], &data["path"]), (&json!(-32602), &json!(path)), "{error}");
        assert_eq!((&data["kind"], &data["retryable"]), (&json!("invalid_params"), &json!(false)));
        assert!(error["message"].as_str().unwrap().contains(&format!("`{path}`")), "{error}");
    }
}

#[test]
fn a_list_tells_who_has_answered_where_the_client_wants_to_know() {
    let request = |params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": "session.list", "params": params });
    let methods = Home::empty().methods();
    let said =
        talk(&methods, &[request(json!({ "workDoneToken": "t", "agents": ["codex", "pi"] }))]);
    let value = |at: usize| &said[at]["params"]["value"];
    assert_eq!(said.len(), 5, "begin, two agents, end, the reply: {said:?}");
    assert!(
        said[..4].iter().all(|it| it["method"] == "$/progress" && it["params"]["token"] == "t")
    );
    assert_eq!((&value(0)["kind"], &value(3)["kind"]), (&json!("begin"), &json!("end")));
    assert_eq!((&value(1)["percentage"], &value(2)["percentage"]), (&json!(50), &json!(100)));
    assert_eq!(said[4]["id"], 1);

    let silent = talk(&methods, &[request(json!({}))]);
    assert_eq!(silent.len(), 1, "nobody asked");
}

#[test]
fn settings_hold_where_a_request_does_not_say() {
    let home = Home::with("codex");
    let config = home.configure(r#"{"withoutAgents": ["codex"], "colour": "red"}"#);
    let methods = home.methods();
    let ask = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        talk(&methods, &[request]).pop().unwrap()
    };
    let asked = |params: Value| {
        let reply = ask("session.list", params);
        let agents = reply["result"]["agents"].as_array().unwrap().iter();
        agents.map(|it| it["agent"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    assert!(!asked(json!({})).contains(&"codex".to_owned()), "the file leaves it out");
    assert_eq!(asked(json!({ "agents": ["codex"] })), ["codex"], "the request names it");
    let problems = ask("session.list", json!({}))["result"]["problems"].clone();
    assert_eq!(problems[0]["message"], "settings: `colour` is no setting");
    assert_eq!(problems[0]["path"], config.to_str().unwrap());

    let options = json!({ "initializationOptions": { "withoutAgents": ["pi"], "theme": "dark" } });
    ask("initialize", options);
    let over = asked(json!({}));
    assert!(over.contains(&"codex".to_owned()) && !over.contains(&"pi".to_owned()), "{over:?}");
    ask("initialize", json!({}));
    assert_eq!(asked(json!({})), over, "an introduction without settings changes none");
    ask("initialize", json!({ "initializationOptions": [] }));
    assert!(!asked(json!({})).contains(&"codex".to_owned()), "empty ones give way to the file's");

    for (options, path) in [
        (json!({ "deadlineMs": 0 }), "initializationOptions.deadlineMs"),
        (json!({ "withoutAgents": ["clod"] }), "initializationOptions.withoutAgents"),
        (json!("x"), "initializationOptions"),
    ] {
        let error = ask("initialize", json!({ "initializationOptions": options }))["error"].clone();
        assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!(path)));
    }
}

#[test]
fn settings_that_cannot_be_read_are_a_problem_and_no_more() {
    let home = Home::with("codex");
    let config = home.path().join(".config/headcount/config.json");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(&config, r#"{"deadlineMs": "soon"}"#).unwrap();
    let result = &home.call("session.list", &json!({ "agents": ["codex"] }))["result"];
    assert!(result["total"].as_u64().unwrap() > 0);
    assert!(
        result["problems"][0]["message"].as_str().unwrap().contains("`deadlineMs`"),
        "{result}"
    );
}

#[test]
fn requests_are_counted_by_method_and_timed() {
    let home = Home::empty();
    let methods = home.methods();
    let ask = |method: &str, params: Value| {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        talk(&methods, &[request]).pop().unwrap()
    };
    ask("session.list", json!({}));
    ask("session.list", json!({ "limit": 0 }));
    let requests = ask("server.metrics", json!({}))["result"]["requests"].clone();
    let list = &requests["session.list"];
    assert_eq!((&list["answered"], &list["failed"]), (&json!(2), &json!(1)));
    assert!(list["latency"]["totalMs"].as_f64() >= list["latency"]["longestMs"].as_f64());
    assert!(list["latency"]["longestMs"].as_f64() > Some(0.0));
    assert_eq!(list["cancelled"], 0);
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
    assert_eq!(count(&counted), count(&without), "they are not");
}

#[test]
fn a_subagent_is_not_resumed_without_its_parent() {
    let home = Home::with("claude-code");
    let list = home.call("session.list", &json!({ "includeSubagents": true }));
    let sessions = list["result"]["sessions"].as_array().unwrap();
    let subagent = sessions.iter().find(|it| it["kind"] == "subagent").unwrap();
    let named = json!({ "sessionId": subagent["sessionId"], "prompt": "Go on" });
    let error = &home.call("session.resume", &named)["error"];
    assert_eq!(error["code"], 1007, "{error}");
    let parent = subagent["parentSessionId"].as_str().unwrap();
    assert!(error["data"]["hint"].as_str().unwrap().contains(parent), "{error}");
    assert_eq!(home.call("lock.list", &json!({}))["result"]["locks"], json!([]));
}

/// A recorded thread of Codex: one turn, finished.
const THREAD: &str = "01a204ec-b99e-7391-b564-bd5b396bbf28";

#[test]
fn a_session_that_is_named_is_meant_whatever_the_settings_leave_out() {
    let home = Home::with("codex");
    home.configure(r#"{"withoutAgents": ["codex"]}"#);
    for id in [THREAD, &THREAD[..13]] {
        let named = json!({ "sessionId": id });
        let status = &home.call("session.status", &named)["result"];
        assert_eq!(status["session"]["sessionId"], THREAD, "{status}");
        assert_eq!(status["agents"].as_array().unwrap().len(), REGISTRY.len(), "all were asked");
        let peeked = &home.call("session.peek", &named)["result"];
        assert!(!peeked["turns"].as_array().unwrap().is_empty(), "{peeked}");
        assert_eq!(peeked["complete"], true);
        assert_eq!(home.call("session.stop", &named)["result"]["outcome"], "already_stopped");
    }
    home.configure(r#"{"withoutAgents": ["pi"]}"#);
    let status = &home.call("session.status", &json!({ "sessionId": THREAD }))["result"];
    let asked = status["agents"].as_array().unwrap();
    assert!(asked.iter().all(|it| it["agent"] != "pi"), "another knows it: {asked:?}");
    let error = &home.call("session.status", &json!({ "sessionId": "0000" }))["error"];
    assert_eq!(error["code"], 1001, "{error}");
}

/// Puts the transcript of a session of Claude Code into the home: one prompt, in that directory.
pub(crate) fn put_session(home: &Home, id: &str, cwd: &Path) {
    let dir = home.path().join(".claude/projects/-work");
    std::fs::create_dir_all(&dir).unwrap();
    let record = json!({
        "type": "user", "uuid": id, "sessionId": id, "timestamp": "2026-11-22T20:00:00.000Z", "cwd": cwd,
        "message": { "role": "user", "content": "hello" },
    });
    std::fs::write(dir.join(format!("{id}.jsonl")), format!("{record}\n")).unwrap();
}

#[test]
fn a_directory_is_meant_by_a_link_to_it_too() {
    let home = Home::empty();
    let base = home.path().canonicalize().unwrap();
    let (real, link) = (base.join("disk/work"), base.join("work"));
    std::fs::create_dir_all(&real).unwrap();
    std::os::unix::fs::symlink(base.join("disk"), &link).unwrap();
    put_session(&home, THREAD, &real);
    let elsewhere = base.join("elsewhere");
    for (filter, expect) in [
        (json!({ "cwd": real }), 1),
        (json!({ "cwd": link.join("work") }), 1),
        (json!({ "cwd": link }), 0),
        (json!({ "under": link }), 1),
        (json!({ "under": elsewhere }), 0),
    ] {
        let listed = &home.call("session.list", &filter)["result"];
        assert_eq!((&listed["total"], listed.get("problems")), (&json!(expect), None), "{filter}");
        let wait = json!({ "filter": filter, "until": ["stopped"], "timeoutMs": 1 });
        let waited = &home.call("session.wait", &wait)["result"];
        assert_eq!(waited["sessions"].as_array().unwrap().len(), expect, "{filter}");
    }
}

#[test]
fn an_ambiguous_id_is_answered_with_its_count_however_many_are_shown() {
    let home = Home::empty();
    let put = |number: usize| {
        put_session(&home, &format!("dddddddd-0000-4000-8000-{number:012}"), Path::new("/work"));
    };
    let ambiguous =
        || home.call("session.status", &json!({ "sessionId": "dddd" }))["error"].clone();
    (0..50).for_each(put);
    let error = ambiguous();
    assert_eq!(error["message"], "`dddd` matches 50 sessions");
    assert_eq!(error["data"].get("candidatesOmitted"), None);
    put(50);
    let error = ambiguous();
    assert_eq!(
        (&error["code"], &error["message"]),
        (&json!(1002), &json!("`dddd` matches 51 sessions"))
    );
    assert_eq!(error["data"]["candidates"].as_array().unwrap().len(), 50);
    assert_eq!(error["data"]["candidatesOmitted"], 1);
}

#[test]
fn what_a_request_does_not_bound_is_bounded_all_the_same() {
    let home = Home::empty();
    for number in 0..101 {
        put_session(&home, &format!("dddddddd-0000-4000-8000-{number:012}"), Path::new("/work"));
    }
    let listed = &home.call("session.list", &json!({}))["result"];
    assert_eq!(
        (listed["sessions"].as_array().unwrap().len(), &listed["total"]),
        (100, &json!(101))
    );
    assert!(listed["nextCursor"].is_string());

    let file = home.path().join(format!(".claude/projects/-work/{THREAD}.jsonl"));
    let prompt = |number: u32, text: &str| {
        let record = json!({
            "type": "user", "uuid": number.to_string(), "sessionId": THREAD, "cwd": "/work",
            "timestamp": "2026-11-22T20:00:00.000Z", "message": { "role": "user", "content": text },
        });
        format!("{record}\n")
    };
    let peek = |transcript: String| {
        std::fs::write(&file, transcript).unwrap();
        home.call("session.peek", &json!({ "sessionId": THREAD }))["result"].clone()
    };
    let peeked = peek((0..21).map(|number| prompt(number, "hello")).collect());
    assert_eq!((peeked["turns"].as_array().unwrap().len(), &peeked["earlier"]), (20, &json!(true)));
    let peeked = peek(prompt(0, &"x".repeat(65_537)));
    assert_eq!(peeked["turns"][0]["text"].as_str().unwrap().len(), 65_536);
    assert_eq!(peeked["turns"][0]["truncated"], true);
}

/// What a method says of its parameters where only one member is given.
fn refusal(home: &Home, method: &str, params: &Value) -> Value {
    home.call(method, params)["error"].clone()
}

#[test]
fn null_is_the_same_as_absent_for_every_optional_member() {
    let home = Home::empty();
    let document = openrpc::document(rpc::router(App::new(home.env(), REGISTRY)).cards());
    let mut checked = 0;
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        let absent = refusal(&home, name, &json!({}));
        let members = method["params"].as_array().unwrap().iter();
        let optional = members.filter(|it| it["required"] == false);
        let names = optional.map(|it| it["name"].as_str().unwrap()).chain(["workDoneToken"]);
        for member in names {
            assert_eq!(refusal(&home, name, &json!({ member: null })), absent, "{name}({member})");
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
    let filter = document["components"]["schemas"]["Filter"]["properties"].as_object().unwrap();
    for member in filter.keys() {
        let wait = json!({ "until": ["idle"], "timeoutMs": 1, "filter": { member: null } });
        assert_eq!(refusal(&home, "session.wait", &wait), Value::Null, "{member}");
    }
    let stranger = refusal(&home, "session.list", &json!({ "limt": null }));
    assert_eq!(stranger["data"]["path"], "limt", "what no method knows is refused all the same");
}

/// The launch of a recorded session in another container, which keeps its ledger here.
fn launch_elsewhere(home: &Home, session: &str) {
    let launch = json!({ "launchId": "l1", "launchedAt": scope::now(), "prompt": "do it" });
    let entry = json!({ "agent": "codex", "session": session, "launch": launch });
    let mut entry: LaunchEntry = serde_json::from_value(entry).unwrap();
    let place = serde_json::from_value(json!({ "boot": "another" })).unwrap();
    entry.elsewhere = Some(Elsewhere { place, process: None, keeper: None });
    let begun = LedgerFile::of(&home.env()).update(|ledger| {
        ledger.launches.push(entry);
        Ok::<_, Infallible>(())
    });
    begun.unwrap().unwrap();
}

#[test]
fn a_session_launched_where_it_cannot_be_seen_is_unknown_and_goes_on_here_by_force_alone() {
    let home = Home::with("codex");
    launch_elsewhere(&home, THREAD);
    let named = json!({ "sessionId": THREAD });
    let session = &home.call("session.status", &named)["result"]["session"];
    assert_eq!(
        (&session["status"], &session["reason"]),
        (&json!("unknown"), &json!("unreachable"))
    );
    let refused = home.call("session.stop", &named)["error"].clone();
    assert!(refused["message"].as_str().unwrap().contains("cannot be seen from here"), "{refused}");

    let mut resume = json!({ "sessionId": THREAD, "prompt": "go on" });
    assert_eq!(home.call("session.resume", &resume)["error"], refused);
    resume["force"] = true.into();
    let error = &home.call("session.resume", &resume)["error"];
    assert_eq!(error["data"]["path"], "sessionId", "its directory is not here: {error}");
}
