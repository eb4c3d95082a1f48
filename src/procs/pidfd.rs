//! A descriptor of a process by its id.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, pidfd_open};

use crate::base::Pid;

/// A descriptor of the process that has this id now; nothing where none has.
///
/// An id may also have passed to a thread, which is no process: the kernel calls that an invalid argument, and newer ones
/// no such entry.
pub(super) fn of(pid: Pid) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = rustix::process::Pid::from_raw(pid.0) else { return Ok(None) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(Errno::SRCH | Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_process_has_one_and_not_each_of_its_threads() {
        let this = Pid(i32::try_from(std::process::id()).unwrap());
        assert!(of(this).unwrap().is_some());
        // The kernel gives out no ids from here on.
        assert!(of(Pid(1 << 22)).unwrap().is_none());
        let of_its_thread = std::thread::spawn(move || {
            let place = std::fs::read_link("/proc/thread-self").unwrap();
            let id = place.file_name().unwrap().to_str().unwrap().parse().unwrap();
            assert_ne!(Pid(id), this);
            of(Pid(id))
        });
        assert!(of_its_thread.join().unwrap().unwrap().is_none());
    }
}
