//! How handlers reach the ledger: off the reactor's thread, and each change to its end.

use std::path::{Path, PathBuf};

use super::App;
use crate::adapters::files::blocking;
use crate::base::AbsPath;
use crate::ledger::{Ledger, LedgerError, LedgerFile, Refusal, World, with_world};
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

/// Changes the ledger. Once begun the change runs to its end, whether or not anybody waits for it.
pub(super) async fn change<T: Send + 'static>(
    app: &App,
    change: impl FnOnce(&mut Ledger, World<'_>) -> Result<T, Refused> + Send + 'static,
) -> Result<T, RpcError> {
    let env = app.env.clone();
    let changed = blocking(move || {
        with_world(&env, scope::now(), |world| {
            LedgerFile::of(&env).update(|ledger| change(ledger, world))
        })
    });
    match changed.await {
        Ok(changed) => changed.map_err(|Refused(error)| error),
        Err(error) => Err(RpcError::LedgerUnavailable(error.to_string())),
    }
}

/// An error of the request that leaves the ledger as it was.
pub(super) struct Refused(pub(super) RpcError);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(match refusal {
            Refusal::Locked(lock) => RpcError::DirectoryLocked {
                directory: lock.directory.clone(),
                holder: Box::new((*lock).into()),
            },
            Refusal::Alive(process) => {
                RpcError::Internal(format!("process {} owns the session", process.pid))
            }
            Refusal::Gone => RpcError::Internal("the launch is not in the ledger any more".into()),
        })
    }
}

/// A directory without symbolic links; refused where it is none.
pub(super) async fn existing_directory(
    member: &'static str,
    path: &AbsPath,
) -> Result<AbsPath, RpcError> {
    let given = path.clone();
    let found = blocking(move || canonical(given.as_path())).await;
    found.map_err(|why| RpcError::invalid(member, format!("`{member}`: `{path}` {why}")))
}

/// A directory without symbolic links, as far as it is still there: claims and fuses outlive their directories.
pub(super) async fn known_directory(path: &AbsPath) -> AbsPath {
    let given = path.clone();
    let found = blocking(move || {
        let given = given.as_path();
        given.ancestors().find_map(|above| {
            let real = above.canonicalize().ok()?;
            let gone = given.strip_prefix(above).ok()?;
            // Collected anew: an empty rest would leave a slash behind.
            AbsPath::parse(real.components().chain(gone.components()).collect::<PathBuf>())
        })
    });
    found.await.unwrap_or_else(|| path.clone())
}

fn canonical(path: &Path) -> Result<AbsPath, String> {
    let real = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        _ => format!("cannot be read: {error}"),
    })?;
    if !real.is_dir() {
        return Err("is not a directory".into());
    }
    AbsPath::parse(real).ok_or_else(|| "has no absolute path".into())
}
