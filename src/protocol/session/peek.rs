//! `session.peek`: what was said last.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentReport, Problem};
use crate::base::{AgentId, Timestamp};
use crate::protocol::Method;
use crate::protocol::bounded::Bounded;
use crate::protocol::error::Code;
use crate::protocol::error::codes::{AGENT_UNKNOWN, SESSION_AMBIGUOUS, SESSION_NOT_FOUND};

/// `session.peek`: the last turns of one session.
pub struct Peek;

/// The parameters of `session.peek`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeekParams {
    /// The session's id, or a prefix of at least 4 characters that only it has.
    pub session_id: String,
    /// The adapter to ask; all where absent.
    #[serde(default)]
    pub agent: Option<AgentId>,
    /// How many turns at the most, the newest; 20 where absent.
    #[serde(default)]
    pub turns: Option<Bounded<1, 200>>,
    /// How many bytes of text at the most, over all turns; 65536 where absent.
    #[serde(default)]
    pub max_bytes: Option<Bounded<1, 4_194_304>>,
}

/// Who speaks in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person.
    User,
    /// The agent.
    Assistant,
    /// A tool that the agent called.
    Tool,
}

/// One thing said in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// When it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What is said; for a tool, what it was given or what it answered.
    pub text: String,
    /// The tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// True where the text was cut to fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

/// The result of `session.peek`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeekResult {
    /// The newest turns, oldest of them first.
    pub turns: Vec<Turn>,
    /// True where turns came before the first one shown.
    pub earlier: bool,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed to finding the session.
    pub agents: Vec<AgentReport>,
    /// Why there are no turns, where the agent could not show them: then the result is not complete.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Method for Peek {
    const NAME: &'static str = "session.peek";
    const SUMMARY: &'static str = "Returns the last turns of one session.";
    const ERRORS: &'static [Code] = &[SESSION_NOT_FOUND, SESSION_AMBIGUOUS, AGENT_UNKNOWN];
    type Params = PeekParams;
    type Result = PeekResult;
}
