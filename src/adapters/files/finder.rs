//! Walks a store: names what is there, and what cannot be read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{FILES_MAX, listing};
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

/// What kind of thing a directory holds under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A pipe, socket or device: never opened.
    Special,
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
        for entry in self.listing(dir) {
            // Agents write their names in ASCII; a name that is not text is none of theirs.
            let Ok(name) = entry.file_name().into_string() else { continue };
            if is_transcript(&name) {
                self.take_entry(&entry);
            } else {
                match entry_kind(&entry) {
                    Ok(EntryKind::Directory) => directories.push(name),
                    Ok(_) => {}
                    Err(error) => self.problem(&entry.path(), &error),
                }
            }
        }
        directories
    }

    /// Takes the entry for a transcript, if it is a regular file; anything else of that name is a problem.
    pub fn take(&mut self, path: PathBuf) {
        let meta = fs::metadata(&path);
        self.take_known(path, meta);
    }

    fn take_entry(&mut self, entry: &fs::DirEntry) {
        let path = entry.path();
        if self.reads_all && entry.file_type().is_ok_and(|it| it.is_file()) {
            self.files.push(FoundFile { path, stamp: None });
            return;
        }
        // Relative to the open directory, which saves the kernel the walk down the path.
        let meta = match entry.metadata() {
            Ok(meta) if meta.is_symlink() => fs::metadata(&path),
            meta => meta,
        };
        self.take_known(path, meta);
    }

    fn take_known(&mut self, path: PathBuf, meta: io::Result<fs::Metadata>) {
        match meta {
            Ok(meta) if meta.is_file() => {
                self.files.push(FoundFile { stamp: Some(FileStamp::of(&meta)), path });
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
        for entry in self.listing(dir) {
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry_kind(&entry) {
                Ok(kind) => entries.push((name, kind)),
                Err(error) => self.problem(&entry.path(), &error),
            }
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    fn listing(&mut self, dir: &Path) -> Vec<fs::DirEntry> {
        if self.scope.is_cancelled() {
            return Vec::new();
        }
        listing(dir, FILES_MAX, &mut self.problems)
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

fn entry_kind(entry: &fs::DirEntry) -> io::Result<EntryKind> {
    let kind = entry.file_type()?;
    let kind = if kind.is_symlink() { fs::metadata(entry.path())?.file_type() } else { kind };
    Ok(if kind.is_file() {
        EntryKind::File
    } else if kind.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Special
    })
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
