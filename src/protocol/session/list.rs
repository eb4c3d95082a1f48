//! `session.list`, and the filter that other methods share with it.

use std::{iter, mem};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AgentReport, Problem, Session, Status};
use crate::base::{AbsPath, AgentId, Timestamp};
use crate::parallel;
use crate::protocol::Method;
use crate::protocol::bounded::Bounded;
use crate::protocol::error::Code;
use crate::protocol::error::codes::AGENT_UNKNOWN;
use crate::protocol::reading::null_as_absent;

/// Sessions that are written at once, and bytes that most of them take.
const PART: usize = 128;
const USUAL_SESSION: usize = 1 << 10;
/// Parts worth a thread: each takes 200 µs, and a thread some 50 to begin and to end.
const PARTS_PER_THREAD: usize = 4;

/// What may be asked for beyond the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// Exact tokens and cost: every transcript is read whole, once.
    Usage,
}

/// Which sessions a request is about; members that are absent do not filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Filter {
    /// Only these agents; adapters of others are not touched.
    #[serde(default)]
    pub agents: Option<Vec<AgentId>>,
    /// Only sessions in one of these states.
    #[serde(default)]
    pub status: Option<Vec<Status>>,
    /// Only sessions that work in exactly this directory.
    #[serde(default)]
    pub cwd: Option<AbsPath>,
    /// Only sessions that work in this directory or below it.
    #[serde(default)]
    pub under: Option<AbsPath>,
    /// Only sessions that were launched in this group.
    #[serde(default)]
    pub group: Option<String>,
    /// Only sessions with activity at or after this instant.
    #[serde(default)]
    pub updated_since: Option<Timestamp>,
    /// Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
    #[serde(default)]
    pub query: Option<String>,
    /// Whether subagents are listed too.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include_subagents: bool,
}

/// Milliseconds that an adapter may take.
pub type DeadlineMs = Bounded<1, 600_000>;

/// `session.list`: the sessions of every agent, merged.
pub struct List;

/// The parameters of `session.list`.
// A filter's members are spelt out once more: serde could flatten them in, but would no longer say which member is wrong.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListParams {
    /// Only these agents; adapters of others are not touched.
    #[serde(default)]
    pub agents: Option<Vec<AgentId>>,
    /// Only sessions in one of these states.
    #[serde(default)]
    pub status: Option<Vec<Status>>,
    /// Only sessions that work in exactly this directory.
    #[serde(default)]
    pub cwd: Option<AbsPath>,
    /// Only sessions that work in this directory or below it.
    #[serde(default)]
    pub under: Option<AbsPath>,
    /// Only sessions that were launched in this group.
    #[serde(default)]
    pub group: Option<String>,
    /// Only sessions with activity at or after this instant.
    #[serde(default)]
    pub updated_since: Option<Timestamp>,
    /// Only sessions whose id, title, prompt, directory, branch or label holds this text, whatever its case.
    #[serde(default)]
    pub query: Option<String>,
    /// Whether subagents are listed too.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include_subagents: bool,
    /// What to add to each session.
    #[serde(default, deserialize_with = "null_as_absent")]
    pub include: Vec<Include>,
    /// How many sessions a page holds; 100 where absent.
    #[serde(default)]
    pub limit: Option<Bounded<1, 10_000>>,
    /// Where the page begins: the `nextCursor` of the page before, with the same filter.
    #[serde(default)]
    pub cursor: Option<String>,
    /// How long each adapter may take; 5000 where absent.
    #[serde(default)]
    pub deadline_ms: Option<DeadlineMs>,
}

impl ListParams {
    /// The members that say which sessions are meant.
    pub fn filter(&self) -> Filter {
        Filter {
            agents: self.agents.clone(),
            status: self.status.clone(),
            cwd: self.cwd.clone(),
            under: self.under.clone(),
            group: self.group.clone(),
            updated_since: self.updated_since,
            query: self.query.clone(),
            include_subagents: self.include_subagents,
        }
    }
}

/// The result of `session.list`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListResult {
    /// One page: `waiting`, `running`, `idle`, then the rest; in each the newest activity first.
    // In boxes: a page of thousands is put together without moving any of them.
    pub sessions: Vec<Box<Session>>,
    /// How many sessions the filter lets through, over all pages.
    pub total: u64,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// True when no adapter failed or missed its deadline, and the processes of this machine could be seen.
    pub complete: bool,
    /// What each adapter contributed.
    pub agents: Vec<AgentReport>,
    /// What headcount could not read: its settings, its ledger of launches, the links of the filter's directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The instant that the result speaks of.
    pub observed_at: Timestamp,
}

impl Method for List {
    const NAME: &'static str = "session.list";
    const SUMMARY: &'static str =
        "Lists the sessions of every agent on this machine, as they are now.";
    const ERRORS: &'static [Code] = &[AGENT_UNKNOWN];
    type Params = ListParams;
    type Result = ListResult;

    /// Sessions are written, and let go, part by part on several threads: a page of thousands is megabytes.
    fn write(mut result: ListResult, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut sessions = mem::take(&mut result.sessions).into_iter();
        let parts = iter::from_fn(|| {
            let part: Vec<_> = sessions.by_ref().take(PART).collect();
            Some(part).filter(|it| !it.is_empty())
        });
        let write = |(): &mut (), part: Vec<Box<Session>>| {
            let mut text = Vec::with_capacity(part.len() * USUAL_SESSION);
            serde_json::to_writer(&mut text, &part).map(|()| text)
        };
        let parts: Vec<_> = parts.collect();
        let written = parallel::map(parts, PARTS_PER_THREAD, || false, || (), write);
        // Their array, empty now, is the first of all.
        let around = serde_json::to_vec(&result)?;
        let bracket = around.iter().position(|it| *it == b'[').expect("sessions are an array");
        let (before, behind) = around.split_at(bracket + 1);
        out.extend_from_slice(before);
        for (at, part) in written.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            // Without the brackets of its own array.
            let part = part?;
            out.extend_from_slice(&part[1..part.len() - 1]);
        }
        out.extend_from_slice(behind);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_written_in_parts_reads_as_one_written_whole() {
        let page = |sessions: usize| {
            let session = |it: usize| -> Box<Session> {
                serde_json::from_value(serde_json::json!({
                    "agent": "a", "sessionId": format!("s{it}"), "title": "[\"]", "status": "idle",
                    "reason": "completed", "certainty": "asserted", "kind": "main",
                }))
                .unwrap()
            };
            ListResult {
                sessions: (0..sessions).map(session).collect(),
                total: sessions as u64,
                next_cursor: Some("[".into()),
                complete: true,
                agents: Vec::new(),
                problems: Vec::new(),
                observed_at: Timestamp::parse("2026-11-22T20:00:00Z").unwrap(),
            }
        };
        for sessions in [0, 1, PART, PART + 1, 9 * PART] {
            let mut written = b"before ".to_vec();
            List::write(page(sessions), &mut written).unwrap();
            let whole = serde_json::to_string(&page(sessions)).unwrap();
            assert_eq!(String::from_utf8(written).unwrap(), format!("before {whole}"));
        }
    }
}
