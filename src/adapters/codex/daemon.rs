//! The daemon that serves threads to all interfaces of a user, asked what they do and to end a turn. Seen with Codex 0.169.0.
//!
//! It listens on `app-server-control/app-server-control.sock` in Codex's home: a WebSocket of JSON-RPC texts that leave
//! `"jsonrpc"` out. It alone tells that a thread waits for an approval, or is asked within milliseconds: `activeFlags` holds
//! `waitingOnApproval` or `waitingOnUserInput` then. A turn that another client started is interrupted like one's own, and
//! is written down as `turn_aborted`, as after Esc:
//!
//! ```text
//! > {"id":1,"method":"initialize","params":{"clientInfo":{"name":"headcount","version":"…"}}}    then {"method":"initialized"}
//! > {"id":2,"method":"thread/read","params":{"threadId":"01a2…"}}                    < {"id":2,"result":{"thread":{"cwd":"/home/…","status":{"type":"active","activeFlags":[]},…}}}
//! > {"id":3,"method":"thread/turns/list","params":{"threadId":"01a2…","limit":1}}    < {"id":3,"result":{"data":[{"id":"01a2…","status":"inProgress",…}]}}
//! > {"id":4,"method":"turn/interrupt","params":{"threadId":"01a2…","turnId":"01a2…"}} < {"id":4,"result":{}}
//! ```

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::adapters::Survey;
use crate::adapters::evidence::{Activity, Claim, Sighting, WaitingFor, problem};
use crate::adapters::service::{Patience, Served, TurnEnd};
use crate::base::{AbsPath, Pid, SessionId};
use crate::protocol::session::{Problem, ProblemKind, Source};
use crate::scope::Scope;

/// Where it listens, below the root.
const SOCKET: &str = "app-server-control/app-server-control.sock";
/// Most bytes of one message: what the daemon itself takes in one piece.
const MESSAGE_MAX: usize = 16 << 20;
/// Most messages passed over while waiting for one answer: it tells every client what each thread does.
const MESSAGES_MAX: usize = 10_000;
/// How long it may take to say what threads do; it answers from memory, in a few milliseconds each.
const ANSWER_WAIT: Duration = Duration::from_millis(1500);
/// Most threads that it is asked about: more than are at work at once.
const THREADS_MAX: usize = 64;

/// Whether a daemon ever served this store.
pub(super) fn is_known_in(root: &Path) -> bool {
    root.join(SOCKET).parent().is_some_and(Path::is_dir)
}

/// Adds what the daemon says of the threads that it owns and whose rollouts leave a question open: those with a turn in
/// progress, and those without a rollout. One that does not answer in time leaves the records' word as it is.
pub(super) fn ask(scope: Scope, mut survey: Survey) -> BoxFuture<'static, Survey> {
    async move {
        for root in super::roots(&scope.env) {
            let open = open_questions(&survey);
            if open.is_empty() {
                break;
            }
            let patience = scope.patience(ANSWER_WAIT);
            let asked = tokio::time::timeout(patience, states(&root, open)).await;
            match asked.unwrap_or_else(|_| Err(late(patience))) {
                Ok(Some(word)) => take(&mut survey, &word),
                Ok(None) => {}
                Err(problem) => survey.problems.push(problem),
            }
        }
        survey
    }
    .boxed()
}

/// The threads that live processes own and that are worth a question, with their owners.
fn open_questions(survey: &Survey) -> Vec<(Pid, SessionId)> {
    let settled: HashSet<&SessionId> = survey
        .sightings
        .iter()
        .filter_map(Sighting::record)
        .filter(|it| !it.turn.is_in_flight())
        .map(|it| &it.session)
        .collect();
    let owned = survey.sightings.iter().filter_map(|it| match it {
        Sighting::Claimed(Claim { session: Some(thread), process, .. }) => {
            Some((process.pid, thread.clone()))
        }
        _ => None,
    });
    owned.filter(|(_, thread)| !settled.contains(thread)).collect()
}

/// What a daemon says of its threads.
struct Word {
    daemon: Pid,
    states: BTreeMap<SessionId, Thread>,
    /// How many it was not asked about.
    unasked: usize,
}

/// What the daemon says of those threads that are its own; nothing where it has none of them, or none listens.
async fn states(root: &Path, threads: Vec<(Pid, SessionId)>) -> Result<Option<Word>, Problem> {
    let Some((stream, listener)) = reach(root).await else { return Ok(None) };
    let own = threads.into_iter().filter(|(owner, _)| *owner == listener).map(|(_, it)| it);
    let mut own: Vec<SessionId> = own.collect();
    if own.is_empty() {
        return Ok(None);
    }
    let unasked = own.len().saturating_sub(THREADS_MAX);
    own.truncate(THREADS_MAX);
    let mut daemon = Daemon::greet(stream).await?;
    let mut states = BTreeMap::new();
    for thread in own {
        // One that it refuses was let go since the look at the locks.
        if let Ok(read) = daemon.read(thread.as_str()).await? {
            states.insert(thread, read);
        }
    }
    Ok(Some(Word { daemon: listener, states, unasked }))
}

fn take(survey: &mut Survey, word: &Word) {
    let Word { daemon, states, unasked } = word;
    if *unasked > 0 {
        let message = format!(
            "Codex's daemon was asked about {THREADS_MAX} threads; {unasked} more are told by their records alone"
        );
        survey.problems.push(problem(ProblemKind::Limit, message));
    }
    let claims = survey.sightings.iter_mut().filter_map(|it| match it {
        Sighting::Claimed(claim) if claim.process.pid == *daemon => Some(claim),
        _ => None,
    });
    for claim in claims {
        let Some(thread) = claim.session.as_ref().and_then(|it| states.get(it)) else { continue };
        claim.activity = thread.status.activity();
        claim.source = Source::Gateway;
        claim.hints.cwd = thread.cwd.as_deref().and_then(AbsPath::parse);
    }
}

/// Ends the turn of a thread. Only the process that owns the thread is asked, and only where it is the daemon.
pub(super) async fn end_turn(scope: Scope, served: Served) -> Result<TurnEnd, Problem> {
    for root in super::roots(&scope.env) {
        let Some((stream, listener)) = reach(&root).await else { continue };
        if served.owner.is_none_or(|it| it.pid != listener) {
            continue;
        }
        let mut daemon = Daemon::greet(stream).await?;
        return daemon.interrupt(&served).await;
    }
    Ok(TurnEnd::NoService)
}

/// A connection to whoever listens there: the kernel says who that is.
async fn reach(root: &Path) -> Option<(UnixStream, Pid)> {
    let stream = UnixStream::connect(root.join(SOCKET)).await.ok()?;
    let listener = stream.peer_cred().ok()?.pid()?;
    Some((stream, Pid(listener)))
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
        let read = self.read(thread).await?.map_err(|it| it.of("thread/read"))?;
        Ok(read.status.kind == "active")
    }

    async fn read(&mut self, thread: &str) -> Result<Result<Thread, Refusal>, Problem> {
        let read = self.ask::<Read>("thread/read", json!({ "threadId": thread })).await?;
        Ok(read.map(|it| it.thread))
    }

    /// Asks for what is not to be refused.
    async fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: serde_json::Value,
    ) -> Result<R, Problem> {
        self.ask(method, params).await?.map_err(|it| it.of(method))
    }

    /// Asks, and waits for the answer; what else comes meanwhile is passed over.
    async fn ask<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: serde_json::Value,
    ) -> Result<Result<R, Refusal>, Problem> {
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
            if let Some(refusal) = reply.error {
                return Ok(Err(refusal));
            }
            let result = reply.result.map_or("null", RawValue::get);
            let unexpected =
                |it| odd(&format!("answered `{method}` with something unexpected: {it}"));
            return serde_json::from_str(result).map(Ok).map_err(unexpected);
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

fn late(patience: Duration) -> Problem {
    let message = format!("Codex's daemon gave no answer within {} ms", patience.as_millis());
    problem(ProblemKind::TimedOut, message)
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

impl Refusal {
    fn of(&self, method: &str) -> Problem {
        odd(&format!("refused `{method}`: {}", self.message))
    }
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
    cwd: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "activeFlags", default)]
    flags: Vec<String>,
}

impl Status {
    /// Nothing where the daemon has no word on the thread's turn.
    fn activity(&self) -> Option<Activity> {
        let has = |flag: &str| self.flags.iter().any(|it| it == flag);
        match &*self.kind {
            "active" if has("waitingOnApproval") => Some(Activity::Waiting(WaitingFor::Permission)),
            "active" if has("waitingOnUserInput") => Some(Activity::Waiting(WaitingFor::Question)),
            "active" => Some(Activity::Busy),
            "idle" => Some(Activity::Idle),
            "notLoaded" | "systemError" => None,
            word => Some(Activity::Unrecognised(word.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests;
