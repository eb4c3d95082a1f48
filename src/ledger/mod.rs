//! What headcount itself owns: launches, claims and fuses, in one small database that many servers share.
//!
//! SQLite in WAL mode: one transaction a change, so that a reader sees all of it or nothing and a process that
//! is killed leaves nothing to clean. Each entry is one row, its key and its JSON. Nothing here says that
//! a process lives: that is asked of the kernel whenever it matters.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::AbsPath;
use crate::env::Env;
use crate::procs;
use crate::protocol::session::{Problem, ProblemKind};

mod claims;
mod entry;
mod fuses;
mod observed;
#[cfg(test)]
mod testing;

pub use entry::{LaunchEntry, Ledger, Life, Pruned, Refusal, World};
pub use observed::{with_world, with_world_at};

/// The version of the tables. A ledger of a later one is left alone.
const SCHEMA_VERSION: i64 = 1;
/// How long a change waits for those of others: a change takes a millisecond, so this is thousands of them.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The file below the state directory.
const FILE_NAME: &str = "ledger.db";

/// Why the ledger cannot be read or written. It was not changed, nor put in order.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(
        "the ledger {path} was written by a later version of headcount (schema {found}, known {SCHEMA_VERSION})"
    )]
    Newer { path: AbsPath, found: i64 },
    #[error("the ledger {path} is damaged: {message}")]
    Damaged { path: AbsPath, message: String },
    #[error("the ledger {path} cannot be used: {message}")]
    Unavailable { path: AbsPath, message: String },
}

impl LedgerError {
    pub fn path(&self) -> &AbsPath {
        match self {
            Self::Newer { path, .. }
            | Self::Damaged { path, .. }
            | Self::Unavailable { path, .. } => path,
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let kind = match &error {
            LedgerError::Newer { .. } => ProblemKind::Protocol,
            LedgerError::Damaged { .. } => ProblemKind::Malformed,
            LedgerError::Unavailable { .. } => ProblemKind::Unreadable,
        };
        Self { kind, message: error.to_string(), path: Some(error.path().clone()), line: None }
    }
}

/// The ledger on disk. Opened anew for each use: it is used seldom, and an open file would be one more
/// thing to keep in order.
#[derive(Clone, Debug)]
pub struct LedgerFile {
    path: AbsPath,
    /// Which start of the machine this is: processes of another are no more.
    boot: Option<String>,
}

impl LedgerFile {
    /// The ledger of this user.
    pub fn of(env: &Env) -> Self {
        let path = AbsPath::parse(env.state_dir().join(FILE_NAME))
            .expect("the state directory is absolute: relative ones start at home");
        Self::at(path, env.proc_root())
    }

    /// The ledger at `path`.
    pub fn at(path: AbsPath, proc_root: &Path) -> Self {
        Self { path, boot: procs::boot_id(proc_root) }
    }

    pub fn path(&self) -> &AbsPath {
        &self.path
    }

    /// Reads all of it. A file that is not there is an empty ledger, and is not made.
    pub fn read(&self) -> Result<Ledger, LedgerError> {
        if !self.is_there()? {
            return Ok(Ledger::default());
        }
        let mut connection = self.connect(self.path.as_path(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let transaction = connection.transaction().map_err(|it| self.failed(&it))?;
        self.check_version(&transaction)?;
        self.load(&transaction)
    }

    /// Reads it, lets `change` work on it, and writes what is different: all of it or nothing.
    /// An error of `change` leaves the ledger as it was.
    pub fn update<T, E>(
        &self,
        change: impl FnOnce(&mut Ledger) -> Result<T, E>,
    ) -> Result<Result<T, E>, LedgerError> {
        if !self.is_there()? {
            self.make()?;
        }
        let failed = |it: rusqlite::Error| self.failed(&it);
        let mut connection =
            self.connect(self.path.as_path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        self.check_version(&transaction)?;
        let mut ledger = self.load(&transaction)?;
        let before = self.rows(&ledger)?;
        let outcome = match change(&mut ledger) {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error)),
        };
        let after = self.rows(&ledger)?;
        for (key @ (noun, name), body) in &after {
            if before.get(key) != Some(body) {
                let sql = "INSERT INTO entry (noun, name, body) VALUES (?1, ?2, ?3)
                           ON CONFLICT (noun, name) DO UPDATE SET body = excluded.body";
                transaction.execute(sql, (noun, name, body)).map_err(failed)?;
            }
        }
        for (noun, name) in before.keys().filter(|it| !after.contains_key(*it)) {
            let sql = "DELETE FROM entry WHERE noun = ?1 AND name = ?2";
            transaction.execute(sql, (noun, name)).map_err(failed)?;
        }
        transaction.commit().map_err(failed)?;
        Ok(Ok(outcome))
    }

    fn is_there(&self) -> Result<bool, LedgerError> {
        match fs::metadata(self.path.as_path()) {
            Ok(meta) if meta.is_file() => Ok(true),
            Ok(_) => Err(self.unavailable("it is not a regular file".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.unavailable(error.to_string())),
        }
    }

    /// Makes the ledger and its directory, for this user alone. It is made whole under another name and then
    /// given its own, so that nobody ever sees half a ledger, whoever is killed when.
    fn make(&self) -> Result<(), LedgerError> {
        let unavailable = |error: io::Error| self.unavailable(error.to_string());
        let path = self.path.as_path();
        let dir = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unavailable)?;
        let draft = dir.join(format!("{FILE_NAME}.{}", uuid::Uuid::new_v4()));
        // SQLite gives the files that it puts beside this one the same mode.
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(&draft);
        drop(file.map_err(unavailable)?);
        let made = self.make_tables(&draft).and_then(|()| match fs::hard_link(&draft, path) {
            // Another was first, which is as good.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.map_err(unavailable),
        });
        fs::remove_file(&draft).map_err(unavailable)?;
        made
    }

    fn make_tables(&self, draft: &Path) -> Result<(), LedgerError> {
        let make = || {
            let connection = Connection::open(draft)?;
            connection.execute_batch(
                "CREATE TABLE entry (
                     noun TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
                     PRIMARY KEY (noun, name)
                 ) WITHOUT ROWID;",
            )?;
            connection.pragma_update(None, "user_version", SCHEMA_VERSION)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.close().map_err(|(_, error)| error)
        };
        make().map_err(|it: rusqlite::Error| self.failed(&it))
    }

    fn connect(&self, path: &Path, access: OpenFlags) -> Result<Connection, LedgerError> {
        let connect = || {
            let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // Whoever closes last would fold the log into the file and remove it, under the feet of whoever
            // opens it just then. Left in place it is folded in as it grows.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            Ok(connection)
        };
        connect().map_err(|it| self.failed(&it))
    }

    fn check_version(&self, connection: &Connection) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let found = connection.query_row("PRAGMA user_version", (), |row| row.get(0));
        match found.map_err(|it| self.failed(&it))? {
            SCHEMA_VERSION => Ok(()),
            found if found > SCHEMA_VERSION => Err(LedgerError::Newer { path, found }),
            found => Err(LedgerError::Damaged {
                path,
                message: format!("schema {found} was never a ledger's"),
            }),
        }
    }

    fn load(&self, connection: &Connection) -> Result<Ledger, LedgerError> {
        let failed = |it: rusqlite::Error| self.failed(&it);
        let sql = "SELECT noun, name, body FROM entry ORDER BY noun, name";
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let mut rows = statement.query(()).map_err(failed)?;
        let mut ledger = Ledger::default();
        while let Some(row) = rows.next().map_err(failed)? {
            let column = |at: usize| row.get_ref(at)?.as_str().map_err(rusqlite::Error::from);
            let (noun, name, body) = (
                column(0).map_err(failed)?,
                column(1).map_err(failed)?,
                column(2).map_err(failed)?,
            );
            match noun {
                LAUNCH => {
                    let stored: Stored<LaunchEntry> = self.parse(noun, name, body)?;
                    let mut entry = stored.entry;
                    if stored.boot != self.boot {
                        entry.outlived_its_boot();
                    }
                    ledger.launches.push(entry);
                }
                LOCK => ledger.locks.push(self.parse(noun, name, body)?),
                FUSE => ledger.fuses.push(self.parse(noun, name, body)?),
                // Additions of a later version under the same schema stay as they are.
                _ => {}
            }
        }
        Ok(ledger)
    }

    fn parse<T: DeserializeOwned>(
        &self,
        noun: &str,
        name: &str,
        body: &str,
    ) -> Result<T, LedgerError> {
        serde_json::from_str(body).map_err(|error| LedgerError::Damaged {
            path: self.path.clone(),
            message: format!("{noun} `{name}`: {error}"),
        })
    }

    fn rows(&self, ledger: &Ledger) -> Result<Rows, LedgerError> {
        let launches = ledger.launches.iter().map(|it| {
            let stored = Stored { boot: self.boot.clone(), entry: it };
            (LAUNCH, it.launch.launch_id.clone(), text(&stored))
        });
        let locks = ledger.locks.iter().map(|it| (LOCK, it.directory.to_string(), text(it)));
        let fuses = ledger.fuses.iter().map(|it| (FUSE, it.directory.to_string(), text(it)));
        let rows = launches.chain(locks).chain(fuses);
        rows.map(|(noun, name, body)| {
            let body = body.map_err(|error| self.unavailable(error.to_string()))?;
            Ok(((noun.to_owned(), name), body))
        })
        .collect()
    }

    fn failed(&self, error: &rusqlite::Error) -> LedgerError {
        let path = self.path.clone();
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                LedgerError::Damaged { path, message }
            }
            _ => LedgerError::Unavailable { path, message },
        }
    }

    fn unavailable(&self, message: String) -> LedgerError {
        LedgerError::Unavailable { path: self.path.clone(), message }
    }
}

/// Rows by noun and name.
type Rows = BTreeMap<(String, String), String>;

const LAUNCH: &str = "launch";
const LOCK: &str = "lock";
const FUSE: &str = "fuse";

/// A launch as it is stored: its processes are meant as of one start of the machine.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stored<T> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    #[serde(flatten)]
    entry: T,
}

fn text(entry: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string(entry)
}

/// Where the logs of launches are kept.
pub fn launch_log_dir(env: &Env) -> PathBuf {
    env.state_dir().join("launches")
}

#[cfg(test)]
mod tests;
