//! Handlers of `session.list`, `session.status` and `session.peek`.

use std::sync::Arc;

use serde_json::json;

use super::router::Call;
use super::{App, ledger_access, settings};
use crate::adapters::{Adapter, Peeked};
use crate::base::{AbsPath, AgentId, Pid, ProcessRef, SessionId};
use crate::census::{self, Census, Surveyed};
use crate::offload::blocking;
use crate::protocol::error::{Candidate, RpcError};
use crate::protocol::session::{
    AgentReport, Ancestor, Filter, Include, ListParams, ListResult, PeekParams, PeekResult,
    ResumeCommand, Session, SessionKind, StatusParams, StatusResult, Turn,
};
use crate::query::{Cursor, Wanted, page};
use crate::reconcile::{Roster, Row, reconcile};
use crate::scope::{Interest, Scope, UsageWanted};

/// Sessions on a page where the request does not say.
const LIMIT: usize = 100;
/// How many characters of the name of an unknown agent are shown; known ones have up to 11.
const AGENT_SHOWN: usize = 64;
/// Shortest prefix that may stand for a session: shorter ones meet many by chance.
const PREFIX_MIN: usize = 4;
/// Turns shown where the request does not say.
const TURNS: usize = 20;
/// Bytes of turns shown where the request does not say.
const TURNS_BYTES: usize = 64 << 10;

/// Lists the sessions of every wanted agent.
pub(super) async fn list(call: Call, params: ListParams) -> Result<ListResult, RpcError> {
    let (settings, mut problems) = settings::now(&call.app).await;
    let filter = settings::narrowed(&call.app, &settings, params.filter());
    let adapters = wanted(&call.app, filter.agents.as_deref())?;
    let after = params.cursor.as_deref().map(|text| {
        Cursor::parse(text, &filter).ok_or_else(|| {
            RpcError::invalid("cursor", "`cursor`: not a cursor that was given for this filter")
        })
    });
    let after = after.transpose()?;
    let usage =
        if params.include.contains(&Include::Usage) { UsageWanted::All } else { UsageWanted::None };
    // What subagents spent is counted with their parents.
    let subagents = filter.include_subagents || usage != UsageWanted::None;
    let interest = Interest { usage, subagents };
    let scope = observe(&call.app, interest).await;
    let deadline = census::deadline(params.deadline_ms.or(settings.deadline_ms));
    let census = Census::begin(&adapters, &scope, deadline);
    let surveys = told(&call, census, adapters.len()).await;
    let roster = conclude(&call.app, surveys, &scope).await;
    problems.extend(roster.problems.iter().cloned());
    call.app.counters.saw(&roster.reports, &roster.rows);
    let complete = roster.is_complete();
    let limit = params.limit.map_or(LIMIT, crate::protocol::bounded::Bounded::as_usize);
    let page = page(roster.rows, &with_real_paths(filter).await, after.as_ref(), limit);
    Ok(ListResult {
        sessions: page.rows.into_iter().map(|row| *row.session).collect(),
        total: page.total as u64,
        next_cursor: page.next.map(|it| it.text()),
        complete,
        agents: roster.reports,
        problems,
        observed_at: roster.observed_at,
    })
}

/// The filter, with its directories by the names that agents may have recorded: an editor may know one by a link, where
/// the agent in it knows the real path, or the other way round.
pub(super) async fn with_real_paths(filter: Filter) -> Wanted {
    if filter.cwd.is_none() && filter.under.is_none() {
        return Wanted::of(filter, |_| None);
    }
    let real = |it: &AbsPath| it.as_path().canonicalize().ok().and_then(AbsPath::parse);
    blocking(move || Wanted::of(filter, real)).await
}

/// Tells the client of each adapter's part as it comes in, where it wants to know, and returns them all.
async fn told(call: &Call, mut census: Census, adapters: usize) -> Vec<Surveyed> {
    call.report(json!({ "kind": "begin", "title": "looking for sessions", "percentage": 0 })).await;
    let mut done = 0;
    while let Some(Surveyed { agent, .. }) = census.next().await {
        done += 1;
        let message = format!("{agent} ({done} of {adapters})");
        let percentage = done * 100 / adapters;
        call.report(json!({ "kind": "report", "message": message, "percentage": percentage }))
            .await;
    }
    call.report(json!({ "kind": "end" })).await;
    census.surveys()
}

/// One session, whether every adapter answered, and what each contributed.
type Answer = (Row, bool, Vec<AgentReport>);

/// Returns one session with its evidence and its usage.
pub(super) async fn status(call: Call, params: StatusParams) -> Result<StatusResult, RpcError> {
    let agent = params.agent.as_ref();
    let (row, complete, agents) = match Named::of(params.session_id.as_deref(), params.pid)? {
        Named::Id(id) => with_usage(&call.app, id, agent).await?,
        Named::Owner(pid) => owned_by(&call.app, pid, agent).await?,
    };
    let resume = resume_by_hand(&call.app, &row);
    let ancestors = match row.owners.first() {
        Some(owner) => ancestors(&observe(&call.app, Interest::SESSIONS).await, *owner),
        None => Vec::new(),
    };
    let mut session = *row.session;
    session.evidence = Some(row.evidence);
    Ok(StatusResult { session, resume, ancestors, complete, agents })
}

async fn with_usage(
    app: &Arc<App>,
    query: &str,
    agent: Option<&AgentId>,
) -> Result<Answer, RpcError> {
    let usage = UsageWanted::Of(query.to_owned());
    one_session(app, query, agent, Interest { usage, subagents: true }).await
}

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
            (Some(id), None) => check_query(id).map(|()| Self::Id(id)),
            (None, Some(pid)) => Ok(Self::Owner(pid)),
            (None, None) => Err(RpcError::invalid("sessionId", "`sessionId` is missing")),
            (Some(_), Some(_)) => {
                Err(RpcError::invalid("pid", "`pid`: not together with `sessionId`"))
            }
        }
    }

    /// Whether it may mean the row.
    fn admits(&self, row: &Row) -> bool {
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

/// The session that a live process owns: not one of its subagents, which live in it.
async fn owned_by(app: &Arc<App>, pid: Pid, agent: Option<&AgentId>) -> Result<Answer, RpcError> {
    let interest = Interest { usage: UsageWanted::None, subagents: false };
    let named = Named::Owner(pid);
    let roster = roster_for(app, &named, agent, interest).await?;
    let complete = roster.is_complete();
    let row = named.row(roster.rows, unanswered(&roster.reports))?;
    match &row.session.session_id {
        Some(id) => with_usage(app, id.as_str(), Some(&row.session.agent)).await,
        None => Ok((row, complete, roster.reports)),
    }
}

/// How a person goes on with a session. A subagent answers to its parent alone.
fn resume_by_hand(app: &App, row: &Row) -> Option<ResumeCommand> {
    let session = &row.session;
    let adapter = app.adapters.iter().find(|it| it.card().id == session.agent)?;
    let transcript = row.record.as_ref().and_then(|it| it.path.as_deref());
    let args = (adapter.driver().by_hand)(session.session_id.as_ref()?, transcript)
        .filter(|_| session.kind != SessionKind::Subagent)?;
    let program = (*adapter.card().binaries.first()?).to_owned();
    let command = std::iter::once(program).chain(args).collect();
    Some(ResumeCommand { command, cwd: session.cwd.clone() })
}

/// The processes above the owner; none where it has ended meanwhile.
fn ancestors(scope: &Scope, owner: ProcessRef) -> Vec<Ancestor> {
    if !scope.processes.is_alive(owner) {
        return Vec::new();
    }
    let lineage = scope.processes.lineage(owner.pid);
    lineage.map(|it| Ancestor { pid: it.identity.pid, name: it.comm.clone() }).collect()
}

/// Returns the last turns of one session.
pub(super) async fn peek(call: Call, params: PeekParams) -> Result<PeekResult, RpcError> {
    let app = &call.app;
    let (row, complete, agents) =
        one_session(app, &params.session_id, params.agent.as_ref(), Interest::SESSIONS).await?;
    let agent = row.session.agent;
    let turns = params.turns.map_or(TURNS, crate::protocol::bounded::Bounded::as_usize);
    let max_bytes =
        params.max_bytes.map_or(TURNS_BYTES, crate::protocol::bounded::Bounded::as_usize);
    let Some(record) = row.record else {
        return Ok(PeekResult { turns: Vec::new(), earlier: false, complete, agents });
    };
    let adapter = app.adapters.iter().find(|it| it.card().id == agent);
    let scope = observe(app, Interest::SESSIONS).await;
    let (scope, _guard) = scope.cancellable();
    let Some(peeking) = adapter.and_then(|it| it.peek(scope, record, turns)) else {
        return Err(RpcError::Unsupported {
            agent,
            what: "show its turns".into(),
            hint: "session.status tells what is known of it".into(),
        });
    };
    let deadline = census::deadline(settings::now(app).await.0.deadline_ms);
    let late = || RpcError::Internal(format!("no answer within {} ms", deadline.as_millis()));
    let peeked = tokio::time::timeout(deadline, peeking).await.map_err(|_| late())?;
    let peeked = peeked.map_err(|problem| RpcError::Internal(problem.message))?;
    let (turns, earlier) = within(peeked, max_bytes);
    Ok(PeekResult { turns, earlier, complete, agents })
}

/// The newest turns that fit, and whether others came before; the oldest of them is cut where it does not fit whole.
fn within(peeked: Peeked, max_bytes: usize) -> (Vec<Turn>, bool) {
    let mut left = max_bytes;
    let mut newest_first = Vec::new();
    let mut earlier = peeked.has_earlier;
    for mut turn in peeked.turns.into_iter().rev() {
        if left == 0 {
            earlier = true;
            break;
        }
        if turn.text.len() > left {
            cut(&mut turn, left);
        }
        left -= turn.text.len().min(left);
        newest_first.push(turn);
    }
    newest_first.reverse();
    (newest_first, earlier)
}

fn cut(turn: &mut Turn, len: usize) {
    let end = (0..=len).rev().find(|at| turn.text.is_char_boundary(*at)).unwrap_or(0);
    turn.text.truncate(end);
    turn.truncated = Some(true);
}

/// The adapters of these agents, or of all.
pub(super) fn wanted(
    app: &App,
    agents: Option<&[AgentId]>,
) -> Result<Vec<&'static dyn Adapter>, RpcError> {
    let Some(agents) = agents else { return Ok(app.adapters.clone()) };
    let known = |agent: &AgentId| app.adapters.iter().copied().find(|it| it.card().id == *agent);
    if let Some(unknown) = agents.iter().find(|it| known(it).is_none()) {
        let known = app.adapters.iter().map(|it| it.card().id.clone()).collect();
        // Cut, since it may be as long as a message.
        let agent = unknown.as_str().chars().take(AGENT_SHOWN).collect();
        return Err(RpcError::AgentUnknown { agent, known });
    }
    Ok(app.adapters.iter().copied().filter(|it| agents.contains(&it.card().id)).collect())
}

pub(super) async fn observe(app: &App, interest: Interest) -> Scope {
    let (env, memo) = (app.env.clone(), app.memo.clone());
    blocking(move || Scope::observe(env, memo, interest)).await
}

/// Looks, everywhere at once, and concludes.
pub(super) async fn roster(
    app: &App,
    adapters: &[&'static dyn Adapter],
    interest: Interest,
) -> Roster {
    let (settings, _) = settings::now(app).await;
    let scope = observe(app, interest).await;
    let surveys = census::take(adapters, &scope, census::deadline(settings.deadline_ms)).await;
    conclude(app, surveys, &scope).await
}

/// Looks at this agent, or at all that the settings do not leave out and, where none of them has what is named, at the
/// others too: it is meant whatever the settings say.
pub(super) async fn roster_for(
    app: &App,
    named: &Named<'_>,
    agent: Option<&AgentId>,
    interest: Interest,
) -> Result<Roster, RpcError> {
    if let Some(agent) = agent {
        let adapters = wanted(app, Some(std::slice::from_ref(agent)))?;
        return Ok(roster(app, &adapters, interest).await);
    }
    let (settings, _) = settings::now(app).await;
    let all = app.adapters.iter().copied();
    let (left_out, usual): (Vec<_>, Vec<_>) =
        all.partition(|it| settings.leaves_out(&it.card().id));
    let mut found = roster(app, &usual, interest.clone()).await;
    if !left_out.is_empty() && !found.rows.iter().any(|it| named.admits(it)) {
        found.extend(roster(app, &left_out, interest).await);
    }
    Ok(found)
}

async fn conclude(app: &App, surveys: Vec<Surveyed>, scope: &Scope) -> Roster {
    // Read last: a launch that an adapter saw is in it.
    let (ledger, problem) = ledger_access::view(app).await;
    let mut roster = reconcile(surveys, &ledger, &scope.processes, scope.now);
    roster.problems.extend(problem);
    if !scope.interest.subagents {
        roster.leave_out_subagents();
    }
    roster
}

/// The one session of that id or prefix.
pub(super) async fn one_session(
    app: &Arc<App>,
    query: &str,
    agent: Option<&AgentId>,
    interest: Interest,
) -> Result<Answer, RpcError> {
    let named = Named::of(Some(query), None)?;
    let roster = roster_for(app, &named, agent, interest).await?;
    let complete = roster.is_complete();
    let row = named.row(roster.rows, unanswered(&roster.reports))?;
    Ok((row, complete, roster.reports))
}

/// Refuses what is too short to stand for a session, and what no session's id can begin with.
fn check_query(query: &str) -> Result<(), RpcError> {
    check_named("sessionId", query)
}

/// The same for a member of another name.
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

/// The adapters that failed or were late.
pub(super) fn unanswered(reports: &[AgentReport]) -> Vec<AgentId> {
    let late = reports.iter().filter(|it| !it.has_answered());
    late.map(|it| it.agent.clone()).collect()
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

/// Most candidates that an ambiguous id is answered with; a person cannot choose among more.
const CANDIDATES_MAX: usize = 50;
