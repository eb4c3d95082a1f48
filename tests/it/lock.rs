//! `lock.*` over the wire.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::Home;

fn acquire(home: &Home, directory: &std::path::Path) -> Value {
    home.call("lock.acquire", &json!({ "directory": directory, "by": "me", "reason": "release" }))
}

fn held(home: &Home) -> Vec<String> {
    let reply = home.call("lock.list", &json!({}));
    let locks = reply["result"]["locks"].as_array().unwrap();
    locks.iter().map(|it| it["directory"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_claim_is_told_by_its_real_path_and_refuses_what_lies_above_and_below() {
    let home = Home::empty();
    let real = home.path().join("work").canonicalize();
    assert!(real.is_err(), "made below");
    fs::create_dir_all(home.path().join("work/deep")).unwrap();
    let work = home.path().join("work").canonicalize().unwrap();
    symlink(&work, home.path().join("link")).unwrap();

    let reply = acquire(&home, &home.path().join("link"));
    let lock = &reply["result"]["lock"];
    assert_eq!(lock["directory"], json!(work));
    assert_eq!((&lock["by"], &lock["kind"]), (&json!("me"), &json!("manual")));
    for taken in [work.clone(), work.join("deep"), home.path().to_owned()] {
        let error = &acquire(&home, &taken)["error"];
        assert_eq!(error["code"], 1004, "{}", taken.display());
        assert_eq!(error["data"]["kind"], "directory_locked");
        assert_eq!(error["data"]["holder"]["by"], "me");
        assert_eq!(error["data"]["holder"]["reason"], "release");
        assert!(error["data"]["holder"]["since"].is_string());
        assert_eq!(error["data"]["holder"]["kind"], "manual");
        // There is no `force` for it to give.
        let hint = "wait until it is released, or give it up with lock.release; lock.list shows every claim";
        assert_eq!(error["data"]["hint"], hint);
    }
    assert_eq!(held(&home), [work.to_str().unwrap()]);

    let release = |directory: &std::path::Path| {
        home.call("lock.release", &json!({ "directory": directory }))["result"]["released"].clone()
    };
    assert_eq!(release(&work.join("deep")), json!(false));
    assert_eq!(release(&home.path().join("link")), json!(true));
    assert_eq!(release(&work), json!(false));

    // A claim outlives its directory, and is given up by any of its names.
    acquire(&home, &work.join("deep"));
    fs::remove_dir(work.join("deep")).unwrap();
    assert_eq!(release(&home.path().join("link/deep")), json!(true));
    assert_eq!(held(&home), [""; 0]);
}

#[test]
fn who_asks_again_gives_up_nobody_elses_claim() {
    let home = Home::empty();
    let directory = home.path();
    let release = |more: Value| {
        let mut params = json!({ "directory": directory });
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        home.call("lock.release", &params)
    };
    acquire(&home, directory);
    assert_eq!(release(json!({ "by": "you" }))["result"], json!({ "released": false }));
    assert_eq!(held(&home), [directory.to_str().unwrap()]);

    let error = &release(json!({ "by": "me", "force": true }))["error"];
    assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!("by")));
    assert_eq!(release(json!({ "by": "" }))["error"]["data"]["path"], json!("by"));

    assert_eq!(release(json!({ "by": "me" }))["result"], json!({ "released": true }));
    assert_eq!(held(&home), [""; 0]);
}

#[test]
fn a_worktree_below_can_be_claimed_too() {
    let home = Home::empty();
    let tree = home.path().join("repo/trees/x");
    fs::create_dir_all(tree.join("src")).unwrap();
    fs::write(tree.join(".git"), "gitdir: elsewhere").unwrap();
    assert!(acquire(&home, &home.path().join("repo"))["result"].is_object());
    assert!(acquire(&home, &tree.join("src"))["result"].is_object());
    assert_eq!(acquire(&home, &tree)["error"]["code"], 1004);
}

#[test]
fn what_cannot_be_claimed_is_refused_by_name() {
    let home = Home::empty();
    fs::write(home.path().join("file"), "").unwrap();
    let there = home.path();
    for (params, path) in [
        (json!({ "directory": there.join("none"), "by": "me" }), "directory"),
        (json!({ "directory": there.join("file"), "by": "me" }), "directory"),
        (json!({ "directory": "relative", "by": "me" }), "directory"),
        (json!({ "directory": there, "by": "" }), "by"),
        (json!({ "directory": there, "by": "x".repeat(1025) }), "by"),
        (json!({ "directory": there, "by": "me", "ttlMs": 0 }), "ttlMs"),
        (json!({ "directory": there, "by": "me", "ttl": 1 }), "ttl"),
    ] {
        let error = &home.call("lock.acquire", &params)["error"];
        assert_eq!(error["code"], -32602, "{params}");
        assert_eq!(error["data"]["path"], path, "{error}");
    }
    assert!(!home.path().join("state/ledger.db").exists(), "nothing was written");
}

#[test]
fn a_damaged_ledger_refuses_changes_and_is_a_problem_of_what_does_without_it() {
    let home = Home::empty();
    let file = home.path().join("state/ledger.db");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "what is this?").unwrap();
    for reply in [acquire(&home, home.path()), home.call("lock.list", &json!({}))] {
        assert_eq!(reply["error"]["code"], 1008);
        assert_eq!(reply["error"]["data"]["kind"], "ledger_unavailable");
    }
    let listed = home.call("session.list", &json!({}));
    let problem = &listed["result"]["problems"][0];
    assert_eq!((&problem["kind"], &problem["path"]), (&json!("malformed"), &json!(file)));
    let metrics = home.call("server.metrics", &json!({}))["result"].clone();
    assert_eq!(metrics["problems"], json!([problem]));
    assert!(metrics["uptimeMs"].is_u64() && metrics["requests"].is_object(), "{metrics}");
    for unknown in ["locksActive", "fusesActive", "launches"] {
        assert_eq!(metrics.get(unknown), None);
    }
    assert_eq!(fs::read(&file).unwrap(), b"what is this?");
}
