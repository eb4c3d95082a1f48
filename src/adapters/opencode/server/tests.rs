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
fn pending_permissions_name_their_sessions() {
    let json = br#"[{"id":"per_1","sessionID":"ses_1","permission":"bash","patterns":["echo x"]}]"#;
    assert_eq!(parse_permissions(json), Some(vec![id("ses_1")]));
    assert_eq!(parse_permissions(b"[]"), Some(Vec::new()));
    assert_eq!(parse_permissions(b"{}"), None);
}

#[test]
fn a_directory_of_any_bytes_fits_a_query() {
    let directory = AbsPath::parse("/home/dev/a b&c=é").unwrap();
    assert_eq!(query(&directory), "directory=/home/dev/a%20b%26c%3D%C3%A9");
}
