//! Fuses that run out: each is fired once, by one of the servers, on time or as soon as one is there.
//!
//! A server waits for the earliest fuse and for changes of the ledger, and for nothing else. Whoever takes a fuse that
//! is due out of the ledger, in a transaction, fires it.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher};
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinSet;

use crate::adapters::files::blocking;
use crate::base::Timestamp;
use crate::env::Env;
use crate::ledger::{LedgerError, LedgerFile};
use crate::protocol::fuse::{Fuse, FuseExpired};
use crate::scope;

mod act;
mod alarm;
mod webhook;

pub use webhook::check_address;

/// How much later than its instant a fuse may be fired and still be on time.
const ON_TIME_MS: u64 = 2_000;
/// How long after a failed look at the fuses, or without a timer, the next one follows.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How many expiries a watching client may be behind; there are tens of fuses.
const BEHIND_MAX: usize = 64;

/// What the keeper of fuses and the handlers share.
#[derive(Debug)]
pub struct FuseBoard {
    changed: Arc<Notify>,
    expired: broadcast::Sender<FuseExpired>,
}

impl Default for FuseBoard {
    fn default() -> Self {
        Self { changed: Arc::default(), expired: broadcast::channel(BEHIND_MAX).0 }
    }
}

impl FuseBoard {
    /// Tells the keeper that a fuse was set, extended or cancelled here.
    pub fn changed(&self) {
        self.changed.notify_one();
    }

    /// The fuses that run out from now on.
    pub fn expiries(&self) -> broadcast::Receiver<FuseExpired> {
        self.expired.subscribe()
    }

    /// Fires the fuses that are due, for as long as it is polled.
    pub async fn keep(&self, env: Arc<Env>) -> Infallible {
        let mut known: Vec<Fuse> = Vec::new();
        let mut watcher = None;
        let mut firing = JoinSet::new();
        loop {
            if watcher.is_none() {
                // Before the look: what changes while we look wakes us again.
                watcher = watch(&env, self.changed.clone());
            }
            let now = scope::now();
            let fuses = match look(&env, now).await {
                Ok(fuses) => fuses,
                Err(error) => {
                    tracing::warn!(%error, "fuses cannot be looked at");
                    // What is known of them stays: they burn on. Where none was, none is missed.
                    tokio::select! {
                        () = tokio::time::sleep(LOOK_AGAIN), if !known.is_empty() => {}
                        () = self.changed.notified() => {}
                    }
                    continue;
                }
            };
            for fuse in fired_elsewhere(&known, &fuses.left, &fuses.taken, now) {
                self.tell(fuse, now);
            }
            for fuse in fuses.taken {
                let expired = self.tell(fuse, now);
                let env = env.clone();
                firing.spawn(async move { blocking(move || act::fire(&env, &expired)).await });
            }
            known = fuses.left;
            let next = known.iter().map(|it| it.expires_at).min();
            tokio::select! {
                () = wait_for(next) => {}
                () = self.changed.notified() => {}
                Some(_) = firing.join_next() => {}
            }
        }
    }

    /// Tells whoever watches; nobody may.
    fn tell(&self, fuse: Fuse, now: Timestamp) -> FuseExpired {
        let late = now.millis_since(fuse.expires_at) > ON_TIME_MS;
        let expired = FuseExpired { fuse, fired_at: now, late };
        tracing::info!(directory = %expired.fuse.directory, late, "a fuse has run out");
        // An error says that nobody watches.
        drop(self.expired.send(expired.clone()));
        expired
    }
}

/// The fuses of the ledger: those that this server is to fire, and the rest.
struct Looked {
    taken: Vec<Fuse>,
    left: Vec<Fuse>,
}

async fn look(env: &Arc<Env>, now: Timestamp) -> Result<Looked, LedgerError> {
    let env = env.clone();
    blocking(move || {
        let file = LedgerFile::of(&env);
        let ledger = file.read()?;
        if ledger.next_due().is_none_or(|it| it > now) {
            return Ok(Looked { taken: Vec::new(), left: ledger.fuses });
        }
        file.update(|ledger| {
            let taken = ledger.take_due(now);
            Ok(Looked { taken, left: ledger.fuses.clone() })
        })
        .map(|it: Result<_, Infallible>| match it {
            Ok(looked) => looked,
        })
    })
    .await
}

/// The fuses that were known, are due, and are gone: another server fires them.
fn fired_elsewhere(known: &[Fuse], left: &[Fuse], taken: &[Fuse], now: Timestamp) -> Vec<Fuse> {
    let is_gone = |fuse: &&Fuse| {
        let is_it = |it: &Fuse| it.directory == fuse.directory;
        fuse.expires_at <= now && !left.iter().any(is_it) && !taken.iter().any(is_it)
    };
    known.iter().filter(is_gone).cloned().collect()
}

/// Waits until the instant; for ever where there is none.
async fn wait_for(instant: Option<Timestamp>) {
    match instant {
        None => std::future::pending().await,
        Some(instant) => {
            if let Err(error) = alarm::at(instant).await {
                tracing::warn!(%error, "there is no timer for fuses");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

/// Wakes the keeper when the ledger changes, whoever changes it; nothing as long as there is no state directory.
fn watch(env: &Env, changed: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let dir = env.state_dir();
    if !dir.is_dir() {
        return None;
    }
    let on_event = move |event: notify::Result<notify::Event>| {
        let is_change = event.is_ok_and(|it| {
            let is_written = it.kind.is_create() || it.kind.is_modify();
            is_written && it.paths.iter().any(|path| is_ledger(path))
        });
        if is_change {
            changed.notify_one();
        }
    };
    let watch = || {
        let mut watcher = notify::recommended_watcher(on_event)?;
        watcher.watch(&dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    };
    watch()
        .inspect_err(|error: &notify::Error| {
            tracing::warn!(%error, "changes of the ledger by others are not seen");
        })
        .ok()
}

/// Whether it is a file that a change of the ledger writes; a reader touches `ledger.db-shm` too.
fn is_ledger(path: &Path) -> bool {
    let names = [OsStr::new("ledger.db"), OsStr::new("ledger.db-wal")];
    path.file_name().is_some_and(|it| names.contains(&it))
}

#[cfg(test)]
mod tests;
