//! Settings, each over the one before: built in, `config.json`, `initializationOptions`, a request's own parameters.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::session::DeadlineMs;
use crate::base::AgentId;

/// What holds where a request does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// How long each adapter may take, in milliseconds; 5000 where absent. More is for stores on slow disks.
    #[serde(default)]
    pub deadline_ms: Option<DeadlineMs>,
    /// Agents that are looked at only where a request names them: because they are not used, or slow to answer.
    #[serde(default)]
    pub without_agents: Option<Vec<AgentId>>,
}

impl Settings {
    /// Whether the agent is looked at only where a request names it.
    pub fn leaves_out(&self, agent: &AgentId) -> bool {
        self.without_agents.as_ref().is_some_and(|it| it.contains(agent))
    }

    /// These settings, and those of `under` where these say nothing.
    #[must_use]
    pub fn over(self, under: Self) -> Self {
        Self {
            deadline_ms: self.deadline_ms.or(under.deadline_ms),
            without_agents: self.without_agents.or(under.without_agents),
        }
    }
}

/// The settings of a user, in `headcount/config.json` below the directory of configurations.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Config", extend("additionalProperties" = false))]
pub struct ConfigFile {
    /// Where the schema of this file is, for editors.
    #[serde(default, rename = "$schema")]
    pub schema: Option<String>,
    /// How long each adapter may take, in milliseconds; 5000 where absent. More is for stores on slow disks.
    #[serde(default)]
    pub deadline_ms: Option<DeadlineMs>,
    /// Agents that are looked at only where a request names them: because they are not used, or slow to answer.
    #[serde(default)]
    pub without_agents: Option<Vec<AgentId>>,
    /// The secret that webhooks of fuses are signed with; unsigned where absent. It can be set here alone: whichever
    /// server is there fires a fuse, and all of them must sign alike.
    #[serde(default)]
    pub webhook_secret: Option<String>,
    /// Members that are spelt wrong, or are for another version: each is a problem, and the others hold.
    #[serde(flatten)]
    #[schemars(skip)]
    pub unknown: BTreeMap<String, serde_json::Value>,
}

impl ConfigFile {
    /// What of it a client may set, too.
    pub fn settings(self) -> Settings {
        Settings { deadline_ms: self.deadline_ms, without_agents: self.without_agents }
    }
}
