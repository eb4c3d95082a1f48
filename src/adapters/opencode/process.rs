//! Live OpenCode processes: which work for this store, and what their arguments say.
//!
//! A process is one of OpenCode's by its program's file (`opencode`, or `opencode.exe` as npm names it, on Linux too):
//! names and arguments speak of OpenCode in shells, editors and `timeout` as well. It works for this store if it holds
//! the database open, as each does from its start, or a file in `log/` (up to 1.1, which had no database).

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::log;
use crate::adapters::evidence::Claim;
use crate::adapters::live;
use crate::adapters::pairing::Live;
use crate::base::{ProcessRef, SessionId};
use crate::procs::{Listeners, Process, Terminal};
use crate::scope::Scope;

/// The file names of OpenCode's program.
const PROGRAMS: [&str; 2] = ["opencode", "opencode.exe"];

/// Commands that begin no turn: they look something up, change settings, or show what another process does.
const BYSTANDERS: [&str; 18] = [
    "agent",
    "attach",
    "auth",
    "completion",
    "db",
    "debug",
    "export",
    "import",
    "mcp",
    "models",
    "plug",
    "plugin",
    "providers",
    "session",
    "stats",
    "uninstall",
    "upgrade",
    "console",
];

/// Commands that wait for others to ask them something.
const SERVICES: [&str; 3] = ["acp", "serve", "web"];

/// Options whose value is the next argument; what follows one is not the command.
const WITH_VALUE: [&str; 12] = [
    "--agent",
    "--cors",
    "--hostname",
    "--log-level",
    "--mdns-domain",
    "--model",
    "--port",
    "--prompt",
    "--replay-limit",
    "--session",
    "-m",
    "-s",
];

/// A live process that works for this store.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) live: Live,
    /// Whether it waits for others to ask it something, and is no agent at work by itself.
    pub(super) is_service: bool,
    /// Where its server answers without a password, on the loopback.
    pub(super) server: Option<SocketAddr>,
    /// Its run, by the line of the log that it wrote last.
    pub(super) run: Option<String>,
    /// Where a person sees it.
    pub(super) terminal: Option<Terminal>,
}

/// The live processes of OpenCode.
#[derive(Debug, Default)]
pub(super) struct Agents {
    /// Those that work for this store.
    pub(super) here: Vec<Agent>,
    /// What those claim that work for another store of the same home.
    pub(super) elsewhere: Vec<Claim>,
}

/// Finds them, in the order of processes.
pub(super) fn find(scope: &Scope, data: &Path, databases: &BTreeSet<PathBuf>) -> Agents {
    let mut agents = Agents::default();
    let is_candidate = |it: &&Process| it.comm.starts_with("opencode");
    let candidates: Vec<_> = scope.processes.iter().filter(is_candidate).collect();
    if candidates.is_empty() {
        return agents;
    }
    let store = Store::of(data, databases);
    let listeners = scope.processes.listeners();
    for process in candidates {
        let Some(asked) = asked(scope, process) else { continue };
        let open = scope.processes.open_files(process.identity);
        if store.is_used_by(open.iter().map(|(_, path)| path.as_path())) {
            let run = store.run_of(scope, process.identity, &open);
            agents.here.push(Agent { run, ..agent(scope, process, asked, &listeners, &open) });
        } else if !asked.is_service && is_at_home(scope, process.identity, &open) {
            let live = live::observe(scope, process, None);
            let is_at_work = live.is_at_work();
            agents.elsewhere.push(live::away(live.process, live.cwd, is_at_work));
        }
    }
    agents
}

/// What a process was started to do, if it is one of OpenCode's and a turn can come of it.
fn asked(scope: &Scope, process: &Process) -> Option<Asked> {
    let id = process.identity;
    if !is_opencode(scope, id) {
        return None;
    }
    let arguments = scope.processes.arguments(id);
    // Between fork and exec, a tool's process is still its parent's image.
    let parent = scope.processes.get(process.parent).map(|it| it.identity);
    if parent.is_some_and(|it| is_opencode(scope, it) && scope.processes.arguments(it) == arguments)
    {
        return None;
    }
    Asked::of(arguments)
}

fn agent(
    scope: &Scope,
    process: &Process,
    asked: Asked,
    listeners: &Listeners,
    open: &[(u32, PathBuf)],
) -> Agent {
    let mut live = live::observe(scope, process, asked.session);
    live.is_interactive = asked.is_service || live.is_interactive && !asked.is_one_shot;
    live.is_one_shot = asked.is_one_shot;
    let server = listeners.of(open).into_iter().find_map(reachable);
    let server = server.filter(|_| !is_protected(scope, process.identity));
    // Nobody sees at the terminal of a service what its sessions ask.
    let terminal = || scope.processes.terminal(process.identity);
    let terminal = if asked.is_service { None } else { terminal() };
    Agent { live, is_service: asked.is_service, server, run: None, terminal }
}

/// Whether a process that works for another store (`OPENCODE_DB`, `XDG_DATA_HOME`) does so in the same home. One that has
/// no database open yet may work for any.
fn is_at_home(scope: &Scope, process: ProcessRef, open: &[(u32, PathBuf)]) -> bool {
    open.iter().any(|(_, path)| is_database(path))
        && live::Store::of(scope, process, |env| vec![super::data_dir(env)]) != live::Store::NotOurs
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "db")
}

fn is_opencode(scope: &Scope, process: ProcessRef) -> bool {
    let exe = scope.processes.exe(process);
    exe.and_then(|it| Some(PROGRAMS.contains(&it.file_name()?.to_str()?))).unwrap_or(false)
}

/// Whether its server wants a password, which is not ours to use.
fn is_protected(scope: &Scope, process: ProcessRef) -> bool {
    let environment = scope.processes.environment(process);
    environment.is_none_or(|it| {
        it.get(std::ffi::OsStr::new("OPENCODE_SERVER_PASSWORD")).is_some_and(|it| !it.is_empty())
    })
}

/// The address on the loopback at which a listener answers.
fn reachable(mut address: SocketAddr) -> Option<SocketAddr> {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address.ip().is_loopback().then_some(address)
}

/// The files by which a process shows that it works for this store.
struct Store {
    databases: BTreeSet<PathBuf>,
    logs: Option<PathBuf>,
}

impl Store {
    fn of(data: &Path, databases: &BTreeSet<PathBuf>) -> Self {
        // The kernel shows what is open by its real path.
        let real = |path: &Path| fs::canonicalize(path).ok();
        Self {
            databases: databases.iter().filter_map(|it| real(it)).collect(),
            logs: real(data).map(|it| it.join("log")),
        }
    }

    fn is_used_by<'a>(&self, mut open: impl Iterator<Item = &'a Path> + Clone) -> bool {
        open.clone().any(|it| self.databases.contains(it))
            || open.clone().any(|it| self.logs.as_ref().is_some_and(|logs| it.starts_with(logs)))
                && !open.any(is_database)
    }

    /// All append to one log, and the kernel knows how far each has come: behind its own last line.
    fn run_of(
        &self,
        scope: &Scope,
        process: ProcessRef,
        open: &[(u32, PathBuf)],
    ) -> Option<String> {
        let path = self.logs.as_ref()?.join(log::NAME);
        let descriptors = open.iter().filter(|(_, it)| *it == path).map(|(number, _)| *number);
        let end = descriptors.filter_map(|it| scope.processes.position(process, it)).max()?;
        log::run_before(&path, end)
    }
}

/// What a process was started to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The session it was told to go on with.
    session: Option<SessionId>,
    /// Whether it waits for others to ask it something.
    pub(super) is_service: bool,
    /// Whether it ends with the one turn that it was started for.
    is_one_shot: bool,
}

impl Asked {
    /// Nothing where no turn can come of it.
    pub(super) fn of(arguments: &[String]) -> Option<Self> {
        let mut options = arguments.iter().skip(1).take_while(|it| *it != "--").peekable();
        let (mut command, mut session) = (None, None);
        let (mut is_fork, mut is_interactive) = (false, false);
        while let Some(argument) = options.next() {
            let (name, value) = match argument.split_once('=') {
                Some((name, value)) if name.starts_with('-') => (name, Some(value)),
                _ => (argument.as_str(), None),
            };
            match name {
                "--attach" if command == Some("run") => return None,
                "--fork" => is_fork = true,
                "-i" | "--interactive" => is_interactive = true,
                "-s" | "--session" => {
                    let value = value.or_else(|| options.next().map(String::as_str));
                    session = value.filter(|it| it.starts_with("ses_")).and_then(SessionId::parse);
                }
                _ if WITH_VALUE.contains(&name) && value.is_none() => {
                    options.next();
                }
                _ if name.starts_with('-') => {}
                _ => {
                    command.get_or_insert(name);
                }
            }
        }
        let is_one_of = |words: &[&str]| command.is_some_and(|it| words.contains(&it));
        (!is_one_of(&BYSTANDERS)).then(|| Self {
            // A fork is a new session.
            session: session.filter(|_| !is_fork),
            is_service: is_one_of(&SERVICES),
            is_one_shot: command == Some("run") && !is_interactive,
        })
    }
}

#[cfg(test)]
mod tests;
