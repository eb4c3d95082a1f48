use std::io::{Read, Write as _};
use std::time::Duration;

use super::*;

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

#[test]
fn statuses_are_read_and_unknown_words_are_kept() {
    let json = br#"{"ses_1":{"type":"busy"},"ses_2":{"type":"retry","attempt":2},"ses_3":{"type":"dreaming"},"":{"type":"busy"}}"#;
    let expected = [
        (id("ses_1"), Activity::Busy),
        (id("ses_2"), Activity::Busy),
        (id("ses_3"), Activity::Unrecognised("dreaming".into())),
    ];
    assert_eq!(parse_statuses(json), Some(expected.into()));
    assert_eq!(parse_statuses(b"{}"), Some(Statuses::new()));
    for other in [&b"[]"[..], b"<html>", b"", br#"{"ses_1":"busy"}"#] {
        assert_eq!(parse_statuses(other), None);
    }
}

#[test]
fn what_is_pending_names_its_session() {
    let json = br#"[{"id":"per_1","sessionID":"ses_1","permission":"bash","patterns":["echo x"]}]"#;
    assert_eq!(parse_pending(json), Some(vec![id("ses_1")]));
    let json = br#"[{"id":"que_1","sessionID":"ses_1","questions":[{"question":"Which one?"}]}]"#;
    assert_eq!(parse_pending(json), Some(vec![id("ses_1")]));
    assert_eq!(parse_pending(b"[]"), Some(Vec::new()));
    assert_eq!(parse_pending(b"{}"), None);
}

#[test]
fn a_directory_of_any_bytes_fits_a_query() {
    let directory = AbsPath::parse("/home/dev/a b&c=é").unwrap();
    assert_eq!(query(&directory), "directory=/home/dev/a%20b%26c%3D%C3%A9");
}

/// A server that answers each request line with this JSON; tells what it was asked.
fn stand_in(
    mut answer: impl FnMut(&str) -> String + Send + 'static,
) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let line = String::from_utf8(head).unwrap();
            let line = line.split(" HTTP/").next().unwrap().to_owned();
            let body = answer(&line);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            write!(stream, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
            // Nobody listens once the test is over.
            drop(tell.send(line));
        }
    });
    (address, asked)
}

fn abort_at(address: SocketAddr) -> TurnEnd {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let session = SessionId::parse("ses_a").unwrap();
    let served = Served { session, record: None, owner: None, within: Duration::ZERO };
    let directory = AbsPath::parse("/work/a b").unwrap();
    runtime.block_on(abort(address, &directory, &served)).unwrap()
}

/// A server whose session is busy until it is aborted, if it heeds that; it goes on asking.
fn busy_server(is_heeding: bool) -> (SocketAddr, std::sync::mpsc::Receiver<String>) {
    let mut is_busy = true;
    stand_in(move |line| {
        if line.starts_with("POST /session/ses_a/abort?") {
            is_busy = !is_heeding;
            return "true".to_owned();
        }
        let is_pending = line.contains("/permission") || line.contains("/question");
        match (is_pending, is_busy) {
            (true, _) => r#"[{"sessionID":"ses_a"}]"#.to_owned(),
            (false, true) => r#"{"ses_a":{"type":"busy"}}"#.to_owned(),
            (false, false) => "{}".to_owned(),
        }
    })
}

#[test]
fn a_turn_is_aborted_and_seen_to_have_ended_whatever_it_still_asks() {
    let (address, asked) = busy_server(true);
    assert_eq!(abort_at(address), TurnEnd::Ended);
    let posts: Vec<String> = asked.try_iter().filter(|it| it.starts_with("POST")).collect();
    assert_eq!(posts, ["POST /session/ses_a/abort?directory=/work/a%20b"]);
    assert_eq!(abort_at(address), TurnEnd::NoTurn);
    assert_eq!(asked.try_iter().filter(|it| it.starts_with("POST")).count(), 0);
}

#[test]
fn a_turn_that_goes_on_is_not_called_ended() {
    let (address, _asked) = busy_server(false);
    assert_eq!(abort_at(address), TurnEnd::GoesOn);
}
