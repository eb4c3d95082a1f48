//! The wire: every method's parameters and result, as the types that the server itself concludes with.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod bounded;
pub mod discover;
pub mod error;
pub mod fuse;
pub mod launch;
pub mod lifecycle;
pub mod lock;
pub mod reading;
pub mod server;
pub mod session;
pub mod settings;
pub mod watch;

use error::Code;

/// One method of the protocol. Dispatch and schema both come from it.
pub trait Method {
    /// The name on the wire, `noun.verb`.
    const NAME: &'static str;
    /// One sentence for the schema.
    const SUMMARY: &'static str;
    /// The errors of ours that it can be answered with.
    const ERRORS: &'static [Code];
    type Params: DeserializeOwned + JsonSchema + Send + 'static;
    type Result: Serialize + JsonSchema + Send + 'static;

    /// Appends a result as it serialises. A method whose results are long may know a faster way to the same text.
    ///
    /// # Errors
    ///
    /// Of what cannot be put into JSON, a part may be written.
    fn write(result: Self::Result, out: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(out, &result)
    }
}

/// A method that goes on telling: its result is the id of a subscription, and notifications follow.
pub trait Subscription {
    /// The name on the wire, `noun.verb`.
    const NAME: &'static str;
    /// The method that ends it.
    const UNSUBSCRIBE: &'static str;
    /// The method of its notifications.
    const NOTIFICATION: &'static str;
    /// What else its subscribers are sent.
    const OTHERS: &'static [Notification] = &[];
    /// One sentence for the schema.
    const SUMMARY: &'static str;
    /// The errors of ours that it can be answered with.
    const ERRORS: &'static [Code];
    type Params: DeserializeOwned + JsonSchema + Send + 'static;
    /// What one notification carries as `params.result`.
    type Event: Serialize + JsonSchema + Send + 'static;
}

/// What the schema says of a notification that subscribers are sent.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// The method on the wire.
    pub name: &'static str,
    /// What `params.result` holds.
    pub event: fn(&mut SchemaGenerator) -> Schema,
}

impl Notification {
    /// The notification of that name, which carries an `Event`.
    pub const fn of<Event: JsonSchema>(name: &'static str) -> Self {
        Self { name, event: SchemaGenerator::subschema_for::<Event> }
    }
}
