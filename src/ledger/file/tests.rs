use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ledger::testing::{ALIVE, World, launch, lock};
use crate::ledger::{LaunchEntry, Life, Refusal};
use crate::testing::env;

fn ledger_at(home: &Path) -> LedgerFile {
    LedgerFile::of(&env(home))
}

fn add_lock(file: &LedgerFile, directory: &str) -> Result<(), LedgerError> {
    let added: Result<(), ()> = file.update(|ledger| {
        ledger.locks.push(lock(directory, "me"));
        Ok(())
    })?;
    added.unwrap();
    Ok(())
}

#[test]
fn reading_a_ledger_that_is_not_there_makes_nothing() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(ledger_at(home.path()).read().unwrap(), Ledger::default());
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn what_is_written_is_read_by_another_and_by_this_user_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    add_lock(&file, "/a").unwrap();
    begin(&file, launch("one", "/b", ALIVE));

    let seen = ledger_at(home.path()).read().unwrap();
    assert_eq!(seen.locks, [lock("/a", "me")]);
    assert_eq!(seen.launches, [launch("one", "/b", ALIVE)]);
    let mode = |it: &Path| fs::metadata(it).unwrap().permissions().mode() & 0o777;
    let dir = file.path().as_path().parent().unwrap();
    assert_eq!(mode(dir), 0o700);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(["ledger.db", "ledger.db-wal", "ledger.db-shm"].contains(&&*name), "{name}");
    }
}

#[test]
fn a_refused_change_leaves_it_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    add_lock(&file, "/a").unwrap();
    let refused: Result<(), &str> = file
        .update(|ledger| {
            ledger.locks.clear();
            Err("no")
        })
        .unwrap();
    assert_eq!(refused, Err("no"));
    assert_eq!(file.read().unwrap().locks.len(), 1);
}

fn begin(file: &LedgerFile, entry: LaunchEntry) {
    let begun: Result<(), ()> = file
        .update(|ledger| {
            ledger.launches.push(entry);
            Ok(())
        })
        .unwrap();
    begun.unwrap();
}

/// The same ledger, used somewhere else.
fn at(file: &LedgerFile, boot: &str, name: &str) -> LedgerFile {
    let place = serde_json::json!({ "boot": boot, "processes": "pid:[1]", "name": name });
    LedgerFile { here: serde_json::from_value(place).unwrap(), ..file.clone() }
}

#[test]
fn processes_of_an_earlier_start_of_the_machine_are_no_more() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    let (before, after) = (at(&file, "before", "this"), at(&file, "after", "this"));
    begin(&before, launch("one", "/b", ALIVE));
    let life = |file: &LedgerFile| file.read().unwrap().launches[0].life(World::at(2).view());
    assert_eq!((life(&before), life(&after)), (Life::Alive, Life::Dead));
}

#[test]
fn processes_of_another_machine_cannot_be_told_and_keep_their_claim() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    let (there, here) = (at(&file, "before", "that"), at(&file, "after", "this"));
    begin(&there, launch("one", "/b", ALIVE));
    let world = World::at(2);
    let pruned: Result<_, ()> = here
        .update(|ledger| {
            Ok((ledger.prune(None, world.view(), &|_| Life::Unknown), ledger.held(world.view())))
        })
        .unwrap();
    let (pruned, held) = pruned.unwrap();
    assert_eq!((pruned.kept, pruned.forgotten.len(), pruned.released.len()), (1, 0, 0));
    assert_eq!((held.len(), held[0].pid), (1, None), "an id of there means nothing here");
    // Whatever is changed here, the processes stay those of there.
    let named: Result<(), Refusal> =
        here.update(|ledger| ledger.hook_failed("one", "onCreate: x")).unwrap();
    named.unwrap();
    assert_eq!(there.read().unwrap().launches[0].keeper, Some(ALIVE));
}

#[test]
fn what_an_older_ledger_left_is_not_taken_for_a_part_of_the_new_one() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    for n in 0..50 {
        add_lock(&file, &format!("/old/{n}")).unwrap();
    }
    fs::remove_file(file.path().as_path()).unwrap();
    fs::write(file.path().as_path().with_file_name(DRAFT_NAME), "half").unwrap();
    assert_eq!(file.read().unwrap(), Ledger::default());
    add_lock(&file, "/new").unwrap();
    assert_eq!(file.read().unwrap().locks, [lock("/new", "me")]);
    assert!(!file.path().as_path().with_file_name(DRAFT_NAME).exists());
}

/// Neither a read nor a write changes a ledger that cannot be understood.
fn check_refused(file: &LedgerFile, expect: fn(&LedgerError) -> bool) {
    let bytes = fs::read(file.path().as_path()).unwrap();
    let read = file.read().unwrap_err();
    assert!(expect(&read), "{read:?}");
    let written = add_lock(file, "/b").unwrap_err();
    assert!(expect(&written), "{written:?}");
    assert_eq!(fs::read(file.path().as_path()).unwrap(), bytes);
}

#[test]
fn a_later_version_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    add_lock(&file, "/a").unwrap();
    let connection = Connection::open(file.path().as_path()).unwrap();
    connection.pragma_update(None, "user_version", SCHEMA_VERSION + 1).unwrap();
    drop(connection);
    check_refused(&file, |it| matches!(it, LedgerError::Newer { found: 2, .. }));
}

#[test]
fn a_ledger_that_another_keeps_locked_is_neither_damaged_nor_out_of_reach() {
    let file = ledger_at(Path::new("/home/dev"));
    let failed =
        |code| file.failed(&rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
    assert!(matches!(failed(rusqlite::ffi::SQLITE_BUSY), LedgerError::Locked { .. }));
    assert!(matches!(failed(rusqlite::ffi::SQLITE_BUSY_RECOVERY), LedgerError::Locked { .. }));
    assert!(matches!(failed(rusqlite::ffi::SQLITE_FULL), LedgerError::Unavailable { .. }));
}

#[test]
fn a_damaged_ledger_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    add_lock(&file, "/a").unwrap();
    let path = file.path().as_path();
    let side = |suffix| path.with_file_name(format!("{FILE_NAME}{suffix}"));
    fs::remove_file(side("-wal")).unwrap();
    fs::remove_file(side("-shm")).unwrap();
    for content in
        [&b"not a database, but long enough to be taken for the head of one: it is text"[..], b""]
    {
        fs::write(path, content).unwrap();
        check_refused(&file, |it| matches!(it, LedgerError::Damaged { .. }));
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_damage_and_one_of_an_unknown_kind_is_not() {
    let home = tempfile::tempdir().unwrap();
    let file = ledger_at(home.path());
    add_lock(&file, "/a").unwrap();
    let put = |noun: &str| {
        let connection = Connection::open(file.path().as_path()).unwrap();
        connection.execute("INSERT INTO entry VALUES (?1, 'x', '{}')", (noun,)).unwrap();
    };
    put("later");
    add_lock(&file, "/b").unwrap();
    let connection = Connection::open(file.path().as_path()).unwrap();
    let kept = "SELECT count(*) FROM entry WHERE noun = 'later'";
    assert_eq!(connection.query_row(kept, (), |row| row.get::<_, i64>(0)).unwrap(), 1);
    put("lock");
    assert!(matches!(file.read(), Err(LedgerError::Damaged { .. })));
}

#[test]
fn a_directory_that_cannot_be_made_is_a_refusal() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".local"), "a file").unwrap();
    let file = ledger_at(home.path());
    assert!(matches!(add_lock(&file, "/a"), Err(LedgerError::Unavailable { .. })));
    let fifo = tempfile::tempdir().unwrap();
    fs::create_dir_all(fifo.path().join(".local/state/headcount/ledger.db")).unwrap();
    assert!(matches!(ledger_at(fifo.path()).read(), Err(LedgerError::Unavailable { .. })));
}

#[test]
fn many_writers_at_once_lose_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 12;
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let file = ledger_at(home.path());
            scope.spawn(move || {
                for n in 0..EACH {
                    add_lock(&file, &format!("/{writer}/{n}")).unwrap();
                    file.read().unwrap();
                }
            });
        }
    });
    let seen = ledger_at(home.path()).read().unwrap();
    assert_eq!(seen.locks.len(), WRITERS * EACH);
    assert!(seen.locks.contains(&lock("/7/11", "me")));
}

#[test]
fn a_ledger_that_is_never_free_is_given_up() {
    assert!(wait_a_turn(BUSY_LOOKS - 1));
    assert!(!wait_a_turn(BUSY_LOOKS));
}
