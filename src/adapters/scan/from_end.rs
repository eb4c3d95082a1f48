//! The last line of a sort, looked for from the end on.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

use super::{CHUNK, LINE_MAX, Unread};
use crate::adapters::jsonl;

/// What `read` makes of the last complete line among the first `size` bytes that holds the needle and of which it makes
/// something. A line of more than [`LINE_MAX`] is passed over.
pub(super) fn last_holding<T>(
    file: &File,
    size: u64,
    needle: &Finder<'_>,
    buffer: &mut [u8],
    is_cancelled: impl Fn() -> bool,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Result<Option<T>, Unread> {
    let mut end = size;
    // A chunk is read into what lies before `CHUNK`. Behind it stands the rest of the line that the chunk ends in: so
    // many bytes, where its end is known and it is not too long.
    let mut rest: Option<usize> = None;
    while end > 0 {
        if is_cancelled() {
            return Err(Unread::GivenUp);
        }
        let start = end.saturating_sub(CHUNK as u64);
        let from = CHUNK - usize::try_from(end - start).unwrap_or(CHUNK);
        match file.read_exact_at(&mut buffer[from..CHUNK], start) {
            Ok(()) => {}
            // It has become shorter: what was there is another state of the file.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        end = start;
        let until = match rest {
            Some(rest) => CHUNK + rest,
            // What comes after the last end of a line is not complete, or too long.
            None => memchr::memrchr(b'\n', &buffer[from..CHUNK]).map_or(from, |it| from + it + 1),
        };
        let first = match start {
            0 => from,
            _ => memchr::memchr(b'\n', &buffer[from..until]).map_or(until, |it| from + it + 1),
        };
        let holding: Vec<_> = jsonl::lines_holding(&buffer[first..until], needle).collect();
        if let Some(found) = holding.into_iter().rev().find_map(&read) {
            return Ok(Some(found));
        }
        let begun = from..first;
        rest = (1..=LINE_MAX).contains(&begun.len()).then_some(begun.len());
        if rest.is_some() {
            buffer.copy_within(begun, CHUNK);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::BUFFER;
    use super::*;

    fn last(content: &[u8], read: impl Fn(&str) -> bool) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let needle = Finder::new("\"usage\"");
        let buffer = &mut vec![0; BUFFER];
        last_holding(
            &file,
            content.len() as u64,
            &needle,
            buffer,
            || false,
            |line| {
                let line = String::from_utf8_lossy(line).into_owned();
                read(&line).then_some(line)
            },
        )
        .unwrap()
    }

    #[test]
    fn the_last_line_of_which_something_is_made_is_found_from_the_end() {
        let lines = b"{\"usage\":1}\n{}\n{\"usage\":2}\n{\"usage\":null}\n{}\n{\"usage\":4";
        let read = |it: &str| !it.contains("null");
        assert_eq!(last(lines, read).as_deref(), Some("{\"usage\":2}"));
        assert_eq!(last(lines, |it| it.ends_with(":1}")).as_deref(), Some("{\"usage\":1}"));
        for nothing in [&b""[..], b"\n", b"{}\n", b"{\"usage\":1}"] {
            assert_eq!(last(nothing, read), None);
        }
    }

    #[test]
    fn from_the_end_too_lines_across_chunks_are_whole() {
        for pad in [CHUNK - 20, CHUNK - 8, CHUNK - 1, CHUNK, 3 * CHUNK] {
            let pad = "x".repeat(pad);
            let long = format!("{{\"usage\":1,\"pad\":\"{pad}\"}}");
            // Behind it, and torn at the end, what does not count.
            for behind in ["", "{}\n", &format!("{pad}\n"), "torn", &pad] {
                let content = format!("{{\"usage\":0}}\n{long}\n{behind}");
                assert!(
                    last(content.as_bytes(), |_| true).as_deref() == Some(&long),
                    "{}",
                    behind.len()
                );
            }
        }
    }

    #[test]
    fn from_the_end_too_a_line_that_is_too_long_is_passed_over() {
        let pad = "x".repeat(LINE_MAX + CHUNK);
        let content = format!("{{\"usage\":1}}\n{{\"usage\":2,\"pad\":\"{pad}\"}}\n");
        assert_eq!(last(content.as_bytes(), |_| true).as_deref(), Some("{\"usage\":1}"));
    }
    #[test]
    fn it_stops_when_told() {
        let file = tempfile::tempfile().unwrap();
        let needle = Finder::new("x");
        let stopped = last_holding(&file, 1, &needle, &mut vec![0; BUFFER], || true, |_| Some(()));
        assert!(matches!(stopped, Err(Unread::GivenUp)));
    }

    #[test]
    fn of_a_file_that_has_become_shorter_nothing_is_told() {
        let file = tempfile::tempfile().unwrap();
        let needle = Finder::new("x");
        let none = last_holding(&file, 1, &needle, &mut vec![0; BUFFER], || false, |_| Some(()));
        assert!(matches!(none, Ok(None)));
    }
}
