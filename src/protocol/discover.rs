//! `rpc.discover`: the published schema.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Method;

/// `rpc.discover`: the OpenRPC document of this server.
pub struct Discover;

/// The parameters of `rpc.discover`: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscoverParams {}

impl Method for Discover {
    const NAME: &'static str = "rpc.discover";
    const SUMMARY: &'static str = "Returns the OpenRPC document of this server.";
    type Params = DiscoverParams;
    type Result = serde_json::Value;
}
