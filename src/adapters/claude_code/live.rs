//! The registry of live processes.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::arguments::Arguments;
use super::background::{self, Roster};
use super::{asking, starting};
use crate::adapters::Record;
use crate::adapters::evidence::{
    Activity, Claim, Hints, Sighting, TurnState, WaitingFor, problem_at,
};
use crate::adapters::files::{Beyond, Found, Rewritten, Transcript, names_in};
use crate::adapters::jsonl::{self, Text};
use crate::base::{AbsPath, Pid, ProcessRef, SessionId, Timestamp};
use crate::protocol::session::{Problem, ProblemKind, Source};
use crate::scope::Scope;

/// Most names that are read of the registry, and of the jobs: a file is read for each that may be live.
const NAMES_MAX: usize = 2_000;

pub(super) fn observe(scope: &Scope, found: &Found, files: &Rewritten<'_>, beyond: &mut Beyond) {
    let mut known = HashSet::new();
    for root in &found.roots {
        let roster = Roster::read(root, files).unwrap_or_else(|problem| {
            beyond.problems.push(problem);
            Roster::default()
        });
        let first = beyond.sightings.len();
        let look = Look { scope, found, root, roster, files };
        known.extend(registered(&look, beyond));
        let claimed = beyond.sightings[first..].iter().filter_map(claimed).collect();
        background::observe(&look, &claimed, beyond);
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
    #[serde(deserialize_with = "jsonl::or_nothing")]
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
    #[serde(deserialize_with = "jsonl::or_nothing")]
    updated_at: Option<i64>,
    #[serde(deserialize_with = "jsonl::or_nothing")]
    status_updated_at: Option<i64>,
}

/// One store, and what is known of it when its live records are looked at.
pub(super) struct Look<'a> {
    pub(super) scope: &'a Scope,
    pub(super) found: &'a Found,
    pub(super) root: &'a Path,
    pub(super) roster: Roster,
    pub(super) files: &'a Rewritten<'a>,
}

/// What a registered process is.
enum Entry {
    Session(Claim),
    /// The daemon or one of its workers, or an interface that has handed its session over.
    NoSession,
}

/// Claims the sessions of registered processes. Returns every process that has registered, the daemon's too.
fn registered(look: &Look<'_>, beyond: &mut Beyond) -> HashSet<ProcessRef> {
    let mut processes = HashSet::new();
    let dir = look.root.join("sessions");
    for name in names(&dir, beyond) {
        if look.scope.is_cancelled() {
            break;
        }
        let Some(pid) = name.strip_suffix(".json").and_then(|it| it.parse().ok()) else {
            continue;
        };
        // Most files that a `kill -9` has left name no process at all.
        let Some(process) = look.scope.processes.get(Pid(pid)) else { continue };
        match look.entry(process.identity, &dir.join(&name)) {
            Ok(Some(entry)) => {
                processes.insert(process.identity);
                if let Entry::Session(claim) = entry {
                    beyond.sightings.extend(look.renamed(&claim));
                    beyond.sightings.push(Sighting::Claimed(claim));
                }
            }
            Ok(None) => {}
            Err(problem) => beyond.problems.push(problem),
        }
    }
    processes
}

impl Look<'_> {
    /// What the file says of the process; nothing where it was left by an earlier process of that id.
    fn entry(&self, process: ProcessRef, path: &Path) -> Result<Option<Entry>, Problem> {
        let Some(bytes) = self.files.object(path)? else { return Ok(None) };
        let Some(entry) = jsonl::record::<Registered<'_>>(&bytes) else {
            return Err(problem_at(ProblemKind::Malformed, path, "members of unknown types"));
        };
        let Some(start_ticks) = start_ticks(entry.proc_start) else {
            let message = "it does not say when its process started";
            return Err(problem_at(ProblemKind::Malformed, path, message));
        };
        if start_ticks != process.start_ticks {
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
        let activity = match activity {
            Some(Activity::Busy) if self.is_asked(&entry, session.as_ref()) => {
                Some(Activity::Waiting(WaitingFor::Question))
            }
            activity => activity,
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

    /// Whether a server of tools asks a person for something, in a turn of which the registry only says that it goes on.
    fn is_asked(&self, entry: &Registered<'_>, session: Option<&SessionId>) -> bool {
        let (Some(session), Some(busy)) = (session, entry.said_at()) else { return false };
        asking::is_asked(self.scope, Path::new(entry.cwd.get()), session, busy)
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

/// What a live record says that its process does; nothing where the transcript has to tell.
fn activity(entry: &Registered<'_>) -> Option<Activity> {
    Some(match entry.status.get() {
        "" => return None,
        // A person looks through a menu (`/status`, `/resume`), and the word for that hides whether a turn goes on.
        "waiting" if entry.waiting_for.get() == "dialog open" => return None,
        "busy" => Activity::Busy,
        // A command in the background; when it ends, a turn begins by itself.
        "shell" => Activity::Background,
        "idle" => Activity::Idle,
        "waiting" => Activity::Waiting(match entry.waiting_for.get() {
            "permission prompt" | "worker request" | "sandbox request" => WaitingFor::Permission,
            // `input needed`, and what later versions may wait for.
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
    names_in(dir, NAMES_MAX, &mut beyond.problems)
}
