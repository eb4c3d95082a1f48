//! What an LSP client says first, and what the server can do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Method;
use super::error::Code;
use super::settings::Settings;
use crate::base::AgentId;

/// The version of this protocol.
pub const PROTOCOL_VERSION: u32 = 1;

/// `initialize`: who is there. Never required; may come again at any time.
pub struct Initialize;

/// The parameters of `initialize`; members not named here are ignored, here and only here.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeParams {
    /// The client's process; the server exits when it is gone. Null where there is none, or none any more.
    #[serde(default)]
    #[schemars(with = "Option<i64>")]
    pub process_id: Option<serde_json::Number>,
    /// Who the client is.
    #[serde(default)]
    pub client_info: Option<ClientInfo>,
    /// Settings of this connection, over those of the user; the last that came hold.
    #[serde(default)]
    pub initialization_options: Option<Settings>,
}

/// Who the client is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ClientInfo {
    /// The client's name.
    pub name: String,
    /// The client's version.
    #[serde(default)]
    pub version: Option<String>,
}

/// The result of `initialize`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InitializeResult {
    /// Who the server is.
    pub server_info: ServerInfo,
    /// The version of the protocol.
    pub protocol_version: u32,
    /// What the server can do.
    pub capabilities: Capabilities,
}

/// Who the server is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ServerInfo {
    /// Always `headcount`.
    pub name: String,
    /// The server's version.
    pub version: String,
}

/// What the server can do, where LSP has room for it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Capabilities {
    /// Capabilities outside LSP.
    pub experimental: Experimental,
}

/// Capabilities outside LSP.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Experimental {
    /// What headcount can do.
    pub headcount: HeadcountCapabilities,
}

/// What headcount can do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HeadcountCapabilities {
    /// The methods that it serves.
    pub methods: Vec<String>,
    /// The agents that it knows.
    pub agents: Vec<AgentCard>,
}

/// What is always true of one agent, as far as headcount can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentCard {
    /// The id of the adapter.
    pub id: AgentId,
    /// The agent's name, as people write it.
    pub name: &'static str,
    /// The programs that start it, in order of preference.
    pub binaries: &'static [&'static str],
    /// The newest version whose records were seen.
    pub seen_version: &'static str,
    /// How a live session is told from a dead one.
    pub live_signal: &'static str,
    /// What cannot be seen; several are set apart by `; `.
    pub blind_spots: &'static str,
}

impl AgentCard {
    /// What cannot be seen, one by one.
    pub fn each_blind_spot(&self) -> impl Iterator<Item = &'static str> {
        self.blind_spots.split("; ")
    }
}

impl Method for Initialize {
    const NAME: &'static str = "initialize";
    const SUMMARY: &'static str = "Says who the server is and what it can do.";
    const ERRORS: &'static [Code] = &[];
    type Params = InitializeParams;
    type Result = InitializeResult;
}
