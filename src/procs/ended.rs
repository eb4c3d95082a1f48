//! Waits for the end of a process without ever waking up to look.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::base::ProcessRef;

/// Returns when the process is gone, at once if it is gone already; an error where the kernel cannot tell.
pub fn ended(
    root: &Path,
    process: ProcessRef,
) -> io::Result<impl Future<Output = ()> + Send + use<>> {
    let pidfd = pidfd(root, process)?;
    Ok(async move {
        if let Some(pidfd) = pidfd
            && let Err(error) = pidfd.readable().await
        {
            // Only the runtime's own end makes it fail.
            tracing::warn!(%error, pid = %process.pid, "the end of a process is not awaited any more");
            std::future::pending::<()>().await;
        }
    })
}

/// A handle on the process; nothing where it is gone.
#[allow(
    deprecated,
    reason = "unsound for a type that changes its descriptor; `OwnedFd` does not, and the new is unsafe"
)]
fn pidfd(root: &Path, process: ProcessRef) -> io::Result<Option<AsyncFd<OwnedFd>>> {
    let Some(pidfd) = super::pidfd::of(process.pid)? else { return Ok(None) };
    // The id may have passed to another process before the handle was made.
    if super::who_is(root, process.pid)? != Some(process) {
        return Ok(None);
    }
    AsyncFd::with_interest(pidfd, Interest::READABLE).map(Some)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use futures_util::FutureExt;

    use super::*;
    use crate::base::{Pid, ProcessRef};

    const PROC: &str = "/proc";

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a process that can be killed")]
    async fn the_end_of_a_process_is_told_and_not_before() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = Pid(i32::try_from(child.id()).unwrap());
        let process = super::super::identity(Path::new(PROC), pid).unwrap();
        let mut waiting = Box::pin(ended(Path::new(PROC), process).unwrap());
        assert!(waiting.as_mut().now_or_never().is_none());
        child.kill().unwrap();
        waiting.await;
        child.wait().unwrap();
        ended(Path::new(PROC), process).unwrap().await;
    }

    #[tokio::test]
    async fn a_recycled_id_is_the_end_of_the_process_that_had_it() {
        let pid = Pid(i32::try_from(std::process::id()).unwrap());
        ended(Path::new(PROC), ProcessRef { pid, start_ticks: 1 }).unwrap().await;
    }
}
