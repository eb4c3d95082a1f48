//! The gateway's protocol, version 4: one WebSocket of JSON texts; requests, their answers, and events passed over.

use std::borrow::Cow;

use futures_util::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::endpoint::{Endpoint, Secret, Shown};
use crate::adapters::evidence::problem;
use crate::protocol::session::{Problem, ProblemKind};

/// The only version whose answers we know how to read.
const PROTOCOL: u32 = 4;

/// Most bytes of one message: what the gateway allows itself (`policy.maxPayload`).
const MESSAGE_MAX: usize = 26_214_400;

/// Most frames passed over while waiting for one answer. A gateway that is at work sends some hundred events
/// in the second that an answer takes.
const FRAMES_MAX: usize = 10_000;

/// What a connection may do. The gateway grants whatever is asked for, so that no more is asked for than is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Read,
    /// To read, and to be told of questions.
    Hear,
    /// To begin runs.
    Write,
    /// To begin sessions in a directory of one's choice, with any permissions; to end the runs of others, and to see
    /// what they wait for.
    Administer,
}

impl Right {
    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["operator.read"],
            Self::Hear => &["operator.read", "operator.questions"],
            Self::Write => &["operator.read", "operator.write"],
            Self::Administer => &["operator.read", "operator.write", "operator.admin"],
        }
    }
}

/// A connection that was let in.
pub(super) struct Client<'a> {
    endpoint: &'a Endpoint,
    socket: WebSocketStream<TcpStream>,
    requests: u32,
}

impl<'a> Client<'a> {
    /// Connects with this right and no other.
    pub(super) async fn connect(endpoint: &'a Endpoint, right: Right) -> Result<Self, Problem> {
        let stream = reach(endpoint).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let upgraded = client_async_with_config(endpoint.url.as_str(), stream, Some(config)).await;
        let (socket, _) = upgraded.map_err(|error| broken(endpoint, error))?;
        let mut client = Self { endpoint, socket, requests: 0 };
        client.introduce(right).await?;
        Ok(client)
    }

    /// Says who we are. A third party's name is refused, so we are the gateway's own command line client; one
    /// without a device of its own, since a device is written down in the gateway's store.
    async fn introduce(&mut self, right: Right) -> Result<(), Problem> {
        let Shown { token, password } = &self.endpoint.shown;
        let auth = ClientAuth {
            token: token.as_ref().map(Secret::reveal),
            password: password.as_ref().map(Secret::reveal),
        };
        let hello: Hello = self
            .call(
                "connect",
                &Connect {
                    min_protocol: PROTOCOL,
                    max_protocol: PROTOCOL,
                    client: ClientInfo {
                        id: "cli",
                        version: env!("CARGO_PKG_VERSION"),
                        platform: std::env::consts::OS,
                        mode: "cli",
                    },
                    role: "operator",
                    scopes: right.scopes(),
                    auth: (token.is_some() || password.is_some()).then_some(auth),
                },
            )
            .await?;
        if hello.protocol == PROTOCOL {
            return Ok(());
        }
        let spoken = hello.protocol;
        Err(self.problem(
            ProblemKind::Protocol,
            &format!("speaks protocol {spoken}; expected {PROTOCOL}"),
        ))
    }

    /// Asks, and waits for the answer; what else comes meanwhile is passed over. How long that may take is the
    /// caller's to say, by dropping the future.
    pub(super) async fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R, Problem> {
        self.requests += 1;
        let id = self.requests.to_string();
        let request = Request { kind: "req", id: &id, method, params };
        let text = serde_json::to_string(&request).expect("our own parameters are JSON");
        self.socket.send(Message::text(text)).await.map_err(|it| broken(self.endpoint, it))?;
        for _ in 0..FRAMES_MAX {
            let text = self.next().await?;
            let frame = self.frame(&text)?;
            if frame.kind == "res" && frame.id.as_deref() == Some(&id) {
                return self.answer(method, &frame);
            }
        }
        Err(self.problem(
            ProblemKind::Limit,
            &format!("sent {FRAMES_MAX} frames and no answer to `{method}`"),
        ))
    }

    /// Waits for the next event whose name and payload are wanted; what else comes meanwhile is passed over.
    pub(super) async fn event(
        &mut self,
        is_wanted: impl Fn(&str, &str) -> bool,
    ) -> Result<(), Problem> {
        loop {
            let text = self.next().await?;
            let frame = self.frame(&text)?;
            let payload = frame.payload.map_or("null", RawValue::get);
            if frame.kind == "event" && frame.event.is_some_and(|it| is_wanted(&it, payload)) {
                return Ok(());
            }
        }
    }

    /// The next text that the gateway sends.
    async fn next(&mut self) -> Result<Utf8Bytes, Problem> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                // Pings are answered by the library.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => {
                    return Err(self.problem(ProblemKind::Protocol, "sent a frame that is no text"));
                }
                Some(Ok(Message::Close(frame))) => return Err(self.closed(frame)),
                Some(Err(error)) => return Err(broken(self.endpoint, error)),
                None => return Err(self.closed(None)),
            }
        }
    }

    fn frame<'t>(&self, text: &'t str) -> Result<Frame<'t>, Problem> {
        let no_frame = || self.problem(ProblemKind::Protocol, "sent a text that is no frame");
        serde_json::from_str(text).map_err(|_| no_frame())
    }

    fn answer<R: DeserializeOwned>(&self, method: &str, frame: &Frame<'_>) -> Result<R, Problem> {
        if frame.ok != Some(true) {
            return Err(self.refused(method, frame.error));
        }
        let payload = frame.payload.map_or("null", RawValue::get);
        serde_json::from_str(payload).map_err(|error| {
            let what = format!("answered `{method}` with something unexpected: {error}");
            self.problem(ProblemKind::Protocol, &what)
        })
    }

    fn refused(&self, method: &str, error: Option<&RawValue>) -> Problem {
        let refusal: Refusal =
            error.and_then(|it| serde_json::from_str(it.get()).ok()).unwrap_or_default();
        let mut what = format!("refused `{method}`: {}", refusal.message);
        if let Some(expected) = refusal.details.expected_protocol {
            what = format!("{what} (it expects protocol {expected}, spoken here is {PROTOCOL})");
        }
        self.problem(refusal.kind(), &what)
    }

    fn closed(&self, frame: Option<CloseFrame>) -> Problem {
        let Some(CloseFrame { code, reason }) = frame else {
            return self.problem(ProblemKind::Unreachable, "closed the connection");
        };
        let kind = match code {
            CloseCode::Protocol => ProblemKind::Protocol,
            CloseCode::Policy => ProblemKind::Auth,
            _ => ProblemKind::Unreachable,
        };
        self.problem(kind, &format!("closed the connection: {reason} ({})", u16::from(code)))
    }

    /// A problem of the gateway's.
    pub(super) fn problem(&self, kind: ProblemKind, what: &str) -> Problem {
        gateway_problem(self.endpoint, kind, what)
    }
}

async fn reach(endpoint: &Endpoint) -> Result<TcpStream, Problem> {
    let mut refused = None;
    for address in &endpoint.addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let why = refused.map_or("no address".into(), |it| it.to_string());
    Err(gateway_problem(endpoint, ProblemKind::Unreachable, &format!("cannot be reached: {why}")))
}

fn broken(endpoint: &Endpoint, error: Error) -> Problem {
    let (kind, what) = match error {
        Error::Io(_) | Error::ConnectionClosed | Error::AlreadyClosed => {
            (ProblemKind::Unreachable, format!("broke the connection off: {error}"))
        }
        Error::Capacity(_) => {
            let limit = format!("sent a message of more than {MESSAGE_MAX} bytes");
            (ProblemKind::Limit, limit)
        }
        Error::Http(response) if matches!(response.status().as_u16(), 401 | 403) => {
            (ProblemKind::Auth, format!("answered HTTP {}", response.status()))
        }
        // It begins, or comes to its end: while the last runs end, minutes may pass.
        Error::Http(response) if response.status().as_u16() == 503 => {
            (ProblemKind::Unreachable, "takes no connections at present (HTTP 503)".into())
        }
        Error::Http(response) => {
            let status = response.status();
            (ProblemKind::Protocol, format!("answered HTTP {status}; expected a WebSocket"))
        }
        error => (ProblemKind::Protocol, format!("speaks no WebSocket: {error}")),
    };
    gateway_problem(endpoint, kind, &what)
}

/// A problem of the gateway's; whatever of it comes from outside is made fit to be shown.
fn gateway_problem(endpoint: &Endpoint, kind: ProblemKind, what: &str) -> Problem {
    problem(kind, format!("{} {}", endpoint.shown(), endpoint.quoted(what)))
}

#[derive(Serialize)]
struct Request<'a, P> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    method: &'a str,
    params: &'a P,
}

/// The first request's parameters: a closed object, so nothing may be added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Connect<'a> {
    min_protocol: u32,
    max_protocol: u32,
    client: ClientInfo,
    role: &'static str,
    scopes: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<ClientAuth<'a>>,
}

#[derive(Serialize)]
struct ClientInfo {
    id: &'static str,
    version: &'static str,
    platform: &'static str,
    mode: &'static str,
}

/// A secret of `null` would be refused as malformed.
#[derive(Serialize)]
struct ClientAuth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

#[derive(Deserialize)]
struct Hello {
    protocol: u32,
}

/// Any frame from the gateway; only answers have an id.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    /// The name of an event.
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    ok: Option<bool>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Why a request was refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Refusal {
    code: String,
    message: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    code: String,
    expected_protocol: Option<u32>,
}

impl Refusal {
    /// Words seen in 2026.9.6; the detail is the finer one.
    fn kind(&self) -> ProblemKind {
        match (self.details.code.as_str(), self.code.as_str()) {
            (detail, _) if detail.starts_with("AUTH_") || detail.starts_with("DEVICE_") => {
                ProblemKind::Auth
            }
            ("MISSING_SCOPE" | "PAIRING_REQUIRED", _) | (_, "NOT_PAIRED" | "FORBIDDEN") => {
                ProblemKind::Auth
            }
            (_, "UNAVAILABLE") => ProblemKind::Unreachable,
            _ => ProblemKind::Protocol,
        }
    }
}
