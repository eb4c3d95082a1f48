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
//! - A question of the model's (`ask_user`) is a call of a tool that has not ended.
//! - A session that is resumed (`--resume=<id>`) is not taken hold of, nor anything recorded, before it is asked something.
//!
//! Not known: how subagents are recorded; whether questions other than for permission and `ask_user` are recorded while
//! they stand (their names here are the SDK's).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Watched;
use super::evidence::{Bond, Claim, Hints, Sighting};
use super::files::{Beyond, EntryKind, FileAgent, Finder, Found, WentBack, remembered};
use super::live::{Store, away, lock_holders, observe};
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::memo::FileStamp;
use crate::parallel;
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
        blind_spots: "subagents, which are recorded inside their parent's session; \
                      sessions of another store than headcount's (`COPILOT_HOME`), which are seen as processes alone",
    },
    roots,
    watched: |root| vec![Watched::all_below(root.join(SESSIONS))],
    find,
    head: 16 << 10,
    back_to: None,
    parse: events::parse,
    beyond,
    ask: None,
    turns: events::turns,
    went_back: WentBack::Untold,
    beginning: None,
    driver: &drive::DRIVER,
};

/// The sessions, below the root.
const SESSIONS: &str = "session-state";

/// The options that give it a prompt, with the end of which it ends.
const ONE_PROMPT: [&str; 2] = ["-p", "--prompt"];

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
        &found.transcripts,
        WORKSPACES_PER_THREAD,
        || scope.is_cancelled(),
        || (),
        |(), it| it.path.parent().map_or(Ok(None), |dir| workspace(scope, dir)),
    );
    let claims = claims(scope, found, &mut beyond.problems);
    for (transcript, workspace) in found.transcripts.iter().zip(workspaces) {
        match workspace {
            Ok(None) => {}
            Ok(Some(workspace)) => {
                let record = workspace.completed(&transcript.record);
                beyond.sightings.push(Sighting::Recorded(Arc::new(record)));
            }
            Err(problem) => beyond.problems.push(problem),
        }
    }
    beyond.sightings.extend(claims.into_iter().map(Sighting::Claimed));
    usage::count(scope, found, &mut beyond);
    beyond
}

/// The sessions that live processes have open or are about to, and processes that have none.
fn claims(scope: &Scope, found: &Found, problems: &mut Vec<Problem>) -> Vec<Claim> {
    let recorded: BTreeSet<&SessionId> =
        found.transcripts.iter().map(|it| &it.record.session).collect();
    let (mut claims, mut idle) = (Vec::<Claim>::new(), Vec::new());
    let copilots = copilots(&scope.processes);
    let holders =
        if copilots.is_empty() { BTreeMap::new() } else { lock_holders(&scope.processes) };
    // The kernel shows what is open by its real path.
    let real = |root: &PathBuf| fs::canonicalize(root.join(SESSIONS)).ok();
    let stores: Vec<PathBuf> = found.roots.iter().filter_map(real).collect();
    for process in copilots {
        let open = open_sessions(scope, process, &holders, &stores);
        if open.is_empty() {
            idle.push(process);
        }
        for Open { dir, mut claim } in open {
            if claim.session.as_ref().is_some_and(|it| !recorded.contains(it)) {
                match workspace(scope, &dir) {
                    Ok(workspace) => claim.hints = unrecorded(scope, process, workspace.as_deref()),
                    Err(problem) => problems.push(problem),
                }
            }
            claims.push(claim);
        }
    }
    // One that is in use elsewhere is not opened without asking.
    let is_free = |it: &SessionId| {
        recorded.contains(it) && claims.iter().all(|claim| claim.session.as_ref() != Some(it))
    };
    let starting: Vec<_> =
        idle.into_iter().filter_map(|it| starting(scope, it, &is_free)).collect();
    claims.extend(starting);
    claims
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
    stores: &[PathBuf],
) -> Vec<Open> {
    let own = format!("inuse.{}.hold", process.pid);
    let mut open = Vec::new();
    for (_, path) in scope.processes.open_files(process) {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { continue };
        let is_ours = dir.parent().is_some_and(|it| stores.iter().any(|store| it == store));
        let session = dir.file_name().and_then(|it| it.to_str()).and_then(SessionId::parse);
        let (true, Some(session)) = (is_ours && name == own.as_str(), session) else { continue };
        let stamp = fs::metadata(&path).ok().map(|it| FileStamp::of(&it));
        let is_locked =
            stamp.is_some_and(|it| holders.get(&(it.device, it.inode)) == Some(&process));
        let bond = if is_locked { Bond::Asserted } else { Bond::Inferred };
        let claim = Claim { bond, ..Claim::of(process, Some(session), Source::Lock) };
        open.push(Open { dir: dir.to_owned(), claim });
    }
    open
}

/// The claim of a process that has no session open: it starts, asks for a login, or was told to go on with one and was
/// asked nothing yet. Nothing for one that serves an editor or carries out a command.
fn starting(
    scope: &Scope,
    process: ProcessRef,
    may_open: &dyn Fn(&SessionId) -> bool,
) -> Option<Claim> {
    const COMMANDS: [&str; 6] = ["help", "version", "update", "login", "mcp", "plugin"];
    const OPTIONS: [&str; 5] = ["--acp", "--help", "-h", "--version", "-v"];
    let arguments = scope.processes.arguments(process);
    // The prompt may be one of these words.
    let is_command = arguments.get(1).is_some_and(|it| COMMANDS.contains(&it.as_str()))
        || arguments.iter().any(|it| OPTIONS.contains(&it.as_str()));
    let store = Store::of(scope, process, roots);
    if is_command || store == Store::NotOurs {
        return None;
    }
    let live = observe(scope, scope.processes.get(process.pid)?, None);
    if store == Store::Elsewhere {
        return Some(away(process, live.cwd, has_option(arguments, &ONE_PROMPT)));
    }
    let is_asked = is_asked(arguments);
    let nothing_asked = live.is_interactive && !is_asked;
    let hints = Hints { cwd: live.cwd, nothing_asked, ..Hints::default() };
    let resumed = resumed(arguments).filter(|it| !is_asked && may_open(it));
    let claim = Claim::of(process, resumed, Source::Process);
    Some(Claim { bond: Bond::Inferred, hints, ..claim })
}

/// The session that the arguments name by its whole id; they may also name it by a beginning or by its title.
fn resumed(arguments: &[String]) -> Option<SessionId> {
    let named = arguments.iter().enumerate().find_map(|(at, it)| match it.as_str() {
        "--resume" | "-r" => arguments.get(at + 1).map(String::as_str),
        it => it.strip_prefix("--resume="),
    });
    named.and_then(SessionId::parse)
}

/// What is known of a session without records. One that was given its prompt with `-p` is about to write some.
fn unrecorded(scope: &Scope, process: ProcessRef, workspace: Option<&Workspace>) -> Hints {
    let nothing_asked = !is_asked(scope.processes.arguments(process));
    let hints = workspace.map(Workspace::hints).unwrap_or_default();
    Hints { nothing_asked, ..hints }
}

/// Whether the arguments hold a prompt.
fn is_asked(arguments: &[String]) -> bool {
    has_option(arguments, &ONE_PROMPT) || has_option(arguments, &["-i", "--interactive"])
}

fn has_option(arguments: &[String], options: &[&str]) -> bool {
    arguments.iter().any(|it| options.contains(&it.split_once('=').map_or(it.as_str(), |it| it.0)))
}

#[cfg(test)]
mod tests;
