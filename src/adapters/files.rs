//! Agents whose sessions are files: find them, stat them, read a bounded excerpt, remember what it said.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::fcntl::OFlag;

use super::evidence::{Record, Sighting, Survey, problem_at};
use super::excerpt::{Excerpt, Malformed, Parsed};
use super::{Adapter, Peeked, parallel};
use crate::base::{SessionId, Timestamp};
use crate::env::Env;
use crate::memo::FileStamp;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, ProblemKind, Turn};
use crate::scope::Scope;

/// Bytes of head and tail that are read of a transcript, step by step: most tell all in the first,
/// and the last is where we stop looking. Codex's first line alone is 22 KB.
const WINDOWS: [(usize, usize); 3] =
    [(8 << 10, 16 << 10), (64 << 10, 64 << 10), (1 << 20, 1 << 20)];

/// Longest transcript that the first step reads whole.
pub const WHOLE_MAX: u64 = (WINDOWS[0].0 + WINDOWS[0].1) as u64;

/// Most transcripts listed of one agent: ten times the largest store seen. What lies beyond is a problem.
const FILES_MAX: usize = 200_000;

/// Excerpts worth a thread: reading one takes some 20 µs, starting a thread some 50.
const FILES_PER_THREAD: usize = 32;

/// Most bytes of a small file (a live record, settings) that are read.
pub const SMALL_FILE_MAX: u64 = 1 << 20;

/// An agent whose sessions are files is data plus functions that look, but never write.
pub struct FileAgent {
    pub card: AgentCard,
    /// Where its store is; only those that exist are read.
    pub roots: fn(&Env) -> Vec<PathBuf>,
    /// Names the transcripts below a root.
    pub find: fn(&mut Finder<'_>, &Path),
    /// Reads one transcript. PURE: its bytes are all it sees.
    pub parse: fn(&Excerpt<'_>) -> Result<Parsed<Record>, Malformed>,
    /// What is not in transcripts: live processes, names kept elsewhere, exact usage.
    pub beyond: fn(&Scope, &Found) -> Beyond,
    /// The turns of a line of a transcript, oldest first. PURE.
    pub turns: fn(&[u8]) -> Vec<Turn>,
}

/// What the store holds, for the part of an adapter that looks beyond it.
#[derive(Debug)]
pub struct Found {
    /// The roots that exist.
    pub roots: Vec<PathBuf>,
    pub transcripts: Vec<Transcript>,
}

/// A transcript that was read.
#[derive(Clone, Debug)]
pub struct Transcript {
    pub path: PathBuf,
    pub stamp: FileStamp,
    pub record: Arc<Record>,
}

/// What an adapter saw beyond its transcripts. Records here take the place of those of the same session.
#[derive(Debug, Default)]
pub struct Beyond {
    pub sightings: Vec<Sighting>,
    pub problems: Vec<Problem>,
}

impl Adapter for FileAgent {
    fn card(&self) -> &AgentCard {
        &self.card
    }

    fn stores(&self, env: &Env) -> Vec<PathBuf> {
        (self.roots)(env)
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        blocking(move || self.look(&scope)).boxed()
    }

    fn peek(
        &'static self,
        _scope: Scope,
        record: Arc<Record>,
        turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        let path = record.path.clone()?;
        Some(blocking(move || last_turns(&path, turns, self.turns)).boxed())
    }
}

impl FileAgent {
    fn look(&self, scope: &Scope) -> Survey {
        let mut finder = Finder::new(scope);
        let roots: Vec<PathBuf> =
            (self.roots)(&scope.env).into_iter().filter(|root| finder.is_present(root)).collect();
        for root in &roots {
            (self.find)(&mut finder, root);
        }
        let Finder { mut files, mut problems, .. } = finder;
        if files.len() > FILES_MAX {
            problems.push(Problem {
                kind: ProblemKind::Limit,
                message: format!("{} transcripts, of which {FILES_MAX} are shown", files.len()),
                path: None,
                line: None,
            });
            files.truncate(FILES_MAX);
        }
        let purpose = self.card.binaries.first().copied().unwrap_or("files");
        let read =
            parallel::map(scope, &files, FILES_PER_THREAD, Buffers::default, |buffers, file| {
                read_transcript(scope, purpose, buffers, file, self.parse)
            });
        let mut transcripts = Vec::with_capacity(read.len());
        for (file, outcome) in files.into_iter().zip(read) {
            match outcome {
                Ok(record) => {
                    transcripts.push(Transcript { path: file.path, stamp: file.stamp, record });
                }
                Err(problem) => problems.push(problem),
            }
        }
        let found = Found { roots, transcripts };
        let beyond = (self.beyond)(scope, &found);
        problems.extend(beyond.problems);
        if found.roots.is_empty() && beyond.sightings.is_empty() && problems.is_empty() {
            return Survey::absent();
        }
        let amended: HashSet<&SessionId> = beyond
            .sightings
            .iter()
            .filter_map(|it| match it {
                Sighting::Recorded(record) => Some(&record.session),
                Sighting::Claimed(_) | Sighting::Counted { .. } => None,
            })
            .collect();
        let transcripts = found.transcripts.into_iter().map(|it| it.record);
        let recorded = transcripts.filter(|it| !amended.contains(&it.session));
        let mut sightings: Vec<_> = recorded.map(Sighting::Recorded).collect();
        sightings.extend(beyond.sightings);
        Survey::of(sightings, problems)
    }
}

/// Runs blocking work on the pool; a panic in it goes on in the caller, where it becomes a problem.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for this.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Walks a store: names what is there, and what cannot be read.
#[derive(Debug)]
pub struct Finder<'a> {
    scope: &'a Scope,
    files: Vec<FoundFile>,
    problems: Vec<Problem>,
}

/// A file that may be a transcript.
#[derive(Clone, Debug)]
struct FoundFile {
    path: PathBuf,
    stamp: FileStamp,
}

/// What kind of thing a directory holds under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A pipe, socket or device: never opened.
    Special,
}

impl<'a> Finder<'a> {
    pub(super) fn new(scope: &'a Scope) -> Self {
        Self { scope, files: Vec::new(), problems: Vec::new() }
    }

    /// Takes the entry for a transcript, if it is a regular file; anything else of that name is a problem.
    pub fn take(&mut self, path: PathBuf) {
        match fs::metadata(&path) {
            Ok(meta) if meta.is_file() => {
                self.files.push(FoundFile { stamp: FileStamp::of(&meta), path });
            }
            Ok(_) => {
                self.problems.push(problem_at(
                    ProblemKind::Unreadable,
                    &path,
                    "not a regular file",
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.problem(&path, &error),
        }
    }

    /// The entries of a directory, by name. One that is not there has none; one that cannot be read
    /// is a problem. Symbolic links are followed, once.
    pub fn entries(&mut self, dir: &Path) -> Vec<(String, EntryKind)> {
        if self.scope.is_cancelled() {
            return Vec::new();
        }
        let listing = match fs::read_dir(dir) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.problem(dir, &error);
                return Vec::new();
            }
        };
        let mut entries = Vec::new();
        for entry in listing {
            match entry.and_then(|it| Ok((entry_kind(&it)?, it.file_name()))) {
                // Agents write their names in ASCII; a name that is not text is none of theirs.
                Ok((kind, name)) => {
                    entries.extend(name.into_string().ok().map(|name| (name, kind)));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.problem(dir, &error),
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    fn is_present(&mut self, root: &Path) -> bool {
        match fs::metadata(root) {
            Ok(meta) if meta.is_dir() => true,
            Ok(_) => {
                self.problems.push(problem_at(
                    ProblemKind::Unreadable,
                    root,
                    "the store is not a directory",
                ));
                false
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                false
            }
            Err(error) => {
                self.problem(root, &error);
                false
            }
        }
    }

    fn problem(&mut self, path: &Path, error: &io::Error) {
        self.problems.push(problem_at(ProblemKind::Unreadable, path, error.to_string()));
    }
}

fn entry_kind(entry: &fs::DirEntry) -> io::Result<EntryKind> {
    let of = |kind: fs::FileType| {
        if kind.is_file() {
            EntryKind::File
        } else if kind.is_dir() {
            EntryKind::Directory
        } else {
            EntryKind::Special
        }
    };
    let kind = entry.file_type()?;
    if kind.is_symlink() { Ok(of(fs::metadata(entry.path())?.file_type())) } else { Ok(of(kind)) }
}

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

/// A thread's own space for heads and tails.
#[derive(Debug, Default)]
struct Buffers {
    head: Vec<u8>,
    tail: Vec<u8>,
}

fn read_transcript(
    scope: &Scope,
    purpose: &'static str,
    buffers: &mut Buffers,
    file: &FoundFile,
    parse: fn(&Excerpt<'_>) -> Result<Parsed<Record>, Malformed>,
) -> Result<Arc<Record>, Problem> {
    type Remembered = Result<Arc<Record>, Problem>;
    if let Some(known) = scope.memo.recall::<Remembered>(purpose, file.stamp) {
        return (*known).clone();
    }
    let (opened, meta) = open_regular(&file.path)
        .map_err(|error| problem_at(ProblemKind::Unreadable, &file.path, error.to_string()))?;
    let stamp = FileStamp::of(&meta);
    let outcome = read_excerpt(&opened, stamp, buffers, &file.path, parse);
    scope.memo.remember::<Remembered>(purpose, stamp, Arc::new(outcome.clone()));
    outcome
}

fn read_excerpt(
    file: &File,
    stamp: FileStamp,
    Buffers { head, tail }: &mut Buffers,
    path: &Path,
    parse: fn(&Excerpt<'_>) -> Result<Parsed<Record>, Malformed>,
) -> Result<Arc<Record>, Problem> {
    let unreadable =
        |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
    let size = usize::try_from(stamp.size).unwrap_or(usize::MAX);
    let modified = Timestamp::from_millis(stamp.modified_millis());
    for (step, (head_len, tail_len)) in WINDOWS.into_iter().enumerate() {
        let is_whole = size <= head_len + tail_len;
        let excerpt = if is_whole {
            read_at(file, head, 0, size).map_err(unreadable)?;
            Excerpt::whole(path, head)
        } else {
            read_at(file, head, 0, head_len).map_err(unreadable)?;
            read_at(file, tail, stamp.size - tail_len as u64, tail_len).map_err(unreadable)?;
            Excerpt::parts(path, head, tail)
        };
        let is_last = is_whole || step + 1 == WINDOWS.len();
        match parse(&excerpt.modified_at(modified)) {
            Ok(parsed) if is_last || !parsed.wants_more => {
                let record = Record { path: Some(path.to_owned()), ..parsed.value };
                return Ok(Arc::new(record));
            }
            Err(malformed) if is_last => {
                let mut problem = problem_at(ProblemKind::Malformed, path, malformed.what);
                problem.line = malformed.line;
                return Err(problem);
            }
            Ok(_) | Err(_) => {}
        }
    }
    unreachable!("the last step returns")
}

/// Reads `len` bytes from `offset`, fewer where the file has become shorter.
fn read_at(file: &File, into: &mut Vec<u8>, offset: u64, len: usize) -> io::Result<()> {
    into.resize(len, 0);
    let mut filled = 0;
    while filled < len {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    into.truncate(filled);
    Ok(())
}

/// Reads ever more of the end of a transcript until it shows as many turns as wanted and one more.
fn last_turns(
    path: &Path,
    wanted: usize,
    turns: fn(&[u8]) -> Vec<Turn>,
) -> Result<Peeked, Problem> {
    /// Where a search for turns begins, and where it gives up: 32 MiB of one session's end.
    const STEPS: [usize; 4] = [64 << 10, 512 << 10, 4 << 20, 32 << 20];
    let unreadable =
        |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
    let (file, meta) = open_regular(path).map_err(unreadable)?;
    let size = usize::try_from(meta.len()).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut peeked = Peeked::default();
    for step in STEPS {
        let len = step.min(size);
        read_at(&file, &mut bytes, (size - len) as u64, len).map_err(unreadable)?;
        let excerpt = if len == size {
            Excerpt::whole(path, &bytes)
        } else {
            Excerpt::parts(path, &[], &bytes)
        };
        let mut newest_first = Vec::new();
        for line in excerpt.tail_lines() {
            newest_first.extend(turns(line).into_iter().rev());
            if newest_first.len() > wanted {
                break;
            }
        }
        peeked.has_earlier = newest_first.len() > wanted || len < size;
        newest_first.truncate(wanted);
        newest_first.reverse();
        let is_enough = newest_first.len() == wanted;
        peeked.turns = newest_first;
        if is_enough || len == size {
            break;
        }
    }
    Ok(peeked)
}
