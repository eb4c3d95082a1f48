//! Handlers of `initialize` and `rpc.discover`.

use serde_json::value::RawValue;

use super::router::Call;
use super::{openrpc, settings};
use crate::protocol::discover::{DiscoverParams, Document};
use crate::protocol::error::RpcError;
use crate::protocol::lifecycle::{
    Capabilities, Experimental, HeadcountCapabilities, InitializeParams, InitializeResult,
    PROTOCOL_VERSION, ServerInfo,
};

/// Says who the server is. The transport has noted `processId` already.
pub(super) async fn initialize(
    call: Call,
    params: InitializeParams,
) -> Result<InitializeResult, RpcError> {
    if let Some(client) = params.client_info {
        tracing::info!(
            client = client.name,
            version = client.version,
            "a client introduces itself"
        );
    }
    if let Some(options) = params.initialization_options {
        settings::set(&call.app, options)?;
    }
    let headcount = HeadcountCapabilities {
        methods: call.table.iter().map(|it| it.name.to_owned()).collect(),
        agents: call.app.adapters.iter().map(|it| it.card().clone()).collect(),
    };
    Ok(InitializeResult {
        server_info: ServerInfo {
            name: "headcount".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        protocol_version: PROTOCOL_VERSION,
        capabilities: Capabilities { experimental: Experimental { headcount } },
    })
}

/// Returns the published schema.
pub(super) async fn discover(call: Call, _: DiscoverParams) -> Result<Document, RpcError> {
    let text = openrpc::text(&call.table).trim_end().to_owned();
    RawValue::from_string(text).map(Document).map_err(|error| RpcError::Internal(error.to_string()))
}
