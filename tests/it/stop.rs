//! `session.stop` with stand-in agents: what is ended, what is not, and that it is ended whole.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread;

use headcount::ledger::{LedgerFile, Stop};
use nix::sys::wait::{WaitPidFlag, waitpid};
use serde_json::{Value, json};

use crate::launch::{THREAD, World, hook, is_alive, within_patience};
use crate::stdio::server;

#[test]
fn a_stop_ends_the_agent_with_all_that_it_started() {
    let world = World::new();
    let (ready, done) = (world.pipe("ready"), world.pipe("done"));
    // One child in its group, one that has left it, and one that has even lost its parent.
    let prompt = format!(
        "trap '' INT; sleep 1000 & setsid sleep 1001 & (setsid sleep 1002 & echo $! ) ; tell; \
         echo ready > '{}'; while :; do read x < /dev/zero & wait; done",
        ready.path().display()
    );
    let prompt = prompt.replace("; while :; do read x < /dev/zero & wait; done", "; sleep 1003");
    let reply = world.launch(&prompt, json!({ "onComplete": hook(&done) }));
    assert_eq!(reply["result"]["launch"]["sessionId"], THREAD, "{reply}");
    ready.read();
    let alive = world
        .call("session.resume", &json!({ "sessionId": THREAD, "prompt": "tell", "force": true }));
    assert_eq!(alive["error"]["code"], 1005, "{alive}");
    assert_eq!(alive["error"]["data"]["process"]["pid"], reply["result"]["launch"]["pid"]);

    let stopped =
        world.call("session.stop", &json!({ "sessionId": "01a204f1", "graceMs": 50 }))["result"]
            .clone();
    assert_eq!(stopped["outcome"], "stopped");
    assert_eq!(stopped["survivors"], json!([]));
    let signals: Vec<(&str, i64)> = stopped["signals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["signal"].as_str().unwrap(), it["pid"].as_i64().unwrap()))
        .collect();
    assert_eq!(signals[0], ("SIGINT", reply["result"]["launch"]["pid"].as_i64().unwrap()));
    assert!(signals.len() >= 5, "{signals:?}");
    assert_eq!(world.locks(), Vec::<Value>::new(), "at once");
    assert!(world.session(THREAD)["launch"]["exitCode"].is_i64());
    for (_, pid) in &signals {
        assert!(!is_alive(*pid), "{pid} of {signals:?}");
    }
    assert!(done.read().contains("HEADCOUNT_EXIT_CODE=1"), "it ended by a signal");
    assert_eq!(noted(&world), []);
    let again = world.call("session.stop", &json!({ "sessionId": THREAD }));
    assert_eq!(again["result"]["outcome"], "already_stopped");
    assert_eq!(again["result"]["signals"], json!([]));
}

#[test]
fn what_an_agent_left_at_work_is_told_when_nobody_owns_its_session_any_more() {
    let world = World::new();
    let (left, done) = (world.pipe("left"), world.pipe("done"));
    let prompt = format!(
        "setsid sleep 1000 < /dev/null > /dev/null 2>&1 & echo $! > '{}' & tell",
        left.path().display()
    );
    world.launch(&prompt, json!({ "onComplete": hook(&done) }));
    let left: i64 = left.read().trim().parse().unwrap();
    done.read();
    let stopped = &world.call("session.stop", &json!({ "sessionId": THREAD }))["result"];
    assert_eq!(stopped["outcome"], "already_stopped", "{stopped}");
    let survivors = stopped["survivors"].as_array().unwrap();
    assert!(survivors.iter().any(|it| it["pid"] == left), "{stopped}");
    assert!(is_alive(left), "it is told and not ended");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(left).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn a_stop_is_not_left_half_done_when_its_client_leaves() {
    let exit = json!({ "jsonrpc": "2.0", "method": "exit" });
    let cancel =
        json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": "stop" } });
    // What the client says last, and whether it closes its end of the output, or of the input, then.
    for (last, leaves_output, leaves_input) in
        [(Some(exit), false, false), (Some(cancel), false, true), (None, true, false)]
    {
        let world = World::new();
        let asked = world.pipe("asked");
        // It takes no notice but to say that it has been asked.
        let prompt = format!(
            "trap ': > {}' INT; tell; sleep 1000 & while :; do wait; done",
            asked.path().display()
        );
        let reply = world.launch(&prompt, json!({}));
        let agent = reply["result"]["launch"]["pid"].as_i64().expect("it has begun");
        let mut server = server(&world.home, &[]);
        let mut input = server.stdin.take().expect("stdin is piped");
        let stop = json!({
            "jsonrpc": "2.0", "id": "stop", "method": "session.stop",
            "params": { "sessionId": THREAD, "graceMs": 500 },
        });
        writeln!(input, "{stop}").expect("the server reads");
        asked.read();
        if let Some(last) = &last {
            writeln!(input, "{last}").expect("the server reads");
        }
        if leaves_output {
            drop(server.stdout.take());
        }
        let input = (!leaves_input).then_some(input);
        within_patience(move || server.wait().expect("the server ends"));
        assert!(!is_alive(agent), "{last:?}");
        assert_eq!(world.locks(), Vec::<Value>::new(), "{last:?}");
        drop(input);
    }
}

#[test]
fn a_stop_whose_server_was_killed_is_gone_through_with_by_the_next() {
    let world = World::new();
    let [asked, go_on, child, done] = ["asked", "go-on", "child", "done"].map(|it| world.pipe(it));
    // Its own end waits for the test; its child takes no notice of anything.
    let prompt = format!(
        "trap ': > {}; read it < {}; exit 3' INT; \
         sh -c 'trap \"\" INT TERM HUP; echo $$ > {}; while :; do sleep 1000; done' & \
         tell; while :; do wait; done",
        asked.path().display(),
        go_on.path().display(),
        child.path().display()
    );
    let stop = json!({
        "jsonrpc": "2.0", "id": 1, "method": "session.stop",
        "params": { "sessionId": THREAD, "graceMs": 600_000 },
    });
    let child: i64 = thread::scope(|scope| {
        scope.spawn(|| world.launch(&prompt, json!({ "onComplete": hook(&done) })));
        child.read().trim().parse().unwrap()
    });
    let mut server = server(&world.home, &[]);
    writeln!(server.stdin.as_mut().unwrap(), "{stop}").expect("the server reads");
    asked.read();
    server.kill().unwrap();
    server.wait().unwrap();
    fs::write(go_on.path(), "on\n").unwrap();
    assert!(done.read().contains("HEADCOUNT_EXIT_CODE=3"), "it ended by its own way");
    assert!(is_alive(child));

    let again = || world.call("session.stop", &json!({ "sessionId": THREAD }))["result"].clone();
    let stopped = again();
    assert_eq!(stopped["outcome"], "stopped", "{stopped}");
    let signals = stopped["signals"].as_array().unwrap();
    assert!(signals.contains(&json!({ "signal": "SIGKILL", "pid": child })), "{stopped}");
    assert!(!is_alive(child), "{stopped}");
    assert_eq!(again()["outcome"], "already_stopped");
    assert_eq!(noted(&world), [], "it is done");
}

/// The stops that are not known to be done.
fn noted(world: &World) -> Vec<Stop> {
    LedgerFile::of(&world.home.env()).read().unwrap().stops
}

#[test]
fn a_stop_spares_what_the_agent_has_launched() {
    let world = World::new();
    let ready = world.pipe("ready");
    let elsewhere = world.home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let prompt = format!("tell inner-1; : > '{}'; sleep 1000", ready.path().display());
    let launch = json!({
        "jsonrpc": "2.0", "id": 1, "method": "session.launch",
        "params": { "agent": "codex", "cwd": elsewhere, "prompt": prompt },
    });
    let order = world.home.path().join("order");
    fs::write(&order, format!("{launch}\n")).unwrap();
    // The program itself, as an agent's tool: it starts the supervisor by a path that says nothing.
    let prompt = format!(
        "tell outer-1; {{ cat '{}'; sleep 1000; }} | '{}' serve > /dev/null",
        order.display(),
        env!("CARGO_BIN_EXE_headcount")
    );
    world.launch(&prompt, json!({}));
    ready.read();
    let (world, inner) = within_patience(move || {
        loop {
            if let Some(pid) = world.session("inner-1")["process"]["pid"].as_i64() {
                return (world, pid);
            }
            thread::yield_now();
        }
    });

    let stopped = world.call("session.stop", &json!({ "sessionId": "outer-1" }));
    assert_eq!(stopped["result"]["outcome"], "stopped", "{stopped}");
    assert!(is_alive(inner), "{stopped}");
    let session = world.session("inner-1");
    assert_eq!(
        (&session["status"], &session["process"]["pid"]),
        (&json!("running"), &json!(inner))
    );
    let metrics = world.call("server.metrics", &json!({}));
    assert_eq!(metrics["result"]["launches"]["lost"], 0, "its supervisor lives: {metrics}");

    let stopped = world.call("session.stop", &json!({ "pid": inner }));
    assert_eq!(stopped["result"]["outcome"], "stopped", "{stopped}");
    assert!(!is_alive(inner));
    assert!(world.session("inner-1")["launch"]["exitCode"].is_i64(), "its supervisor saw it end");
}

#[test]
fn a_session_without_an_id_is_stopped_by_its_process() {
    let world = World::new();
    let told = world.pipe("pid");
    let prompt = format!("echo $$ > '{}'; exec sleep 1000", told.path().display());
    thread::scope(|scope| {
        let launching = scope.spawn(|| world.launch(&prompt, json!({})));
        let pid: i64 = told.read().trim().parse().unwrap();
        let stopped = world.call("session.stop", &json!({ "pid": pid, "agent": "codex" }));
        assert_eq!(stopped["result"]["outcome"], "stopped", "{stopped}");
        assert_eq!(stopped["result"]["signals"][0], json!({ "signal": "SIGINT", "pid": pid }));
        assert!(!is_alive(pid));
        assert_eq!(world.locks(), Vec::<Value>::new(), "at once");
        assert_eq!(launching.join().unwrap()["error"]["code"], 1006);
        let again = world.call("session.stop", &json!({ "pid": pid }));
        assert_eq!(again["error"]["code"], 1001, "{again}");
    });
    for (params, path) in
        [(json!({}), "sessionId"), (json!({ "pid": 1, "sessionId": THREAD }), "pid")]
    {
        let error = &world.call("session.stop", &params)["error"];
        assert_eq!((&error["code"], &error["data"]["path"]), (&json!(-32602), &json!(path)));
    }
}

/// A process that has registered as a busy owner of the thread, as Claude Code does.
#[allow(clippy::disallowed_methods, reason = "an agent that nobody has launched")]
fn owner(world: &World, program: &str, arguments: &[&str]) -> Child {
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let line = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let start = line.rsplit(") ").next().unwrap().split(' ').nth(19).unwrap();
    let entry = json!({
        "pid": child.id(), "sessionId": THREAD, "procStart": start, "status": "busy",
    });
    let registry = world.home.path().join(".claude/sessions");
    fs::create_dir_all(&registry).unwrap();
    fs::write(registry.join(format!("{}.json", child.id())), entry.to_string()).unwrap();
    child
}

#[test]
fn an_agent_that_is_suspended_is_continued_to_hear_that_it_is_to_end() {
    let world = World::new();
    // What a shell's background job ignores, as these tests may be one, a shell below it cannot trap.
    let shell = ["--default-signal=INT", "sh", "-c", "trap 'exit 7' INT; kill -STOP $$; read line"];
    let mut child = owner(&world, "env", &shell);
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    within_patience(move || waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap());
    let session = world.session(THREAD);
    assert_eq!((&session["status"], &session["reason"]), (&json!("waiting"), &json!("suspended")));
    let by_id = json!({ "sessionId": THREAD, "agent": "claude-code" });
    let stopped = world.call("session.stop", &by_id)["result"].clone();
    let signal = |name: &str| json!({ "signal": name, "pid": child.id() });
    assert_eq!(stopped["signals"], json!([signal("SIGINT"), signal("SIGCONT")]));
    assert_eq!(child.wait().unwrap().code(), Some(7), "by its own way");
}

#[test]
fn a_stop_ends_every_owner_but_one_that_others_need() {
    let world = World::new();
    let by_id = json!({ "sessionId": THREAD, "agent": "claude-code" });
    let agent = || owner(&world, "sh", &["-c", "read line"]);
    let mut both = [agent(), agent()];
    assert_eq!(world.session(THREAD)["conflict"], "two_owners");
    let stopped = world.call("session.stop", &by_id)["result"].clone();
    assert_eq!((&stopped["outcome"], &stopped["survivors"]), (&json!("stopped"), &json!([])));
    for (child, signal) in both.iter_mut().zip(stopped["signals"].as_array().unwrap()) {
        assert_eq!(signal["signal"], "SIGINT", "each is asked before any is told: {stopped}");
        assert!(!child.wait().unwrap().success(), "by the signal");
    }

    // By its command it serves the background sessions; it looks for that word in its input, and finds none.
    let (mut alone, mut needed) = (agent(), owner(&world, "grep", &["daemon"]));
    let stopped = world.call("session.stop", &by_id)["result"].clone();
    assert_eq!(stopped["outcome"], "stopped");
    assert_eq!(stopped["survivors"][0]["pid"], needed.id(), "{stopped}");
    assert!(!alone.wait().unwrap().success());
    drop(needed.stdin.take());
    assert_eq!(needed.wait().unwrap().code(), Some(1), "it ends with its input, not before");
}
