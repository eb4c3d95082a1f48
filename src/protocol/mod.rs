//! The wire: every method's parameters and result, as the types that the server itself concludes with.

use schemars::JsonSchema;
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

/// One method of the protocol. Dispatch and schema both come from it.
pub trait Method {
    /// The name on the wire, `noun.verb`.
    const NAME: &'static str;
    /// One sentence for the schema.
    const SUMMARY: &'static str;
    type Params: DeserializeOwned + JsonSchema + Send + 'static;
    type Result: Serialize + JsonSchema + Send + 'static;
}

/// A method that goes on telling: its result is the id of a subscription, and notifications follow.
pub trait Subscription {
    /// The name on the wire, `noun.verb`.
    const NAME: &'static str;
    /// The method that ends it.
    const UNSUBSCRIBE: &'static str;
    /// The method of its notifications.
    const NOTIFICATION: &'static str;
    /// One sentence for the schema.
    const SUMMARY: &'static str;
    type Params: DeserializeOwned + JsonSchema + Send + 'static;
    /// What one notification carries as `params.result`.
    type Event: Serialize + JsonSchema + Send + 'static;
}
