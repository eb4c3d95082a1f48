//! What a session has spent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens and cost; every model call is counted once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Input tokens, without what was read from or written to a cache.
    pub input_tokens: u64,
    /// Output tokens as the agent counts them: with those spent on reasoning, but for OpenCode later than 1.2.
    pub output_tokens: u64,
    /// Input tokens served from a cache; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Input tokens written to a cache; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens spent on reasoning, most often a part of the output; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Cost in US dollars; absent where the agent does not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// True where the cost is the agent's own estimate and not a bill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_is_estimate: Option<bool>,
}

/// What a session has spent: its own calls, and apart from them those of its subagents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionUsage {
    /// The session's own calls; their members stand beside `subagents`.
    #[serde(flatten)]
    pub own: Usage,
    /// The calls of this session's subagents, at whatever depth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagents: Option<Usage>,
}

impl Usage {
    /// The order of two counts of the same calls, of which one holds the other.
    pub fn extent(&self) -> impl Ord + use<> {
        let cached = (self.cache_read_tokens, self.cache_write_tokens);
        (self.output_tokens, self.input_tokens, cached, self.reasoning_tokens)
    }

    /// Adds the calls of `other`. A count that only one of them has stays.
    pub fn add(&mut self, other: &Self) {
        fn sum<T: Copy>(a: Option<T>, b: Option<T>, add: fn(T, T) -> T) -> Option<T> {
            a.zip(b).map(|(a, b)| add(a, b)).or(a).or(b)
        }
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cache_read_tokens =
            sum(self.cache_read_tokens, other.cache_read_tokens, u64::saturating_add);
        self.cache_write_tokens =
            sum(self.cache_write_tokens, other.cache_write_tokens, u64::saturating_add);
        self.reasoning_tokens =
            sum(self.reasoning_tokens, other.reasoning_tokens, u64::saturating_add);
        self.cost_usd = sum(self.cost_usd, other.cost_usd, |a, b| a + b);
        self.cost_is_estimate = self.cost_is_estimate.max(other.cost_is_estimate);
    }
}
