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
    /// What an earlier stop, which was cut short, was to end.
    pub unfinished: &'a [ProcessRef],
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
    check(proc_root).map_err(NotEnded::Unable)?;
    Work { proc_root, wait: &wait, ending: Ending::default() }.end(target, grace)
}

/// Ends what a stop that was cut short has left, where no owner is left to be asked.
pub fn finish(proc_root: &Path, unfinished: &[ProcessRef]) -> io::Result<Ending> {
    check(proc_root)?;
    let mut work = Work { proc_root, wait: &wait, ending: Ending::default() };
    let table = ProcessTable::snapshot(proc_root)?;
    work.force_all(&table, unfinished);
    Ok(work.ending)
}

/// All that an end of the target would end, as far as it can be seen beforehand.
pub fn whole(table: &ProcessTable, target: Target<'_>) -> BTreeSet<ProcessRef> {
    let below = tree_of(table, target).into_iter().chain(marked(table, target));
    target.owners.iter().chain(target.unfinished).copied().chain(below).collect()
}

fn wait(processes: &[&Pinned], limit: Duration) -> bool {
    wait_for(processes, limit)
}

/// Refuses where processes are recorded ones: each has the id of some other that lives here.
pub fn check(proc_root: &Path) -> io::Result<()> {
    if proc_root == Path::new(procs::PROC) {
        return Ok(());
    }
    Err(io::Error::other("the process table is a recorded one"))
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
        // What had left the tree before: orphans of earlier commands, and what an earlier stop has not come to.
        match ProcessTable::snapshot(self.proc_root) {
            Ok(table) => {
                let mut rest = [&marked(&table, target)[..], target.unfinished].concat();
                rest.sort_unstable();
                rest.dedup();
                self.force_all(&table, &rest);
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

    /// The same as [`Self::force`] for those that still live.
    fn force_all(&mut self, table: &ProcessTable, processes: &[ProcessRef]) {
        let held = self.hold_all(processes);
        self.force(table, &held.iter().collect::<Vec<_>>());
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
        let (owners, unfinished, leader) = (&[][..], &[][..], None);
        marked(table, Target { owners, driver, session, launch_id, leader, unfinished })
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
mod tests;
