use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::accept;

use super::*;
use crate::adapters::Record;
use crate::adapters::evidence::TurnState;
use crate::base::ProcessRef;
use crate::testing;

/// A daemon in this very process, with one thread; tells what it was asked.
fn daemon(home: &Path, answer: impl FnMut(&str) -> Value + Send + 'static) -> Receiver<Value> {
    talkative(home, 1, answer)
}

/// The same, which before each answer asks something itself, and then says so many other things.
fn talkative(
    home: &Path,
    others: usize,
    mut answer: impl FnMut(&str) -> Value + Send + 'static,
) -> Receiver<Value> {
    let socket = home.join(".codex").join(SOCKET);
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(socket).unwrap();
    let (tell, asked) = channel();
    std::thread::spawn(move || {
        let Ok((stream, _)) = listener.accept() else { return };
        let Ok(mut socket) = accept(stream) else { return };
        while let Ok(message) = socket.read() {
            let Ok(text) = message.to_text() else { return };
            let Ok(request) = serde_json::from_str::<Value>(text) else { return };
            tell.send(request.clone()).unwrap();
            let Some(id) = request.get("id") else { continue };
            let mut reply = answer(request["method"].as_str().unwrap());
            reply["id"] = id.clone();
            let request_of_its_own = json!({ "id": id, "method": "item/ask", "params": {} });
            let news = json!({ "method": "thread/status/changed", "params": {} });
            let others = std::iter::repeat_n(news, others);
            for text in std::iter::once(request_of_its_own).chain(others).chain([reply]) {
                if socket.send(Message::text(text.to_string())).is_err() {
                    return;
                }
            }
        }
    });
    asked
}

fn this_process() -> ProcessRef {
    ProcessRef { pid: Pid(i32::try_from(std::process::id()).unwrap()), start_ticks: 1 }
}

fn end(home: &Path, owner: ProcessRef) -> Result<TurnEnd, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = SessionId::parse("t1").unwrap();
    let served = Served { session, record: None, owner: Some(owner), within: Duration::ZERO };
    runtime.block_on(end_turn(testing::scope_at(home), served))
}

/// The answers of a daemon whose thread is in these states, one look after the other.
fn answers(states: &'static [&'static str]) -> impl FnMut(&str) -> Value + Send {
    let mut states = states.iter().copied();
    move |method| match method {
        "thread/turns/list" => {
            json!({ "result": { "data": [{ "id": "u1", "status": "inProgress" }] } })
        }
        "thread/read" => {
            let state = states.next().expect("no further look");
            json!({ "result": { "thread": { "status": { "type": state } } } })
        }
        _ => json!({ "result": {} }),
    }
}

#[test]
fn a_turn_is_interrupted_and_seen_to_have_ended() {
    let home = TempDir::new().unwrap();
    let asked = daemon(home.path(), answers(&["active", "idle"]));
    assert_eq!(end(home.path(), this_process()), Ok(TurnEnd::Ended));
    let asked: Vec<Value> = asked.into_iter().collect();
    let methods: Vec<_> = asked.iter().map(|it| it["method"].as_str().unwrap()).collect();
    let look = "thread/read";
    let expected = ["initialize", "initialized", look, "thread/turns/list", "turn/interrupt", look];
    assert_eq!(methods, expected);
    assert_eq!(asked[4]["params"], json!({ "threadId": "t1", "turnId": "u1" }));
}

#[test]
fn what_has_ended_is_not_interrupted_and_what_goes_on_is_not_called_ended() {
    let check = |states: &'static [&'static str], expected| {
        let home = TempDir::new().unwrap();
        let _asked = daemon(home.path(), answers(states));
        assert_eq!(end(home.path(), this_process()), Ok(expected));
    };
    check(&["idle"], TurnEnd::NoTurn);
    check(&["active", "active"], TurnEnd::GoesOn);
}

/// Thread `t1`, with a rollout that says this of its turn or without one, and its owner.
fn seen(turn: Option<TurnState>, owner: ProcessRef) -> Survey {
    let thread = SessionId::parse("t1").unwrap();
    let claim = Claim::of(owner, Some(thread.clone()), Source::Lock);
    let record = |turn| Record { turn, ..Record::new(thread, Source::Transcript) };
    let recorded = turn.map(|turn| Sighting::Recorded(Arc::new(record(turn))));
    Survey::of(recorded.into_iter().chain([Sighting::Claimed(claim)]).collect(), Vec::new())
}

fn claim_of(survey: &Survey) -> &Claim {
    let claim = survey.sightings.iter().find_map(|it| match it {
        Sighting::Claimed(claim) => Some(claim),
        _ => None,
    });
    claim.unwrap()
}

/// What is claimed of that thread after its daemon was asked.
fn told_of(home: &Path, turn: Option<TurnState>, owner: ProcessRef) -> (Claim, Vec<Problem>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let survey = runtime.block_on(ask(testing::scope_at(home), seen(turn, owner)));
    (claim_of(&survey).clone(), survey.problems)
}

#[test]
fn what_it_says_of_a_turn_in_progress_is_the_agents_own_word() {
    let check = |status: Value, expected| {
        let home = TempDir::new().unwrap();
        let _asked = daemon(home.path(), move |method| match method {
            "thread/read" => {
                let thread = json!({ "status": status, "cwd": "/work/here" });
                json!({ "result": { "thread": thread } })
            }
            _ => json!({ "result": {} }),
        });
        let turn = Some(TurnState::InProgress);
        let (claim, problems) = told_of(home.path(), turn, this_process());
        assert_eq!((claim.activity, problems.len()), (expected, 0));
        assert_eq!(claim.hints.cwd, AbsPath::parse("/work/here"));
    };
    let active = |flags: &[&str]| json!({ "type": "active", "activeFlags": flags });
    check(active(&[]), Some(Activity::Busy));
    let waiting = |it| Some(Activity::Waiting(it));
    check(active(&["waitingOnApproval"]), waiting(WaitingFor::Permission));
    check(active(&["waitingOnUserInput"]), waiting(WaitingFor::Question));
    check(json!({ "type": "idle" }), Some(Activity::Idle));
    check(json!({ "type": "notLoaded" }), None);
    check(json!({ "type": "dreaming" }), Some(Activity::Unrecognised("dreaming".into())));
}

#[test]
fn only_what_rollouts_leave_open_is_asked_and_only_of_the_owner() {
    let check = |turn, owner, expected: &[&str]| {
        let home = TempDir::new().unwrap();
        let asked = daemon(home.path(), |method| match method {
            "thread/read" => json!({ "error": { "message": "thread not loaded: t1" } }),
            _ => json!({ "result": {} }),
        });
        let (claim, problems) = told_of(home.path(), turn, owner);
        assert_eq!((claim.activity, problems), (None, Vec::new()));
        // Where nobody was asked, the daemon still waits for a caller.
        drop(std::os::unix::net::UnixStream::connect(home.path().join(".codex").join(SOCKET)));
        let methods: Vec<_> = asked.into_iter().map(|it| it["method"].clone()).collect();
        assert_eq!(methods, expected);
    };
    let look = ["initialize", "initialized", "thread/read"];
    let waiting = TurnState::Waiting(WaitingFor::Permission);
    let another = ProcessRef { pid: Pid(1), ..this_process() };
    check(Some(TurnState::InProgress), this_process(), &look);
    check(Some(waiting), this_process(), &look);
    check(None, this_process(), &look);
    check(Some(TurnState::Completed), this_process(), &[]);
    check(Some(TurnState::InProgress), another, &[]);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_costs_its_time_and_leaves_the_records_word() {
    let home = TempDir::new().unwrap();
    let socket = home.path().join(".codex").join(SOCKET);
    fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let _silent = UnixListener::bind(socket).unwrap();
    let look = async |scope: Scope| {
        let seen = seen(Some(TurnState::InProgress), this_process());
        let survey = ask(scope, seen).await;
        assert_eq!(claim_of(&survey).activity, None);
        let [problem] = &survey.problems[..] else { panic!("one problem") };
        problem.message.clone()
    };
    let scope = testing::scope_at(home.path());
    let late = |millis| format!("Codex's daemon gave no answer within {millis} ms");
    assert_eq!(look(scope.clone()).await, late(1500));
    // It never costs what was seen without it.
    let due = tokio::time::Instant::now() + Duration::from_millis(1500);
    let within = tokio::time::timeout_at(due, look(scope.until(due))).await;
    assert_eq!(within, Ok(late(1300)));
}

#[test]
fn only_the_owner_of_the_thread_is_asked() {
    let home = TempDir::new().unwrap();
    assert_eq!(end(home.path(), this_process()), Ok(TurnEnd::NoService), "nobody listens");
    let asked = daemon(home.path(), answers(&[]));
    let another = ProcessRef { pid: Pid(1), ..this_process() };
    assert_eq!(end(home.path(), another), Ok(TurnEnd::NoService));
    assert_eq!(asked.into_iter().count(), 0);
}

#[test]
fn a_refusal_is_told_in_the_daemons_words() {
    let home = TempDir::new().unwrap();
    let _asked =
        daemon(home.path(), |_| json!({ "error": { "code": -32600, "message": "not you" } }));
    let problem = end(home.path(), this_process()).unwrap_err();
    assert_eq!(problem.message, "Codex's daemon refused `initialize`: not you");
}

#[test]
fn of_so_many_threads_it_is_asked_and_what_it_is_not_asked_is_said() {
    let check = |threads: usize, unasked: usize| {
        let home = TempDir::new().unwrap();
        let asked = daemon(home.path(), |method| match method {
            "thread/read" => json!({ "result": { "thread": { "status": { "type": "idle" } } } }),
            _ => json!({ "result": {} }),
        });
        let claim = |number: usize| {
            let thread = SessionId::parse(&format!("t{number}"));
            Sighting::Claimed(Claim::of(this_process(), thread, Source::Lock))
        };
        let seen = Survey::of((0..threads).map(claim).collect(), Vec::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scope = testing::scope_at(home.path());
        let survey = runtime.block_on(ask(scope, seen));
        let kinds: Vec<_> = survey.problems.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, vec![ProblemKind::Limit; unasked], "{:?}", survey.problems);
        let reads = asked.into_iter().filter(|it| it["method"] == "thread/read").count();
        assert_eq!(reads, threads - unasked);
    };
    check(THREADS_MAX, 0);
    check(THREADS_MAX + 1, 1);
}

#[test]
fn one_that_says_everything_but_the_answer_is_given_up() {
    let after = |messages: usize| {
        let home = TempDir::new().unwrap();
        let _asked = talkative(home.path(), messages - 1, answers(&["idle"]));
        end(home.path(), this_process())
    };
    assert_eq!(after(MESSAGES_MAX - 1), Ok(TurnEnd::NoTurn));
    let problem = after(MESSAGES_MAX).unwrap_err();
    assert_eq!(problem.message, "Codex's daemon sent 10000 messages and no answer to `initialize`");
}
