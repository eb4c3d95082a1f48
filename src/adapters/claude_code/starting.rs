//! Processes that have not registered: at their first questions, or only just started.
//!
//! Claude Code 2.1.197 registers when it has a session. Until a person has chosen a theme, has logged in and has
//! trusted the directory, however long that takes, the process is all there is of it.

use std::collections::HashSet;
use std::path::Path;

use crate::adapters::evidence::{Bond, Claim, Hints, Sighting};
use crate::adapters::files::Beyond;
use crate::adapters::live;
use crate::base::ProcessRef;
use crate::procs::{Process, ProcessTable};
use crate::protocol::session::Source;
use crate::scope::Scope;

/// Commands of `claude` that hold no session (2.1.197), and how its daemon names what is none yet.
const NO_SESSION: [&str; 19] = [
    "agents",
    "attach",
    "auth",
    "auto-mode",
    "daemon",
    "doctor",
    "gateway",
    "install",
    "logs",
    "mcp",
    "plugin",
    "plugins",
    "project",
    "setup-token",
    "stop",
    "ultrareview",
    "update",
    "upgrade",
    "--bg",
];

/// Claims the processes of this store that are not among the registered, as processes without a session.
pub(super) fn observe(scope: &Scope, registered: &HashSet<ProcessRef>, beyond: &mut Beyond) {
    let is_starting = |it: &&Process| {
        !registered.contains(&it.identity)
            && is_agent(&scope.processes, it)
            && live::uses_store(scope, it.identity, super::roots)
    };
    for process in scope.processes.iter().filter(is_starting) {
        let seen = live::observe(scope, process, None);
        let hints = Hints { cwd: seen.cwd, nothing_asked: seen.is_interactive, ..Hints::default() };
        let claim = Claim::of(process.identity, None, Source::Process);
        let claim = Claim { bond: Bond::Inferred, hints, ..claim };
        beyond.sightings.push(Sighting::Claimed(claim));
    }
}

fn is_agent(processes: &ProcessTable, process: &Process) -> bool {
    let is_claude = |it: &Process| it.comm == "claude";
    // What it has forked looks like itself until it runs a tool, and what its daemon starts is told by its job.
    let is_held = || processes.get(process.parent).is_some_and(is_claude);
    if !is_claude(process) || is_held() {
        return false;
    }
    let arguments = processes.arguments(process.identity);
    let mut arguments = arguments.iter().map(String::as_str);
    // Its search tool is the same program under another name.
    let name = arguments.next().and_then(|it| Path::new(it).file_name()?.to_str());
    let first = arguments.next().unwrap_or_default();
    matches!(name, Some("claude" | "claude.exe"))
        && !NO_SESSION.contains(&first)
        && !first.starts_with("--bg-")
}
