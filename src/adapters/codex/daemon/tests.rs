use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::accept;

use super::*;
use crate::base::{Pid, SessionId};
use crate::testing;

/// A daemon in this very process, with one thread; tells what it was asked.
fn daemon(home: &Path, mut answer: impl FnMut(&str) -> Value + Send + 'static) -> Receiver<Value> {
    let socket = home.join(".codex").join(SOCKET);
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let Ok(mut socket) = accept(stream) else { return };
        while let Ok(message) = socket.read() {
            let Ok(text) = message.to_text() else { return };
            let Ok(request) = serde_json::from_str::<Value>(text) else { return };
            tell.send(request.clone()).unwrap();
            let Some(id) = request.get("id") else { continue };
            let mut reply = answer(request["method"].as_str().unwrap());
            reply["id"] = id.clone();
            let request_of_its_own = json!({ "id": id, "method": "item/ask", "params": {} });
            let news = json!({ "method": "thread/status/changed", "params": {} });
            for text in [request_of_its_own, news, reply] {
                if socket.send(Message::text(text.to_string())).is_err() {
                    return;
                }
            }
        }
    });
    asked
}

fn this_process() -> ProcessRef {
    ProcessRef { pid: Pid(i32::try_from(std::process::id()).unwrap()), start_ticks: 1 }
}

fn end(home: &Path, owner: ProcessRef) -> Result<TurnEnd, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = SessionId::parse("t1").unwrap();
    let served = Served { session, record: None, owner: Some(owner), within: Duration::ZERO };
    runtime.block_on(end_turn(testing::scope_at(home), served))
}

/// The answers of a daemon whose thread is in these states, one look after the other.
fn answers(states: &'static [&'static str]) -> impl FnMut(&str) -> Value + Send {
    let mut states = states.iter().copied();
    move |method| match method {
        "thread/turns/list" => {
            json!({ "result": { "data": [{ "id": "u1", "status": "inProgress" }] } })
        }
        "thread/read" => {
            let state = states.next().expect("no further look");
            json!({ "result": { "thread": { "status": { "type": state } } } })
        }
        _ => json!({ "result": {} }),
    }
}

#[test]
fn a_turn_is_interrupted_and_seen_to_have_ended() {
    let home = TempDir::new().unwrap();
    let asked = daemon(home.path(), answers(&["active", "idle"]));
    assert_eq!(end(home.path(), this_process()), Ok(TurnEnd::Ended));
    let asked: Vec<Value> = asked.into_iter().collect();
    let methods: Vec<_> = asked.iter().map(|it| it["method"].as_str().unwrap()).collect();
    let look = "thread/read";
    let expected = ["initialize", "initialized", look, "thread/turns/list", "turn/interrupt", look];
    assert_eq!(methods, expected);
    assert_eq!(asked[4]["params"], json!({ "threadId": "t1", "turnId": "u1" }));
}

#[test]
fn what_has_ended_is_not_interrupted_and_what_goes_on_is_not_called_ended() {
    let check = |states: &'static [&'static str], expected| {
        let home = TempDir::new().unwrap();
        let _asked = daemon(home.path(), answers(states));
        assert_eq!(end(home.path(), this_process()), Ok(expected));
    };
    check(&["idle"], TurnEnd::NoTurn);
    check(&["active", "active"], TurnEnd::GoesOn);
}

#[test]
fn only_the_owner_of_the_thread_is_asked() {
    let home = TempDir::new().unwrap();
    assert_eq!(end(home.path(), this_process()), Ok(TurnEnd::NoService), "nobody listens");
    let asked = daemon(home.path(), answers(&[]));
    let another = ProcessRef { pid: Pid(1), ..this_process() };
    assert_eq!(end(home.path(), another), Ok(TurnEnd::NoService));
    assert_eq!(asked.into_iter().count(), 0);
}

#[test]
fn a_refusal_is_told_in_the_daemons_words() {
    let home = TempDir::new().unwrap();
    let _asked =
        daemon(home.path(), |_| json!({ "error": { "code": -32600, "message": "not you" } }));
    let problem = end(home.path(), this_process()).unwrap_err();
    assert_eq!(problem.message, "Codex's daemon refused `initialize`: not you");
}
