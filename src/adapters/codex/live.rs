//! Live threads: who holds their locks, as the kernel says, and Codex processes that hold none yet.
//!
//! Codex 0.169.0 takes an exclusive `flock` on `thread-writer-locks/<thread id>.lock` when it opens a thread
//! and removes the file when it closes it. After SIGTERM or SIGKILL the file stays, without a holder. The locks
//! are looked up in the kernel's table and never taken: a shared lock held for a moment could make a real
//! start fail. Where the table does not show them (it can name another device than `stat` does, on Btrfs and
//! on overlays), what a Codex process holds open tells the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::super::evidence::{Bond, Claim, Hints, Record, TurnState, WaitingFor};
use super::super::files::{Entry, Found, each_entry};
use super::super::live::{self, Store, lock_holders, uses_store};
use super::{daemon, rollout};
use crate::base::{AbsPath, ProcessRef, SessionId, Timestamp};
use crate::memo::FileStamp;
use crate::procs::ProcessTable;
use crate::protocol::session::{Certainty, Problem, Source};
use crate::scope::Scope;

/// Where the locks are, below the root.
const LOCKS: &str = "thread-writer-locks";
/// Most lock files looked at: those left behind by a crash are swept when Codex starts next.
const LOCKS_MAX: usize = 10_000;

/// A lock file.
struct Lock {
    thread: SessionId,
    stamp: FileStamp,
}

/// What is live.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) claims: Vec<Claim>,
    /// Threads of which a tool runs, where the records leave open whether one does.
    pub(super) run_a_tool: BTreeSet<SessionId>,
}

/// Claims the threads that live processes own, and the Codex processes that own none yet.
pub(super) fn observe(scope: &Scope, found: &Found, problems: &mut Vec<Problem>) -> Live {
    let processes = &*scope.processes;
    let named = processes.iter().filter(|it| it.comm == "codex");
    let all: Vec<Codex> = named.filter_map(|it| Codex::of(processes, it.identity)).collect();
    let mut live = Live::default();
    for root in &found.roots {
        let locks = locks(root, problems);
        let mut claims = held(processes, &locks);
        let owners = owners_of(&claims);
        let others: Vec<&Codex> = all.iter().filter(|it| !owners.contains(&it.process)).collect();
        if !others.is_empty() {
            // The kernel shows what is open by its real path.
            let real = fs::canonicalize(root).unwrap_or_else(|_| root.clone());
            claims.extend(others.iter().flat_map(|it| open_threads(processes, it.process, &real)));
        }
        let owners = owners_of(&claims);
        claims.extend(starting(scope, &others, &owners));
        for claim in &mut claims {
            let Some(thread) = &claim.session else { continue };
            match found.transcripts.iter().find(|it| it.record.session == *thread) {
                None => claim.hints = unrecorded(processes, &locks, thread, claim.process),
                Some(it) if is_doubtful(&it.record) => {
                    if runs_a_tool(processes, claim.process, thread) {
                        live.run_a_tool.insert(thread.clone());
                    }
                }
                Some(_) => {}
            }
        }
        live.claims.extend(claims);
    }
    live.claims.extend(elsewhere(scope, &all));
    live
}

/// Claims the Codex processes that keep their threads in another store of this home. A server without a thread is
/// nobody's session, and whether one has a thread only its store would tell.
fn elsewhere(scope: &Scope, all: &[Codex]) -> Vec<Claim> {
    let processes = &*scope.processes;
    let is_away = |it: &Codex| Store::of(scope, it.process, super::roots) == Store::Elsewhere;
    let away = all.iter().filter(|it| it.role != Role::Server && is_away(it));
    away.map(|it| live::away(it.process, it.working_directory(processes), it.role == Role::Exec))
        .collect()
}

/// Whether the records leave open if a tool runs or a person is asked.
fn is_doubtful(record: &Record) -> bool {
    match record.turn {
        // While the model asks something, what it has started before may still run.
        TurnState::Waiting(what) => what == WaitingFor::Permission,
        TurnState::InProgress => record.certainty == Certainty::Inferred,
        _ => false,
    }
}

fn owners_of(claims: &[Claim]) -> BTreeSet<ProcessRef> {
    claims.iter().map(|it| it.process).collect()
}

fn locks(root: &Path, problems: &mut Vec<Problem>) -> Vec<Lock> {
    let lock = |entry: &Entry<'_>| {
        let thread = thread_of_lock(entry.name()?)?;
        // One that is gone by now was let go.
        let stat = entry.look().ok()?;
        Some(Lock { thread, stamp: FileStamp::of_stat(&stat) })
    };
    let mut locks = Vec::new();
    problems.extend(each_entry(&root.join(LOCKS), LOCKS_MAX, |it| locks.extend(lock(it))));
    locks
}

/// `.coordination.lock` guards the directory and is no thread's.
fn thread_of_lock(name: &str) -> Option<SessionId> {
    let thread = name.strip_suffix(".lock").filter(|it| !it.starts_with('.'))?;
    SessionId::parse(thread)
}

/// The threads whose locks the kernel shows as held.
fn held(processes: &ProcessTable, locks: &[Lock]) -> Vec<Claim> {
    if locks.is_empty() {
        return Vec::new();
    }
    let holders = lock_holders(processes);
    let claim = |lock: &Lock| {
        let process = *holders.get(&(lock.stamp.device, lock.stamp.inode))?;
        Some(Claim::of(process, Some(lock.thread.clone()), Source::Lock))
    };
    locks.iter().filter_map(claim).collect()
}

/// The threads of this store whose lock or rollout the process holds open. An open lock file is as good as a
/// held one; a rollout may be open for a look, so that binds less.
fn open_threads(processes: &ProcessTable, process: ProcessRef, root: &Path) -> Vec<Claim> {
    let mut claims: BTreeMap<SessionId, Claim> = BTreeMap::new();
    for (_, path) in processes.open_files(process) {
        let Ok(below) = path.strip_prefix(root) else { continue };
        let Some(name) = below.file_name().and_then(OsStr::to_str) else { continue };
        if below.starts_with(LOCKS) {
            if let Some(thread) = thread_of_lock(name) {
                claims.insert(thread.clone(), Claim::of(process, Some(thread), Source::Lock));
            }
        } else if let Some(rollout::Name { thread, .. }) = rollout::Name::of(name) {
            let claim = Claim::of(process, Some(thread.clone()), Source::Process);
            let claim = Claim { bond: Bond::Inferred, ..claim };
            claims.entry(thread).or_insert(claim);
        }
    }
    claims.into_values().collect()
}

/// What a Codex process was started as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// `codex exec`, `codex review`: one prompt, no terminal.
    Exec,
    /// The terminal interface: alone, or as a client of the daemon.
    Interface { is_alone: bool },
    /// `codex app-server`, and the daemon is one: serves threads to others.
    Server,
}

/// A process that runs Codex itself.
struct Codex {
    process: ProcessRef,
    role: Role,
    arguments: Vec<String>,
}

impl Codex {
    /// Nothing for what only looks like one: helpers that Codex starts as itself under another name
    /// (`codex-linux-sandbox` in `argv[0]`), commands that run no thread, the daemon's updater.
    fn of(processes: &ProcessTable, process: ProcessRef) -> Option<Self> {
        let arguments = processes.arguments(process);
        let is_codex = |path: &Path| path.file_name() == Some(OsStr::new("codex"));
        let is_itself = arguments.first().is_some_and(|it| is_codex(Path::new(it)))
            && processes.exe(process).as_deref().is_some_and(is_codex);
        let role = is_itself.then(|| role(&arguments[1..])).flatten()?;
        Some(Self { process, role, arguments: arguments.to_vec() })
    }

    /// Where its thread works: Codex never changes its own directory, whatever `--cd` says.
    fn working_directory(&self, processes: &ProcessTable) -> Option<AbsPath> {
        if self.role == Role::Server {
            return None;
        }
        let mut arguments = self.arguments.iter().skip(1).take_while(|it| *it != "--");
        let named = arguments.by_ref().find_map(|it| match it.as_str() {
            "-C" | "--cd" => Some(None),
            it => it.strip_prefix("--cd=").map(Some),
        });
        let named = match named {
            Some(None) => Some(arguments.next()?.as_str()),
            Some(Some(dir)) => Some(dir),
            None => None,
        };
        let cwd = processes.cwd(self.process)?;
        AbsPath::parse(named.map_or(cwd.clone(), |it| cwd.join(it)))
    }
}

/// Options of `codex` that take a value (0.169.0); the first word behind them is the command or the prompt.
const VALUED: [&str; 22] = [
    "-c",
    "--config",
    "--enable",
    "--disable",
    "--remote",
    "--remote-auth-token-env",
    "-i",
    "--image",
    "-m",
    "--model",
    "--local-provider",
    "-p",
    "--profile",
    "-s",
    "--sandbox",
    "-C",
    "--cd",
    "--add-dir",
    "-a",
    "--ask-for-approval",
    "--color",
    "-o",
];

/// Options with which `codex` answers a question and ends.
const QUESTIONS: [&str; 4] = ["--help", "-h", "--version", "-V"];

/// What the arguments ask for. A single word that is no command known here may be one of another version,
/// so it is not taken for a prompt.
fn role(arguments: &[String]) -> Option<Role> {
    let has = |option: &str| arguments.iter().take_while(|it| *it != "--").any(|it| it == option);
    // The threads are another machine's.
    if has("--remote") || QUESTIONS.into_iter().any(has) {
        return None;
    }
    let interface = Role::Interface { is_alone: has("--no-daemon") };
    match command(arguments) {
        None | Some("resume" | "fork") => Some(interface),
        Some("exec" | "e" | "review") => Some(Role::Exec),
        Some("app-server") => (!has("pid-update-loop")).then_some(Role::Server),
        Some(prompt) => prompt.contains(char::is_whitespace).then_some(interface),
    }
}

/// Whether a process with these arguments serves the threads of others; 0.98.0 did so as `mcp-server`, too.
pub(super) fn serves(arguments: &[String]) -> bool {
    let words = arguments.get(1..).unwrap_or_default();
    matches!(command(words), Some("app-server" | "mcp-server"))
}

/// The first word that belongs to no option: a command or the prompt.
fn command(arguments: &[String]) -> Option<&str> {
    let mut words = arguments.iter().map(String::as_str).take_while(|it| *it != "--");
    while let Some(word) = words.next() {
        if VALUED.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            return Some(word);
        }
    }
    None
}

/// Codex processes of this store that own no thread yet: at a login or a question of trust, starting, or
/// keeping no records (`--ephemeral`). An interface beside a live daemon is its client, and its thread is the
/// daemon's; servers without a thread are nobody's session.
fn starting(scope: &Scope, others: &[&Codex], owners: &BTreeSet<ProcessRef>) -> Vec<Claim> {
    let processes = &*scope.processes;
    let uses_store = |it: &&Codex| uses_store(scope, it.process, super::roots);
    let here: Vec<&Codex> = others.iter().copied().filter(uses_store).collect();
    let serves =
        |it: &ProcessRef| Codex::of(processes, *it).is_some_and(|it| it.role == Role::Server);
    let has_daemon = here.iter().any(|it| it.role == Role::Server) || owners.iter().any(serves);
    let is_agent = |it: &&Codex| match it.role {
        Role::Exec => true,
        Role::Interface { is_alone } => is_alone || !has_daemon,
        Role::Server => false,
    };
    // The daemon may be gone under an interface that had a thread of its.
    let was_served = super::roots(&scope.env).iter().any(|it| daemon::is_known_in(it));
    let hints = |it: &Codex| {
        let may_have_asked = was_served && it.role == Role::Interface { is_alone: false };
        Hints {
            cwd: it.working_directory(processes),
            nothing_asked: it.role != Role::Exec && !may_have_asked,
            may_be_idle: may_have_asked,
            ..Hints::default()
        }
    };
    let claim = |it: &Codex| Claim {
        bond: Bond::Inferred,
        hints: hints(it),
        ..Claim::of(it.process, None, Source::Process)
    };
    let without_thread = here.into_iter().filter(|it| !owners.contains(&it.process));
    without_thread.filter(is_agent).map(claim).collect()
}

/// What is known of a thread that has no rollout. An interface takes the lock when it opens, before anything is
/// asked, and the rollout begins with the first prompt. `codex exec` is given its prompt from the start:
/// there is nothing to say of it but that it runs.
fn unrecorded(
    processes: &ProcessTable,
    locks: &[Lock],
    thread: &SessionId,
    owner: ProcessRef,
) -> Hints {
    let codex = Codex::of(processes, owner);
    let lock = locks.iter().find(|it| it.thread == *thread);
    Hints {
        cwd: codex.as_ref().and_then(|it| it.working_directory(processes)),
        created: lock.and_then(|it| Timestamp::from_millis(it.stamp.modified_millis())),
        nothing_asked: codex.is_some_and(|it| it.role != Role::Exec),
        ..Hints::default()
    }
}

/// Whether a tool of this thread runs below the process: Codex names the thread in each tool's environment.
fn runs_a_tool(processes: &ProcessTable, owner: ProcessRef, thread: &SessionId) -> bool {
    let is_below = |pid| processes.lineage(pid).skip(1).any(|it| it.identity == owner);
    processes.iter().filter(|it| is_below(it.identity.pid)).any(|it| {
        let environment = processes.environment(it.identity);
        environment.is_some_and(|it| {
            it.get(OsStr::new("CODEX_THREAD_ID")).is_some_and(|it| it == thread.as_str())
        })
    })
}
