//! JSON5, which OpenClaw's settings are written in, made into JSON of the same lines. PURE.
//!
//! It goes from token to token: comments and the last comma of a list are left out, names and texts are quoted as JSON
//! wants them. What is no JSON5 becomes no JSON either, and the parser of JSON says where.
//!
//! By hand, since the crate `json5` (1.3.7) reads brackets within brackets until the stack is full.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

/// The text as JSON.
pub(super) fn to_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    // A comma, and the white space behind it, until it shows whether it is the last one.
    let mut held: Option<String> = None;
    while let Some(first) = rest.next() {
        let token: Cow<'static, str> = match first {
            ',' if held.is_none() => {
                held = Some(String::new());
                continue;
            }
            '/' if matches!(rest.peek(), Some('/' | '*')) => comment(&mut rest).into(),
            it if it.is_whitespace() => if it == '\n' { "\n" } else { " " }.into(),
            '"' | '\'' => match text_until(first, &mut rest) {
                Some(text) => quoted(&text).into(),
                // No text in JSON either, and in the same line.
                None => "\"\u{1}".into(),
            },
            it if is_of_word(it) => word(it, &mut rest).into(),
            it => it.to_string().into(),
        };
        let is_blank = token.trim().is_empty();
        match &mut held {
            Some(blank) if is_blank => blank.push_str(&token),
            Some(blank) => {
                // One that nothing stands before is a mistake in both.
                let is_last = matches!(first, '}' | ']') && !json.trim_end().ends_with(['{', '[']);
                if !is_last {
                    json.push(',');
                }
                json.push_str(blank);
                json.push_str(&token);
                held = None;
            }
            None => json.push_str(&token),
        }
    }
    if held.is_some() {
        json.push(',');
    }
    json
}

/// Passes over a comment whose first `/` is read; returns the line ends that it holds.
fn comment(rest: &mut Peekable<Chars<'_>>) -> String {
    let is_line = rest.next() == Some('/');
    let mut lines = String::from(" ");
    let mut last = ' ';
    while let Some(it) = rest.next_if(|it| !(is_line && *it == '\n')) {
        if it == '\n' {
            lines.push('\n');
        }
        if !is_line && last == '*' && it == '/' {
            break;
        }
        last = it;
    }
    lines
}

/// What a text says up to its closing quote; nothing where its line ends before.
fn text_until(quote: char, rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut text = String::new();
    while let Some(it) = rest.next_if(|it| *it != '\n') {
        match it {
            it if it == quote => return Some(text),
            '\\' => text.extend(escaped(rest)),
            it => text.push(it),
        }
    }
    None
}

/// The character behind a backslash; nothing for a line that goes on in the next.
fn escaped(rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    match rest.next()? {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'v' => Some('\u{b}'),
        '0' => Some('\0'),
        'x' => coded(rest, 2),
        'u' => coded(rest, 4),
        '\n' => None,
        it => Some(it),
    }
}

/// The character of a code in that many digits.
fn coded(rest: &mut Peekable<Chars<'_>>, digits: usize) -> Option<char> {
    let hex: String = (0..digits).map_while(|_| rest.next_if(char::is_ascii_hexdigit)).collect();
    u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)
}

/// A name, a number or one of the three words of JSON.
fn word(first: char, rest: &mut Peekable<Chars<'_>>) -> String {
    let mut word = String::from(first);
    while let Some(it) = rest.next_if(|it| is_of_word(*it)) {
        word.push(it);
    }
    let mut ahead = rest.clone();
    let is_name = ahead.find(|it| !it.is_whitespace()) == Some(':');
    let is_json = || serde_json::from_str::<serde::de::IgnoredAny>(&word).is_ok();
    if is_name {
        return quoted(&word);
    }
    if is_json() { word } else { number(&word).unwrap_or_else(|| quoted(&word)) }
}

/// A number in one of the ways that JSON has not.
fn number(word: &str) -> Option<String> {
    let plain = word.strip_prefix('+').unwrap_or(word);
    if let Some(hex) = plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
        return u64::from_str_radix(hex, 16).ok().map(|it| it.to_string());
    }
    let is_number = plain.starts_with(|it: char| it.is_ascii_digit() || matches!(it, '-' | '.'));
    let number = plain.parse::<f64>().ok().filter(|it| is_number && it.is_finite())?;
    Some(plain.parse::<i64>().map_or_else(|_| number.to_string(), |it| it.to_string()))
}

fn is_of_word(it: char) -> bool {
    it.is_alphanumeric() || matches!(it, '_' | '$' | '+' | '-' | '.')
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn check(text: &str, expect: &Value) {
        let read = serde_json::from_str::<Value>(&to_json(text));
        assert_eq!(read.ok().as_ref(), Some(expect), "{text} became {}", to_json(text));
    }

    #[test]
    fn what_json5_has_and_json_has_not_is_read() {
        let text = "\u{feff}// of the gateway\n{ gateway: { /* where\n it is */ port: 18_9, },}";
        assert!(serde_json::from_str::<Value>(&to_json(text)).is_ok());
        check("{port: 1, // no more\n}", &json!({ "port": 1 }));
        check(
            "{a: [1, 2, /* last */ ], b: {c: null,},}",
            &json!({ "a": [1, 2], "b": { "c": null } }),
        );
        check(r#"{'it\'s': "a 'b'", $_ü: '"'}"#, &json!({ "it's": "a 'b'", "$_ü": "\"" }));
        check(
            r"['\x41\u00fc\n\q\0', 'a\
b']",
            &json!(["Aü\nq\0", "ab"]),
        );
        check("[+1, .5, 5., 0x1F, -.5, 1e3]", &json!([1, 0.5, 5, 31, -0.5, 1e3]));
        check(
            "{true: true, null: 'x', 7: false}",
            &json!({ "true": true, "null": "x", "7": false }),
        );
        check("{a: 'http://x', b: \"/* no */\"}", &json!({ "a": "http://x", "b": "/* no */" }));
        // Numbers that JSON cannot hold stay words.
        check("[Infinity, -Infinity, NaN]", &json!(["Infinity", "-Infinity", "NaN"]));
    }

    #[test]
    fn what_is_no_json5_is_no_json() {
        for text in
            ["", "{", "{a: 'b}\n", "[1,,2]", "[,]", "{a 1}", "{,}", "1 2", "[1],", "/* {} */"]
        {
            let json = to_json(text);
            assert!(serde_json::from_str::<Value>(&json).is_err(), "{text} became {json}");
        }
    }

    #[test]
    fn lines_stay_where_they_were() {
        let text = "{ // one\n /* two\n three */ a: 1,\n\n b: 'x\n}";
        let error = serde_json::from_str::<Value>(&to_json(text)).unwrap_err();
        assert_eq!(error.line(), 5);
    }

    proptest! {
        #[test]
        fn json_is_json5(text in "[ -~äß]{0,12}", number in any::<i32>(), more in any::<bool>()) {
            let value = json!({ "a": [text, number, more, null], "b": { "c": text } });
            prop_assert_eq!(serde_json::from_str::<Value>(&to_json(&value.to_string())).ok(), Some(value));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+.,:{}\\[\\]'\"/*x0-9a \\\\\n]{0,40}") {
            to_json(&text);
        }
    }
}
