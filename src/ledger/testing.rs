//! What the tests of transitions share: instants, claims, launches, and a world in which some processes live.

use std::path::Path;

use super::{LaunchEntry, Life};
use crate::base::{AbsPath, AgentId, Pid, ProcessRef, Timestamp};
use crate::protocol::lock::{Lock, LockKind};
use crate::protocol::session::Launch;

/// A world where the processes of even id live, and no directory is a worktree's root.
pub(super) struct World {
    now: Timestamp,
}

impl World {
    pub(super) fn at(seconds: i64) -> Self {
        Self { now: Self::instant(seconds) }
    }

    pub(super) fn instant(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000).unwrap()
    }

    pub(super) fn view(&self) -> super::World<'static> {
        super::World { now: self.now, life: &life_by_id, is_worktree_root: &no_root }
    }
}

fn no_root(_: &Path) -> bool {
    false
}

/// Even ids live, odd ones are dead, and of 0 nobody can tell.
fn life_by_id(process: ProcessRef) -> Life {
    match process.pid.0 {
        0 => Life::Unknown,
        pid if pid % 2 == 0 => Life::Alive,
        _ => Life::Dead,
    }
}

pub(super) const ALIVE: ProcessRef = ProcessRef { pid: Pid(2), start_ticks: 1 };
pub(super) const DEAD: ProcessRef = ProcessRef { pid: Pid(1), start_ticks: 1 };
pub(super) const UNKNOWN: ProcessRef = ProcessRef { pid: Pid(0), start_ticks: 1 };

pub(super) fn path(text: &str) -> AbsPath {
    AbsPath::parse(text).unwrap()
}

pub(super) fn lock(directory: &str, by: &str) -> Lock {
    Lock {
        directory: path(directory),
        by: by.into(),
        kind: LockKind::Manual,
        pid: None,
        session_id: None,
        since: World::instant(1),
        expires_at: None,
        reason: None,
    }
}

/// A launch in `directory`, answered for by `keeper`.
pub(super) fn launch(id: &str, directory: &str, keeper: ProcessRef) -> LaunchEntry {
    LaunchEntry {
        agent: AgentId::of("codex"),
        session: None,
        process: None,
        is_served: false,
        keeper: Some(keeper),
        cwd: Some(path(directory)),
        claim: Some(path(directory)),
        is_forced: false,
        ended: None,
        end: None,
        elsewhere: None,
        launch: Launch {
            launch_id: id.into(),
            launched_at: World::instant(1),
            prompt: "do it".into(),
            group: None,
            spec: None,
            label: None,
            model: None,
            exit_code: None,
            hook_failure: None,
            log_path: Some(path("/log")),
        },
    }
}
