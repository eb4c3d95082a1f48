//! Exact tokens: every call of the model that a session made itself, counted once.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::super::evidence::Sighting;
use super::super::files::{Beyond, Found};
use super::super::{jsonl, scan};
use crate::protocol::session::Usage;
use crate::scope::Scope;

/// Counts the sessions whose usage is wanted.
pub(super) fn count(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let wanted = found.to_count(&scope.interest);
    let counted = scan::all::<Calls>(scope, &wanted, &mut beyond.problems);
    for (transcript, calls) in wanted.into_iter().zip(counted) {
        let session = transcript.record.session.clone();
        let usage = calls.and_then(|it| it.by_session.get(session.as_str()).cloned());
        beyond.sightings.extend(usage.map(|usage| Sighting::Counted { session, usage }));
    }
}

/// The calls that a transcript holds: by the session that made them, since a fork begins with its parent's.
#[derive(Debug, Default)]
struct Calls {
    by_session: BTreeMap<String, Usage>,
    seen: HashSet<String>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    usage: Call,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    /// With what a cache served and what was written to it.
    input_tokens: u64,
    output_tokens: u64,
    cache_read_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    accounting: Accounting,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accounting {
    source_session_id: String,
    usage_id: String,
}

impl scan::Tally for Calls {
    const PURPOSE: &'static str = "copilot usage";
    const NEEDLE: &'static str = r#""session.usage_record""#;

    fn add(&mut self, line: &[u8]) {
        let Some(event) = jsonl::record::<Event>(line) else { return };
        let Call { accounting, .. } = &event.data.usage;
        if event.kind == "session.usage_record" && self.seen.insert(accounting.usage_id.clone()) {
            let session = accounting.source_session_id.clone();
            self.by_session.entry(session).or_default().add(&event.data.usage.shown());
        }
    }

    fn finish(&mut self) {
        self.seen = HashSet::new();
    }
}

impl Call {
    fn shown(&self) -> Usage {
        let cached = self
            .cache_read_tokens
            .unwrap_or(0)
            .saturating_add(self.cache_write_tokens.unwrap_or(0));
        Usage {
            input_tokens: self.input_tokens.saturating_sub(cached),
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens,
            reasoning_tokens: self.reasoning_tokens,
            ..Usage::default()
        }
    }
}
