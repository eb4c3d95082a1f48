//! Walks a store: names what is there, and what cannot be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::FILES_MAX;
use super::listing::{Entry, EntryKind, each_entry};
use crate::adapters::evidence::problem_at;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Collects the transcripts of a store.
#[derive(Debug)]
pub struct Finder<'a> {
    pub(super) scope: &'a Scope,
    pub(super) files: Vec<FoundFile>,
    pub(super) problems: Vec<Problem>,
    /// Whether all that is found will be read: then it is looked at when it is opened, and not before.
    pub(super) reads_all: bool,
}

/// A file that may be a transcript.
#[derive(Clone, Debug)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    /// The state that it was found in, where it was looked at.
    pub(super) stamp: Option<FileStamp>,
}

impl<'a> Finder<'a> {
    pub(in crate::adapters) fn new(scope: &'a Scope) -> Self {
        Self { scope, files: Vec::new(), problems: Vec::new(), reads_all: false }
    }

    /// Where what it has taken is.
    pub fn into_paths(self) -> impl Iterator<Item = PathBuf> {
        self.files.into_iter().map(|it| it.path)
    }

    /// Whether the answer shows sessions that others started.
    pub fn wants_subagents(&self) -> bool {
        self.scope.interest.subagents
    }

    /// Takes from a directory every file that is a transcript by its name, and returns the names of its
    /// subdirectories. Other names cost no look at their files, and transcripts one look each.
    pub fn take_from(&mut self, dir: &Path, is_transcript: impl Fn(&str) -> bool) -> Vec<String> {
        let mut directories = Vec::new();
        self.each_entry(dir, |finder, name, entry| {
            if is_transcript(name) {
                finder.take_entry(dir.join(name), entry);
            } else {
                match entry.kind() {
                    Ok(EntryKind::Directory) => directories.push(name.to_owned()),
                    Ok(_) => {}
                    Err(error) => finder.problem(&dir.join(name), &error),
                }
            }
        });
        directories
    }

    /// Takes the entry for a transcript, if it is a regular file; anything else of that name is a problem.
    pub fn take(&mut self, path: PathBuf) {
        let stat = rustix::fs::stat(&path).map_err(io::Error::from);
        self.take_known(path, stat);
    }

    fn take_entry(&mut self, path: PathBuf, entry: &Entry<'_>) {
        if self.reads_all && entry.is_plain_file() {
            self.files.push(FoundFile { path, stamp: None });
        } else {
            self.take_known(path, entry.look());
        }
    }

    fn take_known(&mut self, path: PathBuf, stat: io::Result<Stat>) {
        match stat {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => {
                self.files.push(FoundFile { stamp: Some(FileStamp::of_stat(&stat)), path });
            }
            Ok(_) => {
                let problem = problem_at(ProblemKind::Unreadable, &path, "not a regular file");
                self.problems.push(problem);
            }
            Err(error) => self.problem(&path, &error),
        }
    }

    /// The entries of a directory, by name. One that is not there has none; one that cannot be read
    /// is a problem. Symbolic links are followed, once.
    pub fn entries(&mut self, dir: &Path) -> Vec<(String, EntryKind)> {
        let mut entries = Vec::new();
        self.each_entry(dir, |finder, name, entry| match entry.kind() {
            Ok(kind) => entries.push((name.to_owned(), kind)),
            Err(error) => finder.problem(&dir.join(name), &error),
        });
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    fn each_entry(&mut self, dir: &Path, mut show: impl FnMut(&mut Self, &str, &Entry<'_>)) {
        if self.scope.is_cancelled() {
            return;
        }
        let problem = each_entry(dir, FILES_MAX, |entry| {
            if let Some(name) = entry.name() {
                show(self, name, entry);
            }
        });
        self.problems.extend(problem);
    }

    pub(super) fn is_present(&mut self, root: &Path) -> bool {
        match fs::metadata(root) {
            Ok(meta) if meta.is_dir() => true,
            Ok(_) => {
                let message = "the store is not a directory";
                self.problems.push(problem_at(ProblemKind::Unreadable, root, message));
                false
            }
            // Something that is not a directory above it: so the store is not there.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => false,
            Err(error) => {
                self.problem(root, &error);
                false
            }
        }
    }

    /// Notes what cannot be read. What is not there, or not there any more, is no problem.
    fn problem(&mut self, path: &Path, error: &io::Error) {
        if error.kind() != io::ErrorKind::NotFound {
            self.problems.push(problem_at(ProblemKind::Unreadable, path, error.to_string()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::testing::FakeProc;

    #[test]
    fn what_will_be_read_anyway_is_not_looked_at_before() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        fs::write(path("file"), "").unwrap();
        symlink(path("file"), path("link")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        let scope = FakeProc::new().scope(home.path());
        let found = |reads_all| {
            let mut finder = Finder { reads_all, ..Finder::new(&scope) };
            finder.take_from(home.path(), |_| true);
            let problems = finder.problems.iter().map(|it| it.message.clone());
            assert_eq!(problems.collect::<Vec<_>>(), ["not a regular file"]);
            let mut looked_at: Vec<_> =
                finder.files.into_iter().map(|it| (it.path, it.stamp.is_some())).collect();
            looked_at.sort_unstable();
            looked_at
        };
        assert_eq!(found(false), [(path("file"), true), (path("link"), true)]);
        assert_eq!(found(true), [(path("file"), false), (path("link"), true)]);
    }
}
