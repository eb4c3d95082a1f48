//! One request → one method of jsonrpsee → one reply, and the notifications of a subscription behind it.
//!
//! `Methods::raw_json_request` would do this too, but knows neither extensions of one call nor ids below zero, and
//! waits for ever on a subscription that its method dropped unanswered.

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
                Err(error) => {
                    return Answer { reply: message::error_reply(&id, &error), events: None };
                }
            }
        }
        MethodCallback::Subscription(method) => {
            let Some(subscription_permit) = subscriptions.acquire() else {
                return Answer {
                    reply: message::error_reply(&id, &too_many(subscriptions.max())),
                    events: None,
                };
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

    let reply = match native {
        Some(_) => response.into_json().into(),
        None => readdress(&response, &id),
    };
    Answer { reply, events }
}

/// Returns what jsonrpsee expects of unsubscribing, `[id]`, given that or `{"subscription": id}`.
fn subscription(params: &str) -> Result<String, ErrorObjectOwned> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named<'a> {
        #[serde(borrow)]
        subscription: types::SubscriptionId<'a>,
    }
    // serde reads a struct from an array of its fields, too.
    match serde_json::from_str(params) {
        Ok(Named { subscription: types::SubscriptionId::Num(number) }) => Ok(format!("[{number}]")),
        Ok(Named { subscription: types::SubscriptionId::Str(text) }) => {
            Ok(json!([text]).to_string())
        }
        Err(_) => {
            let data =
                json!({ "path": "subscription", "kind": "invalid_params", "retryable": false });
            let message = "invalid params: `subscription`: not the id that subscribing returned";
            Err(ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, Some(data)))
        }
    }
}

/// Returns the id as jsonrpsee knows ids; `None` for integers below zero or beyond 64 bits.
fn native_id(id: &Id) -> Option<types::Id<'static>> {
    match id {
        Id::Null => Some(types::Id::Null),
        Id::Integer(number) => u64::try_from(*number).ok().map(types::Id::Number),
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
