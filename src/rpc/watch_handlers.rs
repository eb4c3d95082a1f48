//! Handlers of `session.watch` and `session.wait`.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::look::wanted;
use super::named::{check_named, meant};
use super::real_paths::with_real_paths;
use super::router::Call;
use super::settings;
use super::subscription::Client;
use crate::base::Timestamp;
use crate::census;
use crate::protocol::error::RpcError;
use crate::protocol::fuse::FUSE_EXPIRED;
use crate::protocol::session::{Filter, Problem, ProblemKind, Session};
use crate::protocol::watch::{Change, Changed, WaitParams, WaitResult};
use crate::query::{Wanted, select};
use crate::scope;
use crate::watch::{Ended, Known, View};

/// Most ids that one request may wait for: each is looked for among all sessions with every change.
const IDS_MAX: usize = 1_000;

/// Tells the sessions that the filter lets through, then every change of them, until nobody listens.
pub(super) async fn watch(call: Call, filter: Filter, client: Client<Changed>) {
    if let Err(error) = wanted(&call.app, filter.agents.as_deref()) {
        return client.refuse(error).await;
    }
    let mut views = call.app.views(filter.agents.clone());
    let (filter, problem) = with_real_paths(filter, deadline(&call).await).await;
    let mut expiries = call.app.fuses.expiries();
    let Some(listener) = client.accept().await else { return };
    let mut told = Told { of_filter: problem, ..Told::default() };
    loop {
        tokio::select! {
            view = views.next() => {
                let has_ended = view.is_err();
                let event = match view {
                    Ok(view) => told.event(&view, &filter),
                    Err(ended) => Some(told.last_event(&ended)),
                };
                let is_gone = match event {
                    Some(event) => listener.tell(&event).await.is_err(),
                    None => false,
                };
                if is_gone || has_ended {
                    return;
                }
            }
            // Behind the sessions, which the first notification carries.
            expired = expiries.recv(), if told.seq > 0 => {
                let is_gone = match expired {
                    Ok(it) if it.fuse.on_expire.event.is_some() => {
                        listener.tell_of(FUSE_EXPIRED, &it).await.is_err()
                    }
                    Ok(_) => false,
                    Err(RecvError::Lagged(missed)) => {
                        listener.tell(&told.missed_event(missed)).await.is_err()
                    }
                    // Nobody fires fuses any more: the server ends.
                    Err(RecvError::Closed) => true,
                };
                if is_gone {
                    return;
                }
            }
            () = listener.left() => return,
        }
    }
}

/// How long the directories of a filter may take.
async fn deadline(call: &Call) -> Duration {
    census::deadline(settings::now(&call.app).await.0.deadline_ms)
}

/// What a subscriber was told so far.
#[derive(Default)]
struct Told {
    /// What is wrong with what the subscriber asked for.
    of_filter: Option<Problem>,
    known: Known,
    seq: u64,
    problems: Vec<Problem>,
}

impl Told {
    /// What is new in the view. The first notification says that nothing is there, where nothing is.
    fn event(&mut self, view: &View, filter: &Wanted) -> Option<Changed> {
        let seen = view.problems(view.meant(filter.agents()));
        let problems: Vec<Problem> = self.of_filter.iter().cloned().chain(seen).collect();
        let changes = self.known.update(shown(view, filter));
        if self.seq > 0 && changes.is_empty() && problems == self.problems {
            return None;
        }
        self.problems.clone_from(&problems);
        Some(self.numbered(view.observed_at, changes, problems))
    }

    /// That fuses ran out faster than the subscriber reads. It is said once: what was missed does not come back.
    fn missed_event(&mut self, missed: u64) -> Changed {
        let message =
            format!("expiries of fuses that came faster than they could be told: {missed}");
        let problem = Problem { kind: ProblemKind::Limit, message, path: None, line: None };
        let problems = self.problems.iter().cloned().chain([problem]).collect();
        self.numbered(scope::now(), Vec::new(), problems)
    }

    /// That there will be no other.
    fn last_event(&mut self, ended: &Ended) -> Changed {
        let message = ended.to_string();
        let problem = Problem { kind: ProblemKind::Panicked, message, path: None, line: None };
        self.numbered(scope::now(), Vec::new(), vec![problem])
    }

    fn numbered(
        &mut self,
        observed_at: Timestamp,
        changes: Vec<Change>,
        problems: Vec<Problem>,
    ) -> Changed {
        self.seq += 1;
        Changed { seq: self.seq, observed_at, changes, problems }
    }
}

/// The sessions that the filter lets through; one that names no agents means those that the settings do not leave out.
fn shown(view: &View, filter: &Wanted) -> Vec<Session> {
    let agents = view.meant(filter.agents()).to_vec();
    select(&view.sessions, &filter.of_agents(agents))
}

/// Waits until one of the sessions has one of the states.
pub(super) async fn wait(call: Call, params: WaitParams) -> Result<WaitResult, RpcError> {
    let WaitParams { session_ids, filter, until, timeout_ms } = params;
    if until.is_empty() {
        return Err(RpcError::invalid("until", "`until`: at least one state is needed"));
    }
    let mut awaited = Awaited::of(session_ids, filter, deadline(&call).await).await?;
    wanted(&call.app, awaited.filter.agents())?;
    let lost = |ended: Ended| RpcError::Internal(ended.to_string());
    let mut views = call.app.views(awaited.filter.agents().map(<[_]>::to_vec));
    let mut view = views.next().await.map_err(lost)?;
    if awaited.lacks_one(&view)? {
        // A session named by its id is meant whatever the settings leave out.
        awaited.filter = awaited.filter.of_agents(settings::agents(&call.app));
        views = call.app.views(awaited.filter.agents().map(<[_]>::to_vec));
        view = views.next().await.map_err(lost)?;
    }
    let end = Instant::now() + Duration::from_millis(timeout_ms.get());
    // Who waits for every session by itself is to be answered meanwhile.
    call.turn.give_up();
    loop {
        let mut sessions = awaited.among(&view)?;
        sessions.retain(|it| until.contains(&it.status));
        if !sessions.is_empty() {
            return Ok(answer(&awaited, &view, sessions));
        }
        let Ok(next) = timeout_at(end, views.next()).await else {
            return Ok(answer(&awaited, &view, sessions));
        };
        view = next.map_err(lost)?;
    }
}

fn answer(awaited: &Awaited, view: &View, sessions: Vec<Session>) -> WaitResult {
    let meant = view.meant(awaited.filter.agents());
    WaitResult {
        timed_out: sessions.is_empty(),
        sessions,
        complete: view.is_complete(meant),
        agents: view.reports(meant),
        problems: awaited.problem.iter().cloned().chain(view.problems(meant)).collect(),
    }
}

/// Which sessions are waited for.
struct Awaited {
    filter: Wanted,
    /// Ids or their beginnings; nothing where the filter alone decides.
    ids: Option<Vec<String>>,
    /// What is wrong with what is asked for.
    problem: Option<Problem>,
}

impl Awaited {
    async fn of(
        ids: Option<Vec<String>>,
        filter: Option<Filter>,
        within: Duration,
    ) -> Result<Self, RpcError> {
        let refuse = |member: &str, what: &str| {
            Err(RpcError::invalid(member, format!("`{member}`: {what}")))
        };
        match (ids, filter) {
            (Some(_), Some(_)) => refuse("filter", "give `sessionIds` or `filter`, not both"),
            (None, None) => refuse("sessionIds", "give them, or a `filter`"),
            (None, Some(filter)) => {
                let (filter, problem) = with_real_paths(filter, within).await;
                Ok(Self { filter, ids: None, problem })
            }
            (Some(ids), None) if ids.is_empty() => refuse("sessionIds", "at least one is needed"),
            (Some(ids), None) if ids.len() > IDS_MAX => {
                refuse("sessionIds", &format!("more than {IDS_MAX}; a `filter` has no limit"))
            }
            (Some(ids), None) => {
                ids.iter().try_for_each(|it| check_named("sessionIds", it))?;
                // A session named by its id is meant whatever its kind.
                let filter = Filter { include_subagents: true, ..Filter::default() };
                Ok(Self { filter: Wanted::of(filter, |_| None), ids: Some(ids), problem: None })
            }
        }
    }

    /// Those of the sessions that are waited for. An id that is not there yet is no error: it may come.
    fn among(&self, view: &View) -> Result<Vec<Session>, RpcError> {
        let mut sessions = shown(view, &self.filter);
        if let Some(ids) = &self.ids {
            let meant = ids.iter().filter_map(|id| meant(sessions.iter(), id).transpose());
            let meant = meant.collect::<Result<BTreeSet<usize>, _>>()?;
            let mut index = 0..;
            sessions.retain(|_| index.next().is_some_and(|it| meant.contains(&it)));
        }
        Ok(sessions)
    }

    /// Whether there is an id that no session has.
    fn lacks_one(&self, view: &View) -> Result<bool, RpcError> {
        let sessions = shown(view, &self.filter);
        for id in self.ids.iter().flatten() {
            if meant(sessions.iter(), id)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_ids_can_be_waited_for_and_no_more() {
        let awaited = async |ids: usize| {
            let ids = Some(vec!["01a204ec".to_owned(); ids]);
            Awaited::of(ids, None, Duration::ZERO).await.is_ok()
        };
        assert!(awaited(IDS_MAX).await);
        assert!(!awaited(IDS_MAX + 1).await);
        assert!(!awaited(0).await);
    }
}
