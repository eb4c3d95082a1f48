//! Threads that were rewound, and forks: each goes on in a rollout of its own.

use super::*;
use crate::adapters::Record;
use crate::protocol::session::Source;
use crate::testing::peeked;

const REWOUND: &str = "01a22224-30d5-7163-99df-d108d5ac4851";
const FORK: &str = "01a22224-6587-7a91-ac3c-a1e2610987d6";
/// The rollouts of the rewound thread, and of its fork.
const FIRST: &str = "rollout-2026-11-28T12-32-06-01a22224-30d5-7163-99df-d108d5ac4851.jsonl";
const SECOND: &str = "rollout-2026-11-28T12-32-10-01a22224-30d5-7163-99df-d108d5ac4851\
_01a22224-4006-7003-b66b-a1e612290480.jsonl";
const THIRD: &str = "rollout-2026-11-28T12-32-16-01a22224-30d5-7163-99df-d108d5ac4851\
_01a22224-5828-7570-8f21-bdb488a57587.jsonl";
const FORKED: &str = "rollout-2026-11-28T12-32-20-01a22224-6587-7a91-ac3c-a1e2610987d6.jsonl";

fn rewound() -> Store {
    let store = Store::empty();
    copy(&fixtures().join("rewound/.codex"), &store.root());
    store
}

fn rollout(store: &Store, name: &str) -> PathBuf {
    store.root().join("sessions/2026/11/28").join(name)
}

/// Leaves of a rollout what is written before anything is asked.
fn cut(store: &Store, name: &str) {
    let path = rollout(store, name);
    let text = fs::read_to_string(&path).unwrap();
    let asked = text.find(r#""type":"task_started""#).unwrap();
    fs::write(&path, &text[..=text[..asked].rfind('\n').unwrap()]).unwrap();
}

/// What was said at the end of the conversation in a rollout, and whether more came before.
fn said(store: &Store, path: PathBuf, turns: usize) -> (Vec<String>, bool) {
    let thread = SessionId::parse(REWOUND).unwrap();
    let record = Record { path: Some(path), ..Record::new(thread, Source::Transcript) };
    peeked(&ADAPTER, store.proc.scope(store.home.path()), record, turns)
}

fn answered(questions: &[&str]) -> Vec<String> {
    questions.iter().flat_map(|it| [(*it).to_owned(), format!("reply to: {it}")]).collect()
}

#[test]
fn the_newest_rollout_tells_how_the_thread_stands_and_all_count() {
    let store = rewound();
    store.codex(5, &["--no-daemon"]).holds_lock(&store.lock(REWOUND));
    assert_eq!(store.sessions().len(), 2);
    let thread = store.session(REWOUND);
    assert_eq!(state(&thread), json!(["idle", "turn_ended", "asserted", 5]));
    assert_eq!(thread["prompt"], "First question");
    // Two calls, two more after the thread was rewound, and one after it was again.
    assert_eq!(thread["usage"]["inputTokens"], 5 * 1100);
    let fork = store.session(FORK);
    assert_eq!(
        (&fork["forkedFrom"], &fork["usage"]["inputTokens"]),
        (&json!(REWOUND), &json!(1100))
    );
}

#[test]
fn one_that_was_asked_nothing_since_stands_at_the_end_of_a_turn() {
    let store = rewound();
    store.codex(5, &["--no-daemon"]).holds_lock(&store.lock(REWOUND));
    cut(&store, THIRD);
    cut(&store, FORKED);
    assert_eq!(store.state(REWOUND), json!(["idle", "turn_ended", "inferred", 5]));
    assert_eq!(store.state(FORK), json!(["stopped", "completed", "inferred", null]));
    // To its very beginning: then there is no history.
    let path = rollout(&store, THIRD);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("history_base", "no_history")).unwrap();
    assert_eq!(store.state(REWOUND), json!(["idle", "turn_ended", "inferred", 5]));
}

#[test]
fn the_conversation_begins_in_other_rollouts_without_what_was_abandoned() {
    let store = rewound();
    let conversation = answered(&["First question", "Third question", "Fifth question"]);
    let rewound = |turns| said(&store, rollout(&store, THIRD), turns);
    assert_eq!(rewound(20), (conversation.clone(), false));
    assert_eq!(rewound(6), (conversation.clone(), false));
    for turns in 1..6 {
        assert_eq!(rewound(turns), (conversation[6 - turns..].to_vec(), true), "{turns}");
    }
    let whole = [conversation, answered(&["In the fork"])].concat();
    assert_eq!(said(&store, rollout(&store, FORKED), 20), (whole, false));
}

/// An older Codex goes on in the same rollout: it was rewound over two prompts, asked two more, rewound over one of them,
/// and asked one more.
#[test]
fn what_was_rolled_back_is_no_part_of_the_conversation_and_was_spent() {
    let thread = "01a222c9-135b-79b1-b877-828b0202451b";
    let rolled_back = fs::read_to_string(fixtures().join("moments/rolled-back.jsonl")).unwrap();
    let name = format!("rollout-2026-11-28T15-32-12-{thread}.jsonl");
    let (store, folder) = (Store::empty(), "sessions/2026/11/28");
    fs::create_dir_all(store.root().join(folder)).unwrap();
    let conversation = answered(&["First question", "Fourth question", "Sixth question"]);
    fs::write(rollout(&store, &name), &rolled_back).unwrap();
    assert_eq!(said(&store, rollout(&store, &name), 20), (conversation.clone(), false));
    assert_eq!(said(&store, rollout(&store, &name), 3), (conversation[3..].to_vec(), true));
    let row = store.session(thread);
    assert_eq!(state(&row), json!(["stopped", "completed", "asserted", null]));
    assert_eq!(row["usage"]["inputTokens"], 6 * 1100);

    let at_the_mark = rolled_back.split_inclusive('\n').take(32).collect::<String>();
    // What was abandoned may have ended badly.
    for at_the_mark in [at_the_mark.replace("task_complete", "turn_aborted"), at_the_mark] {
        fs::write(rollout(&store, &name), at_the_mark).unwrap();
        assert_eq!(said(&store, rollout(&store, &name), 20), (conversation[..2].to_vec(), false));
        assert_eq!(store.state(thread), json!(["stopped", "completed", "inferred", null]));
    }
    let odd = rolled_back.replace(r#""num_turns":2"#, r#""num_turns":"two""#);
    fs::write(rollout(&store, &name), odd).unwrap();
    assert_eq!(said(&store, rollout(&store, &name), 20).0.len(), 10);
}

#[test]
fn what_is_gone_was_said_all_the_same() {
    let store = rewound();
    fs::remove_file(rollout(&store, FIRST)).unwrap();
    let rest = answered(&["Third question", "Fifth question"]);
    assert_eq!(said(&store, rollout(&store, THIRD), 20), (rest.clone(), true));
    fs::create_dir(rollout(&store, FIRST)).unwrap();
    assert_eq!(said(&store, rollout(&store, THIRD), 20), (rest, true));
}

#[test]
fn a_rollout_that_was_put_away_is_found() {
    let store = rewound();
    let archive = store.root().join(ARCHIVE);
    fs::create_dir(&archive).unwrap();
    fs::rename(rollout(&store, SECOND), archive.join(SECOND)).unwrap();
    assert_eq!(said(&store, rollout(&store, THIRD), 20).0.len(), 6);
}

#[test]
fn an_open_rollout_is_its_threads() {
    let store = rewound();
    fs::remove_file(store.proc.root().join("locks")).unwrap();
    let open = fs::canonicalize(rollout(&store, THIRD)).unwrap();
    store.codex(5, &["exec", "x"]).open_file(42, &open);
    assert_eq!(store.state(REWOUND), json!(["idle", "turn_ended", "inferred", 5]));
    assert_eq!(store.sessions().len(), 2);
}

#[test]
fn a_conversation_is_followed_through_so_many_rollouts_and_no_further() {
    let store = Store::empty();
    let day = store.root().join("sessions/2026/11/28");
    fs::create_dir_all(&day).unwrap();
    let id = |at: usize| format!("01a22224-0000-7000-8000-{at:012}");
    let path = |at| day.join(format!("rollout-2026-11-28T12-32-06-{REWOUND}_{}.jsonl", id(at)));
    for at in 0..=64 {
        let base = json!({ "thread_id": id(at + 1), "end_byte_offset": 1 << 20 });
        let payload =
            json!({ "id": REWOUND, "history_base": if at < 64 { base } else { Value::Null } });
        let meta = json!({ "ordinal": 0, "type": "session_meta", "payload": payload });
        let payload = json!({ "type": "agent_message", "message": at.to_string() });
        let message = json!({ "ordinal": 1, "type": "event_msg", "payload": payload });
        fs::write(path(at), format!("{meta}\n{message}\n")).unwrap();
    }
    let (shown, has_earlier) = said(&store, path(1), 200);
    assert_eq!((shown.len(), has_earlier), (64, false));
    let (shown, has_earlier) = said(&store, path(0), 200);
    assert_eq!((shown.len(), has_earlier, shown[0].as_str()), (64, true, "63"));
}

#[test]
fn what_a_compaction_says_again_is_no_call() {
    let store = rewound();
    let path = rollout(&store, FORKED);
    let text = fs::read_to_string(&path).unwrap();
    let count = text.lines().find(|it| it.contains(r#""type":"token_count""#)).unwrap();
    let spent: Value = serde_json::from_str(count).unwrap();
    let mut again = spent.clone();
    let total = "/payload/info/total_token_usage/input_tokens";
    let last = "/payload/info/last_token_usage/input_tokens";
    let inherited = spent.pointer(total).unwrap().as_u64().unwrap()
        - spent.pointer(last).unwrap().as_u64().unwrap();
    *again.pointer_mut(total).unwrap() = inherited.into();
    let (meta, rest) = text.split_once('\n').unwrap();
    fs::write(&path, format!("{meta}\n{again}\n{rest}")).unwrap();
    assert_eq!(store.session(FORK)["usage"]["inputTokens"], 1100);
}
