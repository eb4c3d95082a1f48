//! Gemini CLI: append-only chats below `~/.gemini/tmp`, and processes of which few say which chat is theirs.
//!
//! Seen: 0.61.0 on node 20. In `.gemini` of `$GEMINI_CLI_HOME`, else of the home directory:
//!
//! ```text
//! tmp/<slug>/.project_root                              where the project is; no line end
//! tmp/<slug>/chats/session-<start>-<8 of the id>.jsonl  a session; `.json`, whole, in older versions
//! tmp/<slug>/chats/<parent id>/<id>.jsonl               a subagent's
//! projects.json                                         the slug of each directory
//! ```
//!
//! The first line is a header; a line `{"$set":{…}}` changes it, and its `messages` take the place of all before;
//! `{"$rewindTo":"<id>"}` takes that message and all behind it out; any other line is a message, which takes the place of
//! one with its id:
//!
//! ```json
//! {"id":"173e6f43-…","timestamp":"2026-11-22T20:27:29.422Z","type":"gemini","content":"mock reply","thoughts":[],
//!  "tokens":{"input":100,"output":7,"cached":0,"thoughts":0,"tool":0,"total":107},"model":"gemini-2.5-flash"}
//! ```
//!
//! - The first message is Gemini's own `<session_context>`; results of tools come as messages of the user's.
//! - `--resume` goes on in the old file and leaves a second one of the same id that holds nothing else.
//! - A prompt whose model call failed, or that a person cancelled, is taken back out of the messages; in the interface,
//!   what was noted before tells which. One that ends with nothing said removes its chat.
//! - Nothing is locked or held open. Gemini starts itself again as a child with the same arguments: one session,
//!   two processes, of which the child is the one that works. `--session-id` and `--resume` may name the session;
//!   for the others directory and times speak ([`super::pairing`]).
//! - Nothing is recorded while a tool waits for approval or runs: a text before a call looks like an answer until the call
//!   has ended. That nothing is drawn tells that it waits ([`waiting`]).
//!
//! Unknown: subagents' chats (read in the code, not seen).

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Watched;
use super::evidence::{Claim, Record, Sighting};
use super::files::{Beyond, EntryKind, FileAgent, Finder, Found, Transcript, WentBack, remembered};
use super::live;
use super::pairing::{self, Candidate, Live};
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::procs::Process;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, SessionKind};
use crate::scope::Scope;

mod billing;
mod chat;
mod drive;
mod usage;
mod waiting;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("gemini"),
        name: "Gemini CLI",
        binaries: &["gemini"],
        seen_version: "0.61.0",
        live_signal: "a live process that names the session, or that may have touched it in its directory; whether its \
                      terminal is drawn on",
        blind_spots: "what it waits for, and that it does within its first ten seconds, or where settings speak of \
                      `showSpinner`; a tool that runs after the model has said something; \
                      sessions of another store than headcount's (`GEMINI_CLI_HOME`), which are seen as processes alone",
    },
    roots,
    watched: |root| vec![Watched::all_below(root.join("tmp"))],
    find,
    head: 16 << 10,
    back_to: None,
    parse: chat::parse,
    beyond,
    ask: None,
    turns: chat::turns,
    went_back: WentBack::Marked(chat::MARKS),
    beginning: None,
    driver: &drive::DRIVER,
};

fn roots(env: &Env) -> Vec<PathBuf> {
    let home = env.path_var("GEMINI_CLI_HOME").unwrap_or_else(|| env.home().as_path().to_owned());
    vec![home.join(".gemini")]
}

fn find(finder: &mut Finder<'_>, root: &Path) {
    let projects = root.join("tmp");
    for (slug, kind) in finder.entries(&projects) {
        if kind == EntryKind::Directory {
            let chats = projects.join(slug).join("chats");
            for subagents in take_chats(finder, &chats) {
                take_chats(finder, &subagents);
            }
        }
    }
}

/// Takes the chats of a directory, and returns the directories in it.
fn take_chats(finder: &mut Finder<'_>, dir: &Path) -> Vec<PathBuf> {
    let mut below = Vec::new();
    for (name, kind) in finder.entries(dir) {
        let path = dir.join(name);
        if kind == EntryKind::Directory {
            below.push(path);
        } else if path.extension().is_some_and(|it| it == "jsonl" || it == "json") {
            finder.take(path);
        }
    }
    below
}

fn beyond(scope: &Scope, found: &Found) -> Beyond {
    let mut beyond = Beyond::default();
    let mut records = located(scope, found, &mut beyond.problems);
    let (here, elsewhere) = live_processes(scope);
    let claims = pairing::pair(&here, records.iter().filter_map(Candidate::of));
    let is_interface = |process| here.iter().any(|it| it.process == process && it.is_interactive);
    waiting::tell(scope, &found.roots, &claims, is_interface, &mut records);
    // A server that has no session is nobody's.
    let servers: HashSet<ProcessRef> = scope
        .processes
        .iter()
        .filter(|it| is_gemini(scope, it) && is_server(scope.processes.arguments(it.identity)))
        .map(|it| it.identity)
        .collect();
    let claims = claims.into_iter().chain(elsewhere);
    let shown = claims.filter(|it| it.session.is_some() || !servers.contains(&it.process));
    beyond.sightings.extend(shown.map(Sighting::Claimed));
    beyond.sightings.extend(records.into_iter().map(|it| Sighting::Recorded(Arc::new(it))));
    usage::count(scope, found, &mut beyond);
    beyond
}

/// One record for each session, with the directory that only its project knows.
fn located(scope: &Scope, found: &Found, problems: &mut Vec<Problem>) -> Vec<Record> {
    let mut projects: BTreeMap<&Path, Option<AbsPath>> = BTreeMap::new();
    let mut sessions: BTreeMap<&SessionId, Record> = BTreeMap::new();
    for transcript in &found.transcripts {
        let mut record = (*transcript.record).clone();
        if let Some(dir) = project_dir(transcript) {
            let root = projects.entry(dir).or_insert_with(|| {
                project_root(scope, dir).unwrap_or_else(|problem| {
                    problems.push(problem);
                    None
                })
            });
            record.cwd.clone_from(root);
        }
        match sessions.get_mut(&transcript.record.session) {
            Some(known) => *known = one_of(known.clone(), record),
            None => drop(sessions.insert(&transcript.record.session, record)),
        }
    }
    sessions.into_values().collect()
}

/// `tmp/<slug>`, above `chats`.
fn project_dir(transcript: &Transcript) -> Option<&Path> {
    let is_subagent = transcript.record.kind == SessionKind::Subagent;
    transcript.path.ancestors().nth(if is_subagent { 3 } else { 2 })
}

fn project_root(scope: &Scope, dir: &Path) -> Result<Option<AbsPath>, Problem> {
    let path = dir.join(".project_root");
    let root = remembered(scope, "gemini project", &path, |bytes| {
        AbsPath::parse(String::from_utf8_lossy(bytes).trim_end_matches('\n'))
    })?;
    Ok(root.and_then(|it| (*it).clone()))
}

/// Two files of one session: what was said is in one of them, and the other is what `--resume` leaves.
fn one_of(a: Record, b: Record) -> Record {
    let says = |it: &Record| (it.prompt.is_some(), it.updated, it.path.clone());
    let (lead, rest) = if says(&a) >= says(&b) { (a, b) } else { (b, a) };
    Record {
        created: [lead.created, rest.created].into_iter().flatten().min(),
        updated: lead.updated.max(rest.updated),
        title: lead.title.or(rest.title),
        ..lead
    }
}

/// The processes that each may serve a session of this store, and the claims of those whose store is elsewhere; of a
/// Gemini and the child it started itself again as, the child.
fn live_processes(scope: &Scope) -> (Vec<Live>, Vec<Claim>) {
    const COMMANDS: [&str; 10] = [
        "--list-sessions",
        "--delete-session",
        "--list-extensions",
        "--version",
        "-v",
        "--help",
        "-h",
        "mcp",
        "extensions",
        "skills",
    ];
    /// The options that give it a prompt, with the end of which it ends, in a terminal too.
    const ONE_PROMPT: [&str; 2] = ["-p", "--prompt"];
    let all: Vec<&Process> = scope.processes.iter().filter(|it| is_gemini(scope, it)).collect();
    let parents: HashSet<_> = all.iter().map(|it| it.parent).collect();
    let arguments = |it: &Process| scope.processes.arguments(it.identity);
    let agents = all
        .into_iter()
        .filter(|it| !parents.contains(&it.identity.pid))
        .filter(|it| !has_option(arguments(it), &COMMANDS));
    live::by_store(scope, agents, roots, |it| {
        let arguments = arguments(it);
        let live = live::observe(scope, it, named_session(arguments));
        let is_interactive = live.is_interactive && !has_option(arguments, &ONE_PROMPT);
        let is_one_shot = !is_interactive && !is_server(arguments);
        Live { is_interactive, is_one_shot, ..live }
    })
}

/// Whether the process runs Gemini: node, with its script.
fn is_gemini(scope: &Scope, process: &Process) -> bool {
    if !matches!(
        process.comm.as_str(),
        "node" | "node-MainThread" | "MainThread" | "bun" | "gemini"
    ) {
        return false;
    }
    let arguments = scope.processes.arguments(process.identity);
    let script = arguments.iter().skip(1).find(|it| !it.starts_with('-'));
    script.is_some_and(|it| {
        let path = Path::new(it);
        path.file_name().is_some_and(|name| name == "gemini" || name == "gemini.js")
            || path.ends_with("gemini-cli/dist/index.js")
    })
}

/// Whether a Gemini with these arguments serves the sessions of an editor, one of which is not all of it.
fn is_server(arguments: &[String]) -> bool {
    has_option(arguments, &["--acp", "--experimental-acp"])
}

fn has_option(arguments: &[String], options: &[&str]) -> bool {
    arguments.iter().skip(1).take_while(|it| *it != "--").any(|it| options.contains(&it.as_str()))
}

/// The session that the arguments name by its id; `--resume latest` and `--resume 3` name none.
fn named_session(arguments: &[String]) -> Option<SessionId> {
    const OPTIONS: [&str; 3] = ["--session-id", "--resume", "-r"];
    let mut arguments = arguments.iter().map(String::as_str).take_while(|it| *it != "--");
    while let Some(argument) = arguments.next() {
        let value = match argument.split_once('=') {
            Some((option, value)) if OPTIONS.contains(&option) => Some(value),
            _ if OPTIONS.contains(&argument) => arguments.next(),
            _ => None,
        };
        if let Some(id) = value.filter(|it| uuid::Uuid::try_parse(it).is_ok()) {
            return SessionId::parse(id);
        }
    }
    None
}

#[cfg(test)]
mod tests;
