//! Transcripts read from end to end for the few lines that matter, in bounded memory.
//!
//! What must be exact (tokens, above all) cannot come from an excerpt. A [`Tally`] says which lines it wants
//! and adds them up; [`all`] reads each transcript once and remembers what it came to for as long as the file
//! stays as it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use memchr::memmem::{Finder, FinderRev};

use super::evidence::problem_at;
use super::files::{Transcript, open_regular};
use super::parallel;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Bytes read at once: large enough that the calls cost nothing, small enough to stay in a processor's cache.
const CHUNK: usize = 256 << 10;
/// Longest line that is kept whole. The longest with tokens in it seen was of 400 KB: a tool's result,
/// quoted twice. A longer one is passed over, and said to be.
const LINE_MAX: usize = 4 << 20;

/// What the lines of one transcript add up to.
pub trait Tally: Default + Send + Sync + 'static {
    /// Names this tally in the memory of what was read; each tally its own.
    const PURPOSE: &'static str;
    /// The text that a line must hold to be counted: cheap to find, and in no line by chance.
    /// `"usage"` with its quotes stands in no string of JSON but at its very end, so that a transcript
    /// quoted inside another one's tool result does not hold it.
    const NEEDLE: &'static str;

    /// Adds one complete line that holds the needle, without its end. It need not be JSON.
    fn add(&mut self, line: &[u8]);

    /// Called once, after the last line.
    fn finish(&mut self) {}
}

/// What each transcript adds up to, in their order; nothing for one that cannot be read or that was not
/// reached before the request was given up.
pub fn all<T: Tally>(
    scope: &Scope,
    transcripts: &[&Transcript],
    problems: &mut Vec<Problem>,
) -> Vec<Option<Arc<T>>> {
    let recall = |it: &&Transcript| scope.memo.recall::<Scanned<T>>(T::PURPOSE, it.stamp);
    let mut scanned: Vec<_> = transcripts.iter().map(recall).collect();
    let mut unread: Vec<usize> = (0..scanned.len()).filter(|it| scanned[*it].is_none()).collect();
    // The largest first: a thread that begins a large file last would leave the others waiting.
    unread.sort_by_key(|it| std::cmp::Reverse(transcripts[*it].stamp.size));
    let needle = Finder::new(T::NEEDLE);
    let read = parallel::map(scope, &unread, 1, Vec::new, |buffer, index| {
        read_whole::<T>(scope, transcripts[*index], &needle, buffer)
    });
    for (index, outcome) in unread.into_iter().zip(read) {
        match outcome {
            Ok(whole) => scanned[index] = whole,
            // Moved or removed since it was found.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => problems.push(problem_at(
                ProblemKind::Unreadable,
                &transcripts[index].path,
                error.to_string(),
            )),
        }
    }
    for (transcript, scanned) in transcripts.iter().zip(&scanned) {
        let passed_over = scanned.as_ref().map_or(0, |it| it.passed_over);
        if passed_over > 0 {
            let message = format!(
                "{passed_over} lines of more than {LINE_MAX} bytes hold `{}` and are not counted",
                T::NEEDLE
            );
            problems.push(problem_at(ProblemKind::TooLarge, &transcript.path, message));
        }
    }
    // The tally shares its allocation with the count beside it.
    scanned.into_iter().map(|it| it.map(|it| Arc::clone(&it.tally))).collect()
}

/// What one transcript came to.
#[derive(Debug)]
struct Scanned<T> {
    tally: Arc<T>,
    passed_over: u64,
}

fn read_whole<T: Tally>(
    scope: &Scope,
    transcript: &Transcript,
    needle: &Finder<'_>,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Arc<Scanned<T>>>> {
    let (file, meta) = open_regular(&transcript.path)?;
    let stamp = FileStamp::of(&meta);
    let mut tally = T::default();
    // What is written from now on belongs to the file's next state.
    let state = file.take(stamp.size);
    let Some(passed_over) =
        lines_holding(needle, state, buffer, || scope.is_cancelled(), |it| tally.add(it))?
    else {
        return Ok(None);
    };
    tally.finish();
    let scanned = Arc::new(Scanned { tally: Arc::new(tally), passed_over });
    scope.memo.remember(T::PURPOSE, stamp, scanned.clone());
    Ok(Some(scanned))
}

/// Calls `each` with every complete line that holds the needle. Returns how many such lines were too long
/// to be kept and so passed over; nothing where it was told to stop before the end.
pub fn lines_holding(
    needle: &Finder<'_>,
    mut file: io::Take<File>,
    buffer: &mut Vec<u8>,
    is_cancelled: impl Fn() -> bool,
    mut each: impl FnMut(&[u8]),
) -> io::Result<Option<u64>> {
    let overlap = needle.needle().len().saturating_sub(1);
    buffer.resize(CHUNK.max(buffer.len()), 0);
    let mut filled = 0;
    let mut passed_over = 0;
    // Set while inside a line that is too long: whether the needle was seen in it.
    let mut too_long: Option<bool> = None;
    loop {
        if is_cancelled() {
            return Ok(None);
        }
        let read = match file.read(&mut buffer[filled..]) {
            Ok(0) => return Ok(Some(passed_over)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
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
            each_holding(needle, &buffer[..end], &mut each);
            buffer.copy_within(end + 1..filled, 0);
            filled -= end + 1;
        } else if filled == LINE_MAX {
            too_long = Some(needle.find(&buffer[..filled]).is_some());
            buffer.copy_within(filled - overlap..filled, 0);
            filled = overlap;
        } else if filled == buffer.len() {
            buffer.resize((buffer.len() * 2).min(LINE_MAX), 0);
        }
    }
}

/// The last complete line that holds the needle and of which `read` makes something, looked for from the
/// end of the first `size` bytes. A line of more than [`LINE_MAX`] is passed over.
pub fn last_holding<T>(
    file: &File,
    size: u64,
    needle: &str,
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Option<T>> {
    let needle = FinderRev::new(needle);
    let mut end = size;
    // What follows the bytes read next, up to where it is known to end: the rest of the line they end in.
    let mut rest: Option<Vec<u8>> = None;
    while end > 0 {
        let start = end.saturating_sub(CHUNK as u64);
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(CHUNK)];
        match file.read_exact_at(&mut bytes, start) {
            Ok(()) => {}
            // It has become shorter: what was there is another state of the file.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        end = start;
        match rest.take() {
            Some(rest) => bytes.extend_from_slice(&rest),
            // What comes after the last end of a line is not complete, or too long.
            None => bytes.truncate(memchr::memrchr(b'\n', &bytes).map_or(0, |it| it + 1)),
        }
        let first = match start {
            0 => 0,
            _ => memchr::memchr(b'\n', &bytes).map_or(bytes.len(), |it| it + 1),
        };
        let mut until = bytes.len();
        while let Some(hit) = needle.rfind(&bytes[first..until]).map(|it| first + it) {
            let begin =
                memchr::memrchr(b'\n', &bytes[first..hit]).map_or(first, |it| first + it + 1);
            let close = memchr::memchr(b'\n', &bytes[hit..]).map_or(bytes.len(), |it| hit + it);
            if let Some(found) = read(&bytes[begin..close]) {
                return Ok(Some(found));
            }
            until = begin;
        }
        bytes.truncate(first);
        rest = (1..=LINE_MAX).contains(&bytes.len()).then_some(bytes);
    }
    Ok(None)
}

fn each_holding(needle: &Finder<'_>, lines: &[u8], each: &mut impl FnMut(&[u8])) {
    let mut from = 0;
    while let Some(found) = needle.find(&lines[from..]) {
        let hit = from + found;
        let start = memchr::memrchr(b'\n', &lines[from..hit]).map_or(from, |it| from + it + 1);
        let end = memchr::memchr(b'\n', &lines[hit..]).map_or(lines.len(), |it| hit + it);
        each(&lines[start..end]);
        from = (end + 1).min(lines.len());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    fn hits(content: &[u8]) -> (Vec<String>, Option<u64>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        scan(file)
    }

    fn scan(mut file: File) -> (Vec<String>, Option<u64>) {
        file.rewind().unwrap();
        let mut found = Vec::new();
        let needle = Finder::new("\"usage\"");
        let whole = file.take(u64::MAX);
        let passed_over = lines_holding(
            &needle,
            whole,
            &mut Vec::new(),
            || false,
            |line| {
                found.push(String::from_utf8_lossy(line).into_owned());
            },
        );
        (found, passed_over.unwrap())
    }

    #[test]
    fn only_complete_lines_with_the_needle_are_shown() {
        let (found, passed_over) = hits(
            b"{}\n{\"usage\":1}\n\n{\"a\":\"usage\"}\n{\"usage\":2,\"usage\":3}\n{\"usage\":4",
        );
        assert_eq!(found, [r#"{"usage":1}"#, r#"{"a":"usage"}"#, r#"{"usage":2,"usage":3}"#]);
        assert_eq!(passed_over, Some(0));
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
        let mut buffer = Vec::new();
        file.rewind().unwrap();
        let mut count = 0;
        let needle = Finder::new("\"usage\"");
        let passed_over =
            lines_holding(&needle, file.take(u64::MAX), &mut buffer, || false, |_| count += 1);
        assert_eq!((count, passed_over.unwrap()), (2, Some(1)));
        assert!(buffer.capacity() <= LINE_MAX);
    }

    #[test]
    fn a_needle_cut_by_the_bound_of_a_long_line_is_still_seen() {
        for shift in 0..8 {
            let before = "x".repeat(LINE_MAX - shift);
            let (found, passed_over) = hits(format!("{before}\"usage\"\n{{}}\n").as_bytes());
            assert_eq!((found.len(), passed_over), (0, Some(1)), "{shift}");
        }
    }

    fn last(content: &[u8], read: impl Fn(&str) -> bool) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let size = content.len() as u64;
        last_holding(&file, size, "\"usage\"", |line| {
            let line = String::from_utf8_lossy(line).into_owned();
            read(&line).then_some(line)
        })
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
        let file = tempfile::tempfile().unwrap().take(1);
        let needle = Finder::new("x");
        let stopped = lines_holding(&needle, file, &mut Vec::new(), || true, |_| ());
        assert_eq!(stopped.unwrap(), None);
    }
}
