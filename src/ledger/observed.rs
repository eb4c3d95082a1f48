//! What a change of the ledger asks of the world: the clock, the kernel, and where worktrees begin.

use std::path::Path;

use super::{Life, World};
use crate::base::{ProcessRef, Timestamp};
use crate::env::Env;
use crate::procs;

/// Lets `work` see the world as it is now. Processes are asked after one by one, as they are needed.
pub fn with_world<T>(env: &Env, now: Timestamp, work: impl FnOnce(World<'_>) -> T) -> T {
    with_world_at(env.proc_root(), now, work)
}

/// The same, with the directory that shows the processes.
pub fn with_world_at<T>(proc_root: &Path, now: Timestamp, work: impl FnOnce(World<'_>) -> T) -> T {
    let life = |process: ProcessRef| life_of(proc_root, process);
    work(World { now, life: &life, is_worktree_root: &is_worktree_root })
}

/// Whether a process lives: its id and its start. Where processes are not shown at all, or this one cannot be seen,
/// nobody can tell.
fn life_of(proc_root: &Path, process: ProcessRef) -> Life {
    match procs::who_is(proc_root, process.pid) {
        Ok(Some(found)) if found == process => Life::Alive,
        Ok(None) if !procs::is_shown(proc_root) => Life::Unknown,
        Ok(None) if procs::is_hidden(proc_root, process.pid) => Life::Unknown,
        Ok(_) => Life::Dead,
        Err(_) => Life::Unknown,
    }
}

/// A worktree's root holds `.git`: a directory, or in a linked worktree a file.
fn is_worktree_root(dir: &Path) -> bool {
    dir.join(".git").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Pid;

    #[test]
    fn a_process_is_its_id_and_its_start_and_without_a_table_nobody_can_tell() {
        let pid = Pid(i32::try_from(std::process::id()).unwrap());
        let proc_root = Path::new("/proc");
        let this = procs::identity(proc_root, pid).unwrap();
        assert_eq!(life_of(proc_root, this), Life::Alive);
        let recycled = ProcessRef { start_ticks: this.start_ticks + 1, ..this };
        assert_eq!(life_of(proc_root, recycled), Life::Dead);
        assert_eq!(life_of(Path::new("/nonexistent"), this), Life::Unknown);
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_is_not_dead() {
        let table = tempfile::tempdir().unwrap();
        std::fs::write(table.path().join("stat"), "btime 1\n").unwrap();
        std::fs::create_dir_all(table.path().join("7/stat")).unwrap();
        let life = |pid| life_of(table.path(), ProcessRef { pid: Pid(pid), start_ticks: 1 });
        assert_eq!((life(7), life(8)), (Life::Unknown, Life::Dead));
    }
}
