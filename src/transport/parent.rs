//! Waits for the end of the process that started us, without ever waking up to look.

use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::message;

/// Whose end is the connection's, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Parent {
    #[default]
    Nobody,
    Process(i32),
}

impl Parent {
    /// The one that the parameters of `initialize` name; nothing where they say nothing of it.
    pub(super) fn named_by(params: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named<'a> {
            #[serde(borrow, default, deserialize_with = "message::present")]
            process_id: Option<&'a RawValue>,
        }
        let named = serde_json::from_str::<Named>(params).ok()?.process_id?.get();
        if named == "null" {
            return Some(Self::Nobody);
        }
        // Some clients write whole numbers as `7.0`; every process id is exact in this type.
        let number: f64 = serde_json::from_str(named).ok()?;
        let pid = number.to_string().parse().ok().filter(|it: &i32| *it > 0);
        pid.map(Self::Process)
    }
}

/// Returns when the latest process named on `parent` is gone; never if none is named.
pub(super) async fn gone(mut parent: watch::Receiver<Parent>) {
    loop {
        let named = *parent.borrow_and_update();
        tokio::select! {
            () = exited(named) => return,
            renamed = parent.changed() => if renamed.is_err() {
                // The connection is ending and will not name another: the last word stands.
                return exited(named).await;
            },
        }
    }
}

async fn exited(parent: Parent) {
    match parent {
        Parent::Process(pid) => process_end(pid).await,
        Parent::Nobody => std::future::pending().await,
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
