//! The bounded head and tail of a transcript, as lines. PURE.

use std::ops::Range;
use std::path::Path;

use memchr::memmem::Finder;

use super::jsonl;
use crate::base::Timestamp;

/// What a parser is shown of one transcript: its first and its last bytes.
#[derive(Clone, Copy, Debug)]
pub struct Excerpt<'a> {
    /// Where the file is; for its name, which some agents put the session id in.
    pub path: &'a Path,
    /// When the file was last written.
    pub modified: Option<Timestamp>,
    head: &'a [u8],
    tail: &'a [u8],
    /// A line from between head and tail that was searched for.
    between: &'a [u8],
    is_whole: bool,
}

impl<'a> Excerpt<'a> {
    /// An excerpt that shows the whole file.
    pub fn whole(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, modified: None, head: bytes, tail: bytes, between: &[], is_whole: true }
    }

    /// An excerpt with something left out between head and tail.
    pub fn parts(path: &'a Path, head: &'a [u8], tail: &'a [u8]) -> Self {
        Self { path, modified: None, head, tail, between: &[], is_whole: false }
    }

    #[must_use]
    pub fn modified_at(self, modified: Option<Timestamp>) -> Self {
        Self { modified, ..self }
    }

    /// The same excerpt with a line from between head and tail.
    #[must_use]
    pub fn with_between(self, line: &'a [u8]) -> Self {
        Self { between: line, ..self }
    }

    /// What is not shown of a file of that size: from the line that the head cuts off, to the end of the
    /// one that the tail cuts off.
    pub fn gap(&self, size: u64) -> Range<u64> {
        let start = memchr::memrchr(b'\n', self.head).map_or(0, |it| it + 1);
        let end = memchr::memchr(b'\n', self.tail).map_or(self.tail.len(), |it| it + 1);
        start as u64..(size.saturating_sub(self.tail.len() as u64) + end as u64).max(start as u64)
    }

    /// How much is shown of the line that the end of the head cuts off.
    pub fn line_cut_by_head(&self) -> usize {
        self.head.len() - memchr::memrchr(b'\n', self.head).map_or(0, |it| it + 1)
    }

    /// How much is shown of the line that the beginning of the tail cuts off.
    pub fn line_cut_by_tail(&self) -> usize {
        memchr::memchr(b'\n', self.tail).unwrap_or(self.tail.len())
    }

    /// When the file was last written, where what was written then may not be shown.
    pub fn modified_unseen(&self) -> Option<Timestamp> {
        self.modified.filter(|_| !self.is_whole)
    }

    /// Whether nothing of the file is left out.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The first bytes as they are, for a first line that is longer than all of them.
    pub fn head(&self) -> &'a [u8] {
        self.head
    }

    /// The last bytes as they are.
    #[cfg(test)]
    pub fn tail(&self) -> &'a [u8] {
        self.tail
    }

    /// The complete lines of the head, in order. A last line without its end is left out: where the file
    /// goes on it is cut, and where it does not, its writer may not be done.
    pub fn head_lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.head;
        let lines = std::iter::from_fn(move || {
            let end = memchr::memchr(b'\n', rest)?;
            let line = &rest[..end];
            rest = &rest[end + 1..];
            Some(line)
        });
        lines.filter(|line| !line.trim_ascii().is_empty())
    }

    /// The complete lines of the tail, the last first.
    pub fn tail_lines(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = match memchr::memrchr(b'\n', self.tail) {
            Some(end) => &self.tail[..end],
            None => &[],
        };
        let mut is_done = rest.is_empty();
        let is_whole = self.is_whole;
        std::iter::from_fn(move || {
            loop {
                if is_done {
                    return None;
                }
                let line = if let Some(start) = memchr::memrchr(b'\n', rest) {
                    let line = &rest[start + 1..];
                    rest = &rest[..start];
                    line
                } else {
                    is_done = true;
                    // The first line of a tail that does not begin with the file is cut.
                    if !is_whole {
                        return None;
                    }
                    rest
                };
                if !line.trim_ascii().is_empty() {
                    return Some(line);
                }
            }
        })
    }

    /// The complete lines of the tail that hold the text, in order. One that is cut off at its beginning counts:
    /// it is no JSON, and who reads it finds out.
    pub fn tail_lines_holding(&self, text: &Finder<'_>) -> impl Iterator<Item = &'a [u8]> {
        jsonl::lines_holding(self.tail, text)
    }

    /// The lines before the tail that hold the text, in order, as far as they are shown; what lies between head
    /// and tail was searched only where a parser wanted it.
    pub fn earlier_lines_holding(&self, text: &Finder<'_>) -> impl Iterator<Item = &'a [u8]> {
        let (head, between) =
            if self.is_whole { (&[][..], &[][..]) } else { (self.head, self.between) };
        jsonl::lines_holding(head, text).chain(jsonl::lines_holding(between, text))
    }
}

/// What a parser made of an excerpt.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    pub value: T,
    /// What else of the file could say something that is still missing.
    pub wants: Wants,
}

/// What a parser has not seen of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// More of the beginning.
    pub longer_head: bool,
    /// More of the end.
    pub longer_tail: bool,
    /// The last line between head and tail of that sort, as far as is searched for it: the excerpt is parsed again
    /// with what was found.
    pub line_holding: Option<Sought>,
}

/// A line that is searched for by a text that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sought {
    /// How the text ends: all that is searched for, once for both of the beginnings.
    pub ending: &'static str,
    pub beginning: &'static str,
    /// How a text begins that will do where there is none of the other; nothing where the tail holds such a one. Both are
    /// said again together: where the one stands just before the tail, or in it, the other is not looked for further off.
    pub second_best: Option<&'static str>,
}

/// A transcript that does not even say which session it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Malformed {
    pub what: String,
    /// The line, counted from 1.
    pub line: Option<u64>,
}

impl Malformed {
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), line: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'a>(it: impl Iterator<Item = &'a [u8]>) -> Vec<&'a str> {
        it.map(|line| str::from_utf8(line).unwrap()).collect()
    }

    #[test]
    fn a_whole_file_shows_each_line_and_drops_a_torn_end() {
        let excerpt = Excerpt::whole(Path::new("x"), b"one\n\ntwo\nthree\ntorn");
        assert_eq!(lines(excerpt.head_lines()), ["one", "two", "three"]);
        assert_eq!(lines(excerpt.tail_lines()), ["three", "two", "one"]);
    }

    #[test]
    fn parts_drop_what_the_cut_has_torn() {
        let excerpt = Excerpt::parts(Path::new("x"), b"one\ntwo\nthr", b"rn\nnine\nten\n");
        assert_eq!(lines(excerpt.head_lines()), ["one", "two"]);
        assert_eq!(lines(excerpt.tail_lines()), ["ten", "nine"]);
    }

    #[test]
    fn the_lines_that_the_cuts_go_through_are_measured() {
        let check = |head: &[u8], tail: &[u8], expect| {
            let excerpt = Excerpt::parts(Path::new("x"), head, tail);
            assert_eq!((excerpt.line_cut_by_head(), excerpt.line_cut_by_tail()), expect);
        };
        check(b"one\nthr", b"rn\nten\n", (3, 2));
        check(b"one\n", b"\nten\n", (0, 0));
        check(b"one", b"ten", (3, 3));
    }

    #[test]
    fn the_lines_with_a_text_are_found_wherever_they_are_shown() {
        let [a, c, two] = ["a", "c", "2"].map(Finder::new);
        let excerpt = Excerpt::parts(Path::new("x"), b"a1\nb\n", b"rn\nc\n");
        assert_eq!(lines(excerpt.earlier_lines_holding(&a)), ["a1"]);
        let between = excerpt.with_between(b"a2\n");
        assert_eq!(lines(between.earlier_lines_holding(&a)), ["a1", "a2"]);
        assert_eq!(lines(excerpt.tail_lines_holding(&a)), [""; 0]);
        assert_eq!(lines(excerpt.tail_lines_holding(&c)), ["c"]);
        let whole = Excerpt::whole(Path::new("x"), b"a1\na2\na3");
        assert_eq!(lines(whole.tail_lines_holding(&a)), ["a1", "a2"], "the last is not complete");
        assert_eq!(lines(whole.tail_lines_holding(&two)), ["a2"]);
        assert_eq!(lines(whole.earlier_lines_holding(&a)), [""; 0], "all is tail");
    }

    #[test]
    fn nothing_is_no_line() {
        for bytes in [&b""[..], b"\n", b"no end", b"\n\n\n"] {
            let excerpt = Excerpt::whole(Path::new("x"), bytes);
            assert_eq!(lines(excerpt.head_lines()), [""; 0], "{bytes:?}");
            assert_eq!(lines(excerpt.tail_lines()), [""; 0], "{bytes:?}");
        }
    }
}
