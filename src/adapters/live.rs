//! Live processes as pairing wants them: which store they use, where they are, who drives them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::evidence::{Bond, Claim, Hints};
use super::pairing::Live;
use crate::base::{AbsPath, ProcessRef, SessionId};
use crate::env::Env;
use crate::procs::{FileLock, Process, ProcessTable};
use crate::protocol::session::Source;
use crate::scope::Scope;

/// In which store a process keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In one of the scope's.
    Here,
    /// In another of the same home, which a variable of the agent's leads to.
    Elsewhere,
    /// In another home's, or another user's.
    NotOurs,
}

impl Store {
    /// Judged by the environment that the process was started with. Where that cannot be read, the process is another
    /// user's.
    pub fn of(scope: &Scope, process: ProcessRef, roots: fn(&Env) -> Vec<PathBuf>) -> Self {
        let Some(mut vars) = scope.processes.environment(process) else { return Self::NotOurs };
        // A process without a home variable finds the home of its user, which is ours: we may read its environment.
        vars.entry("HOME".into()).or_insert_with(|| scope.env.home().as_path().into());
        let Some(env) = Env::of_vars(vars) else { return Self::NotOurs };
        let theirs = roots(&env);
        if roots(&scope.env).iter().any(|it| theirs.contains(it)) {
            Self::Here
        } else if env.home() == scope.env.home() {
            Self::Elsewhere
        } else {
            Self::NotOurs
        }
    }
}

/// Processes, by where they keep their sessions: those whose store is here, to be paired, and what those claim whose
/// store is elsewhere. `observe` is asked for no other.
pub fn by_store<'a>(
    scope: &Scope,
    processes: impl Iterator<Item = &'a Process>,
    roots: fn(&Env) -> Vec<PathBuf>,
    observe: impl Fn(&Process) -> Live,
) -> (Vec<Live>, Vec<Claim>) {
    let (mut here, mut elsewhere) = (Vec::new(), Vec::new());
    for process in processes {
        match Store::of(scope, process.identity, roots) {
            Store::Here => here.push(observe(process)),
            Store::Elsewhere => {
                let live = observe(process);
                let is_at_work = live.is_at_work();
                elsewhere.push(away(live.process, live.cwd, is_at_work));
            }
            Store::NotOurs => {}
        }
    }
    (here, elsewhere)
}

/// Whether the process keeps its sessions in one of the scope's stores.
pub fn uses_store(scope: &Scope, process: ProcessRef, roots: fn(&Env) -> Vec<PathBuf>) -> bool {
    Store::of(scope, process, roots) == Store::Here
}

/// The claim of a process whose store is elsewhere and is not looked at: that it lives is all that is known, and of some
/// that they are at work, as of one with a single prompt.
pub fn away(process: ProcessRef, cwd: Option<AbsPath>, is_at_work: bool) -> Claim {
    let hints = Hints { cwd, may_be_idle: !is_at_work, ..Hints::default() };
    Claim { bond: Bond::Inferred, hints, ..Claim::of(process, None, Source::Process) }
}

/// The advisory locks that are held: the file by its device and inode, and the process. Never taken to be looked
/// at: a lock held for a moment could make an agent's start fail. The table can name another device than `stat`
/// does, on Btrfs and on overlays; where it cannot be read, nothing is held. Whoever reads it waits until the kernel
/// has heard of all its processors, for milliseconds: it is worth asking for only where somebody could hold a lock.
pub fn lock_holders(processes: &ProcessTable) -> BTreeMap<(u64, u64), ProcessRef> {
    let table = processes.file_locks().unwrap_or_else(|error| {
        tracing::debug!(%error, "the table of locks cannot be read");
        Vec::new()
    });
    let holder = |it: &FileLock| Some(((it.device, it.inode), processes.get(it.holder)?.identity));
    table.iter().filter_map(holder).collect()
}

/// The process as it is now; `session` is the one that its arguments name.
pub fn observe(scope: &Scope, process: &Process, session: Option<SessionId>) -> Live {
    let identity = process.identity;
    Live {
        process: identity,
        started: scope.processes.started_near(identity, scope.now),
        cwd: scope.processes.cwd(identity).and_then(AbsPath::parse),
        session,
        is_interactive: is_interactive(scope, process),
        runs_a_tool: false,
        is_one_shot: false,
        tells_prompts: true,
    }
}

/// Whether it reads from and writes to a terminal.
fn is_interactive(scope: &Scope, process: &Process) -> bool {
    let is_terminal = |it: &Path| it.starts_with("/dev/pts") || it.starts_with("/dev/tty");
    let open = || scope.processes.open_files(process.identity);
    let is_at_terminal = |wanted: u32, open: &[(u32, PathBuf)]| {
        open.iter().any(|(number, path)| *number == wanted && is_terminal(path))
    };
    process.has_terminal && {
        let open = open();
        is_at_terminal(0, &open) && is_at_terminal(1, &open)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::testing::FakeProc;

    fn roots(env: &Env) -> Vec<PathBuf> {
        vec![env.path_var("STORE").unwrap_or_else(|| env.in_home(".store"))]
    }

    #[test]
    fn a_process_uses_our_store_if_its_environment_leads_there() {
        let table = FakeProc::new();
        let check = |pid, vars: &[(&str, &str)], expect| {
            let process = table.process(pid, 100, "agent").environ(vars).identity;
            let scope = table.scope(Path::new("/home/dev"));
            assert_eq!(Store::of(&scope, process, roots), expect, "{vars:?}");
        };
        check(1, &[("HOME", "/home/dev")], Store::Here);
        check(2, &[("HOME", "/home/other")], Store::NotOurs);
        check(3, &[("HOME", "/home/other"), ("STORE", "/home/dev/.store")], Store::Here);
        check(4, &[("HOME", "/home/dev"), ("STORE", "/elsewhere")], Store::Elsewhere);
        check(5, &[("PATH", "/bin")], Store::Here);
        check(6, &[("STORE", "/elsewhere")], Store::Elsewhere);
        check(7, &[("HOME", "/home/other"), ("STORE", "/elsewhere")], Store::NotOurs);
    }

    #[test]
    fn an_environment_that_cannot_be_read_is_anothers() {
        let table = FakeProc::new();
        let process = table.process(1, 100, "agent").identity;
        let scope = table.scope(Path::new("/home/dev"));
        std::fs::remove_file(table.root().join("1/environ")).unwrap();
        assert!(!uses_store(&scope, process, roots));
    }

    #[test]
    fn a_person_drives_what_reads_and_writes_a_terminal() {
        let table = FakeProc::new();
        let tty = Path::new("/dev/pts/3");
        let at = |pid, tty_nr| table.process_like(pid, 100, "agent", 1, tty_nr).cwd("/work/a");
        at(1, 34816).open_file(0, tty).open_file(1, tty);
        at(2, 34816).open_file(0, tty).open_file(1, Path::new("/tmp/out"));
        at(3, 0).open_file(0, tty).open_file(1, tty);
        let scope = table.scope(Path::new("/home/dev"));
        let is_interactive: Vec<_> =
            scope.processes.iter().map(|it| observe(&scope, it, None).is_interactive).collect();
        assert_eq!(is_interactive, [true, false, false]);
        let live = observe(&scope, scope.processes.iter().next().unwrap(), None);
        assert_eq!(live.cwd, AbsPath::parse("/work/a"));
        assert_eq!(live.started.unwrap().to_string(), "2026-11-22T20:00:01.000Z");
    }
}
