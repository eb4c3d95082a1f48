use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message as Ws, accept};

use super::*;
use crate::base::{SessionId, Timestamp};
use crate::protocol::session::Certainty::{self, Asserted, Inferred};
use crate::protocol::session::{Reason, Role, SessionKind, Source, Status};
use crate::testing::{self, FakeProc};

mod embedded_in;
mod settings_of;
mod waiting_for;

const SECRET: &str = "secret-token-5f961513";

fn fixture(name: &str) -> Value {
    let path = Path::new("tests/fixtures/openclaw").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What the stand-in does when asked.
enum Reply {
    /// Answers with this frame, under the request's id.
    Frame(Value),
    Raw(Ws),
    Close(u16, &'static str),
    /// Sends this until nobody listens.
    Endless(Value),
    /// Answers with this frame, sends these events and closes.
    Followed(Value, Vec<Value>),
}

/// A gateway on a port of its own; tells each request it was sent.
struct StandIn {
    port: u16,
    asked: Receiver<Value>,
}

impl StandIn {
    /// One that greets as the real one does, and answers what it is told to.
    fn new(mut answer: impl FnMut(&str, &Value) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // The client may go whenever it likes.
                drop(serve(stream.unwrap(), &mut answer, &|it| drop(tell.send(it))));
            }
        });
        Self { port, asked }
    }

    /// One that lets the client in and answers with the recorded frames.
    fn recorded() -> Self {
        Self::new(|method, _| Reply::Frame(recorded(method)))
    }

    /// One that lets the client in and lists these rows.
    fn listing(rows: Vec<Value>) -> Self {
        Self::new(move |method, _| match method {
            "sessions.list" => Reply::Frame(page(&rows, None)),
            _ => Reply::Frame(recorded(method)),
        })
    }
}

fn serve(
    stream: TcpStream,
    answer: &mut impl FnMut(&str, &Value) -> Reply,
    tell: &dyn Fn(Value),
) -> Result<(), Box<dyn std::error::Error>> {
    let mut socket = accept(stream)?;
    socket.send(Ws::text(fixture("challenge.json").to_string()))?;
    loop {
        let request: Value = serde_json::from_str(socket.read()?.to_text()?)?;
        tell(request.clone());
        socket.send(Ws::text(fixture("event.json").to_string()))?;
        match answer(request["method"].as_str().unwrap(), &request["params"]) {
            Reply::Frame(mut frame) => {
                frame["id"] = request["id"].clone();
                socket.send(Ws::text(frame.to_string()))?;
            }
            Reply::Raw(message) => socket.send(message)?,
            Reply::Close(code, reason) => {
                socket.close(Some(CloseFrame { code: code.into(), reason: reason.into() }))?;
            }
            Reply::Followed(mut frame, events) => {
                frame["id"] = request["id"].clone();
                for text in std::iter::once(frame).chain(events) {
                    socket.send(Ws::text(text.to_string()))?;
                }
                socket.close(None)?;
            }
            Reply::Endless(frame) => loop {
                socket.send(Ws::text(frame.to_string()))?;
            },
        }
    }
}

fn recorded(method: &str) -> Value {
    fixture(&match method {
        "connect" => "hello.json".to_owned(),
        method => format!("{method}.json"),
    })
}

fn page(rows: &[Value], next: Option<u64>) -> Value {
    let payload = json!({ "sessions": rows, "hasMore": next.is_some(), "nextOffset": next });
    json!({ "type": "res", "ok": true, "payload": payload })
}

fn row(key: &str) -> Value {
    json!({ "key": key, "status": "done", "hasActiveRun": false, "updatedAt": 1_795_379_190_186_i64 })
}

/// A home whose settings lead to the port.
fn home(port: u16) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let auth = json!({ "mode": "token", "token": SECRET });
    settings(&home, &json!({ "gateway": { "port": port, "auth": auth } }).to_string());
    home
}

fn settings(home: &TempDir, text: &str) {
    std::fs::create_dir_all(home.path().join(".openclaw")).unwrap();
    std::fs::write(home.path().join(".openclaw/openclaw.json"), text).unwrap();
}

/// A port where nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn survey(scope: &Scope) -> Survey {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ADAPTER.survey(scope.clone()))
}

/// How the survey of a gateway that answers so has ended.
fn ended(
    answer: impl FnMut(&str, &Value) -> Reply + Send + 'static,
) -> (Outcome, ProblemKind, String) {
    let gateway = StandIn::new(answer);
    let home = home(gateway.port);
    only_problem(&survey(&testing::scope_at(home.path())))
}

fn only_problem(survey: &Survey) -> (Outcome, ProblemKind, String) {
    let [problem] = &survey.problems[..] else { panic!("{:?}", survey.problems) };
    assert!(!format!("{survey:?}").contains(SECRET));
    // The port is another each time.
    let message = problem.message.split_once(':').map_or(problem.message.as_str(), |it| {
        it.1.trim_start_matches(|it: char| it.is_ascii_digit()).trim_start()
    });
    (survey.outcome, problem.kind, message.to_owned())
}

fn keys(survey: &Survey) -> Vec<&str> {
    let recorded = survey.sightings.iter().filter_map(|it| match it {
        Sighting::Recorded(record) => Some(record.session.as_str()),
        _ => None,
    });
    recorded.collect()
}

#[test]
fn a_recorded_gateway_with_sessions_of_every_kind() {
    let gateway = StandIn::recorded();
    let home = home(gateway.port);
    let roster = testing::concluded(&ADAPTER, &FakeProc::new().scope_with(home.path(), &[]));
    insta::assert_json_snapshot!(roster);
    let asked: Vec<_> = gateway.asked.try_iter().collect();
    let methods: Vec<_> = asked.iter().map(|it| it["method"].as_str().unwrap()).collect();
    let listed = ["connect", "sessions.list", "agents.list", "sessions.usage"];
    let waiting = ["connect", "question.list", "exec.approval.list", "plugin.approval.list"];
    assert_eq!(methods, [listed, waiting].concat());
    assert_eq!(asked[0]["params"]["scopes"], json!(["operator.read"]));
    assert_eq!(asked[0]["params"]["auth"], json!({ "token": SECRET }));
    assert_eq!(asked[0]["params"].get("device"), None);
}

#[test]
fn usage_is_asked_for_only_where_it_is_wanted() {
    let gateway = StandIn::recorded();
    let home = home(gateway.port);
    survey(&testing::scope_at(home.path()));
    let asked = gateway.asked.try_iter();
    assert!(asked.into_iter().all(|it| it["method"] != "sessions.usage"));
}

#[test]
fn pages_are_read_to_the_end_and_a_row_that_moves_counts_once() {
    let gateway = StandIn::new(|method, params| match (method, params["offset"].as_u64()) {
        ("sessions.list", Some(0)) => Reply::Frame(page(&[row("k:a"), row("k:b")], Some(2))),
        ("sessions.list", Some(2)) => Reply::Frame(page(&[row("k:b"), row("k:c")], Some(4))),
        ("sessions.list", _) => Reply::Frame(page(&[row("k:d")], None)),
        _ => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(keys(&survey), ["k:a", "k:b", "k:c", "k:d"]);
    assert_eq!((survey.outcome, survey.problems), (Outcome::Ok, Vec::new()));
}

#[test]
fn more_pages_than_are_read_are_a_problem_beside_what_was_read() {
    let gateway = StandIn::new(|method, params| match params["offset"].as_u64() {
        Some(at) => Reply::Frame(page(&[row(&format!("k:{at}"))], Some(at + 1))),
        None => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(keys(&survey).len(), PAGES_MAX);
    let (outcome, kind, message) = only_problem(&survey);
    assert_eq!((outcome, kind), (Outcome::Ok, ProblemKind::Limit));
    assert_eq!(message, "has more sessions than the 20 shown");
}

#[test]
fn pages_that_lead_nowhere_end() {
    for next in [json!(null), json!(0)] {
        let (outcome, kind, message) = ended(move |method, _| match method {
            "sessions.list" => {
                let mut page = page(&[row("k:a")], Some(1));
                page["payload"]["nextOffset"] = next.clone();
                Reply::Frame(page)
            }
            _ => Reply::Frame(recorded(method)),
        });
        assert_eq!((outcome, kind), (Outcome::Failed, ProblemKind::Protocol));
        assert_eq!(message, "has more sessions and does not say where they begin");
    }
}

#[test]
fn what_was_listed_before_a_gateway_goes_is_shown_and_the_survey_has_failed() {
    let gateway = StandIn::new(|method, params| match (method, params["offset"].as_u64()) {
        ("sessions.list", Some(0)) => Reply::Frame(page(&[row("k:a")], Some(1))),
        ("sessions.list", _) => Reply::Close(1012, "service restart"),
        _ => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(keys(&survey), ["k:a"]);
    let message = "closed the connection: service restart (1012)".to_owned();
    assert_eq!(only_problem(&survey), (Outcome::Failed, ProblemKind::Unreachable, message));
}

#[test]
fn one_row_that_cannot_be_read_costs_itself() {
    let rows = vec![row("k:a"), json!({ "key": 7 }), json!("row"), row(""), row("k:b")];
    let gateway = StandIn::listing(rows);
    let home = home(gateway.port);
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(keys(&survey), ["k:a", "k:b"]);
    let kinds: Vec<_> = survey.problems.iter().map(|it| it.kind).collect();
    assert_eq!((survey.outcome, kinds), (Outcome::Ok, vec![ProblemKind::Malformed; 2]));
}

#[test]
fn refusals_say_what_they_are() {
    let refused = |name: &'static str| ended(move |_, _| Reply::Frame(fixture(name)));
    let (outcome, kind, message) = refused("refused-token.json");
    assert_eq!((outcome, kind), (Outcome::Failed, ProblemKind::Auth));
    assert!(
        message.starts_with("refused `connect`: unauthorized: gateway token mismatch"),
        "{message}"
    );
    assert_eq!(refused("refused-no-token.json").1, ProblemKind::Auth);
    let (_, kind, message) = refused("refused-protocol.json");
    assert_eq!(kind, ProblemKind::Protocol);
    let expected = "refused `connect`: protocol mismatch (it expects protocol 4, spoken here is 4)";
    assert_eq!(message, expected);
    let (_, kind, message) = ended(|_, _| {
        Reply::Frame(json!({ "type": "res", "ok": true, "payload": { "protocol": 5 } }))
    });
    assert_eq!((kind, message.as_str()), (ProblemKind::Protocol, "speaks protocol 5; expected 4"));
}

#[test]
fn whatever_else_a_gateway_does_ends_in_one_problem() {
    let check = |reply: fn() -> Reply, kind: ProblemKind, message: &str| {
        let seen = ended(move |_, _| reply());
        assert_eq!(seen, (Outcome::Failed, kind, message.to_owned()));
    };
    check(
        || Reply::Close(1000, "bye"),
        ProblemKind::Unreachable,
        "closed the connection: bye (1000)",
    );
    check(|| Reply::Close(1008, "no"), ProblemKind::Auth, "closed the connection: no (1008)");
    check(
        || Reply::Raw(Ws::text("{\"type\":")),
        ProblemKind::Protocol,
        "sent a text that is no frame",
    );
    check(
        || Reply::Raw(Ws::text("[".repeat(100_000))),
        ProblemKind::Protocol,
        "sent a text that is no frame",
    );
    check(
        || Reply::Raw(Ws::binary(vec![0; 9])),
        ProblemKind::Protocol,
        "sent a frame that is no text",
    );
    check(
        || Reply::Endless(fixture("event.json")),
        ProblemKind::Limit,
        "sent 10000 frames and no answer to `connect`",
    );
    check(
        || Reply::Raw(Ws::text("x".repeat(26_214_401))),
        ProblemKind::Limit,
        "sent a message of more than 26214400 bytes",
    );
    check(
        || Reply::Frame(json!({ "type": "res", "ok": false, "error": "no" })),
        ProblemKind::Protocol,
        "refused `connect`: ",
    );
}

#[test]
fn a_port_that_answers_with_no_websocket_says_so() {
    let check = |status: &'static str, kind: ProblemKind, message: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let home = home(listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 4096]).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        });
        let seen = only_problem(&survey(&testing::scope_at(home.path())));
        assert_eq!(seen, (Outcome::Failed, kind, message.to_owned()));
    };
    let other = "answered HTTP 404 Not Found; expected a WebSocket";
    check("404 Not Found", ProblemKind::Protocol, other);
    check("401 Unauthorized", ProblemKind::Auth, "answered HTTP 401 Unauthorized");
    // While it waits for the last runs to end, before it ends itself.
    let ending = "takes no connections at present (HTTP 503)";
    check("503 Service Unavailable", ProblemKind::Unreachable, ending);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_never_answers_costs_its_deadline_and_no_more() {
    // The kernel accepts for a listener that does not.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = home(listener.local_addr().unwrap().port());
    let deadline = Duration::from_millis(700);
    let before = tokio::time::Instant::now();
    let surveyed =
        crate::census::take(&[&ADAPTER], &testing::scope_at(home.path()), deadline).await;
    assert_eq!(before.elapsed(), deadline);
    assert_eq!(surveyed[0].survey.outcome, Outcome::TimedOut);
}

#[test]
fn without_a_trace_of_a_gateway_the_agent_is_absent() {
    let home = tempfile::tempdir().unwrap();
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!((survey.outcome, survey.problems), (Outcome::Absent, Vec::new()));
}

#[test]
fn a_gateway_that_is_set_up_and_down_is_unreachable() {
    let home = home(free_port());
    let (outcome, kind, message) = only_problem(&survey(&testing::scope_at(home.path())));
    assert_eq!((outcome, kind), (Outcome::Failed, ProblemKind::Unreachable));
    assert!(message.starts_with("cannot be reached: Connection refused"), "{message}");
}

#[test]
fn a_state_directory_is_trace_enough_to_look_for_a_gateway() {
    let home = tempfile::tempdir().unwrap();
    let check = |profile: &str, url: &str| {
        std::fs::create_dir_all(home.path().join(format!(".openclaw{profile}"))).unwrap();
        let vars = [("OPENCLAW_PROFILE", profile.trim_start_matches('-'))];
        let scope = FakeProc::new().scope_with(home.path(), &vars);
        let found = endpoint::find(&scope.env).unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.shown.token), (url, None));
    };
    check("", "ws://127.0.0.1:18789");
    check("-work", "ws://127.0.0.1:21984");
}

#[test]
fn variables_come_before_settings() {
    let gateway = StandIn::recorded();
    let home = tempfile::tempdir().unwrap();
    settings(&home, r#"{"gateway":{"port":1,"auth":{"token":"of-the-settings"}}}"#);
    let port = gateway.port.to_string();
    let url = format!("ws://localhost:{port}/path");
    let token_sent = |vars: &[(&str, &str)]| {
        assert_eq!(survey(&FakeProc::new().scope_with(home.path(), vars)).outcome, Outcome::Ok);
        let connect = gateway.asked.try_iter().collect::<Vec<_>>().swap_remove(0);
        connect["params"]["auth"]["token"].as_str().map(ToOwned::to_owned)
    };
    let port_alone = [("OPENCLAW_GATEWAY_PORT", port.as_str())];
    assert_eq!(token_sent(&port_alone).as_deref(), Some("of-the-settings"));
    let both = [port_alone[0], ("OPENCLAW_GATEWAY_TOKEN", "told")];
    assert_eq!(token_sent(&both).as_deref(), Some("told"));
    // The token of the settings is the other gateway's.
    assert_eq!(token_sent(&[("OPENCLAW_GATEWAY_URL", &url)]), None);
}

#[test]
fn the_state_directory_is_where_openclaw_has_it() {
    let table = FakeProc::new();
    let check = |vars: &[(&str, &str)], expect: &str| {
        let scope = table.scope_with(Path::new("/home/dev"), vars);
        assert_eq!(ADAPTER.stores(&scope.env), [Path::new(expect)], "{vars:?}");
    };
    check(&[], "/home/dev/.openclaw");
    check(&[("OPENCLAW_PROFILE", "default")], "/home/dev/.openclaw");
    check(&[("OPENCLAW_PROFILE", "work")], "/home/dev/.openclaw-work");
    check(&[("OPENCLAW_HOME", "/srv")], "/srv/.openclaw");
    check(&[("OPENCLAW_HOME", "/srv"), ("OPENCLAW_STATE_DIR", "/var/claw")], "/var/claw");
}

#[test]
fn no_other_machine_is_asked_or_shown_the_token() {
    let home = home(free_port());
    for url in [
        "ws://gateway.example:18789",
        "ws://192.0.2.7:18789",
        "ws://user:hunter2@10.0.0.1/?token=hunter2",
        "wss://127.0.0.1:18789",
        "ws://127.0.0.1.example:18789",
        "ws://[2001:db8::1]:18789",
        "http://127.0.0.1:1",
        "ws://127.0.0.1:0",
        "ws://127.0.0.1:65536",
        "ws://[::1]:99999/",
        "not a url",
    ] {
        let vars = [("OPENCLAW_GATEWAY_URL", url), ("OPENCLAW_GATEWAY_TOKEN", SECRET)];
        let survey = survey(&FakeProc::new().scope_with(home.path(), &vars));
        let said = format!("{survey:?}");
        assert_eq!(survey.outcome, Outcome::Failed, "{url}");
        assert!(said.contains("OPENCLAW_GATEWAY_URL is not used"), "{said}");
        assert!(!said.contains("hunter2") && !said.contains(SECRET), "{said}");
    }
}

#[test]
fn the_token_is_never_shown() {
    let echo = |said: &str| json!({ "type": "res", "ok": false, "error": { "message": said } });
    let (_, _, message) = ended(move |_, params| {
        Reply::Frame(echo(&format!("bad token {}\n!", params["auth"]["token"].as_str().unwrap())))
    });
    assert_eq!(message, "refused `connect`: bad token … !");

    let home = home(free_port());
    let found = endpoint::find(&testing::scope_at(home.path()).env).unwrap().unwrap();
    assert_eq!(found.shown.token.as_ref().map(endpoint::Secret::reveal), Some(SECRET));
    assert!(!format!("{found:?} {}", found.shown()).contains(SECRET));

    settings(
        &home,
        &format!(r#"{{"gateway":{{"port":"{SECRET}","auth":{{"token":"{SECRET}"}}}}}}"#),
    );
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(survey.problems[0].kind, ProblemKind::Malformed);
    assert!(!format!("{survey:?}").contains(SECRET));
}

#[test]
fn a_token_may_be_kept_in_a_variable_or_with_a_keeper() {
    let home = tempfile::tempdir().unwrap();
    let token = |written: &str| {
        settings(&home, &format!(r#"{{"gateway":{{"auth":{{"token":{written}}}}}}}"#));
        let scope = FakeProc::new().scope_with(home.path(), &[("KEPT", "in-a-variable")]);
        let found = endpoint::find(&scope.env).unwrap().unwrap();
        found.shown.token.map(|it| it.reveal().to_owned())
    };
    assert_eq!(token(r#""${KEPT}""#).as_deref(), Some("in-a-variable"));
    assert_eq!(token(r#""${NOT_SET}""#), None);
    assert_eq!(
        token(r#"{"source":"env","provider":"default","id":"KEPT"}"#).as_deref(),
        Some("in-a-variable")
    );
    assert_eq!(token(r#"{"source":"exec","id":"KEPT"}"#), None);
    assert_eq!(token("7"), None);
    assert_eq!(token(r#""  ""#), None);
    assert_eq!(token("null"), None);
}

#[test]
fn nothing_of_one_answer_is_kept_for_the_next() {
    let mut listings = 0;
    let gateway = StandIn::new(move |method, _| match method {
        "sessions.list" => {
            listings += 1;
            let running = json!({ "key": "k:a", "status": "running", "hasActiveRun": true });
            Reply::Frame(page(&Vec::from_iter((listings == 1).then_some(running)), None))
        }
        _ => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let scope = testing::scope_at(home.path());
    assert_eq!(keys(&survey(&scope)), ["k:a"]);
    let emptied = survey(&scope);
    assert_eq!((keys(&emptied), emptied.outcome), (vec![], Outcome::Ok));
    settings(&home, &json!({ "gateway": { "port": free_port() } }).to_string());
    let gone = survey(&scope);
    assert_eq!((keys(&gone), gone.outcome), (vec![], Outcome::Failed));
}

#[test]
fn what_is_concluded_of_a_row() {
    let check = |given: Value, status: Status, reason: Reason, certainty: Certainty| {
        let mut all = json!({ "key": "k:a" });
        all.as_object_mut().unwrap().extend(given.as_object().unwrap().clone());
        let row: Row = serde_json::from_value(all).unwrap();
        let record = Arc::new(row.record(&BTreeMap::new()).unwrap());
        let surveyed = crate::census::Surveyed {
            agent: ADAPTER.card.id.clone(),
            survey: Survey::of(vec![Sighting::Recorded(record)], Vec::new()),
            elapsed: Duration::ZERO,
        };
        let scope = testing::scope();
        let ledger = crate::ledger::Ledger::default();
        let roster =
            crate::reconcile::reconcile(vec![surveyed], &ledger, &scope.processes, scope.now);
        let it = &roster.rows[0].session;
        assert_eq!((it.status, it.reason, it.certainty), (status, reason, certainty), "{given}");
    };
    let run = |status: &str, active: bool| json!({ "status": status, "hasActiveRun": active });
    check(run("running", true), Status::Running, Reason::ActiveRun, Asserted);
    // The run has just begun, and the last one's end is still written down.
    check(run("done", true), Status::Running, Reason::ActiveRun, Asserted);
    check(run("running", false), Status::Unknown, Reason::Contradiction, Inferred);
    check(json!({ "status": "running" }), Status::Running, Reason::ActiveRun, Inferred);
    check(json!({ "hasActiveRun": false }), Status::Idle, Reason::NeverPrompted, Inferred);
    // A session of a schedule's, which has none when its run is over either.
    let scheduled = |tokens: u64| json!({ "hasActiveRun": false, "outputTokens": tokens });
    check(scheduled(0), Status::Idle, Reason::NeverPrompted, Inferred);
    check(scheduled(34), Status::Stopped, Reason::Completed, Inferred);
    check(json!({}), Status::Unknown, Reason::Contradiction, Inferred);
    check(run("done", false), Status::Stopped, Reason::Completed, Asserted);
    check(run("killed", false), Status::Stopped, Reason::Killed, Asserted);
    check(run("timeout", false), Status::Stopped, Reason::Killed, Asserted);
    check(run("paused", false), Status::Unknown, Reason::Unrecognised, Asserted);
    let failed =
        |error: &str| json!({ "status": "failed", "hasActiveRun": false, "lastRunError": error });
    let network = "LLM request failed: network connection error.";
    check(failed(network), Status::Failed, Reason::ModelError, Asserted);
    let login = "mock/mock-1 request failed (authentication failed, HTTP 401). Re-authenticate the provider and try again.";
    check(failed(login), Status::Failed, Reason::Auth, Asserted);
    let aborted = "aborted | This operation was aborted | 20";
    check(failed(aborted), Status::Stopped, Reason::Killed, Inferred);
}

#[test]
fn only_a_subagents_parent_has_started_it() {
    let parent = |classification: &str| {
        let mut row = row("k:a");
        row["parentSessionKey"] = json!("agent:main:main");
        row["classification"] = json!(classification);
        row["isBackground"] = json!(classification != "direct");
        let row: Row = serde_json::from_value(row).unwrap();
        let record = row.record(&BTreeMap::new()).unwrap();
        (record.kind, record.parent.map(|it| it.to_string()))
    };
    assert_eq!(parent("direct"), (SessionKind::Main, None));
    assert_eq!(parent("cron"), (SessionKind::Background, None));
    assert_eq!(parent("subagent"), (SessionKind::Subagent, Some("agent:main:main".into())));
}

#[test]
fn the_last_turns_come_from_the_gateway() {
    let gateway = StandIn::recorded();
    let home = home(gateway.port);
    let record = Record::new(SessionId::parse("agent:main:x").unwrap(), Source::Gateway);
    let scope = testing::scope_at(home.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peek = |turns| {
        let peeking = ADAPTER.peek(scope.clone(), Arc::new(record.clone()), turns).unwrap();
        runtime.block_on(peeking).unwrap()
    };
    let Peeked { turns, has_earlier } = peek(20);
    assert!(!has_earlier);
    let said: Vec<_> = turns.iter().map(|it| (it.role, it.text.as_str())).collect();
    let answer = "mock reply to: mock/mock-1 | channel=webchat | capabilities=markdowndetails";
    assert_eq!(said, [(Role::User, "hello there"), (Role::Assistant, answer)]);
    assert_eq!(turns[0].at, Timestamp::parse("2026-11-22T20:26:08.456Z"));
    let asked = gateway.asked.try_iter().last().unwrap();
    assert_eq!(asked["params"], json!({ "sessionKey": "agent:main:x", "limit": 20 }));
    assert_eq!(peek(1).turns.len(), 1);
    assert!(peek(1).has_earlier);
}

#[test]
fn calls_and_results_of_tools_are_turns_and_thoughts_are_none() {
    let turns = |message: Value| {
        let message: Message = serde_json::from_value(message).unwrap();
        let turns = message.turns().into_iter();
        turns.map(|it| (it.role, it.text, it.tool)).collect::<Vec<_>>()
    };
    let call =
        json!({ "type": "toolCall", "id": "1", "name": "read", "arguments": { "path": "a" } });
    let parts =
        json!([{ "type": "thinking", "thinking": "hm" }, { "type": "text", "text": "so" }, call]);
    assert_eq!(
        turns(json!({ "role": "assistant", "content": parts })),
        [
            (Role::Assistant, "so".into(), None),
            (Role::Tool, r#"{"path":"a"}"#.into(), Some("read".into())),
        ]
    );
    let result = json!({ "role": "toolResult", "toolName": "read", "content": [{ "type": "text", "text": "x" }] });
    assert_eq!(turns(result), [(Role::Tool, "x".into(), Some("read".into()))]);
    assert_eq!(turns(json!({ "role": "system", "content": "preamble" })), []);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,8}", inner), 0..4)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_row_makes_it_panic(
        member in prop::sample::select(vec!["key", "status", "createdAt", "spawnedCwd", "archived", "lastRunError"]),
        value in any_json(),
    ) {
        let mut row = row("k:a");
        row[member] = value;
        if let Ok(row) = serde_json::from_value::<Row>(row) {
            row.record(&BTreeMap::new());
        }
    }

    #[test]
    fn no_url_makes_it_panic_or_leave_the_machine(url in "(ws://)?.{0,40}") {
        let vars = [("OPENCLAW_GATEWAY_URL", url.as_str())];
        let scope = FakeProc::new().scope_with(Path::new("/nonexistent"), &vars);
        if let Ok(Some(found)) = endpoint::find(&scope.env) {
            prop_assert!(found.addresses.iter().all(|it| it.ip().is_loopback()));
        }
    }
}

#[tokio::test]
async fn each_change_that_the_gateway_tells_is_told_and_so_is_its_end() {
    let changed = || json!({ "type": "event", "event": "sessions.changed", "payload": {} });
    let gateway = StandIn::new(move |method, _| match method {
        "sessions.subscribe" => {
            let subscribed =
                json!({ "type": "res", "ok": true, "payload": { "subscribed": true } });
            Reply::Followed(subscribed, vec![changed(), fixture("event.json"), changed()])
        }
        _ => Reply::Frame(recorded(method)),
    });
    let home = home(gateway.port);
    let env = Arc::new(testing::env(home.path()));
    let (tell, told) = channel();
    ADAPTER.follow(env, Arc::new(move || tell.send(()).unwrap())).unwrap().await;
    // Once it listens, for each of the two changes, and at the end.
    assert_eq!(told.try_iter().count(), 4);
    let asked: Vec<Value> = gateway.asked.try_iter().map(|it| it["method"].clone()).collect();
    assert_eq!(asked, ["connect", "sessions.subscribe"]);
}

#[tokio::test]
async fn where_no_gateway_is_known_there_is_nothing_to_follow() {
    let home = TempDir::new().unwrap();
    let env = Arc::new(testing::env(home.path()));
    ADAPTER.follow(env, Arc::new(|| panic!("nothing to tell"))).unwrap().await;
}
