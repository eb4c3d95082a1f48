//! What no excerpt can tell for sure: the name that stands in the middle of a transcript, and exact tokens.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::super::evidence::{Record, Sighting};
use super::super::files::{Beyond, Found, TAIL, Transcript};
use super::super::jsonl::{self, Text};
use super::super::scan::{self, Tally};
use super::HEAD;
use super::transcript::{Entry, NAMES};
use crate::base::{SessionId, Timestamp};
use crate::protocol::session::{Problem, ProblemKind, Usage};
use crate::scope::Scope;

/// Most bytes of transcripts that are searched for names, the newest first: a second of reading from a slow disk
/// that holds nothing in memory yet. Twice the largest store seen.
const SEARCHED_MAX: u64 = 512 << 20;

/// Longest transcript of which the first look shows all.
const WHOLE_MAX: u64 = (HEAD + TAIL) as u64;

/// The transcripts of which the first look did not show all, and so maybe not the last name.
pub(in super::super) fn in_doubt(found: &Found) -> Vec<&Transcript> {
    found.transcripts.iter().filter(|it| it.stamp.size > WHOLE_MAX).collect()
}

/// Searches transcripts for the last name of their session.
pub(in super::super) fn names(scope: &Scope, mut in_doubt: Vec<&Transcript>, beyond: &mut Beyond) {
    in_doubt.sort_by_key(|it| std::cmp::Reverse((it.stamp.modified_ns, &it.path)));
    let searched = within(SEARCHED_MAX, in_doubt.iter().map(|it| it.stamp.size));
    if searched < in_doubt.len() {
        let left = in_doubt.len() - searched;
        beyond.problems.push(Problem {
            kind: ProblemKind::Limit,
            message: format!(
                "{left} of the oldest transcripts are not searched for names in their middle"
            ),
            path: None,
            line: None,
        });
        in_doubt.truncate(searched);
    }
    let needle = Finder::new(NAMES);
    let last = |line: &[u8]| Entry::parse(line).and_then(|it| it.name());
    let names = scan::each(scope, "pi name", &in_doubt, &mut beyond.problems, |mut opened| {
        opened.last_holding(&needle, last)
    });
    for (transcript, found) in in_doubt.into_iter().zip(names) {
        if let Some(found) = found {
            name(transcript, found.as_deref(), beyond);
        }
    }
}

/// Gives a session its last name, where the first look did not see it; an empty one took it away.
pub(in super::super) fn name(transcript: &Transcript, name: Option<&str>, beyond: &mut Beyond) {
    let title = name.filter(|it| !it.is_empty());
    if title != transcript.record.title.as_deref() {
        let title = title.map(str::to_owned);
        let record = Record { title, ..(*transcript.record).clone() };
        beyond.sightings.push(Sighting::Recorded(Arc::new(record)));
    }
}

/// How many of the sizes, from the first on, fit into a sum.
fn within(sum: u64, sizes: impl Iterator<Item = u64>) -> usize {
    let mut left = Some(sum);
    sizes
        .take_while(|size| {
            left = left.and_then(|left| left.checked_sub(*size));
            left.is_some()
        })
        .count()
}

/// Names the sources of forks whose names do not tell an id: such a file a person named, and its own header tells.
pub(in super::super) fn sources(found: &Found, beyond: &mut Beyond) {
    let is_untold = |it: &&Transcript| it.record.forked_from.is_none();
    let forks = found.transcripts.iter().filter(is_untold);
    let forks: Vec<_> =
        forks.filter_map(|it| Some((it, it.record.copied_from.as_ref()?))).collect();
    if forks.is_empty() {
        return;
    }
    let by_path: HashMap<&PathBuf, &SessionId> =
        found.transcripts.iter().map(|it| (&it.path, &it.record.session)).collect();
    let retold = beyond.sightings.iter().enumerate();
    let retold: HashMap<SessionId, usize> =
        retold.filter_map(|(at, it)| Some((it.record()?.session.clone(), at))).collect();
    for (fork, path) in forks {
        let Some(source) = by_path.get(path) else { continue };
        let told = retold.get(&fork.record.session).copied();
        let record = told.and_then(|at| beyond.sightings[at].record()).unwrap_or(&fork.record);
        let forked_from = Some((*source).clone());
        let sighting = Sighting::Recorded(Arc::new(Record { forked_from, ..(**record).clone() }));
        match told {
            Some(at) => beyond.sightings[at] = sighting,
            None => beyond.sightings.push(sighting),
        }
    }
}

/// Counts the sessions whose usage is wanted. What a fork has copied was spent by its source: it bears the
/// times it had there, before the fork's own header.
pub(in super::super) fn usage(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let is_fork = |it: &&Transcript| it.record.copied_from.is_some() && it.record.created.is_some();
    let (forks, others): (Vec<_>, Vec<_>) =
        found.to_count(&scope.interest).into_iter().partition(is_fork);
    let spent = scan::all::<Spent>(scope, &others, &mut beyond.problems);
    let spent = spent.into_iter().map(|it| it.and_then(|it| it.0.clone()));
    let calls = scan::all::<Calls>(scope, &forks, &mut beyond.problems);
    let own = calls.into_iter().zip(&forks).map(|(calls, fork)| calls?.since(fork.record.created));
    let counted = others.iter().zip(spent).chain(forks.iter().zip(own));
    beyond.sightings.extend(counted.filter_map(|(transcript, usage)| {
        Some(Sighting::Counted { session: transcript.record.session.clone(), usage: usage? })
    }));
}

/// What all calls of a transcript add up to; nothing where it shows no call.
#[derive(Default)]
pub(in super::super) struct Spent(pub(in super::super) Option<Usage>);

impl Tally for Spent {
    const PURPOSE: &'static str = "pi usage";
    const NEEDLE: &'static str = r#""usage""#;

    fn add(&mut self, line: &[u8]) {
        if let Some(call) = Call::parse(line) {
            self.0.get_or_insert_default().add(&call.usage());
        }
    }
}

/// Each call of a transcript.
#[derive(Default)]
struct Calls(Vec<(Option<Timestamp>, Usage)>);

impl Tally for Calls {
    const PURPOSE: &'static str = "pi calls";
    const NEEDLE: &'static str = Spent::NEEDLE;

    fn add(&mut self, line: &[u8]) {
        self.0.extend(Call::parse(line).map(|it| (it.at, it.usage())));
    }
}

impl Calls {
    fn since(&self, created: Option<Timestamp>) -> Option<Usage> {
        let own = self.0.iter().filter(|(at, _)| *at >= created);
        own.fold(None, |sum: Option<Usage>, (_, usage)| {
            let mut sum = sum.unwrap_or_default();
            sum.add(usage);
            Some(sum)
        })
    }
}

/// One call of the model. Of its line nothing else is read: the answer itself is passed over once.
struct Call {
    at: Option<Timestamp>,
    spent: Tokens,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    /// Not in 0.73.1. A part of `output`.
    reasoning: Option<u64>,
    cost: Option<Cost>,
}

#[derive(Deserialize)]
struct Cost {
    total: Option<f64>,
}

impl Call {
    fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Line<'a> {
            #[serde(rename = "type", borrow)]
            kind: Text<'a>,
            #[serde(default, borrow)]
            timestamp: Text<'a>,
            message: Message,
        }
        #[derive(Deserialize)]
        struct Message {
            usage: Tokens,
        }
        let Line { kind, timestamp, message } = jsonl::record(line)?;
        let at = Timestamp::parse(&timestamp);
        (kind.get() == "message").then_some(Self { at, spent: message.usage })
    }

    /// What it took. The cost is Pi's own: tokens by the prices of its table of models.
    fn usage(&self) -> Usage {
        let spent = &self.spent;
        let cost = spent.cost.as_ref().and_then(|it| it.total);
        let cost_usd = cost.filter(|it| it.is_finite());
        Usage {
            input_tokens: spent.input,
            output_tokens: spent.output,
            cache_read_tokens: spent.cache_read,
            cache_write_tokens: spent.cache_write,
            reasoning_tokens: spent.reasoning,
            cost_usd,
            cost_is_estimate: cost_usd.map(|_| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_as_much_is_searched_as_fits() {
        let check =
            |sum, sizes: &[u64], expect| assert_eq!(within(sum, sizes.iter().copied()), expect);
        check(10, &[], 0);
        check(10, &[4, 6, 1], 2);
        check(10, &[11, 1], 0);
        check(u64::MAX, &[u64::MAX, 1], 1);
    }
}
