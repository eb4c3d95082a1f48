//! Transcripts read beyond any excerpt, for the few lines that matter, in bounded memory.
//!
//! What must be exact (tokens, above all) cannot come from an excerpt. [`all`] reads transcripts from end to end and adds up
//! the lines that a [`Tally`] wants; [`each`] hands each of them to whoever needs less of it. Both read a transcript once
//! and remember what it came to for as long as the file stays as it is.

use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::evidence::problem_at;
use super::files::{Transcript, borrowed, open_regular};
use crate::memo::FileStamp;
use crate::parallel;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

mod from_end;
mod from_start;

/// Bytes read at once: large enough that the calls cost nothing, small enough to stay in a processor's cache.
const CHUNK: usize = 256 << 10;
/// Longest line that is kept whole. The longest with tokens in it seen was of 400 KB: a tool's result,
/// quoted twice. A longer one is passed over, and said to be where lines are added up.
const LINE_MAX: usize = 4 << 20;
/// Bytes that reading works in: a chunk, and a line that it is the rest of.
const BUFFER: usize = CHUNK + LINE_MAX;

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

/// A transcript that was opened to be read.
pub struct Opened<'a> {
    pub transcript: &'a Transcript,
    file: File,
    /// What is written beyond it from now on belongs to the file's next state.
    size: u64,
    scope: &'a Scope,
    buffer: &'a mut [u8],
}

/// Why a transcript was not read.
#[derive(Debug)]
pub enum Unread {
    /// Nobody waits for the answer any more.
    GivenUp,
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What each transcript adds up to, in their order; nothing for one that cannot be read or that was not
/// reached before the request was given up.
pub fn all<T: Tally>(
    scope: &Scope,
    transcripts: &[&Transcript],
    problems: &mut Vec<Problem>,
) -> Vec<Option<Arc<T>>> {
    let needle = Finder::new(T::NEEDLE);
    let scanned = each(scope, T::PURPOSE, transcripts, problems, |mut opened| {
        let mut tally = T::default();
        let passed_over = opened.lines_holding(&needle, |line| tally.add(line))?;
        tally.finish();
        Ok(Scanned { tally: Arc::new(tally), passed_over })
    });
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
    scanned.into_iter().map(|it| it.map(|it| Arc::clone(&it.tally))).collect()
}

/// What one transcript came to.
#[derive(Debug)]
struct Scanned<T> {
    tally: Arc<T>,
    passed_over: u64,
}

/// What `read` makes of each transcript, in their order; nothing for one that cannot be read or that was not
/// reached before the request was given up. `purpose` names what is remembered.
pub fn each<T: Any + Send + Sync>(
    scope: &Scope,
    purpose: &'static str,
    transcripts: &[&Transcript],
    problems: &mut Vec<Problem>,
    read: impl Fn(Opened<'_>) -> Result<T, Unread> + Sync,
) -> Vec<Option<Arc<T>>> {
    let recall = |it: &&Transcript| scope.memo.recall::<T>(purpose, it.stamp);
    let mut known: Vec<_> = transcripts.iter().map(recall).collect();
    let mut unread: Vec<usize> = (0..known.len()).filter(|it| known[*it].is_none()).collect();
    // The largest first: a thread that begins a large file last would leave the others waiting.
    unread.sort_by_key(|it| std::cmp::Reverse(transcripts[*it].stamp.size));
    let outcomes = parallel::map(
        &unread,
        1,
        || scope.is_cancelled(),
        || borrowed(BUFFER),
        |buffer, index| {
            let transcript = transcripts[*index];
            let (file, meta) = open_regular(&transcript.path)?;
            let stamp = FileStamp::of(&meta);
            let value =
                Arc::new(read(Opened { transcript, file, size: stamp.size, scope, buffer })?);
            scope.memo.remember(purpose, stamp, Arc::clone(&value));
            Ok(value)
        },
    );
    for (index, outcome) in unread.into_iter().zip(outcomes) {
        match outcome {
            Ok(value) => known[index] = Some(value),
            Err(Unread::GivenUp) => {}
            // Moved or removed since it was found: `codex archive` does so.
            Err(Unread::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(Unread::Failed(error)) => problems.push(problem_at(
                ProblemKind::Unreadable,
                &transcripts[index].path,
                error.to_string(),
            )),
        }
    }
    known
}

impl Opened<'_> {
    /// Calls `each` with every complete line that holds the needle. Returns how many such lines were too long
    /// to be kept and so passed over.
    pub fn lines_holding(
        &mut self,
        needle: &Finder<'_>,
        mut each: impl FnMut(&[u8]),
    ) -> Result<u64, Unread> {
        self.read_forward(needle, |line| {
            each(line);
            ControlFlow::Continue(())
        })
    }

    /// What `read` makes of the first complete line that holds the needle and of which it makes something.
    pub fn first_holding<T>(
        &mut self,
        needle: &Finder<'_>,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Unread> {
        let mut first = None;
        self.read_forward(needle, |line| {
            first = read(line);
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(first)
    }

    /// Likewise of the last. No more is read of the transcript than from its end to there.
    pub fn last_holding<T>(
        &mut self,
        needle: &Finder<'_>,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Unread> {
        let Self { file, size, scope, buffer, .. } = self;
        from_end::last_holding(file, *size, needle, buffer, || scope.is_cancelled(), read)
    }

    fn read_forward(
        &mut self,
        needle: &Finder<'_>,
        each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<u64, Unread> {
        let Self { file, size, scope, buffer, .. } = self;
        file.rewind()?;
        let content = file.take(*size);
        from_start::lines_holding(needle, content, buffer, || scope.is_cancelled(), each)
    }
}
