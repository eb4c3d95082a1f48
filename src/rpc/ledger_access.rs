//! How handlers reach the ledger: off the reactor's thread, and each change to its end.

use tokio::time::{Instant, timeout_at};

use super::App;
use crate::base::AbsPath;
use crate::ledger::{Ledger, LedgerError, LedgerFile, World, directory, with_world};
use crate::offload::blocking;
use crate::protocol::error::RpcError;
use crate::protocol::session::Problem;
use crate::scope;

/// The ledger, for results that do without it where it cannot be read by then.
pub(super) async fn view(app: &App, until: Instant) -> (Ledger, Option<Problem>) {
    let file = LedgerFile::of(&app.env);
    let path = file.path().clone();
    let read = timeout_at(until, blocking(move || file.read())).await;
    match read.unwrap_or(Err(LedgerError::Locked { path })) {
        Ok(ledger) => (ledger, None),
        Err(error) => (Ledger::default(), Some(error.into())),
    }
}

/// The ledger, for results that are nothing without it.
pub(super) async fn read<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Ledger, World<'_>) -> T + Send + 'static,
) -> Result<T, RpcError> {
    let env = app.env.clone();
    let ledger = blocking(move || {
        let ledger = LedgerFile::of(&env).read()?;
        Ok(with_world(&env, scope::now(), |world| look(&ledger, world)))
    });
    ledger.await.map_err(|error: LedgerError| error.into())
}

/// Changes the ledger; an error of `change` leaves it as it was. Once begun the change runs to its end, whether or not
/// anybody waits for it.
pub(super) async fn change<T: Send + 'static>(
    app: &App,
    change: impl FnOnce(&mut Ledger, World<'_>) -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let env = app.env.clone();
    let changed = blocking(move || {
        with_world(&env, scope::now(), |world| {
            LedgerFile::of(&env).update(|ledger| change(ledger, world))
        })
    });
    changed.await?
}

/// A directory without symbolic links; refused where it is none.
pub(super) async fn existing_directory(
    member: &'static str,
    path: &AbsPath,
) -> Result<AbsPath, RpcError> {
    let path = path.clone();
    blocking(move || directory::existing(&path, member)).await
}

/// A directory without symbolic links, as far as it is still there.
pub(super) async fn known_directory(path: &AbsPath) -> AbsPath {
    let path = path.clone();
    blocking(move || directory::known(&path)).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::session::ProblemKind;

    #[tokio::test]
    async fn who_can_do_without_a_ledger_that_is_kept_locked_waits_no_longer_than_asked() {
        let home = tempfile::tempdir().unwrap();
        let app = App::new(crate::testing::env(home.path()), &[]);
        change(&app, |_, _| Ok(())).await.unwrap();
        let keeper = rusqlite::Connection::open(LedgerFile::of(&app.env).path().as_path()).unwrap();
        keeper.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        let (ledger, problem) = view(&app, Instant::now() + Duration::from_millis(20)).await;
        let problem = problem.unwrap();
        assert_eq!((ledger, problem.kind), (Ledger::default(), ProblemKind::TimedOut));
        assert!(problem.message.ends_with("is kept locked by another program"), "{problem:?}");

        // Who still waits for it in the background goes on.
        drop(keeper);
        let (_, problem) = view(&app, Instant::now() + Duration::from_mins(1)).await;
        assert_eq!(problem, None);
    }
}
