//! Exact tokens: the last cumulative count of a rollout, less what it had inherited with its history; of a thread that was
//! rewound, of each of its rollouts.

use std::collections::BTreeMap;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::super::evidence::Sighting;
use super::super::files::{Beyond, Found};
use super::super::jsonl;
use super::super::scan::{self, Opened, Unread};
use super::line::Line;
use super::rollout::Name;
use crate::base::SessionId;
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
    let mut threads: BTreeMap<&SessionId, BTreeMap<&str, Usage>> = BTreeMap::new();
    for (transcript, counted) in wanted.into_iter().zip(counted) {
        let usage = counted.and_then(|it| (*it).clone());
        let Some((name, usage)) = Name::of_file(&transcript.path).zip(usage) else { continue };
        let rollouts = threads.entry(&transcript.record.session).or_default();
        // Of a copied rollout, the one that went on counts what is in the other, too.
        if rollouts.get(name.own).is_none_or(|it| it.extent() < usage.extent()) {
            rollouts.insert(name.own, usage);
        }
    }
    beyond.sightings.extend(threads.into_iter().map(|(session, rollouts)| {
        let mut usage = Usage::default();
        for spent in rollouts.values() {
            usage.add(spent);
        }
        Sighting::Counted { session: session.clone(), usage }
    }));
}

/// What the calls came to that one rollout records; nothing where it records none.
fn count(mut opened: Opened<'_>, needle: &Finder<'_>) -> Result<Option<Usage>, Unread> {
    let Some(last) = opened.last_holding(needle, Count::read)? else { return Ok(None) };
    let inherited = inherited(&mut opened, needle)?.unwrap_or_default();
    Ok(Some(last.total.less(inherited).shown()))
}

/// What the thread had spent before the first call that the rollout records; nothing where it begins with that.
fn inherited(opened: &mut Opened<'_>, needle: &Finder<'_>) -> Result<Option<Tokens>, Unread> {
    let transcript = opened.transcript;
    let record = &transcript.record;
    let has_history = record.forked_from.is_some()
        || record.kind == SessionKind::Subagent
        || Name::of_file(&transcript.path).is_some_and(|it| it.goes_on());
    if !has_history {
        return Ok(None);
    }
    let first = match opened.first_holding(needle, Count::of_call)? {
        Some(first) => Some(first),
        None => opened.first_holding(needle, Count::read)?,
    };
    Ok(first.and_then(|it| Some(it.total.less(it.last?))))
}

impl Count {
    /// Reads a `token_usage_record`, or the older `token_count`, which is written again after each tool, and before a
    /// compaction.
    fn read(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct TokenCount {
            info: Option<Info>,
        }
        #[derive(Deserialize)]
        struct Info {
            total_token_usage: Tokens,
            last_token_usage: Option<Tokens>,
        }
        Self::of_call(line).or_else(|| {
            let line = Line::parse(line).filter(|it| it.kind == "event_msg")?;
            let it = line.payload::<TokenCount>()?.info?;
            Some(Self { total: it.total_token_usage, last: it.last_token_usage })
        })
    }

    /// Reads a `token_usage_record`: there is one for each call.
    fn of_call(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct UsageRecord {
            usage: Option<Tokens>,
            thread_token_usage: Tokens,
        }
        let line = Line::parse(line).filter(|it| it.kind == "token_usage_record")?;
        let it: UsageRecord = line.payload()?;
        Some(Self { total: it.thread_token_usage, last: it.usage })
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
