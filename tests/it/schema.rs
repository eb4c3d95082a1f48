//! The published schema is what the types say, and complete.

use headcount::adapters::REGISTRY;
use headcount::rpc::{self, App, openrpc};
use serde_json::{Value, json};

use crate::support::{Home, is_blessing, project};

fn document() -> Value {
    openrpc::document(rpc::router(App::new(Home::empty().env(), REGISTRY)).cards())
}

#[test]
fn the_published_document_is_what_the_types_say() {
    let path = project().join("schema/openrpc.json");
    let text = openrpc::text(rpc::router(App::new(Home::empty().env(), REGISTRY)).cards());
    if is_blessing() {
        std::fs::write(&path, &text).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == text,
        "schema/openrpc.json is not what the types say: run `just bless` and read the diff"
    );
}

#[test]
fn the_published_schema_of_the_settings_is_what_the_types_say() {
    let path = project().join("schema/config.json");
    if is_blessing() {
        std::fs::write(&path, openrpc::config_text()).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == openrpc::config_text(),
        "schema/config.json is not what the types say: run `just bless` and read the diff"
    );
}

#[test]
fn discover_returns_the_published_document() {
    if is_blessing() {
        // The document is being written, by the test above.
        return;
    }
    let reply = Home::empty().call("rpc.discover", &json!({}));
    let text = format!("{}\n", serde_json::to_string_pretty(&reply["result"]).unwrap());
    let published = std::fs::read_to_string(project().join("schema/openrpc.json")).unwrap();
    assert!(text == published, "it is not what schema/openrpc.json holds");
}

/// Every reference in a part of the document.
fn references(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                left.extend(members.values());
            }
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    found
}

/// What resolves every reference, as generators of clients do, comes to an end.
#[test]
fn no_type_is_made_of_itself() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let mut made_of = references(schema);
        let mut next = 0;
        while let Some(reference) = made_of.get(next).copied() {
            assert_ne!(reference, format!("#/components/schemas/{name}"));
            let mut further = references(document.pointer(&reference[1..]).unwrap());
            further.retain(|it| !made_of.contains(it));
            made_of.extend(further);
            next += 1;
        }
    }
}

#[test]
fn every_member_of_every_type_is_described() {
    let document = document();
    let mut bare = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            if schema["description"].as_str().is_none_or(str::is_empty) {
                bare.push(format!("{name}.{member}"));
            }
        }
    }
    for method in document["methods"].as_array().unwrap() {
        for param in method["params"].as_array().unwrap() {
            if param["description"].as_str().is_none_or(str::is_empty) {
                bare.push(format!("{}({})", method["name"], param["name"]));
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new(), "a doc comment is missing");
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let document = document();
    let mut dangling = references(&document);
    dangling.retain(|it| document.pointer(it.trim_start_matches('#')).is_none());
    assert_eq!(dangling, [""; 0]);
}

#[test]
fn what_comes_with_an_error_and_all_that_a_watch_tells_is_described() {
    let document = document();
    for (kind, member) in [
        ("session_ambiguous", "candidates"),
        ("agent_unknown", "known"),
        ("directory_locked", "holder"),
        ("session_alive", "process"),
        ("launch_failed", "stage"),
        ("fuse_not_found", "hint"),
    ] {
        let data = document["components"]["errors"][kind]["x-data"]["$ref"].as_str().unwrap();
        let data = &document.pointer(&data[1..]).unwrap()["properties"];
        assert!(data[member].is_object() && data["retryable"].is_object(), "{kind}: {data}");
    }
    let methods = document["methods"].as_array().unwrap();
    let notifications = methods.iter().filter_map(|it| it["x-notifications"].as_array()).flatten();
    let notifications: Vec<&Value> = notifications.map(|it| &it["method"]).collect();
    assert_eq!(notifications, ["session.changed", "fuse.expired"]);
}

#[test]
fn initialize_tells_every_method_and_every_agent() {
    let reply =
        Home::empty().call("initialize", &json!({"processId": null, "capabilities": {"x": 1}}));
    let headcount = &reply["result"]["capabilities"]["experimental"]["headcount"];
    let document = document();
    let names: Vec<&Value> =
        document["methods"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(headcount["methods"].as_array().unwrap().iter().collect::<Vec<_>>(), names);
    assert_eq!(headcount["agents"].as_array().unwrap().len(), REGISTRY.len());
    assert_eq!(reply["result"]["protocolVersion"], 1);
}
