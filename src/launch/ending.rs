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
/// The variable by which a supervisor is known: it is never ended on behalf of another launch.
pub const SUPERVISOR_VARIABLE: &str = "HEADCOUNT_SUPERVISES";

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
    /// The process that owns the session.
    pub owner: ProcessRef,
    pub driver: &'a Driver,
    pub session: Option<&'a SessionId>,
    /// The launch that it came from.
    pub launch_id: Option<&'a str>,
    /// The process that was launched: the owner, or a wrapper around it.
    pub leader: Option<ProcessRef>,
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
    /// The owner has ended already.
    Gone,
    /// The owner's id is another process's now.
    NotOurs,
    /// The processes cannot be seen, or not be signalled.
    Unable(io::Error),
}

/// Ends the owner by its own polite way, then what is left of its tree, then what carries its marks.
pub fn end(proc_root: &Path, target: Target<'_>, grace: Duration) -> Result<Ending, NotEnded> {
    let Some(owner) = Pinned::hold(proc_root, target.owner) else {
        return Err(match procs::identity(proc_root, target.owner.pid) {
            Some(_) => NotEnded::NotOurs,
            None => NotEnded::Gone,
        });
    };
    let table = ProcessTable::snapshot(proc_root).map_err(NotEnded::Unable)?;
    // Held before the first signal: once their parent is gone nothing says whose children they were.
    let tree = hold_all(proc_root, &tree_of(&table, target));
    let mut ending = Ending::default();
    let polite = match target.driver.polite {
        Polite::Interrupt => Signal::INT,
        Polite::Terminate => Signal::TERM,
    };
    ending.send(polite, &owner).map_err(NotEnded::Unable)?;
    let has_ended = owner.has_ended_within(grace);
    let mut left: Vec<&Pinned> = tree.iter().collect();
    if has_ended {
        wait_for(&left, FOLLOW_GRACE);
    } else {
        left.insert(0, &owner);
    }
    ending.force(&left);
    // What had left the tree before: orphans of earlier commands.
    if let Ok(table) = ProcessTable::snapshot(proc_root) {
        let marked = hold_all(proc_root, &marked(&table, target));
        ending.force(&marked.iter().collect::<Vec<_>>());
    }
    Ok(ending)
}

impl Ending {
    fn send(&mut self, signal: Signal, to: &Pinned) -> io::Result<()> {
        if to.signal(signal)? {
            let signal = match signal {
                Signal::INT => "SIGINT",
                Signal::TERM => "SIGTERM",
                _ => "SIGKILL",
            };
            self.signals.push(Signalled { signal: signal.into(), pid: to.process().pid });
        }
        Ok(())
    }

    /// Tells them to end, kills what does not, and notes what is left even then.
    fn force(&mut self, processes: &[&Pinned]) {
        let mut left: Vec<&Pinned> = processes.to_vec();
        for (signal, grace) in [(Signal::TERM, TERMINATE_GRACE), (Signal::KILL, KILL_GRACE)] {
            left.retain(|it| !it.has_ended_within(Duration::ZERO));
            for process in &left {
                // A process that may not be signalled is found among the survivors.
                if let Err(error) = self.send(signal, process) {
                    tracing::warn!(pid = %process.process().pid, %error, "cannot be signalled");
                }
            }
            wait_for(&left, grace);
        }
        left.retain(|it| !it.has_ended_within(Duration::ZERO));
        self.survivors.extend(left.iter().map(|it| it.process()));
    }
}

fn hold_all(proc_root: &Path, processes: &[ProcessRef]) -> Vec<Pinned> {
    processes.iter().filter_map(|it| Pinned::hold(proc_root, *it)).collect()
}

/// The owner's descendants and its process group, where that is the agent's own; without the owner.
fn tree_of(table: &ProcessTable, target: Target<'_>) -> Vec<ProcessRef> {
    let spared = spared(table);
    let owner = target.owner.pid;
    let group = table.get(owner).map(|it| it.group);
    let is_own_group =
        group.is_some_and(|it| it == owner || target.leader.is_some_and(|up| up.pid == it));
    let belongs = |process: &&Process| {
        let is_in_group = is_own_group && Some(process.group) == group;
        let mut lineage = table.lineage(process.identity.pid);
        is_in_group || lineage.any(|it| it.identity.pid == owner)
    };
    let chosen = table.iter().filter(|it| it.identity.pid != owner).filter(belongs);
    chosen.map(|it| it.identity).filter(|it| !is_spared(table, &spared, *it, owner)).collect()
}

/// The processes that carry the marks of the session or of the launch.
fn marked(table: &ProcessTable, target: Target<'_>) -> Vec<ProcessRef> {
    let spared = spared(table);
    let session = target.driver.session_variable.zip(target.session.map(SessionId::as_str));
    let pid = target.owner.pid.to_string();
    let marks: Vec<(&str, &str)> = [
        session,
        target.driver.pid_variable.map(|it| (it, pid.as_str())),
        target.launch_id.map(|it| (LAUNCH_VARIABLE, it)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let carries = |process: &&Process| {
        // A mark is inherited: whoever carries it started after the owner. Who has a terminal is a person's.
        if process.identity.start_ticks < target.owner.start_ticks || process.has_terminal {
            return false;
        }
        let environment = table.environment(process.identity).unwrap_or_default();
        marks.iter().any(|(name, value)| {
            environment.get(OsStr::new(name)).is_some_and(|it| it == OsStr::new(value))
        })
    };
    let chosen = table.iter().filter(|it| it.identity != target.owner).filter(carries);
    let owner = target.owner.pid;
    chosen.map(|it| it.identity).filter(|it| !is_spared(table, &spared, *it, owner)).collect()
}

/// Whether it, or an ancestor below the owner, is not to be touched.
fn is_spared(
    table: &ProcessTable,
    spared: &BTreeSet<Pid>,
    process: ProcessRef,
    owner: Pid,
) -> bool {
    let lineage = table.lineage(process.pid).map(|it| it.identity.pid);
    lineage.take_while(|it| *it != owner).any(|it| spared.contains(&it))
}

/// This process, supervisors, and what holds other people's work.
fn spared(table: &ProcessTable) -> BTreeSet<Pid> {
    let here = Pid(i32::try_from(std::process::id()).unwrap_or_default());
    let is_spared = |process: &&Process| {
        let multiplexer = SPARED.iter().any(|it| process.comm.eq_ignore_ascii_case(it));
        multiplexer
            || process.identity.pid == here
            || (process.comm == "headcount"
                && table
                    .environment(process.identity)
                    .is_some_and(|it| it.contains_key(OsStr::new(SUPERVISOR_VARIABLE))))
    };
    table.iter().filter(is_spared).map(|it| it.identity.pid).collect()
}
