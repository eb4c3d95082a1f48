//! What the index at the root knows of transcripts: their names. Never required; a transcript that it does not know is
//! searched for its name instead.
//!
//! `session-index.sqlite`, `sessions(path, size_bytes, last_modified_ms, name, …)`: a row is of one state of its file.
//! `pi_agent_rust` (0.8.0) takes a row for true while the file has that size and that time, and so do we.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use super::super::files::{Beyond, Found, Transcript};
use super::super::pi::beyond;
use super::super::pi::store::INDEX;
use super::super::sqlite::{self, Columns};
use crate::scope::Scope;

/// Most sessions whose names are read: as many as there are transcripts listed.
const SESSIONS_MAX: usize = 200_000;

/// The name of each session, for one state of its transcript.
#[derive(Default)]
struct Names(HashMap<PathBuf, Entry>);

struct Entry {
    size: i64,
    modified_ms: i64,
    name: Option<String>,
}

impl Names {
    /// Nothing where there is no index, or none that can be read.
    fn read(scope: &Scope, root: &Path) -> Option<Arc<Self>> {
        sqlite::read_once(scope, "pi-rust names", &root.join(INDEX), Self::of).ok().flatten()
    }

    fn of(database: &Connection) -> rusqlite::Result<Self> {
        let columns = Columns::of(database, "sessions")?;
        let needed = ["path", "size_bytes", "last_modified_ms", "name"];
        if !needed.iter().all(|it| columns.has(it)) {
            return Ok(Self::default());
        }
        let selected = needed.join(", ");
        let mut statement =
            database.prepare(&format!("SELECT {selected} FROM sessions LIMIT {SESSIONS_MAX}"))?;
        let mut rows = statement.query([])?;
        let mut names = HashMap::new();
        while let Some(row) = rows.next()? {
            let path = sqlite::text(row, 0).map(PathBuf::from);
            let state = sqlite::integer(row, 1).zip(sqlite::integer(row, 2));
            let Some((path, (size, modified_ms))) = path.zip(state) else { continue };
            names.insert(path, Entry { size, modified_ms, name: sqlite::text(row, 3) });
        }
        Ok(Self(names))
    }

    fn entry(&self, transcript: &Transcript) -> Option<&Entry> {
        let state = &transcript.stamp;
        self.0.get(&transcript.path).filter(|it| {
            u64::try_from(it.size) == Ok(state.size) && it.modified_ms == state.modified_millis()
        })
    }
}

/// Names the sessions that the indexes know, and returns the transcripts that may still hold a name nobody saw.
pub(super) fn names<'a>(
    scope: &Scope,
    found: &'a Found,
    beyond: &mut Beyond,
) -> Vec<&'a Transcript> {
    let in_doubt = beyond::in_doubt(found);
    if in_doubt.is_empty() {
        return in_doubt;
    }
    let indexes: Vec<_> = found.roots.iter().filter_map(|it| Names::read(scope, it)).collect();
    let mut unknown = Vec::new();
    for transcript in in_doubt {
        match indexes.iter().find_map(|it| it.entry(transcript)) {
            Some(entry) => beyond::name(transcript, entry.name.as_deref(), beyond),
            None => unknown.push(transcript),
        }
    }
    unknown
}
