//! The ledger on disk, and the only SQL of ours.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::entry::Ledger;
use super::error::{LedgerError, SCHEMA_VERSION};
use super::rows;
use crate::base::AbsPath;
use crate::env::Env;
use crate::procs::Place;

/// How long to wait between two looks at whether the ledger is free. SQLite's own waiting grows to 100 ms, and who
/// has waited longest then looks least often: with many windows launching at once somebody never had a turn.
const BUSY_PAUSE: Duration = Duration::from_millis(4);
/// How often to look: a change takes a millisecond or two, so that this is far more than any crowd of windows needs.
const BUSY_LOOKS: i32 = 2500;
/// The file below the state directory, and its name while it is made.
const FILE_NAME: &str = "ledger.db";
const DRAFT_NAME: &str = "ledger.db.new";

/// The ledger on disk. Opened anew for each use: it is used seldom, and an open file would be one more
/// thing to keep in order.
#[derive(Clone, Debug)]
pub struct LedgerFile {
    path: AbsPath,
    /// Where this is: the processes of an earlier start are no more, those of elsewhere cannot be seen.
    here: Place,
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
        Self { path, here: Place::here(proc_root) }
    }

    pub fn path(&self) -> &AbsPath {
        &self.path
    }

    /// Where this is.
    pub fn here(&self) -> &Place {
        &self.here
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
        let before = ledger.clone();
        let outcome = match change(&mut ledger) {
            Ok(outcome) => outcome,
            Err(error) => return Ok(Err(error)),
        };
        let unwritable = |it: serde_json::Error| self.unavailable(&it);
        for (noun, name, body) in rows::changes(&before, &ledger, &self.here).map_err(unwritable)? {
            if let Some(body) = body {
                let sql = "INSERT INTO entry (noun, name, body) VALUES (?1, ?2, ?3)
                           ON CONFLICT (noun, name) DO UPDATE SET body = excluded.body";
                transaction.execute(sql, (noun, name, body)).map_err(failed)?;
            } else {
                let sql = "DELETE FROM entry WHERE noun = ?1 AND name = ?2";
                transaction.execute(sql, (noun, name)).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)?;
        Ok(Ok(outcome))
    }

    fn is_there(&self) -> Result<bool, LedgerError> {
        match fs::metadata(self.path.as_path()) {
            Ok(meta) if meta.is_file() => Ok(true),
            Ok(_) => Err(self.unavailable(&"it is not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    /// Makes the ledger and its directory, for this user alone. It is made whole under another name and then
    /// given its own, so that nobody ever sees half a ledger, whoever is killed when.
    fn make(&self) -> Result<(), LedgerError> {
        let unavailable = |error: io::Error| self.unavailable(&error);
        let path = self.path.as_path();
        let dir = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unavailable)?;
        // One at a time; given up when the handle is closed, or whoever holds it is killed.
        let turn = fs::File::open(dir).map_err(unavailable)?;
        turn.lock().map_err(unavailable)?;
        if self.is_there()? {
            return Ok(());
        }
        let draft = path.with_file_name(DRAFT_NAME);
        // What is left of one that was not finished, and of one that somebody removed: SQLite would take an old log
        // for the new ledger's own, and play it back.
        for base in [&draft, path] {
            for suffix in ["", "-journal", "-wal", "-shm"] {
                remove_if_there(&with_suffix(base, suffix)).map_err(unavailable)?;
            }
        }
        // SQLite gives the files that it puts beside this one the same mode.
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(&draft);
        drop(file.map_err(unavailable)?);
        self.make_tables(&draft)?;
        fs::rename(&draft, path).map_err(unavailable)
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
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_handler(Some(wait_a_turn))?;
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
            rows::take_in(&mut ledger, noun, body, &self.here).map_err(|error| {
                let message = format!("{noun} `{name}`: {error}");
                LedgerError::Damaged { path: self.path.clone(), message }
            })?;
        }
        Ok(ledger)
    }

    fn failed(&self, error: &rusqlite::Error) -> LedgerError {
        let path = self.path.clone();
        let message = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                LedgerError::Damaged { path, message }
            }
            Some(ErrorCode::DatabaseBusy) => LedgerError::Locked { path },
            _ => LedgerError::Unavailable { path, message },
        }
    }

    /// That it cannot be used, and why.
    pub fn unavailable(&self, why: &impl ToString) -> LedgerError {
        LedgerError::Unavailable { path: self.path.clone(), message: why.to_string() }
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether to look again, after a pause, for a ledger that another is changing.
fn wait_a_turn(looks: i32) -> bool {
    thread::sleep(BUSY_PAUSE);
    looks < BUSY_LOOKS
}

#[cfg(test)]
mod tests;
