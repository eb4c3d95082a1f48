use std::fmt::Write as _;
use std::fs;

use rusqlite::Connection;
use serde_json::Value;

use super::*;
use crate::base::{AbsPath, Timestamp};
use crate::procs::Terminal;
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
fn an_older_file_cut_at_any_byte_costs_its_own_session() {
    const FILE: &str = "storage/session/483cd17686caf296d4a5da8d68c8f4e1bd9274be/ses_dfb026e96ffeiPyLH0e0h2OQkZ.json";
    let home = Home::new().with_storage();
    let whole = fs::read(home.data(FILE)).unwrap();
    // The ends of lines are those of members too.
    let ends = (0..whole.len()).filter(|end| *end < 2 || whole[end - 1] == b'\n');
    for end in ends {
        fs::write(home.data(FILE), &whole[..end]).unwrap();
        let concluded = survey(&home);
        assert_eq!(concluded["sessions"].as_array().unwrap().len(), 3, "cut at {end}");
        assert_eq!(concluded["report"]["problems"][0]["kind"], "malformed", "cut at {end}");
    }
}

#[test]
fn a_fork_is_not_counted_for_what_its_source_spent() {
    let fork = recorded("fork-1.18.33.sql");
    let inputs = |sql: &str| {
        let concluded = survey(&Home::new().with_database("opencode.db", sql));
        let sessions = concluded["sessions"].as_array().unwrap();
        let input = |it: &Value| it["usage"]["inputTokens"].as_u64();
        sessions.iter().map(input).collect::<Vec<_>>()
    };
    assert_eq!(inputs(&fork), [Some(1000), Some(1000)]);
    // Up to 1.2 a session says nothing of what it spent.
    let silent = "ALTER TABLE session DROP COLUMN tokens_input;";
    assert_eq!(inputs(&format!("{fork}{silent}")), [Some(1000), Some(1000)]);
}

#[test]
fn a_fork_among_older_files_is_not_counted_for_what_its_source_spent() {
    const SESSION: &str = "ses_dfb0265acffe12zLV6ZuTP62zl";
    let home = Home::new().with_storage();
    let usage = |home: &Home| {
        let concluded = survey(home);
        let sessions = concluded["sessions"].as_array().unwrap();
        sessions.iter().find(|it| it["sessionId"] == SESSION).unwrap()["usage"].clone()
    };
    let whole = usage(&home)["inputTokens"].as_u64().unwrap();
    // A copy of the first answer, as it is in a fork: older than the session.
    let dir = home.data("storage/message").join(SESSION);
    let answer = fs::read_dir(&dir).unwrap().map(|it| fs::read_to_string(it.unwrap().path()));
    let answer = answer.map(Result::unwrap).find(|it| it.contains("\"assistant\"")).unwrap();
    let mut copy: Value = serde_json::from_str(&answer).unwrap();
    copy["time"]["created"] = 1_000.into();
    fs::write(dir.join("msg_000000000000.json"), copy.to_string()).unwrap();
    assert_eq!(usage(&home)["inputTokens"].as_u64(), Some(whole));
}

#[test]
fn a_service_that_nothing_is_asked_of_is_nobodys() {
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    let live = |command: &str| {
        let table = FakeProc::new();
        process(&table, &home, 9, ticks(59, 0), "/home/dev/work/a", &["opencode", command]);
        let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
        let sessions = concluded["sessions"].as_array().unwrap();
        sessions.iter().filter(|it| !it["process"].is_null()).count()
    };
    assert_eq!((live("serve"), live("acp"), live("run")), (0, 0, 1));
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

const EXE: &str = "/usr/lib/node_modules/opencode-ai/bin/opencode.exe";

/// Hundredths of a second from the boot of the recorded table, 2026-11-22T20:00:00Z, to a time of that hour.
fn ticks(minutes: u64, seconds: u64) -> u64 {
    (minutes * 60 + seconds) * 100
}

/// A process in `/home/dev/work/…` that holds the home's database open.
fn process<'a>(
    table: &'a FakeProc,
    home: &Home,
    pid: i32,
    started: u64,
    cwd: &str,
    arguments: &[&str],
) -> testing::FakeProcess<'a> {
    table
        .process(pid, started, "opencode")
        .exe(EXE)
        .cwd(cwd)
        .arguments(arguments)
        .open_file(15, &fs::canonicalize(home.data("opencode.db")).unwrap())
}

#[test]
fn a_run_owns_what_it_began_and_its_subagent_lives_in_it() {
    let home = Home::new().with_database("opencode.db", &recorded("child-running-1.18.33.sql"));
    let table = FakeProc::new();
    process(&table, &home, 30_000, ticks(50, 10), "/home/dev/work/a", &["opencode", "run", "x"]);
    insta::assert_snapshot!(
        "child-running",
        roster(&testing::concluded(&ADAPTER, &table.scope(home.path())))
    );
}

#[test]
fn a_tool_at_work_is_in_progress_and_one_without_its_process_was_killed() {
    let home = Home::new().with_database("opencode.db", &recorded("tool-running-1.18.33.sql"));
    let word = |table: &FakeProc| {
        let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
        let session = &concluded["sessions"][0];
        format!("{} {}", session["reason"], session["process"]["pid"])
    };
    let table = FakeProc::new();
    assert_eq!(word(&table), r#""killed" null"#);
    process(&table, &home, 21_955, ticks(22, 20), "/home/dev/work/b", &["opencode", "run", "x"]);
    assert_eq!(word(&table), r#""turn_in_progress" 21955"#);
    // Named by a process that began when the turn had long been dead.
    let later = FakeProc::new();
    let names = |table, pid, began| {
        let named = &["opencode", "-s", "ses_dfb136b15ffemRqRcglFGKR77Z"];
        process(table, &home, pid, began, "/home/dev/work/b", named);
    };
    names(&later, 22_000, ticks(50, 0));
    assert_eq!(word(&later), r#""turn_ended" 22000"#);
    // Another that names it has been at it from its beginning.
    names(&later, 23_000, ticks(22, 20));
    assert_eq!(word(&later), r#""turn_in_progress" 23000"#);
}

#[test]
fn a_tool_that_has_just_begun_is_not_taken_for_one_that_waits() {
    let check = |started_ms_ago: i64, expect: &str| {
        let recorded = recorded("tool-running-1.18.33.sql");
        let table = FakeProc::new();
        let begun = recorded.split_once(r#""time":{"start":"#).unwrap().1;
        let begun: i64 = begun.split_once('}').unwrap().0.parse().unwrap();
        let asking = recorded.replace(r#""metadata":{"output":""},"#, "");
        assert_ne!(asking, recorded);
        let home = Home::new().with_database("opencode.db", &asking);
        process(&table, &home, 21_955, ticks(22, 20), "/home/dev/work/b", &["opencode"]);
        let mut scope = table.scope(home.path());
        scope.now = Timestamp::from_millis(begun + started_ms_ago).unwrap();
        let concluded = testing::concluded(&ADAPTER, &scope);
        assert_eq!(concluded["sessions"][0]["reason"], expect, "{started_ms_ago}");
    };
    check(499, "turn_in_progress");
    check(500, "permission");
}

/// What is told of the two sessions of the recorded terminals, by a log and the processes with their arguments.
fn told_by_log(log: &str, terminals: &[(i32, &[&str])]) -> Vec<String> {
    told_of(&recorded("two-terminals-1.18.33.sql"), log, terminals)
}

fn told_of(sql: &str, log: &str, terminals: &[(i32, &[&str])]) -> Vec<String> {
    told_at(sql, log, terminals, None, Timestamp::parse("2026-11-28T01:43:20Z").unwrap())
}

/// The same at a time, with what the kernel says of the terminal.
fn told_at(
    sql: &str,
    log: &str,
    terminals: &[(i32, &[&str])],
    seen: Option<Terminal>,
    now: Timestamp,
) -> Vec<String> {
    let home = Home::new().with_database("opencode.db", sql);
    fs::create_dir(home.data("log")).unwrap();
    fs::write(home.data("log/opencode.log"), log).unwrap();
    let table = FakeProc::new();
    let terminal = Path::new("/dev/pts/3");
    for (pid, arguments) in terminals {
        if let Some(seen) = seen {
            table.terminal(*pid, "/dev/pts/3", seen);
        }
        // Five days and some hours after the boot of the recorded table.
        let (started, run) = match *pid {
            FIRST_TERMINAL => (45_241_949, "run=25efa398"),
            _ => (45_244_719, "run=98aba358"),
        };
        let line = log.rfind(run).unwrap_or(0);
        let end = line + log[line..].find('\n').map_or(0, |it| it + 1);
        table
            .process_like(*pid, started, "opencode", 1, 34_819)
            .exe(EXE)
            .cwd("/home/dev/work/a")
            .arguments(arguments)
            .open_file(0, terminal)
            .open_file(1, terminal)
            .open_file(24, &fs::canonicalize(home.data("opencode.db")).unwrap())
            .open_file_at(19, &fs::canonicalize(home.data("log/opencode.log")).unwrap(), 0)
            .open_file_at(23, &fs::canonicalize(home.data("log/opencode.log")).unwrap(), end);
    }
    let mut scope = table.scope(home.path());
    scope.now = now;
    let concluded = testing::concluded(&ADAPTER, &scope);
    let rows = concluded["sessions"].as_array().unwrap().iter().map(|it| {
        let prompt = it["prompt"].as_str().unwrap_or("-");
        format!("{prompt} {} {} {}", it["status"], it["reason"], it["process"]["pid"])
    });
    let mut rows: Vec<_> = rows.map(|it| it.replace('"', "")).collect();
    rows.sort_unstable();
    rows
}

const FIRST_TERMINAL: i32 = 22_660;
const SECOND_TERMINAL: i32 = 23_518;
/// The session that was begun in the second of the recorded terminals.
const SECOND: &str = "ses_de02eb0afffeghzlWoA9se6KdJ";
/// The one that was begun in the first.
const FIRST: &str = "ses_de02f6e92ffedRlnah77x7soOL";

#[test]
fn the_log_tells_which_of_two_terminals_has_which_session_and_that_one_asks() {
    let check_with = |arguments: &[&str], log: &str, expected: [&str; 2]| {
        let terminals = [(FIRST_TERMINAL, arguments), (SECOND_TERMINAL, &["opencode"])];
        assert_eq!(told_by_log(log, &terminals), expected);
    };
    let check = |log: &str, expected| check_with(&["opencode"], log, expected);
    let log = recorded("two-terminals-1.18.33.log");
    let idle = "Second one idle turn_ended 23518";
    check(&log, ["First one waiting permission 22660", idle]);
    // It was opened with the one, and has gone on with another.
    let named = ["opencode", "--session", SECOND];
    check_with(&named, &log, ["First one waiting permission 22660", idle]);
    let goes_on = format!("level=INFO run=25efa398 message=loop session.id={FIRST} step=1\n");
    let answered = format!("{log}timestamp=2026-11-28T01:43:10.000Z {goes_on}");
    check(&answered, ["First one running turn_in_progress 22660", idle]);
}

#[test]
fn a_terminal_that_is_drawn_on_after_it_asked_has_its_answer() {
    let log = recorded("two-terminals-1.18.33.log");
    let asking = log.lines().rfind(|it| it.contains("message=asking")).unwrap();
    let asked = Timestamp::parse(&asking["timestamp=".len()..][..24]).unwrap();
    let check = |drawn_after_s: i64, told_after_s: i64, expected: &str| {
        let time = |after: i64| Timestamp::from_millis(asked.as_millis() + after * 1000).unwrap();
        let seen = Terminal { typed: time(-60), drawn: time(drawn_after_s) };
        let terminals: [(i32, &[&str]); 1] = [(FIRST_TERMINAL, &["opencode"])];
        let sql = recorded("two-terminals-1.18.33.sql");
        // A tool that may take long: nothing else tells when it waits.
        for tool in ["webfetch", "slow_wait"] {
            let named = format!(r#""tool":"{tool}""#);
            let sql = sql.replace(r#""tool":"webfetch""#, &named);
            let log = log.replace("permission=webfetch", &format!("permission={tool}"));
            let told = told_at(&sql, &log, &terminals, Some(seen), time(told_after_s));
            assert_eq!(told[0], expected, "{tool}, drawn {drawn_after_s}, told {told_after_s}");
        }
    };
    let waits = "First one waiting permission 22660";
    let works = "First one running turn_in_progress 22660";
    // What is drawn then is the question.
    check(1, 2, waits);
    check(1, 60, waits);
    check(50, 59, works);
    // Once, as where its window was made larger.
    check(40, 60, waits);
}

#[test]
fn what_a_subagent_asked_is_answered_where_somebody_has_typed_since() {
    let sql = recorded("two-terminals-1.18.33.sql");
    // Its parent is at work, as it is while a subagent is.
    let below = format!(
        "{sql}\nUPDATE session SET parent_id = '{SECOND}' WHERE id = '{FIRST}';\n\
         UPDATE message SET data = json_remove(data, '$.finish', '$.time.completed') \
         WHERE session_id = '{SECOND}';\n"
    );
    // As if the second of the two had begun both.
    let log = recorded("two-terminals-1.18.33.log").replace("25efa398", "98aba358");
    let now = Timestamp::parse("2026-11-28T01:44:00Z").unwrap();
    let check = |typed: &str, expected: &str| {
        let typed = Timestamp::parse(typed).unwrap();
        // What else its parent does is drawn beside the question.
        let seen = Terminal { typed, drawn: now };
        let told = told_at(&below, &log, &[(SECOND_TERMINAL, &["opencode"])], Some(seen), now);
        assert_eq!(told[0], expected);
    };
    check("2026-11-28T01:42:57Z", "First one waiting permission 23518");
    check("2026-11-28T01:42:59Z", "First one running turn_in_progress 23518");
}

#[test]
fn a_service_behind_a_password_serves_what_its_log_tells() {
    let log = recorded("two-terminals-1.18.33.log").replace("25efa398", "98aba358");
    let told = told_by_log(&log, &[(SECOND_TERMINAL, &["opencode", "serve"])]);
    let expected = ["First one waiting permission 23518", "Second one idle turn_ended 23518"];
    assert_eq!(told, expected);
    let others = format!("level=INFO run=other message=loop session.id={SECOND}\n");
    let taken = format!("{log}timestamp=2026-11-28T01:43:06.000Z {others}");
    let told = told_by_log(&taken, &[(SECOND_TERMINAL, &["opencode", "serve"])]);
    assert_eq!(told, [expected[0], "Second one stopped completed null"]);
}

#[test]
fn a_process_whose_log_tells_of_no_session_has_none() {
    let log = recorded("two-terminals-1.18.33.log");
    let is_its_work = |it: &&str| it.contains("run=25efa398") && it.contains("ses_");
    let log: String = log.split_inclusive('\n').filter(|it| !is_its_work(it)).collect();
    // By time and directory it could be the first session's, in which a turn is in flight.
    let told = told_by_log(&log, &[(FIRST_TERMINAL, &["opencode"])]);
    let expected = [
        "- idle never_prompted 22660",
        "First one stopped killed null",
        "Second one stopped completed null",
    ];
    assert_eq!(told, expected);
    let told = told_by_log(&log, &[(FIRST_TERMINAL, &["opencode", "-s", FIRST])]);
    assert_eq!(told[0], "First one running turn_in_progress 22660");
    // A service is nobody at work, and a run is.
    let told = told_by_log(&log, &[(FIRST_TERMINAL, &["opencode", "acp"])]);
    assert_eq!(told.len(), 2);
    let told = told_by_log(&log, &[(FIRST_TERMINAL, &["opencode", "run", "x"])]);
    assert_eq!(told[0], "- running process_alive 22660");
}

#[test]
fn a_session_that_the_log_does_not_tell_of_yet_is_of_the_only_process_that_can_have_begun_it() {
    let sql = recorded("two-terminals-1.18.33.sql");
    let log = recorded("two-terminals-1.18.33.log");
    let is_untold = |it: &&str| !(it.contains("run=98aba358") && it.contains("ses_"));
    let log: String = log.split_inclusive('\n').filter(is_untold).collect();
    let told = |after: i64, terminals: &[(i32, &[&str])]| {
        let now = Timestamp::from_millis(1_795_830_140_752 + after).unwrap();
        let mut told = told_at(&sql, &log, terminals, None, now);
        told.retain(|it| !it.starts_with("First"));
        told
    };
    let second = (SECOND_TERMINAL, ["opencode"].as_slice());
    let (stopped, bare) = ("Second one stopped completed null", "- idle never_prompted 23518");
    assert_eq!(told(2_999, &[second]), ["Second one idle turn_ended 23518"]);
    assert_eq!(told(3_000, &[second]), [bare, stopped]);
    let run = (SECOND_TERMINAL, ["opencode", "run", "x"].as_slice());
    assert_eq!(told(0, &[run])[1], stopped, "a run says that questions are denied");
    let both = [(FIRST_TERMINAL, ["opencode"].as_slice()), second];
    assert_eq!(told(0, &both), [bare, stopped]);
    // What it was started for is not written down yet.
    let begun = format!(
        "{sql}UPDATE session SET permission = '[\"question\"]' WHERE id = '{SECOND}';
        DELETE FROM message WHERE session_id = '{SECOND}';"
    );
    let now = Timestamp::from_millis(1_795_830_140_752).unwrap();
    assert_eq!(told_at(&begun, &log, &[run], None, now)[0], "- running process_alive 23518");
}

#[test]
fn a_run_that_goes_on_with_a_session_is_at_work_before_it_has_written_and_until_its_turn_ends() {
    const SESSION: &str = "ses_dfb15d5adffeFSSCwmpwPqKa5E";
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    let check = |arguments: &[&str], started: u64, expect: [&str; 2]| {
        let table = FakeProc::new();
        let tty = Path::new("/dev/pts/3");
        process(&table, &home, 40_000, started, "/home/dev/work/a", arguments)
            .open_file(0, tty)
            .open_file(1, tty);
        let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
        let mut sessions = concluded["sessions"].as_array().unwrap().iter();
        let one = sessions.find(|it| it["sessionId"] == SESSION).unwrap();
        assert_eq!([&one["status"], &one["reason"]], expect, "{arguments:?}, {started}");
    };
    let run = ["opencode", "run", "-s", SESSION, "go on"];
    check(&run, ticks(59, 0), ["running", "process_alive"]);
    check(&run, ticks(19, 0), ["idle", "turn_ended"]);
    // A person drives these.
    check(&["opencode", "run", "-i", "-s", SESSION], ticks(59, 0), ["idle", "turn_ended"]);
    check(&["opencode", "-s", SESSION], ticks(59, 0), ["idle", "turn_ended"]);
}

#[test]
fn a_terminal_that_goes_on_with_another_session_is_at_work_in_the_one_it_left() {
    let first = "First one running turn_in_progress 22660";
    let log = recorded("two-terminals-1.18.33.log");
    // As if the first of the two had begun both.
    let begins = |it: &&str| !(it.contains("run=98aba358") && it.contains("creating instance"));
    let lines = log.lines().filter(begins).map(|it| it.replace("98aba358", "25efa398") + "\n");
    let at_first = format!("level=INFO run=25efa398 message=loop session.id={FIRST} step=1\n");
    let at_first = format!("timestamp=2026-11-28T01:43:04.000Z {at_first}");
    let log: String = lines.chain([at_first]).collect();
    let check = |arguments: &[&str], log: &str, expected: [&str; 2]| {
        assert_eq!(told_by_log(log, &[(FIRST_TERMINAL, arguments)]), expected, "{arguments:?}");
    };
    check(&["opencode"], &log, [first, "Second one stopped completed null"]);
    let at_second = format!("level=INFO run=25efa398 message=loop session.id={SECOND} step=0\n");
    let both = format!("{log}timestamp=2026-11-28T01:43:05.000Z {at_second}");
    check(&["opencode"], &both, [first, "Second one idle turn_ended 22660"]);
    // Whichever of them it was opened with.
    let named = ["opencode", "--session", SECOND];
    check(&named, &both, [first, "Second one idle turn_ended 22660"]);
    // A process that is gone was at the turn last.
    let others = format!("level=INFO run=other message=loop session.id={FIRST}\n");
    let by_another = format!("{both}timestamp=2026-11-28T01:43:06.000Z {others}");
    let killed = "First one stopped killed null";
    check(&["opencode"], &by_another, [killed, "Second one idle turn_ended 22660"]);
}

#[test]
fn a_terminal_whose_session_another_process_goes_on_with_is_not_told_as_one_that_was_asked_nothing()
{
    let sql = recorded("two-terminals-1.18.33.sql");
    let sql = format!("{sql}\nDELETE FROM session WHERE id = '{SECOND}';\n");
    let log = recorded("two-terminals-1.18.33.log");
    let at_first = format!("level=INFO run=98aba358 message=loop session.id={FIRST}\n");
    let log = format!("{log}timestamp=2026-11-28T01:43:06.000Z {at_first}");
    let terminals: [(i32, &[&str]); 2] =
        [(FIRST_TERMINAL, &["opencode"]), (SECOND_TERMINAL, &["opencode"])];
    let expected = ["- unknown process_alive 22660", "First one running turn_in_progress 23518"];
    assert_eq!(told_of(&sql, &log, &terminals), expected);
}

#[test]
fn a_terminal_beside_old_sessions_has_none_of_them_and_nothing_asked() {
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    let table = FakeProc::new();
    let terminal = Path::new("/dev/pts/3");
    table
        .process_like(10_180, ticks(59, 0), "opencode", 1, 34_819)
        .exe(EXE)
        .cwd("/home/dev/work/a")
        .arguments(&["opencode"])
        .open_file(0, terminal)
        .open_file(1, terminal)
        .open_file(24, &fs::canonicalize(home.data("opencode.db")).unwrap());
    let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
    let owned: Vec<_> = concluded["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|it| !it["process"].is_null())
        .collect();
    assert_eq!(owned.len(), 1);
    assert_eq!(
        (&owned[0]["sessionId"], &owned[0]["reason"]),
        (&Value::Null, &"never_prompted".into())
    );
}

#[test]
fn a_command_that_waits_for_approval_waits_for_a_human() {
    const SESSION: &str = "ses_dfafb8857ffeFFPugot8hktYNJ";
    // What a person asks meanwhile stands in line, and is the newest message.
    let in_line = format!(
        r#"INSERT INTO message VALUES('msg_3', '{SESSION}', 1795381000000, 1795381000000, '{{"role":"user","time":{{"created":1795381000000}}}}');"#
    );
    for more in ["", &in_line] {
        let sql = recorded("final-1.18.33.sql") + more;
        let home = Home::new().with_database("opencode.db", &sql);
        let table = FakeProc::new();
        let arguments = &["opencode", "-s", SESSION];
        process(&table, &home, 40_000, ticks(48, 20), "/home/dev/work/d", arguments);
        let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
        let mut sessions = concluded["sessions"].as_array().unwrap().iter();
        let asking = sessions.find(|it| it["sessionId"] == SESSION).unwrap();
        let told = (&asking["status"], &asking["reason"]);
        assert_eq!(told, (&"waiting".into(), &"permission".into()), "{more}");
    }
}

/// A server of the process that holds its socket; it gives these answers to what it is asked.
fn with_server(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    let table = FakeProc::new();
    fs::create_dir_all(table.root().join("net")).unwrap();
    let line = format!(
        "0: 0100007F:{:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77 1\n",
        address.port()
    );
    fs::write(table.root().join("net/tcp"), line).unwrap();
    // It has been there since before the session `via http`, which it alone can have served.
    process(&table, &home, 50_000, ticks(36, 0), "/home/dev/work/b", &["opencode", "serve"])
        .open_file(40, Path::new("socket:[77]"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap();
            let answer = answer(str::from_utf8(&request[..read]).unwrap());
            // An empty answer is a server that hangs.
            if answer.is_empty() {
                std::mem::forget(stream);
            } else {
                stream.write_all(&answer).unwrap();
            }
        }
    });
    let concluded = testing::concluded(&ADAPTER, &table.scope(home.path()));
    // Only those that something lives for, and the problems.
    let is_telling = |it: &&str| it.starts_with("problem") || it.contains("50000");
    let text = roster(&concluded).replace(&address.to_string(), "ADDRESS");
    let lines = text.lines().filter(is_telling).map(|it| it.split(" | /home").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

fn json(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[test]
fn a_server_says_who_is_busy_and_who_waits() {
    let seen = with_server(|request| {
        let is_here = request.contains("?directory=/home/dev/work/b ");
        let (what, _) = request.split_once('?').unwrap();
        json(match what {
            "GET /permission" if is_here => r#"[{"sessionID":"ses_dfaff0febffeaofTwtE5aJkUcl"}]"#,
            "GET /session/status" if is_here => {
                r#"{"ses_dfb06acd2ffeW1DIu2FEDqs3NR":{"type":"busy"},"ses_dfaff0febffeaofTwtE5aJkUcl":{"type":"busy"}}"#
            }
            _ => nothing(request),
        })
    });
    insta::assert_snapshot!("served", seen);
}

/// What a server says of which no session is busy.
fn nothing(request: &str) -> &'static str {
    if request.starts_with("GET /session/status") { "{}" } else { "[]" }
}

#[test]
fn a_server_says_who_waits_for_an_answer_if_its_version_asks_any() {
    let check = |questions: &str, expect: &str| {
        let questions = questions.as_bytes().to_vec();
        let seen = with_server(move |request| {
            let busy = r#"{"ses_dfb06acd2ffeW1DIu2FEDqs3NR":{"type":"busy"}}"#;
            match request.split_once('?').unwrap().0 {
                "GET /question" => questions.clone(),
                "GET /session/status" => json(busy),
                _ => json(nothing(request)),
            }
        });
        assert_eq!(seen.split(" | ").next().unwrap(), expect);
    };
    let asking = r#"[{"id":"que_1","sessionID":"ses_dfb06acd2ffeW1DIu2FEDqs3NR","questions":[]}]"#;
    let asking = String::from_utf8(json(asking)).unwrap();
    check(&asking, "Dqs3NR waiting/question asserted");
    check("HTTP/1.1 404 Not Found\r\n\r\n", "Dqs3NR running/turn_in_progress asserted");
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";
    check(page, "Dqs3NR running/turn_in_progress asserted");
}

#[test]
fn what_a_server_alone_can_have_served_and_is_not_busy_with_is_idle() {
    let seen = with_server(|request| json(nothing(request)));
    assert_eq!(seen, "Dqs3NR idle/turn_ended asserted | via http | http [[slow 30]] go");
}

#[test]
fn a_server_that_does_not_answer_is_a_problem_and_a_process_like_any_other() {
    let page =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi".to_vec();
    let answers =
        [page, b"HTTP/1.1 401 Unauthorized\r\n\r\n".to_vec(), b"220 smtp\r\n".to_vec(), Vec::new()];
    let seen: String = answers.map(|answer| with_server(move |_| answer.clone())).join("\n---\n");
    insta::assert_snapshot!("unanswered", seen);
}

#[test]
fn hostile_values_cost_no_more_than_themselves() {
    let hostile = "CREATE TABLE session(id, parent_id, directory, title, time_created, time_updated, time_archived, cost, tokens_input, tokens_output);
        CREATE TABLE message(id, session_id, time_created, data); CREATE TABLE part(id, message_id, data);
        INSERT INTO session VALUES(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), (x'00', 1, 2, 3, 'x', 'y', 'z', 'w', -1, -2),
            ('ses_a', 'ses_a', 'relative', 'loop', 9223372036854775807, -1, NULL, 9e999, -5, 7),
            ('ses_b', NULL, '/work/b', printf('%.99999c', 'x'), 1795378784851, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO message VALUES('m1', 'ses_b', 1, '[1,2'), ('m2', 'ses_b', 2, printf('{\"role\":\"user\",\"x\":\"%.5000000c\"}', 'x')), (NULL, 'ses_a', 'x', x'ff');";
    let home = Home::new().with_database("opencode-x.db", hostile);
    insta::assert_snapshot!("hostile", roster(&survey(&home)));
    let foreign = Home::new().with_database("opencode.db", "CREATE TABLE other(id);");
    assert_eq!(survey(&foreign)["report"]["problems"][0]["message"], "it has no table of sessions");
}

/// The last turns of a session, as text.
fn peek(home: &Home, session: &str, turns: usize) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scope = FakeProc::new().scope(home.path());
    let survey = runtime.block_on(ADAPTER.survey(scope.clone()));
    let record = survey.sightings.into_iter().find_map(|it| match it {
        Sighting::Recorded(record) if record.session.as_str() == session => Some(record),
        _ => None,
    });
    let peeked = runtime.block_on(ADAPTER.peek(scope, record.unwrap(), turns).unwrap()).unwrap();
    let mut text = String::new();
    for turn in peeked.turns {
        writeln!(text, "{:?} {:?} {}", turn.role, turn.tool, turn.text).unwrap();
    }
    writeln!(text, "earlier: {}", peeked.has_earlier).unwrap();
    text
}

#[test]
fn the_last_turns_are_read_from_either_store() {
    let database = Home::new().with_database("opencode.db", &recorded("migrated-1.2.27.sql"));
    let files = Home::new().with_storage();
    let id = "ses_dfb0265acffe12zLV6ZuTP62zl";
    assert_eq!(peek(&database, id, 9), peek(&files, id, 9));
    insta::assert_snapshot!("peeked", peek(&files, id, 9) + &peek(&database, id, 2));
}

#[test]
fn what_a_person_has_undone_is_no_part_of_the_conversation() {
    const SESSION: &str = "ses_dfb15d5adffeFSSCwmpwPqKa5E";
    let asked = |revert: &str| {
        let revert = format!("UPDATE session SET revert = '{revert}' WHERE id = '{SESSION}';");
        let sql = recorded("final-1.18.33.sql") + &revert;
        let told = peek(&Home::new().with_database("opencode.db", &sql), SESSION, 9);
        told.lines().filter(|it| it.starts_with("User")).count()
    };
    let undone = |message: &str| asked(&format!(r#"{{"messageID":"{message}","diff":""}}"#));
    assert_eq!(undone("msg_204ed722f001Pkc15xxI8b01Wz"), 1);
    assert_eq!(undone("msg_204ea2d09001f3DcYBNITM7ZMl"), 0);
    assert_eq!(undone("msg_of_another_session"), 2);
    assert_eq!(asked("[1"), 2);
}

#[test]
fn a_launched_session_is_found_by_directory_time_and_prompt_or_not_at_all() {
    const SESSION: &str = "ses_dfaff0febffeaofTwtE5aJkUcl";
    let home = Home::new().with_database("opencode.db", &recorded("final-1.18.33.sql"));
    let env = testing::env(home.path());
    let sql = format!("SELECT directory, time_created FROM session WHERE id = '{SESSION}'");
    let database = Connection::open(home.data("opencode.db")).unwrap();
    leave_wal(&database);
    let (directory, created): (String, i64) =
        database.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let find = |cwd: &str, prompt: &str, since: i64| {
        let cwd = AbsPath::parse(cwd).unwrap();
        let since = Timestamp::from_millis(since).unwrap();
        let found = launched(&env, &Launched { cwd: &cwd, prompt, since });
        found.map(|it| it.as_str().to_owned())
    };
    assert_eq!(find(&directory, "stdin prompt text", created).as_deref(), Some(SESSION));
    assert_eq!(find(&directory, "stdin prompt text", created + 1), None);
    assert_eq!(find(&directory, "another prompt", created), None);
    assert_eq!(find("/elsewhere", "stdin prompt text", created), None);
    assert_eq!(
        launched(
            &testing::env(Path::new("/nowhere")),
            &Launched {
                cwd: &AbsPath::parse("/work").unwrap(),
                prompt: "",
                since: Timestamp::from_millis(0).unwrap(),
            }
        ),
        None
    );
}
