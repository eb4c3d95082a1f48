//! The bounded head and tail of a transcript, as lines.

use std::path::Path;

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
    is_whole: bool,
}

impl<'a> Excerpt<'a> {
    /// An excerpt that shows the whole file.
    pub fn whole(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, modified: None, head: bytes, tail: bytes, is_whole: true }
    }

    /// An excerpt with something left out between head and tail.
    pub fn parts(path: &'a Path, head: &'a [u8], tail: &'a [u8]) -> Self {
        Self { path, modified: None, head, tail, is_whole: false }
    }

    #[must_use]
    pub fn modified_at(self, modified: Option<Timestamp>) -> Self {
        Self { modified, ..self }
    }

    /// Whether nothing of the file is left out.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The first bytes as they are, for a first line that is longer than all of them.
    pub fn head(&self) -> &'a [u8] {
        self.head
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
}

/// What a parser made of an excerpt.
#[derive(Clone, Debug)]
pub struct Parsed<T> {
    pub value: T,
    /// Whether more of the file could say something that is still missing.
    pub wants_more: bool,
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
    fn nothing_is_no_line() {
        for bytes in [&b""[..], b"\n", b"no end", b"\n\n\n"] {
            let excerpt = Excerpt::whole(Path::new("x"), bytes);
            assert_eq!(lines(excerpt.head_lines()), [""; 0], "{bytes:?}");
            assert_eq!(lines(excerpt.tail_lines()), [""; 0], "{bytes:?}");
        }
    }
}
