//! OpenCode's log: which of its runs worked in which session, and whether it asked a person last.
//!
//! All processes of a store write to one `log/opencode.log` (1.18.33), each line under the id of its run; no line names a
//! process. A run begins with the directory it works in, a few seconds after its process:
//!
//! ```text
//! timestamp=2026-11-28T01:19:28.055Z level=INFO run=37f236d8 message="creating instance" directory=/home/dev/work/ap
//! timestamp=2026-11-28T01:19:40.801Z level=INFO run=37f236d8 message=loop session.id=ses_de04372beffeEakmrvOCBAW33n step=0
//! timestamp=2026-11-28T01:19:50.139Z level=INFO run=37f236d8 message=asking id=per_21fc… permission=webfetch patterns="[…]"
//! ```
//!
//! Earlier versions had a log for each process, in other words: nothing is found in those.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::process::Agent;
use crate::adapters::files::open_regular;
use crate::base::{AbsPath, ProcessRef, SessionId, Timestamp};
use crate::memo::FileStamp;
use crate::scope::Scope;

/// Bytes read of the end of the log: a thousand prompts, some 4 KiB each.
const READ_MAX: u64 = 4 << 20;
/// How long after its process a run begins: 4 seconds were seen, and 20 on a machine with far more to do than it can.
const BEGINS_WITHIN_MS: u64 = 60_000;

/// What the log tells of each run.
#[derive(Debug, Default)]
pub(super) struct Log {
    runs: BTreeMap<String, Run>,
}

#[derive(Debug, Default)]
struct Run {
    /// When it began and where, if that is among what was read.
    began: Option<(Timestamp, AbsPath)>,
    /// When it last worked in each session.
    worked: BTreeMap<SessionId, Timestamp>,
    /// The session it worked in last.
    last: Option<SessionId>,
    /// When it asked a person, if that is the last that it said.
    asked: Option<Timestamp>,
}

impl Log {
    /// Reads the end of the log. It only adds to what else is known: one that cannot be read tells nothing.
    pub(super) fn read(scope: &Scope, data: &Path) -> Arc<Self> {
        let path = data.join("log/opencode.log");
        let read = || {
            let (mut file, meta) = open_regular(&path)?;
            let stamp = FileStamp::of(&meta);
            if let Some(known) = scope.memo.recall("opencode log", stamp) {
                return Ok(known);
            }
            file.seek(SeekFrom::Start(meta.len().saturating_sub(READ_MAX)))?;
            let mut bytes = Vec::new();
            file.take(READ_MAX).read_to_end(&mut bytes)?;
            let log = Arc::new(Self::parse(&String::from_utf8_lossy(&bytes)));
            scope.memo.remember("opencode log", stamp, log.clone());
            Ok::<_, io::Error>(log)
        };
        read().unwrap_or_else(|error| {
            tracing::debug!(%error, "the log of opencode cannot be read");
            Arc::default()
        })
    }

    pub(super) fn parse(text: &str) -> Self {
        let mut log = Self::default();
        // The last line may be torn.
        for line in text.split_inclusive('\n').filter_map(|it| it.strip_suffix('\n')) {
            let at = value(line, "timestamp=").and_then(|it| Timestamp::parse(&it));
            let (Some(at), Some(run)) = (at, value(line, " run=")) else { continue };
            let is_first = !log.runs.contains_key(&run);
            let run = log.runs.entry(run).or_default();
            let message = value(line, " message=").unwrap_or_default();
            if is_first && message == "creating instance" {
                let directory = value(line, " directory=").and_then(AbsPath::parse);
                run.began = directory.map(|it| (at, it));
            }
            // What it creates it works in, and says so seconds before it begins.
            let key = if message == "created" { " id=" } else { " session.id=" };
            if let Some(session) = value(line, key).and_then(|it| SessionId::parse(&it)) {
                run.worked.insert(session.clone(), at);
                run.last = Some(session);
            }
            run.asked = (message == "asking").then_some(at);
        }
        log
    }

    /// The sessions of each process, of those that are wanted: the one it worked in last, and beside it those in which a
    /// turn goes on that nobody else has been at since. One goes to who was last at it.
    pub(super) fn worked_in(
        &self,
        agents: &[Agent],
        is_wanted: impl Fn(&SessionId) -> bool,
        is_in_flight: impl Fn(&SessionId) -> bool,
    ) -> BTreeMap<ProcessRef, BTreeSet<SessionId>> {
        let is_latest = |session: &SessionId, at: Timestamp| {
            self.runs.values().filter_map(|it| it.worked.get(session)).all(|it| *it <= at)
        };
        let mut owners: BTreeMap<&SessionId, (Timestamp, ProcessRef)> = BTreeMap::new();
        for (process, run) in self.runs_of(agents) {
            let worked = || run.worked.iter().filter(|(session, _)| is_wanted(session));
            let last = worked().max_by_key(|(_, at)| **at);
            let going_on =
                worked().filter(|(session, at)| is_in_flight(session) && is_latest(session, **at));
            for (session, at) in last.into_iter().chain(going_on) {
                let here = (*at, process);
                owners.entry(session).and_modify(|it| *it = here.max(*it)).or_insert(here);
            }
        }
        let mut worked: BTreeMap<ProcessRef, BTreeSet<SessionId>> = BTreeMap::new();
        for (session, (_, process)) in owners {
            worked.entry(process).or_default().insert(session.clone());
        }
        worked
    }

    /// The processes that have worked in any session, whoever has gone on with it since.
    pub(super) fn workers(&self, agents: &[Agent]) -> BTreeSet<ProcessRef> {
        let runs = self.runs_of(agents).into_iter();
        runs.filter(|(_, run)| !run.worked.is_empty()).map(|(process, _)| process).collect()
    }

    /// Which run is whose, where time and directory leave no choice. A process has one run, but a run may be of a process
    /// that is gone: that only one could have begun it says nothing.
    fn runs_of(&self, agents: &[Agent]) -> Vec<(ProcessRef, &Run)> {
        let mut open: BTreeMap<ProcessRef, BTreeSet<&str>> = BTreeMap::new();
        for agent in agents {
            let possible = self.runs.iter().filter(|(_, run)| run.may_be_of(agent));
            open.insert(agent.live.process, possible.map(|(id, _)| id.as_str()).collect());
        }
        let mut found = Vec::new();
        loop {
            let is_only = |id| open.values().filter(|it| only(it) == Some(id)).count() == 1;
            let next = open.iter().find_map(|(process, possible)| {
                Some((*process, only(possible).filter(|id| is_only(id))?))
            });
            let Some((process, id)) = next else { return found };
            for others in open.values_mut() {
                others.remove(id);
            }
            open.remove(&process);
            found.push((process, &self.runs[id]));
        }
    }

    /// When a person was asked in a session, where nothing has been said by that run since.
    pub(super) fn asked_in(&self, session: &SessionId) -> Option<Timestamp> {
        let runs = self.runs.values().filter(|it| it.last.as_ref() == Some(session));
        runs.filter_map(|it| it.asked).max()
    }
}

impl Run {
    fn may_be_of(&self, agent: &Agent) -> bool {
        let live = &agent.live;
        self.began.as_ref().zip(live.started).is_some_and(|((began, directory), started)| {
            live.was_there(*began)
                && began.millis_since(started) <= BEGINS_WITHIN_MS
                && live.cwd.as_ref() == Some(directory)
        })
    }
}

fn only<'a>(ids: &BTreeSet<&'a str>) -> Option<&'a str> {
    ids.first().copied().filter(|_| ids.len() == 1)
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
