//! Handlers of `initialize` and `rpc.discover`.

use serde_json::Value;

use super::openrpc;
use super::router::Call;
use crate::protocol::discover::DiscoverParams;
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
pub(super) async fn discover(call: Call, _: DiscoverParams) -> Result<Value, RpcError> {
    Ok(openrpc::document(&call.table))
}
