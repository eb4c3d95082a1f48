//! How a request names one session, and which row it means. PURE.

use crate::base::{AgentId, Pid, ProcessRef, SessionId};
use crate::protocol::error::{Candidate, RpcError};
use crate::protocol::session::{Session, SessionKind};
use crate::reconcile::Row;

/// Shortest prefix that may stand for a session: shorter ones meet many by chance.
const PREFIX_MIN: usize = 4;
/// Most candidates that an ambiguous id is answered with; a person cannot choose among more.
const CANDIDATES_MAX: usize = 50;

/// How a request names one session.
pub(super) enum Named<'a> {
    /// By its id or a prefix of it.
    Id(&'a str),
    /// By the live process that owns it.
    Owner(Pid),
}

impl<'a> Named<'a> {
    pub(super) fn of(session_id: Option<&'a str>, pid: Option<Pid>) -> Result<Self, RpcError> {
        match (session_id, pid) {
            (Some(id), None) => check_named("sessionId", id).map(|()| Self::Id(id)),
            (None, Some(pid)) => Ok(Self::Owner(pid)),
            (None, None) => Err(RpcError::invalid("sessionId", "`sessionId` is missing")),
            (Some(_), Some(_)) => {
                Err(RpcError::invalid("pid", "`pid`: not together with `sessionId`"))
            }
        }
    }

    /// Whether it may mean the row.
    pub(super) fn admits(&self, row: &Row) -> bool {
        match self {
            Self::Id(query) => id_of(&row.session).starts_with(query),
            Self::Owner(pid) => row.owners.iter().chain(&row.candidates).any(|it| it.pid == *pid),
        }
    }

    /// The one row that is meant.
    pub(super) fn row(self, rows: Vec<Row>, unanswered: Vec<AgentId>) -> Result<Row, RpcError> {
        match self {
            Self::Id(query) => matching(rows, query, unanswered),
            Self::Owner(pid) => owned(rows, pid, unanswered),
        }
    }
}

/// The row that a live process owns: not that of one of its subagents, which live in it.
fn owned(mut rows: Vec<Row>, pid: Pid, unanswered: Vec<AgentId>) -> Result<Row, RpcError> {
    rows.retain(|row| row.session.kind != SessionKind::Subagent);
    let is_among = |processes: &[ProcessRef]| processes.iter().any(|it| it.pid == pid);
    let is_owned = rows.iter().any(|row| is_among(&row.owners));
    rows.retain(|row| is_among(if is_owned { &row.owners } else { &row.candidates }));
    let query = format!("process {pid}");
    // One that it may own as well as others is not said to be its own.
    if rows.len() > 1 || !rows.is_empty() && !is_owned {
        return Err(ambiguous(&query, rows.iter().map(|it| &*it.session)));
    }
    rows.pop().ok_or(RpcError::SessionNotFound { query, unanswered })
}

/// Refuses what is too short to stand for a session, and what no session's id can begin with.
pub(super) fn check_named(member: &str, query: &str) -> Result<(), RpcError> {
    let why = if query.chars().count() < PREFIX_MIN {
        format!("`{query}` is shorter than {PREFIX_MIN} characters")
    } else if SessionId::parse(query).is_none() {
        "no session has an id that is so long or has control characters".to_owned()
    } else {
        return Ok(());
    };
    Err(RpcError::invalid(member, format!("`{member}`: {why}")))
}

/// The row with that id, else the only one whose id begins so.
fn matching(mut rows: Vec<Row>, query: &str, unanswered: Vec<AgentId>) -> Result<Row, RpcError> {
    match meant(rows.iter().map(|row| &*row.session), query)? {
        Some(index) => Ok(rows.swap_remove(index)),
        None => Err(RpcError::SessionNotFound { query: query.to_owned(), unanswered }),
    }
}

/// Which of the sessions has that id, else is the only one whose id begins so; nothing where none does.
pub(super) fn meant<'a>(
    sessions: impl Iterator<Item = &'a Session>,
    query: &str,
) -> Result<Option<usize>, RpcError> {
    let mut found: Vec<(usize, &Session)> =
        sessions.enumerate().filter(|(_, it)| id_of(it).starts_with(query)).collect();
    if found.iter().any(|(_, it)| id_of(it) == query) {
        found.retain(|(_, it)| id_of(it) == query);
    }
    if found.len() > 1 {
        return Err(ambiguous(query, found.iter().map(|(_, it)| *it)));
    }
    Ok(found.first().map(|(index, _)| *index))
}

fn id_of(session: &Session) -> &str {
    session.session_id.as_ref().map_or("", SessionId::as_str)
}

fn ambiguous<'a>(query: &str, sessions: impl Iterator<Item = &'a Session>) -> RpcError {
    let candidate = |session: &Session| {
        Some(Candidate {
            agent: session.agent.clone(),
            session_id: session.session_id.clone()?,
            cwd: session.cwd.clone(),
            title: session.title.clone(),
        })
    };
    let mut candidates: Vec<Candidate> = sessions.filter_map(candidate).collect();
    let omitted = candidates.len().saturating_sub(CANDIDATES_MAX);
    candidates.truncate(CANDIDATES_MAX);
    RpcError::SessionAmbiguous { query: query.to_owned(), candidates, omitted }
}
