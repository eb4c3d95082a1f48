use super::*;

fn request(id: Id, method: &str, params: &str) -> Call {
    Call::Request(Request { id, method: method.to_owned(), params: params.to_owned() })
}

fn one(text: &str) -> Call {
    match parse(text) {
        Message::One(call) => call,
        batch @ Message::Batch(_) => panic!("{text} is a batch: {batch:?}"),
    }
}

/// The code and id of the error that `text` is answered with.
fn refusal(text: &str) -> (i32, Id) {
    match one(text) {
        Call::Invalid { id, error } => (error.code(), id),
        call => panic!("{text} is a call: {call:?}"),
    }
}

/// The id that JSON spells so.
fn id(json: &str) -> Id {
    Id::parse(serde_json::from_str(json).unwrap()).unwrap()
}

#[test]
fn ids_come_back_as_they_came() {
    for json in [
        "null",
        "0",
        "-7",
        "1.0",
        "1.50",
        "1e3",
        "9007199254740993",
        "1000000000000000000000000000000000000000000",
        "\"\"",
        "\"1\"",
        r#""a\"b""#,
    ] {
        let call = one(&format!(r#"{{"jsonrpc":"2.0","id":{json},"method":"m"}}"#));
        assert_eq!(call, request(id(json), "m", "{}"), "{json}");
        let reply = format!(r#"{{"jsonrpc":"2.0","id":{json},"result":null}}"#);
        assert_eq!(*result_reply(&id(json), RawValue::NULL), reply);
    }
    assert_eq!(id(r#""\u0061""#), id("\"a\""));
    assert!(id("1") != id("\"1\"") && id("1") != id("2"));
    for json in ["true", "{}", "[1]"] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{json},"method":"m"}}"#);
        assert_eq!(refusal(&text), (-32600, Id::Null), "{json}");
    }
}

#[test]
fn no_params_have_one_spelling() {
    for (member, params) in [
        ("", "{}"),
        (r#","params":null"#, "{}"),
        (r#","params":{ }"#, "{}"),
        (",\"params\":[\n]", "{}"),
        (r#","params":{"a": 1}"#, r#"{"a": 1}"#),
        (r#","params":[ 1 ]"#, "[ 1 ]"),
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m"{member}}}"#);
        assert_eq!(one(&text), request(id("1"), "m", params), "{text}");
        let text = format!(r#"{{"jsonrpc":"2.0","method":"m"{member}}}"#);
        assert_eq!(
            one(&text),
            Call::Notification { method: "m".to_owned(), params: params.to_owned() }
        );
    }
}

#[test]
fn what_is_not_a_call_is_told_from_what_is_not_json() {
    let one = id("1");
    for (text, code, id) in [
        ("", -32700, Id::Null),
        ("nonsense", -32700, Id::Null),
        ("{", -32700, Id::Null),
        ("{}{}", -32700, Id::Null),
        ("null x", -32700, Id::Null),
        (r#"{"id":1,"#, -32700, Id::Null),
        ("[1,", -32700, Id::Null),
        ("[1]]", -32700, Id::Null),
        ("null", -32600, Id::Null),
        ("42", -32600, Id::Null),
        ("\"text\"", -32600, Id::Null),
        ("true", -32600, Id::Null),
        ("{}", -32600, Id::Null),
        ("[]", -32600, Id::Null),
        (" [ ]", -32600, Id::Null),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32600, one.clone()),
        (r#"{"jsonrpc":"2.0","method":1,"params":"bar"}"#, -32600, Id::Null),
        (r#"{"jsonrpc":"2.0","method":"m","params":"bar"}"#, -32600, Id::Null),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":"bar"}"#, -32600, one.clone()),
        (r#"{"jsonrpc":"2.0","id":1,"method":"m","params":7}"#, -32600, one.clone()),
        (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, -32600, one.clone()),
        (r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, -32600, one.clone()),
        (r#"{"id":1,"method":"m"}"#, -32600, one),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#, -32600, Id::Null),
    ] {
        assert_eq!(refusal(text), (code, id), "{text}");
    }
}

#[test]
fn members_of_a_batch_stand_for_themselves() {
    let Message::Batch(calls) =
        parse(r#" [1, [], {"jsonrpc":"2.0","id":"a","method":"m"}, ["2.0", 1, "m"]]"#)
    else {
        panic!("a batch");
    };
    let [Call::Invalid { .. }, Call::Invalid { .. }, call, Call::Invalid { .. }] = calls.as_slice()
    else {
        panic!("{calls:?}");
    };
    assert_eq!(*call, request(Id::Text("a".to_owned()), "m", "{}"));
}

#[test]
fn a_batch_has_a_limit() {
    let batch = |size: usize| format!("[{}]", vec!["1"; size].join(","));
    let Message::Batch(calls) = parse(&batch(MAX_BATCH_CALLS)) else { panic!("a batch") };
    assert_eq!(calls.len(), MAX_BATCH_CALLS);
    assert_eq!(refusal(&batch(MAX_BATCH_CALLS + 1)), (-32600, Id::Null));
}

#[test]
fn replies_are_not_answered() {
    assert_eq!(one(r#"{"jsonrpc":"2.0","id":1,"result":null}"#), Call::Reply);
    assert_eq!(one(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#), Call::Reply);
}

#[test]
fn depth_and_long_names_are_harmless() {
    let deep = "[".repeat(100_000);
    assert_eq!(refusal(&deep).0, -32700);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let Message::Batch(calls) = parse(&deep) else { panic!("a batch of one") };
    assert!(matches!(calls.as_slice(), [Call::Invalid { .. }]));
    let long = "\u{e9}".repeat(1000);
    assert_eq!(beginning(&long).chars().count(), 64);
}
