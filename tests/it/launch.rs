//! `session.launch`, `resume`, `stop` and `prune` with stand-in agents: real processes, a real supervisor.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use futures_util::FutureExt;
use headcount::adapters::REGISTRY;
use headcount::env::Env;
use headcount::rpc::{self, App};
use jsonrpsee::Methods;
use nix::sys::signal::{self, Signal};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Home, interrupt, project, talk};

/// How long any one thing may take before a test is called broken; on an idle machine all take milliseconds.
const PATIENCE: Duration = Duration::from_mins(1);
/// The thread that the stand-in tells.
pub(crate) const THREAD: &str = "01a204f1-08e9-78d2-82f9-39a1cb452841";

/// A home, a directory to work in, and the stand-ins on the PATH.
pub(crate) struct World {
    pub(crate) home: Home,
    pub(crate) work: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let home = Home::empty();
        let work = home.path().join("work");
        fs::create_dir(&work).unwrap();
        let work = work.canonicalize().unwrap();
        Self { home, work }
    }

    pub(crate) fn call(&self, method: &str, params: &Value) -> Value {
        self.call_supervised_by(env!("CARGO_BIN_EXE_headcount"), method, params)
    }

    pub(crate) fn call_supervised_by(&self, program: &str, method: &str, params: &Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        talk(&self.methods(program), &[message]).pop().unwrap()
    }

    fn methods(&self, program: &str) -> Methods {
        rpc::router(self.app(program)).into_methods()
    }

    fn app(&self, program: &str) -> App {
        App::new(self.env("/bin/false"), REGISTRY).supervised_by(program.into())
    }

    /// The stand-ins on the PATH, and this login shell.
    fn env(&self, shell: &str) -> Env {
        let path = format!(
            "{}:/usr/local/bin:/usr/bin:/bin",
            project().join("tests/fixtures/bin").display()
        );
        let vars = [
            ("HOME", self.home.path().to_str().unwrap().to_owned()),
            ("HEADCOUNT_STATE_DIR", self.home.path().join("state").to_str().unwrap().to_owned()),
            ("PATH", path),
            ("SHELL", shell.into()),
            ("CLAUDECODE", "1".into()),
        ];
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Env::of_vars(vars).unwrap()
    }

    /// A program in the place of the supervisor, which does what `script` says.
    fn supervisor(&self, script: &str) -> String {
        self.program("supervisor", script)
    }

    pub(crate) fn program(&self, name: &str, script: &str) -> String {
        let path = self.home.path().join(name);
        put_program(&path, &format!("#!/bin/sh\n{script}\n"));
        path.to_str().unwrap().to_owned()
    }

    /// Launches the stand-in, which does what `prompt` says; `more` are further parameters.
    pub(crate) fn launch(&self, prompt: &str, more: Value) -> Value {
        let mut params = json!({ "agent": "codex", "cwd": self.work, "prompt": prompt });
        let Value::Object(more) = more else { panic!("parameters are an object") };
        for (name, value) in more {
            params[name] = value;
        }
        self.call("session.launch", &params)
    }

    /// A pipe with a name, which nobody has opened yet.
    pub(crate) fn pipe(&self, name: &str) -> Pipe {
        let path = self.home.path().join(name);
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        Pipe(path)
    }

    pub(crate) fn session(&self, id: &str) -> Value {
        self.call("session.status", &json!({ "sessionId": id }))["result"]["session"].clone()
    }

    pub(crate) fn locks(&self) -> Vec<Value> {
        self.call("lock.list", &json!({}))["result"]["locks"].as_array().unwrap().clone()
    }
}

/// One request and its reply of each method that launches or ends something, by method.
pub(crate) fn examples() -> BTreeMap<&'static str, (Value, Value)> {
    let world = World::new();
    let launched = json!({
        "agent": "codex", "cwd": world.work, "prompt": "Fix the failing test", "label": "tests",
        "permissions": "edit", "timeoutMs": 3_600_000,
    });
    let by_id = json!({ "sessionId": THREAD, "agent": "codex" });
    let resumed = json!({
        "sessionId": THREAD, "agent": "codex", "prompt": "Now write the changelog",
    });
    let steps = [
        ("session.launch", launched),
        ("session.stop", by_id.clone()),
        ("session.resume", resumed),
        ("session.stop", by_id),
        ("session.prune", json!({ "dryRun": true })),
    ];
    let mut examples = BTreeMap::new();
    for (method, params) in steps {
        let mut reply = world.call(method, &params);
        // Both ends are written by supervisors, a moment after the stops.
        while method == "session.prune" && reply["result"]["kept"] != 0 {
            std::thread::yield_now();
            reply = world.call(method, &params);
        }
        assert!(reply["error"].is_null(), "{method}: {reply}");
        let mut params = params;
        let home = world.home.path().canonicalize().unwrap();
        for value in [&mut params, &mut reply] {
            settle(value, home.to_str().unwrap());
        }
        examples.insert(method, (params, reply["result"].take()));
    }
    examples
}

/// Puts a program there. It is written by another process: one that a test beside this one starts meanwhile would inherit
/// the open file, and what somebody may write to cannot be run.
#[expect(clippy::disallowed_methods, reason = "a writer that is no other test's parent")]
fn put_program(path: &Path, content: &str) {
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\""]).arg(path).arg(content);
    assert!(writer.status().unwrap().success());
}

/// Puts shown values in the place of those that differ from run to run.
fn settle(value: &mut Value, home: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "pid" => *value = 4242.into(),
                    "launchId" => *value = "7c9e6679-7425-40de-944b-e07fc1f90ae7".into(),
                    "logPath" => *value = "/home/dev/.local/state/headcount/launches/7c9e6679-7425-40de-944b-e07fc1f90ae7.log".into(),
                    "elapsedMs" => *value = 0.into(),
                    it if it.ends_with("At") => *value = "2026-11-22T21:00:00.000Z".into(),
                    _ => settle(value, home),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|it| settle(it, home)),
        Value::String(text) if text.ends_with("/bin/codex") => {
            "/usr/local/bin/codex".clone_into(text);
        }
        Value::String(text) => *text = text.replace(home, "/home/dev"),
        _ => {}
    }
}

/// A pipe with a name: how a test and what it launched wait for each other.
pub(crate) struct Pipe(PathBuf);

impl Pipe {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What is written into it, once whoever writes has closed it.
    pub(crate) fn read(&self) -> String {
        let path = self.0.clone();
        within_patience(move || fs::read_to_string(path).unwrap())
    }

    /// Lets whoever reads it go on.
    pub(crate) fn release(&self) {
        let path = self.0.clone();
        within_patience(move || fs::write(path, "go\n").unwrap());
    }
}

pub(crate) fn within_patience<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()).ok());
    receiver.recv_timeout(PATIENCE).expect("it happens in time")
}

/// A hook that writes its variables into a pipe.
pub(crate) fn hook(pipe: &Pipe) -> Value {
    let script = "env | grep ^HEADCOUNT_ | grep -v STATE_DIR | sort > \"$0\"";
    json!(["sh", "-c", script, pipe.path()])
}

#[test]
fn a_launch_tells_the_agents_own_id_and_its_end_is_known() {
    let world = World::new();
    let (hold, created, completed) =
        (world.pipe("hold"), world.pipe("created"), world.pipe("completed"));
    let prompt = format!("tell; read line < '{}'; exit 3", hold.path().display());
    let reply = world.launch(
        &prompt,
        json!({
            "label": "a label", "group": "g1", "model": "m1",
            "onCreate": hook(&created), "onComplete": hook(&completed),
        }),
    );
    let result = &reply["result"];
    let launch = &result["launch"];
    assert_eq!(launch["sessionId"], THREAD, "{reply}");
    assert_eq!(launch["cwd"], json!(world.work));
    let command: Vec<&str> =
        launch["command"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert!(command[0].ends_with("/tests/fixtures/bin/codex"));
    assert_eq!(command[1..5], ["exec", "--json", "-m", "m1"]);
    assert_eq!(command[5..], ["--", &prompt]);

    let session = &result["session"];
    assert_eq!(session["sessionId"], THREAD);
    assert_eq!(
        (&session["status"], &session["reason"]),
        (&json!("running"), &json!("process_alive"))
    );
    assert_eq!(session["process"]["pid"], launch["pid"]);
    assert_eq!(session["cwd"], json!(world.work));
    assert_eq!(session["launch"]["launchId"], launch["launchId"]);
    assert_eq!(session["launch"]["group"], "g1");
    let variables = created.read();
    assert!(variables.contains(&format!("HEADCOUNT_SESSION_ID={THREAD}\n")), "{variables}");
    assert!(variables.contains("HEADCOUNT_GROUP=g1\n") && !variables.contains("EXIT_CODE"));

    // Meanwhile the directory is the launch's.
    let refused = world.launch("tell", json!({}));
    assert_eq!(refused["error"]["code"], 1004);
    let holder = &refused["error"]["data"]["holder"];
    assert_eq!((&holder["pid"], &holder["sessionId"]), (&launch["pid"], &json!(THREAD)));
    assert_eq!(holder["by"], "codex");
    let lock = &world.locks()[0];
    assert_eq!((&lock["kind"], &lock["directory"]), (&json!("launch"), &json!(world.work)));

    hold.release();
    let variables = completed.read();
    assert!(variables.contains("HEADCOUNT_EXIT_CODE=3\n"), "{variables}");
    assert!(variables.contains(&format!("HEADCOUNT_CWD={}\n", world.work.display())));
    let session = world.session(THREAD);
    assert_eq!((&session["status"], &session["reason"]), (&json!("failed"), &json!("exit_code")));
    assert_eq!(session["launch"]["exitCode"], 3);
    assert_eq!(world.locks(), Vec::<Value>::new());
    let log = fs::read_to_string(launch["logPath"].as_str().unwrap()).unwrap();
    assert!(log.contains("thread.started"));
}

#[test]
fn an_agent_that_ends_before_it_tells_a_session_is_a_failed_launch() {
    let world = World::new();
    // Its own words, quoted so that they are not the prompt's.
    let cases = [
        (
            "echo 'Not inside a trusted' directory and --skip-git-repo-check was not specified. >&2; exit 1",
            "trust",
            1,
        ),
        ("echo ERROR: '401' Unauthorized >&2; exit 1", "auth", 1),
        ("tell; echo Not 'logged' in >&2; exit 1", "auth", 1),
        ("echo \"> $prompt\"; : Not logged in; exit 1", "exit", 1),
        ("echo something else; exit 0", "exit", 0),
        ("kill -9 $$", "exit", 137),
    ];
    for (prompt, stage, exit_code) in cases {
        let error = &world.launch(prompt, json!({}))["error"];
        assert_eq!(error["code"], 1006, "{prompt}: {error}");
        assert_eq!(error["data"]["kind"], "launch_failed");
        assert_eq!(
            (&error["data"]["stage"], &error["data"]["exitCode"]),
            (&json!(stage), &json!(exit_code)),
            "{error}"
        );
        assert!(error["data"]["output"].is_string());
        assert_eq!(world.locks(), Vec::<Value>::new(), "{prompt}");
    }
    let error = &world.launch("yes 'ä' | head -c 100000; exit 1", json!({}))["error"];
    assert!(error["data"]["output"].as_str().unwrap().len() <= 2048);
}

#[test]
fn a_launch_that_ended_without_a_session_is_found_by_its_group() {
    let world = World::new();
    for prompt in ["echo one; exit 3", "echo two; exit 255"] {
        let error = &world.launch(prompt, json!({ "group": "night" }))["error"];
        assert_eq!(error["code"], 1006, "{error}");
    }
    let listed = world.call("session.list", &json!({ "group": "night", "limit": 1 }));
    let first = &listed["result"]["sessions"][0];
    let cursor = &listed["result"]["nextCursor"];
    let next = json!({ "group": "night", "limit": 1, "cursor": cursor });
    let second = &world.call("session.list", &next)["result"]["sessions"][0];
    for (session, exit_code) in [(first, 255), (second, 3)] {
        let verdict = (&session["status"], &session["reason"]);
        assert_eq!(verdict, (&json!("failed"), &json!("exit_code")), "{session}");
        assert_eq!((session.get("sessionId"), session.get("process")), (None, None));
        assert_eq!(session["launch"]["exitCode"], exit_code);
        let log = fs::read_to_string(session["launch"]["logPath"].as_str().unwrap()).unwrap();
        assert!(log.contains(if exit_code == 3 { "one" } else { "two" }));
    }
    world.call("session.prune", &json!({}));
    assert_eq!(world.call("session.list", &json!({}))["result"]["sessions"], json!([]));
}

#[test]
fn a_launch_that_comes_to_nothing_leaves_the_directory_free() {
    let world = World::new();
    let order = json!({ "agent": "codex", "cwd": world.work, "prompt": "tell" });
    // One that says nothing, and one that is not there.
    for supervisor in ["/bin/true", "/nonexistent/headcount"] {
        let error = &world.call_supervised_by(supervisor, "session.launch", &order)["error"];
        assert_eq!((&error["code"], &error["data"]["stage"]), (&json!(1006), &json!("spawn")));
        assert_eq!(world.locks(), Vec::<Value>::new(), "{supervisor}");
    }
    let broken = world.home.path().join("bin/codex");
    fs::create_dir(broken.parent().unwrap()).unwrap();
    put_program(&broken, "#!/nonexistent/interpreter\n");
    let reply = world.launch("tell", json!({ "env": { "PATH": broken.parent().unwrap() } }));
    let error = &reply["error"];
    assert_eq!((&error["code"], &error["data"]["stage"]), (&json!(1006), &json!("spawn")));
    assert!(error["data"]["output"].as_str().unwrap().contains("No such file"), "{error}");
    assert_eq!(world.locks(), Vec::<Value>::new());
    assert_eq!(world.call("session.list", &json!({}))["result"]["sessions"], json!([]));
}

#[test]
fn an_agent_that_has_begun_is_known_though_its_supervisor_could_not_say_so() {
    let world = World::new();
    let (hold, begun) = (world.pipe("hold"), world.pipe("begun"));
    let (headcount, begun_at) = (env!("CARGO_BIN_EXE_headcount"), begun.path().display());
    let supervisor = world.supervisor(&format!(
        "exec 3<&0\n'{headcount}' supervise <&3 >/dev/null 2>&1 &\nread line < '{begun_at}'"
    ));
    let prompt = format!("echo > '{begun_at}'; read line < '{}'", hold.path().display());
    let order = json!({ "agent": "codex", "cwd": world.work, "prompt": prompt });
    let reply = world.call_supervised_by(&supervisor, "session.launch", &order);
    let pid = &reply["result"]["launch"]["pid"];
    assert!(pid.is_i64(), "{reply}");
    assert_eq!(&world.locks()[0]["pid"], pid);
    hold.release();
}

#[test]
fn an_agent_whose_supervisor_was_killed_lives_on_and_is_known() {
    let world = World::new();
    let (hold, gone) = (world.pipe("hold"), world.pipe("gone"));
    // The second pipe is open for as long as the agent lives, whoever else does not.
    let prompt = format!(
        "exec 3> '{}'; tell; read line < '{}'",
        gone.path().display(),
        hold.path().display()
    );
    let lives = std::thread::spawn(move || gone.read());
    let launch = world.launch(&prompt, json!({}))["result"]["launch"].clone();
    let pid = launch["pid"].as_i64().unwrap();
    let supervisor = Pid::from_raw(parent_of(pid));
    signal::kill(supervisor, Signal::SIGKILL).unwrap();
    within_patience(move || {
        while is_alive(i64::from(supervisor.as_raw())) {
            std::thread::yield_now();
        }
    });
    let session = world.session(THREAD);
    assert_eq!((&session["status"], &session["process"]["pid"]), (&json!("running"), &json!(pid)));
    assert_eq!(world.locks()[0]["pid"], pid);
    assert_eq!(world.call("session.prune", &json!({}))["result"]["kept"], 1);
    let again = world.call("session.resume", &json!({ "sessionId": THREAD, "prompt": "x" }));
    assert_eq!(again["error"]["code"], 1005);

    hold.release();
    lives.join().unwrap();
    within_patience(move || {
        while is_alive(pid) {
            std::thread::yield_now();
        }
        assert_eq!(world.locks(), Vec::<Value>::new());
        assert!(world.session(THREAD)["launch"]["exitCode"].is_null(), "nobody saw it end");
        let pruned = world.call("session.prune", &json!({}))["result"].clone();
        assert_eq!(pruned["forgotten"][0]["reason"], "process_gone");
        assert_eq!(pruned["released"][0]["reason"], "process_gone");
    });
}

fn parent_of(pid: i64) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn an_agent_that_leaves_a_child_behind_has_ended() {
    let world = World::new();
    let (hold, done) = (world.pipe("hold"), world.pipe("done"));
    // The child keeps the agent's output open, and is of its group.
    let prompt = format!("tell; read line < '{}' & exit 0", hold.path().display());
    let reply = world.launch(&prompt, json!({ "onComplete": hook(&done) }));
    assert_eq!(reply["result"]["launch"]["sessionId"], THREAD, "{reply}");
    assert!(done.read().contains("HEADCOUNT_EXIT_CODE=0\n"));
    assert_eq!(world.locks(), Vec::<Value>::new());
    hold.release();
}

/// Launches an agent, waits until it has begun, and leaves after `last_word`; returns what was answered to that.
fn leave_unanswered(world: &World, prompt: &str, began: &Pipe, last_word: &str) -> String {
    let params = json!({ "agent": "codex", "cwd": world.work, "prompt": prompt });
    let order = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.launch", "params": params });
    let methods = world.methods(env!("CARGO_BIN_EXE_headcount"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let began = Pipe(began.path().to_owned());
    let has_begun = move || drop(began.read());
    runtime.block_on(interrupt(methods, &order, has_begun, last_word))
}

#[test]
fn a_launch_that_is_cancelled_before_its_answer_is_called_off() {
    let world = World::new();
    let (began, gone) = (world.pipe("began"), world.pipe("gone"));
    // The second pipe is open for as long as anything of the agent lives.
    let prompt = format!(
        "exec 3> '{}'; echo began > '{}'; sleep 1000 & sleep 1001",
        gone.path().display(),
        began.path().display()
    );
    let lives = std::thread::spawn(move || gone.read());
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 1 } });
    let answer = leave_unanswered(&world, &prompt, &began, &format!("{cancel}\n"));
    assert!(answer.contains("-32800"), "{answer}");
    lives.join().unwrap();
    let logs = world.home.path().join("state/launches");
    within_patience(move || {
        while world.call("session.prune", &json!({ "dryRun": true }))["result"]["kept"] != 0
            || fs::read_dir(&logs).unwrap().next().is_some()
        {
            std::thread::yield_now();
        }
        assert_eq!(world.locks(), Vec::<Value>::new());
        assert_eq!(world.call("session.list", &json!({}))["result"]["sessions"], json!([]));
    });
}

#[test]
fn a_launch_that_is_cancelled_while_it_begins_is_waited_for() {
    let world = World::new();
    let (began, hold) = (world.pipe("began"), world.pipe("hold"));
    let supervisor = world.supervisor(&format!(
        "echo > '{}'; read line < '{}'; exec '{}' supervise",
        began.path().display(),
        hold.path().display(),
        env!("CARGO_BIN_EXE_headcount")
    ));
    // More than a pipe holds: who begins it waits until the supervisor reads.
    let prompt = "#".repeat(1 << 17);
    let params = json!({ "agent": "codex", "cwd": world.work, "prompt": prompt });
    let order = json!({ "jsonrpc": "2.0", "id": 1, "method": "session.launch", "params": params });
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 1 } });
    let app = world.app(&supervisor);
    let unfinished = app.unfinished.clone();
    let methods = rpc::router(app).into_methods();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let has_begun = move || drop(began.read());
        let reply = interrupt(methods, &order, has_begun, &format!("{cancel}\n")).await;
        assert!(reply.contains("-32800"), "{reply}");
        let left = unfinished.wait().now_or_never();
        hold.release();
        assert_eq!(left, None, "it has not begun yet");
        assert_eq!(unfinished.wait().await, 0);
    });
    assert_eq!(world.call("session.prune", &json!({ "dryRun": true }))["result"]["kept"], 0);
    assert_eq!(world.locks(), Vec::<Value>::new());
}

#[test]
fn a_launch_whose_client_merely_left_lives_on() {
    let world = World::new();
    let (began, hold) = (world.pipe("began"), world.pipe("hold"));
    let prompt =
        format!("echo began > '{}'; read x < '{}'", began.path().display(), hold.path().display());
    assert_eq!(leave_unanswered(&world, &prompt, &began, ""), "");
    assert_eq!(world.locks().len(), 1);
    let listed = world.call("session.list", &json!({}));
    assert_eq!(listed["result"]["sessions"][0]["status"], "running", "{listed}");
    hold.release();
}

#[test]
fn what_cannot_be_launched_is_refused_before_anything_happens() {
    let world = World::new();
    let file = world.work.join("file");
    fs::write(&file, "").unwrap();
    for (more, path) in [
        (json!({ "cwd": world.work.join("none") }), "cwd"),
        (json!({ "cwd": file }), "cwd"),
        (json!({ "cwd": "relative" }), "cwd"),
        (json!({ "prompt": " " }), "prompt"),
        (json!({ "prompt": "a\0b" }), "prompt"),
        (json!({ "model": "" }), "model"),
        (json!({ "model": "--dangerous" }), "model"),
        (json!({ "label": "x".repeat(1025) }), "label"),
        (json!({ "group": "a\0b" }), "group"),
        (json!({ "spec": "" }), "spec"),
        (json!({ "env": { "A=B": "c" } }), "env"),
        (json!({ "args": ["a\0"] }), "args"),
        (json!({ "args": vec!["x"; 257] }), "args"),
        (json!({ "env": { "A": "a\0" } }), "env"),
        (json!({ "onCreate": [] }), "onCreate"),
        (json!({ "onComplete": "a string" }), "onComplete"),
        (json!({ "permissions": "all" }), "permissions"),
        (json!({ "timeoutMs": 0 }), "timeoutMs"),
        (json!({ "promt": "x" }), "promt"),
    ] {
        let error = &world.launch("tell", more.clone())["error"];
        assert_eq!(
            (&error["code"], &error["data"]["path"]),
            (&json!(-32602), &json!(path)),
            "{more}: {error}"
        );
    }
    let unknown = world.launch("tell", json!({ "agent": "nobody" }));
    assert_eq!(unknown["error"]["code"], 1003);
    let absent = world.launch("tell", json!({ "agent": "pi" }));
    assert_eq!(absent["error"]["code"], 1006, "{absent}");
    assert_eq!(absent["error"]["data"]["stage"], "spawn");
    let unsupported = world.launch("tell", json!({ "agent": "openclaw", "args": ["-v"] }));
    assert_eq!(unsupported["error"]["code"], 1007);
    let unsupported = world.launch("tell", json!({ "agent": "pi", "permissions": "full" }));
    assert_eq!(unsupported["error"]["code"], 1007);
    assert!(!world.home.path().join("state/ledger.db").exists(), "nothing was written");
}

#[test]
fn a_launch_that_waits_for_the_login_shell_keeps_nobody_from_the_files() {
    let world = World::new();
    let shell = world.program("shell", "exec sleep 1000");
    let launch = json!({
        "jsonrpc": "2.0", "id": 1, "method": "session.launch",
        "params": { "agent": "codex", "cwd": world.work, "prompt": "x", "env": { "PATH": "" } },
    });
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "session.list" });
    let list = format!("{list}\n");
    let methods = rpc::router(App::new(world.env(&shell), REGISTRY)).into_methods();
    let mut only_one_thread = tokio::runtime::Builder::new_current_thread();
    let runtime = only_one_thread.enable_all().max_blocking_threads(1).build().unwrap();
    let answer = runtime.block_on(interrupt(methods, &launch, || (), &list));
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","id":2,"result""#), "{answer}");
}

#[test]
fn how_an_agent_failed_is_told_though_it_cannot_be_noted_yet() {
    let world = World::new();
    let (state, over) = (world.home.path().join("state"), world.pipe("over"));
    let break_ledger = format!("cd '{}'; mv ledger.db aside; mkdir ledger.db", state.display());
    let prompt = format!("{break_ledger}; echo 'it is broken' >&2; exit 3");
    let reply = world.launch(&prompt, json!({ "onComplete": hook(&over) }));
    let data = &reply["error"]["data"];
    assert_eq!((&data["exitCode"], &data["output"]), (&json!(3), &json!("it is broken\n")));

    fs::remove_dir(state.join("ledger.db")).unwrap();
    fs::rename(state.join("aside"), state.join("ledger.db")).unwrap();
    assert!(over.read().contains("HEADCOUNT_EXIT_CODE=3"));
    assert_eq!(world.call("server.metrics", &json!({}))["result"]["launches"]["failed"], 1);
}

#[test]
fn the_agent_gets_a_long_prompt_a_clean_environment_and_its_directory() {
    let world = World::new();
    let done = world.pipe("done");
    let padding = format!(": {}; ", "x".repeat(70_000));
    let prompt = format!("{padding} tell; env; pwd; echo \"$0 $#\"");
    let reply = world.launch(&prompt, json!({ "env": { "MINE": "1" }, "onComplete": hook(&done) }));
    let launch = &reply["result"]["launch"];
    assert_eq!(launch["sessionId"], THREAD, "{reply}");
    assert_eq!(launch["command"].as_array().unwrap().last().unwrap(), "-");
    done.read();
    let log = fs::read_to_string(launch["logPath"].as_str().unwrap()).unwrap();
    let says = |line: &str| log.lines().any(|it| it == line);
    assert!(says("MINE=1") && says(&format!("PWD={}", world.work.display())));
    assert!(says(&format!("HEADCOUNT_LAUNCH_ID={}", launch["launchId"].as_str().unwrap())));
    assert!(!log.contains("CLAUDECODE"), "{log}");
    assert!(says(world.work.to_str().unwrap()));
}

pub(crate) fn is_alive(pid: i64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[test]
fn an_agent_that_takes_too_long_is_ended() {
    let world = World::new();
    let done = world.pipe("done");
    world.launch("tell; exec sleep 1000", json!({ "timeoutMs": 200, "onComplete": hook(&done) }));
    assert!(done.read().contains("HEADCOUNT_EXIT_CODE=130"), "by the agent's own polite signal");
    let session = world.session(THREAD);
    assert_eq!((&session["status"], &session["reason"]), (&json!("stopped"), &json!("killed")));
}

#[test]
fn an_agent_that_took_too_long_gives_its_directory_back_when_its_tools_have_ended() {
    let world = World::new();
    let tool = world.home.path().join("tool");
    // The agent ends when it is told to, once its tool is there; that has to be killed, seconds later.
    let prompt = format!(
        "trap '' INT; sh -c 'trap \"\" TERM; echo $$ > \"$0\"; exec sleep 1000' '{tool}' > /dev/null 2>&1 &
         until [ -s '{tool}' ]; do sleep 0.01; done; trap exit INT; tell; wait",
        tool = tool.display()
    );
    world.launch(&prompt, json!({ "timeoutMs": 300 }));
    within_patience(move || {
        while !world.locks().is_empty() {
            std::thread::yield_now();
        }
        let tool: i64 = fs::read_to_string(&tool).unwrap().trim().parse().unwrap();
        assert!(!is_alive(tool), "the claim is gone, and the tool still works there");
    });
}

#[test]
fn an_agent_that_takes_too_long_may_say_all_that_it_has_to_say() {
    let world = World::new();
    let done = world.pipe("done");
    // More than a pipe holds: it could not end if nobody read it.
    let prompt = "trap 'head -c 1000000 /dev/zero; exit 7' INT; tell; sleep 1000 & wait";
    world.launch(prompt, json!({ "timeoutMs": 2_000, "onComplete": hook(&done) }));
    assert!(done.read().contains("HEADCOUNT_EXIT_CODE=7\n"));
}

#[test]
fn an_agent_can_be_interrupted_though_its_server_could_not() {
    let world = World::new();
    let headcount = env!("CARGO_BIN_EXE_headcount");
    let deaf = world.supervisor(&format!("trap '' INT QUIT HUP; exec '{headcount}' \"$@\""));
    // A shell cannot heed again what was ignored when it began.
    let prompt =
        "n=0; trap 'n=$((n+1))' INT QUIT HUP; kill -INT $$; kill -QUIT $$; kill -HUP $$; exit $n";
    let params = json!({ "agent": "codex", "cwd": world.work, "prompt": prompt });
    let failed = &world.call_supervised_by(&deaf, "session.launch", &params)["error"];
    assert_eq!(failed["data"]["exitCode"], 3, "{failed}");
}

#[test]
fn a_hook_that_failed_is_told_while_the_agent_still_works() {
    let world = World::new();
    let hold = world.pipe("hold");
    let prompt = format!("tell; read line < '{}'", hold.path().display());
    world.launch(&prompt, json!({ "onCreate": ["/nonexistent"] }));
    within_patience(move || {
        while world.session(THREAD)["launch"]["hookFailure"].is_null() {
            std::thread::yield_now();
        }
        assert_eq!(world.session(THREAD)["status"], "running");
        hold.release();
    });
}

#[test]
fn a_hook_that_fails_is_told_and_changes_nothing_else() {
    let world = World::new();
    let done = world.pipe("done");
    let reply =
        world.launch("tell", json!({ "onCreate": ["/nonexistent"], "onComplete": hook(&done) }));
    assert_eq!(reply["result"]["launch"]["sessionId"], THREAD);
    done.read();
    let log = world.home.log();
    // The failure is written after the last hook has ended: looked for until it is there.
    let told = within_patience(move || {
        loop {
            let session = world.session(THREAD);
            if let Some(failure) = session["launch"]["hookFailure"].as_str() {
                return (failure.to_owned(), session["status"].clone());
            }
            std::thread::yield_now();
        }
    });
    assert!(told.0.contains("onCreate") && told.0.contains("/nonexistent"), "{told:?}");
    assert_eq!(told.1, "stopped");
    // Its supervisor alone has a log here.
    assert!(log.contains("a hook has failed") && log.contains("the agent has ended"), "{log}");
}

#[test]
fn a_session_goes_on_where_it_worked() {
    let world = World::new();
    let (first, second) = (world.pipe("first"), world.pipe("second"));
    world.launch("tell", json!({ "onComplete": hook(&first) }));
    first.read();
    let reply = world.call(
        "session.resume",
        &json!({ "sessionId": THREAD, "prompt": "tell; pwd", "onComplete": hook(&second) }),
    );
    let launch = &reply["result"]["launch"];
    assert_eq!(launch["sessionId"], THREAD, "{reply}");
    let command = launch["command"].as_array().unwrap();
    assert_eq!(
        command[1..],
        [
            json!("exec"),
            json!("resume"),
            json!("--json"),
            json!("--"),
            json!(THREAD),
            json!("tell; pwd")
        ]
    );
    second.read();
    let log = fs::read_to_string(launch["logPath"].as_str().unwrap()).unwrap();
    assert!(log.contains(world.work.to_str().unwrap()));
    let unknown = world.call("session.resume", &json!({ "sessionId": "none-such", "prompt": "x" }));
    assert_eq!(unknown["error"]["code"], 1001);

    fs::remove_dir(&world.work).unwrap();
    let error =
        &world.call("session.resume", &json!({ "sessionId": THREAD, "prompt": "tell" }))["error"];
    assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!("sessionId")));
    let gone =
        format!("`sessionId`: the session's directory `{}` does not exist", world.work.display());
    assert!(error["message"].as_str().unwrap().contains(&gone), "{error}");
}

#[test]
fn of_two_that_resume_a_session_at_once_one_does() {
    for lock in [true, false] {
        let world = World::new();
        let (first, second, hold) = (world.pipe("first"), world.pipe("second"), world.pipe("hold"));
        world.launch("tell", json!({ "onComplete": hook(&first) }));
        first.read();
        let prompt = format!("tell; read line < '{}'", hold.path().display());
        let params = json!({
            "sessionId": THREAD, "prompt": prompt, "lock": lock, "onComplete": hook(&second),
        });
        // Each call is a server of its own.
        let mut replies = std::thread::scope(|scope| {
            let both = [(); 2].map(|()| scope.spawn(|| world.call("session.resume", &params)));
            both.map(|it| it.join().unwrap())
        });
        replies.sort_by_key(|it| it["error"].is_object());
        assert_eq!(replies[0]["result"]["launch"]["sessionId"], THREAD, "{replies:?}");
        let code = &replies[1]["error"]["code"];
        assert!(*code == 1005 || lock && *code == 1004, "{replies:?}");
        hold.release();
        second.read();
    }
}

#[test]
fn pruning_forgets_what_has_ended_and_says_so_before() {
    let world = World::new();
    let (hold, done) = (world.pipe("hold"), world.pipe("done"));
    let ended = world.launch("tell ended-1", json!({ "onComplete": hook(&done) }));
    let log = PathBuf::from(ended["result"]["launch"]["logPath"].as_str().unwrap());
    done.read();
    let prompt = format!("tell alive-1; read x < '{}'", hold.path().display());
    world.launch(&prompt, json!({}));

    let dry = world.call("session.prune", &json!({ "dryRun": true }))["result"].clone();
    assert_eq!(dry["forgotten"][0]["sessionId"], "ended-1");
    assert_eq!(dry["forgotten"][0]["reason"], "ended");
    assert_eq!((&dry["kept"], &dry["dryRun"]), (&json!(1), &json!(true)));
    let early = json!({ "olderThan": "2020-01-01T00:00:00Z" });
    assert_eq!(world.call("session.prune", &early)["result"]["forgotten"], json!([]));
    assert!(log.exists());
    // What a server left that was killed between forgetting a launch and removing its log.
    let orphans = [log.with_file_name("none.log"), log.with_file_name("none.log.1")];
    for orphan in &orphans {
        fs::write(orphan, "").unwrap();
    }
    let pruned = world.call("session.prune", &json!({}))["result"].clone();
    assert_eq!(pruned["forgotten"], dry["forgotten"]);
    assert!(!log.exists() && !orphans.iter().any(|it| it.exists()));
    assert_eq!(fs::read_dir(log.parent().unwrap()).unwrap().count(), 1, "that of the live one");
    assert_eq!(world.call("session.prune", &json!({}))["result"]["forgotten"], json!([]));
    assert_eq!(world.session("alive-1")["status"], "running");
    hold.release();
}
