//! Processes that are not registered: at their first questions, only just started, or about to end.
//!
//! Claude Code 2.1.197 registers when it has a session. Until a person has chosen a theme, has logged in and has
//! trusted the directory, however long that takes, the process is all there is of it. It leaves the registry before
//! it ends: a tenth of a second, or as long as hooks at the end of a session take.

use std::collections::HashSet;
use std::path::Path;

use super::arguments::Arguments;
use super::live::claimed;
use crate::adapters::evidence::{Activity, Bond, Claim, Hints, Sighting};
use crate::adapters::files::{Beyond, Found, Transcript};
use crate::adapters::live::{self, Store};
use crate::adapters::pairing::Live;
use crate::base::{AbsPath, ProcessRef, SessionId};
use crate::procs::{Process, ProcessTable};
use crate::protocol::session::{SessionKind, Source};
use crate::scope::Scope;

/// How long ago a process without a terminal may have written the last of its session and still be about to end: a hook
/// that runs then was seen to hold it for seconds.
const ENDING_MS: i64 = 10_000;

/// First arguments with which `claude` holds no session (2.1.197): commands, questions, what a browser or a cloud starts it
/// as, and how its daemon names what is none yet.
const NO_SESSION: [&str; 39] = [
    "agents",
    "attach",
    "auth",
    "auto-mode",
    "bridge",
    "daemon",
    "doctor",
    "gateway",
    "install",
    "kill",
    "logs",
    "mcp",
    "plugin",
    "plugins",
    "project",
    "rc",
    "remote",
    "remote-control",
    "respawn",
    "rm",
    "setup-token",
    "stop",
    "sync",
    "ultrareview",
    "update",
    "upgrade",
    "--bg",
    "--chrome-native-host",
    "--claude-in-chrome-mcp",
    "--computer-use-mcp",
    "--daemon-worker",
    "--help",
    "--preload",
    "--update",
    "--upgrade",
    "--version",
    "-V",
    "-h",
    "-v",
];

/// So many UTF-16 units of a directory are in the name of its project; a checksum follows where it has more.
const PROJECT_MAX: usize = 200;

/// Claims the processes that are not among the registered: those of this store with the sessions that their arguments
/// name, and those that keep their sessions elsewhere with none.
pub(super) fn observe(
    scope: &Scope,
    found: &Found,
    registered: &HashSet<ProcessRef>,
    beyond: &mut Beyond,
) {
    let owned: HashSet<SessionId> = beyond.sightings.iter().filter_map(claimed).collect();
    for process in scope.processes.iter().filter(|it| !registered.contains(&it.identity)) {
        if !is_agent(&scope.processes, process) {
            continue;
        }
        let claim = match Store::of(scope, process.identity, super::roots) {
            Store::Here => claim(scope, found, &owned, process),
            Store::Elsewhere => Some(away(scope, process)),
            Store::NotOurs => None,
        };
        beyond.sightings.extend(claim.map(Sighting::Claimed));
    }
}

fn away(scope: &Scope, process: &Process) -> Claim {
    let is_one_shot = Arguments::of(&scope.processes, process.identity).is_one_shot();
    let cwd = scope.processes.cwd(process.identity).and_then(AbsPath::parse);
    live::away(process.identity, cwd, is_one_shot)
}

/// The claim of a process; nothing where it is about to end and does not say of which session.
fn claim(
    scope: &Scope,
    found: &Found,
    owned: &HashSet<SessionId>,
    process: &Process,
) -> Option<Claim> {
    let arguments = Arguments::of(&scope.processes, process.identity);
    let session = arguments.session();
    let seen = live::observe(scope, process, session.clone());
    let is_one_shot = arguments.is_one_shot();
    let is_left = || {
        // An interface may have begun another session than its arguments say.
        let is_its = |it: &Transcript| session.as_ref() == Some(&it.record.session);
        last_left(scope, found, owned, &seen).is_some_and(|it| !is_its(it))
    };
    if (session.is_none() || !is_one_shot) && is_left() {
        return None;
    }
    let hints = Hints {
        nothing_asked: seen.is_interactive || arguments.is_fed(),
        cwd: seen.cwd,
        ..Hints::default()
    };
    let activity = is_one_shot.then_some(Activity::OneTurn);
    let claim = Claim::of(process.identity, session, Source::Process);
    Some(Claim { bond: Bond::Inferred, activity, hints, ..claim })
}

/// The transcript in the process's project that was written last, if the process could have done it, and nobody else owns
/// the session. A person may leave a session long after its last word, and one who is asked the first questions is seldom
/// overtaken by another there; a process without a terminal wrote it just now.
fn last_left<'a>(
    scope: &Scope,
    found: &'a Found,
    owned: &HashSet<SessionId>,
    process: &Live,
) -> Option<&'a Transcript> {
    let (started, cwd) = (process.started?, process.cwd.as_ref()?);
    let project = project(cwd.as_path());
    let is_of_project = |it: &Transcript| {
        let folder = it.path.parent().and_then(Path::file_name).and_then(|it| it.to_str());
        folder.is_some_and(|it| it.chars().take(PROJECT_MAX).eq(project.chars()))
    };
    let is_left = |it: &&Transcript| {
        let written = it.stamp.modified_millis();
        let is_recent = || scope.now.as_millis() - written < ENDING_MS;
        written >= started.as_millis()
            && (process.is_interactive || is_recent())
            && it.record.kind != SessionKind::Subagent
            && !owned.contains(&it.record.session)
            && is_of_project(it)
    };
    found.transcripts.iter().filter(is_left).max_by_key(|it| it.stamp.modified_ns)
}

/// The name that Claude Code gives the folder of a directory's sessions, as far as it is made of the directory's.
pub(super) fn project(cwd: &Path) -> String {
    let plain = |it: u16| {
        let plain = u8::try_from(it).ok().filter(u8::is_ascii_alphanumeric);
        plain.map_or('-', char::from)
    };
    cwd.to_string_lossy().encode_utf16().map(plain).take(PROJECT_MAX).collect()
}

fn is_agent(processes: &ProcessTable, process: &Process) -> bool {
    // The kernel names what was started by its file until it names itself.
    let is_claude = |it: &Process| matches!(it.comm.as_str(), "claude" | "claude.exe");
    // What it has forked looks like itself until it runs a tool, and what its daemon starts is told by its job.
    let is_held = || processes.get(process.parent).is_some_and(is_claude);
    if !is_claude(process) || is_held() {
        return false;
    }
    let arguments = Arguments::of(processes, process.identity);
    let (name, first) = arguments.beginning();
    // Its search tool is the same program under another name.
    let name = Path::new(name).file_name().and_then(|it| it.to_str());
    matches!(name, Some("claude" | "claude.exe"))
        && !NO_SESSION.contains(&first)
        && !first.starts_with("--bg-")
}
