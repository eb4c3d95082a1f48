//! Filter, then sort, then page: what of a roster one request shows. PURE.

use std::cmp::Reverse;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::base::{AbsPath, AgentId, Pid, SessionId, Timestamp};
use crate::protocol::session::{Filter, Session, SessionKind, Status};
use crate::reconcile::Row;

/// One page, and where the next begins.
#[derive(Debug)]
pub struct Page {
    pub rows: Vec<Row>,
    /// How many rows the filter lets through, over all pages.
    pub total: usize,
    pub next: Option<Cursor>,
}

/// The rows that are wanted, in the order of the protocol, from behind `after` and at most `limit`.
pub fn page(rows: Vec<Row>, wanted: &Wanted, after: Option<&Cursor>, limit: usize) -> Page {
    let sessions = rows.iter().map(|it| &*it.session).enumerate();
    let mut places: Vec<(Place<'_>, usize)> = sessions
        .filter(|(_, it)| wanted.admits(it))
        .map(|(at, session)| (Place::of(session), at))
        .collect();
    // Not the rows themselves: each look at one would be a look into another part of memory.
    places.sort_unstable();
    let total = places.len();
    let start =
        after.map_or(0, |it| places.partition_point(|(place, _)| *place <= it.position.place()));
    let end = total.min(start.saturating_add(limit));
    let shown = &places[start..end];
    let next = shown
        .last()
        .filter(|_| end < total)
        .map(|(place, _)| Cursor { filter: fingerprint(&wanted.filter), position: place.kept() });
    let shown: Vec<usize> = shown.iter().map(|(_, at)| *at).collect();
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let rows = shown.into_iter().filter_map(|at| rows[at].take()).collect();
    Page { rows, total, next }
}

/// The sessions that are wanted, in the order of the protocol.
pub fn select(sessions: &[Session], wanted: &Wanted) -> Vec<Session> {
    let mut sessions: Vec<Session> =
        sessions.iter().filter(|it| wanted.admits(it)).cloned().collect();
    sessions.sort_by(|a, b| Place::of(a).cmp(&Place::of(b)));
    sessions
}

/// A filter, made ready to be asked about many sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    filter: Filter,
    query: Option<String>,
    /// Every name of the directory that is asked for: the one given, and the one without links.
    cwd: Option<Vec<AbsPath>>,
    under: Option<Vec<AbsPath>>,
}

impl Wanted {
    /// `real` follows the links in a path; nothing where the path leads nowhere.
    pub fn of(filter: Filter, real: impl Fn(&AbsPath) -> Option<AbsPath>) -> Self {
        let names = |path: &AbsPath| std::iter::once(path.normal()).chain(real(path)).collect();
        Self {
            query: filter.query.as_ref().map(|it| it.to_lowercase()),
            cwd: filter.cwd.as_ref().map(names),
            under: filter.under.as_ref().map(names),
            filter,
        }
    }

    /// The agents whose sessions are wanted, where the filter names them.
    pub fn agents(&self) -> Option<&[AgentId]> {
        self.filter.agents.as_deref()
    }

    /// The same of these agents.
    #[must_use]
    pub fn of_agents(&self, agents: Vec<AgentId>) -> Self {
        let mut wanted = self.clone();
        wanted.filter.agents = Some(agents);
        wanted
    }

    fn admits(&self, session: &Session) -> bool {
        let Filter {
            agents,
            status,
            group,
            updated_since,
            include_subagents,
            cwd: _,
            under: _,
            query: _,
        } = &self.filter;
        let works = |names: &Option<Vec<AbsPath>>, fits: fn(&AbsPath, &AbsPath) -> bool| {
            let fits = |cwd: &AbsPath| names.iter().flatten().any(|it| fits(cwd, it));
            names.is_none() || session.cwd.as_ref().is_some_and(fits)
        };
        let launch_group = session.launch.as_ref().and_then(|it| it.group.as_ref());
        (*include_subagents || session.kind != SessionKind::Subagent)
            && agents.as_ref().is_none_or(|it| it.contains(&session.agent))
            && status.as_ref().is_none_or(|it| it.contains(&session.status))
            && works(&self.cwd, AbsPath::eq)
            && works(&self.under, AbsPath::is_within)
            && group.as_ref().is_none_or(|it| launch_group == Some(it))
            && updated_since.is_none_or(|it| session.updated_at.is_some_and(|at| at >= it))
            && self.query.as_ref().is_none_or(|it| mentions(session, it))
    }
}

/// Whether what a person knows a session by holds the text; `text` is in lower case.
fn mentions(session: &Session, text: &str) -> bool {
    let launch = session.launch.as_ref();
    let held = |it: Option<&str>| it.is_some_and(|it| it.to_lowercase().contains(text));
    held(session.session_id.as_ref().map(SessionId::as_str))
        || held(session.title.as_deref())
        || held(session.prompt.as_deref())
        || held(session.branch.as_deref())
        || held(session.cwd.as_ref().and_then(|it| it.as_path().to_str()))
        || held(launch.and_then(|it| it.label.as_deref()))
}

/// Where a session stands in the order: what needs you first, then the newest activity, then the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    rank: u8,
    updated: Reverse<Option<i64>>,
    agent: &'a str,
    id: Option<&'a str>,
    pid: Option<Pid>,
    /// What tells launches apart that ended before they told a session.
    launch: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(session: &'a Session) -> Self {
        let rank = match session.status {
            Status::Waiting => 0,
            Status::Running => 1,
            Status::Idle => 2,
            Status::Stopped | Status::Failed | Status::Unknown => 3,
        };
        Self {
            rank,
            updated: Reverse(session.updated_at.map(Timestamp::as_millis)),
            agent: session.agent.as_str(),
            id: session.session_id.as_ref().map(SessionId::as_str),
            pid: session.process.as_ref().map(|it| it.pid),
            launch: session.launch.as_ref().map(|it| it.launch_id.as_str()),
        }
    }

    fn kept(self) -> Position {
        let Self { rank, updated, agent, id, pid, launch } = self;
        let (id, launch) = (id.map(str::to_owned), launch.map(str::to_owned));
        Position { rank, updated, agent: agent.to_owned(), id, pid, launch }
    }
}

/// A place that outlives its session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    rank: u8,
    updated: Reverse<Option<i64>>,
    agent: String,
    id: Option<String>,
    pid: Option<Pid>,
    launch: Option<String>,
}

impl Position {
    fn place(&self) -> Place<'_> {
        let Self { rank, updated, agent, id, pid, launch } = self;
        let (id, launch) = (id.as_deref(), launch.as_deref());
        Place { rank: *rank, updated: *updated, agent, id, pid: *pid, launch }
    }
}

/// A place in the list of one filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    filter: u64,
    position: Position,
}

impl Cursor {
    /// Reads a cursor that was given out for the same filter; nothing where it was not.
    pub fn parse(text: &str, filter: &Filter) -> Option<Self> {
        let bytes: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let cursor: Self = serde_json::from_slice(&bytes?).ok()?;
        (cursor.filter == fingerprint(filter)).then_some(cursor)
    }

    /// The cursor as clients pass it around: opaque.
    pub fn text(&self) -> String {
        let json = serde_json::to_vec(self).expect("a cursor is plain data");
        json.iter()
            .fold(String::with_capacity(json.len() * 2), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Tells filters apart. The same for the same version of headcount, whichever process asks.
fn fingerprint(filter: &Filter) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(filter).expect("a filter is plain data").hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
