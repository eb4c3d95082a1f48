//! The registry of live processes, and the jobs that no process has registered for yet.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::starting;
use crate::adapters::Record;
use crate::adapters::evidence::{
    Activity, Bond, Claim, Hints, Prompt, Sighting, TurnState, WaitingFor, problem_at,
};
use crate::adapters::files::{Beyond, Found, read_small};
use crate::adapters::jsonl::{self, Text};
use crate::base::{AbsPath, Pid, ProcessRef, SessionId, Timestamp};
use crate::protocol::session::{Certainty, Problem, ProblemKind, SessionKind, Source};
use crate::scope::Scope;

/// How often a file is read that its writer has not completed: it is rewritten in place, within a millisecond.
const ATTEMPTS: usize = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(2);

/// Most names that are read of the registry, and of the jobs: a file is read for each that may be live.
const NAMES_MAX: usize = 2_000;

pub(super) fn observe(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let mut known = HashSet::new();
    for root in &found.roots {
        let first = beyond.sightings.len();
        known.extend(registered(scope, found, &root.join("sessions"), beyond));
        let claimed = beyond.sightings[first..].iter().filter_map(claimed).collect();
        jobs(scope, found, root, &claimed, beyond);
    }
    starting::observe(scope, &known, beyond);
}

fn claimed(sighting: &Sighting) -> Option<SessionId> {
    match sighting {
        Sighting::Claimed(claim) => claim.session.clone(),
        _ => None,
    }
}

/// `sessions/<pid>.json`
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Registered<'a> {
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    cwd: Text<'a>,
    started_at: Option<i64>,
    /// Field 22 of `/proc/<pid>/stat`, as a text.
    #[serde(borrow)]
    proc_start: Option<&'a RawValue>,
    /// `interactive`, also for `claude -p`; `bg`; the daemon and its workers, which are no sessions.
    #[serde(borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    /// `derived` where nobody has given the name.
    #[serde(borrow)]
    name_source: Text<'a>,
    /// `cli` for the interactive interface.
    #[serde(borrow)]
    entrypoint: Text<'a>,
    /// Only the interactive interface and background sessions have it.
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    waiting_for: Text<'a>,
    updated_at: Option<i64>,
    status_updated_at: Option<i64>,
}

/// Claims the sessions of registered processes. Returns every process that has registered, the daemon's too.
fn registered(
    scope: &Scope,
    found: &Found,
    dir: &Path,
    beyond: &mut Beyond,
) -> HashSet<ProcessRef> {
    let mut processes = HashSet::new();
    for name in names(dir, beyond) {
        let Some(pid) = name.strip_suffix(".json").and_then(|it| it.parse().ok()) else { continue };
        // Most files that a `kill -9` has left name no process at all.
        let Some(process) = scope.processes.get(Pid(pid)) else { continue };
        match entry(process.identity, &dir.join(&name), found) {
            Ok(Some(entry)) => {
                processes.insert(process.identity);
                if let Entry::Session(claim) = entry {
                    beyond.sightings.push(Sighting::Claimed(claim));
                }
            }
            Ok(None) => {}
            Err(problem) => beyond.problems.push(problem),
        }
    }
    processes
}

/// What a registered process is.
enum Entry {
    Session(Claim),
    /// The daemon or one of its workers.
    Daemon,
}

/// What the file says of the process; nothing where it was left by an earlier process of that id.
fn entry(process: ProcessRef, path: &Path, found: &Found) -> Result<Option<Entry>, Problem> {
    let bytes = match read_complete(path) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Err(problem_at(ProblemKind::Malformed, path, "not a complete JSON object"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
    };
    let Some(entry) = jsonl::record::<Registered<'_>>(&bytes) else {
        return Err(problem_at(ProblemKind::Malformed, path, "members of unknown types"));
    };
    let started = entry.proc_start.and_then(|it| it.get().trim_matches('"').parse().ok());
    if started != Some(process.start_ticks) {
        return Ok(None);
    }
    if entry.kind.starts_with("daemon") {
        return Ok(Some(Entry::Daemon));
    }
    let session = SessionId::parse(&entry.session_id);
    let is_background = entry.kind.get() == "bg";
    let activity = activity(&entry).map(|it| sharpened(it, session.as_ref(), found));
    // The name of a background session is its prompt.
    let is_given = !is_background && entry.name_source.get() != "derived";
    let hints = Hints {
        title: entry.name.kept().filter(|_| is_given),
        cwd: AbsPath::parse(entry.cwd.get()),
        created: entry.started_at.and_then(Timestamp::from_millis),
        updated: entry.status_updated_at.or(entry.updated_at).and_then(Timestamp::from_millis),
        is_background,
        // The interface says what it does a moment after it has registered.
        nothing_asked: entry.entrypoint.get() == "cli",
    };
    let claim = Claim::of(process, session, Source::Registry);
    Ok(Some(Entry::Session(Claim { activity, hints, ..claim })))
}

fn activity(entry: &Registered<'_>) -> Option<Activity> {
    Some(match entry.status.get() {
        "" => return None,
        "busy" => Activity::Busy,
        // A command in the background; when it ends, a turn begins by itself.
        "shell" => Activity::Background,
        "idle" => Activity::Idle,
        "waiting" => Activity::Waiting(match entry.waiting_for.get() {
            "permission prompt" | "worker request" | "sandbox request" => WaitingFor::Permission,
            // `input needed`, `dialog open`, and what later versions may wait for.
            _ => WaitingFor::Input,
        }),
        word => Activity::Unrecognised(word.to_owned()),
    })
}

/// The registry knows that a person is asked, the transcript what: a question and a plan are tools to it.
fn sharpened(activity: Activity, session: Option<&SessionId>, found: &Found) -> Activity {
    let is_waiting = matches!(activity, Activity::Waiting(_));
    let session = session.filter(|_| is_waiting);
    let transcript =
        session.and_then(|id| found.transcripts.iter().find(|it| it.record.session == *id));
    match transcript.map(|it| &it.record.turn) {
        Some(TurnState::Waiting(what)) => Activity::Waiting(*what),
        _ => activity,
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

/// Jobs whose session has no transcript: for some seconds after its start, a job is nothing else.
fn jobs(
    scope: &Scope,
    found: &Found,
    root: &Path,
    claimed: &HashSet<SessionId>,
    beyond: &mut Beyond,
) {
    let dir = root.join("jobs");
    let names = names(&dir, beyond);
    if names.is_empty() {
        return;
    }
    // A job is named by the beginning of its session's id.
    let told: HashSet<&str> =
        found.transcripts.iter().filter_map(|it| it.record.session.as_str().get(..8)).collect();
    for name in names.iter().filter(|it| !told.contains(it.as_str())) {
        let path = dir.join(name).join("state.json");
        let bytes = match read_complete(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let problem = problem_at(ProblemKind::Malformed, &path, "not a JSON object");
                beyond.problems.push(problem);
                continue;
            }
            // Other things lie there too.
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                let problem = problem_at(ProblemKind::Unreadable, &path, error.to_string());
                beyond.problems.push(problem);
                continue;
            }
        };
        let record = jsonl::record::<Job<'_>>(&bytes).and_then(|it| it.record());
        let Some(record) = record else { continue };
        if !claimed.contains(&record.session) && record.turn == TurnState::InProgress {
            beyond.sightings.extend(host(scope, root, name, &record).map(Sighting::Claimed));
        }
        beyond.sightings.push(Sighting::Recorded(Arc::new(record)));
    }
}

impl Job<'_> {
    fn record(&self) -> Option<Record> {
        let session = SessionId::parse(&self.session_id)?;
        let turn = match self.state.get() {
            "working" => TurnState::InProgress,
            "blocked" => TurnState::Waiting(WaitingFor::Input),
            "done" => TurnState::Completed,
            "failed" => TurnState::Failed(crate::adapters::evidence::Failure::Model),
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

/// `daemon/roster.json`. It holds secrets beside this, which are not looked at.
#[derive(Deserialize)]
struct Roster<'a> {
    #[serde(borrow)]
    workers: std::collections::HashMap<String, Worker<'a>>,
}

#[derive(Deserialize)]
struct Worker<'a> {
    pid: i32,
    #[serde(borrow, default, rename = "sessionId")]
    session_id: Text<'a>,
}

/// The daemon's process that will run the job: the session lives in it before it has registered itself.
fn host(scope: &Scope, root: &Path, job: &str, record: &Record) -> Option<Claim> {
    let bytes = read_small(&root.join("daemon/roster.json")).ok()?;
    let roster = jsonl::record::<Roster<'_>>(&bytes)?;
    let worker = roster.workers.get(job)?;
    let process = scope.processes.get(Pid(worker.pid)).filter(|it| it.comm == "claude")?;
    let is_same = worker.session_id.get() == record.session.as_str();
    // The roster does not say when the process started: that it bears the agent's name has to do.
    let claim = Claim::of(process.identity, Some(record.session.clone()), Source::Registry);
    is_same.then_some(Claim { bond: Bond::Inferred, ..claim })
}

/// The names in a directory, in order; none where there is no such directory.
fn names(dir: &Path, beyond: &mut Beyond) -> Vec<String> {
    let listing = match fs::read_dir(dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            beyond.problems.push(problem_at(ProblemKind::Unreadable, dir, error.to_string()));
            return Vec::new();
        }
    };
    let name = |it: io::Result<fs::DirEntry>| it.ok()?.file_name().into_string().ok();
    let mut names: Vec<_> = listing.filter_map(name).take(NAMES_MAX + 1).collect();
    if names.len() > NAMES_MAX {
        names.truncate(NAMES_MAX);
        let message = format!("more than {NAMES_MAX} files, of which the rest is left out");
        beyond.problems.push(problem_at(ProblemKind::Limit, dir, message));
    }
    names.sort_unstable();
    names
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads a small file that holds one JSON object; nothing where its writer does not complete it.
fn read_complete(path: &Path) -> io::Result<Option<Vec<u8>>> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(BETWEEN_ATTEMPTS);
        }
        let bytes = read_small(path)?;
        if jsonl::record::<&RawValue>(&bytes).is_some_and(|it| it.get().starts_with('{')) {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}
