use proptest::prelude::*;

use super::*;

const JSON: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n";

fn text(bytes: &str, is_ended: bool) -> Result<Option<String>, String> {
    let body = body(bytes.as_bytes(), is_ended).map_err(|it| it.to_string())?;
    Ok(body.map(|it| String::from_utf8(it).unwrap()))
}

#[test]
fn a_body_ends_where_its_answer_says() {
    let counted = format!("{JSON}content-length: 2\r\n\r\n{{}}");
    let chunked =
        format!("{JSON}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1;x=y\r\n}}\r\n0\r\n\r\n");
    for whole in [counted, chunked] {
        assert_eq!(text(&whole, false), Ok(Some("{}".to_owned())));
        // Cut anywhere before the last sign, it is not there yet.
        for end in 0..whole.len() - 4 {
            assert_eq!(text(&whole[..end], false), Ok(None), "{:?}", &whole[..end]);
        }
    }
    let until_closed = format!("{JSON}\r\n{{}}");
    assert_eq!(text(&until_closed, false), Ok(None));
    assert_eq!(text(&until_closed, true), Ok(Some("{}".to_owned())));
}

#[test]
fn what_is_not_json_or_not_ok_is_no_answer() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(text(page, false).unwrap_err(), "the answer is not JSON");
    assert_eq!(text("HTTP/1.1 401 Unauthorized\r\n\r\n", false).unwrap_err(), "status 401");
    for garbage in ["SSH-2.0-OpenSSH", "\0\0\0\0", "HTTP/1.1 two hundred\r\n\r\n"] {
        assert_eq!(text(garbage, false).unwrap_err(), "the answer is not HTTP", "{garbage:?}");
    }
    let endless = format!("{JSON}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n");
    assert_eq!(text(&endless, false).unwrap_err(), "the answer is not HTTP");
}

proptest! {
    #[test]
    fn any_bytes_end_in_some_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300), is_ended: bool) {
        let _answer = body(&bytes, is_ended);
        let mut chunked = format!("{JSON}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
        chunked.extend(bytes);
        let _answer = body(&chunked, is_ended);
    }
}
