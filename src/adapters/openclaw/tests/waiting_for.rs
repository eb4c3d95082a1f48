use super::*;
use crate::protocol::session::ProblemKind::Auth;

/// Sessions of the recorded lists of what is waited for.
const TO_APPROVE: &str = "agent:main:dashboard:435ad6b9-f2bc-4c4d-bf7e-6664e09f9cd3";
const TO_ANSWER: &str = "agent:main:main";

fn at_work(key: &str) -> Value {
    json!({ "key": key, "status": "running", "hasActiveRun": true })
}

/// What is concluded of a session that the gateway lists.
fn concluded(gateway: &StandIn, key: &str) -> (String, String) {
    let home = home(gateway.port);
    let scope = FakeProc::new().scope_with(home.path(), &[]);
    let told = testing::concluded(&ADAPTER, &scope);
    let sessions = told["sessions"].as_array().unwrap();
    let session = sessions.iter().find(|it| it["sessionId"] == key).unwrap();
    let word = |name: &str| session[name].as_str().unwrap().to_owned();
    (word("status"), word("reason"))
}

fn words(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn a_run_waits_for_an_approval_or_an_answer_of_a_person() {
    let gateway = StandIn::listing(vec![at_work(TO_APPROVE), at_work(TO_ANSWER), at_work("k:a")]);
    assert_eq!(concluded(&gateway, TO_APPROVE), words("waiting", "permission"));
    let asked: Vec<Value> = gateway.asked.try_iter().collect();
    let scopes = |it: &Value| it["params"]["scopes"].as_array().map(Vec::len);
    // To list takes the right to read alone.
    assert_eq!(asked.iter().filter_map(scopes).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(concluded(&gateway, TO_ANSWER), words("waiting", "question"));
    assert_eq!(concluded(&gateway, "k:a"), words("running", "active_run"));
}

#[test]
fn what_is_open_in_a_session_without_a_run_keeps_nobody_waiting() {
    let rows = vec![row(TO_ANSWER), at_work("k:a")];
    let gateway = StandIn::listing(rows);
    assert_eq!(concluded(&gateway, TO_ANSWER), words("stopped", "completed"));
}

#[test]
fn where_nothing_runs_nobody_is_asked_what_waits() {
    let gateway = StandIn::listing(vec![row(TO_APPROVE)]);
    let home = home(gateway.port);
    survey(&testing::scope_at(home.path()));
    let asked: Vec<Value> = gateway.asked.try_iter().map(|it| it["method"].clone()).collect();
    assert_eq!(asked, ["connect", "sessions.list", "agents.list"]);
}

#[test]
fn a_gateway_that_does_not_show_what_waits_is_a_problem_beside_the_sessions() {
    let gateway = StandIn::new(|method, params| match method {
        "connect" if params["scopes"].as_array().unwrap().len() > 1 => {
            let error = json!({ "code": "FORBIDDEN", "message": "missing scope: operator.admin" });
            Reply::Frame(json!({ "type": "res", "ok": false, "error": error }))
        }
        "sessions.list" => Reply::Frame(page(&[at_work(TO_APPROVE)], None)),
        _ => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(keys(&survey), [TO_APPROVE]);
    let message = "refused `connect`: missing scope: operator.admin".to_owned();
    assert_eq!(only_problem(&survey), (Outcome::Ok, Auth, message));
}

#[test]
fn lists_of_what_waits_may_hold_anything() {
    let odd = json!([null, 7, {}, { "request": null }, { "request": { "sessionKey": 7 } },
        { "request": { "sessionKey": "k:a" } }]);
    let gateway = StandIn::new(move |method, _| match method {
        "sessions.list" => Reply::Frame(page(&[at_work("k:a"), at_work("k:b")], None)),
        "exec.approval.list" => {
            Reply::Frame(json!({ "type": "res", "ok": true, "payload": odd.clone() }))
        }
        "question.list" => {
            let answered = json!({ "sessionKey": "k:b", "status": "answered" });
            let questions = json!({ "questions": [null, {}, { "sessionKey": [] }, answered] });
            Reply::Frame(json!({ "type": "res", "ok": true, "payload": questions }))
        }
        _ => Reply::Frame(recorded(method)),
    });
    assert_eq!(concluded(&gateway, "k:a"), words("waiting", "permission"));
    assert_eq!(concluded(&gateway, "k:b"), words("running", "active_run"));
}

#[test]
fn what_tells_that_a_run_waits_is_told() {
    use waiting::is_told_by;
    let step = |stream: &str, phase: &str| {
        json!({ "runId": "r", "stream": stream, "data": { "phase": phase } }).to_string()
    };
    assert!(is_told_by("agent", &step("lifecycle", "waiting-approval")));
    assert!(is_told_by("agent", &step("approval", "resolved")));
    assert!(is_told_by("question.requested", "{}") && is_told_by("question.resolved", "null"));
    // Each word of an answer is such an event.
    assert!(!is_told_by("agent", &step("assistant", "")));
    assert!(!is_told_by("agent", &step("lifecycle", "model")));
    for odd in ["null", "7", "{\"stream\":7}", "{\"stream\":\"lifecycle\",\"data\":[]}"] {
        assert!(!is_told_by("agent", odd), "{odd}");
    }
}
