//! OpenCode's log: which of its runs worked in which session, and whether it asked a person last.
//!
//! All processes of a store append to one `log/opencode.log` (1.18.33), each line under the id of its run. No line names a
//! process, but the kernel tells how far each has come in the file: behind its own last line ([`run_before`]).
//!
//! ```text
//! timestamp=2026-11-28T01:19:28.055Z level=INFO run=37f236d8 message="creating instance" directory=/home/dev/work/ap
//! timestamp=2026-11-28T01:19:40.801Z level=INFO run=37f236d8 message=loop session.id=ses_de04372beffeEakmrvOCBAW33n step=0
//! timestamp=2026-11-28T01:19:50.139Z level=INFO run=37f236d8 message=asking id=per_21fc… permission=webfetch patterns="[…]"
//! ```
//!
//! Earlier versions had a log for each process, in other words: nothing is found in those.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use super::message::SilentCall;
use super::process::Agent;
use crate::adapters::files::{open_regular, read_end};
use crate::base::{ProcessRef, SessionId, Timestamp};
use crate::memo::FileStamp;
use crate::scope::Scope;

/// Its name, in the directory of logs.
pub(super) const NAME: &str = "opencode.log";
/// Bytes read of the end of the log: a thousand prompts, some 4 KiB each.
const READ_MAX: u64 = 4 << 20;
/// What nearly all lines are shorter than: each look asks for the last line of each process.
const LINE_USUAL: u64 = 4 << 10;
/// Longest line that tells its run: of an error that shows what was sent to a model, tens of KiB.
const LINE_MAX: u64 = 256 << 10;
/// How much earlier than its call a question may seem to be written down: 25 milliseconds were seen.
const ASKS_BEFORE_MS: u64 = 1_000;
/// What is asked besides the tool's own permission.
const ASKED_FOR_ANY_TOOL: [&str; 2] = ["doom_loop", "external_directory"];

/// The run that wrote what ends at a position, as far as that can be told.
pub(super) fn run_before(path: &Path, end: u64) -> Option<String> {
    let (file, _) = open_regular(path).ok()?;
    [LINE_USUAL, LINE_MAX].into_iter().find_map(|len| {
        let start = end.saturating_sub(len);
        let mut bytes = vec![0; usize::try_from(end - start).ok()?];
        file.read_exact_at(&mut bytes, start).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // What is written may go over several lines, of which the first says whose it is.
        let mut lines = text.lines().rev();
        value(lines.find(|it| it.starts_with("timestamp="))?, " run=")
    })
}

/// What the log tells of each run.
#[derive(Debug, Default)]
pub(super) struct Log {
    runs: BTreeMap<String, Run>,
    /// Where what is read begins, if that is not the beginning.
    since: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Run {
    /// Whether it says when it begins to work in a directory: one that is to say less (`--log-level`) leaves out all of
    /// this.
    tells_its_work: bool,
    /// When it last worked in each session.
    worked: BTreeMap<SessionId, Timestamp>,
    asked: Vec<Asked>,
}

/// A person was asked.
#[derive(Debug)]
struct Asked {
    at: Timestamp,
    permission: String,
}

impl Log {
    /// Reads the end of the log. It only adds to what else is known: one that cannot be read tells nothing.
    pub(super) fn read(scope: &Scope, data: &Path) -> Arc<Self> {
        let path = data.join("log").join(NAME);
        let read = || {
            let (file, meta) = open_regular(&path)?;
            let stamp = FileStamp::of(&meta);
            if let Some(known) = scope.memo.recall("opencode log", stamp) {
                return Ok(known);
            }
            let bytes = read_end(file, meta.len(), READ_MAX)?;
            let is_whole = meta.len() <= READ_MAX;
            let log = Arc::new(Self::parse(&String::from_utf8_lossy(&bytes), is_whole));
            scope.memo.remember("opencode log", stamp, log.clone());
            Ok::<_, io::Error>(log)
        };
        read().unwrap_or_else(|error| {
            tracing::debug!(%error, "the log of opencode cannot be read");
            Arc::default()
        })
    }

    pub(super) fn parse(text: &str, is_whole: bool) -> Self {
        let mut log = Self::default();
        // The last line may be torn.
        for line in text.split_inclusive('\n').filter_map(|it| it.strip_suffix('\n')) {
            let at = value(line, "timestamp=").and_then(|it| Timestamp::parse(&it));
            let (Some(at), Some(run)) = (at, value(line, " run=")) else { continue };
            log.since = log.since.or((!is_whole).then_some(at));
            let run = log.runs.entry(run).or_default();
            let message = value(line, " message=").unwrap_or_default();
            run.tells_its_work |= message == "creating instance";
            // What it creates it works in, and says so seconds before it begins.
            let key = if message == "created" { " id=" } else { " session.id=" };
            if let Some(session) = value(line, key).and_then(|it| SessionId::parse(&it)) {
                run.worked.insert(session, at);
            }
            if let Some(permission) = value(line, " permission=").filter(|_| message == "asking") {
                run.asked.push(Asked { at, permission });
            }
        }
        log
    }

    /// The sessions that each process has worked in last, of those that are wanted: a service all of them, a terminal the
    /// one that it was at last, and beside it those in which a turn goes on.
    pub(super) fn worked_in(
        &self,
        agents: &[Agent],
        is_wanted: impl Fn(&SessionId) -> bool,
        is_in_flight: impl Fn(&SessionId) -> bool,
    ) -> BTreeMap<ProcessRef, BTreeSet<SessionId>> {
        let mut owners: BTreeMap<&SessionId, (Timestamp, ProcessRef)> = BTreeMap::new();
        for agent in agents {
            let Some(run) = self.run_of(agent) else { continue };
            let worked = || run.worked.iter().filter(|(session, _)| is_wanted(session));
            let last = worked().max_by_key(|(_, at)| **at);
            let beside = worked().filter(|(session, at)| {
                (agent.is_service || is_in_flight(session)) && self.is_latest(session, **at)
            });
            let last = last.filter(|_| !agent.is_service);
            for (session, at) in last.into_iter().chain(beside) {
                let here = (*at, agent.live.process);
                owners.entry(session).and_modify(|it| *it = here.max(*it)).or_insert(here);
            }
        }
        let mut worked: BTreeMap<ProcessRef, BTreeSet<SessionId>> = BTreeMap::new();
        for (session, (_, process)) in owners {
            worked.entry(process).or_default().insert(session.clone());
        }
        worked
    }

    /// Whether nobody has been at a session since.
    fn is_latest(&self, session: &SessionId, at: Timestamp) -> bool {
        self.runs.values().filter_map(|it| it.worked.get(session)).all(|it| *it <= at)
    }

    /// Whether a process has worked in any session, whoever has gone on with it since.
    pub(super) fn has_worked(&self, agent: &Agent) -> bool {
        self.run_of(agent).is_some_and(|it| !it.worked.is_empty())
    }

    /// Whether any run has worked in a session.
    pub(super) fn tells_of(&self, session: &SessionId) -> bool {
        self.runs.values().any(|it| it.worked.contains_key(session))
    }

    /// Whether it would tell of all that a process has worked in since it started.
    pub(super) fn tells_all_of(&self, agent: &Agent) -> bool {
        let is_read = || self.since.is_none_or(|it| agent.live.started.is_some_and(|at| it <= at));
        self.run_of(agent).is_some_and(|it| it.tells_its_work) && is_read()
    }

    /// Whether a process was the last to work in a session.
    pub(super) fn was_last_in(&self, agent: &Agent, session: &SessionId) -> bool {
        let at = self.run_of(agent).and_then(|it| it.worked.get(session));
        at.is_some_and(|it| self.is_latest(session, *it))
    }

    fn run_of(&self, agent: &Agent) -> Option<&Run> {
        self.runs.get(agent.run.as_ref()?)
    }

    /// When a person was asked for a call of a session's, by who was last at work in it and has not gone on since.
    pub(super) fn asked_for(&self, session: &SessionId, call: &SilentCall) -> Option<Timestamp> {
        let runs = self.runs.values().filter_map(|it| Some((it.worked.get(session)?, it)));
        let (said, run) = runs.max_by_key(|(at, _)| **at)?;
        let is_for_it = |it: &&Asked| {
            it.at >= *said
                && call.started.is_none_or(|at| at.millis_since(it.at) <= ASKS_BEFORE_MS)
                && (it.permission == call.tool
                    || ASKED_FOR_ANY_TOOL.contains(&it.permission.as_str()))
        };
        run.asked.iter().rev().find(is_for_it).map(|it| it.at)
    }
}

/// The value behind a key: a word, or a text in quotes as JSON writes it.
fn value(line: &str, key: &str) -> Option<String> {
    let rest = &line[line.find(key)? + key.len()..];
    if rest.starts_with('"') {
        return serde_json::Deserializer::from_str(rest).into_iter().next()?.ok();
    }
    rest.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests;
