//! One connection from first byte to exit: reads, sorts calls, delivers replies and events, and knows when to end.

use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::time::Duration;

use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::METHOD_NOT_FOUND_CODE;
use jsonrpsee::{BoundedSubscriptions, Extensions, MethodCallback, Methods};
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument;

use super::cancellation::Cancellation;
use super::dispatch::{self, Answer};
use super::flight::{Delivery, Events, Flight, MAX_BYTES_IN_FLIGHT, Seat, Ticket};
use super::frame::{FrameError, Framing};
use super::message::{self, Call, Id, Message, Request, beginning};
use super::parent::{self, Parent};
use super::progress::{self, Progress};
use super::stream::{Input, write};
use super::turn::{MAX_AT_WORK, Turn};

/// Texts waiting for the writer; when they are this many, everything that produces texts waits.
const MAX_WAITING_TEXTS: usize = 16;

/// Subscriptions alive at once: an editor needs one a window.
const MAX_SUBSCRIPTIONS: u32 = 64;

/// How long the last replies may take to leave after `exit`, or when the client's process is gone: nobody may read them.
const EXIT_GRACE: Duration = Duration::from_secs(1);

/// What a caller may choose about a connection.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The framing to expect and use; `None` recognises it from the first non-blank byte.
    pub framing: Option<Framing>,
}

/// Why a connection ended.
#[derive(Debug)]
pub enum Exit {
    /// The input ended, and every request was answered.
    InputEnded,
    /// `exit` after `shutdown`.
    AfterShutdown,
    /// `exit` without `shutdown`.
    WithoutShutdown,
    /// The process named by `initialize` is gone.
    ParentGone,
    /// A broken header block hides where the next message starts.
    FramingLost(FrameError),
    /// Nobody reads the output any more.
    OutputGone(io::Error),
}

impl Exit {
    /// Returns the exit code of the process.
    pub fn code(&self) -> u8 {
        match self {
            Self::InputEnded | Self::AfterShutdown | Self::ParentGone => 0,
            Self::WithoutShutdown | Self::FramingLost(_) | Self::OutputGone(_) => 1,
        }
    }

    /// Returns what stopped the process from serving, for stderr; `None` when it ended as it should.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Self::FramingLost(error) => Some(error.to_string()),
            Self::OutputGone(error) => Some(format!("cannot write replies: {error}")),
            _ => None,
        }
    }
}

/// Serves `methods` to one client until it leaves.
///
/// Everything the connection started ends with this future. A `reader` over stdin may still block a thread of the
/// runtime then: leave with `std::process::exit` or `Runtime::shutdown_background`.
pub async fn serve<R, W>(
    reader: R,
    writer: W,
    methods: impl Into<Methods>,
    options: Options,
) -> Exit
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut input = Input::new(reader, options.framing);
    let Some(framing) = input.framing().await else { return Exit::InputEnded };
    let (outbox, texts) = mpsc::channel(MAX_WAITING_TEXTS);
    let (parent, named_parent) = watch::channel(Parent::default());
    let connection = Connection::new(methods.into(), outbox, parent);

    let (dismiss, dismissed) = oneshot::channel();
    let mut writing = pin!(write(writer, framing, texts));
    let conversation = async {
        let exit = tokio::select! {
            exit = connection.talk(input, dismissed) => exit,
            // It ends before the connection does only if it cannot write.
            written = &mut writing => return output_gone(written),
        };
        let flushed = match exit {
            Exit::AfterShutdown | Exit::WithoutShutdown | Exit::ParentGone => {
                timeout(EXIT_GRACE, writing).await.unwrap_or(Ok(()))
            }
            _ => writing.await,
        };
        if flushed.is_err() { output_gone(flushed) } else { exit }
    };
    let mut conversation = pin!(conversation);
    tokio::select! {
        exit = &mut conversation => return exit,
        () = parent::gone(named_parent) => {}
    }
    // It cannot hear it while it waits for a client that does not read.
    drop(dismiss);
    timeout(EXIT_GRACE, conversation).await.unwrap_or(Exit::ParentGone)
}

fn output_gone(written: io::Result<()>) -> Exit {
    Exit::OutputGone(written.err().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into()))
}

/// The state of a conversation.
struct Connection {
    methods: Methods,
    /// What the owner of the methods put into their extensions, for every call.
    extensions: Extensions,
    outbox: mpsc::Sender<Box<str>>,
    parent: watch::Sender<Parent>,
    flight: Flight,
    permits: BoundedSubscriptions,
    /// One task a subscription, carrying its events to the outbox.
    subscriptions: JoinSet<()>,
    is_shut_down: bool,
}

/// What a call asks of the connection.
enum Verdict {
    /// Answered on the spot.
    Reply(Box<str>),
    Run(Request, MethodCallback, &'static str),
    Cancel(Id),
    Nothing,
    /// The end, and the reply to the call that asked for it.
    Exit(Exit, Option<Box<str>>),
}

impl Connection {
    fn new(
        mut methods: Methods,
        outbox: mpsc::Sender<Box<str>>,
        parent: watch::Sender<Parent>,
    ) -> Self {
        Self {
            extensions: methods.extensions().clone(),
            methods,
            outbox,
            parent,
            flight: Flight::default(),
            permits: BoundedSubscriptions::new(MAX_SUBSCRIPTIONS),
            subscriptions: JoinSet::new(),
            is_shut_down: false,
        }
    }

    /// Talks until the client leaves, its stream makes no sense any more, or the connection is dismissed.
    async fn talk<R: AsyncRead + Unpin>(
        mut self,
        mut input: Input<R>,
        mut dismissed: oneshot::Receiver<()>,
    ) -> Exit {
        let mut is_open = true;
        while is_open || !self.flight.is_empty() {
            tokio::select! {
                Some(delivery) = self.flight.next() => self.deliver(delivery).await,
                message = input.next(), if is_open => if let Some(message) = message {
                    if let ControlFlow::Break(exit) = self.receive(message).await {
                        return exit;
                    }
                } else {
                    tracing::debug!("input ended");
                    self.stop_listening();
                    is_open = false;
                },
                _ = &mut dismissed => return Exit::ParentGone,
            }
        }
        Exit::InputEnded
    }

    async fn receive(&mut self, message: Result<String, FrameError>) -> ControlFlow<Exit> {
        let text = match message {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(%error, "not a message");
                send(&self.outbox, message::error_reply(&Id::Null, &unframed(error))).await;
                return if error.is_fatal() {
                    ControlFlow::Break(Exit::FramingLost(error))
                } else {
                    ControlFlow::Continue(())
                };
            }
        };
        match message::parse(&text) {
            Message::One(call) => self.take(call, Seat::Alone).await,
            Message::Batch(calls) => {
                let seat = self.flight.open_batch();
                let mut flow = ControlFlow::Continue(());
                for call in calls {
                    flow = self.take(call, seat).await;
                    if flow.is_break() {
                        break;
                    }
                }
                let delivery = self.flight.close_batch(seat);
                self.deliver_all(delivery).await;
                flow
            }
        }
    }

    /// Does what one call asks.
    async fn take(&mut self, call: Call, seat: Seat) -> ControlFlow<Exit> {
        match self.judge(call) {
            Verdict::Nothing => {}
            Verdict::Reply(reply) => {
                let delivery = self.flight.reply(seat, reply);
                self.deliver_all(delivery).await;
            }
            Verdict::Run(request, callback, method) => self.start(request, callback, method, seat),
            Verdict::Cancel(id) => {
                let deliveries = self.flight.cancel(&id);
                self.deliver_all(deliveries).await;
            }
            Verdict::Exit(exit, reply) => {
                let delivery = reply.and_then(|reply| self.flight.reply(seat, reply));
                self.deliver_all(delivery).await;
                return ControlFlow::Break(exit);
            }
        }
        ControlFlow::Continue(())
    }

    fn start(
        &mut self,
        mut request: Request,
        callback: MethodCallback,
        method: &'static str,
        seat: Seat,
    ) {
        let parent = if method == "initialize" { Parent::named_by(&request.params) } else { None };
        let (token, params) = progress::take_token(request.params);
        request.params = params;
        let mut extensions = self.extensions.clone();
        extensions.insert(Progress::new(token, &self.outbox));
        let (cancellation, turn) = (Cancellation::default(), Turn::default());
        extensions.insert(cancellation.clone());
        extensions.insert(turn.clone());

        let (id, bytes) = (request.id.clone(), request.bytes());
        let ticket = Ticket { id, bytes, seat, cancellation, turn };
        let span = tracing::info_span!("request", method, id = %ticket.id);
        let call = dispatch::call(callback, request, extensions, self.permits.clone());
        let answer = async move { Answer { parent, ..call.await } }.instrument(span);
        self.flight.start(ticket, answer);
    }

    fn judge(&mut self, call: Call) -> Verdict {
        match call {
            Call::Request(request) => self.judge_request(request),
            Call::Notification { method, params } => self.judge_notification(&method, &params),
            Call::Invalid { id, error } => Verdict::Reply(message::error_reply(&id, &error)),
            Call::Reply => {
                tracing::debug!("a reply to no request of ours; ignored");
                Verdict::Nothing
            }
        }
    }

    fn judge_request(&mut self, request: Request) -> Verdict {
        let id = &request.id;
        match request.method.as_str() {
            // A notification in LSP; who asks for a reply gets one.
            "exit" => Verdict::Exit(self.exit(), Some(message::result_reply(id, RawValue::NULL))),
            _ if self.is_shut_down => {
                let error = message::invalid_request("shut down; only `exit` is served");
                Verdict::Reply(message::error_reply(id, &error))
            }
            "shutdown" => {
                self.is_shut_down = true;
                self.stop_listening();
                Verdict::Reply(message::result_reply(id, RawValue::NULL))
            }
            name => match self.methods.method_with_name(name) {
                Some(_) if !self.flight.has_room(request.bytes()) => {
                    Verdict::Reply(message::error_reply(id, &too_many()))
                }
                Some((method, callback)) => Verdict::Run(request, callback.clone(), method),
                None => Verdict::Reply(message::error_reply(id, &unknown_method(name))),
            },
        }
    }

    fn judge_notification(&mut self, method: &str, params: &str) -> Verdict {
        match method {
            "exit" => Verdict::Exit(self.exit(), None),
            "$/cancelRequest" | "$/cancel_request" => {
                message::cancelled_id(params).map_or(Verdict::Nothing, Verdict::Cancel)
            }
            _ if self.methods.method(method).is_some() => {
                tracing::warn!(method, "sent without an id, and so not done");
                Verdict::Nothing
            }
            _ => {
                tracing::debug!(method = beginning(method), "notification ignored");
                Verdict::Nothing
            }
        }
    }

    fn exit(&self) -> Exit {
        if self.is_shut_down { Exit::AfterShutdown } else { Exit::WithoutShutdown }
    }

    async fn deliver_all(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        for delivery in deliveries {
            self.deliver(delivery).await;
        }
    }

    /// Sends a text, and only then lets the subscriptions it announces speak, and a client go that may be gone already.
    async fn deliver(&mut self, Delivery { text, events, parent }: Delivery) {
        send(&self.outbox, text).await;
        if let Some(parent) = parent {
            self.parent.send_replace(parent);
        }
        while self.subscriptions.try_join_next().is_some() {}
        if !self.is_shut_down {
            for events in events {
                self.subscriptions.spawn(carry(events, self.outbox.clone()));
            }
        }
    }

    /// Ends all subscriptions: their bodies see their sinks close.
    fn stop_listening(&mut self) {
        self.subscriptions.abort_all();
    }
}

async fn send(outbox: &mpsc::Sender<Box<str>>, text: Box<str>) {
    // A closed outbox means that the writer failed, and `serve` is about to say so.
    drop(outbox.send(text).await);
}

/// Carries the events of one subscription to the writer, at the client's pace.
async fn carry(mut events: Events, outbox: mpsc::Sender<Box<str>>) {
    while let Some(event) = events.recv().await {
        if outbox.send(event.into()).await.is_err() {
            return;
        }
    }
}

fn unframed(error: FrameError) -> ErrorObjectOwned {
    match error {
        FrameError::TooLong => message::invalid_request(&error.to_string()),
        _ => message::parse_error(error.to_string()),
    }
}

fn too_many() -> ErrorObjectOwned {
    message::over_limit(&format!(
        "requests under way hold {MAX_BYTES_IN_FLIGHT} bytes already; {MAX_AT_WORK} are at work at once"
    ))
}

fn unknown_method(name: &str) -> ErrorObjectOwned {
    let message = format!("unknown method `{}`", beginning(name));
    ErrorObjectOwned::owned(METHOD_NOT_FOUND_CODE, message, None::<()>)
}

#[cfg(test)]
mod tests;
