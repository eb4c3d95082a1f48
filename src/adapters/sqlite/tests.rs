use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::stat::Mode;

use super::*;
use crate::testing;

/// A database in WAL mode with one row, and a connection that keeps it open.
fn agent(path: &Path) -> Connection {
    let agent = Connection::open(path).unwrap();
    agent.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    agent.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    agent
        .execute_batch("CREATE TABLE session(id, title); INSERT INTO session VALUES('a', 't')")
        .unwrap();
    agent
}

fn ids(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = database.prepare_cached("SELECT id FROM session ORDER BY id")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn read_ids(path: &Path) -> Result<Option<Vec<String>>, Problem> {
    read(&testing::scope(), path, ids)
}

/// Name, bytes and time of change of everything in a directory.
fn listing(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let entries = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let facts = |path: &PathBuf| {
        let meta = fs::metadata(path).unwrap();
        (fs::read(path).unwrap(), meta.mtime(), meta.mtime_nsec())
    };
    entries.map(|path| (path.clone(), facts(&path))).collect()
}

/// Reads with the directory closed to writers as well as open: either way nothing may change in it.
fn reads_without_a_trace(dir: &Path, expected: &[&str]) {
    let before = listing(dir);
    for mode in [0o755, 0o555] {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(read_ids(&dir.join("x.db")).unwrap().unwrap(), expected);
        assert!(listing(dir) == before, "the store was written to, mode {mode:o}");
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_only_in_the_wal_is_read_beside_a_live_agent() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let agent = agent(&path);
    agent.execute("INSERT INTO session VALUES('b', NULL)", []).unwrap();
    assert_eq!(Files::of(&path).unwrap().unwrap().access(), Access::Shared);
    assert!(fs::metadata(&path).unwrap().len() <= 4096);
    assert_eq!(read_ids(&path).unwrap().unwrap(), ["a", "b"]);
}

#[test]
fn what_an_agent_left_behind_is_read_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(agent(&path));
    assert_eq!(Files::of(&path).unwrap().unwrap().access(), Access::Shared);
    reads_without_a_trace(dir.path(), &["a"]);
}

#[test]
fn a_wal_without_its_index_is_read_without_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(agent(&path));
    fs::remove_file(dir.path().join("x.db-shm")).unwrap();
    assert_eq!(Files::of(&path).unwrap().unwrap().access(), Access::Alone);
    reads_without_a_trace(dir.path(), &["a"]);
    // An empty one holds nothing that is not in the database; it stays as well.
    let database = Connection::open(&path).unwrap();
    database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(database);
    fs::write(dir.path().join("x.db-wal"), "").unwrap();
    reads_without_a_trace(dir.path(), &["a"]);
}

#[test]
fn a_single_file_is_read_without_a_trace_in_either_mode() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let database = agent(&path);
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).unwrap();
    drop(database);
    assert_eq!(Files::of(&path).unwrap().unwrap().access(), Access::Still);
    reads_without_a_trace(dir.path(), &["a"]);
    let database = Connection::open(&path).unwrap();
    database.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    drop(database);
    reads_without_a_trace(dir.path(), &["a"]);
}

/// The reason for this module: what SQLite does by itself.
#[test]
fn plain_read_only_access_leaves_files_behind() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let database = agent(&path);
    database.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).unwrap();
    drop(database);
    assert_eq!(listing(dir.path()).len(), 1);
    let plain = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    assert_eq!(ids(&plain).unwrap(), ["a"]);
    drop(plain);
    assert_eq!(listing(dir.path()).len(), 3);
}

#[test]
fn a_writer_neither_waits_nor_fails_while_we_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let agent = agent(&path);
    agent.busy_timeout(Duration::ZERO).unwrap();
    let seen = read(&testing::scope(), &path, |database| {
        let before = ids(database)?;
        agent.execute("INSERT INTO session VALUES('c' || random(), NULL)", [])?;
        agent.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        assert_eq!(ids(database)?, before, "one transaction sees one state");
        Ok(before)
    });
    assert_eq!(seen.unwrap().unwrap(), ["a"]);
    assert_eq!(read_ids(&path).unwrap().unwrap().len(), 2);
}

#[test]
fn a_writer_in_the_middle_does_not_hide_what_is_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let agent = agent(&path);
    agent.execute_batch("BEGIN EXCLUSIVE; INSERT INTO session VALUES('b', NULL)").unwrap();
    assert_eq!(read_ids(&path).unwrap().unwrap(), ["a"]);
}

#[test]
fn an_exclusive_lock_outside_wal_mode_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let agent = agent(&path);
    agent.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    agent.execute_batch("BEGIN EXCLUSIVE; INSERT INTO session VALUES('b', NULL)").unwrap();
    let problem = read_ids(&path).unwrap_err();
    assert_eq!(problem.kind, ProblemKind::Unreadable);
    assert_eq!(problem.message, "another process keeps it locked");
}

#[test]
fn what_changes_under_an_unlocked_reading_is_read_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let database = agent(&path);
    database.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    let attempts = AtomicUsize::new(0);
    let seen = read(&testing::scope(), &path, |reader| {
        let seen = ids(reader)?;
        if attempts.fetch_add(1, Ordering::Relaxed) == 0 {
            let grown = format!("INSERT INTO session VALUES('b', '{}')", "x".repeat(9000));
            database.execute(&grown, [])?;
        }
        Ok(seen)
    });
    assert_eq!(seen.unwrap().unwrap(), ["a", "b"]);
    assert_eq!(attempts.into_inner(), 2);
}

#[test]
fn what_is_no_database_is_a_problem_and_what_is_not_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    assert_eq!(read_ids(&at("absent.db")).unwrap(), None);
    assert_eq!(read_ids(&at("absent/absent.db")).unwrap(), None);

    fs::create_dir(at("dir.db")).unwrap();
    nix::unistd::mkfifo(&at("fifo.db"), Mode::S_IRWXU).unwrap();
    for name in ["dir.db", "fifo.db"] {
        let problem = read_ids(&at(name)).unwrap_err();
        assert_eq!(
            (problem.kind, &*problem.message),
            (ProblemKind::Unreadable, "not a regular file")
        );
    }

    fs::write(at("text.db"), "not a database at all ".repeat(400)).unwrap();
    fs::write(at("encrypted.db"), [0xa5; 8192]).unwrap();
    for name in ["text.db", "encrypted.db"] {
        let problem = read_ids(&at(name)).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Malformed, "{}", problem.message);
    }
    // A database of something else, and the empty file that an opened and never written one is.
    Connection::open(at("foreign.db")).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    fs::write(at("empty.db"), "").unwrap();
    for name in ["foreign.db", "empty.db"] {
        assert_eq!(read_ids(&at(name)).unwrap_err().kind, ProblemKind::Malformed);
        let columns = read(&testing::scope(), &at(name), |it| Columns::of(it, "session"));
        assert!(columns.unwrap().unwrap().is_empty());
    }
}

#[test]
fn a_damaged_database_is_a_problem_wherever_the_damage_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let database = agent(&path);
    database.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).unwrap();
    for id in 0..300 {
        database.execute("INSERT INTO session VALUES(?1, ?1 || hex(zeroblob(99)))", [id]).unwrap();
    }
    drop(database);
    let sound = fs::read(&path).unwrap();
    for at in (100..sound.len()).step_by(397) {
        let mut damaged = sound.clone();
        damaged[at..].iter_mut().take(61).for_each(|it| *it ^= 0x5a);
        fs::write(&path, &damaged).unwrap();
        // Whatever is found, it ends, and an error says where.
        if let Err(problem) = read_ids(&path) {
            assert_eq!(problem.path.unwrap().as_path(), path);
        }
        fs::write(&path, &sound[..at]).unwrap();
        if let Err(problem) = read_ids(&path) {
            assert_eq!(problem.path.unwrap().as_path(), path);
        }
    }
}

#[test]
fn work_ends_when_nobody_waits_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    drop(agent(&path));
    let (scope, guard) = testing::scope().cancellable();
    drop(guard);
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let problem = read(&scope, &path, |it| it.query_row(endless, [], |row| row.get::<_, i64>(0)))
        .unwrap_err();
    assert_eq!(problem.kind, ProblemKind::TimedOut);
}

#[test]
fn it_is_read_once_until_the_database_or_its_wal_changes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    let agent = agent(&path);
    let reads = AtomicUsize::new(0);
    let scope = testing::scope();
    let look = |purpose| {
        read_once(&scope, purpose, &path, |it| {
            reads.fetch_add(1, Ordering::Relaxed);
            ids(it)
        })
        .unwrap()
        .unwrap()
    };
    let write_at = |millis: i64| {
        let at = std::time::UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap());
        for suffix in ["", "-wal"] {
            let file = fs::File::options().append(true).open(beside(&path, suffix)).unwrap();
            file.set_modified(at).unwrap();
        }
    };
    // Written just now: the next change might not show, so nothing is remembered.
    write_at(scope.now.as_millis());
    assert_eq!((look("a").len(), look("a").len()), (1, 1));
    assert_eq!(reads.swap(0, Ordering::Relaxed), 2);
    write_at(scope.now.as_millis() - 2_000);
    assert_eq!((look("a").len(), look("a").len()), (1, 1));
    assert_eq!(reads.swap(0, Ordering::Relaxed), 1);
    assert_eq!(look("b").len(), 1, "another purpose reads for itself");
    assert_eq!(reads.swap(0, Ordering::Relaxed), 1);
    agent.execute("INSERT INTO session VALUES('b', NULL)", []).unwrap();
    write_at(scope.now.as_millis() - 1_000);
    assert_eq!((look("a").len(), look("a").len()), (2, 2));
    assert_eq!(reads.swap(0, Ordering::Relaxed), 1);
}

#[test]
fn columns_tell_versions_apart_and_values_of_other_kinds_are_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a b?c%d#é.db");
    let agent = agent(&path);
    agent.execute_batch("CREATE TABLE v(t, i, r); INSERT INTO v VALUES(x'ff', 'one', 'x'), (CAST(x'61ff' AS TEXT), 7, 9e999), ('', -1, 2)").unwrap();
    let seen = read(&testing::scope(), &path, |database| {
        let columns = Columns::of(database, "session")?;
        assert!(columns.has("title") && !columns.has("cost"));
        assert_eq!((columns.or_null("title"), columns.or_null("cost")), ("title", "NULL"));
        let mut statement = database.prepare("SELECT t, i, r FROM v")?;
        let rows = statement.query_map([], |it| Ok((text(it, 0), integer(it, 1), real(it, 2))))?;
        rows.collect::<Result<Vec<_>, _>>()
    });
    let expected = [
        (None, None, None),
        (Some("a\u{fffd}".to_owned()), Some(7), None),
        (Some(String::new()), Some(-1), Some(2.0)),
    ];
    assert_eq!(seen.unwrap().unwrap(), expected);
}
