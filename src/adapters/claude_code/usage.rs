//! Exact tokens: every model call once, whichever lines and files repeat it.
//!
//! A call is known by the ids of its message and of its request. Within a file its lines repeat the whole
//! usage; where versions differ, the largest counts are the final ones. A fork begins with a copy of its
//! origin's records, calls and all, so files of one lineage (their chains begin with the same record) share
//! calls: such a call belongs to the file that was begun first. A fork made by a program notes its own
//! beginning before the copy, and a branch says that it is one. Where that does not tell, the one whose activity ended
//! first is taken for the origin, then the smaller id; the sum over the lineage is right in any case. A session may lie in several files, too:
//! people who move a repository copy or link the folder of its sessions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::line::SYNTHETIC;
use crate::adapters::evidence::Sighting;
use crate::adapters::files::{Beyond, Found, Transcript};
use crate::adapters::jsonl::{self, Text};
use crate::adapters::scan::{self, Tally};
use crate::base::SessionId;
use crate::protocol::session::Usage;
use crate::scope::{Scope, UsageWanted};

pub(super) fn count(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    if scope.interest.usage == UsageWanted::None {
        return;
    }
    let is_wanted = |it: &Transcript| it.record.is_to_count(&scope.interest);
    let wanted_lineages: HashSet<&str> =
        found.transcripts.iter().filter(|it| is_wanted(it)).filter_map(lineage).collect();
    let is_relative =
        |it: &Transcript| lineage(it).is_some_and(|lineage| wanted_lineages.contains(lineage));
    let mut files: Vec<&Transcript> =
        found.transcripts.iter().filter(|it| is_wanted(it) || is_relative(it)).collect();
    files.sort_by_key(|it| beginning(it));
    let counted = scan::all::<Calls>(scope, &files, &mut beyond.problems);

    let mut relatives: HashMap<&str, usize> = HashMap::new();
    for name in files.iter().copied().flat_map(names) {
        *relatives.entry(name).or_default() += 1;
    }
    let has_relatives = |it: &Transcript| names(it).any(|name| relatives[name] > 1);
    // Over all lineages at once: a call has one id, and so one first file.
    let mut seen = HashSet::new();
    let mut sums: BTreeMap<&SessionId, Tokens> = BTreeMap::new();
    for (file, calls) in files.into_iter().zip(&counted) {
        let Some(Calls { calls, .. }) = calls.as_deref() else { continue };
        let is_shared = has_relatives(file);
        let own = calls.iter().filter(|it| !is_shared || seen.insert(it.key));
        let mut of_nobody = Tokens::default();
        let sum = if is_wanted(file) {
            sums.entry(&file.record.session).or_default()
        } else {
            &mut of_nobody
        };
        *sum = own.fold(*sum, Tokens::plus);
    }
    let counted = |(session, sum): (&SessionId, Tokens)| Sighting::Counted {
        session: session.clone(),
        usage: sum.into(),
    };
    beyond.sightings.extend(sums.into_iter().map(counted));
}

/// What a file shares with those that may hold the same calls.
fn names(transcript: &Transcript) -> impl Iterator<Item = &str> {
    lineage(transcript).into_iter().chain([transcript.record.session.as_str()])
}

fn lineage(transcript: &Transcript) -> Option<&str> {
    transcript.record.lineage.as_deref()
}

/// Sorts files by when they were begun.
fn beginning(it: &Transcript) -> impl Ord {
    let record = &it.record;
    let is_branch = record.forked_from.is_some();
    (is_branch, record.created.is_none(), record.created, record.updated, record.session.clone())
}

/// The model calls of one file.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    newest: Newest,
}

/// The newest line of the message that is being read: its lines follow each other and say the same, so that the last
/// of them is the only one that is parsed.
#[derive(Debug, Default)]
struct Newest {
    line: Vec<u8>,
    /// Where the message's id stands in it, if that was seen.
    id: Option<Range<usize>>,
    /// The line of the same message before it, for where the newest was cut off: a session that goes on after a crash
    /// writes behind it.
    earlier: Vec<u8>,
}

impl Newest {
    fn id(&self) -> Option<&[u8]> {
        self.id.clone().map(|it| &self.line[it])
    }

    fn begin(&mut self, line: &[u8], id: Option<Range<usize>>) {
        self.line.clear();
        self.earlier.clear();
        self.go_on(line, id);
    }

    fn go_on(&mut self, line: &[u8], id: Option<Range<usize>>) {
        std::mem::swap(&mut self.line, &mut self.earlier);
        self.line.clear();
        self.line.extend_from_slice(line);
        self.id = id;
    }

    fn call(&self) -> Option<Call> {
        call(&self.line).or_else(|| call(&self.earlier))
    }
}

/// One model call. A number for its ids: two calls of one user with the same 64 bits will not be met.
#[derive(Clone, Copy, Debug)]
struct Call {
    key: u64,
    tokens: [u32; 4],
}

impl Tally for Calls {
    const PURPOSE: &'static str = "claude-code usage";
    const NEEDLE: &'static str = "\"usage\"";

    fn add(&mut self, line: &[u8]) {
        let id = message_id(line);
        if id.is_some() && id.clone().map(|it| &line[it]) == self.newest.id() {
            self.newest.go_on(line, id);
        } else {
            self.calls.extend(self.newest.call());
            self.newest.begin(line, id);
        }
    }

    fn finish(&mut self) {
        self.calls.extend(self.newest.call());
        self.newest = Newest::default();
        self.calls.sort_unstable_by_key(|it| it.key);
        self.calls.dedup_by(|again, call| {
            let is_same = again.key == call.key;
            if is_same {
                for (kept, other) in call.tokens.iter_mut().zip(again.tokens) {
                    *kept = (*kept).max(other);
                }
            }
            is_same
        });
        self.calls.shrink_to_fit();
    }
}

static MESSAGE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"message\":{\"id\":\""));
static BY_MODEL: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new("\"type\":\"assistant\""));

/// Where the id of the message stands in the line, if it stands where it always does. A cheap look: what it
/// misses is parsed.
fn message_id(line: &[u8]) -> Option<Range<usize>> {
    /// Before the message there are only ids and the like.
    const BEGINNING: usize = 1 << 10;
    let beginning = &line[..line.len().min(BEGINNING)];
    let start = MESSAGE.find(beginning)? + MESSAGE.needle().len();
    let len = memchr::memchr(b'"', &beginning[start..])?;
    Some(start..start + len)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallLine<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    uuid: Text<'a>,
    #[serde(borrow, rename = "requestId")]
    request: Text<'a>,
    #[serde(borrow)]
    message: CallMessage<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallMessage<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    usage: CallUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names that the service gives them")]
struct CallUsage {
    #[serde(deserialize_with = "jsonl::or_zero")]
    input_tokens: u64,
    #[serde(deserialize_with = "jsonl::or_zero")]
    output_tokens: u64,
    #[serde(deserialize_with = "jsonl::or_zero")]
    cache_read_input_tokens: u64,
    #[serde(deserialize_with = "jsonl::or_zero")]
    cache_creation_input_tokens: u64,
}

fn call(line: &[u8]) -> Option<Call> {
    // A tool's result may tell the usage of a subagent, whose own file has it call by call.
    if !jsonl::holds(line, &BY_MODEL) {
        return None;
    }
    let CallLine { kind, uuid, request, message } = jsonl::record(line)?;
    if kind.get() != "assistant" || message.model.get() == SYNTHETIC {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    // Without an id of its own, a call is as good as its record.
    if message.id.is_empty() { &uuid } else { &message.id }.hash(&mut hasher);
    request.hash(&mut hasher);
    let usage = message.usage;
    let tokens = [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
    ];
    let tokens = tokens.map(|it| u32::try_from(it).unwrap_or(u32::MAX));
    Some(Call { key: hasher.finish(), tokens })
}

/// A sum of calls, in the order of [`Call::tokens`].
#[derive(Clone, Copy, Debug, Default)]
struct Tokens([u64; 4]);

impl Tokens {
    fn plus(mut self, call: &Call) -> Self {
        for (sum, tokens) in self.0.iter_mut().zip(call.tokens) {
            *sum = sum.saturating_add(u64::from(tokens));
        }
        self
    }
}

impl From<Tokens> for Usage {
    fn from(Tokens([input, output, cache_read, cache_write]): Tokens) -> Self {
        Self {
            input_tokens: input,
            output_tokens: output,
            cache_read_tokens: Some(cache_read),
            cache_write_tokens: Some(cache_write),
            ..Self::default()
        }
    }
}
