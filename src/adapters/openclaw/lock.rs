//! The gateway that owns a state directory, by the lock file that it keeps there while it runs.
//!
//! ```json
//! {"pid":14317,"createdAt":"2026-11-28T15:19:54.334Z","configPath":"/home/dev/.openclaw/openclaw.json",
//!  "stateDir":"/home/dev/.openclaw","port":38923,"startTime":81175}
//! ```
//!
//! A gateway that was killed leaves it behind, so it counts as long as that process lives: `startTime` is the kernel's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapters::files::read_small;
use crate::base::Pid;
use crate::procs;

/// A gateway that runs now.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Running {
    pid: i32,
    start_time: u64,
    /// Where it listens, whatever it was told by.
    pub(super) port: u16,
    /// The settings that it was started with.
    pub(super) config_path: Option<PathBuf>,
}

impl Running {
    /// The gateway that owns the state directory, as the kernel at `proc_root` confirms.
    pub(super) fn of(state: &Path, proc_root: &Path) -> Option<Self> {
        let user = format!("openclaw-{}", nix::unistd::getuid());
        // Where nothing can be read, nothing is known: the settings say where a gateway should be.
        let bytes = read_small(&state.join("tmp").join(user).join("gateway.state.lock")).ok()?;
        let lock: Self = serde_json::from_slice(&bytes).ok()?;
        let process = procs::identity(proc_root, Pid(lock.pid))?;
        (process.start_ticks == lock.start_time).then_some(lock)
    }
}
