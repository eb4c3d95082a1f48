//! One look at the agents on behalf of a request: who is asked, and what follows from what they say.

use std::time::Duration;

use tokio::time::Instant;

use super::ledger_access::read_until;
use super::named::Named;
use super::{App, settings};
use crate::adapters::Adapter;
use crate::base::AgentId;
use crate::census::{self, Surveyed};
use crate::ledger::Ledger;
use crate::offload::blocking;
use crate::protocol::error::RpcError;
use crate::protocol::session::AgentReport;
use crate::reconcile::{Roster, Row, reconcile};
use crate::scope::{Interest, Scope};

/// How many characters of the name of an unknown agent are shown; known ones have up to 11.
const AGENT_SHOWN: usize = 64;

/// The adapters of these agents, or of all.
pub(super) fn wanted(
    app: &App,
    agents: Option<&[AgentId]>,
) -> Result<Vec<&'static dyn Adapter>, RpcError> {
    let Some(agents) = agents else { return Ok(app.adapters.clone()) };
    for agent in agents {
        known(app, agent)?;
    }
    Ok(app.adapters.iter().copied().filter(|it| agents.contains(&it.card().id)).collect())
}

/// The adapter of this agent; refused where there is none.
pub(super) fn known(app: &App, agent: &AgentId) -> Result<&'static dyn Adapter, RpcError> {
    app.adapter(agent).ok_or_else(|| RpcError::AgentUnknown {
        // Cut, since it may be as long as a message.
        agent: agent.as_str().chars().take(AGENT_SHOWN).collect(),
        known: app.adapters.iter().map(|it| it.card().id.clone()).collect(),
    })
}

/// The world as it is now.
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
    let deadline = census::deadline(settings.deadline_ms);
    let due = Instant::now() + deadline;
    let surveys = census::take(adapters, &scope, deadline).await;
    conclude(app, surveys, &scope, due).await
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
        return Ok(roster(app, &[known(app, agent)?], interest).await);
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

/// How much later than the adapters the ledger may be: no reply takes longer than their deadline and 250 ms.
const LEDGER_LATE: Duration = Duration::from_millis(200);

/// What the surveys, which were `due` by then, come to together with the ledger.
pub(super) async fn conclude(
    app: &App,
    surveys: Vec<Surveyed>,
    scope: &Scope,
    due: Instant,
) -> Roster {
    // Read last: a launch that an adapter saw is in it.
    let read = read_until(app, due + LEDGER_LATE, |ledger, _| ledger).await;
    let (ledger, problem) = match read {
        Ok(ledger) => (ledger, None),
        Err(error) => (Ledger::default(), Some(error.into())),
    };
    let mut roster = reconcile(surveys, &ledger, &scope.processes, scope.now);
    roster.problems.extend(problem);
    roster
}

/// A session that a request names.
pub(super) struct Found {
    pub(super) row: Row,
    /// Whether no process could be seen.
    pub(super) is_blind: bool,
    /// Whether every adapter that was asked has answered.
    pub(super) complete: bool,
    /// What each of them contributed.
    pub(super) agents: Vec<AgentReport>,
}

impl Found {
    /// The session that is meant, of those that were seen.
    pub(super) fn among(roster: Roster, named: Named<'_>) -> Result<Self, RpcError> {
        let (is_blind, complete) = (roster.is_blind, roster.is_complete());
        let row = named.row(roster.rows, unanswered(&roster.reports))?;
        Ok(Self { row, is_blind, complete, agents: roster.reports })
    }
}

/// The one session of that id or prefix.
pub(super) async fn one_session(
    app: &App,
    query: &str,
    agent: Option<&AgentId>,
    interest: Interest,
) -> Result<Found, RpcError> {
    let named = Named::of(Some(query), None)?;
    let roster = roster_for(app, &named, agent, interest).await?;
    Found::among(roster, named)
}

/// The adapters that failed or were late.
pub(super) fn unanswered(reports: &[AgentReport]) -> Vec<AgentId> {
    let late = reports.iter().filter(|it| !it.has_answered());
    late.map(|it| it.agent.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_agents_name_that_nobody_knows_no_more_is_shown_than_names_have() {
        let app = App::new(crate::testing::env(std::path::Path::new("/nonexistent")), &[]);
        for (asked, shown) in [(AGENT_SHOWN, AGENT_SHOWN), (AGENT_SHOWN + 1, AGENT_SHOWN)] {
            let Err(RpcError::AgentUnknown { agent, .. }) = known(&app, &"ä".repeat(asked).into())
            else {
                panic!("it is known");
            };
            assert_eq!(agent.chars().count(), shown);
        }
    }
}
