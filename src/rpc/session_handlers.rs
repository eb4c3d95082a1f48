//! Handlers of `session.list`, `session.status` and `session.peek`.

use serde_json::json;
use tokio::time::Instant;

use super::App;
use super::look::{Found, conclude, observe, one_session, roster_for, wanted};
use super::named::Named;
use super::real_paths::with_real_paths;
use super::router::Call;
use super::settings;
use crate::adapters::Peeked;
use crate::base::{AgentId, Pid, ProcessRef};
use crate::census::{self, Census, Surveyed};
use crate::protocol::bounded::Bounded;
use crate::protocol::error::RpcError;
use crate::protocol::session::{
    Ancestor, Include, ListParams, ListResult, PeekParams, PeekResult, ResumeCommand, SessionKind,
    StatusParams, StatusResult, Turn,
};
use crate::query::{Cursor, page};
use crate::reconcile::Row;
use crate::scope::{Interest, Scope, UsageWanted};

/// Sessions on a page where the request does not say.
const LIMIT: usize = 100;
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
    let shows_subagents = filter.include_subagents;
    // What subagents spent is counted with their parents.
    let subagents = shows_subagents || usage != UsageWanted::None;
    let interest = Interest { usage, subagents };
    let scope = observe(&call.app, interest).await;
    let deadline = census::deadline(params.deadline_ms.or(settings.deadline_ms));
    let due = Instant::now() + deadline;
    let census = Census::begin(&adapters, &scope, deadline);
    let (surveys, (filter, problem)) =
        tokio::join!(told(&call, census, adapters.len()), with_real_paths(filter, deadline));
    problems.extend(problem);
    let mut roster = conclude(&call.app, surveys, &scope, due).await;
    if !shows_subagents {
        roster.leave_out_subagents();
    }
    problems.extend(roster.problems.iter().cloned());
    call.app.counters.saw(&roster.reports, &roster.rows);
    let complete = roster.is_complete();
    let limit = params.limit.map_or(LIMIT, Bounded::as_usize);
    let page = page(roster.rows, &filter, after.as_ref(), limit);
    Ok(ListResult {
        sessions: page.rows.into_iter().map(|row| row.session).collect(),
        total: page.total as u64,
        next_cursor: page.next.map(|it| it.text()),
        complete,
        agents: roster.reports,
        problems,
        observed_at: roster.observed_at,
    })
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

/// Returns one session with its evidence and its usage.
pub(super) async fn status(call: Call, params: StatusParams) -> Result<StatusResult, RpcError> {
    let agent = params.agent.as_ref();
    let found = match Named::of(params.session_id.as_deref(), params.pid)? {
        Named::Id(id) => with_usage(&call.app, id, agent).await?,
        Named::Owner(pid) => owned_by(&call.app, pid, agent).await?,
    };
    let Found { row, complete, agents, .. } = found;
    let resume = resume_by_hand(&call.app, &row);
    let ancestors = match row.owners.first() {
        Some(owner) => ancestors(&observe(&call.app, Interest::SESSIONS).await, *owner),
        None => Vec::new(),
    };
    let mut session = *row.session;
    session.evidence = Some(row.evidence);
    Ok(StatusResult { session, resume, ancestors, complete, agents })
}

async fn with_usage(app: &App, query: &str, agent: Option<&AgentId>) -> Result<Found, RpcError> {
    let usage = UsageWanted::Of(query.to_owned());
    one_session(app, query, agent, Interest { usage, subagents: true }).await
}

/// The session that a live process owns: not one of its subagents, which live in it.
async fn owned_by(app: &App, pid: Pid, agent: Option<&AgentId>) -> Result<Found, RpcError> {
    let interest = Interest { usage: UsageWanted::None, subagents: false };
    let named = Named::Owner(pid);
    let mut roster = roster_for(app, &named, agent, interest).await?;
    roster.leave_out_subagents();
    let found = Found::among(roster, named)?;
    let session = &found.row.session;
    match &session.session_id {
        Some(id) => with_usage(app, id.as_str(), Some(&session.agent)).await,
        None => Ok(found),
    }
}

/// How a person goes on with a session. A subagent answers to its parent alone.
fn resume_by_hand(app: &App, row: &Row) -> Option<ResumeCommand> {
    let session = &row.session;
    let adapter = app.adapter(&session.agent)?;
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
    let Found { row, complete, agents, .. } =
        one_session(app, &params.session_id, params.agent.as_ref(), Interest::SESSIONS).await?;
    let turns = params.turns.map_or(TURNS, Bounded::as_usize);
    let max_bytes = params.max_bytes.map_or(TURNS_BYTES, Bounded::as_usize);
    let (scope, _guard) = observe(app, Interest::SESSIONS).await.cancellable();
    let adapter = app.adapter(&row.session.agent);
    let peeking = adapter.zip(row.record).and_then(|(it, record)| it.peek(scope, record, turns));
    let peeked = match peeking {
        Some(peeking) => {
            let deadline = census::deadline(settings::now(app).await.0.deadline_ms);
            let peeked = tokio::time::timeout(deadline, peeking).await;
            peeked.unwrap_or_else(|_| Err(census::no_answer(deadline)))
        }
        // Nothing of it is recorded yet.
        None => Ok(Peeked::default()),
    };
    let (peeked, problems) = match peeked {
        Ok(peeked) => (peeked, Vec::new()),
        Err(problem) => (Peeked::default(), vec![problem]),
    };
    let (turns, earlier) = within(peeked, max_bytes);
    let complete = complete && problems.is_empty();
    Ok(PeekResult { turns, earlier, complete, agents, problems })
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
            // What a character of several bytes leaves over is for nobody: behind a cut, all is cut off.
            left = 0;
        }
        left = left.saturating_sub(turn.text.len());
        newest_first.push(turn);
    }
    newest_first.reverse();
    (newest_first, earlier)
}

fn cut(turn: &mut Turn, len: usize) {
    turn.text.truncate(turn.text.floor_char_boundary(len));
    turn.truncated = Some(true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::session::Role;

    #[test]
    fn turns_fill_the_bytes_from_the_newest_on_and_nothing_comes_before_a_cut() {
        let turn = |text: &str| Turn {
            role: Role::User,
            at: None,
            text: text.into(),
            tool: None,
            truncated: None,
        };
        let all = ["one", "zwei", "trois", "näh"];
        let check = |max_bytes, expect: &[&str], earlier| {
            let peeked = Peeked { turns: all.map(turn).into(), has_earlier: false };
            let (turns, has_earlier) = within(peeked, max_bytes);
            let texts: Vec<&str> = turns.iter().map(|it| it.text.as_str()).collect();
            assert_eq!((texts.as_slice(), has_earlier), (expect, earlier), "{max_bytes}");
            for it in turns {
                assert_eq!(it.truncated.is_none(), all.contains(&&*it.text), "{max_bytes}");
            }
        };
        check(16, &["one", "zwei", "trois", "näh"], false);
        check(15, &["on", "zwei", "trois", "näh"], false);
        check(13, &["zwei", "trois", "näh"], true);
        check(5, &["t", "näh"], true);
        check(4, &["näh"], true);
        check(2, &["n"], true);
    }
}
