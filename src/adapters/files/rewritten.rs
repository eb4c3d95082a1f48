//! Small JSON files that their writer empties and fills again in place: a reader may find a part of one.

use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::value::RawValue;

use super::reading::read_small;
use crate::adapters::evidence::problem_at;
use crate::adapters::jsonl;
use crate::memo::FileStamp;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// How long a writer may take: a millisecond, but on a busy machine it may have to wait for its turn between emptying the
/// file and filling it.
const REWRITTEN_WITHIN_MS: i64 = 1_000;
/// How far a stamp may lie ahead of the look's clock: the file may have been written since the look began, and no look
/// takes longer. Further ahead, it is a clock's mistake and tells nothing.
const AHEAD_MAX_MS: i64 = 5_000;
/// How long to wait before a file is read again that its writer has not completed: each time twice as long, so long.
const PAUSES_MS: [u64; 6] = [1, 2, 4, 8, 16, 32];
/// How long one look waits, over all its files: as long as for three that stay broken.
const PATIENCE_MS: u64 = 200;

/// One look at files of which some may be in writing.
#[derive(Debug)]
pub struct Rewritten<'a> {
    scope: &'a Scope,
    /// What is left of the look's patience.
    left_ms: Cell<u64>,
}

impl<'a> Rewritten<'a> {
    pub fn of(scope: &'a Scope) -> Self {
        Self { scope, left_ms: Cell::new(PATIENCE_MS) }
    }

    /// The one JSON object that a small file holds; nothing where there is no such file.
    pub fn object(&self, path: &Path) -> Result<Option<Vec<u8>>, Problem> {
        match self.complete(path, thread::sleep) {
            Ok(Some(bytes)) => Ok(Some(bytes)),
            Ok(None) => Err(problem_at(ProblemKind::Malformed, path, "not a complete JSON object")),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
        }
    }

    /// Reads a small file; nothing where its writer does not complete it.
    fn complete(&self, path: &Path, mut wait: impl FnMut(Duration)) -> io::Result<Option<Vec<u8>>> {
        let mut pauses = PAUSES_MS.into_iter();
        loop {
            let bytes = read_small(path)?;
            if jsonl::record::<&RawValue>(&bytes).is_some_and(|it| it.get().starts_with('{')) {
                return Ok(Some(bytes));
            }
            let affordable = pauses.next().filter(|it| *it <= self.left_ms.get());
            let Some(pause) = affordable.filter(|_| !self.scope.is_cancelled()) else {
                return Ok(None);
            };
            if !self.may_be_in_writing(path)? {
                return Ok(None);
            }
            self.left_ms.set(self.left_ms.get() - pause);
            wait(Duration::from_millis(pause));
        }
    }

    fn may_be_in_writing(&self, path: &Path) -> io::Result<bool> {
        let written = FileStamp::of(&fs::metadata(path)?).modified_millis();
        let age = self.scope.now.as_millis().saturating_sub(written);
        Ok((-AHEAD_MAX_MS..REWRITTEN_WITHIN_MS).contains(&age))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const WHOLE: &str = r#"{"status":"busy"}"#;

    /// Reads a file of which only a part is there, and that was last written so long before the look; the rest is
    /// written during wait number `written_in`, if any. Returns whether it was read, and how often was waited.
    fn read(
        look: &Rewritten<'_>,
        part: &str,
        age: i64,
        written_in: Option<usize>,
    ) -> (bool, usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, part).unwrap();
        let millis = u64::try_from(look.scope.now.as_millis() - age).unwrap();
        let modified = std::time::UNIX_EPOCH + Duration::from_millis(millis);
        file.as_file().set_modified(modified).unwrap();
        let mut waits = 0;
        let read = look.complete(file.path(), |_| {
            waits += 1;
            if written_in == Some(waits) {
                fs::write(&file, WHOLE).unwrap();
            }
            file.as_file().set_modified(modified).unwrap();
        });
        (read.unwrap().as_deref() == Some(WHOLE.as_bytes()), waits)
    }

    #[test]
    fn what_is_being_written_is_waited_for_and_what_stays_broken_is_not() {
        let scope = testing::scope();
        let check = |part: &str, age, written_in, expect| {
            let read = read(&Rewritten::of(&scope), part, age, written_in);
            assert_eq!(read, expect, "{part:?} {age} {written_in:?}");
        };
        let last = PAUSES_MS.len();
        check(WHOLE, 0, None, (true, 0));
        for part in ["", r#"{"stat"#] {
            check(part, 0, Some(1), (true, 1));
            check(part, 0, Some(last), (true, last));
            check(part, REWRITTEN_WITHIN_MS - 1, None, (false, last));
            check(part, REWRITTEN_WITHIN_MS, Some(1), (false, 0));
            check(part, -AHEAD_MAX_MS, None, (false, last));
            check(part, -AHEAD_MAX_MS - 1, Some(1), (false, 0));
        }
    }

    #[test]
    fn however_many_stay_broken_one_look_waits_no_longer_than_it_may() {
        let scope = testing::scope();
        let look = Rewritten::of(&scope);
        let waits = [0; 5].map(|_| read(&look, "", 0, None).1);
        // Three that are given up, and the beginning of a fourth.
        assert_eq!(waits, [6, 6, 6, 3, 2]);
        assert_eq!(look.left_ms.get(), 1);
        assert_eq!(read(&look, WHOLE, 0, None), (true, 0));
    }

    #[test]
    fn nobody_waits_for_an_answer_that_nobody_wants() {
        let (scope, guard) = testing::scope().cancellable();
        drop(guard);
        assert_eq!(read(&Rewritten::of(&scope), "", 0, Some(1)), (false, 0));
    }
}
