//! GitHub Copilot CLI: a directory a session below `$COPILOT_HOME/session-state`, and the lock its process holds there.
//!
//! Seen: 1.0.102. In `$COPILOT_HOME`, else `~/.copilot`:
//!
//! ```text
//! session-state/<session id>/events.jsonl       what happened; not there before the first prompt
//! session-state/<session id>/workspace.yaml     id, cwd, branch, name; flat, read by hand in `workspace`
//! session-state/<session id>/inuse.<pid>.hold   empty; flocked by the process that has the session open
//! session-state/<session id>/inuse.<pid>.lock   the same pid as text; tells nothing more
//! ```
//!
//! One record a line, and all that a turn does is among them, questions to the person too:
//!
//! ```json
//! {"type":"assistant.turn_end","data":{"turnId":"0"},"id":"5e394c89-…","timestamp":"2026-11-22T20:29:58.414Z",
//!  "parentId":"392cc60a-…"}
//! ```
//!
//! - Both `inuse` files go with a normal end and with SIGTERM; SIGKILL leaves them. So they mean nothing without
//!   a holder: the process of that id that has the file open or locked now.
//! - The program is one native file; it calls itself `MainThread`.
//! - Tokens stand in `session.usage_record`, one for each call of the model. Input includes what a cache served.
//!
//! Not known: how subagents are recorded; whether questions other than for permission are recorded while they
//! stand (their names here are the SDK's).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Watched;
use super::evidence::{Bond, Claim, Hints, Sighting};
use super::files::{Beyond, EntryKind, FileAgent, Finder, Found, TAIL, remembered};
use super::live::{lock_holders, observe, uses_store};
use super::parallel;
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::memo::FileStamp;
use crate::procs::{Process, ProcessTable};
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, Source};
use crate::scope::Scope;

mod drive;
mod events;
mod usage;
pub mod workspace;

use workspace::Workspace;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("copilot"),
        name: "GitHub Copilot CLI",
        binaries: &["copilot"],
        seen_version: "1.0.102",
        live_signal: "the kernel's lock on `inuse.<pid>.hold` in the session's directory",
        blind_spots: "subagents, which are recorded inside their parent's session",
    },
    roots,
    watched: |root| vec![Watched::all_below(root.join(SESSIONS))],
    find,
    head: 16 << 10,
    tail: TAIL,
    parse: events::parse,
    beyond,
    ask: None,
    turns: events::turns,
    link: None,
    driver: &drive::DRIVER,
};

/// The sessions, below the root.
const SESSIONS: &str = "session-state";

/// Workspaces worth a thread: a file of some 300 bytes each.
const WORKSPACES_PER_THREAD: usize = 64;

fn roots(env: &Env) -> Vec<PathBuf> {
    vec![env.path_var("COPILOT_HOME").unwrap_or_else(|| env.in_home(".copilot"))]
}

fn find(finder: &mut Finder<'_>, root: &Path) {
    let sessions = root.join(SESSIONS);
    for (name, kind) in finder.entries(&sessions) {
        if kind == EntryKind::Directory && SessionId::parse(&name).is_some() {
            finder.take(sessions.join(name).join("events.jsonl"));
        }
    }
}

fn beyond(scope: &Scope, found: &Found) -> Beyond {
    let mut beyond = Beyond::default();
    let workspaces = parallel::map(
        scope,
        &found.transcripts,
        WORKSPACES_PER_THREAD,
        || (),
        |(), it| it.path.parent().map_or(Ok(None), |dir| workspace(scope, dir)),
    );
    for (transcript, workspace) in found.transcripts.iter().zip(workspaces) {
        match workspace {
            Ok(Some(workspace)) => {
                let record = workspace.completed(&transcript.record);
                beyond.sightings.push(Sighting::Recorded(Arc::new(record)));
            }
            Ok(None) => {}
            Err(problem) => beyond.problems.push(problem),
        }
    }
    let recorded: BTreeSet<&SessionId> =
        found.transcripts.iter().map(|it| &it.record.session).collect();
    let copilots = copilots(&scope.processes);
    let holders =
        if copilots.is_empty() { BTreeMap::new() } else { lock_holders(&scope.processes) };
    for process in copilots {
        let open = open_sessions(scope, process, &holders, found);
        if open.is_empty() {
            beyond.sightings.extend(starting(scope, process).map(Sighting::Claimed));
        }
        for Open { dir, mut claim } in open {
            if claim.session.as_ref().is_some_and(|it| !recorded.contains(it)) {
                match workspace(scope, &dir) {
                    Ok(workspace) => claim.hints = unrecorded(scope, process, workspace.as_deref()),
                    Err(problem) => beyond.problems.push(problem),
                }
            }
            beyond.sightings.push(Sighting::Claimed(claim));
        }
    }
    usage::count(scope, found, &mut beyond);
    beyond
}

/// The workspace of a session; nothing where it has none.
fn workspace(scope: &Scope, dir: &Path) -> Result<Option<Arc<Workspace>>, Problem> {
    remembered(scope, "copilot workspace", &dir.join("workspace.yaml"), |bytes| {
        Workspace::parse(&String::from_utf8_lossy(bytes))
    })
}

/// The processes that run Copilot itself.
fn copilots(processes: &ProcessTable) -> Vec<ProcessRef> {
    let is_copilot = |it: &&Process| {
        matches!(it.comm.as_str(), "MainThread" | "copilot")
            && processes
                .exe(it.identity)
                .is_some_and(|it| it.file_name() == Some("copilot".as_ref()))
    };
    processes.iter().filter(is_copilot).map(|it| it.identity).collect()
}

/// A session that a process has open.
struct Open {
    dir: PathBuf,
    claim: Claim,
}

/// The sessions of this store whose `hold` of its own the process has open. Where the kernel's table shows the
/// lock on it, that is the kernel's word; elsewhere the open file is as good as we get.
fn open_sessions(
    scope: &Scope,
    process: ProcessRef,
    holders: &BTreeMap<(u64, u64), ProcessRef>,
    found: &Found,
) -> Vec<Open> {
    let own = format!("inuse.{}.hold", process.pid);
    let mut open = Vec::new();
    for (_, path) in scope.processes.open_files(process) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let is_ours =
            dir.parent().is_some_and(|it| found.roots.iter().any(|root| it == root.join(SESSIONS)));
        let session = dir.file_name().and_then(|it| it.to_str()).and_then(SessionId::parse);
        let (true, Some(session)) = (is_ours && name == own.as_str(), session) else { continue };
        let stamp = std::fs::metadata(&path).ok().map(|it| FileStamp::of(&it));
        let is_locked =
            stamp.is_some_and(|it| holders.get(&(it.device, it.inode)) == Some(&process));
        let bond = if is_locked { Bond::Asserted } else { Bond::Inferred };
        let claim = Claim { bond, ..Claim::of(process, Some(session), Source::Lock) };
        open.push(Open { dir: dir.to_owned(), claim });
    }
    open
}

/// The claim of a process that has no session open: it starts, or asks for a login. Nothing for one that serves
/// an editor or carries out a command.
fn starting(scope: &Scope, process: ProcessRef) -> Option<Claim> {
    const COMMANDS: [&str; 6] = ["help", "version", "update", "login", "mcp", "plugin"];
    const OPTIONS: [&str; 5] = ["--acp", "--help", "-h", "--version", "-v"];
    let arguments = scope.processes.arguments(process);
    // The prompt may be one of these words.
    let is_command = arguments.get(1).is_some_and(|it| COMMANDS.contains(&it.as_str()))
        || arguments.iter().any(|it| OPTIONS.contains(&it.as_str()));
    if is_command || !uses_store(scope, process, roots) {
        return None;
    }
    let live = observe(scope, scope.processes.get(process.pid)?, None);
    let nothing_asked = live.is_interactive && !is_asked(&arguments);
    let hints = Hints { cwd: live.cwd, nothing_asked, ..Hints::default() };
    let claim = Claim::of(process, None, Source::Process);
    Some(Claim { bond: Bond::Inferred, hints, ..claim })
}

/// What is known of a session without records. One that was given its prompt with `-p` is about to write some.
fn unrecorded(scope: &Scope, process: ProcessRef, workspace: Option<&Workspace>) -> Hints {
    let nothing_asked = !is_asked(&scope.processes.arguments(process));
    let hints = workspace.map(Workspace::hints).unwrap_or_default();
    Hints { nothing_asked, ..hints }
}

/// Whether the arguments hold a prompt.
fn is_asked(arguments: &[String]) -> bool {
    arguments.iter().any(|it| {
        let option = it.split_once('=').map_or(it.as_str(), |it| it.0);
        matches!(option, "-p" | "--prompt" | "-i" | "--interactive")
    })
}

#[cfg(test)]
mod tests;
