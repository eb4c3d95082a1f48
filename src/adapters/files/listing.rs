//! Reads a directory: what is not there has no entries, and what cannot be read is a problem.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat};

use crate::adapters::evidence::problem_at;
use crate::protocol::session::{Problem, ProblemKind};

/// Bytes of entries that the kernel gives at once: some 200 transcripts.
const AT_ONCE: usize = 16 << 10;

/// What kind of thing a directory holds under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A pipe, socket or device: never opened.
    Special,
}

impl From<FileType> for EntryKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            _ => Self::Special,
        }
    }
}

/// What an open directory holds under a name. Nothing of it is kept: a store has thousands.
#[derive(Debug)]
pub struct Entry<'a> {
    dir: BorrowedFd<'a>,
    name: &'a CStr,
    kind: FileType,
}

impl Entry<'_> {
    /// Its name. Agents write theirs in ASCII; one that is not text is none of theirs.
    pub fn name(&self) -> Option<&str> {
        self.name.to_str().ok()
    }

    /// What it is, symbolic links followed; a look only where the directory does not say.
    pub fn kind(&self) -> io::Result<EntryKind> {
        match self.kind {
            FileType::Symlink | FileType::Unknown => {
                self.look().map(|it| FileType::from_raw_mode(it.st_mode).into())
            }
            kind => Ok(kind.into()),
        }
    }

    /// Whether the directory itself says that it is a file.
    pub(super) fn is_plain_file(&self) -> bool {
        self.kind == FileType::RegularFile
    }

    /// Its metadata, symbolic links followed: relative to the open directory, which saves the kernel the walk down the path.
    pub fn look(&self) -> io::Result<Stat> {
        Ok(rustix::fs::statat(self.dir, self.name, AtFlags::empty())?)
    }
}

/// Shows each entry of a directory, in the system's order, and no more than `most`. Returns what is left out, or why it
/// cannot be read.
pub fn each_entry(dir: &Path, most: usize, show: impl FnMut(&Entry<'_>)) -> Option<Problem> {
    match show_all(dir, most, show) {
        Ok(true) => None,
        Ok(false) => {
            let message = format!("more than {most} entries, of which the rest is left out");
            Some(problem_at(ProblemKind::Limit, dir, message))
        }
        // What is not there, or not there any more, is no problem.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(problem_at(ProblemKind::Unreadable, dir, error.to_string())),
    }
}

/// Shows the entries; returns whether these were all.
fn show_all(dir: &Path, most: usize, mut show: impl FnMut(&Entry<'_>)) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let open = rustix::fs::open(dir, flags, Mode::empty())?;
    let mut shown = 0;
    let mut buffer = [MaybeUninit::uninit(); AT_ONCE];
    let mut entries = RawDir::new(&open, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if shown == most {
            return Ok(false);
        }
        shown += 1;
        show(&Entry { dir: open.as_fd(), name, kind: entry.file_type() });
    }
    Ok(true)
}

/// The names in a directory, in their order, and no more than `most`.
pub fn names_in(dir: &Path, most: usize, problems: &mut Vec<Problem>) -> Vec<String> {
    let mut names = Vec::new();
    problems.extend(each_entry(dir, most, |entry| names.extend(entry.name().map(str::to_owned))));
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The names that are listed, and the kinds of problems.
    fn listed(dir: &Path, most: usize) -> (Vec<String>, Vec<ProblemKind>) {
        let mut problems = Vec::new();
        let names = names_in(dir, most, &mut problems);
        (names, problems.into_iter().map(|it| it.kind).collect())
    }

    #[test]
    fn what_is_absent_is_empty_and_what_is_left_out_or_no_directory_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("1");
        fs::write(&file, "").unwrap();
        fs::write(dir.path().join("2"), "").unwrap();
        assert_eq!(listed(&dir.path().join("absent"), 2), (vec![], vec![]));
        assert_eq!(listed(dir.path(), 2), (vec!["1".into(), "2".into()], vec![]));
        let (some, problems) = listed(dir.path(), 1);
        assert_eq!((some.len(), problems), (1, vec![ProblemKind::Limit]));
        assert_eq!(listed(&file, 2), (vec![], vec![ProblemKind::Unreadable]));
    }

    #[test]
    fn more_entries_than_the_kernel_gives_at_once_are_all_shown() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..AT_ONCE / 200).map(|it| format!("{it:0>200}")).collect();
        for name in &names {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(listed(dir.path(), usize::MAX), (names, vec![]));
    }

    #[test]
    fn links_are_what_they_lead_to() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "12").unwrap();
        for (link, target) in [("to-file", "file"), ("to-dir", "."), ("to-nothing", "absent")] {
            symlink(target, path(link)).unwrap();
        }
        let mut seen = Vec::new();
        let problem = each_entry(dir.path(), 9, |it| {
            let size = it.look().ok().filter(|_| it.name() != Some("to-dir")).map(|it| it.st_size);
            seen.push((it.name().unwrap().to_owned(), it.kind().ok(), size, it.is_plain_file()));
        });
        assert_eq!(problem, None);
        seen.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("file", Some(EntryKind::File), Some(2), true),
            ("to-dir", Some(EntryKind::Directory), None, false),
            ("to-file", Some(EntryKind::File), Some(2), false),
            ("to-nothing", None, None, false),
        ];
        assert_eq!(seen, expected.map(|(name, kind, size, is)| (name.to_owned(), kind, size, is)));
    }
}
