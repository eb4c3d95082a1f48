use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::testing::{FakeProc, concluded};

mod rewound;

const HELLO: &str = "01a204ec-b99e-7391-b564-bd5b396bbf28";
const RESUMED: &str = "01a204f1-08e9-78d2-82f9-39a1cb452841";
const BY_DAEMON: &str = "01a204f7-83cb-72b3-824e-50b4fe5a856a";
const SCREEN: &str = "01a204f8-2649-7803-86e8-1c990c4c7c5b";
const PARENT: &str = "01a204fa-1e99-7b51-b448-dc889263ac4e";
const CHILD: &str = "01a204fa-2049-7761-9b10-4191f3eddff5";
const UNKNOWN: &str = "01a204ff-0000-7000-8000-000000000000";

const NATIVE: &str = "/opt/codex/vendor/bin/codex";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/codex")
}

/// A home with the recorded store, to be changed at will.
struct Store {
    home: TempDir,
    proc: FakeProc,
}

impl Store {
    fn recorded() -> Self {
        let store = Self::empty();
        copy(&fixtures().join("home/.codex"), &store.root());
        store
    }

    fn empty() -> Self {
        let store = Self { home: tempfile::tempdir().unwrap(), proc: FakeProc::new() };
        fs::create_dir_all(store.root().join("thread-writer-locks")).unwrap();
        fs::write(store.root().join("thread-writer-locks/.coordination.lock"), "").unwrap();
        store
    }

    fn root(&self) -> PathBuf {
        self.home.path().join(".codex")
    }

    fn home(&self) -> &str {
        self.home.path().to_str().unwrap()
    }

    fn rollout(&self, name: &str) -> PathBuf {
        self.root().join("sessions/2026/11/22").join(name)
    }

    /// Puts a rollout as it was at a moment in the place of the later one.
    fn at_moment(self, moment: &str, thread: &str) -> Self {
        let name = fs::read_dir(self.rollout("")).unwrap().find_map(|it| {
            let name = it.unwrap().file_name().into_string().unwrap();
            name.contains(thread).then_some(name)
        });
        let moment = fixtures().join("moments").join(moment);
        fs::copy(moment, self.rollout(&name.unwrap())).unwrap();
        self
    }

    fn lock(&self, thread: &str) -> PathBuf {
        let path = self.root().join(format!("thread-writer-locks/{thread}.lock"));
        fs::write(&path, "").unwrap();
        path
    }

    fn index(&self) -> rusqlite::Connection {
        let index = rusqlite::Connection::open(self.root().join("state_5.sqlite")).unwrap();
        index.execute_batch(&fs::read_to_string(fixtures().join("state_5.sql")).unwrap()).unwrap();
        index
    }

    /// A native codex of this home.
    fn codex(&self, pid: i32, arguments: &[&str]) -> crate::testing::FakeProcess<'_> {
        let arguments: Vec<&str> = [NATIVE].iter().chain(arguments).copied().collect();
        self.proc
            .process(pid, 100, "codex")
            .exe(NATIVE)
            .arguments(&arguments)
            .cwd("/work/here")
            .environ(&[("HOME", self.home())])
    }

    fn survey(&self) -> Value {
        concluded(&ADAPTER, &self.proc.scope(self.home.path()))
    }

    fn sessions(&self) -> Vec<Value> {
        self.survey()["sessions"].as_array().unwrap().clone()
    }

    fn session(&self, id: &str) -> Value {
        let sessions = self.sessions();
        sessions.into_iter().find(|it| it["sessionId"] == id).unwrap_or(Value::Null)
    }

    /// Status, reason, certainty and process id of a session.
    fn state(&self, id: &str) -> Value {
        state(&self.session(id))
    }

    /// The same of those rows that have no session.
    fn without_session(&self) -> Vec<Value> {
        let rows = self.sessions();
        rows.iter().filter(|it| it.get("sessionId").is_none()).map(state).collect()
    }

    fn problems(&self) -> Vec<Value> {
        self.survey()["report"]["problems"].as_array().unwrap().clone()
    }
}

fn state(row: &Value) -> Value {
    json!([row["status"], row["reason"], row["certainty"], row["process"]["pid"]])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_recorded_store_is_concluded_whole() {
    let store = Store::recorded();
    drop(store.index());
    insta::assert_json_snapshot!(store.survey());
}

#[test]
fn only_dated_folders_are_looked_into() {
    let problems_with = |folder: &str| {
        let store = Store::recorded();
        let folder = store.root().join("sessions").join(folder);
        fs::create_dir_all(&folder).unwrap();
        let name = format!("rollout-2027-01-01T00-00-00-{UNKNOWN}.jsonl");
        fs::write(folder.join(name), "no rollout\n").unwrap();
        store.problems().len()
    };
    for folder in ["l1/01/01", "20270/01/01", "2027/jan/01", "2027/01/1", "2027/01/01/01"] {
        assert_eq!(problems_with(folder), 0, "{folder}");
    }
    assert_eq!(problems_with("2027/01/01"), 1);
}

#[test]
fn without_the_index_only_the_index_is_missing() {
    let store = Store::recorded();
    let without = store.sessions();
    drop(store.index());
    assert_eq!(without, store.sessions());
    fs::remove_file(store.root().join("session_index.jsonl")).unwrap();
    assert_eq!(store.session(SCREEN)["title"], "My codex name");
}

#[test]
fn nothing_at_all_is_absent() {
    let home = tempfile::tempdir().unwrap();
    let proc = FakeProc::new();
    let survey = concluded(&ADAPTER, &proc.scope(home.path()));
    assert_eq!(survey["report"]["outcome"], "absent");
}

#[test]
fn the_store_can_be_elsewhere() {
    let store = Store::recorded();
    let root = store.root();
    let scope =
        store.proc.scope_with(Path::new("/home/dev"), &[("CODEX_HOME", root.to_str().unwrap())]);
    assert_eq!(concluded(&ADAPTER, &scope)["report"]["sessions"], 11);
}

mod live {
    use super::*;

    #[test]
    fn whoever_holds_the_lock_owns_the_thread() {
        let store = Store::recorded().at_moment("running-tool.jsonl", RESUMED);
        assert_eq!(store.state(RESUMED), json!(["stopped", "killed", "inferred", null]));
        let lock = store.lock(RESUMED);
        // Left behind by kill -9.
        assert_eq!(store.state(RESUMED), json!(["stopped", "killed", "inferred", null]));
        store.codex(4242, &["exec", "--json", "x"]).holds_lock(&lock);
        let running = json!(["running", "turn_in_progress", "asserted", 4242]);
        assert_eq!(store.state(RESUMED), running);
        assert_eq!(store.without_session(), [Value::Null; 0]);
    }

    #[test]
    fn one_daemon_owns_many_threads_and_its_clients_none() {
        let store = Store::recorded().at_moment("running-tool.jsonl", RESUMED);
        let daemon = store.codex(7, &["app-server", "--listen", "unix://", "--managed-daemon"]);
        let daemon = [BY_DAEMON, RESUMED, PARENT, CHILD]
            .iter()
            .fold(daemon, |daemon, it| daemon.holds_lock(&store.lock(it)));
        drop(daemon);
        store.codex(8, &["app-server", "daemon", "pid-update-loop"]);
        store.codex(9, &[]);
        store.codex(10, &["fix the bug"]);
        let idle = json!(["idle", "turn_ended", "asserted", 7]);
        assert_eq!(store.state(RESUMED), json!(["running", "turn_in_progress", "asserted", 7]));
        assert_eq!(
            [store.state(BY_DAEMON), store.state(PARENT), store.state(CHILD)],
            [idle.clone(), idle.clone(), idle]
        );
        assert_eq!(store.without_session(), [Value::Null; 0]);
        assert_eq!(store.sessions().len(), 11);
    }

    #[test]
    fn a_daemon_without_a_thread_is_nobodys_session() {
        let store = Store::recorded();
        store.codex(7, &["app-server", "--listen", "unix://", "--managed-daemon"]);
        store.codex(9, &[]);
        assert_eq!(store.without_session(), [Value::Null; 0]);
        // But one that was told to do without the daemon is an agent of its own.
        store.codex(10, &["--no-daemon"]);
        assert_eq!(store.without_session(), [json!(["idle", "never_prompted", "inferred", 10])]);
    }

    #[test]
    fn helpers_that_codex_starts_as_itself_are_no_agents() {
        let store = Store::empty();
        store.codex(1, &["exec", "x"]).holds_lock(&store.lock(UNKNOWN));
        for (pid, name) in [(2, "codex-linux-sandbox"), (3, "apply_patch")] {
            let helper = store.proc.process_like(pid, 200, "codex", 1, 0);
            helper.exe(NATIVE).arguments(&[name, "--", "bash"]).environ(&[("HOME", store.home())]);
        }
        assert_eq!(store.sessions().len(), 1);
    }

    #[test]
    fn a_lock_without_a_rollout_is_a_thread_that_was_asked_nothing() {
        let store = Store::empty();
        let lock = store.lock(UNKNOWN);
        store.codex(5, &["-C", "../there"]).holds_lock(&lock);
        let session = store.session(UNKNOWN);
        assert_eq!(state(&session), json!(["idle", "never_prompted", "inferred", 5]));
        assert_eq!(session["cwd"], "/work/here/../there");
        assert!(session["createdAt"].is_string());
    }

    #[test]
    fn an_exec_without_a_rollout_was_asked_and_runs() {
        let store = Store::empty();
        let lock = store.lock(UNKNOWN);
        store.codex(5, &["exec", "--", "go"]).holds_lock(&lock);
        assert_eq!(store.state(UNKNOWN), json!(["running", "process_alive", "inferred", 5]));
    }

    #[test]
    fn an_agent_that_owns_no_thread_is_a_row_of_its_own_store() {
        let store = Store::empty();
        store.codex(5, &["exec", "--ephemeral", "go on"]);
        store.codex(6, &["exec", "of another home"]).environ(&[("HOME", "/home/other")]);
        store.codex(7, &["login"]);
        store.codex(8, &["--model", "x"]);
        store.codex(9, &["--version"]);
        store.codex(10, &["resume", "--remote", "ws://elsewhere"]);
        let rows = store.sessions();
        assert_eq!(rows.len(), 2);
        assert_eq!(state(&rows[0]), json!(["running", "process_alive", "inferred", 5]));
        assert_eq!(state(&rows[1]), json!(["idle", "never_prompted", "inferred", 8]));
        assert_eq!(rows[0]["cwd"], "/work/here");
    }

    #[test]
    fn an_agent_that_keeps_its_threads_elsewhere_is_a_process_alone() {
        let store = Store::empty();
        let vars = [("HOME", store.home()), ("CODEX_HOME", "/elsewhere")];
        let away = |pid, arguments: &[&str]| store.codex(pid, arguments).environ(&vars);
        away(5, &["exec", "--json", "prompt"]);
        away(6, &[]);
        away(7, &["app-server"]);
        let rows = store.sessions();
        assert_eq!(rows.len(), 2);
        assert_eq!(state(&rows[0]), json!(["running", "process_alive", "inferred", 5]));
        assert_eq!(state(&rows[1]), json!(["unknown", "process_alive", "inferred", 6]));
        assert_eq!(rows[0]["cwd"], "/work/here");
    }

    #[test]
    fn an_interface_whose_daemon_is_gone_is_not_said_to_have_been_asked_nothing() {
        let store = Store::recorded();
        store.codex(8, &[]);
        store.codex(9, &["--no-daemon"]);
        fs::create_dir(store.root().join("app-server-control")).unwrap();
        let unknown = json!(["unknown", "process_alive", "inferred", 8]);
        let asked_nothing = json!(["idle", "never_prompted", "inferred", 9]);
        let mut rows = store.without_session();
        rows.sort_by_key(|it| it[3].as_i64());
        assert_eq!(rows, [unknown, asked_nothing]);
    }

    #[test]
    fn where_the_kernel_shows_no_locks_open_files_tell() {
        open_files_tell(&Store::recorded());
        // The kernel names what is open by its real path.
        let store = Store::recorded();
        let elsewhere = store.home.path().join("elsewhere");
        fs::rename(store.root(), &elsewhere).unwrap();
        std::os::unix::fs::symlink(elsewhere, store.root()).unwrap();
        open_files_tell(&store);
    }

    fn open_files_tell(store: &Store) {
        fs::remove_file(store.proc.root().join("locks")).unwrap();
        let rollout = store
            .root()
            .join("sessions/2026/11/22")
            .join(format!("rollout-2026-11-22T20-22-32-{HELLO}.jsonl"));
        let real = |path: PathBuf| fs::canonicalize(path).unwrap();
        store.codex(5, &["exec", "x"]).open_file(37, &real(store.lock(RESUMED)));
        store.codex(6, &["exec", "x"]).open_file(42, &real(rollout));
        assert_eq!(store.state(RESUMED), json!(["idle", "turn_ended", "asserted", 5]));
        assert_eq!(store.state(HELLO), json!(["idle", "turn_ended", "inferred", 6]));
        assert_eq!(store.without_session(), [Value::Null; 0]);
    }

    #[test]
    fn a_call_that_asks_to_leave_the_sandbox_waits_until_its_tool_runs() {
        let store = Store::recorded().at_moment("waiting-approval.jsonl", SCREEN);
        assert_eq!(store.state(SCREEN), json!(["stopped", "killed", "inferred", null]));
        store.codex(5, &["-c", "model=x"]).holds_lock(&store.lock(SCREEN));
        assert_eq!(store.state(SCREEN), json!(["waiting", "permission", "inferred", 5]));
        let tool = store.proc.process_like(6, 300, "bash", 5, 0);
        tool.environ(&[("CODEX_THREAD_ID", RESUMED)]);
        assert_eq!(store.state(SCREEN), json!(["waiting", "permission", "inferred", 5]));
        let tool = store.proc.process_like(7, 300, "bash", 5, 0);
        tool.environ(&[("CODEX_THREAD_ID", SCREEN)]);
        assert_eq!(store.state(SCREEN), json!(["running", "turn_in_progress", "inferred", 5]));
    }

    #[test]
    fn a_question_waits_whatever_else_runs() {
        let store = Store::recorded().at_moment("waiting-question.jsonl", SCREEN);
        let thread = "01a22224-197c-7c83-868f-34dde83e3bb4";
        store.codex(5, &["--no-daemon"]).holds_lock(&store.lock(thread));
        let tool = store.proc.process_like(6, 300, "bash", 5, 0);
        tool.environ(&[("CODEX_THREAD_ID", thread)]);
        assert_eq!(store.state(thread), json!(["waiting", "question", "inferred", 5]));
    }

    #[test]
    fn a_plan_waits_for_as_long_as_its_thread_is_owned() {
        let store = Store::empty();
        let thread = "01a222c4-9693-71a0-9cba-7a94ad85452f";
        let moment = fs::read_to_string(fixtures().join("moments/planned.jsonl")).unwrap();
        let planned: Vec<&str> = moment.split_inclusive('\n').take(15).collect();
        let rollout = store.rollout(&format!("rollout-2026-11-28T15-27-18-{thread}.jsonl"));
        fs::create_dir_all(rollout.parent().unwrap()).unwrap();
        fs::write(&rollout, planned.concat()).unwrap();
        assert_eq!(store.state(thread), json!(["stopped", "completed", "inferred", null]));
        store.codex(5, &["--no-daemon"]).holds_lock(&store.lock(thread));
        assert_eq!(store.state(thread), json!(["waiting", "plan", "inferred", 5]));
        fs::write(&rollout, moment).unwrap();
        assert_eq!(store.state(thread), json!(["idle", "turn_ended", "asserted", 5]));
    }

    #[test]
    fn any_call_that_has_no_answer_may_wait_until_its_tool_is_seen_to_run() {
        let store = Store::empty();
        let thread = "01a21f0e-b90c-7a03-b8b3-e962e24cd341";
        let moment = fs::read_to_string(fixtures().join("moments/waiting-patch.jsonl")).unwrap();
        let rollout = store.rollout(&format!("rollout-2026-11-27T22-09-48-{thread}.jsonl"));
        fs::create_dir_all(rollout.parent().unwrap()).unwrap();
        fs::write(&rollout, &moment).unwrap();
        store.codex(5, &["--no-daemon"]).holds_lock(&store.lock(thread));
        assert_eq!(store.state(thread), json!(["waiting", "permission", "inferred", 5]));
        fs::write(&rollout, moment.replace("*** Begin Patch", "*** Begin")).unwrap();
        assert_eq!(store.state(thread), json!(["running", "turn_in_progress", "inferred", 5]));
        let tool = store.proc.process_like(6, 300, "bash", 5, 0);
        tool.environ(&[("CODEX_THREAD_ID", thread)]);
        assert_eq!(store.state(thread), json!(["running", "turn_in_progress", "asserted", 5]));
    }
}

mod index {
    use super::*;

    fn problem_of(store: &Store) -> (usize, Vec<Value>) {
        (store.sessions().len(), store.problems())
    }

    #[test]
    fn one_that_cannot_be_read_is_a_problem_and_costs_no_session() {
        for (bytes, kind) in
            [(&b"SQLite format 3\0garbage"[..], "malformed"), (b"text", "malformed")]
        {
            let store = Store::recorded();
            fs::write(store.root().join("state_5.sqlite"), bytes).unwrap();
            let (sessions, problems) = problem_of(&store);
            assert_eq!((sessions, problems.len()), (11, 1));
            assert_eq!(problems[0]["kind"], kind, "{problems:?}");
        }
    }

    #[test]
    fn another_schema_is_a_problem_and_costs_no_session() {
        let store = Store::recorded();
        let index = rusqlite::Connection::open(store.root().join("state_6.sqlite")).unwrap();
        index.execute_batch("CREATE TABLE other (x)").unwrap();
        drop(index);
        let (sessions, problems) = problem_of(&store);
        assert_eq!((sessions, problems.len()), (11, 1));
        assert_eq!(problems[0]["message"], "no such table: threads");
    }

    #[test]
    fn it_is_read_while_codex_writes_it() {
        let store = Store::recorded();
        let index = store.index();
        index.execute_batch("PRAGMA journal_mode = WAL; BEGIN IMMEDIATE").unwrap();
        index.execute_batch("UPDATE threads SET name = 'uncommitted'").unwrap();
        assert_eq!(problem_of(&store), (11, Vec::new()));
        assert_eq!(store.session(SCREEN)["title"], "My codex name");
    }

    #[test]
    fn the_newest_generation_counts_and_numbers_are_compared_as_numbers() {
        let store = Store::recorded();
        store.index().execute("UPDATE threads SET name = 'of 5'", []).unwrap();
        fs::rename(store.root().join("state_5.sqlite"), store.root().join("state_9.sqlite"))
            .unwrap();
        store.index().execute("UPDATE threads SET name = 'of 10'", []).unwrap();
        fs::rename(store.root().join("state_5.sqlite"), store.root().join("state_10.sqlite"))
            .unwrap();
        assert_eq!(store.session(SCREEN)["title"], "of 10");
    }

    #[test]
    fn a_title_counts_where_it_is_not_the_first_message() {
        let store = Store::recorded();
        let index = store.index();
        let set = "UPDATE threads SET title = ?1 WHERE id = ?2";
        index.execute(set, ["Greeting the world", HELLO]).unwrap();
        index.execute(set, ["hel", HELLO]).unwrap();
        assert_eq!(store.session(HELLO)["title"], Value::Null);
        index.execute(set, ["Greeting the world", HELLO]).unwrap();
        assert_eq!(store.session(HELLO)["title"], "Greeting the world");
    }
}
