//! The last turns of a transcript: ever more of its end is read until it shows as many as wanted, and one more, and then
//! of the one that it begins with.

use std::io;
use std::path::{Path, PathBuf};

use super::reading::{open_regular, read_at};
use super::{FileAgent, Peeked, WentBack, branch};
use crate::adapters::evidence::problem_at;
use crate::adapters::excerpt::Excerpt;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Where a search for turns gives up: 32 MiB of one session's end.
const MOST: usize = 32 << 20;
/// Where it begins, and how it goes on.
const STEPS: [usize; 4] = [64 << 10, 512 << 10, 4 << 20, MOST];
/// Most lines that are looked at, each of which is kept in mind: in the end of a real transcript there are fewer, since no
/// record is shorter than the 128 bytes that this leaves for each.
const LINES_MAX: usize = MOST / 128;

/// Most transcripts that one conversation is followed through: more than anybody rewinds it.
const TRANSCRIPTS_MAX: usize = 64;

/// The part of another transcript with which a conversation begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Beginning {
    pub path: PathBuf,
    /// How many of its bytes.
    pub len: u64,
}

/// Reads with what part of another transcript this one's conversation begins; nothing where it begins here.
pub type ReadBeginning = fn(&Scope, &Path) -> Result<Option<Beginning>, Problem>;

impl FileAgent {
    /// The last turns of the conversation that ends in a transcript, wherever it began.
    pub(super) fn last_turns(
        &self,
        scope: &Scope,
        path: &Path,
        wanted: usize,
    ) -> Result<Peeked, Problem> {
        let mut peeked = self.turns_in(scope, path, u64::MAX, wanted)?;
        let mut path = path.to_owned();
        for followed in 1.. {
            if peeked.has_earlier {
                return Ok(peeked);
            }
            let missing = wanted - peeked.turns.len();
            match self.turns_before(scope, &path, missing) {
                Ok(None) => return Ok(peeked),
                Ok(Some(_)) if followed == TRANSCRIPTS_MAX => break,
                Ok(Some((mut earlier, its_path))) => {
                    earlier.turns.append(&mut peeked.turns);
                    (peeked, path) = (earlier, its_path);
                }
                Err(_) => break,
            }
        }
        // It was said, and is too far away or cannot be read.
        peeked.has_earlier = true;
        Ok(peeked)
    }

    /// The last turns of the part with which a transcript's conversation begins, and where that is.
    fn turns_before(
        &self,
        scope: &Scope,
        path: &Path,
        wanted: usize,
    ) -> Result<Option<(Peeked, PathBuf)>, Problem> {
        let Some(read) = self.beginning else { return Ok(None) };
        let Some(Beginning { path, len }) = read(scope, path)? else { return Ok(None) };
        Ok(Some((self.turns_in(scope, &path, len, wanted)?, path)))
    }

    /// The last turns of the first `len` bytes of a transcript.
    fn turns_in(
        &self,
        scope: &Scope,
        path: &Path,
        len: u64,
        wanted: usize,
    ) -> Result<Peeked, Problem> {
        let unreadable =
            |error: io::Error| problem_at(ProblemKind::Unreadable, path, error.to_string());
        let (file, meta) = open_regular(path).map_err(unreadable)?;
        let size = usize::try_from(meta.len().min(len)).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        let mut peeked = Peeked::default();
        for step in STEPS {
            let len = step.min(size);
            let bytes = read_at(&file, &mut bytes, (size - len) as u64, len).map_err(unreadable)?;
            let excerpt = if len == size {
                Excerpt::whole(path, bytes)
            } else {
                Excerpt::parts(path, &[], bytes)
            };
            let mut lines: Vec<&[u8]> = excerpt.tail_lines().take(LINES_MAX + 1).collect();
            let has_more_lines = lines.len() > LINES_MAX;
            lines.truncate(LINES_MAX);
            let is_whole = len == size && !has_more_lines;
            let is_last = is_whole || has_more_lines || step == MOST;
            let followed = match self.went_back {
                WentBack::Untold => Some(lines),
                WentBack::Branches(link) => branch::followed(lines, link, is_last),
                WentBack::Marked(marks) => marks.followed(lines, is_last),
                WentBack::Counted(counted) => counted.followed(lines, is_last),
            };
            let Some(lines) = followed else { continue };
            peeked = self.newest(scope, &lines, wanted);
            peeked.has_earlier |= !is_whole;
            if is_last || peeked.turns.len() == wanted || scope.is_cancelled() {
                break;
            }
        }
        Ok(peeked)
    }

    /// The newest turns of lines of which the newest are first.
    fn newest(&self, scope: &Scope, lines: &[&[u8]], wanted: usize) -> Peeked {
        let mut newest_first = Vec::new();
        for line in lines {
            newest_first.extend((self.turns)(line).into_iter().rev());
            if newest_first.len() > wanted || scope.is_cancelled() {
                break;
            }
        }
        let has_earlier = newest_first.len() > wanted;
        newest_first.truncate(wanted);
        newest_first.reverse();
        Peeked { turns: newest_first, has_earlier }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::claude_code::ADAPTER;
    use crate::testing;

    const SAID: &str =
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"said"}]}}"#;

    /// How many turns are shown of a transcript with so many lines behind the two that say something, and whether
    /// others came before.
    fn shown(scope: &Scope, lines: usize) -> (usize, bool) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = format!("{SAID}\n{SAID}\n{}", "x\n".repeat(lines));
        std::fs::write(&file, text).unwrap();
        let peeked = ADAPTER.last_turns(scope, file.path(), 9).unwrap();
        (peeked.turns.len(), peeked.has_earlier)
    }

    #[test]
    fn as_many_lines_as_are_looked_at_show_their_turns_and_beyond_them_others_came_before() {
        let scope = testing::scope();
        assert_eq!(shown(&scope, LINES_MAX - 2), (2, false));
        assert_eq!(shown(&scope, LINES_MAX - 1), (1, true));
        assert_eq!(shown(&scope, LINES_MAX), (0, true));
    }

    #[test]
    fn nothing_is_looked_for_that_nobody_waits_for() {
        let (scope, guard) = testing::scope().cancellable();
        drop(guard);
        assert_eq!(shown(&scope, LINES_MAX - 2), (0, true));
    }
}
