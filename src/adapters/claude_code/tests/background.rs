//! Background sessions: jobs, and the daemon that lets them run.

use super::live::registered;
use super::*;

#[test]
fn as_many_jobs_as_are_read_are_no_problem_and_one_more_is() {
    let store = Store::of("home");
    // One is recorded, and beside it lies a file.
    for number in 2..2_000 {
        fs::create_dir_all(store.path(&format!("jobs/{number}"))).unwrap();
    }
    assert_eq!(store.problems(), [Value::Null; 0]);
    fs::create_dir(store.path("jobs/2000")).unwrap();
    let [problem] = &store.problems()[..] else { panic!("one problem") };
    assert_eq!((&problem["kind"], &problem["path"]), (&json!("limit"), &json!(store.path("jobs"))));
}

#[test]
fn a_job_is_a_session_before_it_has_a_transcript() {
    let store = Store::of("home");
    fs::remove_dir_all(store.path("projects/-home-dev-work-second")).unwrap();
    assert_eq!(store.state(JOB), "stopped interrupted asserted null");
    let row = store.row(JOB);
    assert_eq!(
        (&row["kind"], &row["cwd"]),
        (&json!("background"), &json!("/home/dev/work/second"))
    );
    let state = fs::read_to_string(store.path("jobs/b332a232/state.json")).unwrap();
    store.put("jobs/b332a232/state.json", state.replace("\"stopped\"", "\"working\""));
    let host = json!({"workers": {"b332a232": {"pid": 90, "procStart": "700", "sessionId": JOB, "rvAuth": "x"}}});
    store.put("daemon/roster.json", host.to_string());
    store.proc.process(90, 700, "claude");
    assert_eq!(store.state(JOB), "running turn_in_progress inferred 90");
}

/// A job of the recorded one's id with this state, and no transcript.
fn with_job(members: &Value) -> Store {
    let store = Store::of("home");
    fs::remove_dir_all(store.path("projects/-home-dev-work-second")).unwrap();
    let state = fs::read_to_string(store.path("jobs/b332a232/state.json")).unwrap();
    let mut state: Value = serde_json::from_str(&state).unwrap();
    for (name, value) in members.as_object().unwrap() {
        state[name] = value.clone();
    }
    store.put("jobs/b332a232/state.json", state.to_string());
    store
}

#[test]
fn a_job_is_a_session_once_the_daemon_has_a_process_for_it() {
    let mut store = with_job(&json!({"state": "working", "createdAt": "2026-11-27T21:32:45.642Z"}));
    store.now = Timestamp::parse("2026-11-27T21:33:15.641Z");
    assert_eq!(store.row(JOB), Value::Null, "the daemon is only just started");
    store.now = Timestamp::parse("2026-11-27T21:33:15.642Z");
    assert_eq!(store.state(JOB), "stopped killed inferred null", "it never came");
    store.now = Timestamp::parse("2026-11-27T21:32:46.000Z");
    let host = json!({"pid": 90, "procStart": "700", "sessionId": JOB, "rvAuth": "x"});
    store.put("daemon/roster.json", json!({"workers": {"b332a232": host}}).to_string());
    assert_eq!(store.state(JOB), "stopped killed inferred null", "its process is gone");
    store.proc.process(90, 700, "claude.exe");
    assert_eq!(store.state(JOB), "running turn_in_progress inferred 90");
    store.proc.process(90, 701, "claude.exe");
    assert_eq!(store.state(JOB), "stopped killed inferred null", "another of that id");
}

#[test]
fn a_job_that_needs_a_prompt_is_not_at_work() {
    let needs = "send a prompt to start";
    let store = with_job(&json!({"state": "working", "tempo": "blocked", "needs": needs}));
    let host = json!({"pid": 90, "procStart": "700", "sessionId": JOB});
    store.put("daemon/roster.json", json!({"workers": {"b332a232": host}}).to_string());
    store.proc.process(90, 700, "claude.exe");
    assert_eq!(store.state(JOB), "idle never_prompted inferred 90");
}

/// An interface in HELLO, busy at 1000 and never heard of again, and what was on the roster at that time.
fn handed_over(dispatch: &Value) -> Store {
    let store = registered(&json!({"status": "busy", "statusUpdatedAt": 1000}));
    let tty = Path::new("/dev/pts/3");
    let interface = store.proc.process_like(77, 500, "claude", 1, 34816);
    interface.arguments(&["claude"]).open_file(0, tty).open_file(1, tty);
    let host = json!({"pid": 90, "procStart": "700", "sessionId": FORK, "dispatch": dispatch});
    store.put("daemon/roster.json", json!({"workers": {"55555555": host}}).to_string());
    store
}

#[test]
fn a_session_that_was_handed_over_is_no_longer_its_interfaces() {
    let dispatch = |source: &str, at: u64, fork: bool| {
        let transcript = format!("/home/dev/.claude/{}", Store::session_path(HELLO));
        json!({"source": source, "createdAt": at,
            "launch": {"mode": "resume", "fork": fork, "sessionId": transcript}})
    };
    let store = handed_over(&dispatch("slash", 1000, true));
    assert_eq!(store.state(HELLO), "stopped completed inferred null");
    assert_eq!(store.row(FORK)["forkedFrom"], HELLO);
    assert_eq!(store.survey()["report"]["sessions"], 20, "nor does the interface start another");
    let busy = "running turn_in_progress asserted 77";
    assert_eq!(handed_over(&dispatch("slash", 999, true)).state(HELLO), busy, "it came back");
    assert_eq!(handed_over(&dispatch("shell", 1000, true)).state(HELLO), busy, "copied by hand");
    assert_eq!(handed_over(&dispatch("slash", 1000, false)).state(HELLO), busy);
    assert_eq!(handed_over(&Value::Null).state(HELLO), busy);
}

#[test]
fn a_session_that_the_daemon_holds_ready_is_none_yet() {
    let spare = "f1848c54-eafa-4903-9916-56386a26447a";
    let entry = json!({"kind": "bg", "sessionId": spare, "jobId": "f1848c54", "status": "idle"});
    let store = registered(&entry);
    assert_eq!(store.survey()["report"]["sessions"], 20);
    store.put(
        "jobs/f1848c54/state.json",
        json!({"sessionId": spare, "state": "working"}).to_string(),
    );
    assert_eq!(store.state(spare), "idle turn_ended asserted 77");
    // One that has a transcript was given a job, whatever became of that.
    let store = registered(&json!({"kind": "bg", "jobId": "11111111", "status": "idle"}));
    assert_eq!(store.state(HELLO), "idle turn_ended asserted 77");
}

#[test]
fn a_roster_that_is_no_json_is_a_problem_and_hides_nothing() {
    let store = registered(&json!({"status": "busy"}));
    let path = store.put("daemon/roster.json", "{\"workers\":");
    assert_eq!(store.problems()[0]["path"], path.to_str().unwrap());
    assert_eq!(store.state(HELLO), "running turn_in_progress asserted 77");
}
