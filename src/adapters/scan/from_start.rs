//! Lines from the beginning on.

use std::io::{self, Read};
use std::ops::ControlFlow;

use memchr::memmem::Finder;

use super::{CHUNK, LINE_MAX, Unread};
use crate::adapters::jsonl;

/// Calls `each` with every complete line that holds the needle, until it breaks off. Returns how many such lines were
/// too long to be kept and so passed over.
pub(super) fn lines_holding(
    needle: &Finder<'_>,
    mut content: impl Read,
    buffer: &mut [u8],
    is_cancelled: impl Fn() -> bool,
    mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<u64, Unread> {
    let overlap = needle.needle().len().saturating_sub(1);
    // How much of the buffer is used, and how much of that is filled.
    let mut room = CHUNK;
    let mut filled = 0;
    let mut passed_over = 0;
    // Set while inside a line that is too long: whether the needle was seen in it.
    let mut too_long: Option<bool> = None;
    loop {
        if is_cancelled() {
            return Err(Unread::GivenUp);
        }
        let read = match content.read(&mut buffer[filled..room]) {
            Ok(0) => return Ok(passed_over),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let fresh = filled;
        filled += read;
        if let Some(is_seen) = too_long {
            let end = memchr::memchr(b'\n', &buffer[fresh..filled]).map(|it| fresh + it);
            let is_seen = is_seen || needle.find(&buffer[..end.unwrap_or(filled)]).is_some();
            // The rest of the line is let go, but for what may be the needle's beginning.
            let rest = match end {
                Some(end) => end + 1,
                None => filled.saturating_sub(overlap),
            };
            buffer.copy_within(rest..filled, 0);
            filled -= rest;
            too_long = end.is_none().then_some(is_seen);
            passed_over += u64::from(end.is_some() && is_seen);
            if end.is_none() {
                continue;
            }
        }
        if let Some(end) = memchr::memrchr(b'\n', &buffer[..filled]) {
            if jsonl::lines_holding(&buffer[..=end], needle).any(|line| each(line).is_break()) {
                return Ok(passed_over);
            }
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        } else if filled == LINE_MAX {
            too_long = Some(needle.find(&buffer[..filled]).is_some());
            buffer.copy_within(filled - overlap..filled, 0);
            filled = overlap;
        } else if filled == room {
            room = (room * 2).min(LINE_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Seek, Write};

    use super::super::BUFFER;
    use super::*;

    fn hits(content: &[u8]) -> (Vec<String>, u64) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        scan(file)
    }

    fn scan(mut file: File) -> (Vec<String>, u64) {
        file.rewind().unwrap();
        let mut found = Vec::new();
        let passed_over = read(file, |line| {
            found.push(String::from_utf8_lossy(line).into_owned());
            ControlFlow::Continue(())
        });
        (found, passed_over)
    }

    fn read(content: impl Read, each: impl FnMut(&[u8]) -> ControlFlow<()>) -> u64 {
        let needle = Finder::new("\"usage\"");
        lines_holding(&needle, content, &mut vec![0; BUFFER], || false, each).unwrap()
    }

    #[test]
    fn only_complete_lines_with_the_needle_are_shown() {
        let (found, passed_over) = hits(
            b"{}\n{\"usage\":1}\n\n{\"a\":\"usage\"}\n{\"usage\":2,\"usage\":3}\n{\"usage\":4",
        );
        assert_eq!(found, [r#"{"usage":1}"#, r#"{"a":"usage"}"#, r#"{"usage":2,"usage":3}"#]);
        assert_eq!(passed_over, 0);
    }

    #[test]
    fn a_transcript_quoted_in_a_tools_result_is_not_shown() {
        let quoted = r#"{"message":{"usage":{"input_tokens":7777777}}}"#;
        let line = serde_json::json!({ "toolUseResult": { "stdout": quoted } }).to_string();
        assert_eq!(hits(format!("{line}\n").as_bytes()).0, [""; 0]);
    }

    #[test]
    fn lines_across_chunks_are_whole() {
        for pad in [CHUNK - 20, CHUNK - 8, CHUNK - 1, CHUNK, 3 * CHUNK] {
            let long = format!("{{\"pad\":\"{}\",\"usage\":1}}", "x".repeat(pad));
            let (found, _) = hits(format!("{{}}\n{long}\n{long}\n").as_bytes());
            assert!(found == [long.clone(), long], "{pad}");
        }
    }

    #[test]
    fn a_line_of_200_megabytes_is_passed_over_in_bounded_memory() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"{\"usage\":1}\n{\"pad\":\"").unwrap();
        file.seek(io::SeekFrom::Current(200 << 20)).unwrap();
        file.write_all(b"\",\"usage\":2}\n{\"usage\":3}\n").unwrap();
        let (found, passed_over) = scan(file);
        assert_eq!((found.len(), passed_over), (2, 1));
    }

    #[test]
    fn a_needle_cut_by_the_bound_of_a_long_line_is_still_seen() {
        for shift in 0..8 {
            let before = "x".repeat(LINE_MAX - shift);
            let (found, passed_over) = hits(format!("{before}\"usage\"\n{{}}\n").as_bytes());
            assert_eq!((found.len(), passed_over), (0, 1), "{shift}");
        }
    }

    #[test]
    fn nothing_is_read_behind_the_line_that_is_enough() {
        let content = [&b"{\"usage\":1}\n{\"usage\":2}\n"[..], &vec![b'x'; 2 * CHUNK]].concat();
        let mut rest = &content[..];
        let mut found = 0;
        let passed_over = read(&mut rest, |_| {
            found += 1;
            ControlFlow::Break(())
        });
        assert_eq!((found, passed_over), (1, 0));
        assert_eq!(rest.len(), content.len() - CHUNK);
    }

    #[test]
    fn it_stops_when_told() {
        let each = |_: &[u8]| ControlFlow::Continue(());
        let stopped =
            lines_holding(&Finder::new("x"), &b"x\n"[..], &mut vec![0; BUFFER], || true, each);
        assert!(matches!(stopped, Err(Unread::GivenUp)));
    }
}
