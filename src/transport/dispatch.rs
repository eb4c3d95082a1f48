//! One request → one method of jsonrpsee → one reply, and the notifications of a subscription behind it.
//!
//! `Methods::raw_json_request` would do this too, but knows neither extensions of one call nor every number, and
//! waits for ever on a subscription that its method dropped unanswered.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::types::error::INVALID_PARAMS_CODE;
use jsonrpsee::types::{self, ErrorObjectOwned, Params, SubscriptionId};
use jsonrpsee::{
    BoundedSubscriptions, ConnectionId, Extensions, MethodCallback, MethodResponse, MethodSink,
    SubscriptionState,
};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::message::{self, Id, Request};
use super::parent::Parent;
use super::reply::Reply;

/// Counts subscriptions: small numbers survive every client's JSON (Neovim 0.7 writes 14 digits).
#[derive(Debug)]
struct Counter(AtomicU64);

static COUNTER: Counter = Counter(AtomicU64::new(1));

impl IdProvider for Counter {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Num(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Notifications of one subscription that wait while the client is slow to read; its body waits behind them.
const MAX_WAITING_EVENTS: usize = 4;

/// The one connection there is; the same in every call, so that unsubscribing finds what was subscribed.
const CONNECTION: ConnectionId = ConnectionId(0);

/// What a method gave back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) reply: Box<str>,
    /// The notifications of a subscription; dropping this ends it.
    pub(super) events: Option<mpsc::Receiver<Box<RawValue>>>,
    /// The client's process, where the call said something of it.
    pub(super) parent: Option<Parent>,
}

impl Answer {
    /// A reply that nothing follows.
    pub(super) fn of(reply: Box<str>) -> Self {
        Self { reply, events: None, parent: None }
    }
}

/// Calls one method. Dropping the future drops the method's.
pub(super) async fn call(
    callback: MethodCallback,
    request: Request,
    mut extensions: Extensions,
    subscriptions: BoundedSubscriptions,
) -> Answer {
    extensions.insert(CONNECTION);
    let Request { id, params, .. } = request;
    let written = Reply::to(id.clone());
    extensions.insert(written.clone());
    let params = Params::new(Some(&params));
    let native = native_id(&id);
    let call_id = native.clone().unwrap_or(types::Id::Null);

    let (response, events) = match callback {
        MethodCallback::Sync(method) => ((*method)(call_id, params, usize::MAX, extensions), None),
        MethodCallback::Async(method) => (
            (*method)(call_id, params.into_owned(), CONNECTION, usize::MAX, extensions).await,
            None,
        ),
        MethodCallback::Unsubscription(method) => {
            match subscription(params.as_str().unwrap_or("{}")) {
                Ok(params) => {
                    let params = Params::new(Some(&params));
                    ((*method)(call_id, params, CONNECTION, usize::MAX, extensions), None)
                }
                Err(error) => return Answer::of(message::error_reply(&id, &error)),
            }
        }
        MethodCallback::Subscription(method) => {
            let Some(subscription_permit) = subscriptions.acquire() else {
                return Answer::of(message::error_reply(&id, &too_many(subscriptions.max())));
            };
            let (sender, mut events) = mpsc::channel(MAX_WAITING_EVENTS);
            let state = SubscriptionState {
                conn_id: CONNECTION,
                id_provider: &COUNTER,
                subscription_permit,
            };
            let response =
                (*method)(call_id, params, MethodSink::new(sender), state, extensions).await;
            // Accepting sends the reply down the events too. A method that did neither has sent nothing.
            drop(events.try_recv());
            let events = response.is_success().then_some(events);
            (response, events)
        }
    };

    let reply = match (written.take(), native) {
        (Some(reply), _) => reply,
        (None, Some(_)) => response.into_json().into(),
        (None, None) => readdress(&response, &id),
    };
    Answer { reply, events, parent: None }
}

/// Returns what jsonrpsee expects of unsubscribing, `[id]`, given that or `{"subscription": id}`.
fn subscription(params: &str) -> Result<String, ErrorObjectOwned> {
    const MEMBER: &str = "subscription";
    let not_an_id = || invalid(MEMBER, "not the id that subscribing returned");
    let alone = |json: &RawValue| Some(format!("[{}]", subscription_id(json)?));
    if params.starts_with('[') {
        let ids: Vec<&RawValue> = serde_json::from_str(params).map_err(|_| not_an_id())?;
        let [id] = ids[..] else { return Err(not_an_id()) };
        return alone(id).ok_or_else(not_an_id);
    }
    let mut members: BTreeMap<Cow<str>, &RawValue> =
        serde_json::from_str(params).map_err(|_| not_an_id())?;
    let id = members.remove(MEMBER).filter(|it| it.get() != "null");
    if let Some(stranger) = members.keys().next() {
        let why = format!("unknown field `{}`, expected `{MEMBER}`", message::beginning(stranger));
        return Err(invalid(stranger, &why));
    }
    match id {
        None => Err(invalid(MEMBER, "is missing")),
        Some(id) => alone(id).ok_or_else(not_an_id),
    }
}

/// Returns the id of a subscription as jsonrpsee spells it: some clients write whole numbers as `7.0`.
fn subscription_id(json: &RawValue) -> Option<String> {
    let json = json.get();
    if serde_json::from_str::<SubscriptionId>(json).is_ok() {
        return Some(json.to_owned());
    }
    let number = serde_json::from_str::<f64>(json).ok()?.to_string();
    number.parse::<u64>().is_ok().then_some(number)
}

/// The error of a member that is wrong, as the methods themselves would say it.
fn invalid(member: &str, why: &str) -> ErrorObjectOwned {
    let member = message::beginning(member);
    let data = json!({ "path": member, "kind": "invalid_params", "retryable": false });
    let message = format!("invalid params: `{member}`: {why}");
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, Some(data))
}

/// Returns the id as jsonrpsee knows ids; `None` for numbers that it does not: below zero, beyond 64 bits, with a fraction.
fn native_id(id: &Id) -> Option<types::Id<'static>> {
    match id {
        Id::Null => Some(types::Id::Null),
        Id::Number(number) => number.text().parse().ok().map(types::Id::Number),
        Id::Text(text) => Some(types::Id::Str(text.clone().into())),
    }
}

/// Puts an id on a reply that jsonrpsee could not address.
fn readdress(response: &MethodResponse, id: &Id) -> Box<str> {
    #[derive(Deserialize)]
    struct Payload<'a> {
        #[serde(borrow, default, deserialize_with = "message::present")]
        result: Option<&'a RawValue>,
        #[serde(borrow, default, deserialize_with = "message::present")]
        error: Option<&'a RawValue>,
    }
    let payload: Payload =
        serde_json::from_str(response.as_ref()).expect("a response is a JSON object");
    match payload.error {
        Some(error) => message::error_reply(id, error),
        None => message::result_reply(id, payload.result.unwrap_or(RawValue::NULL)),
    }
}

fn too_many(max: u32) -> ErrorObjectOwned {
    message::over_limit(&format!("more than {max} subscriptions on one connection"))
}
