//! An agent's process and the pipes to it, waited for in one `poll`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::base::{Pid, ProcessRef};
use crate::procs;

/// Bytes read at a time.
const CHUNK: usize = 16 << 10;
/// Most chunks still read of each pipe after the agent's end: what it left in them is at most 64 KiB each,
/// and what its orphans go on to write is not its output.
const LAST_CHUNKS: usize = 8;

pub(super) struct Agent {
    pub(super) process: ProcessRef,
    child: Child,
    end: OwnedFd,
    stdin: Option<(File, Vec<u8>)>,
    stdout: Option<File>,
    stderr: Option<File>,
    /// What was read and not yet handed out.
    last: Vec<(Vec<u8>, bool)>,
    ended: Option<ExitStatus>,
}

/// What was waited for.
pub(super) enum Awaited {
    /// The agent said something; the flag tells stdout from stderr.
    Output((Vec<u8>, bool)),
    /// The agent has ended, and all that it said was handed out.
    Ended(ExitStatus),
    Nothing,
}

impl Agent {
    /// The agent's process, with the prompt that it is to read from stdin.
    pub(super) fn of(mut child: Child, prompt: Option<Vec<u8>>) -> io::Result<Self> {
        let pid = Pid(i32::try_from(child.id()).unwrap_or_default());
        // A child that nobody has waited for keeps its id, even if it has ended already.
        let process = procs::identity_even_ended(Path::new(procs::PROC), pid)
            .ok_or_else(|| io::Error::other("the process that was started cannot be seen"))?;
        let raw = rustix::process::Pid::from_raw(pid.0);
        let raw = raw.ok_or_else(|| io::Error::other("a process without an id"))?;
        let stdin = child.stdin.take().map(|it| File::from(OwnedFd::from(it)));
        let stdout = child.stdout.take().map(|it| File::from(OwnedFd::from(it)));
        let stderr = child.stderr.take().map(|it| File::from(OwnedFd::from(it)));
        for pipe in [&stdin, &stdout, &stderr].into_iter().flatten() {
            fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self {
            process,
            end: pidfd_open(raw, PidfdFlags::empty())?,
            child,
            stdin: stdin.zip(prompt),
            stdout,
            stderr,
            last: Vec::new(),
            ended: None,
        })
    }

    /// Waits for output, for the end, or for the instant.
    pub(super) fn wait(&mut self, until: Option<Instant>) -> Awaited {
        if let Some(output) = self.last.pop() {
            return Awaited::Output(output);
        }
        if let Some(status) = self.ended {
            return Awaited::Ended(status);
        }
        let [can_write, out, err, has_ended] = self.poll(until);
        if can_write {
            self.write_prompt();
        }
        // Before the output, of which there is no end where orphans go on to write.
        if has_ended && let Ok(status) = self.child.wait() {
            self.ended = Some(status);
            for _ in 0..LAST_CHUNKS {
                self.last.extend(read(&mut self.stderr).map(|it| (it, false)));
                self.last.extend(read(&mut self.stdout).map(|it| (it, true)));
            }
            self.last.reverse();
            return Awaited::Nothing;
        }
        if out && let Some(bytes) = read(&mut self.stdout) {
            return Awaited::Output((bytes, true));
        }
        if err && let Some(bytes) = read(&mut self.stderr) {
            return Awaited::Output((bytes, false));
        }
        Awaited::Nothing
    }

    /// Which of stdin, stdout, stderr and the end want attention.
    fn poll(&self, until: Option<Instant>) -> [bool; 4] {
        let stdin = self.stdin.as_ref().map(|(pipe, _)| (0, pipe.as_fd(), PollFlags::POLLOUT));
        let stdout = self.stdout.as_ref().map(|pipe| (1, pipe.as_fd(), PollFlags::POLLIN));
        let stderr = self.stderr.as_ref().map(|pipe| (2, pipe.as_fd(), PollFlags::POLLIN));
        let end = Some((3, self.end.as_fd(), PollFlags::POLLIN));
        let all: Vec<_> = [stdin, stdout, stderr, end].into_iter().flatten().collect();
        let mut polled: Vec<PollFd<'_>> =
            all.iter().map(|(_, fd, flags)| PollFd::new(*fd, *flags)).collect();
        let timeout = until.map(|it| it.saturating_duration_since(Instant::now()));
        // Rounded up: a wait that ends a moment early would only be repeated.
        let timeout = timeout.map_or(PollTimeout::NONE, |it| {
            i32::try_from(it.as_millis() + 1)
                .ok()
                .and_then(|it| PollTimeout::try_from(it).ok())
                .unwrap_or(PollTimeout::MAX)
        });
        let mut wants = [false; 4];
        if poll(&mut polled, timeout).is_ok() {
            for ((index, ..), polled) in all.iter().zip(&polled) {
                wants[*index] = polled.any().unwrap_or(false);
            }
        }
        wants
    }

    fn write_prompt(&mut self) {
        let Some((pipe, rest)) = &mut self.stdin else { return };
        match pipe.write(rest) {
            Ok(written) => {
                rest.drain(..written);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            // The agent does not want to read it.
            Err(_) => rest.clear(),
        }
        if rest.is_empty() {
            self.stdin = None;
        }
    }
}

/// What the pipe holds, nothing where that is nothing yet; the pipe is dropped at its end.
fn read(pipe: &mut Option<File>) -> Option<Vec<u8>> {
    let mut bytes = vec![0; CHUNK];
    match pipe.as_mut()?.read(&mut bytes) {
        Ok(0) => *pipe = None,
        Ok(len) => {
            bytes.truncate(len);
            return Some(bytes);
        }
        Err(error)
            if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
        Err(_) => *pipe = None,
    }
    None
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an agent of its own")]
    fn an_agent_has_ended_though_its_orphans_never_stop_writing() {
        let mut agent = Agent::of(Command::new("true").spawn().unwrap(), None).unwrap();
        agent.stdout = Some(File::open("/dev/zero").unwrap());
        let mut last_chunks = 0;
        loop {
            match agent.wait(None) {
                Awaited::Output(_) if agent.ended.is_some() => last_chunks += 1,
                Awaited::Output(_) | Awaited::Nothing => {}
                Awaited::Ended(status) => break assert!(status.success()),
            }
        }
        assert_eq!(last_chunks, LAST_CHUNKS);
    }
}
