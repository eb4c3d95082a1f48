//! One fuse, from the ledger to the end of its command. Blocks.
//!
//! That a fuse is fired is written down before anything is started, and that all is under way afterwards: a process
//! that is killed in between leaves a word, and nobody repeats what it may have done.

use std::convert::Infallible;

use tokio::sync::oneshot;

use super::act;
use crate::base::AbsPath;
use crate::env::Env;
use crate::ledger::{Firer, Firing, LedgerError, LedgerFile};
use crate::procs;
use crate::protocol::fuse::FuseExpired;
use crate::scope;
use crate::unfinished::Job;

/// Fires the fuse that a directory has, if it is due. Whether it is this process's to fire is told at once.
pub(super) fn fire(
    env: &Env,
    directory: &AbsPath,
    job: Job,
    tell: oneshot::Sender<Result<Option<FuseExpired>, LedgerError>>,
) {
    let file = LedgerFile::of(env);
    let begun = begin(&file, directory);
    let firing = begun.as_ref().ok().cloned().flatten();
    let expired = |it: Firing| super::expired(it.fuse, it.begun);
    // Whoever waits for the word may have left.
    drop(tell.send(begun.map(|it| it.map(expired))));
    let Some(firing) = firing else { return };
    let running = act::fire(env, &expired(firing.clone()));
    settle(&file, &firing);
    // From here on all goes on without this process.
    drop(job);
    if let Some(running) = running {
        act::finish(running, directory);
    }
}

fn begin(file: &LedgerFile, directory: &AbsPath) -> Result<Option<Firing>, LedgerError> {
    let by = Firer { process: procs::this_process(), place: file.here().clone() };
    let begun: Result<_, Infallible> =
        file.update(|ledger| Ok(ledger.begin_firing(directory, &by, scope::now())))?;
    let Ok(begun) = begun;
    Ok(begun)
}

fn settle(file: &LedgerFile, firing: &Firing) {
    if !firing.is_remembered() {
        return;
    }
    let settled = file.update(|ledger| {
        ledger.settle(firing);
        Ok::<_, Infallible>(())
    });
    if let Err(error) = settled {
        let directory = &firing.fuse.directory;
        tracing::warn!(%directory, %error, "that a fuse was fired is not noted");
    }
}
