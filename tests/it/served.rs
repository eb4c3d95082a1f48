//! `session.launch`, `resume`, `stop` and `prune` of sessions that live in an agent's own service: OpenClaw's gateway,
//! played by a stand-in.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};

use headcount::adapters::REGISTRY;
use headcount::env::Env;
use headcount::rpc::{self, App};
use headcount::transport;
use jsonrpsee::Methods;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, accept};

use crate::support::{Home, interrupt, talk};

const SECRET: &str = "secret-token-77aa";

/// What the stand-in knows.
#[derive(Default)]
struct State {
    rows: Vec<Value>,
    /// The requests that it was sent.
    asked: Vec<Value>,
    /// Whether aborts are accepted and nothing comes of them.
    is_stubborn: bool,
    /// Told when a session has been begun, and waited for before that is answered.
    pause: Option<(Sender<()>, Receiver<()>)>,
}

impl State {
    fn row(&mut self, key: &Value) -> Option<&mut Value> {
        self.rows.iter_mut().find(|it| it["key"] == *key)
    }

    /// Answers as the real gateway (2026.9.6) does, as far as it is asked here.
    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, &'static str> {
        let is_active = |row: &Value| row["hasActiveRun"] == true;
        match method {
            "connect" if params["auth"]["token"] != SECRET => Err("unauthorized: token mismatch"),
            "connect" => Ok(json!({ "protocol": 4 })),
            "agents.list" => Ok(json!({ "agents": [] })),
            "sessions.list" => {
                let is_wanted = |it: &&Value| params["activeOnly"] != true || is_active(it);
                let rows: Vec<&Value> = self.rows.iter().filter(is_wanted).collect();
                Ok(json!({ "sessions": rows, "hasMore": false }))
            }
            "question.list" => Ok(json!({ "questions": [] })),
            "exec.approval.list" | "plugin.approval.list" => Ok(json!([])),
            "sessions.create" if params["label"] == "taken" => Err("label already in use: taken"),
            "sessions.create" if params["model"] == "nope/none" => {
                Err("Unknown provider \"nope\". Use /models to list providers.")
            }
            "sessions.create" => {
                let key = format!("agent:main:dashboard:{}", self.rows.len());
                self.rows.push(json!({
                    "key": key, "status": "running", "hasActiveRun": true, "label": params["label"],
                    "spawnedCwd": params["cwd"], "createdAt": 1_795_379_188_684_i64,
                }));
                Ok(json!({ "ok": true, "key": key, "runStarted": true }))
            }
            "sessions.send" => {
                let row = self.row(&params["key"]).ok_or("session not found")?;
                row["hasActiveRun"] = true.into();
                Ok(json!({ "runId": "r", "status": "started" }))
            }
            "sessions.abort" => {
                let is_stubborn = self.is_stubborn;
                let row = self.row(&params["key"]).filter(|it| is_active(it));
                let Some(row) = row else { return Ok(json!({ "status": "no-active-run" })) };
                row["hasActiveRun"] = is_stubborn.into();
                row["status"] = "killed".into();
                Ok(json!({ "status": "aborted" }))
            }
            _ => Err("unknown method"),
        }
    }
}

/// A gateway, a home whose settings lead to it, and a directory to work in.
struct World {
    home: Home,
    work: PathBuf,
    gateway: Arc<Mutex<State>>,
}

impl World {
    fn new() -> Self {
        let home = Home::empty();
        let work = home.path().join("work");
        std::fs::create_dir(&work).unwrap();
        let work = work.canonicalize().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let world = Self { home, work, gateway: Arc::default() };
        world.settings(listener.local_addr().unwrap().port(), SECRET);
        let gateway = world.gateway.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // The client may go whenever it likes.
                drop(serve(stream.unwrap(), &gateway));
            }
        });
        world
    }

    fn settings(&self, port: u16, token: &str) {
        let dir = self.home.path().join(".openclaw");
        std::fs::create_dir_all(&dir).unwrap();
        let settings = json!({ "gateway": { "port": port, "auth": { "token": token } } });
        std::fs::write(dir.join("openclaw.json"), settings.to_string()).unwrap();
    }

    /// Takes the gateway away: nobody listens where the settings say.
    fn take_gateway_away(&self) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        self.settings(port, SECRET);
    }

    fn call(&self, method: &str, params: &Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let reply = talk(&self.methods(), &[message]).pop().unwrap();
        assert!(!reply.to_string().contains(SECRET), "{reply}");
        reply
    }

    fn methods(&self) -> Methods {
        rpc::router(self.app()).into_methods()
    }

    fn app(&self) -> App {
        let vars = [
            ("HOME", self.home.path().to_owned()),
            ("HEADCOUNT_STATE_DIR", self.home.path().join("state")),
        ];
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        App::new(Env::of_vars(vars).unwrap(), REGISTRY)
    }

    /// Launches with further parameters.
    fn launch(&self, more: Value) -> Value {
        let mut params = json!({ "agent": "openclaw", "cwd": self.work, "prompt": "Do it" });
        let Value::Object(more) = more else { panic!("parameters are an object") };
        params.as_object_mut().unwrap().extend(more);
        self.call("session.launch", &params)
    }

    fn rows(&self) -> Vec<Value> {
        let listed = self.call("session.list", &json!({ "agents": ["openclaw"] }));
        listed["result"]["sessions"].as_array().unwrap().clone()
    }

    fn asked(&self, method: &str) -> Vec<Value> {
        let asked = &self.gateway.lock().unwrap().asked;
        let of_method = asked.iter().filter(|it| it["method"] == method);
        of_method.map(|it| it["params"].clone()).collect()
    }

    /// Lets the run of a session end by itself.
    fn finish(&self, key: &str) {
        let mut gateway = self.gateway.lock().unwrap();
        let row = gateway.row(&key.into()).unwrap();
        row["hasActiveRun"] = false.into();
        row["status"] = "done".into();
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = accept(stream)?;
    loop {
        let request: Value = serde_json::from_str(socket.read()?.to_text()?)?;
        let method = request["method"].as_str().unwrap();
        let (mut frame, pause) = {
            let mut state = state.lock().unwrap();
            state.asked.push(request.clone());
            let frame = match state.answer(method, &request["params"]) {
                Ok(payload) => json!({ "type": "res", "ok": true, "payload": payload }),
                Err(message) => {
                    let error = json!({ "code": "INVALID_REQUEST", "message": message });
                    json!({ "type": "res", "ok": false, "error": error })
                }
            };
            let is_begun = matches!(method, "sessions.create" | "sessions.send");
            (frame, if is_begun { state.pause.take() } else { None })
        };
        if let Some((begun, go_on)) = pause {
            begun.send(())?;
            go_on.recv()?;
        }
        frame["id"] = request["id"].clone();
        socket.send(Message::text(frame.to_string()))?;
    }
}

fn key_of(launched: &Value) -> String {
    launched["result"]["launch"]["sessionId"]
        .as_str()
        .unwrap_or_else(|| panic!("{launched}"))
        .into()
}

#[test]
fn a_launch_asks_the_gateway_and_enriches_its_session_without_a_process() {
    let world = World::new();
    let given = json!({ "label": "one", "group": "night", "spec": "s", "model": "mock/mock-1",
                        "permissions": "edit", "timeoutMs": 60_000 });
    let launched = world.launch(given);
    let launch = &launched["result"]["launch"];
    assert_eq!(launch["cwd"], json!(world.work), "{launched}");
    for unknown in ["pid", "command", "logPath"] {
        assert_eq!(launch.get(unknown), None, "{launch}");
    }
    assert_eq!(launched["result"]["session"]["sessionId"], launch["sessionId"]);
    let created = world.asked("sessions.create");
    let expected = json!([{ "cwd": world.work, "message": "Do it", "label": "one", "model": "mock/mock-1",
                            "timeoutMs": 60_000, "permissionMode": "guarded" }]);
    assert_eq!(json!(created), expected);

    let [row] = &world.rows()[..] else { panic!("{:?}", world.rows()) };
    let seen = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (seen("status"), seen("prompt"), seen("title")),
        ("running".into(), "Do it".into(), "one".into())
    );
    assert_eq!((&row["launch"]["group"], &row["launch"]["spec"]), (&json!("night"), &json!("s")));
    assert_eq!((row.get("process"), row["launch"].get("logPath")), (None, None));

    // No claim is held, and the claims of others are heeded.
    assert_eq!(world.call("lock.list", &json!({}))["result"]["locks"], json!([]));
    assert!(world.launch(json!({}))["error"].is_null());
    world.call("lock.acquire", &json!({ "directory": world.work, "by": "me" }));
    assert_eq!(world.launch(json!({}))["error"]["code"], 1004);
    assert!(world.launch(json!({ "force": true }))["error"].is_null());
    let ledger = std::fs::read(world.home.path().join("state/ledger.db")).unwrap();
    let is_secret = |it: &[u8]| it == SECRET.as_bytes();
    assert!(!ledger.windows(SECRET.len()).any(is_secret));
}

#[test]
fn a_gateway_that_is_asked_takes_no_thread_that_others_need() {
    let world = World::new();
    let order = json!({
        "jsonrpc": "2.0", "id": 1, "method": "session.launch",
        "params": { "agent": "openclaw", "cwd": world.work, "prompt": "Do it" },
    });
    let mut output = Vec::new();
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    let input = format!("{order}\n");
    let options = transport::Options::default();
    runtime.block_on(transport::serve(input.as_bytes(), &mut output, world.methods(), options));
    key_of(&serde_json::from_slice(&output).unwrap());
}

#[test]
fn no_more_rights_are_asked_for_than_are_needed() {
    let world = World::new();
    let key = key_of(&world.launch(json!({ "permissions": "full" })));
    world.finish(&key);
    world.call("session.resume", &json!({ "sessionId": key, "prompt": "Go on" }));
    world.call("session.stop", &json!({ "sessionId": key }));
    let scopes: Vec<Value> =
        world.asked("connect").into_iter().map(|mut it| it["scopes"].take()).collect();
    let read = json!(["operator.read"]);
    let write = json!(["operator.read", "operator.write"]);
    let full = json!(["operator.read", "operator.write", "operator.admin"]);
    // A launch is followed by a look, a resume stands between two, a stop begins with one; a look at a run asks too
    // whether it waits for somebody, which administrators alone are told.
    let at_work = [read.clone(), full.clone()];
    let launched = [std::slice::from_ref(&full), &at_work].concat();
    let resumed = [&[read, write], &at_work[..]].concat();
    let stopped = [&at_work[..], &[full]].concat();
    assert_eq!(scopes, [launched, resumed, stopped].concat());
    assert_eq!(world.asked("sessions.create")[0]["permissionMode"], "full");
}

#[test]
fn what_only_a_process_can_be_given_is_refused_before_anything_happens() {
    let world = World::new();
    for more in [
        json!({ "args": ["-v"] }),
        json!({ "env": { "A": "b" } }),
        json!({ "onCreate": ["true"] }),
        json!({ "onComplete": ["true"] }),
    ] {
        let error = &world.launch(more.clone())["error"];
        assert_eq!(error["code"], 1007, "{more}: {error}");
        assert!(error["data"]["hint"].is_string(), "{error}");
    }
    assert!(!world.home.path().join("state/ledger.db").exists(), "nothing was written");
    assert_eq!(world.asked("connect"), Vec::<Value>::new());
}

#[test]
fn a_launch_that_fails_says_at_what_and_in_the_gateways_words() {
    let world = World::new();
    let failed = |more: Value, stage: &str, words: &str| {
        let error = &world.launch(more)["error"];
        let (code, at) = (&error["code"], &error["data"]["stage"]);
        assert_eq!((code, at), (&json!(1006), &json!(stage)), "{error}");
        assert!(error["data"]["output"].as_str().unwrap().contains(words), "{error}");
        assert_eq!(world.call("lock.list", &json!({}))["result"]["locks"], json!([]));
    };
    failed(json!({ "label": "taken" }), "exit", "label already in use: taken");
    failed(json!({ "model": "nope/none" }), "model", "Unknown provider");
    world.take_gateway_away();
    failed(json!({}), "spawn", "cannot be reached");
    assert_eq!(world.call("session.prune", &json!({}))["result"]["kept"], 0);
    std::fs::remove_dir_all(world.home.path().join(".openclaw")).unwrap();
    failed(json!({}), "spawn", "no gateway is set up");
}

#[test]
fn a_session_goes_on_where_no_run_is_active_and_is_stopped_with_proof() {
    let world = World::new();
    let key = key_of(&world.launch(json!({})));
    let resume = json!({ "sessionId": key, "prompt": "Go on", "timeoutMs": 5_000 });
    let busy = &world.call("session.resume", &resume)["error"];
    assert_eq!((&busy["code"], &busy["data"]["retryable"]), (&json!(1005), &json!(true)));
    assert_eq!(busy["data"].get("process"), None, "{busy}");

    let stopped = &world.call("session.stop", &json!({ "sessionId": key }))["result"];
    assert_eq!(stopped["outcome"], "stopped", "{stopped}");
    assert_eq!((&stopped["signals"], &stopped["survivors"]), (&json!([]), &json!([])));
    assert_eq!(world.rows()[0]["reason"], "killed");
    let again = &world.call("session.stop", &json!({ "sessionId": key }))["result"];
    assert_eq!(again["outcome"], "already_stopped");

    let resumed = world.call("session.resume", &resume);
    assert_eq!(key_of(&resumed), key, "{resumed}");
    let sent = json!([{ "key": key, "message": "Go on", "timeoutMs": 5_000 }]);
    assert_eq!(json!(world.asked("sessions.send")), sent);
    assert_eq!(world.rows()[0]["status"], "running");
    for more in [json!({ "model": "mock/mock-1" }), json!({ "permissions": "full" })] {
        let mut order = json!({ "sessionId": key, "prompt": "x" });
        order.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.finish(&key);
        assert_eq!(world.call("session.resume", &order)["error"]["code"], 1007, "{order}");
    }
}

#[test]
fn a_run_that_does_not_end_is_not_called_stopped() {
    let world = World::new();
    let key = key_of(&world.launch(json!({})));
    world.gateway.lock().unwrap().is_stubborn = true;
    let reply = world.call("session.stop", &json!({ "sessionId": key, "graceMs": 0 }));
    assert_eq!(reply["error"]["code"], -32603, "{reply}");
    assert!(reply["error"]["message"].as_str().unwrap().contains("goes on"), "{reply}");
    assert_eq!(reply["error"]["data"]["retryable"], true, "{reply}");
    assert!(reply["error"]["data"]["hint"].is_string(), "{reply}");
}

#[test]
fn turns_that_the_gateway_does_not_show_are_a_problem_of_the_result() {
    let world = World::new();
    let key = key_of(&world.launch(json!({})));
    // It knows the session, and no method that shows its turns.
    let reply = world.call("session.peek", &json!({ "sessionId": key }));
    let peeked = &reply["result"];
    assert_eq!((&peeked["turns"], &peeked["complete"]), (&json!([]), &json!(false)), "{reply}");
    assert!(peeked["problems"][0]["message"].as_str().unwrap().contains("unknown method"));
}

#[test]
fn a_launched_session_leaves_the_list_when_the_gateway_lists_it_no_more() {
    let world = World::new();
    world.launch(json!({ "group": "night" }));
    assert_eq!(world.rows().len(), 1);
    world.gateway.lock().unwrap().rows.clear();
    assert_eq!(world.rows(), Vec::<Value>::new(), "nothing is remembered, with nothing pruned");
}

#[test]
fn while_the_gateway_is_down_its_launches_are_unknown_and_nothing_is_forgotten() {
    let world = World::new();
    let key = key_of(&world.launch(json!({ "group": "night" })));
    world.take_gateway_away();
    let [row] = &world.rows()[..] else { panic!("{:?}", world.rows()) };
    assert_eq!((&row["sessionId"], &row["status"]), (&json!(key), &json!("unknown")));
    assert_eq!((&row["reason"], &row["certainty"]), (&json!("adapter_failed"), &json!("inferred")));
    let pruned = &world.call("session.prune", &json!({}))["result"];
    assert_eq!((&pruned["forgotten"], &pruned["kept"]), (&json!([]), &json!(1)));
}

#[test]
fn pruning_asks_the_gateway_what_runs() {
    let world = World::new();
    let (running, over) = (key_of(&world.launch(json!({}))), key_of(&world.launch(json!({}))));
    world.finish(&over);
    let pruned = &world.call("session.prune", &json!({}))["result"];
    assert_eq!(pruned["kept"], 1, "{pruned}");
    let forgotten = &pruned["forgotten"][0];
    assert_eq!((&forgotten["sessionId"], &forgotten["reason"]), (&json!(over), &json!("ended")));
    let launched: Vec<bool> = world.rows().iter().map(|it| it.get("launch").is_some()).collect();
    assert_eq!(launched.iter().filter(|it| **it).count(), 1, "of {running} and {over}");
}

/// Sends a request that begins a run, cancels it once the gateway has begun that, and only then lets the gateway answer.
/// Returns when the server has nothing left to do.
fn cancel_once_begun(world: &World, method: &str, params: &Value) {
    let ((begin, has_begun), (answer, go_on)) = (mpsc::channel(), mpsc::channel());
    world.gateway.lock().unwrap().pause = Some((begin, go_on));
    let order = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 1 } });
    let app = world.app();
    let unfinished = app.unfinished.clone();
    let methods = rpc::router(app).into_methods();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let has_begun = move || has_begun.recv().unwrap();
        let reply = interrupt(methods, &order, has_begun, &format!("{cancel}\n")).await;
        assert!(reply.contains("-32800"), "{reply}");
        answer.send(()).unwrap();
        assert_eq!(unfinished.wait().await, 0);
    });
}

#[test]
fn a_run_that_is_cancelled_before_its_answer_is_ended_and_forgotten() {
    let world = World::new();
    let launch = json!({ "agent": "openclaw", "cwd": world.work, "prompt": "Do it" });
    cancel_once_begun(&world, "session.launch", &launch);
    let rows = world.rows();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((&row["status"], row.get("launch")), (&json!("stopped"), None), "{row}");

    let id = row["sessionId"].clone();
    cancel_once_begun(&world, "session.resume", &json!({ "sessionId": id, "prompt": "Go on" }));
    let key = json!([{ "key": id }, { "key": id }]);
    assert_eq!(json!(world.asked("sessions.abort")), key);
    assert_eq!(world.rows()[0]["status"], "stopped");
    assert_eq!(world.call("session.prune", &json!({ "dryRun": true }))["result"]["kept"], 0);
}
