//! Two sessions and two processes, and nothing says which is whose: neither is shown, nor signalled, as if it did.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::support::{Home, project};

const FIRST: &str = "01a204f7-8c62-72c2-bcf2-47f894bc9b89";
pub(crate) const SECOND: &str = "01a204f7-8d00-72c2-bcf2-47f894bc9b89";

/// Pi twice in one directory, started at once, each in a tool.
pub(crate) fn started_at_once() -> Home {
    let home = Home::empty();
    let recorded = "tests/fixtures/pi/running/.pi/agent/sessions/--home-dev-work-b--";
    let recorded = project().join(recorded).join(format!("2026-11-22T20-34-21-922Z_{FIRST}.jsonl"));
    let transcript = fs::read_to_string(recorded).unwrap();
    let store = home.path().join(".pi/agent/sessions/--home-dev-work-b--");
    fs::create_dir_all(&store).unwrap();
    for session in [FIRST, SECOND] {
        let path = store.join(format!("2026-11-22T20-34-21-922Z_{session}.jsonl"));
        fs::write(path, transcript.replace(FIRST, session)).unwrap();
    }
    let proc = home.proc_root();
    fs::write(proc.join("stat"), "btime 1795377600\n").unwrap();
    for pid in [71, 72] {
        let dir = proc.join(pid.to_string());
        fs::create_dir(&dir).unwrap();
        // A second before both sessions began.
        let stat = format!("{pid} (pi) S 1 {pid} {pid} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 206090 0 0");
        fs::write(dir.join("stat"), stat).unwrap();
        fs::write(dir.join("cmdline"), "pi\0").unwrap();
        fs::write(dir.join("environ"), "").unwrap();
        symlink("/home/dev/work/b", dir.join("cwd")).unwrap();
        symlink("/usr/bin/node", dir.join("exe")).unwrap();
    }
    home
}

#[test]
fn both_are_at_work_and_show_no_process() {
    let home = started_at_once();
    let list = home.call("session.list", &json!({ "agents": ["pi"] }));
    let row = |it: &Value| json!([it["sessionId"], it["status"], it["certainty"], it["process"]]);
    let mut rows: Vec<Value> =
        list["result"]["sessions"].as_array().unwrap().iter().map(row).collect();
    rows.sort_by_key(Value::to_string);
    let running = |session| json!([session, "running", "inferred", null]);
    assert_eq!(rows, [running(FIRST), running(SECOND)]);

    let status = home.call("session.status", &json!({ "sessionId": FIRST }));
    let says = &status["result"]["session"]["evidence"][0]["says"];
    assert_eq!(says, "one of the processes 71 and 72, which are alike, may own the session");

    let by_process = home.call("session.status", &json!({ "pid": 71 }));
    let candidates = by_process["error"]["data"]["candidates"].as_array().unwrap();
    assert_eq!((&by_process["error"]["code"], candidates.len()), (&json!(1002), 2));
}

#[test]
fn neither_is_stopped_nor_resumed() {
    let home = started_at_once();
    let refusal = |method, params| {
        let error = home.call(method, &params)["error"].clone();
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    };
    let (code, message) = refusal("session.stop", json!({ "sessionId": SECOND }));
    let runs_in = "pi cannot stop this session alone: it runs in one of the processes 71 and 72, which are alike";
    assert_eq!((code, message.as_str()), (1007, runs_in));

    let (code, message) =
        refusal("session.resume", json!({ "sessionId": SECOND, "prompt": "go on" }));
    let owned =
        format!("session `{SECOND}` is owned by one of the processes 71 and 72, which are alike");
    assert_eq!((code, message), (1005, owned));
}
