//! Fuses that run out: each is fired at most once, by one of the servers, on time or as soon as one is there.
//!
//! A server waits for the earliest fuse and for changes of the ledger, and for nothing else. It fires each fuse on a
//! thread of its own, which outlives whatever ends the waiting.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, broadcast, oneshot};
use tokio::task::{JoinError, JoinSet};

use crate::adapters::Watched;
use crate::base::{AbsPath, Timestamp};
use crate::env::Env;
use crate::ledger::{LedgerError, LedgerFile, with_world};
use crate::offload::{blocking, on_own_thread};
use crate::protocol::fuse::{Fuse, FuseExpired};
use crate::scope;
use crate::unfinished::Unfinished;
use crate::watch::{StoreWatcher, Watchlist};

mod act;
mod alarm;
mod firing;
mod webhook;

pub use webhook::check_address;

/// How much later than its instant a fuse may be fired and still be on time.
const ON_TIME_MS: u64 = 2_000;
/// How long after a failed look at the fuses, or without a timer, the next one follows.
const LOOK_AGAIN: Duration = Duration::from_mins(1);
/// How many expiries a watching client may be behind, and miss none; there are tens of fuses.
pub const BEHIND_MAX: usize = 64;
/// Fuses that one server fires at once, each on a thread of its own until its command has ended. The others stay due,
/// for another server or for later.
const FIRING_MAX: usize = 64;

/// What the keeper of fuses and the handlers share.
#[derive(Debug)]
pub struct FuseBoard {
    changed: Notify,
    expired: broadcast::Sender<FuseExpired>,
}

impl Default for FuseBoard {
    fn default() -> Self {
        Self { changed: Notify::new(), expired: broadcast::channel(BEHIND_MAX).0 }
    }
}

/// Why fuses that may be due were not fired.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the thread for a fuse did not begin")]
    NoThread,
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

    /// Fires the fuses that are due, for as long as it is polled. What it has begun by then is `unfinished`.
    pub async fn keep(&self, env: Arc<Env>, unfinished: Unfinished) -> Infallible {
        let mut keeper =
            Keeper { board: self, env, unfinished, known: Vec::new(), firing: JoinSet::new() };
        let mut watcher = StoreWatcher::new();
        loop {
            // Before the look: what changes while we look wakes us again.
            watcher = follow(watcher, &keeper.env).await;
            let looked = keeper.look().await;
            if let Err(error) = &looked {
                tracing::warn!(%error, "fuses cannot be fired");
            }
            let next = keeper.next();
            tokio::select! {
                () = wait_for(next), if looked.is_ok() => {}
                // What is known of them stays: they burn on. Where none was, none is missed.
                () = tokio::time::sleep(LOOK_AGAIN), if looked.is_err() && !keeper.known.is_empty() => {}
                () = self.changed.notified() => {}
                _ = watcher.touched() => {}
                Some(ended) = keeper.firing.join_next() => note(ended),
            }
        }
    }

    /// Tells whoever watches; nobody may.
    pub fn tell(&self, expired: FuseExpired) {
        let (directory, late) = (&expired.fuse.directory, expired.late);
        tracing::info!(%directory, late, "a fuse has run out");
        // An error says that nobody watches.
        drop(self.expired.send(expired));
    }
}

/// What one server knows of the fuses, and those that it fires.
struct Keeper<'a> {
    board: &'a FuseBoard,
    env: Arc<Env>,
    unfinished: Unfinished,
    /// The fuses of the ledger, without those that were fired here.
    known: Vec<Fuse>,
    firing: JoinSet<io::Result<()>>,
}

impl Keeper<'_> {
    /// Looks at the fuses, and fires those that are due.
    async fn look(&mut self) -> Result<(), Trouble> {
        let env = self.env.clone();
        let fuses = blocking(move || fuses(&env)).await?;
        let now = scope::now();
        for fuse in fired_elsewhere(&self.known, &fuses, now) {
            self.board.tell(expired(fuse, now));
        }
        self.known = fuses;
        let free = FIRING_MAX.saturating_sub(self.firing.len());
        for directory in due(&self.known, now, free) {
            // Where another was faster, or took the fuse away, the next look says so.
            if let Some(expired) = self.fire(directory).await? {
                self.known.retain(|it| it.directory != expired.fuse.directory);
                self.board.tell(expired);
            }
        }
        Ok(())
    }

    /// Fires the fuse of a directory if it is this server's to fire, and returns once that is known.
    async fn fire(&mut self, directory: AbsPath) -> Result<Option<FuseExpired>, Trouble> {
        let (env, job) = (self.env.clone(), self.unfinished.begin());
        let (tell, told) = oneshot::channel();
        self.firing.spawn(on_own_thread(move || firing::fire(&env, &directory, job, tell)));
        Ok(told.await.map_err(|_| Trouble::NoThread)??)
    }

    /// When to look again, though nothing changes.
    fn next(&self) -> Option<Timestamp> {
        let is_free = self.firing.len() < FIRING_MAX;
        is_free.then(|| self.known.iter().map(|it| it.expires_at).min()).flatten()
    }
}

/// Notes how the thread of a fuse has ended.
fn note(ended: Result<io::Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(%error, "there is no thread for a fuse"),
        Err(error) => tracing::error!(%error, "a fuse was not fired to its end"),
    }
}

fn expired(fuse: Fuse, fired_at: Timestamp) -> FuseExpired {
    let late = fired_at.millis_since(fuse.expires_at) > ON_TIME_MS;
    FuseExpired { fuse, fired_at, late }
}

/// The fuses of the ledger. Firings that nobody will finish are told of and forgotten.
fn fuses(env: &Env) -> Result<Vec<Fuse>, LedgerError> {
    let file = LedgerFile::of(env);
    let ledger = file.read()?;
    with_world(env, scope::now(), |world| {
        if ledger.has_abandoned(file.here(), world) {
            let taken: Result<_, Infallible> =
                file.update(|ledger| Ok(ledger.take_abandoned(file.here(), world)))?;
            let Ok(taken) = taken;
            for firing in taken {
                let (directory, begun) = (&firing.fuse.directory, firing.begun);
                tracing::warn!(%directory, %begun, "a fuse's server ended while it fired it: what was done is not known");
            }
        }
        Ok(ledger.fuses)
    })
}

/// The directories whose fuses are due, the earliest first, at most that many.
fn due(fuses: &[Fuse], now: Timestamp, most: usize) -> Vec<AbsPath> {
    let mut due: Vec<&Fuse> = fuses.iter().filter(|it| it.expires_at <= now).collect();
    due.sort_by_key(|it| it.expires_at);
    due.into_iter().take(most).map(|it| it.directory.clone()).collect()
}

/// The fuses that were known, are due, and are gone: another server fires them.
fn fired_elsewhere(known: &[Fuse], left: &[Fuse], now: Timestamp) -> Vec<Fuse> {
    let is_gone = |fuse: &&Fuse| {
        fuse.expires_at <= now && !left.iter().any(|it| it.directory == fuse.directory)
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

/// Watches the ledger, whoever changes it, and as soon as there is one.
async fn follow(mut watcher: StoreWatcher, env: &Env) -> StoreWatcher {
    let dir = env.state_dir();
    blocking(move || {
        // Nothing above it: there, other programs would be heard.
        let watchlist = Watchlist { stores: vec![(0, Watched::just(dir))], ..Watchlist::default() };
        watcher.follow(&watchlist);
        if let Some(problem) = &watcher.problem {
            tracing::warn!(problem.message, "changes of the ledger by others are not seen");
        }
        watcher
    })
    .await
}

#[cfg(test)]
mod tests;
