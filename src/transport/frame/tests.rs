use proptest::prelude::*;

use super::*;

const CL: Option<Framing> = Some(Framing::ContentLength);
const LINES: Option<Framing> = Some(Framing::Lines);

/// Decodes `input` cut at the given places, and the end of input after it.
fn decode_in_parts<'a>(
    framing: Option<Framing>,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Decoded> {
    let mut decoder = Decoder::new(framing);
    let mut found = Vec::new();
    for mut part in parts {
        while let Some(message) = decoder.decode(&mut part) {
            found.push(message);
        }
        assert!(part.is_empty(), "a decoder without a message to give has used up its input");
        assert!(decoder.buffer.len() <= MAX_MESSAGE_BYTES);
    }
    found.extend(decoder.finish());
    assert_eq!(decoder.finish(), None, "the end of input comes once");
    found
}

/// Checks what `input` decodes to: whole, byte by byte, and cut in two at every offset.
fn check(framing: Option<Framing>, input: &[u8], expect: &[Result<&str, FrameError>]) {
    let expect: Vec<Decoded> = expect.iter().map(|message| message.map(str::to_owned)).collect();
    let shown = String::from_utf8_lossy(input);
    assert_eq!(decode_in_parts(framing, [input]), expect, "{shown:?}");
    assert_eq!(decode_in_parts(framing, input.chunks(1)), expect, "{shown:?} byte by byte");
    for at in 0..input.len() {
        let (front, back) = input.split_at(at);
        assert_eq!(decode_in_parts(framing, [front, back]), expect, "{shown:?} cut at {at}");
    }
}

#[test]
fn lines() {
    use FrameError::NotUtf8;
    check(None, b"", &[]);
    check(None, b" \t\r\n\n", &[]);
    check(None, b"{\"a\":1}\n", &[Ok("{\"a\":1}")]);
    check(None, b"{}\n[]\n", &[Ok("{}"), Ok("[]")]);
    check(None, b"\n\n  {}\n\n \n[]\n\n", &[Ok("{}"), Ok("[]")]);
    check(None, b"{}\r\n[]\r\n", &[Ok("{}\r"), Ok("[]\r")]);
    check(None, b"{}\n[1,", &[Ok("{}"), Ok("[1,")]);
    check(None, b"nonsense\n{}\n", &[Ok("nonsense"), Ok("{}")]);
    check(None, b"null\n7\n", &[Ok("null"), Ok("7")]);
    check(None, "{\"a\":\"\u{e9}\u{1f980}\"}\n".as_bytes(), &[Ok("{\"a\":\"\u{e9}\u{1f980}\"}")]);
    check(None, b"{\"a\":\"\xff\"}\n{}\n", &[Err(NotUtf8), Ok("{}")]);
    check(None, b"\xff\xfe\n{}\n", &[Err(NotUtf8), Ok("{}")]);
    check(LINES, b"Content-Length: 2\n", &[Ok("Content-Length: 2")]);
}

#[test]
fn a_byte_order_mark_is_skipped_before_the_first_message_alone() {
    use FrameError::NotUtf8;
    check(None, b"\xEF\xBB\xBF", &[]);
    check(None, b"\xEF\xBB\xBF{}\n[]\n", &[Ok("{}"), Ok("[]")]);
    check(None, b"\n \xEF\xBB\xBF\r\n{}\n", &[Ok("{}")]);
    check(None, b"\xEF\xBB\xBFContent-Length: 2\r\n\r\n{}", &[Ok("{}")]);
    check(CL, b"\xEF\xBB\xBFContent-Length: 2\r\n\r\n{}", &[Ok("{}")]);
    check(None, b"{}\n\xEF\xBB\xBF[]\n", &[Ok("{}"), Ok("\u{feff}[]")]);
    check(None, b"\xEF\xBB{}\n[]\n", &[Err(NotUtf8), Ok("[]")]);
    check(None, "\u{fefe}{}\n".as_bytes(), &[Ok("\u{fefe}{}")]);
}

#[test]
fn content_length() {
    use FrameError::{Header, Lost, NotUtf8, Truncated};
    use HeaderFault::{BadLength, JsonText, NoLength, NotAField};
    let not_utf8 = Err(Header(HeaderFault::NotUtf8));

    check(None, b"Content-Length: 2\r\n\r\n{}", &[Ok("{}")]);
    check(None, b"content-length:2\n\n{}CONTENT-LENGTH :  2 \r\n\r\n[]", &[Ok("{}"), Ok("[]")]);
    check(
        None,
        b"\r\n\n Content-Length: 2\r\n\r\n{}\r\n\r\nContent-Length: 2\r\n\r\n[]\n",
        &[Ok("{}"), Ok("[]")],
    );
    check(None, b"Content-Length: 0\r\n\r\nContent-Length: 2\r\n\r\n{}", &[Ok(""), Ok("{}")]);
    check(None, b"Content-Length: 3\r\n\r\n{\n}", &[Ok("{\n}")]);
    check(None, b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", &[Ok("{}")]);
    check(None, b"content-type: x\r\nX-Other: y\r\nContent-Length: 2\r\n\r\n{}", &[Ok("{}")]);
    for charset in ["utf-8", "UTF-8", "utf8", "\"utf-8\"", "Utf8; x=y"] {
        let input = format!(
            "Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset={charset}\r\n\r\n{{}}"
        );
        check(None, input.as_bytes(), &[Ok("{}")]);
    }

    // The length is known: one message is lost, the stream goes on.
    let next = "Content-Length: 2\r\n\r\n[]";
    let broken = format!("Content-Type: a; charset=latin1\r\nContent-Length: 2\r\n\r\n{{}}{next}");
    check(CL, broken.as_bytes(), &[not_utf8, Ok("[]")]);
    let broken = format!("Content-Length: 0\r\nContent-Type: a;charset=utf-16\r\n\r\n{next}");
    check(None, broken.as_bytes(), &[not_utf8, Ok("[]")]);
    for nonsense in ["nonsense", ": 2", "\u{fffd}"] {
        let broken = format!("{nonsense}\r\nContent-Length: 2\r\n\r\n{{}}{next}");
        check(CL, broken.as_bytes(), &[Err(Header(NotAField)), Ok("[]")]);
    }
    let broken = [b"Content-Length: 2\r\n\r\n\xff\xff".as_slice(), next.as_bytes()].concat();
    check(None, &broken, &[Err(NotUtf8), Ok("[]")]);

    // The length is not known: nothing after it counts.
    for value in ["", "x", "-1", "+2", "2.0", "2 2", "0x2", "99999999999999999999", "\u{663}"] {
        let broken = format!("Content-Length: {value}\r\n\r\n{{}}{next}");
        check(None, broken.as_bytes(), &[Err(Lost(BadLength))]);
    }
    check(None, b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", &[Err(Lost(BadLength))]);
    check(None, b"Content-Type: x\r\n\r\n{}", &[Err(Lost(NoLength))]);
    check(None, b"contents\r\n\r\n{}", &[Err(Lost(NotAField))]);
    check(CL, b"{\"jsonrpc\":\"2.0\"}\n", &[Err(Lost(JsonText))]);

    // The end comes too early.
    check(None, b"Content-Length: 3\r\n\r\n{}", &[Err(Truncated)]);
    check(None, b"Content-Length: 2\r\n\r", &[Err(Truncated)]);
    check(None, b"Content-Le", &[Err(Truncated)]);
}

#[test]
fn a_header_block_has_a_limit() {
    let block = |size: usize| {
        let fixed = "Content-Length: 2\r\nX: \r\n\r\n".len();
        format!("Content-Length: 2\r\nX: {}\r\n\r\n{{}}", "x".repeat(size - fixed))
    };
    let whole = |text: String| decode_in_parts(None, text.as_bytes().chunks(1000));
    assert_eq!(whole(block(MAX_HEADER_BYTES)), [Ok("{}".to_owned())]);
    assert_eq!(whole(block(MAX_HEADER_BYTES + 1)), [Err(FrameError::Lost(HeaderFault::TooLong))]);
    // Without any line end, too.
    assert_eq!(whole("c".repeat(1 << 20)), [Err(FrameError::Lost(HeaderFault::TooLong))]);
}

#[test]
fn a_message_has_a_limit() {
    for excess in [0, 1, 100_000] {
        let text = format!("\"{}\"", "x".repeat(MAX_MESSAGE_BYTES - 2 + excess));
        let expect = if excess == 0 { Ok(text.clone()) } else { Err(FrameError::TooLong) };
        for (framing, next) in
            [(Framing::Lines, "{}\n"), (Framing::ContentLength, "Content-Length: 2\r\n\r\n{}")]
        {
            let mut input = Vec::new();
            encode(framing, text.as_str().into(), &mut input);
            input.extend_from_slice(next.as_bytes());
            for chunk_size in [3000, usize::MAX] {
                let found = decode_in_parts(Some(framing), input.chunks(chunk_size));
                assert!(
                    found == [expect.clone(), Ok("{}".to_owned())],
                    "{framing:?} +{excess} by {chunk_size}"
                );
            }
        }
    }
    // A claim alone costs nothing, however large.
    check(None, b"Content-Length: 18446744073709551615\r\n\r\n{}", &[Err(FrameError::TooLong)]);
    // A line that never ends is one answer, not many.
    assert_eq!(
        decode_in_parts(None, vec![b'x'; 3 * MAX_MESSAGE_BYTES].chunks(65536)),
        [Err(FrameError::TooLong)]
    );
}

#[test]
fn what_is_encoded_decodes() {
    for framing in [Framing::Lines, Framing::ContentLength] {
        let texts = [r#"{"a":"\n"}"#, "[1, 2]", "{\"b\":\"\u{1f980}\"}"];
        let mut bytes = Vec::new();
        for text in texts {
            encode(framing, text.into(), &mut bytes);
        }
        check(None, &bytes, &texts.map(Ok));
    }
}

#[test]
fn a_text_of_many_lines_is_sent_as_one() {
    let mut bytes = b"{}\n".to_vec();
    encode(Framing::Lines, "{\n  \"a\":\r\n 1\n}".into(), &mut bytes);
    assert_eq!(String::from_utf8(bytes).unwrap(), "{}\n{   \"a\":   1 }\n");
    // The first of all, too.
    let mut bytes = Vec::new();
    encode(Framing::Lines, "[\n]".into(), &mut bytes);
    assert_eq!(bytes, b"[ ]\n");
}

/// Bytes that look enough like a stream to get past its first line.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        "[ -~\r\n]{0,20}".prop_map(String::into_bytes),
        Just(b"Content-Length: ".to_vec()),
        (0..40_u32).prop_map(|length| format!("Content-Length: {length}\r\n\r\n").into_bytes()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"{\"id\":1}\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_decode_alike_however_they_arrive(
        input in stream(),
        chunk_size in 1..64_usize,
        framing in prop_oneof![Just(None), Just(CL), Just(LINES)],
    ) {
        let whole = decode_in_parts(framing, [input.as_slice()]);
        prop_assert_eq!(&whole, &decode_in_parts(framing, input.chunks(chunk_size)));
        let fatal = whole.iter().position(|message| message.as_ref().is_err_and(|error| error.is_fatal()));
        prop_assert!(fatal.is_none_or(|at| at + 1 == whole.len()), "nothing comes after lost framing");
    }
}
