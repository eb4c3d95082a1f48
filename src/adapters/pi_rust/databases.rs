//! Sessions that `pi_agent_rust` keeps in a database each: the same entries, row by row.
//!
//! Seen in 0.8.0, where the settings say `"sessionStore": "sqlite"`: `pi_session_header(id, json)`,
//! `pi_session_entries(seq, json)`, and `pi_session_meta(key, value)`, which holds the last `name`, or an empty one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::evidence::{Record, Sighting, problem_at};
use super::super::excerpt::Excerpt;
use super::super::files::{Beyond, Found};
use super::super::pi::beyond::Spent;
use super::super::pi::{store, transcript};
use super::super::scan::Tally;
use super::super::sqlite::{self, Columns};
use crate::protocol::session::{Problem, ProblemKind, Source, Usage};
use crate::scope::Scope;

/// Entries at each end that are read: more than lie between two of a session's prompts.
const ENTRIES: usize = 64;
/// Longest entry that is read; as in transcripts, nothing of worth is in a longer one.
const ENTRY_MAX: usize = 1 << 20;

/// Reports the session of each database.
pub(super) fn observe(scope: &Scope, found: &Found, beyond: &mut Beyond) {
    for path in found.roots.iter().flat_map(|root| store::databases(scope, root)) {
        if scope.is_cancelled() {
            return;
        }
        match record(scope, &path) {
            Ok(Some(record)) => {
                let session = record.session.clone();
                if scope.interest.usage.includes(&session, None) {
                    let usage = usage(scope, &path, &mut beyond.problems);
                    beyond
                        .sightings
                        .extend(usage.map(|usage| Sighting::Counted { session, usage }));
                }
                beyond.sightings.push(Sighting::Recorded(record));
            }
            Ok(None) => {}
            Err(problem) => beyond.problems.push(problem),
        }
    }
}

fn record(scope: &Scope, path: &Path) -> Result<Option<Arc<Record>>, Problem> {
    let Some(lines) = sqlite::read_once(scope, "pi-rust session", path, Lines::read)? else {
        return Ok(None);
    };
    let excerpt = match &lines.last {
        None => Excerpt::whole(path, &lines.first),
        Some(last) => Excerpt::parts(path, &lines.first, last),
    };
    let parsed = transcript::parse(&excerpt)
        .map_err(|it| problem_at(ProblemKind::Malformed, path, it.what))?;
    let title = match &lines.name {
        Some(name) => Some(name.clone()).filter(|it| !it.is_empty()),
        None => parsed.value.title.clone(),
    };
    Ok(Some(Arc::new(Record { source: Source::Database, title, ..parsed.value })))
}

/// The rows as the lines of a transcript.
#[derive(Default)]
struct Lines {
    /// The header and the first entries.
    first: Vec<u8>,
    /// The last entries, where those are not all.
    last: Option<Vec<u8>>,
    /// The session's name wherever it was given; nothing where the database does not say.
    name: Option<String>,
}

impl Lines {
    /// Without the tables that are known there are no lines, and so no header.
    fn read(database: &Connection) -> rusqlite::Result<Self> {
        let has = |table, column| Columns::of(database, table).map(|it| it.has(column));
        if !has("pi_session_header", "json")? || !has("pi_session_entries", "json")? {
            return Ok(Self::default());
        }
        let entries = |order| {
            let some = format!(
                "SELECT seq, json FROM pi_session_entries ORDER BY seq {order} LIMIT {ENTRIES}"
            );
            let short =
                format!("SELECT json FROM ({some}) WHERE length(json) <= {ENTRY_MAX} ORDER BY seq");
            rows(database, &short)
        };
        let mut first = rows(database, "SELECT json FROM pi_session_header LIMIT 1")?;
        first.extend(entries("ASC")?);
        let beyond = format!("SELECT 1 FROM pi_session_entries LIMIT 1 OFFSET {ENTRIES}");
        let is_all = !database.prepare(&beyond)?.exists([])?;
        // What comes before the first end of a line is taken for torn.
        let last = if is_all { None } else { Some([b"\n", &*entries("DESC")?].concat()) };
        let name = if has("pi_session_meta", "value")? { name(database)? } else { None };
        Ok(Self { first, last, name })
    }
}

fn name(database: &Connection) -> rusqlite::Result<Option<String>> {
    let mut statement = database.prepare("SELECT value FROM pi_session_meta WHERE key = 'name'")?;
    let mut rows = statement.query([])?;
    Ok(rows.next()?.and_then(|row| sqlite::text(row, 0)))
}

/// The texts of a statement's first column, each as a line.
fn rows(database: &Connection, statement: &str) -> rusqlite::Result<Vec<u8>> {
    let mut lines = Vec::new();
    let mut statement = database.prepare(statement)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = sqlite::text(row, 0).unwrap_or_default();
        // Between the members of JSON an end of line is a space; within them there is none.
        lines.extend(text.bytes().map(|it| if it == b'\n' { b' ' } else { it }));
        lines.push(b'\n');
    }
    Ok(lines)
}

fn usage(scope: &Scope, path: &Path, problems: &mut Vec<Problem>) -> Option<Usage> {
    let spent = sqlite::read_once(scope, "pi-rust usage", path, |database| {
        let mut spent = Spent::default();
        let with_usage = format!(
            "SELECT json FROM pi_session_entries WHERE json LIKE '%{}%' AND length(json) <= {ENTRY_MAX}",
            Spent::NEEDLE
        );
        rows(database, &with_usage)?.split(|it| *it == b'\n').for_each(|line| spent.add(line));
        Ok(spent.0)
    });
    match spent {
        Ok(spent) => spent.and_then(|it| (*it).clone()),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}
