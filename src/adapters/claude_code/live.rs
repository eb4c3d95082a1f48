//! The registry of live processes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::background::{self, Roster};
use super::starting;
use crate::adapters::Record;
use crate::adapters::evidence::{
    Activity, Claim, Hints, Sighting, TurnState, WaitingFor, problem_at,
};
use crate::adapters::files::{Beyond, Found, Transcript, read_small};
use crate::adapters::jsonl::{self, Text};
use crate::base::{AbsPath, Pid, ProcessRef, SessionId, Timestamp};
use crate::protocol::session::{Problem, ProblemKind, Source};
use crate::scope::Scope;

/// How long a writer may take that rewrites a file in place: a millisecond, but on a busy machine it may have to wait for
/// its turn between emptying and filling it.
const REWRITTEN_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait before a file is read again that its writer has not completed: each time twice as long, so long.
const PAUSES_MS: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// Most names that are read of the registry, and of the jobs: a file is read for each that may be live.
const NAMES_MAX: usize = 2_000;

pub(super) fn observe(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    let mut known = HashSet::new();
    for root in &found.roots {
        let roster = Roster::read(root).unwrap_or_else(|problem| {
            beyond.problems.push(problem);
            Roster::default()
        });
        let first = beyond.sightings.len();
        known.extend(Registry { scope, found, root, roster: &roster }.observe(beyond));
        let claimed = beyond.sightings[first..].iter().filter_map(claimed).collect();
        background::observe(scope, found, root, &roster, &claimed, beyond);
    }
    starting::observe(scope, found, &known, beyond);
}

pub(super) fn claimed(sighting: &Sighting) -> Option<SessionId> {
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
    /// Of a session in the background.
    #[serde(borrow)]
    job_id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    /// `derived` where nobody has given the name.
    #[serde(borrow)]
    name_source: Text<'a>,
    /// `cli` for the interactive interface, `sdk-cli` for `claude -p`, else the program that drives it.
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

/// The registry of one store, and what its records are looked at with.
struct Registry<'a> {
    scope: &'a Scope,
    found: &'a Found,
    root: &'a Path,
    roster: &'a Roster,
}

/// What a registered process is.
enum Entry {
    Session(Claim),
    /// The daemon or one of its workers, or an interface that has handed its session over.
    NoSession,
}

impl Registry<'_> {
    /// Claims the sessions of registered processes. Returns every process that has registered, the daemon's too.
    fn observe(&self, beyond: &mut Beyond) -> HashSet<ProcessRef> {
        let mut processes = HashSet::new();
        let dir = self.root.join("sessions");
        for name in names(&dir, beyond) {
            let Some(pid) = name.strip_suffix(".json").and_then(|it| it.parse().ok()) else {
                continue;
            };
            // Most files that a `kill -9` has left name no process at all.
            let Some(process) = self.scope.processes.get(Pid(pid)) else { continue };
            match self.entry(process.identity, &dir.join(&name)) {
                Ok(Some(entry)) => {
                    processes.insert(process.identity);
                    if let Entry::Session(claim) = entry {
                        beyond.sightings.extend(self.renamed(&claim));
                        beyond.sightings.push(Sighting::Claimed(claim));
                    }
                }
                Ok(None) => {}
                Err(problem) => beyond.problems.push(problem),
            }
        }
        processes
    }

    /// What the file says of the process; nothing where it was left by an earlier process of that id.
    fn entry(&self, process: ProcessRef, path: &Path) -> Result<Option<Entry>, Problem> {
        let Some(bytes) = object(path)? else { return Ok(None) };
        let Some(entry) = jsonl::record::<Registered<'_>>(&bytes) else {
            return Err(problem_at(ProblemKind::Malformed, path, "members of unknown types"));
        };
        if start_ticks(entry.proc_start) != Some(process.start_ticks) {
            return Ok(None);
        }
        let session = SessionId::parse(&entry.session_id);
        if entry.kind.starts_with("daemon")
            || session.as_ref().is_some_and(|it| self.is_elsewhere(&entry, it))
        {
            return Ok(Some(Entry::NoSession));
        }
        let is_background = entry.kind.get() == "bg";
        let is_given = !is_background && !matches!(entry.name_source.get(), "derived" | "auto");
        let arguments = Arguments::of(&self.scope.processes, process);
        let hints = Hints {
            // The name of a background session is its prompt.
            title: entry.name.kept().filter(|_| is_given),
            cwd: AbsPath::parse(entry.cwd.get()),
            created: entry.started_at.and_then(Timestamp::from_millis),
            updated: entry.said_at(),
            is_background,
            // The interface says what it does a moment after it has registered.
            nothing_asked: entry.entrypoint.get() == "cli" || arguments.is_fed(),
            may_be_idle: false,
        };
        let activity = match entry.status.get() {
            "" if arguments.is_one_shot() => Some(Activity::OneTurn),
            _ => activity(&entry).map(|it| sharpened(it, session.as_ref(), self.found)),
        };
        let claim = Claim::of(process, session, Source::Registry);
        Ok(Some(Entry::Session(Claim { activity, hints, ..claim })))
    }

    /// Whether the session goes on in another process, or has not been given to this one yet.
    fn is_elsewhere(&self, entry: &Registered<'_>, session: &SessionId) -> bool {
        if entry.kind.get() == "bg" {
            background::is_spare(self.root, &entry.job_id, session, self.found)
        } else {
            self.roster.has_taken_over(session, entry.said_at())
        }
    }

    /// What the transcript says, with the name that a person has given while the process lives: the transcript
    /// holds it where it was given, which may be in the middle.
    fn renamed(&self, claim: &Claim) -> Option<Sighting> {
        let title = claim.hints.title.as_ref()?;
        let record = &transcript_of(self.found, claim.session.as_ref()?)?.record;
        let is_new = record.title.as_ref() != Some(title);
        is_new.then(|| {
            let record = Record { title: Some(title.clone()), ..(**record).clone() };
            Sighting::Recorded(Arc::new(record))
        })
    }
}

impl Registered<'_> {
    /// When it has last said what it does.
    fn said_at(&self) -> Option<Timestamp> {
        self.status_updated_at.or(self.updated_at).and_then(Timestamp::from_millis)
    }
}

/// When a process started, as the agent's records write it.
pub(super) fn start_ticks(proc_start: Option<&RawValue>) -> Option<u64> {
    proc_start?.get().trim_matches('"').parse().ok()
}

/// The transcript of a session.
pub(super) fn transcript_of<'a>(found: &'a Found, session: &SessionId) -> Option<&'a Transcript> {
    found.transcripts.iter().find(|it| it.record.session == *session)
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
    let transcript = session.and_then(|it| transcript_of(found, it));
    match transcript.map(|it| &it.record.turn) {
        Some(TurnState::Waiting(what)) => Activity::Waiting(*what),
        _ => activity,
    }
}

/// The names in a directory, in order; none where there is no such directory.
pub(super) fn names(dir: &Path, beyond: &mut Beyond) -> Vec<String> {
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

/// The one JSON object that a small file holds; nothing where there is no such file.
pub(super) fn object(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match read_complete(path, thread::sleep) {
        Ok(Some(bytes)) => Ok(Some(bytes)),
        Ok(None) => Err(problem_at(ProblemKind::Malformed, path, "not a complete JSON object")),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads a small file that holds one JSON object; nothing where its writer does not complete it.
fn read_complete(path: &Path, mut wait: impl FnMut(Duration)) -> io::Result<Option<Vec<u8>>> {
    let mut pauses = PAUSES_MS.into_iter().map(Duration::from_millis);
    loop {
        let bytes = read_small(path)?;
        if jsonl::record::<&RawValue>(&bytes).is_some_and(|it| it.get().starts_with('{')) {
            return Ok(Some(bytes));
        }
        match pauses.next() {
            Some(pause) if may_be_in_writing(path)? => wait(pause),
            _ => return Ok(None),
        }
    }
}

fn may_be_in_writing(path: &Path) -> io::Result<bool> {
    // A stamp that lies ahead of the clock is of now as well.
    let age = fs::metadata(path)?.modified()?.elapsed().unwrap_or_default();
    Ok(age < REWRITTEN_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"status":"busy"}"#;
    /// How much older or younger a file is made: no pause of a test takes so long.
    const LONG: Duration = Duration::from_hours(1);

    /// Reads a file of which only a part is there yet; the rest is written during wait number `written_in`, if any.
    /// Returns whether it was read, and how often was waited.
    fn read(part: &str, is_old: bool, written_in: Option<usize>) -> (bool, usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, part).unwrap();
        let now = file.as_file().metadata().unwrap().modified().unwrap();
        let modified = if is_old { now - LONG } else { now + LONG };
        file.as_file().set_modified(modified).unwrap();
        let mut waits = 0;
        let read = read_complete(file.path(), |_| {
            waits += 1;
            if written_in == Some(waits) {
                fs::write(&file, WHOLE).unwrap();
            }
        });
        (read.unwrap().as_deref() == Some(WHOLE.as_bytes()), waits)
    }

    #[test]
    fn what_is_being_written_is_waited_for_and_what_stays_broken_is_not() {
        let last = PAUSES_MS.len();
        assert_eq!(read(WHOLE, false, None), (true, 0));
        for part in ["", r#"{"stat"#] {
            assert_eq!(read(part, false, Some(1)), (true, 1));
            assert_eq!(read(part, false, Some(last)), (true, last));
            assert_eq!(read(part, false, None), (false, last));
            assert_eq!(read(part, true, Some(1)), (false, 0));
        }
    }
}
