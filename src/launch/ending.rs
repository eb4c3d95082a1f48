//! Ending an agent with everything it started, and proving it: each process is held before it is signalled.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::adapters::drive::{Driver, Polite};
use crate::base::{Pid, ProcessRef, SessionId};
use crate::procs::pinned::{Pinned, Signal, wait_for};
use crate::procs::{self, Process, ProcessTable};
use crate::protocol::launch::Signalled;

/// The variable by which everything that a launched agent starts is known.
pub const LAUNCH_VARIABLE: &str = "HEADCOUNT_LAUNCH_ID";
/// The arguments by which a supervisor is known: it is never ended on behalf of another launch. They are ours to choose;
/// its name is not, since the kernel takes that from the path that was executed: `exe`, of `/proc/self/exe`.
pub const SUPERVISOR_ARGUMENTS: [&str; 2] = ["headcount", "supervise"];

/// How long the rest may take to follow an agent that ended by itself: wrappers end with it.
const FOLLOW_GRACE: Duration = Duration::from_millis(250);
/// How long what was told to end may take: tools have nothing to save.
const TERMINATE_GRACE: Duration = Duration::from_secs(2);
/// How long the kernel may take to end what was killed; longer only for a process stuck in a device.
const KILL_GRACE: Duration = Duration::from_secs(2);
/// Programs that a tool may have started and that hold other people's work.
const SPARED: [&str; 5] = ["tmux: server", "screen", "zellij", "dtach", "abduco"];

/// What is to end.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// The processes that own the session: one, unless two have taken it up.
    pub owners: &'a [ProcessRef],
    pub driver: &'a Driver,
    pub session: Option<&'a SessionId>,
    /// The launch that it came from.
    pub launch_id: Option<&'a str>,
    /// The process that was launched: an owner, or a wrapper around it.
    pub leader: Option<ProcessRef>,
}

impl Target<'_> {
    fn is_owner(&self, pid: Pid) -> bool {
        self.owners.iter().any(|it| it.pid == pid)
    }
}

/// How it went.
#[derive(Debug, Default)]
pub struct Ending {
    pub signals: Vec<Signalled>,
    pub survivors: Vec<ProcessRef>,
}

/// Why nothing was signalled.
#[derive(Debug)]
pub enum NotEnded {
    /// Every owner has ended already.
    Gone,
    /// The id of one, whose process this was, is another's now.
    NotOurs(Pid),
    /// The processes cannot be seen, or not be signalled.
    Unable(io::Error),
}

/// Ends the owners by their own polite way, then what is left of their trees, then what carries their marks.
pub fn end(proc_root: &Path, target: Target<'_>, grace: Duration) -> Result<Ending, NotEnded> {
    // A recorded process has the id of some other that lives here.
    if proc_root != Path::new(procs::PROC) {
        return Err(NotEnded::Unable(io::Error::other("the process table is a recorded one")));
    }
    let wait = |processes: &[&Pinned], limit| wait_for(processes, limit);
    Work { proc_root, wait: &wait, ending: Ending::default() }.end(target, grace)
}

/// Holds all that still live. Where one cannot be held, or is another by now, nobody is signalled.
fn hold_owners(proc_root: &Path, owners: &[ProcessRef]) -> Result<Vec<Pinned>, NotEnded> {
    let mut held = Vec::new();
    for owner in owners {
        match Pinned::hold(proc_root, *owner).map_err(NotEnded::Unable)? {
            Some(it) => held.push(it),
            None => {
                if procs::who_is(proc_root, owner.pid).map_err(NotEnded::Unable)?.is_some() {
                    return Err(NotEnded::NotOurs(owner.pid));
                }
            }
        }
    }
    if held.is_empty() { Err(NotEnded::Gone) } else { Ok(held) }
}

/// An end under way.
struct Work<'a> {
    proc_root: &'a Path,
    /// Waits until all of them have ended, at most that long, and says whether they have.
    wait: &'a dyn Fn(&[&Pinned], Duration) -> bool,
    ending: Ending,
}

impl Work<'_> {
    fn end(mut self, target: Target<'_>, grace: Duration) -> Result<Ending, NotEnded> {
        let owners = hold_owners(self.proc_root, target.owners)?;
        let table = ProcessTable::snapshot(self.proc_root).map_err(NotEnded::Unable)?;
        // Held before the first signal: once their parent is gone nothing says whose children they were.
        let tree = self.hold_all(&tree_of(&table, target));
        let owners: Vec<&Pinned> = owners.iter().collect();
        self.ask(&table, &owners, target.driver.polite)?;
        let have_ended = (self.wait)(&owners, grace);
        let mut left: Vec<&Pinned> = tree.iter().collect();
        if have_ended {
            (self.wait)(&left, FOLLOW_GRACE);
        } else {
            left.splice(0..0, owners);
        }
        self.force(&table, &left);
        // What had left the tree before: orphans of earlier commands.
        match ProcessTable::snapshot(self.proc_root) {
            Ok(table) => {
                let marked = self.hold_all(&marked(&table, target));
                self.force(&table, &marked.iter().collect::<Vec<_>>());
            }
            Err(error) => tracing::warn!(%error, "orphans of what was ended cannot be looked for"),
        }
        let mut ending = self.ending;
        ending.survivors.sort_unstable();
        ending.survivors.dedup();
        Ok(ending)
    }

    /// Sends a signal; what is suspended takes notice of it only when it is continued.
    fn tell(&mut self, signal: Signal, to: &Pinned, table: &ProcessTable) -> io::Result<()> {
        self.send(signal, to)?;
        if signal != Signal::KILL && table.is_suspended(to.process()) {
            self.send(Signal::CONT, to)?;
        }
        Ok(())
    }

    fn send(&mut self, signal: Signal, to: &Pinned) -> io::Result<()> {
        if to.signal(signal)? {
            let signal = match signal {
                Signal::INT => "SIGINT",
                Signal::TERM => "SIGTERM",
                Signal::CONT => "SIGCONT",
                _ => "SIGKILL",
            };
            self.ending.signals.push(Signalled { signal: signal.into(), pid: to.process().pid });
        }
        Ok(())
    }

    /// Asks the owners to end, each in its agent's own way; an error where none of them may be asked.
    fn ask(
        &mut self,
        table: &ProcessTable,
        owners: &[&Pinned],
        polite: Polite,
    ) -> Result<(), NotEnded> {
        let polite = match polite {
            Polite::Interrupt => Signal::INT,
            Polite::Terminate => Signal::TERM,
        };
        let mut refused = None;
        for owner in owners {
            if let Err(error) = self.tell(polite, owner, table) {
                refused = Some(error);
            }
        }
        match refused {
            Some(error) if self.ending.signals.is_empty() => Err(NotEnded::Unable(error)),
            _ => Ok(()),
        }
    }

    /// Holds those that still live; what cannot be held cannot be ended either, and is noted as left.
    fn hold_all(&mut self, processes: &[ProcessRef]) -> Vec<Pinned> {
        let mut held = Vec::new();
        for process in processes {
            match Pinned::hold(self.proc_root, *process) {
                Ok(it) => held.extend(it),
                Err(error) => {
                    tracing::warn!(pid = %process.pid, %error, "cannot be held");
                    self.ending.survivors.push(*process);
                }
            }
        }
        held
    }

    /// Tells them to end, kills what does not, and notes what is left even then.
    fn force(&mut self, table: &ProcessTable, processes: &[&Pinned]) {
        let mut left: Vec<&Pinned> = processes.to_vec();
        for (signal, grace) in [(Signal::TERM, TERMINATE_GRACE), (Signal::KILL, KILL_GRACE)] {
            left.retain(|it| !it.has_ended_within(Duration::ZERO));
            for process in &left {
                // A process that may not be signalled is found among the survivors.
                if let Err(error) = self.tell(signal, process, table) {
                    tracing::warn!(pid = %process.process().pid, %error, "cannot be signalled");
                }
            }
            (self.wait)(&left, grace);
        }
        left.retain(|it| !it.has_ended_within(Duration::ZERO));
        self.ending.survivors.extend(left.iter().map(|it| it.process()));
    }
}

/// The descendants of the owners and their process groups, where those are the agent's own; without the owners.
fn tree_of(table: &ProcessTable, target: Target<'_>) -> Vec<ProcessRef> {
    let leader = target.leader.map(|it| it.pid);
    let own_group = |owner: &ProcessRef| {
        let group = table.get(owner.pid)?.group;
        (group == owner.pid || Some(group) == leader).then_some(group)
    };
    let groups: BTreeSet<Pid> = target.owners.iter().filter_map(own_group).collect();
    let belongs = |process: &Process| {
        let mut lineage = table.lineage(process.identity.pid);
        groups.contains(&process.group) || lineage.any(|it| target.is_owner(it.identity.pid))
    };
    others(table, target, belongs)
}

/// The processes that carry the marks of the session or of the launch.
fn marked(table: &ProcessTable, target: Target<'_>) -> Vec<ProcessRef> {
    let driver = target.driver;
    let session = driver.session_variable.zip(target.session.map(SessionId::to_string));
    let launch = target.launch_id.map(|it| (LAUNCH_VARIABLE, it.to_owned()));
    let pids =
        target.owners.iter().filter_map(|it| Some((driver.pid_variable?, it.pid.to_string())));
    let marks: Vec<(&str, String)> = session.into_iter().chain(launch).chain(pids).collect();
    let first = target.owners.iter().map(|it| it.start_ticks).min();
    let carries = |process: &Process| {
        // A mark is inherited: whoever carries it started after an owner. Who has a terminal is a person's.
        if Some(process.identity.start_ticks) < first || process.has_terminal {
            return false;
        }
        let environment = table.environment(process.identity).unwrap_or_default();
        marks.iter().any(|(name, value)| {
            environment.get(OsStr::new(name)).is_some_and(|it| it == OsStr::new(value))
        })
    };
    others(table, target, carries)
}

/// What an earlier process of the session has left behind: nobody owns the session any more, and this carries its mark, or
/// that of one of its launches.
pub fn left_behind(
    table: &ProcessTable,
    driver: &Driver,
    session: &SessionId,
    launches: &[String],
) -> BTreeSet<ProcessRef> {
    let launches = launches.iter().map(|it| Some(it.as_str()));
    let left = launches.chain([None]).flat_map(|launch_id| {
        let session = Some(session);
        marked(table, Target { owners: &[], driver, session, launch_id, leader: None })
    });
    left.collect()
}

/// Those that are chosen, but for the owners and what is not to be touched.
fn others(
    table: &ProcessTable,
    target: Target<'_>,
    is_chosen: impl Fn(&Process) -> bool,
) -> Vec<ProcessRef> {
    let spared = spared(table);
    let chosen = table.iter().filter(|it| !target.owners.contains(&it.identity) && is_chosen(it));
    chosen.map(|it| it.identity).filter(|it| !is_spared(table, &spared, *it, target)).collect()
}

/// Whether it, or an ancestor below the owners, is not to be touched.
fn is_spared(
    table: &ProcessTable,
    spared: &BTreeSet<Pid>,
    process: ProcessRef,
    target: Target<'_>,
) -> bool {
    let lineage = table.lineage(process.pid).map(|it| it.identity.pid);
    lineage.take_while(|it| !target.is_owner(*it)).any(|it| spared.contains(&it))
}

/// This process, supervisors, and what holds other people's work.
fn spared(table: &ProcessTable) -> BTreeSet<Pid> {
    let here = Pid(i32::try_from(std::process::id()).unwrap_or_default());
    let is_spared = |process: &&Process| {
        let multiplexer = SPARED.iter().any(|it| process.comm.eq_ignore_ascii_case(it));
        multiplexer
            || process.identity.pid == here
            || table.arguments(process.identity) == SUPERVISOR_ARGUMENTS
    };
    table.iter().filter(is_spared).map(|it| it.identity.pid).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use super::*;
    use crate::adapters::drive::UNDRIVEN;
    use crate::testing::FakeProc;

    fn target(owners: &[ProcessRef]) -> Target<'_> {
        Target { owners, driver: &UNDRIVEN, session: None, launch_id: Some("outer"), leader: None }
    }

    fn pids(processes: &[ProcessRef]) -> Vec<i32> {
        processes.iter().map(|it| it.pid.0).collect()
    }

    #[test]
    fn what_a_supervisor_below_the_owner_keeps_is_not_of_its_tree() {
        let proc = FakeProc::new();
        let child = |pid, comm, parent| proc.process_like(pid, 100, comm, parent, 0);
        let owner = child(10, "codex", 1).identity;
        child(11, "headcount", 10).arguments(&["headcount", "serve"]);
        // The kernel's name of whatever is started through `/proc/self/exe`.
        child(12, "exe", 11).arguments(&["headcount", "supervise"]);
        child(13, "codex", 12).environ(&[(LAUNCH_VARIABLE, "inner")]);
        child(14, "sleep", 13);
        child(15, "exe", 10).arguments(&["headcount", "supervises"]);
        child(16, "sleep", 1).environ(&[(LAUNCH_VARIABLE, "outer")]);
        let table = ProcessTable::snapshot(proc.root()).unwrap();
        assert_eq!(pids(&tree_of(&table, target(&[owner]))), [11, 15]);
        assert_eq!(pids(&marked(&table, target(&[owner]))), [16]);
    }

    #[test]
    fn what_a_session_has_left_behind_carries_its_mark_or_that_of_its_launch() {
        const DRIVER: Driver = Driver { session_variable: Some("SESSION"), ..UNDRIVEN };
        let proc = FakeProc::new();
        let child = |pid, tty| proc.process_like(pid, 100, "sleep", 1, tty);
        child(11, 0).environ(&[("SESSION", "one")]);
        child(12, 0).environ(&[("SESSION", "other")]);
        child(13, 0).environ(&[(LAUNCH_VARIABLE, "second")]);
        child(14, 34816).environ(&[("SESSION", "one")]);
        let table = ProcessTable::snapshot(proc.root()).unwrap();
        let session = SessionId::parse("one").unwrap();
        let left = left_behind(&table, &DRIVER, &session, &["first".into(), "second".into()]);
        assert_eq!(pids(&left.into_iter().collect::<Vec<_>>()), [11, 13]);
    }

    #[test]
    fn two_owners_have_two_trees() {
        let proc = FakeProc::new();
        let owners = [10, 20].map(|pid| {
            proc.process_like(pid + 1, 100, "sleep", pid, 0);
            proc.process(pid, 100, "codex").identity
        });
        let table = ProcessTable::snapshot(proc.root()).unwrap();
        assert_eq!(pids(&tree_of(&table, target(&owners))), [11, 21]);
        assert_eq!(pids(&tree_of(&table, target(&owners[..1]))), [11]);
    }

    #[test]
    fn what_cannot_be_held_is_left() {
        let this = Pid(i32::try_from(std::process::id()).unwrap());
        let this = procs::identity(Path::new(procs::PROC), this).unwrap();
        let unreadable = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(unreadable.path().join(this.pid.to_string()).join("stat")).unwrap();
        let proc_root = unreadable.path();
        let mut work = Work { proc_root, wait: &|_, _| true, ending: Ending::default() };
        assert!(work.hold_all(&[this]).is_empty());
        assert_eq!(work.ending.survivors, [this]);
        let owners = hold_owners(unreadable.path(), &[this]);
        assert!(matches!(owners, Err(NotEnded::Unable(_))), "{owners:?}");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an agent to end")]
    fn what_follows_an_agent_that_ended_by_itself_is_not_told_to_end() {
        let dir = tempfile::tempdir().unwrap();
        let [follows, stays] = ["follows", "stays"].map(|name| {
            let fifo = dir.path().join(name);
            nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
            fifo
        });
        let script = format!("cat '{}' & cat '{}' & wait", follows.display(), stays.display());
        let mut agent = Command::new("sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        // Each opens once its reader is there, which goes on until nobody can write to it any more.
        let open = |fifo: &Path| std::fs::File::options().write(true).open(fifo).unwrap();
        let (follower_goes_on, _other_goes_on) = (Cell::new(Some(open(&follows))), open(&stays));
        let proc_root = Path::new(procs::PROC);
        let pid = Pid(i32::try_from(agent.id()).unwrap());
        let owner = procs::identity(proc_root, pid).unwrap();

        let (patience, grace) = (Duration::from_mins(1), Duration::from_secs(5));
        let waited = RefCell::new(Vec::new());
        let wait = |processes: &[&Pinned], limit: Duration| {
            waited.borrow_mut().push((processes.len(), limit));
            if limit != FOLLOW_GRACE {
                return wait_for(processes, patience);
            }
            drop(follower_goes_on.take());
            let is_follower = |it: &&&Pinned| {
                let path = proc_root.join(it.process().pid.to_string()).join("cmdline");
                std::fs::read_to_string(path).is_ok_and(|it| it.contains("follows"))
            };
            let follower = processes.iter().find(is_follower);
            follower.is_some_and(|it| it.has_ended_within(patience))
        };
        let work = Work { proc_root, wait: &wait, ending: Ending::default() };
        let ending = work.end(target(&[owner]), grace).unwrap();
        let told: Vec<&str> = ending.signals.iter().map(|it| it.signal.as_str()).collect();
        assert_eq!((told, ending.signals[0].pid), (vec!["SIGTERM"; 2], owner.pid));
        assert_eq!(ending.survivors, []);
        let waits = [(1, grace), (2, FOLLOW_GRACE), (1, TERMINATE_GRACE), (0, KILL_GRACE)];
        assert_eq!(waited.into_inner()[..4], waits);
        agent.wait().unwrap();
    }

    #[test]
    fn nobody_is_signalled_for_a_recorded_process() {
        let proc = FakeProc::new();
        let this = i32::try_from(std::process::id()).unwrap();
        let recorded = proc.process(this, 100, "codex").identity;
        let ended = end(proc.root(), target(&[recorded]), Duration::ZERO);
        assert!(matches!(ended, Err(NotEnded::Unable(_))), "{ended:?}");
    }
}
