//! Agents whose sessions are files: find them, stat them, read a bounded excerpt, remember what it said.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::drive::Driver;
use super::evidence::{Record, Sighting, Survey, problem_at};
use super::excerpt::{Excerpt, Malformed, Parsed};
use super::{Adapter, Peeked, Watched};
use crate::base::SessionId;
use crate::env::Env;
use crate::memo::FileStamp;
use crate::offload::blocking;
use crate::parallel;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, ProblemKind, Turn};
use crate::scope::{Interest, Scope};

mod between;
mod branch;
mod counted;
mod finder;
mod listing;
mod marks;
mod peek;
mod reading;
mod rewritten;

pub use branch::{Link, ReadLink};
pub use counted::Counted;
pub use finder::Finder;
use finder::FoundFile;
pub use listing::{Entry, EntryKind, each_entry, names_in};
pub use marks::Marks;
pub use peek::{Beginning, ReadBeginning};
use reading::{Buffers, How, read_excerpt};
pub use reading::{SMALL_FILE_MAX, TAIL, borrowed, open_regular, read_end, read_small, remembered};
pub use rewritten::Rewritten;

/// Most transcripts listed of one agent: ten times the largest store seen. What lies beyond is a problem.
const FILES_MAX: usize = 200_000;

/// Excerpts worth a thread: reading one takes some 20 µs, starting a thread some 50.
const FILES_PER_THREAD: usize = 32;

/// Reads one transcript. PURE: its bytes are all it sees.
pub type Parse = fn(&Excerpt<'_>) -> Result<Parsed<Record>, Malformed>;

/// Asks a service about what a survey leaves open.
pub type Ask = fn(Scope, Survey) -> BoxFuture<'static, Survey>;

/// An agent whose sessions are files is data plus functions that look, but never write.
pub struct FileAgent {
    pub card: AgentCard,
    /// Where its store is; only those that exist are read.
    pub roots: fn(&Env) -> Vec<PathBuf>,
    /// What changes below a root when a session does; see [`Adapter::watched`].
    pub watched: fn(&Path) -> Vec<Watched>,
    /// Names the transcripts below a root.
    pub find: fn(&mut Finder<'_>, &Path),
    /// Bytes of a transcript's beginning that are read at first: what names the session and holds most first prompts.
    pub head: usize,
    /// A text that the record holds which tells of the last turn what no later one repeats: the end is read back to it,
    /// and no further. Nothing where the last [`TAIL`] bytes mostly tell all.
    pub back_to: Option<&'static str>,
    pub parse: Parse,
    /// What is not in transcripts: live processes, names kept elsewhere, exact usage.
    pub beyond: fn(&Scope, &Found) -> Beyond,
    /// Adds what a service of the agent's own says, where it has one that can be asked.
    pub ask: Option<Ask>,
    /// The turns of a line of a transcript, oldest first. PURE.
    pub turns: fn(&[u8]) -> Vec<Turn>,
    /// How it shows in its transcripts that a conversation went back, and what was abandoned.
    pub went_back: WentBack,
    /// Where a conversation may begin in one transcript and go on in another.
    pub beginning: Option<ReadBeginning>,
    /// How it is started, resumed and stopped.
    pub driver: &'static Driver,
}

/// How it shows in a transcript that its conversation went back to an earlier moment. PURE.
#[derive(Clone, Copy)]
pub enum WentBack {
    /// What was abandoned is not in it, or nothing tells.
    Untold,
    /// It is a tree, of which only the newest branch is the conversation.
    Branches(ReadLink),
    /// A line says before what it goes back.
    Marked(Marks),
    /// A line says over how many prompts it goes back.
    Counted(Counted),
}

/// What the store holds, for the part of an adapter that looks beyond it.
#[derive(Debug)]
pub struct Found {
    /// The roots that exist.
    pub roots: Vec<PathBuf>,
    pub transcripts: Vec<Transcript>,
}

impl Found {
    /// The transcripts of the sessions whose usage is wanted.
    pub fn to_count(&self, interest: &Interest) -> Vec<&Transcript> {
        self.transcripts.iter().filter(|it| it.record.is_to_count(interest)).collect()
    }
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

    fn watched(&self, env: &Env) -> Vec<Watched> {
        (self.roots)(env).iter().flat_map(|root| (self.watched)(root)).collect()
    }

    fn driver(&self) -> &'static Driver {
        self.driver
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        async move {
            let seen = {
                let scope = scope.clone();
                blocking(move || self.look(&scope)).await
            };
            match self.ask {
                Some(ask) => ask(scope, seen).await,
                None => seen,
            }
        }
        .boxed()
    }

    fn peek(
        &'static self,
        scope: Scope,
        record: Arc<Record>,
        turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        let path = record.path.clone()?;
        Some(blocking(move || self.last_turns(&scope, &path, turns)).boxed())
    }
}

impl FileAgent {
    fn look(&'static self, scope: &Scope) -> Survey {
        let mut finder = Finder::new(scope);
        finder.reads_all = !scope.memo.has_held(self.purpose());
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
        let transcripts = self.read(scope, files, &mut problems);
        let found = Found { roots, transcripts };
        let beyond = (self.beyond)(scope, &found);
        problems.extend(beyond.problems);
        if found.roots.is_empty() && beyond.sightings.is_empty() && problems.is_empty() {
            return Survey::absent();
        }
        let retold = beyond.sightings.iter().filter_map(Sighting::record);
        let retold: HashSet<&SessionId> = retold.map(|it| &it.session).collect();
        let recorded = found.transcripts.into_iter().map(|it| it.record);
        let recorded = recorded.filter(|it| !retold.contains(&it.session)).map(Sighting::Recorded);
        let recorded: Vec<_> = recorded.collect();
        drop(retold);
        Survey::of(recorded.into_iter().chain(beyond.sightings).collect(), problems)
    }

    /// Under which name it is remembered what transcripts said.
    fn purpose(&'static self) -> &'static str {
        self.card.id.as_str()
    }

    fn how(&self) -> How {
        How { head: self.head, back_to: self.back_to, parse: self.parse }
    }

    /// Reads each transcript, or recalls what it said when it was as it is now.
    fn read(
        &'static self,
        scope: &Scope,
        files: Vec<FoundFile>,
        problems: &mut Vec<Problem>,
    ) -> Vec<Transcript> {
        let purpose = self.purpose();
        let recall = |it: &FoundFile| scope.memo.recall::<Remembered>(purpose, it.stamp?);
        let mut outcomes: Vec<_> = files.iter().map(recall).collect();
        let unread: Vec<usize> = (0..files.len()).filter(|it| outcomes[*it].is_none()).collect();
        let read = parallel::map(
            &unread,
            FILES_PER_THREAD,
            || scope.is_cancelled(),
            Buffers::default,
            |buffers, index| {
                read_transcript(scope, purpose, buffers, &files[*index].path, self.how())
            },
        );
        for (index, outcome) in unread.into_iter().zip(read) {
            outcomes[index] = outcome;
        }
        let mut transcripts = Vec::with_capacity(files.len());
        for (FoundFile { path, .. }, outcome) in files.into_iter().zip(outcomes) {
            match outcome.as_deref() {
                Some(Ok((stamp, record))) => {
                    transcripts.push(Transcript { path, stamp: *stamp, record: record.clone() });
                }
                Some(Err(problem)) => problems.push(problem.clone()),
                // It is gone, or the request was given up before it was read.
                None => {}
            }
        }
        transcripts
    }
}

/// What is remembered of a transcript, and of which state of it.
type Remembered = Result<(FileStamp, Arc<Record>), Problem>;

/// Nothing where it was moved or removed since it was found: that costs nobody a session.
fn read_transcript(
    scope: &Scope,
    purpose: &'static str,
    buffers: &mut Buffers,
    path: &Path,
    how: How,
) -> Option<Arc<Remembered>> {
    let (opened, meta) = match open_regular(path) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        // Not remembered: another look may be let in, with the file as it is.
        Err(error) => {
            let problem = problem_at(ProblemKind::Unreadable, path, error.to_string());
            return Some(Arc::new(Err(problem)));
        }
    };
    let stamp = FileStamp::of(&meta);
    let read = read_excerpt(&opened, stamp, buffers, path, how);
    let outcome = Arc::new(read.map(|record| (stamp, record)));
    if says_what_the_file_holds(&outcome) {
        scope.memo.remember::<Remembered>(purpose, stamp, outcome.clone());
    }
    Some(outcome)
}

/// Whether another look at the same bytes would say the same; a read that failed may well succeed then.
fn says_what_the_file_holds(outcome: &Remembered) -> bool {
    outcome.as_ref().err().is_none_or(|it| it.kind != ProblemKind::Unreadable)
}

/// The words of a text as the lines of a transcript.
#[cfg(test)]
fn newest_first(words: &'static str) -> Vec<&'static [u8]> {
    words.rsplit(' ').filter(|it| !it.is_empty()).map(str::as_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeProc;

    #[test]
    fn what_is_gone_since_it_was_found_is_neither_a_session_nor_a_problem() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("session.jsonl");
        std::fs::write(&path, "").unwrap();
        let scope = FakeProc::new().scope(home.path());
        let read = || {
            let parse: Parse = |_| Err(Malformed::new("nothing in it"));
            let how = How { head: 1, back_to: None, parse };
            read_transcript(&scope, "test", &mut Buffers::default(), &path, how)
        };
        assert!(matches!(read().as_deref(), Some(Err(_))));
        std::fs::remove_file(&path).unwrap();
        assert!(read().is_none());
    }

    #[test]
    fn only_what_a_file_holds_is_remembered_of_it() {
        let remembered = |kind| {
            says_what_the_file_holds(&Err(problem_at(kind, Path::new("/x"), "input/output error")))
        };
        assert!(!remembered(ProblemKind::Unreadable));
        assert!(remembered(ProblemKind::Malformed) && remembered(ProblemKind::TooLarge));
    }
}
