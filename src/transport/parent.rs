//! Waits for the end of the process that started us, without ever waking up to look.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

/// Returns when the latest process named on `parent` is gone; never if none is named.
pub(super) async fn gone(mut parent: watch::Receiver<Option<i32>>) {
    loop {
        let pid = *parent.borrow_and_update();
        tokio::select! {
            () = exited(pid) => return,
            renamed = parent.changed() => if renamed.is_err() {
                // The connection is ending and will not name another: the last word stands.
                return exited(pid).await;
            },
        }
    }
}

async fn exited(pid: Option<i32>) {
    match pid {
        Some(pid) => process_end(pid).await,
        None => std::future::pending().await,
    }
}

/// A pidfd becomes readable when its process ends.
async fn process_end(pid: i32) {
    let ended = match pidfd(pid) {
        Ok(Some(pidfd)) => pidfd.readable().await.map(|_| {
            tracing::info!(pid, "the client's process has ended");
        }),
        Ok(None) => {
            tracing::warn!(
                pid,
                "the client's process is not to be seen here: it has ended, or `initialize` named it as another \
                 container sees it"
            );
            Ok(())
        }
        Err(error) => Err(error),
    };
    if let Err(error) = ended {
        tracing::warn!(%error, pid, "cannot watch the parent process; the end of input will tell");
        std::future::pending::<()>().await;
    }
}

/// Returns a handle on a process; `None` if there is none of this pid.
#[allow(
    deprecated,
    reason = "unsound for a type that changes its descriptor; `OwnedFd` does not, and the new is unsafe"
)]
fn pidfd(pid: i32) -> std::io::Result<Option<AsyncFd<OwnedFd>>> {
    let Some(pid) = Pid::from_raw(pid) else { return Err(std::io::ErrorKind::InvalidInput.into()) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => AsyncFd::with_interest(pidfd, Interest::READABLE).map(Some),
        Err(Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
