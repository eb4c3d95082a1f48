use std::fmt::Write as _;
use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::*;
use crate::testing::{self, FakeProc};

/// A home with the recorded stores that a test asks for.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.data("")).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn data(&self, name: &str) -> PathBuf {
        self.path().join(".local/share/opencode").join(name)
    }

    /// A database in WAL mode made of a recording, closed as OpenCode leaves it: all is in its `-wal`.
    fn with_database(self, name: &str, sql: &str) -> Self {
        let database = Connection::open(self.data(name)).unwrap();
        leave_wal(&database);
        // The recordings leave out the projects that sessions refer to.
        database.pragma_update(None, "foreign_keys", false).unwrap();
        database.execute_batch(&format!("BEGIN; {sql} COMMIT;")).unwrap();
        self
    }

    fn with_storage(self) -> Self {
        copy(&fixtures().join("storage"), &self.data("storage"));
        self
    }
}

fn leave_wal(database: &Connection) {
    database.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    let keep = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    database.set_db_config(keep, true).unwrap();
    database.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/opencode")
}

fn recorded(name: &str) -> String {
    fs::read_to_string(fixtures().join(name)).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// What is concluded, a line for each session.
fn roster(concluded: &Value) -> String {
    let mut text = String::new();
    for session in concluded["sessions"].as_array().unwrap() {
        let word = |name: &str| session[name].as_str().unwrap_or("-").to_owned();
        let id = word("sessionId");
        write!(
            text,
            "{} {}/{} {}",
            &id[id.len().saturating_sub(6)..],
            word("status"),
            word("reason"),
            word("certainty")
        )
        .unwrap();
        for name in ["title", "prompt", "cwd", "model", "createdAt", "updatedAt", "parentSessionId"]
        {
            if !session[name].is_null() {
                write!(text, " | {}", word(name)).unwrap();
            }
        }
        for name in ["archived", "process", "conflict"] {
            if !session[name].is_null() {
                write!(text, " | {name} {}", session[name]).unwrap();
            }
        }
        text.push('\n');
    }
    for problem in concluded["report"]["problems"].as_array().unwrap() {
        writeln!(text, "problem {} {}", problem["kind"], problem["message"]).unwrap();
    }
    text
}

fn survey(home: &Home) -> Value {
    testing::concluded(&ADAPTER, &FakeProc::new().scope(home.path()))
}

#[test]
fn every_way_that_a_session_ends_is_told_apart() {
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    assert_eq!(fs::metadata(home.data("opencode.db")).unwrap().len(), 4096);
    let concluded = survey(&home);
    insta::assert_snapshot!("final", roster(&concluded));
    let sessions = concluded["sessions"].as_array().unwrap();
    let one = sessions.iter().find(|it| it["sessionId"] == "ses_dfb15d5adffeFSSCwmpwPqKa5E");
    insta::assert_json_snapshot!("finished-and-resumed", one.unwrap());
}

#[test]
fn older_files_say_the_same_as_the_database_that_imported_them() {
    let files = survey(&Home::new().with_storage());
    insta::assert_snapshot!("storage", roster(&files));
    let database =
        survey(&Home::new().with_database("opencode.db", &recorded("migrated-1.2.27.sql")));
    let imported = |it: &Value| {
        let mut it = it.clone();
        it.as_object_mut().unwrap().remove("evidence");
        it
    };
    for session in files["sessions"].as_array().unwrap() {
        let same = database["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["sessionId"] == session["sessionId"]);
        assert_eq!(imported(session), imported(same.unwrap()));
    }
}

#[test]
fn what_both_stores_hold_is_shown_once_and_as_the_database_says() {
    let home =
        Home::new().with_storage().with_database("opencode.db", &recorded("migrated-1.2.27.sql"));
    let path = home.data("storage/session/483cd17686caf296d4a5da8d68c8f4e1bd9274be/ses_dfb026e96ffeiPyLH0e0h2OQkZ.json");
    let stale = fs::read_to_string(&path).unwrap().replace("Mock title", "Stale title");
    fs::write(path, stale).unwrap();
    insta::assert_snapshot!("migrated", roster(&survey(&home)));
}

#[test]
fn nothing_is_absent_and_what_cannot_be_read_is_a_problem() {
    let home = Home(tempfile::tempdir().unwrap());
    assert_eq!(survey(&home)["report"]["outcome"], "absent");
    let home = Home::new().with_storage();
    fs::write(home.data("opencode.db"), "not a database ".repeat(600)).unwrap();
    let concluded = survey(&home);
    assert_eq!(concluded["report"]["problems"][0]["kind"], "malformed");
    assert_eq!(
        concluded["sessions"].as_array().unwrap().len(),
        4,
        "the files are read all the same"
    );
}
