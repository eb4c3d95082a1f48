//! Where a thread begins that was rewound or forked: with the beginning of another rollout, which its first line names.
//!
//! Codex 0.169.0 copies nothing. `history_base` names the rollout by its own id and says how many of its bytes count:
//!
//! ```json
//! {"history_base":{"thread_id":"01a22224-4006-…","end_ordinal_exclusive":28,"end_byte_offset":39418}}
//! ```

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::super::evidence::problem_at;
use super::super::excerpt::Excerpt;
use super::super::files::{Beginning, Finder, open_regular};
use super::line::HistoryBase;
use super::rollout::{self, Name};
use super::{folders, roots};
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Most bytes that are read of a first line: forty times the longest seen, which is 22 KB for the system prompt in it.
const FIRST_LINE_MAX: u64 = 1 << 20;

/// Reads with what a rollout's thread begins; nothing where it begins here.
pub(super) fn beginning(scope: &Scope, rollout: &Path) -> Result<Option<Beginning>, Problem> {
    let Some(HistoryBase { rollout: id, len }) = history_base(rollout)? else { return Ok(None) };
    let gone = || {
        let message = format!("the rollout `{id}`, whose beginning is its history, is gone");
        problem_at(ProblemKind::Unreadable, rollout, message)
    };
    let path = rollout_of(scope, &id).ok_or_else(gone)?;
    Ok(Some(Beginning { path, len }))
}

fn history_base(rollout: &Path) -> Result<Option<HistoryBase>, Problem> {
    let mut line = Vec::new();
    let read = open_regular(rollout).and_then(|(file, _)| {
        BufReader::new(file).take(FIRST_LINE_MAX).read_until(b'\n', &mut line)
    });
    read.map_err(|it| problem_at(ProblemKind::Unreadable, rollout, it.to_string()))?;
    let meta = rollout::meta(&Excerpt::whole(rollout, &line));
    let meta = meta.map_err(|it| problem_at(ProblemKind::Malformed, rollout, it.what))?;
    Ok(meta.history_base)
}

/// Where the rollout with that id of its own is: that does not say on which day it was begun, nor whether it was put away.
fn rollout_of(scope: &Scope, id: &str) -> Option<PathBuf> {
    let mut finder = Finder::new(scope);
    for root in roots(&scope.env) {
        for dir in folders(&mut finder, &root) {
            finder.take_from(&dir, |name| Name::of(name).is_some_and(|it| it.own == id));
        }
    }
    finder.into_paths().next()
}
