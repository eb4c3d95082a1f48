//! Background sessions: the jobs that no process has registered for yet, and whom the daemon lets run them.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::live::{Look, names, start_ticks, transcript_of};
use crate::adapters::Record;
use crate::adapters::evidence::{
    Bond, Claim, Failure, Prompt, Sighting, TurnState, WaitingFor, problem_at,
};
use crate::adapters::files::{Beyond, Found, Rewritten};
use crate::adapters::jsonl::{self, Text};
use crate::base::{AbsPath, Pid, ProcessRef, SessionId, Timestamp};
use crate::protocol::session::{Certainty, Problem, ProblemKind, SessionKind, Source};
use crate::scope::Scope;

/// How long a job may be written down before the daemon has a process for it: where the daemon itself has to be
/// started first, eight seconds were seen on a busy machine (2.1.197).
const STARTING_MS: u64 = 30_000;

/// Whom the daemon lets run its jobs, by job.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<String, Worker>);

#[derive(Debug)]
struct Worker {
    session: SessionId,
    /// The daemon's own process in which the session runs, even before it registers.
    host: ProcessRef,
    taken_over: Option<TakenOver>,
}

/// A session that an interface has handed over to the background, as a copy.
#[derive(Debug)]
struct TakenOver {
    session: SessionId,
    at: Timestamp,
}

impl Roster {
    /// Reads `daemon/roster.json`; nobody is on it where there is no daemon.
    pub(super) fn read(root: &Path, files: &Rewritten<'_>) -> Result<Self, Problem> {
        let path = root.join("daemon/roster.json");
        let Some(bytes) = files.object(&path)? else { return Ok(Self::default()) };
        let Some(file) = jsonl::record::<RosterFile<'_>>(&bytes) else {
            return Err(problem_at(ProblemKind::Malformed, &path, "members of unknown types"));
        };
        let workers = file.workers.into_iter().filter_map(|(job, it)| Some((job, it.worker()?)));
        Ok(Self(workers.collect()))
    }

    /// Whether an interface has handed that session over since it has last said what it does. It shows the list
    /// of agents then, and its live record stays as it was.
    pub(super) fn has_taken_over(&self, session: &SessionId, since: Option<Timestamp>) -> bool {
        let mut taken = self.0.values().filter_map(|it| it.taken_over.as_ref());
        taken.any(|it| it.session == *session && since.is_none_or(|since| it.at >= since))
    }

    /// Of what session that one is a copy.
    fn origin(&self, session: &SessionId) -> Option<&SessionId> {
        let worker = self.0.values().find(|it| it.session == *session)?;
        worker.taken_over.as_ref().map(|it| &it.session)
    }
}

/// `daemon/roster.json`. It holds secrets beside this, which are not looked at.
#[derive(Deserialize)]
struct RosterFile<'a> {
    #[serde(borrow)]
    workers: BTreeMap<String, WorkerEntry<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WorkerEntry<'a> {
    #[serde(deserialize_with = "jsonl::or_nothing")]
    pid: Option<i32>,
    /// As in the registry.
    #[serde(borrow)]
    proc_start: Option<&'a RawValue>,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow, deserialize_with = "jsonl::object_or_nothing")]
    dispatch: Option<Dispatch<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Dispatch<'a> {
    /// `shell` for `claude --bg`, `slash` where an interface hands its session over, `spare` for one held ready.
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    created_at: Option<i64>,
    #[serde(borrow, deserialize_with = "jsonl::object_or_nothing")]
    launch: Option<Launch<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Launch<'a> {
    /// The transcript that is gone on with.
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    fork: Option<bool>,
}

impl WorkerEntry<'_> {
    fn worker(&self) -> Option<Worker> {
        let start_ticks = start_ticks(self.proc_start)?;
        Some(Worker {
            session: SessionId::parse(&self.session_id)?,
            host: ProcessRef { pid: Pid(self.pid?), start_ticks },
            taken_over: self.dispatch.as_ref().and_then(Dispatch::taken_over),
        })
    }
}

impl Dispatch<'_> {
    fn taken_over(&self) -> Option<TakenOver> {
        let launch = self.launch.as_ref()?;
        let is_handed_over = self.source.get() == "slash" && launch.fork == Some(true);
        let stem = Path::new(launch.session_id.get()).file_stem()?.to_str()?;
        is_handed_over.then_some(TakenOver {
            session: SessionId::parse(stem)?,
            at: Timestamp::from_millis(self.created_at?)?,
        })
    }
}

/// `jobs/<8 hex>/state.json`
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Job<'a> {
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    state: Text<'a>,
    /// `blocked` where it cannot go on by itself.
    #[serde(borrow)]
    tempo: Text<'a>,
    /// What it is blocked on, in words.
    #[serde(borrow)]
    needs: Text<'a>,
    /// The prompt.
    #[serde(borrow)]
    intent: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    #[serde(borrow)]
    created_at: Text<'a>,
    #[serde(borrow)]
    updated_at: Text<'a>,
    #[serde(borrow)]
    first_terminal_at: Text<'a>,
}

/// Tells of what sessions in the background are copies, and of the jobs whose session has no transcript: for some
/// seconds after its start, a job is nothing else.
pub(super) fn observe(look: &Look<'_>, claimed: &HashSet<SessionId>, beyond: &mut Beyond) {
    let Look { scope, found, root, roster, files } = look;
    for worker in roster.0.values() {
        let copy = transcript_of(found, &worker.session).zip(worker.taken_over.as_ref());
        beyond.sightings.extend(copy.map(|(transcript, origin)| {
            let forked_from = Some(origin.session.clone());
            let record = Record { forked_from, ..(*transcript.record).clone() };
            Sighting::Recorded(Arc::new(record))
        }));
    }
    let dir = root.join("jobs");
    let names = names(&dir, beyond);
    if names.is_empty() {
        return;
    }
    // A job is named by the beginning of its session's id.
    let told: HashSet<&str> =
        found.transcripts.iter().filter_map(|it| it.record.session.as_str().get(..8)).collect();
    for name in names.iter().filter(|it| !told.contains(it.as_str())) {
        if scope.is_cancelled() {
            break;
        }
        let bytes = match files.object(&dir.join(name).join("state.json")) {
            Ok(Some(bytes)) => bytes,
            // Other things lie there too.
            Ok(None) => continue,
            Err(problem) => {
                beyond.problems.push(problem);
                continue;
            }
        };
        let Some(record) = jsonl::record::<Job<'_>>(&bytes).and_then(|it| it.record()) else {
            continue;
        };
        let is_open = matches!(record.turn, TurnState::InProgress | TurnState::NeverPrompted);
        if is_open && !claimed.contains(&record.session) {
            match roster.0.get(name).filter(|it| it.session == record.session) {
                Some(worker) => {
                    let session = Some(record.session.clone());
                    let claim = Claim::of(worker.host, session, Source::Registry);
                    let claim = Claim { bond: Bond::Inferred, ..claim };
                    beyond.sightings.push(Sighting::Claimed(claim));
                }
                // Its process is about to be started.
                None if is_young(scope, &record) => continue,
                None => {}
            }
        }
        let forked_from = roster.origin(&record.session).cloned();
        beyond.sightings.push(Sighting::Recorded(Arc::new(Record { forked_from, ..record })));
    }
}

fn is_young(scope: &Scope, record: &Record) -> bool {
    record.created.is_some_and(|it| scope.now.millis_since(it) < STARTING_MS)
}

impl Job<'_> {
    fn record(&self) -> Option<Record> {
        let session = SessionId::parse(&self.session_id)?;
        let is_blocked = self.tempo.get() == "blocked" && !self.needs.is_empty();
        let turn = match self.state.get() {
            // A copy of a session that has not gone on: a turn would have begun with a transcript.
            "working" if is_blocked => TurnState::NeverPrompted,
            "working" => TurnState::InProgress,
            "blocked" => TurnState::Waiting(WaitingFor::Input),
            "done" => TurnState::Completed,
            "failed" => TurnState::Failed(Failure::Model),
            "stopped" => TurnState::Interrupted,
            word => TurnState::Unrecognised(word.to_owned()),
        };
        Some(Record {
            kind: SessionKind::Background,
            prompt: self.intent.kept().map(|it| Prompt::of(&it)),
            cwd: AbsPath::parse(self.cwd.get()),
            created: Timestamp::parse(&self.created_at),
            updated: Timestamp::parse(&self.updated_at),
            ended: Timestamp::parse(&self.first_terminal_at),
            turn,
            certainty: Certainty::Asserted,
            ..Record::new(session, Source::Registry)
        })
    }
}

/// Whether the daemon holds the session ready for a job that nobody has given it yet.
pub(super) fn is_spare(root: &Path, job: &str, session: &SessionId, found: &Found) -> bool {
    let state = root.join("jobs").join(job).join("state.json");
    let is_absent = state.try_exists().is_ok_and(|it| !it);
    !job.is_empty() && is_absent && transcript_of(found, session).is_none()
}
