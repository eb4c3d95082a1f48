//! The daemon that serves threads to all interfaces of a user, asked to end one turn. Seen with Codex 0.169.0.
//!
//! It listens on `app-server-control/app-server-control.sock` in Codex's home: a WebSocket of JSON-RPC texts that leave
//! `"jsonrpc"` out. A turn that another client started is interrupted like one's own, and is written down as
//! `turn_aborted`, as after Esc:
//!
//! ```text
//! > {"id":1,"method":"initialize","params":{"clientInfo":{"name":"headcount","version":"…"}}}    then {"method":"initialized"}
//! > {"id":2,"method":"thread/read","params":{"threadId":"01a2…"}}                    < {"id":2,"result":{"thread":{"status":{"type":"active",…},…}}}
//! > {"id":3,"method":"thread/turns/list","params":{"threadId":"01a2…","limit":1}}    < {"id":3,"result":{"data":[{"id":"01a2…","status":"inProgress",…}]}}
//! > {"id":4,"method":"turn/interrupt","params":{"threadId":"01a2…","turnId":"01a2…"}} < {"id":4,"result":{}}
//! ```

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::adapters::evidence::problem;
use crate::adapters::service::{Patience, Served, TurnEnd};
use crate::base::ProcessRef;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Where it listens, below the root.
const SOCKET: &str = "app-server-control/app-server-control.sock";
/// Most bytes of one message: what the daemon itself takes in one piece.
const MESSAGE_MAX: usize = 16 << 20;
/// Most messages passed over while waiting for one answer: it tells every client what each thread does.
const MESSAGES_MAX: usize = 10_000;

/// Ends the turn of a thread. Only the process that owns the thread is asked, and only where it is the daemon.
pub(super) async fn end_turn(scope: Scope, served: Served) -> Result<TurnEnd, Problem> {
    for root in super::roots(&scope.env) {
        let Some(stream) = reach(&root, served.owner).await else { continue };
        let mut daemon = Daemon::greet(stream).await?;
        return daemon.interrupt(&served).await;
    }
    Ok(TurnEnd::NoService)
}

/// A connection to the process, where it listens there: the kernel says who does.
async fn reach(root: &Path, owner: Option<ProcessRef>) -> Option<UnixStream> {
    let stream = UnixStream::connect(root.join(SOCKET)).await.ok()?;
    let listener = stream.peer_cred().ok()?.pid()?;
    owner.is_some_and(|it| it.pid.0 == listener).then_some(stream)
}

struct Daemon {
    socket: WebSocketStream<UnixStream>,
    requests: u64,
}

impl Daemon {
    async fn greet(stream: UnixStream) -> Result<Self, Problem> {
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let upgraded = client_async_with_config("ws://localhost/", stream, Some(config)).await;
        let (socket, _) = upgraded.map_err(|it| odd(&format!("speaks no WebSocket: {it}")))?;
        let mut daemon = Self { socket, requests: 0 };
        let client = json!({ "name": "headcount", "version": env!("CARGO_PKG_VERSION") });
        let _: IgnoredAny = daemon.call("initialize", json!({ "clientInfo": client })).await?;
        daemon.send(&json!({ "method": "initialized" })).await?;
        Ok(daemon)
    }

    async fn interrupt(&mut self, served: &Served) -> Result<TurnEnd, Problem> {
        let thread = served.session.as_str();
        // One that was never asked anything has no turns to list, and an error in their place.
        if !self.is_at_work(thread).await? {
            return Ok(TurnEnd::NoTurn);
        }
        let newest = json!({ "threadId": thread, "limit": 1 });
        let turns: Turns = self.call("thread/turns/list", newest).await?;
        let Some(turn) = turns.data.into_iter().find(|it| it.status == "inProgress") else {
            return Ok(TurnEnd::NoTurn);
        };
        let turn = json!({ "threadId": thread, "turnId": turn.id });
        let _: IgnoredAny = self.call("turn/interrupt", turn).await?;
        let patience = Patience::of(served.within);
        while self.is_at_work(thread).await? {
            if !patience.lasts().await {
                return Ok(TurnEnd::GoesOn);
            }
        }
        Ok(TurnEnd::Ended)
    }

    async fn is_at_work(&mut self, thread: &str) -> Result<bool, Problem> {
        let read: Read = self.call("thread/read", json!({ "threadId": thread })).await?;
        Ok(read.thread.status.kind == "active")
    }

    /// Asks, and waits for the answer; what else comes meanwhile is passed over.
    async fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: serde_json::Value,
    ) -> Result<R, Problem> {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({ "id": id, "method": method, "params": params })).await?;
        for _ in 0..MESSAGES_MAX {
            let message = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(_))) | None => return Err(odd("closed the connection")),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(odd(&format!("broke off: {error}"))),
            };
            let Ok(reply) = serde_json::from_str::<Reply<'_>>(&message) else { continue };
            if reply.id != Some(id) || reply.method.is_some() {
                continue;
            }
            if let Some(error) = reply.error {
                return Err(odd(&format!("refused `{method}`: {}", error.message)));
            }
            let result = reply.result.map_or("null", RawValue::get);
            let unexpected =
                |it| odd(&format!("answered `{method}` with something unexpected: {it}"));
            return serde_json::from_str(result).map_err(unexpected);
        }
        Err(odd(&format!("sent {MESSAGES_MAX} messages and no answer to `{method}`")))
    }

    async fn send(&mut self, message: &impl Serialize) -> Result<(), Problem> {
        let text = serde_json::to_string(message).expect("our own parameters are JSON");
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|error| odd(&format!("broke off: {error}")))
    }
}

fn odd(what: &str) -> Problem {
    problem(ProblemKind::Protocol, format!("Codex's daemon {what}"))
}

/// A message of the daemon; a request of its own has a `method`, and an id of its own counting.
#[derive(Deserialize)]
struct Reply<'a> {
    id: Option<u64>,
    method: Option<IgnoredAny>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

#[derive(Deserialize)]
struct Turns {
    data: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    id: String,
    status: String,
}

#[derive(Deserialize)]
struct Read {
    thread: Thread,
}

#[derive(Deserialize)]
struct Thread {
    status: Status,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "type")]
    kind: String,
}

#[cfg(test)]
mod tests;
