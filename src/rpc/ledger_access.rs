//! How handlers reach the ledger and directories: off the reactor's thread, on one of their own, since another program
//! may keep the ledger locked and a share's server may be gone; and each change to its end.

use std::io;

use tokio::time::{Instant, timeout_at};

use super::App;
use crate::base::AbsPath;
use crate::ledger::directory::{self, Given};
use crate::ledger::{Ledger, LedgerError, LedgerFile, World, with_world};
use crate::offload::on_own_thread;
use crate::protocol::error::RpcError;
use crate::scope;

/// What the ledger says, for results that do without it where it cannot be read by then.
pub(super) async fn read_until<T: Send + 'static>(
    app: &App,
    until: Instant,
    look: impl FnOnce(Ledger, World<'_>) -> T + Send + 'static,
) -> Result<T, LedgerError> {
    let read = timeout_at(until, attempt(app, look)).await;
    read.unwrap_or_else(|_| {
        Err(LedgerError::Locked { path: LedgerFile::of(&app.env).path().clone() })
    })
}

/// What the ledger says, for results that are nothing without it.
pub(super) async fn read<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(Ledger, World<'_>) -> T + Send + 'static,
) -> Result<T, RpcError> {
    Ok(attempt(app, look).await?)
}

async fn attempt<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(Ledger, World<'_>) -> T + Send + 'static,
) -> Result<T, LedgerError> {
    let env = app.env.clone();
    let read = on_own_thread(move || {
        let ledger = LedgerFile::of(&env).read()?;
        Ok(with_world(&env, scope::now(), |world| look(ledger, world)))
    });
    read.await.unwrap_or_else(|error| Err(LedgerFile::of(&app.env).unavailable(&error)))
}

/// Changes the ledger; an error of `change` leaves it as it was. Once begun the change runs to its end, whether or not
/// anybody waits for it.
pub(super) async fn change<T: Send + 'static>(
    app: &App,
    change: impl FnOnce(&mut Ledger, World<'_>) -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    let env = app.env.clone();
    let changed = on_own_thread(move || {
        with_world(&env, scope::now(), |world| {
            LedgerFile::of(&env).update(|ledger| change(ledger, world))
        })
    });
    changed.await.unwrap_or_else(|error| Err(LedgerFile::of(&app.env).unavailable(&error)))?
}

/// A directory without symbolic links; refused where it is none.
pub(super) async fn existing_directory(
    member: &'static str,
    path: &AbsPath,
) -> Result<AbsPath, RpcError> {
    let path = path.clone();
    let find = move || directory::existing(&path, Given::As(member));
    on_own_thread(find).await.map_err(|it| no_thread(&it))?
}

/// A directory without symbolic links, as far as it is still there.
pub(super) async fn known_directory(path: &AbsPath) -> Result<AbsPath, RpcError> {
    let path = path.clone();
    on_own_thread(move || directory::known(&path)).await.map_err(|it| no_thread(&it))
}

pub(super) fn no_thread(error: &io::Error) -> RpcError {
    RpcError::Internal(format!("there is no thread for it: {error}"))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::offload::blocking;
    use crate::protocol::session::{Problem, ProblemKind};
    use crate::rpc::look;

    /// An application whose ledger another program keeps locked while the connection lives.
    fn locked(home: &tempfile::TempDir) -> (App, rusqlite::Connection) {
        let app = App::new(crate::testing::env(home.path()), &[]);
        let file = LedgerFile::of(&app.env);
        file.update(|_| Ok::<_, Infallible>(())).unwrap().unwrap();
        let keeper = rusqlite::Connection::open(file.path().as_path()).unwrap();
        keeper.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
        (app, keeper)
    }

    #[tokio::test]
    async fn who_can_do_without_a_ledger_that_is_kept_locked_waits_no_longer_than_asked() {
        let home = tempfile::tempdir().unwrap();
        let (app, keeper) = locked(&home);
        let soon = Instant::now() + Duration::from_millis(20);
        let problem = Problem::from(read_until(&app, soon, |_, _| ()).await.unwrap_err());
        assert_eq!(problem.kind, ProblemKind::TimedOut);
        assert!(problem.message.ends_with("is kept locked by another program"), "{problem:?}");

        // Who still waits for it in the background goes on.
        drop(keeper);
        let late = Instant::now() + Duration::from_mins(1);
        assert!(read_until(&app, late, |_, _| ()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_waits_for_the_ledger_a_little_longer_than_for_the_agents() {
        let home = tempfile::tempdir().unwrap();
        let (app, _keeper) = locked(&home);
        let began = Instant::now();
        let due = began + Duration::from_secs(5);
        let roster = look::conclude(&app, Vec::new(), &crate::testing::scope(), due).await;
        let kinds: Vec<_> = roster.problems.iter().map(|it| it.kind).collect();
        assert!(kinds.contains(&ProblemKind::TimedOut), "{kinds:?}");
        let waited = began.elapsed().as_millis();
        assert!((5_200..5_250).contains(&waited), "no reply takes 250 ms longer: {waited}");
    }

    #[test]
    fn who_waits_for_a_ledger_that_is_kept_locked_keeps_nobody_from_the_files() {
        let home = tempfile::tempdir().unwrap();
        let (app, keeper) = locked(&home);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.max_blocking_threads(1).build().unwrap().block_on(async {
            let mut changing = Box::pin(change(&app, |_, _| Ok(())));
            let mut reading = Box::pin(read(&app, |_, _| ()));
            assert_eq!(changing.as_mut().now_or_never(), None);
            assert_eq!(reading.as_mut().now_or_never(), None);
            assert_eq!(blocking(|| 7).await, 7);
            assert_eq!(changing.as_mut().now_or_never(), None, "it still waits");
            assert_eq!(reading.as_mut().now_or_never(), None, "it still waits");
            drop(keeper);
            assert_eq!((changing.await, reading.await), (Ok(()), Ok(())));
        });
    }
}
