//! Reads files that others write: never one that could block, never more than a bound.

use std::alloc::{Layout, handle_alloc_error};
use std::any::Any;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use memchr::memmem::Finder;
use memmap2::MmapMut;
use nix::fcntl::OFlag;

use super::Parse;
use super::between::last_line_in;
use crate::adapters::Record;
use crate::adapters::evidence::problem_at;
use crate::adapters::excerpt::Excerpt;
use crate::base::Timestamp;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Bytes of the end that are read at first: most transcripts tell all there is to tell in them.
pub const TAIL: usize = 16 << 10;

/// Bytes of the beginning that are read when the first were not enough, step by step.
const HEADS: [usize; 4] = [64 << 10, USUAL_MAX, 4 << 20, 8 << 20];
/// Bytes of the end, likewise: it is the last turn that is long, and the last step is where we stop looking. Each step is
/// another reading of all lines: more of them read fewer bytes and took longer.
const TAILS: [usize; 5] = [64 << 10, 256 << 10, USUAL_MAX, 4 << 20, 8 << 20];
/// What lies beyond is read only where one line fills most of what was read: a picture that was pasted, or that a tool has
/// answered with. Claude Code writes the latter twice, of some 1.4 MB each.
const USUAL_MAX: usize = 1 << 20;

/// The longest beginning and the longest end that are read.
const HEAD_MAX: usize = HEADS[HEADS.len() - 1];
const TAIL_MAX: usize = TAILS[TAILS.len() - 1];
/// The longest transcript that can be shown whole.
const WHOLE_MAX: usize = HEAD_MAX + TAIL_MAX;

/// How far behind the head a line is searched for. To search all that lies between head and tail made the
/// first list of a large store several times slower; this much costs a tenth of it.
const SEARCHED_BEHIND_HEAD: u64 = 128 << 10;
/// How far before the first tail a line is searched for: with it, the last 64 KB, in which Claude Code (2.1.197)
/// keeps what names a session by saying it again every 32 KB.
const SEARCHED_BEFORE_TAIL: u64 = 48 << 10;

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

/// Reads the end of a file that was of that size, and no more than `most` bytes.
pub fn read_end(mut file: File, size: u64, most: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
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
    let read = || -> io::Result<Arc<T>> {
        let stamp = FileStamp::of(&fs::metadata(path)?);
        if let Some(known) = scope.memo.recall(purpose, stamp) {
            return Ok(known);
        }
        let value = Arc::new(parse(&read_small(path)?));
        scope.memo.remember(purpose, stamp, value.clone());
        Ok(value)
    };
    match read() {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
    }
}

/// A thread's own space for what it reads.
#[derive(Debug)]
pub(super) struct Buffers {
    head: MmapMut,
    /// Filled from its end, so that a longer tail is read in front of the shorter one.
    tail: MmapMut,
    between: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { head: borrowed(HEAD_MAX), tail: borrowed(WHOLE_MAX), between: Vec::new() }
    }
}

/// Memory that the system gives for the part that is written, and takes back: on the heap it would be filled with zeros
/// first, and leave holes between what is remembered.
pub fn borrowed(len: usize) -> MmapMut {
    let layout = Layout::array::<u8>(len).expect("as long as a bound says");
    MmapMut::map_anon(len).unwrap_or_else(|_| handle_alloc_error(layout))
}

/// What has been read of one transcript so far.
struct Reading<'a> {
    file: &'a File,
    size: usize,
    head: &'a mut [u8],
    head_len: usize,
    tail: &'a mut [u8],
    tail_len: usize,
}

impl Reading<'_> {
    /// Reads what is missing of the first `len` bytes.
    fn extend_head(&mut self, len: usize) -> io::Result<()> {
        if let Some(missing) = self.head.get_mut(self.head_len..len) {
            self.file.read_exact_at(missing, self.head_len as u64)?;
            self.head_len = len;
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

    /// Reads the end back to a line with the text, piece by piece, and no further than to the head. Returns how many bytes
    /// that are.
    fn extend_tail_to(&mut self, text: &str, head_len: usize) -> io::Result<usize> {
        let text = Finder::new(text);
        let furthest = self.size.saturating_sub(head_len).clamp(TAIL, USUAL_MAX);
        for len in (TAIL..furthest).step_by(TAIL) {
            self.extend_tail(len)?;
            let start = self.tail.len() - len;
            let end = (start + TAIL + text.needle().len()).min(self.tail.len());
            if let Some(hit) = text.find(&self.tail[start..end]) {
                let is_cut = !self.tail[start..start + hit].contains(&b'\n');
                return Ok(if is_cut { (len + TAIL).min(furthest) } else { len });
            }
        }
        Ok(furthest)
    }

    /// Shows that much of both ends; the whole file where they meet.
    fn show<'a>(
        &'a mut self,
        path: &'a Path,
        head_len: usize,
        tail_len: usize,
    ) -> io::Result<Excerpt<'a>> {
        let end = self.tail.len();
        if self.size <= (head_len + tail_len).min(WHOLE_MAX) {
            // What the head does not hold yet is read as tail, and the head then put before it.
            self.extend_tail(self.size - self.head_len.min(self.size))?;
            let start = end - self.size;
            self.tail[start..start + self.head_len].copy_from_slice(&self.head[..self.head_len]);
            return Ok(Excerpt::whole(path, &self.tail[start..]));
        }
        self.extend_head(head_len)?;
        self.extend_tail(tail_len)?;
        let tail = &self.tail[end - self.tail_len..];
        Ok(Excerpt::parts(path, &self.head[..self.head_len], tail))
    }
}

/// How an agent's transcripts are read: so much of the beginning at first, of the end what comes behind a text, and more
/// of what the parser wants more of.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) head: usize,
    pub(super) back_to: Option<&'static str>,
    pub(super) parse: Parse,
}

/// Reads as much of a transcript as its parser wants, within bounds.
pub(super) fn read_excerpt(
    file: &File,
    stamp: FileStamp,
    buffers: &mut Buffers,
    path: &Path,
    How { head: first_head, back_to, parse }: How,
) -> Result<Arc<Record>, Problem> {
    let unreadable =
        |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
    let Buffers { head, tail, between } = buffers;
    let size = usize::try_from(stamp.size).unwrap_or(usize::MAX);
    let modified = Timestamp::from_millis(stamp.modified_millis());
    let mut reading = Reading { file, size, head, head_len: 0, tail, tail_len: 0 };
    let (mut head_len, mut tail_len) = (first_head, TAIL);
    if let Some(text) = back_to {
        tail_len = reading.extend_tail_to(text, first_head).map_err(unreadable)?;
    }
    loop {
        let excerpt = reading.show(path, head_len, tail_len).map_err(unreadable)?;
        let excerpt = excerpt.modified_at(modified);
        let is_whole = excerpt.is_whole();
        let longer = |wanted: bool, steps: &[usize], len: usize, cut_line: usize| {
            let is_step = |it: &usize| *it > len && (*it <= USUAL_MAX || cut_line > len / 2);
            steps.iter().copied().find(is_step).filter(|_| wanted && !is_whole)
        };
        let outcome = parse(&excerpt);
        // What cannot be read at all may be so for a want of either.
        let (more_head, more_tail) = outcome
            .as_ref()
            .map_or((true, true), |it| (it.wants.longer_head, it.wants.longer_tail));
        let longer_head = longer(more_head, &HEADS, head_len, excerpt.line_cut_by_head());
        let longer_tail = longer(more_tail, &TAILS, tail_len, excerpt.line_cut_by_tail());
        if longer_head.is_some() || longer_tail.is_some() {
            head_len = longer_head.unwrap_or(head_len);
            tail_len = longer_tail.unwrap_or(tail_len);
            continue;
        }
        let parsed = outcome.map_err(|malformed| {
            let problem = problem_at(ProblemKind::Malformed, path, malformed.what);
            Problem { line: malformed.line, ..problem }
        })?;
        let found = match parsed.wants.line_holding.filter(|_| !is_whole) {
            Some(sought) => {
                let gap = excerpt.gap(stamp.size);
                let late = gap.end.saturating_sub(SEARCHED_BEFORE_TAIL).max(gap.start)..gap.end;
                let early = gap.start..late.start.min(gap.start + SEARCHED_BEHIND_HEAD);
                last_line_in(file, &gap, [late, early], sought, between).map_err(unreadable)?
            }
            None => None,
        };
        let again = found.and_then(|line| parse(&excerpt.with_between(line)).ok());
        let record = again.map_or(parsed.value, |it| it.value);
        return Ok(Arc::new(Record { path: Some(path.to_owned()), ..record }));
    }
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
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut into[filled..len], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&into[..filled])
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::adapters::excerpt::{Parsed, Wants};
    use crate::base::SessionId;
    use crate::protocol::session::Source;

    #[test]
    fn what_is_shown_is_the_file_however_it_was_come_by() {
        for size in [0, 1, 9, 10, 11, 14, 15, 16, 29, 30, 31, 100] {
            let content: Vec<u8> = (0..=u8::MAX).take(size).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&content).unwrap();
            let Buffers { mut head, mut tail, .. } = Buffers::default();
            let (head, tail) = (&mut *head, &mut *tail);
            let mut reading = Reading { file: &file, size, head, head_len: 0, tail, tail_len: 0 };
            for (head_len, tail_len) in [(5, 5), (5, 10), (15, 10), (15, 15)] {
                let shown = reading.show(Path::new("/x"), head_len, tail_len).unwrap();
                let is_whole = size <= head_len + tail_len;
                assert_eq!(shown.is_whole(), is_whole, "{size} {head_len} {tail_len}");
                let expect = if is_whole {
                    (&content[..], &content[..])
                } else {
                    (&content[..head_len], &content[size - tail_len..])
                };
                assert_eq!((shown.head(), shown.tail()), expect, "{size} {head_len} {tail_len}");
            }
        }
    }

    #[test]
    fn the_longest_transcript_shown_whole_is_and_a_longer_one_is_not() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&vec![b'x'; WHOLE_MAX + 1]).unwrap();
        for (size, is_whole) in [(WHOLE_MAX, true), (WHOLE_MAX + 1, false)] {
            let Buffers { mut head, mut tail, .. } = Buffers::default();
            let (head, tail) = (&mut *head, &mut *tail);
            let mut reading = Reading { file: &file, size, head, head_len: 0, tail, tail_len: 0 };
            let shown = reading.show(Path::new("/x"), HEAD_MAX, TAIL_MAX).unwrap();
            assert_eq!(shown.is_whole(), is_whole);
        }
    }

    /// A record that says how much of the beginning and of the end was shown.
    fn shown(excerpt: &Excerpt<'_>, wants: Wants) -> Parsed<Record> {
        let mut value = Record::new(SessionId::parse("s").unwrap(), Source::Transcript);
        value.title = Some(format!("{} {}", excerpt.head().len(), excerpt.tail().len()));
        Parsed { value, wants }
    }

    /// What it says of a file that is read so.
    fn shown_of(content: &[u8], back_to: Option<&'static str>, parse: Parse) -> (usize, usize) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        let stamp = FileStamp::of(&file.metadata().unwrap());
        let how = How { head: 1 << 10, back_to, parse };
        let read = read_excerpt(&file, stamp, &mut Buffers::default(), Path::new("/x"), how);
        let told = read.unwrap().title.clone().unwrap();
        let (head, tail) = told.split_once(' ').unwrap();
        (head.parse().unwrap(), tail.parse().unwrap())
    }

    fn line(len: usize) -> Vec<u8> {
        [&vec![b'x'; len - 1][..], b"\n"].concat()
    }

    /// How much of the beginning and of the end of these lines is read for who always wants more.
    fn read_of(lines: &[usize]) -> (usize, usize) {
        let lines: Vec<_> = lines.iter().map(|it| line(*it)).collect();
        shown_of(&lines.concat(), None, |excerpt| {
            let wants = Wants { longer_head: true, longer_tail: true, line_holding: None };
            Ok(shown(excerpt, wants))
        })
    }

    #[test]
    fn the_end_is_read_back_to_the_line_with_the_text_and_no_further() {
        let tail_of = |content: &[u8]| {
            shown_of(content, Some("mark"), |it| Ok(shown(it, Wants::default()))).1
        };
        let long = vec![b'\n'; 2 * USUAL_MAX];
        let behind = |bytes: usize| tail_of(&[&long, &b"\nmark\n"[..], &line(bytes)].concat());
        assert_eq!(behind(TAIL - 6), TAIL, "its line is shown whole");
        for across in [5, 4, 3, 2, 1] {
            assert_eq!(behind(TAIL - across), 2 * TAIL, "the text is cut, or its line");
        }
        assert_eq!(behind(TAIL), 2 * TAIL);
        assert_eq!(behind(5 * TAIL + 1), 6 * TAIL);
        assert_eq!(behind(USUAL_MAX), USUAL_MAX, "further than is read");
        // The text stands at the end of a line that is cut before it.
        let marked = [&long, &line(TAIL)[..TAIL - 1], b"mark\n", &line(TAIL / 2)].concat();
        assert_eq!(tail_of(&marked), 2 * TAIL);
        // No further than to the head.
        assert_eq!(tail_of(&line(3 * TAIL)), 3 * TAIL);
        assert_eq!(tail_of(&[b'x'; 3]), 3);
    }

    #[test]
    fn more_than_a_megabyte_is_read_of_an_end_that_one_line_fills() {
        const MIB: usize = 1 << 20;
        let short = vec![1 << 10; 18 << 10];
        let around = |line: usize| [&[line], &short[..], &[line]].concat();
        assert_eq!(read_of(&short), (MIB, MIB));
        assert_eq!(read_of(&around(MIB + 1)), (4 * MIB, 4 * MIB));
        assert_eq!(read_of(&around(4 * MIB + 1)), (HEAD_MAX, TAIL_MAX));
        assert_eq!(read_of(&around(HEAD_MAX + 1)), (HEAD_MAX, TAIL_MAX));
        // It is complete, and what the cuts go through is short.
        assert_eq!(read_of(&around(MIB - 1)), (MIB, MIB));
        assert_eq!(read_of(&[&short[..512], &[2 * MIB], &short[..]].concat()).0, MIB);
        assert_eq!(read_of(&[&short[..511], &[2 * MIB], &short[..]].concat()).0, 4 * MIB);
    }

    #[test]
    fn a_file_that_has_become_shorter_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        let Buffers { mut head, mut tail, .. } = Buffers::default();
        let (head, tail) = (&mut *head, &mut *tail);
        let mut reading = Reading { file: &file, size: 8, head, head_len: 0, tail, tail_len: 0 };
        assert!(reading.show(Path::new("/x"), 2, 2).is_err());
    }
}
