//! `session.watch` and `session.wait` on stores that change while we look.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use headcount::adapters::{Adapter, REGISTRY, Survey};
use headcount::base::AbsPath;
use headcount::env::Env;
use headcount::fuses::BEHIND_MAX;
use headcount::protocol::fuse::{Fuse, FuseExpired, OnExpire};
use headcount::protocol::lifecycle::AgentCard;
use headcount::rpc::{self, App};
use headcount::scope::{self, Scope};
use headcount::transport;
use jsonrpsee::Methods;
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};

use crate::support::{Home, copy, project, talk};

/// Longest wait for an event that should come at once; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A conversation with a server in memory.
struct Conversation {
    input: WriteHalf<DuplexStream>,
    output: Lines<BufReader<ReadHalf<DuplexStream>>>,
}

impl Conversation {
    /// Serves this home for as long as the conversation lasts.
    fn with(home: &Home, tasks: &mut tokio::task::JoinSet<()>) -> Self {
        Self::of(home.methods(), tasks)
    }

    fn of(methods: Methods, tasks: &mut tokio::task::JoinSet<()>) -> Self {
        let (client, server) = tokio::io::duplex(1 << 20);
        let (reader, writer) = tokio::io::split(server);
        tasks.spawn(async move {
            transport::serve(reader, writer, methods, transport::Options::default()).await;
        });
        let (output, input) = tokio::io::split(client);
        Self { input, output: BufReader::new(output).lines() }
    }

    async fn send(&mut self, id: u64, method: &str, params: Value) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.input.write_all(format!("{request}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.output.next_line())
            .await
            .expect("an event in time");
        serde_json::from_str(&line.unwrap().expect("the server is there")).unwrap()
    }

    /// The next notification of changes, as `(seq, [(kind, session id)])`.
    async fn changes(&mut self) -> (u64, Vec<(String, String)>) {
        let message = self.next().await;
        assert_eq!(message["method"], "session.changed", "{message}");
        let result = &message["params"]["result"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let changes = result["changes"].as_array().unwrap();
        let changes =
            changes.iter().map(|it| (text(&it["kind"]), text(&it["session"]["sessionId"])));
        (result["seq"].as_u64().unwrap(), changes.collect())
    }

    /// Waits for the session to be told with this kind, through however many notifications.
    async fn until(&mut self, kind: &str, session: &str) {
        loop {
            let (_, changes) = self.changes().await;
            if changes.iter().any(|(its, id)| its == kind && id == session) {
                return;
            }
        }
    }
}

/// A recorded rollout of Codex and the id of its thread.
const THREAD: &str = "01a204ec-b99e-7391-b564-bd5b396bbf28";
const ROLLOUT: &str = ".codex/sessions/2026/11/22/rollout-2026-11-22T20-22-32-01a204ec-b99e-7391-b564-bd5b396bbf28.jsonl";

fn put_rollout(home: &Path) {
    let target = home.join(ROLLOUT);
    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
    copy(&project().join("tests/fixtures/codex/home").join(ROLLOUT), &target);
}

#[tokio::test]
async fn a_watch_tells_the_snapshot_then_what_comes_changes_and_goes() {
    let home = Home::empty();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    client.send(1, "session.watch", json!({})).await;
    let subscription = client.next().await["result"].clone();
    assert!(subscription.is_u64(), "{subscription}");
    assert_eq!(client.changes().await, (1, vec![]));

    // The store did not even exist when the watch began.
    put_rollout(home.path());
    client.until("added", THREAD).await;

    let mut rollout =
        std::fs::OpenOptions::new().append(true).open(home.path().join(ROLLOUT)).unwrap();
    let started = r#"{"timestamp":"2026-11-22T21:00:00.000Z","ordinal":999,"type":"event_msg","payload":{"type":"task_started","turn_id":"t"}}"#;
    std::io::Write::write_all(&mut rollout, format!("{started}\n").as_bytes()).unwrap();
    client.until("changed", THREAD).await;

    std::fs::remove_dir_all(home.path().join(".codex")).unwrap();
    client.until("removed", THREAD).await;

    put_rollout(home.path());
    client.until("added", THREAD).await;

    client.send(2, "session.unwatch", json!({ "subscription": subscription })).await;
    assert_eq!(client.next().await["result"], json!(true));
}

#[tokio::test]
async fn a_watch_tells_only_what_its_filter_lets_through() {
    let home = Home::empty();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    client.send(1, "session.watch", json!({ "status": ["running"] })).await;
    client.next().await;
    assert_eq!(client.changes().await, (1, vec![]));
    client.send(2, "session.watch", json!({ "agents": ["codex"] })).await;
    client.next().await;
    assert_eq!(client.changes().await, (1, vec![]));
    put_rollout(home.path());
    // The session is stopped: the first watch says nothing, or this would be its notification.
    assert_eq!(client.changes().await, (2, vec![("added".into(), THREAD.into())]));
}

#[tokio::test]
async fn a_wait_answers_when_the_state_is_reached_and_not_before() {
    let home = Home::empty();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    let wait = json!({ "sessionIds": [THREAD], "until": ["stopped"], "timeoutMs": 60_000 });
    client.send(1, "session.wait", wait).await;
    client.send(2, "session.watch", json!({})).await;
    client.next().await;
    client.changes().await;
    put_rollout(home.path());
    let messages = [client.next().await, client.next().await];
    let reply = messages.iter().find(|it| it["id"] == 1).expect("the wait is answered");
    assert_eq!(reply["result"]["timedOut"], json!(false));
    assert_eq!(reply["result"]["sessions"][0]["sessionId"], THREAD);
}

#[tokio::test]
async fn a_wait_takes_the_beginning_of_an_id_that_only_one_session_has() {
    const OTHER: &str = "01a204ec-0000-7391-b564-bd5b396bbf28";
    let home = Home::empty();
    put_rollout(home.path());
    let rollout = std::fs::read_to_string(home.path().join(ROLLOUT)).unwrap();
    let other = home.path().join(ROLLOUT.replace(THREAD, OTHER));
    std::fs::write(other, rollout.replace(THREAD, OTHER)).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    let wait =
        |ids: &[&str]| json!({ "sessionIds": ids, "until": ["stopped"], "timeoutMs": 60_000 });
    client.send(1, "session.wait", wait(&[&THREAD[..9], &OTHER[..10], OTHER])).await;
    let error = client.next().await["error"].clone();
    assert_eq!(error["code"], 1002, "{error}");
    assert_eq!(error["data"]["candidates"].as_array().unwrap().len(), 2, "{error}");
    client.send(2, "session.wait", wait(&[&OTHER[..10], OTHER])).await;
    let result = client.next().await["result"].clone();
    assert_eq!(result["sessions"].as_array().unwrap().len(), 1, "{result}");
    assert_eq!(result["sessions"][0]["sessionId"], OTHER);
    assert_eq!(result["timedOut"], false);
}

#[tokio::test]
async fn a_wait_whose_time_runs_out_says_so() {
    let home = Home::empty();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    client
        .send(1, "session.wait", json!({ "filter": {}, "until": ["waiting"], "timeoutMs": 1 }))
        .await;
    let result = client.next().await["result"].clone();
    assert_eq!((&result["sessions"], &result["timedOut"]), (&json!([]), &json!(true)));
    assert_eq!(result["complete"], true);
    assert_eq!(result["agents"].as_array().unwrap().len(), REGISTRY.len());
}

#[tokio::test]
async fn a_watch_tells_of_a_fuse_that_is_to_be_told_and_of_no_other() {
    let home = Home::empty();
    let app = App::new(home.env(), REGISTRY);
    let (fuses, env, unfinished) = (app.fuses.clone(), app.env.clone(), app.unfinished.clone());
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { match fuses.keep(env, unfinished).await {} });
    let mut client = Conversation::of(rpc::router(app).into_methods(), &mut tasks);
    client.send(1, "session.watch", json!({})).await;
    let subscription = client.next().await["result"].clone();
    client.changes().await;

    let mut expired = Vec::new();
    for (id, name, on_expire) in
        [(2, "a", json!({ "command": ["/bin/true"] })), (3, "b", json!({ "event": "over" }))]
    {
        let directory = home.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let fuse = json!({ "directory": directory, "ttlMs": 1, "onExpire": on_expire });
        client.send(id, "fuse.set", fuse).await;
        let mut is_set = false;
        while !is_set || name == "b" && expired.is_empty() {
            let message = client.next().await;
            is_set |= message["id"] == id;
            expired.extend((message["method"] == "fuse.expired").then_some(message));
        }
    }
    let [told] = &expired[..] else { panic!("{expired:?}") };
    assert_eq!(told["params"]["subscription"], subscription);
    assert_eq!(told["params"]["result"]["fuse"]["onExpire"]["event"], "over");
}

#[tokio::test]
async fn a_watch_that_is_too_slow_for_the_fuses_is_told_how_many_it_missed() {
    let home = Home::empty();
    let app = App::new(home.env(), REGISTRY);
    let fuses = app.fuses.clone();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::of(rpc::router(app).into_methods(), &mut tasks);
    client.send(1, "session.watch", json!({})).await;
    client.next().await;
    assert_eq!(client.changes().await.0, 1);
    let expire = |count: usize| {
        // On one thread nobody reads meanwhile.
        for number in 0..count {
            let fuse = Fuse {
                directory: AbsPath::parse(format!("/{number}")).unwrap(),
                expires_at: scope::now(),
                label: None,
                session_id: None,
                on_expire: OnExpire { event: Some("over".into()), ..OnExpire::default() },
            };
            fuses.tell(FuseExpired { fuse, fired_at: scope::now(), late: false });
        }
    };
    expire(BEHIND_MAX);
    let first = client.next().await;
    assert_eq!(first["params"]["result"]["fuse"]["directory"], "/0", "none is missed");
    for _ in 1..BEHIND_MAX {
        assert_eq!(client.next().await["method"], "fuse.expired");
    }

    expire(BEHIND_MAX + 1);
    let told = client.next().await;
    assert_eq!(told["method"], "session.changed", "{told}");
    let problem = &told["params"]["result"]["problems"][0];
    assert_eq!(problem["kind"], "limit", "{told}");
    assert!(problem["message"].as_str().unwrap().ends_with("told: 1"), "{told}");
    assert_eq!(client.next().await["params"]["result"]["fuse"]["directory"], "/1");
}

#[tokio::test]
async fn who_waits_for_hundreds_of_sessions_one_by_one_is_answered_meanwhile() {
    let home = Home::empty();
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    let wait = json!({ "filter": {}, "until": ["waiting"], "timeoutMs": 3_600_000 });
    for id in 0..300 {
        client.send(id, "session.wait", wait.clone()).await;
    }
    client.send(300, "lock.list", json!({})).await;
    assert_eq!(client.next().await["id"], 300);
}

#[test]
fn a_wait_that_cannot_see_the_processes_says_so() {
    let home = Home::empty();
    let wait = json!({ "filter": {}, "until": ["idle"], "timeoutMs": 1 });
    let check = || {
        let result = &home.call("session.wait", &wait)["result"];
        assert_eq!((&result["complete"], &result["timedOut"]), (&json!(false), &json!(true)));
        assert_eq!(result["problems"][0]["kind"], "unreadable", "{result}");
    };
    // As in a sandbox that shows none: the directory is there.
    std::fs::remove_file(home.proc_root().join("stat")).unwrap();
    check();
    std::fs::remove_dir(home.proc_root()).unwrap();
    check();
}

#[test]
fn the_shortest_wait_looks_once() {
    let home = Home::with("codex");
    let wait = json!({ "sessionIds": [THREAD], "until": ["stopped"], "timeoutMs": 1 });
    let result = &home.call("session.wait", &wait)["result"];
    assert_eq!(result["timedOut"], false, "{result}");
    assert_eq!(result["sessions"][0]["sessionId"], THREAD);
}

#[tokio::test]
async fn agents_that_the_settings_leave_out_are_watched_where_they_are_named() {
    let home = Home::empty();
    put_rollout(home.path());
    home.configure(r#"{"withoutAgents": ["codex"]}"#);
    let mut tasks = tokio::task::JoinSet::new();
    let mut client = Conversation::with(&home, &mut tasks);
    client.send(1, "session.watch", json!({})).await;
    client.next().await;
    assert_eq!(client.changes().await, (1, vec![]));
    client.send(2, "session.watch", json!({ "agents": ["codex"] })).await;
    client.next().await;
    assert_eq!(client.changes().await, (1, vec![("added".into(), THREAD.into())]));

    let wait = |what: Value| json!({ "until": ["stopped"], "timeoutMs": 1, "filter": what });
    client.send(3, "session.wait", wait(json!({}))).await;
    assert_eq!(client.next().await["result"]["timedOut"], true);
    client.send(4, "session.wait", wait(json!({ "agents": ["codex"] }))).await;
    assert_eq!(client.next().await["result"]["timedOut"], false);
    let named = json!({ "until": ["stopped"], "timeoutMs": 1, "sessionIds": [THREAD] });
    client.send(5, "session.wait", named).await;
    let result = client.next().await["result"].clone();
    assert_eq!(result["sessions"][0]["sessionId"], THREAD, "its id names it");
}

/// An agent whose adapter has a defect where nothing catches it.
struct Defective(AgentCard);

impl Adapter for Defective {
    fn card(&self) -> &AgentCard {
        &self.0
    }

    fn stores(&self, _: &Env) -> Vec<PathBuf> {
        panic!("a defect")
    }

    fn survey(&'static self, _: Scope) -> BoxFuture<'static, Survey> {
        Box::pin(std::future::ready(Survey::absent()))
    }
}

#[test]
fn a_wait_fails_where_the_lookout_has_a_defect() {
    let card = AgentCard {
        id: serde_json::from_value(json!("defective")).unwrap(),
        name: "Defective",
        binaries: &[],
        seen_version: "1",
        live_signal: "none",
        blind_spots: "all",
    };
    let adapter: &'static Defective = Box::leak(Box::new(Defective(card)));
    let methods = rpc::router(App::new(Home::empty().env(), &[adapter])).into_methods();
    let request = |method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let wait = json!({ "filter": {}, "until": ["idle"], "timeoutMs": 1 });
    let error = talk(&methods, &[request("session.wait", wait)])[0]["error"].clone();
    assert_eq!(error["code"], -32603, "{error}");
}

#[test]
fn waits_and_watches_that_make_no_sense_are_refused_by_name() {
    let home = Home::empty();
    let cases = [
        ("session.wait", json!({ "until": ["idle"], "timeoutMs": 1 }), "sessionIds"),
        ("session.wait", json!({ "until": [], "filter": {}, "timeoutMs": 1 }), "until"),
        (
            "session.wait",
            json!({ "until": ["idle"], "filter": {}, "sessionIds": [], "timeoutMs": 1 }),
            "filter",
        ),
        ("session.wait", json!({ "until": ["idle"], "filter": {}, "timeoutMs": 0 }), "timeoutMs"),
        (
            "session.wait",
            json!({ "until": ["idle"], "sessionIds": [], "timeoutMs": 1 }),
            "sessionIds",
        ),
        (
            "session.wait",
            json!({ "until": ["idle"], "sessionIds": ["01a"], "timeoutMs": 1 }),
            "sessionIds",
        ),
        (
            "session.wait",
            json!({ "until": ["idle"], "sessionIds": vec!["01a2"; 1_001], "timeoutMs": 1 }),
            "sessionIds",
        ),
        (
            "session.wait",
            json!({ "until": ["idle"], "filter": {}, "timeoutMs": 86_400_001 }),
            "timeoutMs",
        ),
        ("session.watch", json!({ "statuses": ["idle"] }), "statuses"),
        ("session.unwatch", json!({ "subscriptions": 1 }), "subscriptions"),
    ];
    for (method, params, path) in cases {
        let error = &home.call(method, &params)["error"];
        assert_eq!(
            (&error["code"], &error["data"]["path"]),
            (&json!(-32602), &json!(path)),
            "{params}: {error}"
        );
    }
    let error = &home.call("session.watch", &json!({ "agents": ["clod"] }))["error"];
    assert_eq!(error["code"], 1003, "{error}");
}
