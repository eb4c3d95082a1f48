//! Exact tokens: the last cumulative count of a rollout, less what a fork had inherited with its history.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::super::evidence::{Sighting, problem_at};
use super::super::files::{Beyond, Found, Transcript, open_regular};
use super::super::{jsonl, parallel, scan};
use super::line::Line;
use crate::memo::FileStamp;
use crate::protocol::session::{ProblemKind, SessionKind, Usage};
use crate::scope::Scope;

/// What each record of tokens holds and, with its quotes, no text inside another record.
const NEEDLE: &str = r#""total_tokens""#;
/// Names what is remembered of a rollout here.
const PURPOSE: &str = "codex usage";
/// Fewest rollouts worth a thread: the end of each is read, and seldom more.
const ROLLOUTS_PER_THREAD: usize = 32;

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
    let counted =
        parallel::map(scope, &wanted, ROLLOUTS_PER_THREAD, || (), |(), it| remembered(scope, it));
    for (transcript, counted) in wanted.into_iter().zip(counted) {
        let session = transcript.record.session.clone();
        match counted {
            Ok(usage) => {
                let counted = usage.as_ref().clone();
                beyond.sightings.extend(counted.map(|usage| Sighting::Counted { session, usage }));
            }
            // Moved or removed since it was found: `codex archive` does so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => beyond.problems.push(problem_at(
                ProblemKind::Unreadable,
                &transcript.path,
                error.to_string(),
            )),
        }
    }
}

fn remembered(scope: &Scope, transcript: &Transcript) -> io::Result<Arc<Option<Usage>>> {
    if let Some(known) = scope.memo.recall(PURPOSE, transcript.stamp) {
        return Ok(known);
    }
    let (file, meta) = open_regular(&transcript.path)?;
    let stamp = FileStamp::of(&meta);
    let record = &transcript.record;
    let has_history = record.forked_from.is_some() || record.kind == SessionKind::Subagent;
    let usage = Arc::new(count(&file, stamp.size, has_history)?);
    scope.memo.remember(PURPOSE, stamp, usage.clone());
    Ok(usage)
}

/// What the calls of one thread came to; nothing where no call was recorded.
fn count(file: &File, size: u64, has_history: bool) -> io::Result<Option<Usage>> {
    let Some(last) = scan::last_holding(file, size, NEEDLE, Count::read)? else { return Ok(None) };
    let first = if has_history { first(file, size)? } else { None };
    let inherited = first.and_then(|it| Some(it.total.less(it.last?)));
    Ok(Some(last.total.less(inherited.unwrap_or_default()).shown()))
}

fn first(file: &File, size: u64) -> io::Result<Option<Count>> {
    let mut start = file.try_clone()?;
    io::Seek::rewind(&mut start)?;
    let first = Cell::new(None);
    scan::lines_holding(
        &Finder::new(NEEDLE),
        start.take(size),
        &mut Vec::new(),
        || first.get().is_some(),
        |line| first.set(first.get().or_else(|| Count::read(line))),
    )?;
    Ok(first.get())
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
