//! Each method is answered with every error of ours that the schema lists for it; the router asserts that it is with no
//! other, whoever tests it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use headcount::adapters::REGISTRY;
use headcount::protocol::error::Code;
use headcount::rpc::{self, App};
use serde_json::{Value, json};

use crate::alike;
use crate::launch::{THREAD, World, hook};
use crate::session::put_session;
use crate::support::Home;

type Errors = BTreeSet<(String, String)>;

/// What cannot be brought about from outside: a process has to end, and its id be another's, between a look and a signal.
const BY_CHANCE: (&str, &str) = ("session.stop", "not_ours");

fn listed() -> Errors {
    let router = rpc::router(App::new(Home::empty().env(), REGISTRY));
    let of = |method: &str, error: &Code| (method.to_owned(), error.kind.to_owned());
    let cards = router.cards().iter();
    cards.flat_map(|it| it.errors.iter().map(move |error| of(it.name, error))).collect()
}

/// Notes what these requests are refused with.
fn refuse(
    answered: &mut Errors,
    kind: &str,
    call: impl Fn(&str, &Value) -> Value,
    requests: &[(&str, Value)],
) {
    for (method, params) in requests {
        let reply = call(method, params);
        assert_eq!(reply["error"]["data"]["kind"], kind, "{method} {params}: {reply}");
        answered.insert(((*method).to_owned(), kind.to_owned()));
    }
}

#[test]
fn every_error_that_a_method_lists_is_answered() {
    let mut answered = Errors::from([(BY_CHANCE.0.to_owned(), BY_CHANCE.1.to_owned())]);
    nothing_is_there(&mut answered);
    a_session_is_not_to_be_told(&mut answered);
    a_launch_stands_in_the_way(&mut answered);
    the_ledger_is_damaged(&mut answered);
    let listed = listed();
    let missing: Vec<_> = listed.difference(&answered).collect();
    assert!(missing.is_empty(), "listed, but answered to no request of this file: {missing:?}");
    let unlisted: Vec<_> = answered.difference(&listed).collect();
    assert!(unlisted.is_empty(), "answered, but not listed by the method: {unlisted:?}");
}

fn nothing_is_there(answered: &mut Errors) {
    let world = World::new();
    let call = |method: &str, params: &Value| world.call(method, params);
    let nobody = json!({ "agents": ["nobody"] });
    let its = json!({ "sessionId": "none-such", "agent": "nobody" });
    let go_on = json!({ "sessionId": "none-such", "agent": "nobody", "prompt": "go on" });
    refuse(
        answered,
        "agent_unknown",
        call,
        &[
            ("session.list", nobody.clone()),
            ("session.watch", nobody.clone()),
            ("session.wait", json!({ "filter": nobody, "until": ["idle"], "timeoutMs": 1 })),
            ("session.status", its.clone()),
            ("session.peek", its.clone()),
            ("session.stop", its),
            ("session.resume", go_on),
            ("session.launch", json!({ "agent": "nobody", "cwd": world.work, "prompt": "x" })),
        ],
    );
    let named = json!({ "sessionId": "none-such" });
    refuse(
        answered,
        "session_not_found",
        call,
        &[
            ("session.status", named.clone()),
            ("session.peek", named.clone()),
            ("session.stop", named),
            ("session.resume", json!({ "sessionId": "none-such", "prompt": "go on" })),
        ],
    );
    let unknown = json!({ "directory": world.work, "ttlMs": 1 });
    refuse(answered, "fuse_not_found", call, &[("fuse.extend", unknown)]);
    let unable = json!({ "agent": "pi", "cwd": world.work, "prompt": "x", "permissions": "full" });
    refuse(answered, "unsupported", call, &[("session.launch", unable)]);
}

fn a_session_is_not_to_be_told(answered: &mut Errors) {
    let world = World::new();
    let call = |method: &str, params: &Value| world.call(method, params);
    for number in [1, 2] {
        let id = format!("dddddddd-0000-4000-8000-00000000000{number}");
        put_session(&world.home, &id, Path::new("of no known directory"));
    }
    let dd = json!({ "sessionId": "dddd" });
    refuse(
        answered,
        "session_ambiguous",
        call,
        &[
            ("session.status", dd.clone()),
            ("session.peek", dd.clone()),
            ("session.stop", dd),
            ("session.resume", json!({ "sessionId": "dddd", "prompt": "go on" })),
            ("session.wait", json!({ "sessionIds": ["dddd"], "until": ["idle"], "timeoutMs": 1 })),
        ],
    );
    let one = "dddddddd-0000-4000-8000-000000000001";
    let resume = json!({ "sessionId": one, "prompt": "go on" });
    refuse(answered, "unsupported", call, &[("session.resume", resume)]);
    let stop = json!({ "sessionId": alike::SECOND });
    let home = alike::started_at_once();
    refuse(
        answered,
        "unsupported",
        |method, params| home.call(method, params),
        &[("session.stop", stop)],
    );
}

fn a_launch_stands_in_the_way(answered: &mut Errors) {
    let world = World::new();
    let call = |method: &str, params: &Value| world.call(method, params);
    let launch = |prompt: &str| json!({ "agent": "codex", "cwd": world.work, "prompt": prompt });
    let resume = |prompt: &str| json!({ "sessionId": THREAD, "prompt": prompt });
    let claim = json!({ "directory": world.work, "by": "me" });
    refuse(answered, "launch_failed", call, &[("session.launch", launch("exit 3"))]);

    let (hold, done) = (world.pipe("hold"), world.pipe("done"));
    let prompt = format!("tell; read line < '{}'", hold.path().display());
    world.launch(&prompt, json!({ "onComplete": hook(&done) }));
    refuse(answered, "session_alive", call, &[("session.resume", resume("tell"))]);
    refuse(
        answered,
        "directory_locked",
        call,
        &[
            ("session.launch", launch("tell")),
            ("lock.acquire", claim.clone()),
            ("lock.release", json!({ "directory": world.work })),
        ],
    );
    hold.release();
    done.read();

    refuse(answered, "launch_failed", call, &[("session.resume", resume("exit 3"))]);
    world.call("lock.acquire", &claim);
    refuse(answered, "directory_locked", call, &[("session.resume", resume("tell"))]);
}

fn the_ledger_is_damaged(answered: &mut Errors) {
    let world = World::new();
    let call = |method: &str, params: &Value| world.call(method, params);
    put_session(&world.home, THREAD, &world.work);
    world.program("claude", "exit 0");
    fs::create_dir(world.home.path().join("state")).unwrap();
    fs::write(world.home.path().join("state/ledger.db"), "what is this?").unwrap();
    let directory = json!({ "directory": world.work });
    let with = |name: &str, value: Value| {
        let mut params = directory.clone();
        params[name] = value;
        params
    };
    let path = json!({ "PATH": world.home.path() });
    let fuse = json!({ "directory": world.work, "ttlMs": 1, "onExpire": { "event": "e" } });
    refuse(
        answered,
        "ledger_unavailable",
        call,
        &[
            ("session.launch", json!({ "agent": "codex", "cwd": world.work, "prompt": "tell" })),
            ("session.resume", json!({ "sessionId": THREAD, "prompt": "go on", "env": path })),
            ("session.prune", json!({})),
            ("fuse.set", fuse),
            ("fuse.extend", with("ttlMs", json!(1))),
            ("fuse.cancel", directory.clone()),
            ("fuse.list", json!({})),
            ("lock.acquire", with("by", json!("me"))),
            ("lock.release", directory.clone()),
            ("lock.list", json!({})),
        ],
    );
}
