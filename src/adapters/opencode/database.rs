//! The database of OpenCode since 1.2: what it says of each session, by as few and as small reads as will do.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, Row};
use serde::Deserialize;

use super::message::{self, Message, Part};
use super::stored::{self, FIRST_MESSAGES, Facts, LAST_MESSAGES, Stored};
use crate::adapters::Peeked;
use crate::adapters::evidence::problem_at;
use crate::adapters::jsonl;
use crate::adapters::sqlite::{self, Columns};
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Problem, ProblemKind, Source, Usage};
use crate::scope::Scope;

/// Most sessions listed of one database, the last used first; ten times the largest store of any agent seen.
const SESSIONS_MAX: usize = 100_000;
/// Most bytes of a title, a directory or an id.
const LINE_MAX: usize = 8 << 10;
/// Most bytes of a message; the summary of a user's holds the files it changed.
const MESSAGE_MAX: usize = 4 << 20;
/// Most bytes of a part that may tell a prompt, or that a tool waits. Results of tools are longer and say neither.
const PART_MAX: usize = 256 << 10;
/// Most bytes of a part that is shown as a turn.
const SHOWN_PART_MAX: usize = 4 << 20;
/// Most sessions looked at for the one that a launch began: in a directory that is claimed there are few.
const BEGUN_MAX: usize = 16;
/// Most parts read of one message for its prompt or its running tools.
const PARTS_MAX: usize = 64;

/// What a database holds: the sessions, and what is wrong with some of them.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) sessions: Vec<Stored>,
    pub(super) problems: Vec<Problem>,
}

/// What the calls of each session add up to.
pub(super) type Sums = Vec<(SessionId, Usage)>;

/// All sessions, as they were when the database last changed; nothing where there is no such file.
pub(super) fn sessions(scope: &Scope, path: &Path) -> Result<Option<Arc<Listing>>, Problem> {
    sqlite::read_once(scope, "opencode sessions", path, |database| listing(database, path))
}

/// What the own calls of each session add up to that does not say it itself: none does up to 1.2, and what a fork says
/// counts what its source spent.
pub(super) fn usage(scope: &Scope, path: &Path) -> Result<Option<Arc<Sums>>, Problem> {
    sqlite::read_once(scope, "opencode usage", path, summed_usage)
}

/// The last turns of one session.
pub(super) fn peek(
    scope: &Scope,
    path: &Path,
    session: &SessionId,
    wanted: usize,
) -> Result<Peeked, Problem> {
    let peeked = sqlite::read(scope, path, |database| last_turns(database, session, wanted))?;
    peeked.ok_or_else(|| problem_at(ProblemKind::Unreadable, path, "the database is gone"))
}

/// The sessions that began in a directory at or after an instant, each with its first prompt.
pub(super) fn begun(
    scope: &Scope,
    path: &Path,
    directory: &AbsPath,
    since: Timestamp,
) -> Result<Vec<(SessionId, Option<String>)>, Problem> {
    let directory = directory.as_path().to_string_lossy();
    let begun = sqlite::read(scope, path, |database| {
        let mut tables = Tables::prepare(database)?;
        let mut statement = database.prepare(&format!(
            "SELECT id FROM session WHERE directory = ?1 AND time_created >= ?2 LIMIT {BEGUN_MAX}"
        ))?;
        let mut rows = statement.query((&directory, since.as_millis()))?;
        let mut begun = Vec::new();
        while let Some(row) = rows.next()? {
            let id = sqlite::text(row, 0).and_then(|it| SessionId::parse(&it));
            if let Some(id) = id {
                let prompt = tables.beginning(id.as_str())?.prompt;
                begun.push((id, prompt));
            }
        }
        Ok(begun)
    });
    Ok(begun?.unwrap_or_default())
}

fn listing(database: &Connection, path: &Path) -> rusqlite::Result<Listing> {
    let columns = Columns::of(database, "session")?;
    if columns.is_empty() {
        let problem = problem_at(ProblemKind::Malformed, path, "it has no table of sessions");
        return Ok(Listing { problems: vec![problem], ..Listing::default() });
    }
    let mut tables = Tables::prepare(database)?;
    let mut statement = database.prepare(&select_sessions(&columns))?;
    let mut rows = statement.query([])?;
    let mut listing = Listing::default();
    let (mut nameless, mut beyond) = (0, 0);
    while let Some(row) = rows.next()? {
        if listing.sessions.len() == SESSIONS_MAX {
            beyond += 1;
        } else if let Some(session) = facts(row) {
            listing.sessions.push(with_messages(session, &mut tables, path)?);
        } else {
            nameless += 1;
        }
    }
    if nameless > 0 {
        let message = format!("{nameless} sessions without an id");
        listing.problems.push(problem_at(ProblemKind::Malformed, path, message));
    }
    if beyond > 0 {
        let message = format!("{beyond} sessions beyond the {SESSIONS_MAX} that are shown");
        listing.problems.push(problem_at(ProblemKind::Limit, path, message));
    }
    Ok(listing)
}

/// The columns in the order of [`facts`]; what a version's table does not have is `NULL`.
fn select_sessions(columns: &Columns) -> String {
    let text = |name| bounded(columns.or_null(name), LINE_MAX);
    let texts = ["id", "parent_id", "directory", "title", "permission"].map(text);
    let numbers = [
        "time_created",
        "time_updated",
        "time_archived",
        "tokens_input",
        "tokens_output",
        "tokens_reasoning",
        "tokens_cache_read",
        "tokens_cache_write",
        "cost",
    ]
    .map(|name| columns.or_null(name));
    let order = columns.or_null("time_updated");
    format!(
        "SELECT {}, {} FROM session ORDER BY {order} DESC",
        texts.join(", "),
        numbers.join(", ")
    )
}

/// The column, or `NULL` where it holds more: what is too long is not even read.
fn bounded(column: &str, max: usize) -> String {
    format!("CASE WHEN octet_length({column}) <= {max} THEN {column} END")
}

/// What a row of `session` says; nothing where it has no id.
fn facts(row: &Row<'_>) -> Option<Facts> {
    let time = |column| sqlite::integer(row, column).and_then(Timestamp::from_millis);
    let count = |column| sqlite::integer(row, column).and_then(|it| u64::try_from(it).ok());
    let cost = sqlite::real(row, 13);
    let usage = count(8).zip(count(9)).map(|(input, output)| Usage {
        input_tokens: input,
        output_tokens: output,
        reasoning_tokens: count(10),
        cache_read_tokens: count(11),
        cache_write_tokens: count(12),
        cost_usd: cost,
        cost_is_estimate: cost.is_some().then_some(true),
    });
    Some(Facts {
        session: SessionId::parse(&sqlite::text(row, 0)?)?,
        parent: sqlite::text(row, 1).and_then(|it| SessionId::parse(&it)),
        directory: sqlite::text(row, 2),
        title: sqlite::text(row, 3),
        is_headless: sqlite::text(row, 4).is_some_and(|it| it.contains(r#""question""#)),
        created: time(5),
        updated: time(6),
        is_archived: sqlite::integer(row, 7).is_some(),
        usage,
    })
}

/// Adds what the session's messages say.
fn with_messages(facts: Facts, tables: &mut Tables<'_>, path: &Path) -> rusqlite::Result<Stored> {
    let id = facts.session.as_str();
    let last = tables.last_messages(id)?;
    let Beginning { prompt, first } = tables.beginning(id)?;
    let is_fork = first.zip(facts.created).is_some_and(|(first, created)| first < created);
    let step = stored::step_in_progress(&last);
    let parts = step.map(|key| tables.parts(key)).transpose()?.unwrap_or_default();
    let messages = last.into_iter().map(|(message, _)| message).collect();
    let facts = Facts { usage: facts.usage.filter(|_| !is_fork), ..facts };
    Ok(facts.with_messages(messages, &parts, prompt.as_deref(), Source::Database, path))
}

/// How a session begins.
#[derive(Default)]
struct Beginning {
    prompt: Option<String>,
    /// When its first message was made.
    first: Option<Timestamp>,
}

/// The statements that each session is asked about with.
struct Tables<'a> {
    last: CachedStatement<'a>,
    first: CachedStatement<'a>,
    parts: CachedStatement<'a>,
}

impl<'a> Tables<'a> {
    fn prepare(database: &'a Connection) -> rusqlite::Result<Self> {
        let messages = |order: &str, limit: usize| {
            let data = bounded("data", MESSAGE_MAX);
            format!(
                "SELECT id, {data} FROM message WHERE session_id = ?1 \
                 ORDER BY time_created {order}, id {order} LIMIT {limit}"
            )
        };
        let data = bounded("data", PART_MAX);
        let parts =
            format!("SELECT {data} FROM part WHERE message_id = ?1 ORDER BY id LIMIT {PARTS_MAX}");
        Ok(Self {
            last: database.prepare_cached(&messages("DESC", LAST_MESSAGES))?,
            first: database.prepare_cached(&messages("ASC", FIRST_MESSAGES))?,
            parts: database.prepare_cached(&parts)?,
        })
    }

    /// The newest messages down to the last answer of the model, the newest first.
    fn last_messages(&mut self, session: &str) -> rusqlite::Result<Vec<(Option<Message>, String)>> {
        until(&mut self.last, session, |it| matches!(it, Message::Assistant(_)))
    }

    /// The oldest messages up to the first of the user, the oldest first.
    fn first_messages(
        &mut self,
        session: &str,
    ) -> rusqlite::Result<Vec<(Option<Message>, String)>> {
        until(&mut self.first, session, |it| matches!(it, Message::User { .. }))
    }

    fn beginning(&mut self, session: &str) -> rusqlite::Result<Beginning> {
        let messages = self.first_messages(session)?;
        let first = messages.first().and_then(|(message, _)| message.as_ref()?.created());
        let asked = messages.iter().find(|(it, _)| matches!(it, Some(Message::User { .. })));
        let prompt = match asked {
            Some((_, key)) => message::prompt(&self.parts(key)?),
            None => None,
        };
        Ok(Beginning { prompt, first })
    }

    fn parts(&mut self, message: &str) -> rusqlite::Result<Vec<Part>> {
        let mut rows = self.parts.query([message])?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            parts.extend(sqlite::text(row, 0).and_then(|it| Part::parse(it.as_bytes())));
        }
        Ok(parts)
    }
}

/// The messages of a session up to and with the first that is wanted, with their ids.
fn until(
    statement: &mut CachedStatement<'_>,
    session: &str,
    is_wanted: fn(&Message) -> bool,
) -> rusqlite::Result<Vec<(Option<Message>, String)>> {
    let mut rows = statement.query([session])?;
    let mut messages = Vec::new();
    while let Some(row) = rows.next()? {
        let message = sqlite::text(row, 1).and_then(|it| Message::parse(it.as_bytes()));
        let is_last = message.as_ref().is_some_and(is_wanted);
        messages.push((message, sqlite::text(row, 0).unwrap_or_default()));
        if is_last {
            break;
        }
    }
    Ok(messages)
}

fn summed_usage(database: &Connection) -> rusqlite::Result<Sums> {
    let data = bounded("message.data", MESSAGE_MAX);
    let of = |when| {
        format!(
            "message.session_id = session.id AND message.time_created {when} session.time_created"
        )
    };
    let (own, copied) = (of(">="), of("<"));
    let tells = Columns::of(database, "session")?.has("tokens_input");
    let told = if tells { "session.tokens_input IS NOT NULL" } else { "FALSE" };
    let mut statement = database.prepare(&format!(
        "SELECT session.id, {data} FROM session JOIN message ON {own} \
         WHERE NOT ({told}) OR EXISTS (SELECT 1 FROM message WHERE {copied}) ORDER BY session.id"
    ))?;
    let mut rows = statement.query([])?;
    let mut sums = Sums::new();
    while let Some(row) = rows.next()? {
        let message = sqlite::text(row, 1).and_then(|it| Message::parse(it.as_bytes()));
        let Some(Message::Assistant(step)) = message else { continue };
        let Some(session) = sqlite::text(row, 0).and_then(|it| SessionId::parse(&it)) else {
            continue;
        };
        match sums.last_mut().filter(|(last, _)| *last == session) {
            Some((_, sum)) => sum.add(&step.usage),
            None => sums.push((session, step.usage)),
        }
    }
    Ok(sums)
}

fn last_turns(
    database: &Connection,
    session: &SessionId,
    wanted: usize,
) -> rusqlite::Result<Peeked> {
    let messages = format!(
        "SELECT id, {} FROM message WHERE session_id = ?1 AND (time_created, id) < (?2, ?3) \
         ORDER BY time_created DESC, id DESC",
        bounded("data", MESSAGE_MAX)
    );
    let parts = format!(
        "SELECT {} FROM part WHERE message_id = ?1 ORDER BY id",
        bounded("data", SHOWN_PART_MAX)
    );
    let mut messages = database.prepare(&messages)?;
    let mut parts = database.prepare(&parts)?;
    let mut newest_first = Vec::new();
    let (time, id) = undone(database, session)?.unwrap_or((i64::MAX, String::new()));
    let mut rows = messages.query((session.as_str(), time, id))?;
    while let Some(row) = rows.next()? {
        let message = sqlite::text(row, 1).and_then(|it| Message::parse(it.as_bytes()));
        let (Some(message), Some(id)) = (message, sqlite::text(row, 0)) else { continue };
        let parse =
            |row: &Row<'_>| Ok(sqlite::text(row, 0).and_then(|it| Part::parse(it.as_bytes())));
        let parts = parts.query_map([id], parse)?.collect::<Result<Vec<_>, _>>()?;
        let turns = message::turns(&message, parts.into_iter().flatten().collect());
        newest_first.extend(turns.into_iter().rev());
        if newest_first.len() > wanted {
            break;
        }
    }
    Ok(stored::last_turns(newest_first, wanted))
}

/// When the first message was made that a person has undone (`/undo`), and its id. What is undone stays in the table until
/// something else is said, and may be redone.
fn undone(database: &Connection, session: &SessionId) -> rusqlite::Result<Option<(i64, String)>> {
    #[derive(Deserialize)]
    struct Revert {
        #[serde(rename = "messageID")]
        message: String,
    }
    let columns = Columns::of(database, "session")?;
    let revert = bounded(columns.or_null("revert"), MESSAGE_MAX);
    let mut statement = database.prepare(&format!("SELECT {revert} FROM session WHERE id = ?1"))?;
    let mut rows = statement.query([session.as_str()])?;
    let text = rows.next()?.and_then(|row| sqlite::text(row, 0));
    let revert = text.and_then(|it| jsonl::record::<Revert>(it.as_bytes()));
    let Some(Revert { message }) = revert else { return Ok(None) };
    let when = "SELECT time_created FROM message WHERE session_id = ?1 AND id = ?2";
    let mut statement = database.prepare(when)?;
    let mut rows = statement.query([session.as_str(), &message])?;
    let time = rows.next()?.and_then(|row| sqlite::integer(row, 0));
    Ok(time.map(|it| (it, message)))
}
