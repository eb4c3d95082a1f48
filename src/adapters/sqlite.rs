//! Reads agents' SQLite databases while they are in use: one consistent state, nothing written, nobody blocked.
//!
//! A plain `mode=ro` does not do. On a database in WAL mode SQLite then creates `-wal` and `-shm` where they are
//! missing (and leaves them there), and writes to a `-shm` that it finds, as seen with SQLite 3.54.
//! How a database is opened therefore depends on the files that lie beside it:
//!
//! | beside the database | opened with | why nothing is written and nothing is missed |
//! |---|---|---|
//! | `-wal` and `-shm` | `mode=ro&readonly_shm=1` | joins the agents' own locking; where nobody is left to trust the `-shm`, SQLite indexes the `-wal` in our memory |
//! | `-wal` alone | `mode=ro&vfs=unix-none`, exclusive | nobody has it open: the index is in our memory, no lock is taken |
//! | `-journal` | `mode=ro` | not in WAL mode: a shared lock for as long as we read |
//! | neither | `immutable=1` | all of it is in the one file |
//!
//! The second and the last take no lock, so the files' stamps are compared afterwards, and the reading is done anew
//! where an agent has started in between. A reader in WAL mode never makes a writer wait or fail.
//!
//! The database file is never opened here by any other way than SQLite's: closing a descriptor of our own would drop
//! the locks that another request holds on the same file.

use std::any::Any;
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::evidence::problem_at;
use super::percent::encoded;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// How long to wait for a lock: in WAL mode there is none to wait for, elsewhere a commit takes milliseconds.
const LOCK_WAIT: Duration = Duration::from_millis(250);
/// How many of SQLite's instructions pass between two looks at whether anybody still waits: well below 1 ms.
const STEPS_BETWEEN_LOOKS: i32 = 4096;
/// How often a database is read anew because it has changed meanwhile, where no lock kept it still.
const ATTEMPTS_MAX: usize = 4;
/// Longest `-wal` that is read: SQLite may have to index all of it first, at about 1 GiB a second. Agents'
/// are a few MiB, for SQLite folds them back from 4 MiB on.
const WAL_MAX: u64 = 1 << 30;
/// A file written less than this before the request began may be written again within the same tick of the
/// file system's clock, and its stamp would not tell: 4 ms on Linux, 10 ms at `CONFIG_HZ=100`.
const STAMP_SETTLES_MS: i64 = 50;

/// What `work` reads from the database at `path`, in one transaction; nothing where there is no such file.
///
/// `work` may be called again from the start, and ends with an error once nobody waits for the answer any more.
pub fn read<T>(
    scope: &Scope,
    path: &Path,
    work: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<T>, Problem> {
    let Some(files) = Files::of(path)? else { return Ok(None) };
    read_files(scope, path, files, work).map(|(_, value)| Some(value))
}

/// Like [`read`], but what was read before is returned again for as long as neither the database nor its `-wal`
/// changes. `purpose` says who reads what: it distinguishes the readers of one database.
pub fn read_once<T: Any + Send + Sync>(
    scope: &Scope,
    purpose: &'static str,
    path: &Path,
    work: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<Option<Arc<T>>, Problem> {
    let Some(files) = Files::of(path)? else { return Ok(None) };
    if let Some(known) = scope.memo.recall::<Remembered<T>>(purpose, files.database)
        && known.wal == files.wal
    {
        return Ok(Some(known.value.clone()));
    }
    let (files, value) = read_files(scope, path, files, work)?;
    let value = Arc::new(value);
    if files.are_settled(scope) {
        let remembered = Remembered { wal: files.wal, value: value.clone() };
        scope.memo.remember(purpose, files.database, Arc::new(remembered));
    }
    Ok(Some(value))
}

/// What was read, and the other stamp that it holds for.
struct Remembered<T> {
    wal: Option<FileStamp>,
    value: Arc<T>,
}

/// The columns of a table: versions of an agent differ in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(BTreeSet<String>);

impl Columns {
    /// The columns that the table has here; none where there is no such table.
    pub fn of(database: &Connection, table: &str) -> rusqlite::Result<Self> {
        let mut statement = database.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
        let names = statement.query_map([table], |row| row.get::<_, String>(0))?;
        names.collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is no such table.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// The column's name for a statement, or `NULL` where the table has no such column.
    pub fn or_null<'a>(&self, name: &'a str) -> &'a str {
        if self.has(name) { name } else { "NULL" }
    }
}

/// A text, with what is not UTF-8 replaced; nothing where the column holds anything else.
pub fn text(row: &Row<'_>, column: usize) -> Option<String> {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes)) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// A whole number; nothing where the column holds anything else.
pub fn integer(row: &Row<'_>, column: usize) -> Option<i64> {
    match row.get_ref(column) {
        Ok(ValueRef::Integer(value)) => Some(value),
        _ => None,
    }
}

/// A finite number; nothing where the column holds anything else.
pub fn real(row: &Row<'_>, column: usize) -> Option<f64> {
    match row.get_ref(column) {
        Ok(ValueRef::Real(value)) if value.is_finite() => Some(value),
        #[expect(clippy::cast_precision_loss, reason = "counts and costs stay below 2^53")]
        Ok(ValueRef::Integer(value)) => Some(value as f64),
        _ => None,
    }
}

/// The database and what lies beside it, at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Files {
    database: FileStamp,
    wal: Option<FileStamp>,
    has_shm: bool,
    has_journal: bool,
}

impl Files {
    /// Nothing where there is no database; a problem where it cannot be one.
    fn of(path: &Path) -> Result<Option<Self>, Problem> {
        let stamp = |path: &Path| match fs::metadata(path) {
            Ok(meta) if meta.is_file() => Ok(Some(FileStamp::of(&meta))),
            Ok(_) => Err(problem_at(ProblemKind::Unreadable, path, "not a regular file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
        };
        let beside = |suffix: &str| stamp(&beside(path, suffix));
        let Some(database) = stamp(path)? else { return Ok(None) };
        let wal = beside("-wal")?;
        if let Some(size) = wal.map(|it| it.size).filter(|it| *it > WAL_MAX) {
            let message = format!("{size} bytes of changes, of which at most {WAL_MAX} are read");
            return Err(problem_at(ProblemKind::TooLarge, path, message));
        }
        let has_shm = beside("-shm")?.is_some();
        let has_journal = beside("-journal")?.is_some_and(|it| it.size > 0);
        Ok(Some(Self { database, wal, has_shm, has_journal }))
    }

    fn access(&self) -> Access {
        match (self.wal, self.has_shm) {
            (Some(_), true) => Access::Shared,
            (Some(_), false) => Access::Alone,
            (None, _) if self.has_journal => Access::Locked,
            (None, _) => Access::Still,
        }
    }

    /// Whether any further change would change a stamp.
    fn are_settled(&self, scope: &Scope) -> bool {
        let newest = self
            .wal
            .map_or(self.database.modified_ns, |it| it.modified_ns.max(self.database.modified_ns));
        newest / 1_000_000 + i128::from(STAMP_SETTLES_MS) < i128::from(scope.now.as_millis())
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// How a database is opened; the module's table says when and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Shared,
    Alone,
    Locked,
    Still,
}

impl Access {
    fn parameters(self) -> &'static str {
        match self {
            Self::Shared => "mode=ro&readonly_shm=1",
            Self::Alone => "mode=ro&vfs=unix-none",
            Self::Locked => "mode=ro",
            Self::Still => "immutable=1",
        }
    }

    /// Whether a lock keeps the state that is read as it is.
    fn is_locked(self) -> bool {
        matches!(self, Self::Shared | Self::Locked)
    }
}

fn read_files<T>(
    scope: &Scope,
    path: &Path,
    mut files: Files,
    work: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<(Files, T), Problem> {
    for _ in 0..ATTEMPTS_MAX {
        let access = files.access();
        let outcome = open(scope, path, access).and_then(|database| work(&database));
        let after = Files::of(path)?;
        match outcome {
            Ok(value) if access.is_locked() || after == Some(files) => return Ok((files, value)),
            // Nothing has changed under our eyes: the error is the database's own.
            Err(error) if after == Some(files) || scope.is_cancelled() => {
                return Err(problem(path, &error));
            }
            Ok(_) | Err(_) => {}
        }
        let Some(after) = after else {
            return Err(problem_at(ProblemKind::Unreadable, path, "removed while it was read"));
        };
        files = after;
    }
    Err(problem_at(ProblemKind::Unreadable, path, "it changes faster than it can be read"))
}

/// Opens the database and begins a transaction, which ends with the connection.
fn open(scope: &Scope, path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(uri(path, access), flags)?;
    database.busy_timeout(LOCK_WAIT)?;
    // Without it the last one to close folds the `-wal` back into the database and removes it.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    // The file is not ours: its schema must not run anything.
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    let asked = scope.clone();
    database.progress_handler(STEPS_BETWEEN_LOOKS, Some(move || asked.is_cancelled()))?;
    if access == Access::Alone {
        // Before the first look at the file, it makes SQLite index the `-wal` in memory.
        database.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    }
    database.execute_batch("BEGIN")?;
    Ok(database)
}

/// `file:/home/dev/a%20b.db?mode=ro`, byte for byte: paths need not be text.
fn uri(path: &Path, access: Access) -> String {
    format!("file:{}?{}", encoded(path.as_os_str().as_bytes()), access.parameters())
}

fn problem(path: &Path, error: &rusqlite::Error) -> Problem {
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            (ProblemKind::Malformed, "not a database, or encrypted".to_owned())
        }
        // `Unknown` is a statement that does not fit: a schema that this version does not know.
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::Unknown) => {
            (ProblemKind::Malformed, error.to_string())
        }
        Some(ErrorCode::TooBig) => (ProblemKind::TooLarge, error.to_string()),
        Some(ErrorCode::OperationInterrupted) => {
            (ProblemKind::TimedOut, "the reading was given up".to_owned())
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ProblemKind::Unreadable, "another process keeps it locked".to_owned())
        }
        _ => (ProblemKind::Unreadable, error.to_string()),
    };
    problem_at(kind, path, message)
}

#[cfg(test)]
mod tests;
