//! Exact tokens: the last cumulative count of a rollout, less what a fork had inherited with its history.

use memchr::memmem::Finder;
use serde::Deserialize;

use super::super::evidence::Sighting;
use super::super::files::{Beyond, Found};
use super::super::jsonl;
use super::super::scan::{self, Opened, Unread};
use super::line::Line;
use crate::protocol::session::{SessionKind, Usage};
use crate::scope::Scope;

/// What each record of tokens holds and, with its quotes, no text inside another record.
const NEEDLE: &str = r#""total_tokens""#;

/// Tokens as Codex counts them: what a cache served is part of the input, reasoning part of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Tokens {
    #[serde(rename = "input_tokens", deserialize_with = "jsonl::or_zero")]
    input: u64,
    #[serde(rename = "cached_input_tokens", deserialize_with = "jsonl::or_zero")]
    cached: u64,
    /// Not in 0.98.0.
    #[serde(rename = "cache_write_input_tokens", deserialize_with = "jsonl::or_nothing")]
    cache_write: Option<u64>,
    #[serde(rename = "output_tokens", deserialize_with = "jsonl::or_zero")]
    output: u64,
    #[serde(rename = "reasoning_output_tokens", deserialize_with = "jsonl::or_zero")]
    reasoning: u64,
}

/// One record of tokens: the thread's sum so far, and the call that it was made after.
#[derive(Clone, Copy, Debug)]
struct Count {
    total: Tokens,
    last: Option<Tokens>,
}

/// Counts the sessions whose usage is wanted.
pub(super) fn observe(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let wanted = found.to_count(&scope.interest);
    let needle = Finder::new(NEEDLE);
    let counted = scan::each(scope, "codex usage", &wanted, &mut beyond.problems, |opened| {
        count(opened, &needle)
    });
    beyond.sightings.extend(wanted.into_iter().zip(counted).filter_map(|(it, counted)| {
        let usage = (*counted?).clone()?;
        Some(Sighting::Counted { session: it.record.session.clone(), usage })
    }));
}

/// What the calls of one thread came to; nothing where no call was recorded.
fn count(mut opened: Opened<'_>, needle: &Finder<'_>) -> Result<Option<Usage>, Unread> {
    let Some(last) = opened.last_holding(needle, Count::read)? else { return Ok(None) };
    let record = &opened.transcript.record;
    let has_history = record.forked_from.is_some() || record.kind == SessionKind::Subagent;
    let first = if has_history { opened.first_holding(needle, Count::read)? } else { None };
    let inherited = first.and_then(|it| Some(it.total.less(it.last?)));
    Ok(Some(last.total.less(inherited.unwrap_or_default()).shown()))
}

impl Count {
    /// Reads a `token_usage_record`, or the older `token_count`, which is written again after each tool.
    fn read(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct UsageRecord {
            usage: Option<Tokens>,
            thread_token_usage: Tokens,
        }
        #[derive(Deserialize)]
        struct TokenCount {
            info: Option<Info>,
        }
        #[derive(Deserialize)]
        struct Info {
            total_token_usage: Tokens,
            last_token_usage: Option<Tokens>,
        }
        let line = Line::parse(line)?;
        match &*line.kind {
            "token_usage_record" => {
                let it: UsageRecord = line.payload()?;
                Some(Self { total: it.thread_token_usage, last: it.usage })
            }
            "event_msg" => {
                let it = line.payload::<TokenCount>()?.info?;
                Some(Self { total: it.total_token_usage, last: it.last_token_usage })
            }
            _ => None,
        }
    }
}

impl Tokens {
    fn less(self, other: Self) -> Self {
        let other_write = other.cache_write.unwrap_or(0);
        Self {
            input: self.input.saturating_sub(other.input),
            cached: self.cached.saturating_sub(other.cached),
            cache_write: self.cache_write.map(|it| it.saturating_sub(other_write)),
            output: self.output.saturating_sub(other.output),
            reasoning: self.reasoning.saturating_sub(other.reasoning),
        }
    }

    /// The same on the wire, where input is what no cache had.
    fn shown(self) -> Usage {
        let cached = self.cached.saturating_add(self.cache_write.unwrap_or(0));
        Usage {
            input_tokens: self.input.saturating_sub(cached),
            output_tokens: self.output,
            cache_read_tokens: Some(self.cached),
            cache_write_tokens: self.cache_write,
            reasoning_tokens: Some(self.reasoning),
            ..Usage::default()
        }
    }
}
