use proptest::prelude::*;

use super::*;

fn step(json: &str) -> TurnState {
    let text = format!(r#"{{"role":"assistant","modelID":"mock-1",{json}}}"#);
    Message::parse(text.as_bytes()).unwrap().turn()
}

fn tool(state: &str) -> Part {
    let json = format!(r#"{{"type":"tool","tool":"bash","callID":"c","state":{{{state}}}}}"#);
    Part::parse(json.as_bytes()).unwrap()
}

#[test]
fn a_turn_stands_as_its_newest_step_does() {
    let aborted = r#""time":{"created":1,"completed":2},"error":{"name":"MessageAbortedError","data":{"message":"Aborted"}}"#;
    let refused = |code: u16| {
        format!(
            r#""time":{{"created":1,"completed":2}},"error":{{"name":"APIError","data":{{"message":"no","statusCode":{code}}}}}"#
        )
    };
    let login = r#""time":{"created":1},"error":{"name":"ProviderAuthError","data":{"providerID":"p","message":"m"}}"#;
    let cases = [
        (r#""time":{"created":1}"#, TurnState::InProgress),
        (r#""time":{"created":1,"completed":2},"finish":"tool-calls""#, TurnState::InProgress),
        (r#""time":{"created":1,"completed":2},"finish":"unknown""#, TurnState::InProgress),
        (r#""time":{"created":1,"completed":2},"finish":"stop""#, TurnState::Completed),
        (r#""time":{"created":1,"completed":2},"finish":"length""#, TurnState::Completed),
        (
            r#""time":{"created":1,"completed":2},"finish":"error""#,
            TurnState::Failed(Failure::Model),
        ),
        (aborted, TurnState::Interrupted),
        (&refused(400), TurnState::Failed(Failure::Model)),
        (&refused(401), TurnState::Failed(Failure::Auth)),
        (login, TurnState::Failed(Failure::Auth)),
    ];
    for (json, expected) in cases {
        assert_eq!(step(json), expected, "{json}");
    }
    let user = Message::parse(br#"{"role":"user","time":{"created":1}}"#).unwrap();
    assert_eq!(user.turn(), TurnState::InProgress);
}

#[test]
fn a_running_tool_tells_whether_it_waits_for_a_human() {
    let unfinished = Message::parse(br#"{"role":"assistant","time":{"created":1}}"#).unwrap();
    let turn = |part| unfinished.turn_with(&[part]);
    let waiting = tool(r#""status":"running","input":{},"time":{"start":1}"#);
    assert_eq!(turn(waiting.clone()), TurnState::Waiting(WaitingFor::Permission));
    // As 1.18.33 stores a file's change while it asks.
    for (name, expected) in [
        ("write", TurnState::Waiting(WaitingFor::Permission)),
        ("edit", TurnState::Waiting(WaitingFor::Permission)),
        ("apply_patch", TurnState::Waiting(WaitingFor::Permission)),
        ("webfetch", TurnState::InProgress),
    ] {
        let json = format!(
            r#"{{"type":"tool","tool":"{name}","callID":"call_4491a94a81fa4701a6","state":{{"status":"running","input":{{"filePath":"/home/dev/work/a/new.txt","content":"hi"}},"time":{{"start":1795818252425}}}}}}"#
        );
        assert_eq!(turn(Part::parse(json.as_bytes()).unwrap()), expected, "{name}");
    }
    let at_work = tool(r#""status":"running","input":{},"metadata":{"output":""}"#);
    assert_eq!(turn(at_work), TurnState::InProgress);
    assert_eq!(turn(tool(r#""status":"completed","output":"x""#)), TurnState::InProgress);

    let between = Message::parse(
        br#"{"role":"assistant","time":{"created":1,"completed":2},"finish":"tool-calls"}"#,
    )
    .unwrap();
    let refused = tool(
        r#""status":"error","error":"The user rejected permission to use this specific tool call.""#,
    );
    assert_eq!(between.turn_with(&[refused]), TurnState::Interrupted);
    let failed = tool(r#""status":"error","error":"exit 1""#);
    assert_eq!(between.turn_with(&[failed]), TurnState::InProgress);
    assert_eq!(between.turn_with(&[waiting]), TurnState::InProgress);
}

#[test]
fn a_prompt_loses_the_quotes_that_the_command_line_added() {
    for (text, expected) in [
        (r#""hello world one""#, "hello world one"),
        ("\"legacy one\"\n", "legacy one"),
        (r#""say \"hi\" to them""#, r#"say "hi" to them"#),
        ("plain", "plain"),
        (r#""quoted""#, r#""quoted""#),
        (r#""a b" and "c d""#, r#""a b" and "c d""#),
        (r#"""#, r#"""#),
        (r#""a b\""#, r#""a b\""#),
    ] {
        assert_eq!(prompt(&[Part::Text(text.to_owned())]).unwrap(), expected, "{text}");
    }
    let synthetic = br#"{"type":"text","text":"Called the Read tool","synthetic":true}"#;
    assert_eq!(Part::parse(synthetic), None);
    assert_eq!(prompt(&[Part::Text(" \n".to_owned())]), None);
}

#[test]
fn a_default_title_is_none() {
    let check = |text: &str| title(text.to_owned()).is_some();
    assert!(!check("New session - 2026-11-22T20:19:44.851Z"));
    assert!(!check("Child session - 2026-11-22T20:19:44.851Z"));
    assert!(!check("  "));
    assert!(check("New session - of the parliament"));
    assert!(check("Mock title"));
}

#[test]
fn turns_show_texts_and_tools_in_order_and_cut_long_results() {
    let message =
        Message::parse(br#"{"role":"assistant","time":{"created":1795378785545}}"#).unwrap();
    let long = format!(
        r#""status":"completed","input":{{"command":"ls"}},"output":"{}""#,
        "é".repeat(TOOL_TEXT_MAX)
    );
    let turns = turns(
        &message,
        vec![Part::Text("Looking.".into()), tool(&long), Part::Text(String::new())],
    );
    let roles: Vec<_> =
        turns.iter().map(|it| (it.role, it.tool.as_deref(), it.truncated)).collect();
    assert_eq!(roles, [(Role::Assistant, None, None), (Role::Tool, Some("bash"), Some(true))]);
    assert!(turns[1].text.starts_with("{\"command\":\"ls\"}\né"));
}

#[test]
fn what_is_cut_at_any_byte_is_nothing() {
    let message = br#"{"role":"assistant","tokens":{"input":1000,"output":30,"cache":{"write":0,"read":200}},"cost":0.00357,"modelID":"mock-1","time":{"created":1795378788834,"completed":1795378795067},"finish":"stop"}"#;
    let part = br#"{"type":"tool","tool":"bash","state":{"status":"completed","input":{"command":"ls"},"output":"\u00e9"}}"#;
    assert!(Message::parse(message).is_some() && Part::parse(part).is_some());
    assert!((0..message.len()).all(|end| Message::parse(&message[..end]).is_none()));
    assert!((0..part.len()).all(|end| Part::parse(&part[..end]).is_none()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Message::parse(&bytes);
        Part::parse(&bytes);
    }

    #[test]
    fn members_of_any_kind_are_read_without_harm(
        time in value(), tokens in value(), error in value(), finish in value(), state in value(),
    ) {
        let message = format!(r#"{{"role":"assistant","time":{time},"tokens":{tokens},"error":{error},"finish":{finish}}}"#);
        if let Some(message) = Message::parse(message.as_bytes()) {
            message.turn_with(&[]);
        }
        Part::parse(format!(r#"{{"type":"tool","tool":"bash","state":{state}}}"#).as_bytes());
    }

    #[test]
    fn what_the_command_line_quotes_is_what_was_asked(words in "[a-z\"]{1,9} [a-z\" ]{0,9}[a-z\"]") {
        let quoted = format!("\"{}\"", words.replace('"', "\\\""));
        prop_assert_eq!(unquoted(&quoted), words);
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("\"text\"".to_owned()),
        any::<i64>().prop_map(|it| it.to_string()),
        Just("1e400".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just(r#"{"created":9223372036854775807,"completed":-1,"input":-1,"status":"running","name":7}"#.to_owned()),
    ]
}
