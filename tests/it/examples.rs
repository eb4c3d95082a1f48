//! One real request and reply of each method, on a recorded store, published beside the schema.

use std::collections::BTreeMap;
use std::fs;

use headcount::adapters::REGISTRY;
use headcount::rpc::{self, App};
use serde_json::{Value, json};

use crate::launch;
use crate::support::{Home, is_blessing, project, talk};

/// The home that examples are shown in; the real one is a temporary directory.
const SHOWN_HOME: &str = "/home/dev";
/// The instant that examples are shown at.
const SHOWN_INSTANT: &str = "2026-11-22T21:00:00.000Z";

/// A recorded thread of Codex: one turn, finished.
const THREAD: &str = "01a204ec-b99e-7391-b564-bd5b396bbf28";

/// What is asked of each method; of those not named here, nothing but their name.
fn params(method: &str, home: &Home) -> Value {
    let directory = home.path().join("work");
    match method {
        "initialize" => {
            json!({ "processId": null, "clientInfo": { "name": "example", "version": "1.0" } })
        }
        "session.list" => json!({ "agents": ["codex"], "limit": 2 }),
        "session.status" => json!({ "sessionId": THREAD }),
        "session.peek" => json!({ "sessionId": THREAD, "turns": 2 }),
        "session.wait" => {
            json!({ "sessionIds": [THREAD], "until": ["stopped"], "timeoutMs": 60_000 })
        }
        "session.watch" => json!({ "agents": ["codex"], "query": "no session mentions this" }),
        "session.unwatch" => json!({ "subscription": 1 }),
        "lock.acquire" => {
            json!({ "directory": directory, "by": "example", "reason": "a migration runs here" })
        }
        "lock.release" | "fuse.cancel" => json!({ "directory": directory }),
        "fuse.set" => json!({
            "directory": directory, "ttlMs": 3_600_000, "label": "review",
            "onExpire": { "command": ["notify-send", "the hour is over"] },
        }),
        "fuse.extend" => json!({ "directory": directory, "ttlMs": 3_600_000 }),
        _ => json!({}),
    }
}

/// Puts the shown values in the place of those that differ from run to run.
fn settled(value: &mut Value, home: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "observedAt" | "since" | "expiresAt" => *value = SHOWN_INSTANT.into(),
                    "elapsedMs" | "uptimeMs" | "totalMs" | "longestMs" => *value = 0.into(),
                    // How many were so quick differs, too.
                    "count" => *value = 1.into(),
                    _ => settled(value, home),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| settled(it, home)),
        Value::String(text) if text.contains(home) => *text = text.replace(home, SHOWN_HOME),
        _ => {}
    }
}

/// Where members are missing that the schema says are always there.
fn lacking(value: &Value, schema: &Value, document: &Value, path: &str) -> Vec<String> {
    if let Some(target) = schema["$ref"].as_str() {
        let schema = document.pointer(target.trim_start_matches('#')).unwrap();
        return lacking(value, schema, document, path);
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.filter(|it| value.get(it).is_none()).map(|it| format!("{path}.{it}"));
    let members = schema["properties"].as_object().into_iter().flatten();
    let below = members.filter_map(|(name, schema)| {
        Some(lacking(value.get(name)?, schema, document, &format!("{path}.{name}")))
    });
    let items = value.as_array().into_iter().flatten();
    let each = items.map(|it| lacking(it, &schema["items"], document, &format!("{path}[]")));
    missing.chain(below.flatten()).chain(each.flatten()).collect()
}

#[test]
fn examples_have_every_member_that_the_schema_promises() {
    if is_blessing() {
        // Both are being written, by other tests.
        return;
    }
    let read = |path: &std::path::Path| -> Value {
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    };
    let document = read(&project().join("schema/openrpc.json"));
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        if name == "rpc.discover" {
            // Its example refers to the document instead of repeating it.
            continue;
        }
        let example = read(&project().join(format!("schema/examples/{name}.json")));
        let result = &example["reply"]["result"];
        assert_eq!(lacking(result, &method["result"]["schema"], &document, name), [""; 0]);
        for param in method["params"].as_array().unwrap().iter().filter(|it| it["required"] == true)
        {
            let param = param["name"].as_str().unwrap();
            assert!(example["request"]["params"].get(param).is_some(), "{name}({param})");
        }
    }
}

#[test]
fn each_method_has_an_example_that_is_what_it_answers() {
    let dir = project().join("schema/examples");
    let mut wanted = BTreeMap::new();
    let mut launching = launch::examples();
    for card in rpc::router(App::new(Home::empty().env(), REGISTRY)).cards() {
        let home = Home::with("codex");
        fs::create_dir(home.path().join("work")).unwrap();
        let (params, mut result) = launching.remove(card.name).unwrap_or_else(|| {
            if ["fuse.extend", "fuse.cancel", "fuse.list"].contains(&card.name) {
                home.call("fuse.set", &params("fuse.set", &home));
            }
            let params = params(card.name, &home);
            let methods = home.methods();
            let ask = |method: &str, params: &Value| {
                let request =
                    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
                talk(&methods, &[request]).pop().unwrap()
            };
            if card.name == "server.metrics" {
                ask("session.list", &self::params("session.list", &home));
            }
            let reply = ask(card.name, &params);
            assert!(reply["error"].is_null(), "{}: {reply}", card.name);
            (params, reply["result"].clone())
        });
        if card.name == "rpc.discover" {
            result = json!("… the document in ../openrpc.json …");
        }
        if card.notification.is_some() {
            result = json!(1);
        }
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": card.name, "params": params });
        let reply = json!({ "jsonrpc": "2.0", "id": 1, "result": result });
        let mut example = json!({ "request": request, "reply": reply });
        settled(&mut example, home.path().to_str().unwrap());
        let text = format!("{}\n", serde_json::to_string_pretty(&example).unwrap());
        wanted.insert(format!("{}.json", card.name), text);
    }
    if is_blessing() {
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in &wanted {
            fs::write(dir.join(name), text).unwrap();
        }
    }
    let published: BTreeMap<String, String> = fs::read_dir(&dir)
        .unwrap()
        .map(|it| it.unwrap())
        .map(|it| (it.file_name().into_string().unwrap(), fs::read_to_string(it.path()).unwrap()))
        .collect();
    for name in published.keys() {
        assert!(wanted.contains_key(name), "{name} is no method's example");
    }
    for (name, text) in &wanted {
        let is_same = published.get(name) == Some(text);
        assert!(
            is_same,
            "schema/examples/{name} is not what the method answers: run `just bless` and read the diff"
        );
    }
}
