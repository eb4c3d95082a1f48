//! `fuse.*` over the wire.

use serde_json::{Value, json};

use crate::support::Home;

fn set(home: &Home, label: &str, ttl_ms: u64) -> Value {
    let on_expire = json!({ "event": "look" });
    let directory = home.path();
    let params =
        json!({ "directory": directory, "ttlMs": ttl_ms, "label": label, "onExpire": on_expire });
    home.call("fuse.set", &params)["result"]["fuse"].clone()
}

#[test]
fn a_directory_has_one_fuse_that_can_be_extended_and_cancelled() {
    let home = Home::empty();
    let first = set(&home, "first", 60_000);
    let second = set(&home, "second", 60_000);
    let listed = || home.call("fuse.list", &json!({}))["result"]["fuses"].clone();
    assert_eq!(listed(), json!([second]));
    assert_ne!(first, second);

    let by_directory = json!({ "directory": home.path() });
    let longer = json!({ "directory": home.path(), "ttlMs": 3_600_000 });
    let extended = home.call("fuse.extend", &longer)["result"]["fuse"].clone();
    assert!(extended["expiresAt"].as_str() > second["expiresAt"].as_str());
    assert_eq!(listed(), json!([extended]));
    let cancel = || home.call("fuse.cancel", &by_directory)["result"]["cancelled"].clone();
    assert_eq!(cancel(), json!(true));
    assert_eq!(cancel(), json!(false));
    let error = home.call("fuse.extend", &longer)["error"].clone();
    assert_eq!((&error["code"], &error["data"]["kind"]), (&json!(1010), &json!("fuse_not_found")));
}

#[test]
fn a_fuse_that_could_do_nothing_is_refused() {
    let home = Home::empty();
    for (on_expire, path) in [
        (json!({}), "onExpire"),
        (json!({ "command": [] }), "onExpire.command"),
        (json!({ "command": ["a\0"] }), "onExpire.command"),
        (json!({ "command": vec!["a"; 257] }), "onExpire.command"),
        (json!({ "command": "rm" }), "onExpire.command"),
        (json!({ "webhook": "ftp://x" }), "onExpire.webhook"),
        (json!({ "event": "" }), "onExpire.event"),
        (json!({ "explode": true }), "onExpire.explode"),
    ] {
        let params = json!({ "directory": home.path(), "ttlMs": 1, "onExpire": on_expire });
        let error = home.call("fuse.set", &params)["error"].clone();
        assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!(path)));
    }
    for (member, value) in [("sessionId", "a\0b"), ("sessionId", ""), ("label", "a\0b")] {
        let mut params =
            json!({ "directory": home.path(), "ttlMs": 1, "onExpire": { "event": "e" } });
        params[member] = value.into();
        let error = home.call("fuse.set", &params)["error"].clone();
        assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!(member)));
    }
}
