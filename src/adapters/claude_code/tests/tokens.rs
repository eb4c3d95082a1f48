//! Exact tokens, however often and wherever a call is written down.

use super::*;

fn input(store: &Store, session: &str) -> Value {
    store.row(session)["usage"]["inputTokens"].clone()
}

#[test]
fn a_fork_counts_only_its_own_calls() {
    let store = Store::of("home");
    assert_eq!((input(&store, TOOL), input(&store, FORK)), (json!(3600), json!(2400)));
    // Without its origin, the copy is all there is.
    fs::remove_file(store.path(&Store::session_path(TOOL))).unwrap();
    assert_eq!(input(&store, FORK), json!(6000));
}

#[test]
fn a_branch_names_its_origin_and_counts_nothing_of_it() {
    let branch = "99999999-0000-4000-8000-000000000001";
    let copy = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["forkedFrom"] = json!({ "sessionId": HELLO, "messageUuid": record["uuid"] });
        format!("{record}\n")
    };
    let whole = String::from_utf8(transcript(HELLO)).unwrap();
    let chain: String = whole.lines().filter(|it| it.contains("\"uuid\"")).map(copy).collect();
    let store = Store::of("home");
    store.put(&Store::session_path(branch), &chain);
    // The origin has begun in the same moment, and goes on when the branch has ended.
    let chain: Vec<&str> = whole.lines().filter(|it| it.contains("\"uuid\"")).collect();
    let later = r#"{"type":"system","uuid":"1","timestamp":"2026-11-22T23:00:00.000Z"}"#;
    store.put(&Store::session_path(HELLO), chain.join("\n") + "\n" + later + "\n");
    assert_eq!(store.row(branch)["forkedFrom"], HELLO);
    assert_eq!((input(&store, HELLO), input(&store, branch)), (json!(1200), json!(0)));
    // A copy of a branch that somebody else has made begins with notes of its own.
    let forked = fs::read_to_string(store.path(&Store::session_path(branch))).unwrap();
    store.put(&Store::session_path(branch), format!("{{\"type\":\"mode\"}}\n{forked}"));
    assert_eq!(store.row(branch)["forkedFrom"], Value::Null);
}

#[test]
fn a_fork_of_one_whose_prompt_was_written_after_its_answer_counts_only_its_own_calls() {
    let store = Store::of("home");
    let origin = String::from_utf8(transcript(HELLO)).unwrap();
    let mut lines: Vec<&str> = origin.lines().collect();
    let (answers, others): (Vec<&str>, Vec<&str>) =
        lines.drain(..).partition(|it| it.contains("\"type\":\"assistant\""));
    store.put(&Store::session_path(HELLO), [answers, others].concat().join("\n") + "\n");
    let fork = "99999999-0000-4000-8000-000000000001";
    store.put(&Store::session_path(fork), origin.replace(HELLO, fork));
    let counts = [input(&store, HELLO), input(&store, fork)];
    let sum: u64 = counts.iter().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 1200, "{counts:?}");
}

#[test]
fn one_session_alone_knows_what_its_origin_counts() {
    let store = Store::of("home");
    let mut scope = store.proc.scope_with(store.home.path(), &[]);
    scope.interest.usage = crate::scope::UsageWanted::Of(FORK.to_owned());
    let survey = concluded(&ADAPTER, &scope);
    let rows = survey["sessions"].as_array().unwrap();
    let counted: Vec<_> = rows.iter().filter(|it| it.get("usage").is_some()).collect();
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0]["usage"]["inputTokens"], 2400);
}

#[test]
fn a_count_that_is_none_costs_itself_and_not_its_call() {
    let store = Store::of("home");
    let whole = String::from_utf8(transcript(TOOL)).unwrap();
    let told = "\"cache_read_input_tokens\":400";
    assert!(whole.contains(told));
    for other in ["null", "\"400\"", "-1", "4.5"] {
        let whole = whole.replace(told, &format!("\"cache_read_input_tokens\":{other}"));
        store.put(&Store::session_path(TOOL), whole);
        let usage = &store.row(TOOL)["usage"];
        assert_eq!((&usage["inputTokens"], &usage["cacheReadTokens"]), (&json!(3600), &json!(0)));
    }
}

#[test]
fn lines_in_another_order_count_the_same() {
    let store = Store::of("home");
    let whole = String::from_utf8(transcript(TOOL)).unwrap();
    let mut lines: Vec<_> = whole.lines().collect();
    lines.reverse();
    store.put(&Store::session_path(TOOL), lines.join("\n") + "\n");
    assert_eq!(input(&store, TOOL), json!(3600));
}

/// A store whose project lies under a second name, too.
fn moved(put: impl Fn(&Path, &Path)) -> Store {
    let store = Store::of("home");
    put(&store.path(PROJECT), &store.path("projects/-home-dev-elsewhere"));
    store
}

#[test]
fn a_project_that_lies_in_two_places_counts_once() {
    let sessions = [TOOL, FORK, PARENT, "a4e6d24a5b81b49b1"];
    let once = Store::of("home").survey()["sessions"].as_array().unwrap().clone();
    let put: [fn(&Path, &Path); 2] = [copy, |from, to| symlink(from, to).unwrap()];
    for put in put {
        let store = moved(put);
        for session in sessions {
            let row = once.iter().find(|it| it["sessionId"] == session).unwrap();
            assert_eq!(store.row(session)["usage"], row["usage"], "{session}");
        }
    }
}

#[test]
fn a_session_that_went_on_in_two_places_counts_what_was_said_in_either() {
    let store = moved(copy);
    let call = |id: &str| {
        let usage = json!({"input_tokens": 1000, "output_tokens": 1});
        let message = json!({"id": id, "model": "claude-sonnet-4-5", "usage": usage});
        format!("{}\n", json!({"message": message, "requestId": id, "type": "assistant"}))
    };
    for (project, id) in [(PROJECT, "here"), ("projects/-home-dev-elsewhere", "there")] {
        let whole = [transcript(TOOL), call(id).into_bytes()].concat();
        store.put(&format!("{project}/{TOOL}.jsonl"), whole);
    }
    assert_eq!(input(&store, TOOL), json!(3600 + 2 * 1000));
}

#[test]
fn a_line_that_was_cut_off_does_not_cost_the_one_before_it() {
    let store = Store::of("home");
    let whole = String::from_utf8(transcript(TOOL)).unwrap();
    let is_by_model = |it: &&str| it.contains("\"type\":\"assistant\"");
    let last = whole.lines().rfind(is_by_model).unwrap();
    let cut = &last[..last.find("\"usage\"").unwrap() + "\"usage\":{".len()];
    // A session that is resumed after a crash goes on behind what the crash has cut off.
    let next = whole.lines().next().unwrap();
    store.put(&Store::session_path(TOOL), format!("{whole}{cut}{next}\n"));
    assert_eq!(input(&store, TOOL), json!(3600));
}
