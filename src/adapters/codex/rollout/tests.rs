use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::super::turns::turns;
use super::*;

const HELLO: &[u8] = include_bytes!(
    "../../../../tests/fixtures/codex/home/.codex/sessions/2026/11/22/\
rollout-2026-11-22T20-22-32-01a204ec-b99e-7391-b564-bd5b396bbf28.jsonl"
);
const LEGACY: &[u8] = include_bytes!(
    "../../../../tests/fixtures/codex/home/.codex/sessions/2026/11/22/\
rollout-2026-11-22T20-43-39-01a20500-0d3d-7c91-bcf2-7d44e48bf436.jsonl"
);
const WAITING: &[u8] =
    include_bytes!("../../../../tests/fixtures/codex/moments/waiting-approval.jsonl");
const WAITING_PATCH: &[u8] =
    include_bytes!("../../../../tests/fixtures/codex/moments/waiting-patch.jsonl");
const WAITING_QUESTION: &[u8] =
    include_bytes!("../../../../tests/fixtures/codex/moments/waiting-question.jsonl");
const PLANNED: &[u8] = include_bytes!("../../../../tests/fixtures/codex/moments/planned.jsonl");

fn whole(bytes: &[u8]) -> Result<Record, Malformed> {
    parse(&Excerpt::whole(Path::new("/x/rollout.jsonl"), bytes)).map(|it| it.value)
}

/// The turn after the first `lines` lines of a rollout.
fn turn_after(bytes: &[u8], lines: usize) -> (TurnState, Certainty) {
    let some: Vec<&[u8]> = bytes.split_inclusive(|it| *it == b'\n').take(lines).collect();
    let record = whole(&some.concat()).unwrap();
    (record.turn, record.certainty)
}

#[test]
fn the_system_prompt_is_not_read_as_json() {
    let first = HELLO.split(|it| *it == b'\n').next().unwrap();
    assert!(first.len() > 20_000);
    let without = without_instructions(first).unwrap();
    assert!(without.len() < 1_000, "{}", without.len());
    assert_eq!(first_line(&without).unwrap().id, first_line(first).unwrap().id);
    for text in ["", r"\", r#"\""#, r#"\\"}"#, r#""},{"id":1"#] {
        let line = json!({ "base_instructions": { "text": text, "uses": 1 }, "git": null });
        let without = without_instructions(line.to_string().as_bytes()).unwrap();
        let expect = json!({ "base_instructions": { "text": "", "uses": 1 }, "git": null });
        assert_eq!(str::from_utf8(&without).unwrap(), expect.to_string(), "{text}");
    }
}

#[test]
fn each_state_of_a_turn_as_it_was_recorded() {
    let asserted = |it| (it, Certainty::Asserted);
    assert_eq!(turn_after(HELLO, 1), (TurnState::NeverPrompted, Certainty::Inferred));
    for lines in 2..14 {
        assert_eq!(turn_after(HELLO, lines), asserted(TurnState::InProgress), "{lines}");
    }
    assert_eq!(turn_after(HELLO, 14), asserted(TurnState::Completed));
    assert_eq!(whole(HELLO).unwrap().turn_moved, None);
}

#[test]
fn a_patch_without_an_answer_waits_for_approval() {
    let waiting = (TurnState::Waiting(WaitingFor::Permission), Certainty::Inferred);
    assert_eq!(turn_after(WAITING_PATCH, usize::MAX), waiting);
    let text = str::from_utf8(WAITING_PATCH).unwrap();
    let check = |from: &str, to: &str, expect| {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert_eq!(turn_after(changed.as_bytes(), usize::MAX), expect, "{to}");
    };
    // Some models are given a tool of its own for it, whose call holds the patch as it is.
    check("function_call", "custom_tool_call", waiting.clone());
    check("\"arguments\":", "\"input\":", waiting.clone());
    // Another call may wait as well: Codex asks, too, where a command's network or directory is not allowed.
    check("*** Begin Patch", "*** Begin", (TurnState::InProgress, Certainty::Inferred));
    let asserted = (TurnState::InProgress, Certainty::Asserted);
    check(r#""approval_policy":"on-request""#, r#""approval_policy":"never""#, asserted);
}

#[test]
fn what_the_model_asks_a_person_waits_for_an_answer_whoever_approves_calls() {
    let waiting = (TurnState::Waiting(WaitingFor::Question), Certainty::Inferred);
    assert_eq!(turn_after(WAITING_QUESTION, usize::MAX), waiting);
    let text = str::from_utf8(WAITING_QUESTION).unwrap();
    let never = text.replace(r#""approval_policy":"on-request""#, r#""approval_policy":"never""#);
    assert_ne!(never, text);
    assert_eq!(turn_after(never.as_bytes(), usize::MAX), waiting);
    let (call, end) = (r#""call_id":""#, '"');
    let id = text.rsplit_once(call).unwrap().1.split(end).next().unwrap();
    let answer = json!({ "type": "function_call_output", "call_id": id, "output": "{}" });
    let line = json!({ "ordinal": 99, "type": "response_item", "payload": answer });
    let asserted = (TurnState::InProgress, Certainty::Asserted);
    assert_eq!(turn_after(format!("{text}{line}\n").as_bytes(), usize::MAX), asserted);
}

#[test]
fn a_plan_waits_for_a_person_until_the_mode_is_left_or_something_is_said() {
    let (ended, mode_left) = (15, 16);
    let planned = (TurnState::Planned, Certainty::Inferred);
    let completed = (TurnState::Completed, Certainty::Asserted);
    assert_eq!(turn_after(PLANNED, ended), planned);
    assert_eq!(turn_after(PLANNED, mode_left), completed);
    let lines: Vec<&[u8]> = PLANNED.split_inclusive(|it| *it == b'\n').collect();
    let after = |more: &[&[u8]]| turn_after(&[&lines[..ended], more].concat().concat(), usize::MAX);
    let (begins, ends) = (lines[1], lines[ended - 1]);
    assert_eq!(after(&[begins]), (TurnState::InProgress, Certainty::Asserted));
    assert_eq!(after(&[begins, ends]), completed, "a turn that only says something");
    // Settings that leave the mode as it is.
    let settings = str::from_utf8(lines[mode_left - 1]).unwrap();
    let still = settings.replace(r#""mode":"default""#, r#""mode":"plan""#);
    assert_ne!(still, settings);
    assert_eq!(after(&[still.as_bytes()]), planned);
    assert_eq!(after(&[begins, ends, still.as_bytes()]), completed);
    let said = said(PLANNED);
    assert_eq!(said[1..], ["Assistant : # Do it", "Assistant : Here it is."]);
}

#[test]
fn what_the_older_shape_allows_to_say() {
    let inferred = |it| (it, Certainty::Inferred);
    let says: Vec<_> = (1..=18).map(|lines| turn_after(LEGACY, lines)).collect();
    assert_eq!(says[0], inferred(TurnState::NeverPrompted));
    // The prompt, with nothing after it.
    assert_eq!(says[5], inferred(TurnState::Unknown));
    // "I will run a tool.", the call, its result, "old done".
    assert_eq!(says[9], inferred(TurnState::Completed));
    assert_eq!(says[10], inferred(TurnState::InProgress));
    assert_eq!(says[12], inferred(TurnState::Unknown));
    assert_eq!(says[17], inferred(TurnState::Completed));
}

#[test]
fn a_question_is_told_only_where_a_person_is_asked() {
    let waiting = TurnState::Waiting(WaitingFor::Permission);
    assert_eq!(whole(WAITING).unwrap().turn, waiting);
    let text = String::from_utf8(WAITING.to_vec()).unwrap();
    let granular = text.replace(r#""on-request""#, r#"{"granular":{"rules":true}}"#);
    assert_eq!(whole(granular.as_bytes()).unwrap().turn, waiting);
    for (from, to) in [
        (r#""approval_policy":"on-request""#, r#""approval_policy":"never""#),
        (r#""approval_policy":"on-request""#, r#""approval_policy":null"#),
        (r#""approvals_reviewer":"user""#, r#""approvals_reviewer":"guardian""#),
        ("require_escalated", "use_default"),
    ] {
        let record = whole(text.replace(from, to).as_bytes()).unwrap();
        assert_eq!(record.turn, TurnState::InProgress, "{to}");
    }
}

#[test]
fn errors_say_whether_the_login_was_refused() {
    let failure = |info: Value| failure(&json!({ "message": "m", "codex_error_info": info }));
    let status = |code: u16| json!({ "http_connection_failed": { "http_status_code": code } });
    assert_eq!(failure(status(401)), Failure::Auth);
    assert_eq!(failure(json!("unauthorized")), Failure::Auth);
    for other in
        [status(500), json!("other"), json!(null), json!({}), json!({ "a": 401 }), json!(7)]
    {
        assert_eq!(failure(other.clone()), Failure::Model, "{other}");
    }
}

#[test]
fn a_turn_longer_than_what_is_read_is_still_in_progress() {
    let end = memchr::memrchr(b'\n', &HELLO[..HELLO.len() - 1]).unwrap();
    let head = &HELLO[..=end];
    let tail = b"cut\n{\"timestamp\":\"2026-11-22T21:00:00.000Z\",\"ordinal\":99,\"type\":\"response_item\",\"payload\":{\"type\":\"reasoning\"}}\n";
    let parsed = parse(&Excerpt::parts(Path::new("/x"), head, tail)).unwrap();
    assert!(parsed.wants.longer_tail);
    assert_eq!(parsed.value.turn, TurnState::InProgress);
    assert_eq!(parsed.value.certainty, Certainty::Inferred);
    assert_eq!(parsed.value.model.as_deref(), Some("mock-model"));
    assert_eq!(parsed.value.updated.unwrap().to_string(), "2026-11-22T21:00:00.000Z");
    assert_eq!(parsed.value.turn_moved, parsed.value.updated, "a later process has no part in it");
}

#[test]
fn where_the_last_record_is_longer_than_what_is_read_the_file_tells_when() {
    let written = Timestamp::parse("2026-11-23T00:00:00.000Z");
    let end = b"of a picture\"}}\n";
    let excerpt = Excerpt::parts(Path::new("/x"), HELLO, end).modified_at(written);
    assert_eq!(parse(&excerpt).unwrap().value.updated, written);
    let excerpt = Excerpt::whole(Path::new("/x"), HELLO).modified_at(written);
    assert!(parse(&excerpt).unwrap().value.updated < written, "its records do");
}

#[test]
fn a_first_line_longer_than_what_is_read_still_names_its_thread() {
    let cut = Excerpt::parts(Path::new("/x"), &HELLO[..8 << 10], &HELLO[HELLO.len() - 4096..]);
    let parsed = parse(&cut).unwrap();
    assert!(parsed.wants.longer_head);
    assert_eq!(parsed.value.session.as_str(), "01a204ec-b99e-7391-b564-bd5b396bbf28");
    assert_eq!(parsed.value.turn, TurnState::Completed);
    assert_eq!(parsed.value.cwd, AbsPath::parse("/home/dev/work/my.repo_A b"));
}

#[test]
fn a_file_cut_at_any_byte_is_its_thread_or_nothing() {
    let first = memchr::memchr(b'\n', LEGACY).unwrap();
    for end in 0..LEGACY.len() {
        match whole(&LEGACY[..end]) {
            Ok(record) => {
                assert_eq!(record.session.as_str(), "01a20500-0d3d-7c91-bcf2-7d44e48bf436");
            }
            Err(malformed) => {
                assert!(end <= first, "{end}");
                assert_eq!(malformed.line, Some(1));
            }
        }
    }
}

#[test]
fn members_of_the_wrong_type_cost_their_record_alone() {
    let meta = r#"{"type":"session_meta","payload":{"id":"t","timestamp":7,"cwd":"relative","git":[],"source":3,"forked_from_id":{}}}"#;
    let wrong = [
        r#"{"timestamp":1,"type":"event_msg","payload":{"type":"task_started"}}"#,
        r#"{"timestamp":null,"type":"event_msg","payload":{"type":"task_complete","error":[]}}"#,
        r#"{"type":"turn_context","payload":{"model":{"type":"turn_context"}}}"#,
        r#"{"type":"event_msg","payload":{"type":"item_completed","item":{"type":"UserMessage","content":"no"}}}"#,
        r#"{"type":"event_msg","payload":null}"#,
        r#"{"type":"event_msg"}"#,
        "[]",
        "\u{0}\u{1}",
    ];
    let record = whole(format!("{meta}\n{}\n", wrong.join("\n")).as_bytes()).unwrap();
    assert_eq!(
        (record.session.as_str(), record.created, record.cwd, record.model),
        ("t", None, None, None)
    );
    assert_eq!(record.turn, TurnState::Failed(Failure::Model));
    for id in [r#""""#, r#""a\nb""#, "5"] {
        let meta = format!("{{\"type\":\"session_meta\",\"payload\":{{\"id\":{id}}}}}\n");
        assert!(whole(meta.as_bytes()).is_err(), "{id}");
    }
}

fn said(bytes: &[u8]) -> Vec<String> {
    let turns = bytes.split(|it| *it == b'\n').flat_map(turns);
    let said = turns.map(|it| {
        let text: String = it.text.lines().next().unwrap_or_default().chars().take(60).collect();
        format!("{:?} {}: {text}", it.role, it.tool.unwrap_or_default())
    });
    said.collect()
}

#[test]
fn turns_of_either_shape_are_shown_once_each() {
    assert_eq!(said(HELLO), ["User : hello world", "Assistant : mock reply to: hello world"]);
    assert_eq!(
        said(LEGACY),
        [
            "User : [[bash:sleep 4; echo old]] [[say:old done]]",
            "Assistant : I will run a tool.",
            "Tool exec_command: {\"cmd\": \"sleep 4; echo old\", \"yield_time_ms\": 30000}",
            "Tool : Chunk ID: 3696a1",
            "Assistant : old done",
        ]
    );
}

#[test]
fn what_an_editor_puts_before_a_prompt_is_no_part_of_it() {
    let check = |message: &str, expect: &[&str]| {
        let item = json!({"type": "UserMessage", "content": [{"type": "text", "text": message}]});
        let payloads = [
            json!({"type": "item_completed", "item": item}),
            json!({"type": "user_message", "message": message}),
        ];
        for payload in payloads {
            let line = json!({"type": "event_msg", "payload": payload}).to_string() + "\n";
            let said: Vec<_> = turns(line.as_bytes()).into_iter().map(|it| it.text).collect();
            assert_eq!(said, expect, "{message}");
            let meta = "{\"type\":\"session_meta\",\"payload\":{\"id\":\"t\"}}\n";
            let prompt = whole([meta, &line].concat().as_bytes()).unwrap().prompt;
            assert_eq!(prompt.as_deref(), expect.first().copied(), "{message}");
        }
    };
    let files = "# Files mentioned by the user:\n\n## a.png: /home/dev/a.png\n";
    let editor = "# Context from my IDE setup:\n\n## Active file: src/pay.ts\n";
    check(&format!("{editor}\n## My request for Codex:\nadd retry"), &["add retry"]);
    check(
        &format!("\n{files}\n## My request:\nlook\n## My request:\nnow"),
        &["look\n## My request:\nnow"],
    );
    check("# Selected text:\n\nx\n\n## My request for Codex:\nexplain", &["explain"]);
    check(&format!("{editor}\n## My request for Codex:\n\n"), &[]);
    // Nothing says where the person begins, or that it is not the person who writes so.
    check(files, &[files]);
    let own = "Write a heading\n## My request:\nand no more";
    check(own, &[own]);
}

#[test]
fn calls_and_answers_of_every_shape_are_shown_as_they_read() {
    let check = |payload: Value, text: &str, tool: Option<&str>| {
        let line = json!({"type": "response_item", "payload": payload}).to_string();
        let [turn] = &turns(line.as_bytes())[..] else { panic!("one turn: {line}") };
        assert_eq!((turn.text.as_str(), turn.tool.as_deref()), (text, tool), "{line}");
    };
    let call = json!({"type": "function_call", "name": "shell", "arguments": "{\"a\":1}"});
    check(call, "{\"a\":1}", Some("shell"));
    let search = json!({"type": "web_search_call", "action": {"query": "rust", "type": "search"}});
    check(search, r#"{"query":"rust","type":"search"}"#, Some("web_search"));
    check(json!({"type": "local_shell_call"}), "", Some("local_shell"));
    let tools = json!({"type": "tool_search_call", "name": 1, "arguments": {"query": "x"}});
    check(tools, r#"{"query":"x"}"#, Some("tool_search"));
    let output = |output: Value| json!({"type": "function_call_output", "output": output});
    check(output(json!("done")), "done", None);
    let parts = json!([{"type": "input_text", "text": "seen"}, {"type": "input_image", "image_url": "data:…"}]);
    check(output(parts), "seen\n[input_image]", None);
    check(output(json!({"success": true})), r#"{"success":true}"#, None);
    check(output(Value::Null), "", None);
}

#[test]
fn a_call_that_waits_is_among_the_turns() {
    let last = said(WAITING).pop().unwrap();
    assert!(last.starts_with("Tool exec_command: {\"cmd\": \"sleep 5\""), "{last}");
}

fn json_like() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec![
        "session_meta",
        "event_msg",
        "response_item",
        "turn_context",
        "task_started",
        "task_complete",
        "item_completed",
        "UserMessage",
        "function_call",
        "token_count",
        "user_message",
        "thread_rolled_back",
        "Plan",
    ]);
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just("[{\"text\":\"x\"}]".to_owned()),
        any::<i64>().prop_map(|it| it.to_string()),
        "[ -~]{0,12}".prop_map(|it| serde_json::Value::from(it).to_string()),
    ];
    let member = prop::sample::select(vec![
        "id",
        "cwd",
        "source",
        "error",
        "item",
        "message",
        "model",
        "call_id",
        "arguments",
        "output",
        "content",
    ]);
    (kind.clone(), kind, prop::collection::btree_map(member, value, 0..5)).prop_map(
        |(outer, inner, members)| {
            let members: Vec<_> =
                members.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
            let members = members.concat();
            format!("{{\"type\":\"{outer}\",\"payload\":{{\"type\":\"{inner}\"{members}}}}}")
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bytes_of_any_kind_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(whole(&bytes));
        turns(&bytes);
    }

    #[test]
    fn records_of_any_kind_never_panic(lines in prop::collection::vec(json_like(), 0..12)) {
        let text = lines.join("\n") + "\n";
        let meta = "{\"type\":\"session_meta\",\"payload\":{\"id\":\"t\"}}\n";
        drop(whole(text.as_bytes()));
        let record = whole([meta, &text].concat().as_bytes());
        prop_assert!(record.is_ok());
        let half = text.len() / 2;
        let (head, tail) = text.as_bytes().split_at(half);
        drop(parse(&Excerpt::parts(Path::new("/x"), head, tail)));
        for line in &lines {
            turns(line.as_bytes());
        }
    }
}
