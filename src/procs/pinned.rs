//! A process held by a descriptor: what is signalled is what was looked at, and its end can be waited for.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open, pidfd_send_signal};

pub use rustix::process::Signal;

use crate::base::ProcessRef;

/// A process that cannot turn into another one, even after its end.
#[derive(Debug)]
pub struct Pinned {
    process: ProcessRef,
    fd: OwnedFd,
}

impl Pinned {
    /// Holds the process; nothing where it has ended, and where its id is another's now; an error where that cannot be
    /// told, as with too many open files.
    pub fn hold(proc_root: &Path, process: ProcessRef) -> io::Result<Option<Self>> {
        let Some(fd) = super::pidfd::of(process.pid)? else { return Ok(None) };
        // Looked at after it is held: from here on the id cannot come to mean another.
        let found = super::who_is(proc_root, process.pid)?;
        Ok((found == Some(process)).then_some(Self { process, fd }))
    }

    pub fn process(&self) -> ProcessRef {
        self.process
    }

    /// Sends a signal, and says whether there was still somebody to receive it.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the process has ended, at most that long, and says whether it has.
    pub fn has_ended_within(&self, limit: Duration) -> bool {
        wait_for(&[self], limit)
    }
}

impl AsFd for Pinned {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until a child of this process has ended, at most that long, and says whether it has; an error where that cannot be
/// told, as with too many open files. Nobody may have taken its exit code yet: until then its id is its own.
pub fn child_has_ended_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = rustix::process::Pid::from_child(child);
    Ok(wait_for(&[pidfd_open(pid, PidfdFlags::empty())?], limit))
}

/// Waits until all of them have ended, at most that long, and says whether they have.
pub fn wait_for(processes: &[impl AsFd], limit: Duration) -> bool {
    let end = Instant::now() + limit;
    let mut left: Vec<_> = processes.iter().collect();
    loop {
        let mut polled: Vec<PollFd<'_>> =
            left.iter().map(|it| PollFd::new(it.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        if polled.is_empty() {
            return true;
        }
        match poll(&mut polled, timeout) {
            Ok(0) => return false,
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(_) => return false,
        }
        let ended: Vec<bool> = polled.iter().map(|it| it.any().unwrap_or(false)).collect();
        let mut ended = ended.into_iter();
        left.retain(|_| !ended.next().unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pid;

    #[test]
    fn what_is_gone_is_not_held_and_what_cannot_be_seen_is_not_gone() {
        let proc_root = Path::new(crate::procs::PROC);
        let pid = Pid(i32::try_from(std::process::id()).unwrap());
        let this = crate::procs::identity(proc_root, pid).unwrap();
        assert_eq!(Pinned::hold(proc_root, this).unwrap().map(|it| it.process()), Some(this));
        let recycled = ProcessRef { start_ticks: this.start_ticks + 1, ..this };
        assert!(Pinned::hold(proc_root, recycled).unwrap().is_none());
        // The kernel gives out no ids from here on.
        let gone = ProcessRef { pid: Pid(1 << 22), ..this };
        assert!(Pinned::hold(proc_root, gone).unwrap().is_none());

        let unreadable = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(unreadable.path().join(pid.to_string()).join("stat")).unwrap();
        assert!(Pinned::hold(unreadable.path(), this).is_err());
    }
}
