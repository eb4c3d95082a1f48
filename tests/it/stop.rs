//! `session.stop` with stand-in agents: what is ended, what is not, and that it is ended whole.

use std::io::Write;

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
    let again = world.call("session.stop", &json!({ "sessionId": THREAD }));
    assert_eq!(again["result"]["outcome"], "already_stopped");
    assert_eq!(again["result"]["signals"], json!([]));
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
