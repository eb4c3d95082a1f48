//! Text of others on a terminal: one line, nothing that steers the terminal, and as wide as it looks.

use std::io;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The text on one line, without what a terminal would obey or hide: control characters, and those that turn the
/// direction of the text around or show nothing.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control());
    let words = words.map(|word| word.chars().filter(|it| !is_format(*it)).collect::<String>());
    words.filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Format characters, but for the joiners that emoji and some scripts are spelt with.
fn is_format(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

/// How many columns the terminal at stdout has; nothing where stdout is none.
pub(super) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// How many columns the text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text, and blanks up to so many columns.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text on lines of at most so many columns, broken at blanks; a word that is wider stays whole.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The text in at most so many columns; its end is what it loses.
pub(super) fn cut_end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let ends = text.char_indices().map(|(at, it)| at + it.len_utf8());
    let beginnings = ends.map(|end| &text[..end]);
    format!("{}…", longest(beginnings, columns))
}

/// The text in at most so many columns; its start is what it loses: the end of a path says more.
pub(super) fn cut_start(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let starts = text.char_indices().rev().map(|(at, _)| at);
    let ends = starts.map(|start| &text[start..]);
    // A mark that has lost its character would stand on the sign of the cut.
    let is_mark = |it: char| it.width() == Some(0);
    format!("…{}", longest(ends, columns).trim_start_matches(is_mark))
}

/// The last of these ever longer pieces that leaves one column free for the mark of a cut. A piece is measured as a whole: a
/// character may be wide by what stands behind it, as an emoji is by its selector.
fn longest<'a>(pieces: impl Iterator<Item = &'a str>, columns: usize) -> &'a str {
    pieces.take_while(|it| width(it) < columns).last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_nothing_that_a_terminal_obeys() {
        let cases = [
            ("fix\n\tthe \x1b[31mbug", "fix the [31mbug"),
            ("a\u{9b}2Jb\u{7}\u{0}c", "a 2Jb c"),
            ("\x1b]0;owned\x07title", "]0;owned title"),
            ("abc\u{202e}txt.exe\u{2066}\u{200b}", "abctxt.exe"),
            ("line\u{2028}separator", "line separator"),
            ("👩\u{200d}💻 works", "👩\u{200d}💻 works"),
        ];
        for (text, line) in cases {
            assert_eq!(one_line(text), line, "{text:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_cut_where_it_says_least() {
        assert_eq!(cut_end("abcdef", 6), "abcdef");
        assert_eq!(cut_end("abcdefg", 6), "abcde…");
        assert_eq!(cut_start("~/work", 6), "~/work");
        assert_eq!(cut_start("~/work/api", 6), "…k/api");
    }

    #[test]
    fn what_is_wrapped_loses_nothing() {
        let check = |columns: usize, lines: &[&str]| {
            assert_eq!(wrapped("one two 日本 /a/long/path end", columns), lines, "{columns}");
        };
        check(7, &["one two", "日本", "/a/long/path", "end"]);
        check(12, &["one two 日本", "/a/long/path", "end"]);
        check(100, &["one two 日本 /a/long/path end"]);
        assert_eq!(wrapped("", 5), [""]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_marks_none() {
        assert_eq!(cut_end("日本語です", 10), "日本語です");
        assert_eq!(cut_end("日本語です", 9), "日本語で…");
        assert_eq!(cut_end("日本語です", 8), "日本語…");
        assert_eq!(cut_start("日本語です", 4), "…す");
        assert_eq!(width(&cut_end("e\u{301}e\u{301}e\u{301}", 2)), 2);
        assert_eq!(cut_end("⚠\u{fe0f}⚠\u{fe0f}⚠\u{fe0f}", 5), "⚠\u{fe0f}⚠\u{fe0f}…");
        assert_eq!(cut_start("⚠\u{fe0f}⚠\u{fe0f}⚠\u{fe0f}", 4), "…⚠\u{fe0f}");
        assert_eq!(padded("日本", 6), "日本  ");
    }
}
