//! What the index beside the rollouts knows of threads: names, and what was put away. Never required.
//!
//! `state_<generation>.sqlite`, of which the newest counts, has a row a thread: `name` is what a person called it,
//! `title` is the first message until something changes it, so that it is a title only where it differs.
//! `session_index.jsonl` has a line each time a thread is renamed, and is asked where the index does not know.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use serde::Deserialize;

use super::super::evidence::problem_at;
use super::super::files::{SMALL_FILE_MAX, names_in, open_regular};
use super::super::{jsonl, sqlite};
use crate::base::SessionId;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

/// Most threads whose names are read: as many as there are rollouts listed, where the limit is said.
const THREADS_MAX: usize = 200_000;

/// Most entries of Codex's home that are looked through for the index: there are some dozens.
const ENTRIES_MAX: usize = 10_000;

/// What the index says of one thread.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    title: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) is_archived: bool,
}

/// What is known of the threads below a root.
#[derive(Debug, Default)]
pub(super) struct Names {
    indexed: Arc<BTreeMap<String, Entry>>,
    renamed: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn entry(&self, thread: &SessionId) -> Option<&Entry> {
        self.indexed.get(thread.as_str())
    }

    pub(super) fn title(&self, thread: &SessionId) -> Option<&String> {
        let indexed = self.entry(thread).and_then(|it| it.title.as_ref());
        indexed.or_else(|| self.renamed.get(thread.as_str()))
    }
}

pub(super) fn read(scope: &Scope, root: &Path, problems: &mut Vec<Problem>) -> Names {
    let mut names = Names { renamed: renamed(root, problems), ..Names::default() };
    if let Some(path) = newest_state(root, problems) {
        match sqlite::read_once(scope, "codex names", &path, threads) {
            Ok(known) => names.indexed = known.unwrap_or_default(),
            Err(problem) => problems.push(problem),
        }
    }
    names
}

/// The index of the highest generation: `state_5.sqlite`. An older one is left behind when Codex moves on.
fn newest_state(root: &Path, problems: &mut Vec<Problem>) -> Option<PathBuf> {
    let generation = |name: String| {
        let digits = name.strip_prefix("state_")?.strip_suffix(".sqlite")?;
        Some((digits.parse::<u32>().ok()?, name))
    };
    let names = names_in(root, ENTRIES_MAX, problems).into_iter();
    let newest = names.filter_map(generation).max();
    newest.map(|(_, name)| root.join(name))
}

/// The threads of which the index says more than their rollouts.
fn threads(database: &Connection) -> rusqlite::Result<BTreeMap<String, Entry>> {
    let columns = sqlite::Columns::of(database, "threads")?;
    let selected = ["id", "name", "title", "first_user_message", "git_branch", "archived"];
    let selected = selected.map(|it| columns.or_null(it)).join(", ");
    let mut statement =
        database.prepare(&format!("SELECT {selected} FROM threads LIMIT {THREADS_MAX}"))?;
    let mut rows = statement.query([])?;
    let mut entries = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let text = |column| sqlite::text(row, column).filter(|it| !it.trim().is_empty());
        let Some(thread) = text(0) else { continue };
        let entry = Entry {
            title: text(1).or_else(|| text(2).filter(|it| is_title(it, text(3).as_deref()))),
            branch: text(4),
            is_archived: sqlite::integer(row, 5) == Some(1),
        };
        if entry != Entry::default() {
            entries.insert(thread, entry);
        }
    }
    Ok(entries)
}

/// Whether a title says anything but how the first message begins.
fn is_title(title: &str, first_message: Option<&str>) -> bool {
    !first_message.is_some_and(|it| it.trim_start().starts_with(title.trim()))
}

/// The names that threads were given, each time they were; the last time counts.
fn renamed(root: &Path, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Renamed {
        id: String,
        thread_name: String,
    }
    let path = root.join("session_index.jsonl");
    let mut bytes = Vec::new();
    let read = open_regular(&path)
        .and_then(|(file, _)| file.take(SMALL_FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(read) if read as u64 > SMALL_FILE_MAX => {
            let message = format!("names beyond {SMALL_FILE_MAX} bytes are not read");
            problems.push(problem_at(ProblemKind::TooLarge, &path, message));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            problems.push(problem_at(ProblemKind::Unreadable, &path, error.to_string()));
        }
    }
    let lines = bytes.split(|it| *it == b'\n').filter_map(jsonl::record::<Renamed>);
    lines.filter(|it| !it.thread_name.is_empty()).map(|it| (it.id, it.thread_name)).collect()
}
