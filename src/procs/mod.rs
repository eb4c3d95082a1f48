//! The process table: one snapshot a request, cheap first; the rest of a process is read when asked for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::signal::kill;

use crate::base::{AbsPath, Pid, ProcessRef, Timestamp};
use crate::protocol::session;

mod ended;
mod linux;
mod listeners;
mod pidfd;
pub mod pinned;
mod place;
mod signs;
mod sock_diag;
mod terminal;

pub use ended::ended;
pub use linux::FileLock;
pub use listeners::Listeners;
pub use place::{Place, Sight};
pub use signs::Signs;
pub use terminal::Terminal;

/// The identity of a process as it is now; nothing where there is no such process, or a zombie; an error where that
/// cannot be seen.
pub fn who_is(root: &Path, pid: Pid) -> io::Result<Option<ProcessRef>> {
    linux::who_is(&root.join(pid.to_string()))
}

/// The same for whoever makes no difference between what is not there and what cannot be seen.
pub fn identity(root: &Path, pid: Pid) -> Option<ProcessRef> {
    linux::identity(&root.join(pid.to_string()))
}

/// The identity of a process, even of one that has ended and that nobody has waited for.
pub fn identity_even_ended(root: &Path, pid: Pid) -> Option<ProcessRef> {
    linux::identity_even_ended(&root.join(pid.to_string()))
}

/// The identity of this process.
pub fn this_process() -> Option<ProcessRef> {
    identity(Path::new(PROC), Pid(i32::try_from(std::process::id()).ok()?))
}

/// Where the kernel of this machine shows its processes.
pub const PROC: &str = "/proc";

/// Whether the kernel shows anything there: a sandbox may have the directory alone, and nothing in it.
pub fn is_shown(root: &Path) -> bool {
    root.join("stat").exists()
}

/// Whether a process has that id that the kernel does not show, as those of others where `/proc` is mounted with `hidepid`.
pub fn is_hidden(root: &Path, pid: Pid) -> bool {
    let is_id_here = root == Path::new(PROC) && pid.0 > 0;
    // No signal is sent; who may not send one learns that there is somebody.
    is_id_here && kill(nix::unistd::Pid::from_raw(pid.0), None) == Err(Errno::EPERM)
}

/// How far the start of a process may seem to lie behind something that it did: start times are known to a few ticks.
/// Not more: one agent is often started as soon as another has written something.
const START_SLACK_MS: i64 = 50;

/// Whether a process that started at one time may have been there at another.
pub fn had_started(started: Timestamp, at: Timestamp) -> bool {
    started.as_millis() - START_SLACK_MS <= at.as_millis()
}

/// What a snapshot holds of each process: what one small file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub identity: ProcessRef,
    pub parent: Pid,
    /// The process group.
    pub group: Pid,
    /// The session, in the kernel's sense: what `setsid` makes.
    pub session: Pid,
    /// The kernel's name of the process, at most 15 bytes; programs may set it.
    pub comm: String,
    /// Whether it has a controlling terminal.
    pub has_terminal: bool,
    /// Whether it does nothing until somebody continues it, as after Ctrl-Z.
    pub is_suspended: bool,
}

/// What was read of a process once somebody had asked, and holds for all who ask.
#[derive(Debug, Default)]
struct Asked {
    /// Several agents run as the same program.
    arguments: OnceLock<Vec<String>>,
    /// What a conclusion went by is what is compared later.
    terminal: OnceLock<Option<Terminal>>,
}

/// The live processes at one instant. Zombies are not among them.
#[derive(Debug)]
pub struct ProcessTable {
    root: PathBuf,
    boot: Option<Timestamp>,
    /// How long after boot the snapshot was taken.
    uptime_millis: Option<i64>,
    processes: BTreeMap<Pid, Process>,
    asked: BTreeMap<ProcessRef, Asked>,
    /// Why no process can be seen.
    problem: Option<session::Problem>,
}

impl ProcessTable {
    /// Reads one small file of each process; an error where processes are not shown.
    pub fn snapshot(root: &Path) -> io::Result<Self> {
        let boot = linux::boot_time(root);
        let processes: BTreeMap<_, _> =
            linux::walk(root)?.into_iter().map(|it| (it.identity.pid, it)).collect();
        if processes.is_empty() && !is_shown(root) {
            return Err(io::Error::other("none is shown, not even this one"));
        }
        let uptime_millis = linux::uptime_millis(root);
        let asked = processes.values().map(|it| (it.identity, Asked::default())).collect();
        Ok(Self { root: root.to_owned(), boot, uptime_millis, processes, asked, problem: None })
    }

    /// A table without any process.
    pub fn empty() -> Self {
        Self {
            root: PathBuf::new(),
            boot: None,
            uptime_millis: None,
            processes: BTreeMap::new(),
            asked: BTreeMap::new(),
            problem: None,
        }
    }

    /// A table that shows no process since it cannot be read: that none lives is not known.
    pub fn unreadable(root: &Path, error: &io::Error) -> Self {
        let problem = session::Problem {
            kind: session::ProblemKind::Unreadable,
            message: format!("the processes of this machine cannot be seen: {error}"),
            path: AbsPath::parse(root),
            line: None,
        };
        Self { root: root.to_owned(), problem: Some(problem), ..Self::empty() }
    }

    /// Why no process can be seen; nothing where those that live are here.
    pub fn problem(&self) -> Option<&session::Problem> {
        self.problem.as_ref()
    }

    pub fn get(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// Whether the process of that id *and* start was there when the snapshot was taken.
    pub fn is_alive(&self, process: ProcessRef) -> bool {
        self.get(process.pid).is_some_and(|it| it.identity == process)
    }

    /// Whether it may live though it is not shown, as those of others where `/proc` is mounted with `hidepid`.
    pub fn is_hidden(&self, process: ProcessRef) -> bool {
        self.get(process.pid).is_none() && is_hidden(&self.root, process.pid)
    }

    /// Whether it was there, and suspended.
    pub fn is_suspended(&self, process: ProcessRef) -> bool {
        self.get(process.pid).is_some_and(|it| it.identity == process && it.is_suspended)
    }

    /// When a process started; nothing where the kernel does not say when it booted.
    pub fn started_at(&self, process: ProcessRef) -> Option<Timestamp> {
        let since_boot =
            i64::try_from(process.start_ticks.saturating_mul(1000) / linux::TICKS_PER_SECOND)
                .ok()?;
        Timestamp::from_millis(self.boot?.as_millis().checked_add(since_boot)?)
    }

    /// When a process started, as exactly as can be known; the clock read `now` when the snapshot was taken.
    ///
    /// The kernel tells when it booted in whole seconds, cut off: all of [`Self::started_at`] lies up to a second
    /// early, by the same amount for every process and request. This lies within some 20 ms, not always the same.
    pub fn started_near(&self, process: ProcessRef, now: Timestamp) -> Option<Timestamp> {
        let since_boot_second = self
            .uptime_millis
            .zip(self.boot)
            .map(|(uptime, boot)| now.as_millis() - uptime - boot.as_millis())
            // In some containers one of the two is the host's.
            .filter(|it| (0..1_050).contains(it));
        let started = self.started_at(process)?.as_millis();
        Timestamp::from_millis(started.checked_add(since_boot_second.unwrap_or(0))?)
    }

    /// Whether a process was there at a time before the snapshot; nothing where nobody knows when it started. The clock
    /// read `now` when the snapshot was taken.
    pub fn was_there(&self, process: ProcessRef, at: Timestamp, now: Timestamp) -> Option<bool> {
        self.started_near(process, now).map(|it| had_started(it, at))
    }

    /// A process as the protocol shows it: both of id and start, or nothing.
    pub fn shown(&self, process: ProcessRef) -> Option<session::Process> {
        Some(session::Process { pid: process.pid, started_at: self.started_at(process)? })
    }

    /// The process itself and its ancestors, nearest first.
    pub fn lineage(&self, pid: Pid) -> impl Iterator<Item = &Process> {
        let parent =
            |it: &&Process| self.get(it.parent).filter(|up| up.identity.pid != it.identity.pid);
        // A table read while processes come and go could hold a circle.
        std::iter::successors(self.get(pid), parent).take(self.processes.len())
    }

    /// The arguments, lossily as text; an empty list where they cannot be read, and of what the snapshot does not hold.
    pub fn arguments(&self, process: ProcessRef) -> &[String] {
        let read = || self.read(process, linux::arguments).unwrap_or_default();
        self.asked.get(&process).map_or(&[], |it| it.arguments.get_or_init(read))
    }

    /// The working directory.
    pub fn cwd(&self, process: ProcessRef) -> Option<PathBuf> {
        self.read(process, |dir| linux::link(dir, "cwd"))
    }

    /// The program's file.
    pub fn exe(&self, process: ProcessRef) -> Option<PathBuf> {
        self.read(process, |dir| linux::link(dir, "exe"))
    }

    /// The environment that the process was started with; nothing for another user's process.
    pub fn environment(&self, process: ProcessRef) -> Option<BTreeMap<OsString, OsString>> {
        self.read(process, linux::environment)
    }

    /// What the process holds open, by file descriptor.
    pub fn open_files(&self, process: ProcessRef) -> Vec<(u32, PathBuf)> {
        self.read(process, linux::open_files).unwrap_or_default()
    }

    /// Where in its file a descriptor stands: of one that appends, behind what the process wrote last.
    pub fn position(&self, process: ProcessRef, descriptor: u32) -> Option<u64> {
        self.read(process, |dir| linux::position(dir, descriptor))
    }

    /// The terminal that the process writes to; nothing of what the snapshot does not hold.
    pub fn terminal(&self, process: ProcessRef) -> Option<Terminal> {
        let read = || self.read(process, terminal::of);
        *self.asked.get(&process)?.terminal.get_or_init(read)
    }

    /// What it showed of itself that nobody is told of; nothing where it was not there. The clock read `now`.
    pub fn signs(&self, process: ProcessRef, now: Timestamp) -> Option<Signs> {
        let asked = self.asked.get(&process)?;
        let terminal = asked.terminal.get().copied().flatten();
        Some(Signs::of(self.is_suspended(process), terminal, now))
    }

    /// Every TCP socket of the machine that listens; none where the kernel does not show them.
    pub fn listeners(&self) -> Listeners {
        listeners::of(&self.root)
    }

    /// Every advisory file lock on the machine.
    pub fn file_locks(&self) -> io::Result<Vec<FileLock>> {
        linux::file_locks(&self.root)
    }

    /// Reads something of a process, and believes it only if the process is still the same afterwards.
    fn read<T>(&self, process: ProcessRef, read: impl FnOnce(&Path) -> Option<T>) -> Option<T> {
        let dir = self.root.join(process.pid.to_string());
        let found = read(&dir)?;
        (linux::identity(&dir)? == process).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_process_was_there_from_its_start_on_as_far_as_that_is_known() {
        let at = |millis| Timestamp::from_millis(1_795_377_600_000 + millis).unwrap();
        let there = [-1, 0, 51].map(|late| had_started(at(START_SLACK_MS), at(late)));
        assert_eq!(there, [false, true, true]);
    }

    #[test]
    fn who_may_not_be_signalled_is_there_though_it_is_not_shown() {
        let proc_root = Path::new(PROC);
        let user = nix::unistd::geteuid();
        let first = std::fs::metadata(proc_root.join("1")).unwrap().uid();
        assert_eq!(is_hidden(proc_root, Pid(1)), !user.is_root() && first != user.as_raw());
        let one = ProcessRef { pid: Pid(1), start_ticks: 1 };
        let blind = ProcessTable::unreadable(proc_root, &io::Error::other("hidden"));
        assert_eq!(blind.is_hidden(one), is_hidden(proc_root, Pid(1)));
        assert!(!ProcessTable::snapshot(proc_root).unwrap().is_hidden(one), "it is shown");
        assert!(!is_hidden(proc_root, this_process().unwrap().pid));
        assert!(!is_hidden(Path::new("/recorded"), Pid(1)));
        // These would mean groups of processes, and the last is an id that no process has.
        for none in [0, -1, 1 << 22] {
            assert!(!is_hidden(proc_root, Pid(none)), "{none}");
        }
    }
}
