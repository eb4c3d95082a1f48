//! One JSON text → the calls in it, by the rules of JSON-RPC 2.0; and the texts of error replies. No I/O.

use std::borrow::Cow;
use std::fmt;

use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::{INVALID_REQUEST_CODE, PARSE_ERROR_CODE};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::json;
use serde_json::value::RawValue;

/// The most members of a batch: each may be answered, so the size of the text alone does not bound the reply.
pub(crate) const MAX_BATCH_CALLS: usize = 1000;

/// What one JSON text turned out to be.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    One(Call),
    /// At least one member.
    Batch(Vec<Call>),
}

/// One call, alone or a member of a batch.
#[derive(Debug, PartialEq)]
pub(crate) enum Call {
    Request(Request),
    Notification {
        method: String,
        params: String,
    },
    /// A reply to a request we never sent; answering it could start a quarrel between two servers.
    Reply,
    /// Not a call: answered with this error, whether or not an id could be read.
    Invalid {
        id: Id,
        error: ErrorObjectOwned,
    },
}

#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) id: Id,
    pub(crate) method: String,
    /// A JSON object or a non-empty array.
    pub(crate) params: String,
}

impl Request {
    /// Bytes that it holds until it is answered.
    pub(crate) fn bytes(&self) -> usize {
        let id = match &self.id {
            Id::Null => 0,
            Id::Number(number) => number.text().len(),
            Id::Text(text) => text.len(),
        };
        id + self.params.len()
    }
}

/// What the client calls its request; echoed as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Id {
    Null,
    Number(Number),
    Text(String),
}

/// A number as its client spells it: `1.0`, or more digits than any type of ours has, would not come back as they went in.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct Number(Box<RawValue>);

impl Number {
    pub(crate) fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Number {}

impl Id {
    fn parse(json: &RawValue) -> Option<Self> {
        match json.get().as_bytes().first()? {
            b'n' => Some(Self::Null),
            b'"' => serde_json::from_str(json.get()).ok().map(Self::Text),
            b'-' | b'0'..=b'9' => Some(Self::Number(Number(json.to_owned()))),
            _ => None,
        }
    }
}

/// For logs: an id is the client's text, so only its beginning is shown.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Number(number) => f.write_str(beginning(number.text())),
            Self::Text(text) => write!(f, "{:?}", beginning(text)),
        }
    }
}

/// Returns at most 64 characters of a client's text, to be shown in a log line or an error.
pub(crate) fn beginning(text: &str) -> &str {
    text.char_indices().nth(64).map_or(text, |(at, _)| &text[..at])
}

/// Reads one JSON text.
pub(crate) fn parse(text: &str) -> Message {
    if !text.trim_ascii_start().starts_with('[') {
        return Message::One(parse_call(text));
    }
    match serde_json::from_str::<Members>(text) {
        Ok(Members(members)) if members.is_empty() => {
            Message::One(invalid(Id::Null, "a batch is empty"))
        }
        Ok(Members(members)) => {
            Message::Batch(members.into_iter().map(|json| parse_call(json.get())).collect())
        }
        Err(error) => Message::One(unreadable(text, &error)),
    }
}

/// A call as it stands in the text. `Some("null")` is not the same as absent.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from absence, which `Option` alone would not.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    json: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

fn parse_call(text: &str) -> Call {
    let envelope = match serde_json::from_str::<Envelope>(text) {
        // serde would also read a struct from an array of its fields; a batch inside a batch is not a call.
        Ok(envelope) if text.trim_ascii_start().starts_with('{') => envelope,
        Ok(_) => return invalid(Id::Null, "a call is an object"),
        Err(error) => return unreadable(text, &error),
    };
    let id = match envelope.id.map(Id::parse) {
        None => None,
        Some(Some(id)) => Some(id),
        Some(None) => return invalid(Id::Null, "`id` is not a string, a number or null"),
    };
    if envelope.method.is_none() && (envelope.result.is_some() || envelope.error.is_some()) {
        return Call::Reply;
    }
    let addressee = || id.clone().unwrap_or(Id::Null);
    let version =
        envelope.jsonrpc.and_then(|json| serde_json::from_str::<Cow<str>>(json.get()).ok());
    if version.as_deref() != Some("2.0") {
        return invalid(addressee(), "`jsonrpc` is not \"2.0\"");
    }
    let Some(method) =
        envelope.method.and_then(|json| serde_json::from_str::<String>(json.get()).ok())
    else {
        return invalid(addressee(), "`method` is not a string");
    };
    let Some(params) = params(envelope.params.map_or("null", RawValue::get)) else {
        return invalid(addressee(), "`params` is neither an object nor an array");
    };
    match id {
        Some(id) => Call::Request(Request { id, method, params }),
        None => Call::Notification { method, params },
    }
}

/// Gives the four ways to say "no parameters" one spelling; `None` if these are no parameters at all.
fn params(json: &str) -> Option<String> {
    let inner = match json.as_bytes().first()? {
        b'n' => return Some("{}".to_owned()),
        b'{' | b'[' => json[1..json.len() - 1].trim_ascii(),
        _ => return None,
    };
    Some(if inner.is_empty() { "{}".to_owned() } else { json.to_owned() })
}

/// Returns the id that a cancellation names: `id` in LSP's spelling, `requestId` in that of the Agent Client Protocol.
pub(crate) fn cancelled_id(params: &str) -> Option<Id> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        #[serde(borrow, alias = "requestId")]
        id: &'a RawValue,
    }
    serde_json::from_str::<Named>(params).ok().and_then(|named| Id::parse(named.id))
}

fn invalid(id: Id, message: &str) -> Call {
    Call::Invalid { id, error: invalid_request(message) }
}

pub(crate) fn invalid_request(message: &str) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_REQUEST_CODE, message, None::<()>)
}

/// The error of a request that comes while as many as may be are under way: later it may be served.
pub(crate) fn over_limit(message: &str) -> ErrorObjectOwned {
    let data = json!({ "kind": "limit", "retryable": true });
    ErrorObjectOwned::owned(INVALID_REQUEST_CODE, message, Some(data))
}

pub(crate) fn parse_error(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(PARSE_ERROR_CODE, message, None::<()>)
}

/// Tells a text that is not JSON from JSON that is not a call.
fn unreadable(text: &str, error: &serde_json::Error) -> Call {
    // A mismatch of types is reported where it is met; whether the rest is JSON at all takes a second look.
    let syntax = match error.classify() {
        Category::Data => {
            serde_json::from_str::<de::IgnoredAny>(text).err().map(|error| error.to_string())
        }
        _ => Some(error.to_string()),
    };
    let error = match syntax {
        Some(message) => parse_error(format!("not JSON: {message}")),
        None => invalid_request(&format!("not a call: {error}")),
    };
    Call::Invalid { id: Id::Null, error }
}

/// The members of a batch, unread; refuses more than [`MAX_BATCH_CALLS`] before they cost memory.
struct Members<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = seq.next_element()? {
                    if members.len() == MAX_BATCH_CALLS {
                        return Err(de::Error::custom(format_args!(
                            "a batch of more than {MAX_BATCH_CALLS}"
                        )));
                    }
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_seq(Collect)
    }
}

/// Returns the text of a reply that carries `result`, which is JSON already.
pub(crate) fn result_reply(id: &Id, result: &RawValue) -> Box<str> {
    let append = |out: &mut Vec<u8>| serde_json::to_writer(out, result);
    result_appended(id, append).expect("ids and raw values are JSON")
}

/// Returns the text of a reply that carries the result which `append` appends.
pub(super) fn result_appended(
    id: &Id,
    append: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> serde_json::Result<Box<str>> {
    #[derive(Serialize)]
    struct Beginning<'a> {
        jsonrpc: &'static str,
        id: &'a Id,
    }
    let mut text = serde_json::to_vec(&Beginning { jsonrpc: "2.0", id })?;
    text.pop();
    text.extend_from_slice(b",\"result\":");
    append(&mut text)?;
    text.push(b'}');
    Ok(String::from_utf8(text).expect("JSON is text").into_boxed_str())
}

/// Returns the text of a reply that carries `error`.
pub(crate) fn error_reply<E: Serialize + ?Sized>(id: &Id, error: &E) -> Box<str> {
    #[derive(Serialize)]
    struct Reply<'a, E: ?Sized> {
        jsonrpc: &'static str,
        id: &'a Id,
        error: &'a E,
    }
    serde_json::to_string(&Reply { jsonrpc: "2.0", id, error })
        .expect("ids and error objects are JSON")
        .into_boxed_str()
}

/// Returns the text of a notification.
pub(crate) fn notification<P: Serialize>(
    method: &str,
    params: &P,
) -> Result<Box<str>, serde_json::Error> {
    #[derive(Serialize)]
    struct Notification<'a, P> {
        jsonrpc: &'static str,
        method: &'a str,
        params: &'a P,
    }
    serde_json::to_string(&Notification { jsonrpc: "2.0", method, params })
        .map(String::into_boxed_str)
}

#[cfg(test)]
mod tests;
