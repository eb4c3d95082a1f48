//! The files of OpenCode up to 1.1, one for each session, message and part; 1.2 imports them once and leaves them
//! in place, 1.18 leaves them alone.
//!
//! ```text
//! storage/session/<project>/ses_dfb026e96ffeiPyLH0e0h2OQkZ.json   {"id", "directory", "parentID"?, "title", "time": {…}}
//! storage/message/<session>/msg_204fd9a79001iVNUeYKqnpVnGa.json   as `message.data` in the database
//! storage/part/<message>/prt_204fd9a7a001z7uLOMDKVJhDvr.json      as `part.data`
//! ```
//! Ids of messages and parts ascend in time, so that names in order are times in order. A session is read by its
//! first and last messages only; each file is read once for as long as it stays as it is.

use std::any::Any;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use serde::Deserialize;

use super::message::{self, Message, Part};
use super::stored::{self, FIRST_MESSAGES, Facts, LAST_MESSAGES, Stored};
use crate::adapters::evidence::problem_at;
use crate::adapters::{Peeked, Record, files, jsonl};
use crate::base::{SessionId, Timestamp};
use crate::parallel;
use crate::protocol::session::{Problem, ProblemKind, Source, Usage};
use crate::scope::Scope;

/// Most sessions listed; no version still writes them, so that their number only falls.
const SESSIONS_MAX: usize = 100_000;
/// Sessions worth a thread: one is some ten small files, each opened once.
const SESSIONS_PER_THREAD: usize = 8;

/// The sessions below `storage` that `known` does not hold.
pub(super) fn sessions(
    scope: &Scope,
    storage: &Path,
    known: &BTreeSet<SessionId>,
    problems: &mut Vec<Problem>,
) -> Vec<Stored> {
    let mut paths = Vec::new();
    for project in entries(&storage.join("session"), problems) {
        paths.extend(entries(&project, problems).into_iter().filter(|path| {
            let id = stem(path, "ses_").and_then(SessionId::parse);
            id.is_some_and(|it| !known.contains(&it))
        }));
    }
    if paths.len() > SESSIONS_MAX {
        let message = format!("{} sessions, of which {SESSIONS_MAX} are shown", paths.len());
        problems.push(problem_at(ProblemKind::Limit, storage, message));
        paths.truncate(SESSIONS_MAX);
    }
    let read = parallel::map(
        &paths,
        SESSIONS_PER_THREAD,
        || scope.is_cancelled(),
        || (),
        |(), path| {
            let mut problems = Vec::new();
            let session = session(scope, storage, path, &mut problems);
            (session, problems)
        },
    );
    let mut sessions = Vec::with_capacity(read.len());
    for (session, its_problems) in read {
        sessions.extend(session);
        problems.extend(its_problems);
    }
    sessions
}

/// What the session's own calls add up to; nothing where none is recorded.
pub(super) fn usage(
    scope: &Scope,
    storage: &Path,
    record: &Record,
    problems: &mut Vec<Problem>,
) -> Option<Usage> {
    let mut sum: Option<Usage> = None;
    for path in messages(storage, &record.session, problems) {
        let message = message(scope, &path, problems);
        let Some(Message::Assistant(step)) = message.as_deref() else { continue };
        if step.is_of_session_since(record.created) {
            sum.get_or_insert_default().add(&step.usage);
        }
    }
    sum
}

/// The last turns of one session.
pub(super) fn peek(
    scope: &Scope,
    storage: &Path,
    session: &SessionId,
    wanted: usize,
) -> Result<Peeked, Problem> {
    let mut problems = Vec::new();
    let mut newest_first = Vec::new();
    for path in messages(storage, session, &mut problems).into_iter().rev() {
        let Some(message) = message(scope, &path, &mut problems) else { continue };
        let turns = message::turns(&message, parts(storage, &path, &mut problems));
        newest_first.extend(turns.into_iter().rev());
        if newest_first.len() > wanted {
            break;
        }
    }
    match problems.pop() {
        Some(problem) if newest_first.is_empty() => Err(problem),
        _ => Ok(stored::last_turns(newest_first, wanted)),
    }
}

/// The directory that holds the files of the session at `path`.
pub(super) fn storage_of(path: &Path) -> Option<&Path> {
    path.ancestors().nth(3)
}

#[derive(Deserialize)]
struct RawSession {
    id: String,
    directory: Option<String>,
    #[serde(rename = "parentID")]
    parent_id: Option<String>,
    title: Option<String>,
    time: Option<RawTime>,
}

#[derive(Deserialize)]
struct RawTime {
    created: Option<i64>,
    updated: Option<i64>,
    archived: Option<i64>,
}

fn facts(json: &[u8]) -> Option<Facts> {
    let raw: RawSession = jsonl::record(json)?;
    let time = |of: fn(&RawTime) -> Option<i64>| {
        raw.time.as_ref().and_then(of).and_then(Timestamp::from_millis)
    };
    Some(Facts {
        session: SessionId::parse(&raw.id)?,
        created: time(|it| it.created),
        updated: time(|it| it.updated),
        is_archived: time(|it| it.archived).is_some(),
        parent: raw.parent_id.and_then(|it| SessionId::parse(&it)),
        directory: raw.directory,
        title: raw.title,
        usage: None,
        // No server of that age is asked anything.
        is_headless: false,
    })
}

fn session(
    scope: &Scope,
    storage: &Path,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Option<Stored> {
    let facts = read_once(scope, "opencode session file", path, facts, problems)?;
    let Some(facts) = (*facts).clone() else {
        problems.push(problem_at(ProblemKind::Malformed, path, "it is no session"));
        return None;
    };
    let messages = messages(storage, &facts.session, problems);
    let mut prompt = None;
    for path in messages.iter().take(FIRST_MESSAGES) {
        if let Some(Message::User { .. }) = message(scope, path, problems).as_deref() {
            prompt = message::prompt(&parts(storage, path, problems));
            break;
        }
    }
    let mut last = Vec::new();
    for path in messages.iter().rev().take(LAST_MESSAGES) {
        let message = message(scope, path, problems).as_deref().cloned();
        let is_answer = matches!(message, Some(Message::Assistant(_)));
        last.push((message, path));
        if is_answer {
            break;
        }
    }
    let step = stored::step_in_progress(&last);
    let parts = step.map(|path| parts(storage, path, problems)).unwrap_or_default();
    let last = last.into_iter().map(|(message, _)| message).collect();
    Some(facts.with_messages(last, &parts, prompt.as_deref(), Source::Transcript, path))
}

/// The files of a session's messages, the oldest first.
fn messages(storage: &Path, session: &SessionId, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    // An id is a name in a directory, and nothing else.
    if session.as_str().contains('/') || session.as_str().starts_with('.') {
        return Vec::new();
    }
    let mut paths = entries(&storage.join("message").join(session.as_str()), problems);
    paths.retain(|it| stem(it, "msg_").is_some());
    paths
}

fn message(scope: &Scope, path: &Path, problems: &mut Vec<Problem>) -> Option<Arc<Message>> {
    let message = read_once(scope, "opencode message file", path, parse_message, problems)?;
    (*message).clone()
}

fn parse_message(json: &[u8]) -> Option<Arc<Message>> {
    Message::parse(json).map(Arc::new)
}

/// The parts of the message at `path`, the first first.
fn parts(storage: &Path, path: &Path, problems: &mut Vec<Problem>) -> Vec<Part> {
    let Some(id) = stem(path, "msg_") else { return Vec::new() };
    let mut parts = Vec::new();
    for path in entries(&storage.join("part").join(id), problems) {
        match files::read_small(&path) {
            Ok(json) => parts.extend(Part::parse(&json)),
            Err(error) => push(problems, &path, &error),
        }
    }
    parts
}

/// What a small file says, as long as it stays as it is.
fn read_once<T: Any + Send + Sync>(
    scope: &Scope,
    purpose: &'static str,
    path: &Path,
    parse: fn(&[u8]) -> T,
    problems: &mut Vec<Problem>,
) -> Option<Arc<T>> {
    files::remembered(scope, purpose, path, parse).unwrap_or_else(|problem| {
        problems.push(problem);
        None
    })
}

/// The paths in a directory, by name; none where there is no such directory.
fn entries(dir: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let read = || -> io::Result<Vec<PathBuf>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.push(entry?.file_name());
        }
        // Not the paths, which would be compared by all their components.
        names.sort_unstable();
        Ok(names.into_iter().map(|it| dir.join(it)).collect())
    };
    read()
        .inspect_err(|error| {
            // A stray file among directories holds nothing.
            if error.kind() != io::ErrorKind::NotADirectory {
                push(problems, dir, error);
            }
        })
        .unwrap_or_default()
}

/// What was removed meanwhile is not there; anything else is a problem.
fn push(problems: &mut Vec<Problem>, path: &Path, error: &io::Error) {
    if error.kind() != io::ErrorKind::NotFound {
        problems.push(problem_at(ProblemKind::Unreadable, path, error.to_string()));
    }
}

/// The id that a file is named after.
fn stem<'a>(path: &'a Path, prefix: &str) -> Option<&'a str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".json")?;
    stem.starts_with(prefix).then_some(stem)
}
