//! What a child of ours does before it becomes another program.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;

use nix::errno::Errno;

use crate::base::{Pid, ProcessRef};
use crate::procs;

/// Starts a program that begins only once `note` has taken its process down. Were whoever starts it killed in between,
/// a program would be at work that nobody knows of; so the child waits, and ends where nobody is left to let it go on.
pub(super) fn spawn_noted(
    mut command: Command,
    note: impl FnOnce(ProcessRef) -> Result<(), String> + Send,
) -> io::Result<Child> {
    let (mut told, tell) = io::pipe()?;
    let (wait, mut let_go) = io::pipe()?;
    let (tell, wait, held) = (OwnedFd::from(tell), OwnedFd::from(wait), let_go.as_raw_fd());
    before_exec(&mut command, move || {
        // The child's own copy, which would keep the pipe open for ever.
        nix::unistd::close(held)?;
        nix::unistd::write(&tell, &std::process::id().to_ne_bytes())?;
        match nix::unistd::read(&wait, &mut [0]) {
            Ok(0) => Err(Errno::ECANCELED),
            read => read.map(drop),
        }
    });
    thread::scope(|scope| {
        let noting = scope.spawn(move || {
            let mut pid = [0; size_of::<u32>()];
            // Without a word there is no child, and why is told below.
            told.read_exact(&mut pid).map_err(|error| error.to_string())?;
            let pid = Pid(i32::try_from(u32::from_ne_bytes(pid)).unwrap_or_default());
            let process = procs::identity(Path::new(procs::PROC), pid);
            note(process.ok_or("the process that was started cannot be seen")?)?;
            let_go.write_all(&[1]).map_err(|error| error.to_string())
        });
        let spawned = command.spawn();
        // With it goes the end of the pipe on which a child that never came to be would have told its id.
        drop(command);
        match (spawned, noting.join()) {
            (Err(error), Ok(Err(why))) if error.raw_os_error() == Some(Errno::ECANCELED as i32) => {
                Err(io::Error::other(why))
            }
            (spawned, _) => spawned,
        }
    })
}

/// Makes the program the leader of a session of its own: it has no terminal, nor could it be stopped by one.
pub(super) fn without_terminal(command: &mut Command) {
    before_exec(command, || nix::unistd::setsid().map(drop));
}

#[expect(unsafe_code, reason = "between fork and exec nobody but the kernel checks what is done")]
fn before_exec(
    command: &mut Command,
    mut act: impl FnMut() -> Result<(), Errno> + Send + Sync + 'static,
) {
    // SAFETY: what is given here makes system calls and nothing else: no allocation, no lock.
    unsafe { command.pre_exec(move || act().map_err(io::Error::from)) };
}
