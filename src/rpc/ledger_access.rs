//! How handlers reach the ledger: off the reactor's thread, and each change to its end.

use super::App;
use crate::base::AbsPath;
use crate::ledger::{Ledger, LedgerError, LedgerFile, World, directory, with_world};
use crate::offload::blocking;
use crate::protocol::error::RpcError;
use crate::protocol::session::Problem;
use crate::scope;

/// The ledger, for results that do without it where it cannot be read.
pub(super) async fn view(app: &App) -> (Ledger, Option<Problem>) {
    let env = app.env.clone();
    match blocking(move || LedgerFile::of(&env).read()).await {
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
    ledger.await.map_err(|error: LedgerError| RpcError::LedgerUnavailable(error.to_string()))
}

/// Changes the ledger; an error of `change` leaves it as it was. Once begun the change runs to its end, whether or not anybody waits for it.
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
    match changed.await {
        Ok(changed) => changed,
        Err(error) => Err(RpcError::LedgerUnavailable(error.to_string())),
    }
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
