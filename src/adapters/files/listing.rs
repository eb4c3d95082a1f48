//! Reads a directory: what is not there has no entries, and what cannot be read is a problem.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use crate::adapters::evidence::problem_at;
use crate::protocol::session::{Problem, ProblemKind};

/// The entries of a directory, as the system names them, and no more than `most`; the rest is left out, and said to be.
pub fn listing(dir: &Path, most: usize, problems: &mut Vec<Problem>) -> Vec<DirEntry> {
    let unreadable = |error: &io::Error| {
        // What is not there, or not there any more, is no problem.
        let is_absent = error.kind() == io::ErrorKind::NotFound;
        (!is_absent).then(|| problem_at(ProblemKind::Unreadable, dir, error.to_string()))
    };
    let mut entries = Vec::new();
    let found = match fs::read_dir(dir) {
        Ok(found) => found,
        Err(error) => {
            problems.extend(unreadable(&error));
            return entries;
        }
    };
    for entry in found {
        if entries.len() == most {
            let message = format!("more than {most} entries, of which the rest is left out");
            problems.push(problem_at(ProblemKind::Limit, dir, message));
            break;
        }
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => problems.extend(unreadable(&error)),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many entries are listed, and the kinds of problems.
    fn listed(dir: &Path, most: usize) -> (usize, Vec<ProblemKind>) {
        let mut problems = Vec::new();
        let listed = listing(dir, most, &mut problems).len();
        (listed, problems.into_iter().map(|it| it.kind).collect())
    }

    #[test]
    fn what_is_absent_is_empty_and_what_is_left_out_or_no_directory_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("1");
        fs::write(&file, "").unwrap();
        fs::write(dir.path().join("2"), "").unwrap();
        assert_eq!(listed(&dir.path().join("absent"), 2), (0, vec![]));
        assert_eq!(listed(dir.path(), 2), (2, vec![]));
        assert_eq!(listed(dir.path(), 1), (1, vec![ProblemKind::Limit]));
        assert_eq!(listed(&file, 2), (0, vec![ProblemKind::Unreadable]));
    }
}
