//! Conversations over an in-memory pipe: what goes in, what comes out, and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{PendingSubscriptionSink, RpcModule, SubscriptionMessage};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::transport::flight::{BYTES_EACH, MAX_BYTES_IN_FLIGHT};
use crate::transport::frame::{self, MAX_MESSAGE_BYTES};
use crate::transport::reply::Reply;
use crate::transport::turn::{MAX_AT_WORK, Turn};

/// Longest wait for a text that should come at once; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Room for everything a well-behaved test sends or receives.
const WIDE: usize = 1 << 20;

/// What the methods of a test did, and the gate that holds `wait` back.
#[derive(Debug)]
struct World {
    gate: Semaphore,
    begun: AtomicUsize,
    dropped: AtomicUsize,
    changed: Notify,
    subscriptions: AtomicUsize,
    events_sent: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(0),
            begun: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            changed: Notify::new(),
            subscriptions: AtomicUsize::new(0),
            events_sent: AtomicUsize::new(0),
        })
    }

    fn add(&self, counter: &AtomicUsize, amount: usize) {
        counter.fetch_add(amount, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until `counter` says `count`.
    async fn until(&self, counter: &AtomicUsize, count: usize) {
        let is_reached = async {
            loop {
                let changed = self.changed.notified();
                if counter.load(Ordering::SeqCst) == count {
                    return;
                }
                changed.await;
            }
        };
        timeout(PATIENCE, is_reached).await.expect("the count is reached in time");
    }
}

/// Counts a dropped future.
struct Alive(Arc<World>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.add(&self.0.dropped, 1);
    }
}

fn methods(world: &Arc<World>) -> Methods {
    let mut module = RpcModule::from_arc(Arc::clone(world));
    module.register_method("initialize", |_, _, _| raw("{}")).unwrap();
    module
        .register_method("echo", |params, _, _| raw(params.as_str().unwrap_or("absent")))
        .unwrap();
    module
        .register_method("fail", |_, _, _| {
            Err::<(), _>(ErrorObjectOwned::owned(1001, "no", Some("data")))
        })
        .unwrap();
    module.register_method("panic", |_, _, _| -> () { panic!("a bug") }).unwrap();
    module
        .register_method("extension", |_, _, extensions| *extensions.get::<u32>().unwrap())
        .unwrap();
    module
        .register_method("large", |params, _, _| "x".repeat(params.one::<usize>().unwrap()))
        .unwrap();
    module
        .register_method("write", |_, _, extensions| {
            let append =
                |out: &mut Vec<u8>| serde_json::to_writer(out, &json!({"written": "by itself"}));
            extensions.get::<Reply>().unwrap().write(append).unwrap();
            "returned"
        })
        .unwrap();
    module
        .register_async_method("wait", async |params: Params<'static>, world, _| {
            world.add(&world.begun, 1);
            let _alive = Alive(Arc::clone(&world));
            world.gate.acquire().await.unwrap().forget();
            raw(params.as_str().unwrap_or("absent"))
        })
        .unwrap();
    module
        .register_async_method("rest", async |_, world, extensions| {
            world.add(&world.begun, 1);
            extensions.get::<Turn>().unwrap().give_up();
            world.gate.acquire().await.unwrap().forget();
        })
        .unwrap();
    module
        .register_async_method("work", async |_, _, extensions| {
            let progress = extensions.get::<Progress>().unwrap();
            progress.report(&json!({"kind": "begin"})).await;
            progress.report(&json!({"kind": "end"})).await;
            progress.is_wanted()
        })
        .unwrap();
    module.register_subscription("watch", "changed", "unwatch", watch_world).unwrap();
    module
        .register_subscription(
            "refuse",
            "changed",
            "unrefuse",
            async |_, pending: PendingSubscriptionSink, _, _| {
                pending.reject(ErrorObjectOwned::owned(7, "refused", None::<()>)).await;
            },
        )
        .unwrap();
    module.register_subscription("forget", "changed", "unforget", async |_, _, _, _| ()).unwrap();
    module.extensions_mut().insert(42_u32);
    module.into()
}

/// Sends as many events as asked for, then waits for the end.
async fn watch_world(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    world: Arc<World>,
    _: Extensions,
) {
    let events = params.one::<usize>().unwrap();
    let Ok(sink) = pending.accept().await else { return };
    world.add(&world.subscriptions, 1);
    for event in 0..events {
        let event = serde_json::value::to_raw_value(&event).unwrap();
        if sink.send(SubscriptionMessage::from(event)).await.is_err() {
            break;
        }
        world.add(&world.events_sent, 1);
    }
    sink.closed().await;
    world.subscriptions.fetch_sub(1, Ordering::SeqCst);
    world.changed.notify_waiters();
}

fn raw(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// A client of one server.
struct Client {
    world: Arc<World>,
    framing: Framing,
    input: DuplexStream,
    output: Input<DuplexStream>,
    server: JoinSet<Exit>,
}

impl Client {
    fn new(framing: Framing) -> Self {
        Self::with_output(framing, WIDE)
    }

    fn with_output(framing: Framing, capacity: usize) -> Self {
        let world = World::new();
        let ((input, reader), (writer, output)) = (duplex(WIDE), duplex(capacity));
        let mut server = JoinSet::new();
        server.spawn(serve(reader, writer, methods(&world), Options::default()));
        Self { world, framing, input, output: Input::new(output, Some(framing)), server }
    }

    async fn send(&mut self, text: &str) {
        let mut bytes = Vec::new();
        frame::encode(self.framing, text.into(), &mut bytes);
        self.input.write_all(&bytes).await.unwrap();
    }

    async fn request(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let id: Value = id.into();
        self.send(
            &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        )
        .await;
    }

    async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()).await;
    }

    async fn receive(&mut self) -> Value {
        let text = timeout(PATIENCE, self.output.next()).await.expect("a text in time");
        let text = text.expect("another text").expect("well framed");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Ends the input; returns what was still to come and how it ended.
    async fn end(mut self) -> (Vec<String>, Exit) {
        self.input.shutdown().await.unwrap();
        self.rest().await
    }

    /// Returns what is still to come without ending the input.
    async fn rest(mut self) -> (Vec<String>, Exit) {
        let mut texts = Vec::new();
        while let Some(text) = self.output.next().await {
            texts.push(text.expect("well framed"));
        }
        (texts, self.exit().await)
    }

    async fn exit(&mut self) -> Exit {
        self.server.join_next().await.unwrap().unwrap()
    }
}

/// Sends texts in both framings and returns what came back; that must not depend on the framing.
async fn talk(texts: &[&str]) -> Vec<String> {
    let mut answers = Vec::new();
    for framing in [Framing::Lines, Framing::ContentLength] {
        let mut client = Client::new(framing);
        client.world.gate.add_permits(1000);
        for text in texts {
            client.send(text).await;
        }
        answers.push(client.end().await.0);
    }
    assert_eq!(answers[0], answers[1], "both framings say the same");
    answers.remove(0)
}

fn reply(id: impl Into<Value>, result: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "result": result.into()})
}

/// The id and code of an error reply.
fn refusal(reply: &Value) -> (Value, i64) {
    (reply["id"].clone(), reply["error"]["code"].as_i64().expect("an error"))
}

#[tokio::test]
async fn one_text_one_answer() {
    for (text, answer) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#),
        (
            r#"{"jsonrpc":"2.0","id":0,"method":"echo","params":null}"#,
            r#"{"jsonrpc":"2.0","id":0,"result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":"a","method":"echo","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":"a","result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":-1,"method":"echo","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":-1,"result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":18446744073709551616,"method":"echo","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":18446744073709551616,"result":[1]}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.0,"method":"echo"}"#,
            r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"echo"}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"fail"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1001,"message":"no","data":"data"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":-1,"method":"fail"}"#,
            r#"{"jsonrpc":"2.0","id":-1,"error":{"code":1001,"message":"no","data":"data"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"nope"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method `nope`"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"$/nope"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"unknown method `$/nope`"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"echo"}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"`id` is not a string, a number or null"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"refuse"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"refused"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"forget"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"extension"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":42}"#,
        ),
        (
            "[]",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"a batch is empty"}}"#,
        ),
        (
            "7",
            concat!(
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"not a call: invalid type: integer `7`, "#,
                r#"expected an object at line 1 column 1"}}"#
            ),
        ),
    ] {
        // A text that is not a call is answered, and what comes after it, too.
        let echo = r#"{"jsonrpc":"2.0","id":"next","method":"echo"}"#;
        let expect = [answer, r#"{"jsonrpc":"2.0","id":"next","result":{}}"#];
        let mut found = talk(&[text, echo]).await;
        found.sort_by_key(|text| text.contains("\"next\""));
        assert_eq!(found, expect, "{text}");
    }
}

#[tokio::test]
async fn broken_texts_kill_nothing() {
    for text in ["null", "nonsense", "{", "\"text\"", r#"{"jsonrpc":"2.0"}"#, "[1"] {
        let found = talk(&[text, r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#]).await;
        assert_eq!(found.len(), 2, "{text}: {found:?}");
        assert!(found[0].contains(r#""id":null,"error":"#), "{text}: {found:?}");
    }
}

#[tokio::test]
async fn notifications_are_never_answered() {
    for method in [
        "initialized",
        "$/setTrace",
        "$/logTrace",
        "$/unheardOf",
        "unheardOf",
        "echo",
        "wait",
        "shutdown",
    ] {
        let text = json!({"jsonrpc": "2.0", "method": method}).to_string();
        assert_eq!(talk(&[&text]).await, Vec::<String>::new(), "{method}");
        assert_eq!(
            talk(&[&format!("[{text},{text}]")]).await,
            Vec::<String>::new(),
            "{method} in a batch"
        );
    }
    assert_eq!(
        talk(&[r#"{"jsonrpc":"2.0","id":1,"result":5}"#]).await,
        Vec::<String>::new(),
        "a stray reply"
    );
}

#[tokio::test]
async fn a_batch_is_answered_as_one_array() {
    let found = talk(&[concat!(
        r#"[{"jsonrpc":"2.0","id":1,"method":"echo"}, 5, {"jsonrpc":"2.0","method":"echo"},"#,
        r#"{"jsonrpc":"2.0","id":"b","method":"nope"}, [], {"jsonrpc":"2.0","id":3,"method":"wait","params":[3]}]"#
    )])
    .await;
    assert_eq!(found.len(), 1);
    let mut replies: Vec<Value> = serde_json::from_str(&found[0]).unwrap();
    replies.sort_by_key(|reply| reply["id"].to_string());
    assert_eq!(
        replies.iter().filter(|reply| reply["id"].is_null()).count(),
        2,
        "one for each invalid member"
    );
    assert_eq!(replies[0]["id"], "b");
    assert_eq!(replies[1..3], [reply(1, json!({})), reply(3, json!([3]))]);
}

#[tokio::test]
async fn a_method_may_write_its_reply_itself() {
    let written =
        |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"written":"by itself"}}}}"#);
    let asked = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"write"}}"#);
    for id in ["1", "-1", r#""a\"b""#] {
        assert_eq!(talk(&[&asked(id)]).await, [written(id)]);
    }
    let batch = [asked("1"), asked("2")].join(",");
    let replies = [written("1"), written("2")].join(",");
    assert_eq!(talk(&[&format!("[{batch}]")]).await, [format!("[{replies}]")]);
}

#[tokio::test]
async fn requests_run_concurrently_and_reply_as_they_end() {
    let mut client = Client::new(Framing::ContentLength);
    client.request(1, "wait", json!({})).await;
    client.request(2, "echo", json!({})).await;
    assert_eq!(client.receive().await, reply(2, json!({})));
    client.world.gate.add_permits(1);
    assert_eq!(client.receive().await, reply(1, json!({})));
}

#[tokio::test]
async fn the_same_id_twice_is_answered_twice() {
    let mut client = Client::new(Framing::Lines);
    for _ in 0..2 {
        client.request(1, "wait", json!({})).await;
    }
    client.world.until(&client.world.begun, 2).await;
    client.world.gate.add_permits(2);
    let (texts, _) = client.end().await;
    assert_eq!(texts, [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#; 2]);
}

#[tokio::test]
async fn cancelling_drops_the_request_and_answers_it() {
    for (method, member) in [("$/cancelRequest", "id"), ("$/cancel_request", "requestId")] {
        for id in [json!(0), json!("a"), json!(-5), json!(2.0)] {
            let mut client = Client::new(Framing::ContentLength);
            client.request(id.clone(), "wait", json!({})).await;
            client.world.until(&client.world.begun, 1).await;

            client.notify(method, json!({member: id})).await;

            assert_eq!(refusal(&client.receive().await), (id, -32800));
            client.world.until(&client.world.dropped, 1).await;
            let (texts, exit) = client.end().await;
            assert!(texts.is_empty() && exit.code() == 0, "answered once: {texts:?}");
        }
    }
}

#[tokio::test]
async fn a_request_may_be_cancelled_before_it_ran() {
    let mut client = Client::new(Framing::Lines);
    client
        .send(r#"[{"jsonrpc":"2.0","id":1,"method":"wait"},{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}]"#)
        .await;
    let replies = client.receive().await;
    assert_eq!(refusal(&replies[0]), (json!(1), -32800));
    assert_eq!(client.world.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_member_of_a_batch_is_cancelled_alone() {
    let mut client = Client::new(Framing::Lines);
    client
        .send(r#"[{"jsonrpc":"2.0","id":1,"method":"wait"},{"jsonrpc":"2.0","id":2,"method":"wait"}]"#)
        .await;
    client.world.until(&client.world.begun, 2).await;
    client.notify("$/cancelRequest", json!({"id": 1})).await;
    client.world.until(&client.world.dropped, 1).await;
    client.world.gate.add_permits(1);
    let replies = client.receive().await;
    assert_eq!(refusal(&replies[0]), (json!(1), -32800));
    assert_eq!(replies[1], reply(2, json!({})));
}

#[tokio::test]
async fn cancelling_what_is_not_in_flight_is_nothing() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "echo", json!({})).await;
    client.receive().await;
    for params in [json!({"id": 1}), json!({"id": 99}), json!({"id": {}}), json!({}), json!([1])] {
        client.notify("$/cancelRequest", params).await;
    }
    assert!(client.end().await.0.is_empty());
}

#[tokio::test]
async fn after_shutdown_only_exit_is_served() {
    let mut client = Client::new(Framing::ContentLength);
    client.request(1, "wait", json!({})).await;
    client.world.until(&client.world.begun, 1).await;
    client.request(2, "shutdown", json!({})).await;
    assert_eq!(client.receive().await, reply(2, Value::Null));

    for method in ["echo", "shutdown", "initialize", "nope"] {
        client.request(3, method, json!({})).await;
        assert_eq!(refusal(&client.receive().await), (json!(3), -32600), "{method}");
    }
    client.world.gate.add_permits(1);
    assert_eq!(client.receive().await, reply(1, json!({})), "in flight at shutdown");

    client.notify("exit", json!({})).await;
    let (texts, exit) = client.rest().await;
    assert!(texts.is_empty());
    assert!(matches!(exit, Exit::AfterShutdown) && exit.code() == 0);
}

#[tokio::test]
async fn exit_without_shutdown_is_code_one() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "wait", json!({})).await;
    client.notify("exit", json!({})).await;
    let (texts, exit) = client.rest().await;
    assert!(
        texts.is_empty() && matches!(exit, Exit::WithoutShutdown) && exit.code() == 1,
        "{texts:?} {exit:?}"
    );
}

#[tokio::test]
async fn the_last_replies_leave_before_exit() {
    let mut client = Client::new(Framing::Lines);
    client.send(r#"[{"jsonrpc":"2.0","id":1,"method":"shutdown"},{"jsonrpc":"2.0","id":2,"method":"exit"}]"#).await;
    let (texts, exit) = client.rest().await;
    assert_eq!(
        texts,
        [r#"[{"jsonrpc":"2.0","id":1,"result":null},{"jsonrpc":"2.0","id":2,"result":null}]"#]
    );
    assert_eq!(exit.code(), 0);
}

#[tokio::test(start_paused = true)]
async fn exit_does_not_wait_for_a_client_that_stopped_reading() {
    let mut client = Client::with_output(Framing::Lines, 256);
    client.request(1, "large", json!([10_000])).await;
    client.request(2, "shutdown", json!({})).await;
    client.notify("exit", json!({})).await;
    assert!(matches!(client.exit().await, Exit::AfterShutdown));
}

#[tokio::test]
async fn the_end_of_input_answers_what_is_in_flight() {
    for framing in [Framing::Lines, Framing::ContentLength] {
        let mut client = Client::new(framing);
        client.request(1, "wait", json!({})).await;
        client.request(2, "watch", json!([1])).await;
        client.world.until(&client.world.begun, 1).await;
        assert!(client.receive().await["result"].is_number());
        client.receive().await;
        let world = Arc::clone(&client.world);
        client.input.shutdown().await.unwrap();
        world.until(&world.subscriptions, 0).await;
        world.gate.add_permits(1);
        let (texts, exit) = client.rest().await;
        assert_eq!(texts, [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#]);
        assert!(matches!(exit, Exit::InputEnded) && exit.code() == 0);
    }
}

#[tokio::test]
async fn nothing_said_nothing_served() {
    for text in ["", " \n\r\n"] {
        let (writer, mut output) = duplex(WIDE);
        let exit = serve(text.as_bytes(), writer, methods(&World::new()), Options::default()).await;
        let mut said = String::new();
        output.read_to_string(&mut said).await.unwrap();
        assert_eq!((exit.code(), said.as_str()), (0, ""));
    }
}

/// Serves bytes as they stand; returns all that was written.
async fn serve_bytes(input: &[u8], framing: Option<Framing>) -> (String, Exit) {
    let (writer, mut output) = duplex(64 << 20);
    let exit = serve(input, writer, methods(&World::new()), Options { framing }).await;
    let mut said = String::new();
    output.read_to_string(&mut said).await.unwrap();
    (said, exit)
}

#[tokio::test]
async fn replies_use_the_framing_of_the_stream() {
    let request = r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let framed = format!("Content-Length: {}\r\n\r\n{request}", request.len());
    let framed_answer = format!("Content-Length: {}\r\n\r\n{answer}", answer.len());

    assert_eq!(
        serve_bytes(request.as_bytes(), None).await.0,
        format!("{answer}\n"),
        "a last line without its end"
    );
    for before in ["\n ", "\u{feff}", "\u{feff}\r\n"] {
        let input = format!("{before}{request}\n");
        assert_eq!(serve_bytes(input.as_bytes(), None).await.0, format!("{answer}\n"));
    }
    assert_eq!(serve_bytes(framed.as_bytes(), None).await.0, framed_answer);
    assert_eq!(
        serve_bytes(format!("\r\n{}", framed.to_lowercase()).as_bytes(), None).await.0,
        framed_answer
    );
    let (forced, _) = serve_bytes(framed.as_bytes(), Some(Framing::Lines)).await;
    assert!(forced.starts_with(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700"#), "{forced}");
}

#[tokio::test]
async fn lost_framing_is_answered_and_ends_it() {
    let (said, exit) = serve_bytes(b"Content-Length: x\r\n\r\n{}", None).await;
    let body = said.split_once("\r\n\r\n").unwrap().1;
    assert_eq!(refusal(&serde_json::from_str(body).unwrap()), (Value::Null, -32700));
    assert!(matches!(exit, Exit::FramingLost(_)) && exit.code() == 1, "{exit:?}");
    assert_eq!(exit.complaint().unwrap(), "framing lost: `Content-Length` is not one number");
}

#[tokio::test]
async fn a_message_too_long_is_answered_and_skipped() {
    let echo = r#"{"jsonrpc":"2.0","id":1,"method":"echo"}"#;
    for framing in [Framing::Lines, Framing::ContentLength] {
        let mut input = Vec::new();
        frame::encode(framing, " ".repeat(MAX_MESSAGE_BYTES + 1).into(), &mut input);
        if framing == Framing::Lines {
            input.insert(0, b'{'); // A line of blanks would be no message at all.
        }
        frame::encode(framing, echo.into(), &mut input);
        let (said, exit) = serve_bytes(&input, Some(framing)).await;
        assert!(
            said.contains(r#""id":null,"error":{"code":-32600,"#)
                && said.contains(r#""id":1,"result":{}"#),
            "{said}"
        );
        assert_eq!(exit.code(), 0);
    }
}

#[tokio::test]
async fn replies_may_be_larger_than_requests() {
    let size = MAX_MESSAGE_BYTES + 1;
    let request = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"large","params":[{size}]}}"#);
    for framing in [Framing::Lines, Framing::ContentLength] {
        let mut input = Vec::new();
        frame::encode(framing, request.as_str().into(), &mut input);
        let (said, _) = serve_bytes(&input, None).await;
        let reply: Value = serde_json::from_str(&said[said.find('{').unwrap()..]).unwrap();
        assert_eq!(reply["result"].as_str().unwrap().len(), size);
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_its_request() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "panic", json!({})).await;
    assert_eq!(refusal(&client.receive().await), (json!(1), -32603));
    client.request(2, "echo", json!({})).await;
    assert_eq!(client.receive().await, reply(2, json!({})));
}

#[tokio::test]
async fn progress_is_sent_to_who_asked_and_before_the_reply() {
    let mut client = Client::new(Framing::ContentLength);
    client.request(1, "work", json!({"workDoneToken": "t"})).await;
    for kind in ["begin", "end"] {
        let params = json!({"token": "t", "value": {"kind": kind}});
        assert_eq!(
            client.receive().await,
            json!({"jsonrpc": "2.0", "method": "$/progress", "params": params})
        );
    }
    assert_eq!(client.receive().await, reply(1, true));
    client.request(2, "work", json!({})).await;
    assert_eq!(client.receive().await, reply(2, false));
    client.request(3, "echo", json!({"workDoneToken": 1, "a": 2})).await;
    assert_eq!(client.receive().await, reply(3, json!({"a": 2})));
}

#[tokio::test]
async fn a_subscription_speaks_after_its_reply_until_unsubscribed() {
    for batch in [false, true] {
        let mut client = Client::new(Framing::ContentLength);
        let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"watch","params":[9]}"#;
        client.send(&if batch { format!("[{subscribe}]") } else { subscribe.to_owned() }).await;
        let first = client.receive().await;
        let subscription = if batch { &first[0] } else { &first }["result"].clone();
        for event in 0..9 {
            let params = json!({"subscription": subscription, "result": event});
            assert_eq!(
                client.receive().await,
                json!({"jsonrpc": "2.0", "method": "changed", "params": params})
            );
        }

        client.request(2, "unwatch", json!([subscription])).await;
        assert_eq!(client.receive().await, reply(2, true));
        client.world.until(&client.world.subscriptions, 0).await;
        client.request(3, "unwatch", json!([subscription])).await;
        assert_eq!(client.receive().await, reply(3, false));
    }
}

#[tokio::test]
async fn unsubscribing_takes_a_name_or_a_place() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "watch", json!([0])).await;
    let subscription = client.receive().await["result"].take();
    client.request(1, "watch", json!([0])).await;
    let again = client.receive().await["result"].take();
    let as_float = |id: &Value| json!(id.as_f64().unwrap());
    for (params, member, why) in [
        (json!({}), "subscription", "is missing"),
        (json!({"subscription": null}), "subscription", "is missing"),
        (json!({"subscription": 1.5}), "subscription", "not the id that subscribing returned"),
        (json!({"subscription": 1, "x": 2}), "x", "unknown field `x`, expected `subscription`"),
        (json!([1, 2]), "subscription", "not the id that subscribing returned"),
        (json!([null]), "subscription", "not the id that subscribing returned"),
    ] {
        client.request(2, "unwatch", params.clone()).await;
        let refused = client.receive().await;
        assert_eq!(refusal(&refused), (json!(2), -32602), "{params}");
        assert_eq!(refused["error"]["data"]["path"], member, "{params}");
        let message = format!("invalid params: `{member}`: {why}");
        assert_eq!(refused["error"]["message"], message, "{params}");
    }
    for (params, ended) in [
        (json!({"subscription": "a"}), false),
        (json!({"subscription": subscription}), true),
        (json!([subscription]), false),
        (json!([as_float(&again)]), true),
        (json!({"subscription": as_float(&again)}), false),
    ] {
        client.request(3, "unwatch", params.clone()).await;
        assert_eq!(client.receive().await, reply(3, ended), "{params}");
    }
}

#[tokio::test]
async fn shutdown_ends_subscriptions() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "watch", json!([0])).await;
    client.receive().await;
    client.world.until(&client.world.subscriptions, 1).await;
    client.request(2, "shutdown", json!({})).await;
    assert_eq!(client.receive().await, reply(2, Value::Null));
    client.world.until(&client.world.subscriptions, 0).await;
}

#[tokio::test]
async fn a_subscription_whose_answer_comes_after_shutdown_never_speaks() {
    let mut client = Client::new(Framing::Lines);
    client
        .send(r#"[{"jsonrpc":"2.0","id":1,"method":"wait"},{"jsonrpc":"2.0","id":2,"method":"watch","params":[1]}]"#)
        .await;
    client.world.until(&client.world.subscriptions, 1).await;
    client.request(3, "shutdown", json!({})).await;
    assert_eq!(client.receive().await, reply(3, Value::Null));
    client.world.gate.add_permits(1);
    assert_eq!(client.receive().await.as_array().map(Vec::len), Some(2));
    client.world.until(&client.world.subscriptions, 0).await;
    client.notify("exit", json!({})).await;
    let (texts, _) = client.rest().await;
    assert!(texts.is_empty(), "{texts:?}");
}

#[tokio::test]
async fn subscriptions_have_a_limit_and_give_their_place_back() {
    let mut client = Client::new(Framing::Lines);
    let mut subscription = Value::Null;
    for _ in 0..MAX_SUBSCRIPTIONS {
        client.request(1, "watch", json!([0])).await;
        subscription = client.receive().await["result"].take();
        assert!(subscription.is_number());
    }
    client.request(2, "watch", json!([0])).await;
    assert_eq!(refusal(&client.receive().await), (json!(2), -32600));

    client.request(3, "unwatch", json!([subscription])).await;
    client.receive().await;
    client.world.until(&client.world.subscriptions, MAX_SUBSCRIPTIONS as usize - 1).await;
    client.request(4, "watch", json!([0])).await;
    assert!(client.receive().await["result"].is_number());
}

/// Lets every other task run until none can go on: time moves only when all of them wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_holds_a_subscription_back() {
    let mut client = Client::with_output(Framing::Lines, 4096);
    client.request(1, "watch", json!([1_000_000])).await;
    settle().await;
    let sent = client.world.events_sent.load(Ordering::SeqCst);
    assert!((1..2000).contains(&sent), "a pipe's worth and a few buffers: {sent}");
    settle().await;
    assert_eq!(
        client.world.events_sent.load(Ordering::SeqCst),
        sent,
        "nothing moves until the client reads"
    );
    for _ in 0..sent {
        client.receive().await;
    }
    settle().await;
    assert!(client.world.events_sent.load(Ordering::SeqCst) > sent);
}

/// A client with as many requests at work as may be, and one that waits for its turn.
async fn full_client() -> Client {
    let mut client = Client::new(Framing::Lines);
    for id in 0..=MAX_AT_WORK {
        client.request(id, "wait", json!({})).await;
    }
    settle().await;
    assert_eq!(client.world.begun.load(Ordering::SeqCst), MAX_AT_WORK);
    client
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_those_at_work_waits_for_its_turn() {
    let mut client = full_client().await;
    client.world.gate.add_permits(1);
    client.receive().await;
    client.world.until(&client.world.begun, MAX_AT_WORK + 1).await;

    client.world.gate.add_permits(MAX_AT_WORK);
    let (texts, exit) = client.end().await;
    assert_eq!((texts.len(), exit.code()), (MAX_AT_WORK, 0), "none is lost");
}

#[tokio::test(start_paused = true)]
async fn a_client_is_heard_while_as_many_as_may_be_are_at_work() {
    let mut client = full_client().await;
    client.notify("$/cancelRequest", json!({ "id": 7 })).await;
    assert_eq!(refusal(&client.receive().await), (json!(7), -32800));
    client.world.until(&client.world.begun, MAX_AT_WORK + 1).await;

    client.request("late", "wait", json!({})).await;
    client.notify("$/cancelRequest", json!({ "id": "late" })).await;
    assert_eq!(refusal(&client.receive().await), (json!("late"), -32800), "before it began");
    assert_eq!(client.world.begun.load(Ordering::SeqCst), MAX_AT_WORK + 1);

    client.request("end", "shutdown", json!({})).await;
    assert_eq!(client.receive().await, reply("end", Value::Null));
    client.notify("exit", json!({})).await;
    assert!(matches!(client.exit().await, Exit::AfterShutdown));
}

#[tokio::test(start_paused = true)]
async fn requests_that_merely_wait_keep_nobody_waiting() {
    let mut client = Client::new(Framing::Lines);
    for id in 0..=MAX_AT_WORK {
        client.request(id, "rest", json!({})).await;
    }
    client.request("echo", "echo", json!({})).await;
    assert_eq!(client.receive().await, reply("echo", json!({})));
    assert_eq!(client.world.begun.load(Ordering::SeqCst), MAX_AT_WORK + 1);

    client.world.gate.add_permits(MAX_AT_WORK + 1);
    let (texts, exit) = client.end().await;
    assert_eq!((texts.len(), exit.code()), (MAX_AT_WORK + 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_is_heard_while_as_many_as_may_be_are_at_work() {
    let client = full_client().await;
    client.world.gate.add_permits(MAX_AT_WORK + 1);
    let (texts, exit) = client.end().await;
    assert_eq!((texts.len(), exit.code()), (MAX_AT_WORK + 1, 0));
}

#[tokio::test]
async fn requests_that_would_hold_too_many_bytes_are_refused_and_told_why() {
    let params = "x".repeat(MAX_MESSAGE_BYTES - 100);
    let room = MAX_BYTES_IN_FLIGHT / (params.len() + BYTES_EACH);
    let mut client = Client::new(Framing::Lines);
    for id in 0..=room {
        client.request(id, "wait", json!([params])).await;
    }
    let refused = client.receive().await;
    assert_eq!(refusal(&refused), (json!(room), -32600));
    let error = &refused["error"];
    assert_eq!(error["data"], json!({ "kind": "limit", "retryable": true }));
    assert!(error["message"].as_str().unwrap().contains(&MAX_BYTES_IN_FLIGHT.to_string()));

    client.request("small", "echo", json!({})).await;
    assert_eq!(client.receive().await, reply("small", json!({})), "there is room for it");
    client.notify("$/cancelRequest", json!({ "id": 0 })).await;
    client.receive().await;
    client.request("again", "wait", json!([params])).await;
    client.world.until(&client.world.begun, room + 1).await;
}

#[tokio::test]
async fn what_a_request_is_called_counts_among_its_bytes() {
    let name = "x".repeat(MAX_MESSAGE_BYTES / 2);
    let room = MAX_BYTES_IN_FLIGHT / (name.len() + "{}".len() + BYTES_EACH);
    let mut client = Client::new(Framing::Lines);
    for _ in 0..=room {
        client.request(name.as_str(), "wait", json!({})).await;
    }
    assert_eq!(refusal(&client.receive().await), (json!(name), -32600));
    client.world.until(&client.world.begun, room).await;
}

#[tokio::test]
async fn the_smallest_requests_have_a_limit_too() {
    let name = |number: usize| format!("{number:05}");
    let room = MAX_BYTES_IN_FLIGHT / (BYTES_EACH + name(0).len() + "{}".len());
    let mut client = Client::new(Framing::Lines);
    for number in 0..=room {
        client.request(name(number), "wait", json!({})).await;
    }
    assert_eq!(refusal(&client.receive().await), (json!(name(room)), -32600));
}

#[tokio::test]
async fn nobody_reads_any_more() {
    // While something is to be written.
    let mut client = Client::new(Framing::Lines);
    client.request(1, "wait", json!({})).await;
    client.world.until(&client.world.begun, 1).await;
    let world = Arc::clone(&client.world);
    let Client { input: _input, output, mut server, .. } = client;
    drop(output);
    world.gate.add_permits(1);
    let exit = server.join_next().await.unwrap().unwrap();
    assert!(matches!(exit, Exit::OutputGone(_)) && exit.code() == 1, "{exit:?}");
    assert!(exit.complaint().unwrap().starts_with("cannot write replies: "));
}

#[tokio::test]
async fn dropping_the_connection_drops_its_requests() {
    let mut client = Client::new(Framing::Lines);
    client.request(1, "wait", json!({})).await;
    client.world.until(&client.world.begun, 1).await;
    client.server.abort_all();
    client.world.until(&client.world.dropped, 1).await;
}

mod parents {
    use std::process::{Child, Stdio};

    use super::*;

    /// A process that lives until its stdin ends.
    #[allow(clippy::disallowed_methods, reason = "a stand-in for an editor")]
    fn parent() -> Child {
        std::process::Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    #[tokio::test]
    async fn the_connection_ends_with_the_process_it_was_told_of() {
        let mut parent = parent();
        let mut client = Client::new(Framing::ContentLength);
        client.request(1, "initialize", json!({"processId": parent.id()})).await;
        client.receive().await;

        parent.kill().unwrap();

        assert!(matches!(client.exit().await, Exit::ParentGone));
        parent.wait().unwrap();
    }

    #[tokio::test]
    async fn who_names_a_process_that_is_not_there_is_answered_before_the_end() {
        let mut parent = parent();
        parent.kill().unwrap();
        parent.wait().unwrap();
        for is_batch in [false, true] {
            let mut client = Client::new(Framing::ContentLength);
            let params = json!({"processId": parent.id()});
            let call = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
            client.send(&if is_batch { json!([call]) } else { call }.to_string()).await;
            let (texts, exit) = client.rest().await;
            assert_eq!(texts.len(), 1, "{texts:?}");
            assert!(matches!(exit, Exit::ParentGone) && exit.code() == 0, "{exit:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_holds_nobody_back_when_it_is_gone() {
        let mut parent = parent();
        let mut client = Client::with_output(Framing::Lines, 256);
        client.request(1, "initialize", json!({"processId": parent.id()})).await;
        client.receive().await;
        for id in 0..2 * MAX_WAITING_TEXTS {
            client.request(id, "large", json!([1000])).await;
        }
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert!(matches!(client.exit().await, Exit::ParentGone));
    }

    #[tokio::test]
    async fn the_last_process_named_counts() {
        let (mut first, mut last) = (parent(), parent());
        let mut client = Client::new(Framing::Lines);
        for parent in [&first, &last] {
            client.request(1, "initialize", json!({"processId": parent.id()})).await;
            client.receive().await;
        }
        first.kill().unwrap();
        first.wait().unwrap();
        client.request(2, "echo", json!({})).await;
        assert_eq!(client.receive().await, reply(2, json!({})));
        last.kill().unwrap();
        assert!(matches!(client.exit().await, Exit::ParentGone));
        last.wait().unwrap();
    }

    #[tokio::test]
    async fn who_names_nobody_is_not_ended_by_whom_it_named_before() {
        let mut parent = parent();
        let mut client = Client::new(Framing::Lines);
        for process in [json!(parent.id()), json!(null)] {
            client.request(1, "initialize", json!({"processId": process})).await;
            client.receive().await;
        }
        parent.kill().unwrap();
        parent.wait().unwrap();
        client.request(2, "echo", json!({})).await;
        assert_eq!(client.receive().await, reply(2, json!({})));
        let (texts, exit) = client.end().await;
        assert!(texts.is_empty() && matches!(exit, Exit::InputEnded), "{exit:?}");
    }

    #[test]
    fn a_process_is_named_by_a_whole_number_and_nobody_by_null() {
        let check = |json: &str, expect| {
            assert_eq!(Parent::named_by(&format!("{{{json}}}")), expect, "{json}");
        };
        check(r#""processId": 7"#, Some(Parent::Process(7)));
        check(r#""processId": 7.0"#, Some(Parent::Process(7)));
        check(r#""processId": 2147483647"#, Some(Parent::Process(i32::MAX)));
        check(r#""processId": null"#, Some(Parent::Nobody));
        for nothing in ["2147483648", "1.5", "0", "-1", "\"7\"", "1e400"] {
            check(&format!("\"processId\": {nothing}"), None);
        }
        check("", None);
    }

    #[tokio::test]
    async fn what_names_no_process_is_ignored() {
        for pid in [json!(null), json!(0), json!(-1), json!("1"), json!(1_u64 << 40), json!(1.5)] {
            let mut client = Client::new(Framing::Lines);
            client.request(1, "initialize", json!({"processId": pid})).await;
            client.receive().await;
            client.request(2, "echo", json!({})).await;
            assert_eq!(client.receive().await, reply(2, json!({})), "{pid}");
        }
    }
}
