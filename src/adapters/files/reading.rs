//! Reads files that others write: never one that could block, never more than a bound.

use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use memchr::memmem;
use nix::fcntl::OFlag;

use super::Parse;
use crate::adapters::Record;
use crate::adapters::evidence::problem_at;
use crate::adapters::excerpt::{Excerpt, Wants};
use crate::base::Timestamp;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Bytes of the end that are read at first: most transcripts tell all there is to tell in them.
pub const FIRST_TAIL: usize = 16 << 10;

/// Bytes of head and tail that are shown when the first were not enough, step by step: it is the last turn that
/// is long, and the last step is where we stop looking.
const WIDER: [(usize, usize); 3] =
    [(64 << 10, 64 << 10), (64 << 10, 256 << 10), (1 << 20, 1 << 20)];

/// The longest tail shown.
const TAIL_MAX: usize = WIDER[WIDER.len() - 1].1;

/// How far behind the head a line is searched for. To search all that lies between head and tail made the
/// first list of a large store several times slower; this much costs a tenth of it.
const SEARCH_MAX: u64 = 128 << 10;

/// Bytes searched at once.
const SEARCHED: usize = 64 << 10;

/// Longest line that is taken over from there: such lines hold a title or the like.
const BETWEEN_MAX: usize = 64 << 10;

/// Most bytes of a small file (a live record, settings) that are read.
pub const SMALL_FILE_MAX: u64 = 1 << 20;

/// Opens a file for reading, and only a regular file: nothing else in a store can block or answer.
pub fn open_regular(path: &Path) -> io::Result<(File, fs::Metadata)> {
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if meta.is_file() { Ok((file, meta)) } else { Err(io::Error::other("not a regular file")) }
}

/// Reads a small file whole; an error where it is longer than such a file can be.
pub fn read_small(path: &Path) -> io::Result<Vec<u8>> {
    let (file, meta) = open_regular(path)?;
    if meta.len() > SMALL_FILE_MAX {
        return Err(io::Error::other(format!(
            "{} bytes where at most {SMALL_FILE_MAX} are expected",
            meta.len()
        )));
    }
    let mut bytes = Vec::new();
    file.take(SMALL_FILE_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a small file says, read again only when it has changed; nothing where it is not there. `purpose` names
/// what is remembered.
pub fn remembered<T: Any + Send + Sync>(
    scope: &Scope,
    purpose: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> T,
) -> Result<Option<Arc<T>>, Problem> {
    let unreadable =
        |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
    let stamp = match fs::metadata(path) {
        Ok(meta) => FileStamp::of(&meta),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if let Some(known) = scope.memo.recall(purpose, stamp) {
        return Ok(Some(known));
    }
    let value = Arc::new(parse(&read_small(path).map_err(unreadable)?));
    scope.memo.remember(purpose, stamp, value.clone());
    Ok(Some(value))
}

/// A thread's own space for what it reads.
#[derive(Debug)]
pub(super) struct Buffers {
    head: Vec<u8>,
    /// Filled from its end, so that a longer tail is read in front of the shorter one.
    tail: Box<[u8]>,
    between: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        // The system gives memory for the part that is written.
        let tail = vec![0; TAIL_MAX].into_boxed_slice();
        Self { head: Vec::new(), tail, between: Vec::new() }
    }
}

/// What has been read of one transcript so far.
struct Reading<'a> {
    file: &'a File,
    size: usize,
    head: &'a mut Vec<u8>,
    head_len: usize,
    tail: &'a mut [u8],
    tail_len: usize,
}

impl Reading<'_> {
    /// Reads what is missing of the first `len` bytes.
    fn extend_head(&mut self, len: usize) -> io::Result<()> {
        if self.head.len() < len {
            self.head.resize(len, 0);
        }
        if let Some(missing) = self.head.get_mut(self.head_len..len) {
            self.head_len += fill(self.file, missing, self.head_len as u64)?;
        }
        Ok(())
    }

    /// Reads what is missing of the last `len` bytes.
    fn extend_tail(&mut self, len: usize) -> io::Result<()> {
        let end = self.tail.len();
        if let Some(missing) = self.tail.get_mut(end - len..end - self.tail_len) {
            self.file.read_exact_at(missing, (self.size - len) as u64)?;
            self.tail_len = len;
        }
        Ok(())
    }

    /// Shows as much as a step allows; the whole file where that is enough for it.
    fn show<'a>(&'a mut self, path: &'a Path, step: (usize, usize)) -> io::Result<Excerpt<'a>> {
        let (head_len, tail_len) = step;
        if self.size <= head_len + tail_len {
            self.extend_head(self.size)?;
            return Ok(Excerpt::whole(path, &self.head[..self.head_len]));
        }
        self.extend_head(head_len)?;
        self.extend_tail(tail_len)?;
        let tail = &self.tail[self.tail.len() - self.tail_len..];
        Ok(Excerpt::parts(path, &self.head[..self.head_len], tail))
    }
}

/// Reads as much of a transcript as its parser wants, within bounds; at first `first_head` bytes of its beginning.
pub(super) fn read_excerpt(
    file: &File,
    stamp: FileStamp,
    buffers: &mut Buffers,
    path: &Path,
    (first_head, parse): (usize, Parse),
) -> Result<Arc<Record>, Problem> {
    let unreadable =
        |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
    let Buffers { head, tail, between } = buffers;
    let size = usize::try_from(stamp.size).unwrap_or(usize::MAX);
    let modified = Timestamp::from_millis(stamp.modified_millis());
    let mut reading = Reading { file, size, head, head_len: 0, tail, tail_len: 0 };
    let mut steps = std::iter::once((first_head, FIRST_TAIL)).chain(WIDER).peekable();
    while let Some(step) = steps.next() {
        let excerpt = reading.show(path, step).map_err(unreadable)?.modified_at(modified);
        let is_whole = excerpt.is_whole();
        let is_last = is_whole || steps.peek().is_none();
        let parsed = match parse(&excerpt) {
            Err(malformed) if is_last => {
                let problem = problem_at(ProblemKind::Malformed, path, malformed.what);
                return Err(Problem { line: malformed.line, ..problem });
            }
            Err(_) => continue,
            Ok(parsed) => parsed,
        };
        let found = match parsed.wants {
            Wants::More if !is_last => continue,
            Wants::LastLineHolding(text) if !is_whole => {
                let gap = excerpt.gap(stamp.size);
                let near = gap.start..gap.end.min(gap.start + SEARCH_MAX);
                last_line_between(file, near, text, between).map_err(unreadable)?
            }
            _ => None,
        };
        let again = found.and_then(|line| parse(&excerpt.with_between(line)).ok());
        let record = again.map_or(parsed.value, |it| it.value);
        return Ok(Arc::new(Record { path: Some(path.to_owned()), ..record }));
    }
    unreachable!("the last step returns")
}

/// Reads `len` bytes from `offset`, fewer where the file has become shorter.
pub(super) fn read_at<'a>(
    file: &File,
    into: &'a mut Vec<u8>,
    offset: u64,
    len: usize,
) -> io::Result<&'a [u8]> {
    if into.len() < len {
        into.resize(len, 0);
    }
    let filled = fill(file, &mut into[..len], offset)?;
    Ok(&into[..filled])
}

/// Fills the bytes from `offset` on; returns how many there were.
fn fill(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Searches a part of a file from its end for the last complete line that holds the text; the line comes
/// with its end. One that is too long to be taken over is not found.
fn last_line_between<'a>(
    file: &File,
    part: Range<u64>,
    text: &str,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    let needle = memmem::Finder::new(text);
    let overlap = text.len().saturating_sub(1);
    let mut end = part.end;
    while end > part.start {
        let start = end.saturating_sub(SEARCHED as u64).max(part.start);
        // What begins before `end` is searched, so a text across the seam is found on one of its sides.
        let len = usize::try_from(end - start).unwrap_or(SEARCHED);
        let reach = len + usize::try_from(part.end - end).map_or(overlap, |it| it.min(overlap));
        let bytes = read_at(file, buffer, start, reach)?;
        if let Some(hit) = needle.find_iter(bytes).last() {
            return line_around(file, part, start + hit as u64, buffer);
        }
        end = start;
    }
    Ok(None)
}

fn line_around<'a>(
    file: &File,
    part: Range<u64>,
    hit: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    let start = hit.saturating_sub(BETWEEN_MAX as u64).max(part.start);
    let before = usize::try_from(hit - start).unwrap_or(BETWEEN_MAX);
    let after = usize::try_from(part.end - hit).map_or(BETWEEN_MAX, |it| it.min(BETWEEN_MAX));
    let bytes = read_at(file, buffer, start, before + after)?;
    let before = before.min(bytes.len());
    let from = match memchr::memrchr(b'\n', &bytes[..before]) {
        Some(at) => at + 1,
        // The part begins with a line.
        None if start == part.start => 0,
        None => return Ok(None),
    };
    let to = memchr::memchr(b'\n', &bytes[before..]).map(|at| before + at + 1);
    Ok(to.map(|to| &bytes[from..to]))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn last_line(content: &[u8], part: Range<u64>) -> Option<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let mut buffer = Vec::new();
        let line = last_line_between(&file, part, "needle", &mut buffer).unwrap();
        line.map(|it| String::from_utf8_lossy(it).into_owned())
    }

    #[test]
    fn the_last_line_between_is_found_across_any_seam() {
        for shift in 0..16 {
            let after = "y".repeat(SEARCHED - shift);
            let content = format!("needle 1\nneedle 2\n{after}\n");
            let end = content.len() as u64;
            assert_eq!(last_line(content.as_bytes(), 0..end).as_deref(), Some("needle 2\n"));
        }
    }

    #[test]
    fn nothing_outside_the_part_is_taken() {
        let content = b"needle 1\nplain\nneedle 2\n";
        assert_eq!(last_line(content, 9..15), None);
        assert_eq!(last_line(content, 0..15).as_deref(), Some("needle 1\n"));
        assert_eq!(last_line(content, 15..15), None);
    }

    #[test]
    fn a_line_too_long_to_be_taken_over_is_not() {
        let content = format!("x{}needle\n", "x".repeat(BETWEEN_MAX));
        assert_eq!(last_line(format!("a\n{content}").as_bytes(), 0..content.len() as u64), None);
    }
}
