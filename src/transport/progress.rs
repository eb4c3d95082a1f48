//! `$/progress`: news of a request while it runs, for clients that asked with a `workDoneToken`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::message;

/// A request's way to tell its client how far it is; every call finds one in its extensions.
///
/// ```
/// # use headcount::transport::Progress;
/// async fn handler(extensions: jsonrpsee::Extensions) {
///     if let Some(progress) = extensions.get::<Progress>() {
///         progress.report(&serde_json::json!({"kind": "report", "message": "waiting for the agent"})).await;
///     }
/// }
/// ```
///
/// Does nothing when the client did not ask, so a handler need not look. Keep it no longer than the request:
/// news after the reply belong to nobody.
#[derive(Debug, Clone)]
pub struct Progress {
    token: Option<Box<RawValue>>,
    /// Weak, so that a handle left behind cannot keep the writer waiting at the end.
    outbox: mpsc::WeakSender<Box<str>>,
}

impl Progress {
    pub(super) fn new(token: Option<Box<RawValue>>, outbox: &mpsc::Sender<Box<str>>) -> Self {
        Self { token, outbox: outbox.downgrade() }
    }

    /// Returns whether the client asked for progress.
    pub fn is_wanted(&self) -> bool {
        self.token.is_some()
    }

    /// Sends `$/progress {token, value}`, waiting while the client is slow to read.
    pub async fn report(&self, value: &impl Serialize) {
        #[derive(Serialize)]
        struct Params<'a, V> {
            token: &'a RawValue,
            value: &'a V,
        }
        let (Some(token), Some(outbox)) = (&self.token, self.outbox.upgrade()) else { return };
        match message::notification("$/progress", &Params { token, value }) {
            Ok(text) => drop(outbox.send(text).await), // A closed outbox means that nobody is left to tell.
            Err(error) => tracing::warn!(%error, "progress is not JSON"),
        }
    }
}

/// Takes the `workDoneToken` out of `params`: it concerns the connection, and methods refuse members they do not know.
pub(super) fn take_token(params: String) -> (Option<Box<RawValue>>, String) {
    const MEMBER: &str = "workDoneToken";
    if !params.contains(MEMBER) {
        return (None, params);
    }
    let Ok(mut members) = serde_json::from_str::<BTreeMap<Cow<str>, &RawValue>>(&params) else {
        return (None, params);
    };
    // A token is an integer or a string, and null is none; anything else stays for the method to refuse by name.
    let token = match members.remove(MEMBER) {
        Some(token) if token.get() == "null" => None,
        Some(token) if token.get().starts_with(['"', '-']) || starts_with_digit(token.get()) => {
            Some(token.to_owned())
        }
        _ => return (None, params),
    };
    let rest = serde_json::to_string(&members).expect("raw values under string keys are JSON");
    (token, rest)
}

fn starts_with_digit(json: &str) -> bool {
    json.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_taken_out_of_params() {
        for (params, token, rest) in [
            (r#"{"workDoneToken": 7, "a": [1, 2]}"#, Some("7"), r#"{"a":[1, 2]}"#),
            (r#"{"a":1,"workDoneToken":"t"}"#, Some(r#""t""#), r#"{"a":1}"#),
            (r#"{"workDoneToken":7}"#, Some("7"), "{}"),
            (r#"{"workDoneToken":null,"a":1}"#, None, r#"{"a":1}"#),
            (r#"{"workDoneToken":{}}"#, None, r#"{"workDoneToken":{}}"#),
            (r#"{"a":"workDoneToken"}"#, None, r#"{"a":"workDoneToken"}"#),
            (r#"["workDoneToken"]"#, None, r#"["workDoneToken"]"#),
            ("{}", None, "{}"),
        ] {
            let (found, left) = take_token(params.to_owned());
            assert_eq!(found.as_deref().map(RawValue::get), token, "{params}");
            assert_eq!(left, rest, "{params}");
        }
    }
}
