//! `rpc.discover`: the published schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Method;
use super::error::Code;

/// `rpc.discover`: the OpenRPC document of this server.
pub struct Discover;

/// The parameters of `rpc.discover`: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoverParams {}

/// The OpenRPC document, byte for byte as it is published.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Document(
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")] pub Box<RawValue>,
);

impl Method for Discover {
    const NAME: &'static str = "rpc.discover";
    const SUMMARY: &'static str = "Returns the OpenRPC document of this server.";
    const ERRORS: &'static [Code] = &[];
    type Params = DiscoverParams;
    type Result = Document;
}
