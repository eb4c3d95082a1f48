//! Handlers of `session.watch` and `session.wait`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::router::Call;
use super::session_handlers::{check_named, meant, wanted};
use super::settings;
use super::subscription::Client;
use crate::protocol::error::RpcError;
use crate::protocol::fuse::FUSE_EXPIRED;
use crate::protocol::session::{Filter, Session};
use crate::protocol::watch::{Changed, WaitParams, WaitResult};
use crate::query::select;
use crate::watch::Known;

/// Most ids that one request may wait for: each is looked for among all sessions with every change.
const IDS_MAX: usize = 1_000;

/// Tells the sessions that the filter lets through, then every change of them, until nobody listens.
pub(super) async fn watch(call: Call, filter: Filter, client: Client<Changed>) {
    if let Err(error) = wanted(&call.app, filter.agents.as_deref()) {
        return client.refuse(error).await;
    }
    let (settings, _) = settings::now(&call.app).await;
    let filter = settings::narrowed(&call.app, &settings, filter);
    let lookout = call.app.lookout();
    let mut views = lookout.views();
    let mut expiries = call.app.fuses.expiries();
    let Some(listener) = client.accept().await else { return };
    let (mut known, mut seq, mut problems) = (Known::default(), 0, Vec::new());
    loop {
        let view = views.borrow_and_update().clone();
        if let Some(view) = view {
            let changes = known.update(select(&view.sessions, &filter));
            // The first notification says that nothing is there, where nothing is.
            if seq == 0 || !changes.is_empty() || view.problems != problems {
                seq += 1;
                problems.clone_from(&view.problems);
                let event = Changed {
                    seq,
                    observed_at: view.observed_at,
                    changes,
                    problems: view.problems,
                };
                if listener.tell(&event).await.is_err() {
                    return;
                }
            }
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            expired = expiries.recv() => if let Ok(expired) = expired
                && expired.fuse.on_expire.event.is_some()
                && listener.tell_of(FUSE_EXPIRED, &expired).await.is_err()
            {
                return;
            },
            () = listener.left() => return,
        }
    }
}

/// Waits until one of the sessions has one of the states.
pub(super) async fn wait(call: Call, params: WaitParams) -> Result<WaitResult, RpcError> {
    let WaitParams { session_ids, filter, until, timeout_ms } = params;
    if until.is_empty() {
        return Err(RpcError::invalid("until", "`until`: at least one state is needed"));
    }
    let mut awaited = Awaited::of(session_ids, filter)?;
    // A session named by its id is meant whatever the settings leave out.
    if awaited.ids.is_none() {
        let (settings, _) = settings::now(&call.app).await;
        awaited.filter = settings::narrowed(&call.app, &settings, awaited.filter);
    }
    wanted(&call.app, awaited.filter.agents.as_deref())?;
    let lookout = call.app.lookout();
    let mut views = lookout.views();
    let reached = async {
        loop {
            let view = views.borrow_and_update().clone();
            let mut sessions = view.map_or(Ok(Vec::new()), |it| awaited.among(&it.sessions))?;
            sessions.retain(|it| until.contains(&it.status));
            if !sessions.is_empty() || views.changed().await.is_err() {
                return Ok(sessions);
            }
        }
    };
    match tokio::time::timeout(Duration::from_millis(timeout_ms.get()), reached).await {
        Ok(sessions) => Ok(WaitResult { sessions: sessions?, timed_out: false }),
        Err(_) => Ok(WaitResult { sessions: Vec::new(), timed_out: true }),
    }
}

/// Which sessions are waited for.
struct Awaited {
    filter: Filter,
    /// Ids or their beginnings; nothing where the filter alone decides.
    ids: Option<Vec<String>>,
}

impl Awaited {
    fn of(ids: Option<Vec<String>>, filter: Option<Filter>) -> Result<Self, RpcError> {
        let refuse = |member: &str, what: &str| {
            Err(RpcError::invalid(member, format!("`{member}`: {what}")))
        };
        match (ids, filter) {
            (Some(_), Some(_)) => refuse("filter", "give `sessionIds` or `filter`, not both"),
            (None, None) => refuse("sessionIds", "give them, or a `filter`"),
            (None, Some(filter)) => Ok(Self { filter, ids: None }),
            (Some(ids), None) if ids.is_empty() => refuse("sessionIds", "at least one is needed"),
            (Some(ids), None) if ids.len() > IDS_MAX => {
                refuse("sessionIds", &format!("more than {IDS_MAX}; a `filter` has no limit"))
            }
            (Some(ids), None) => {
                ids.iter().try_for_each(|it| check_named("sessionIds", it))?;
                // A session named by its id is meant whatever its kind.
                let filter = Filter { include_subagents: true, ..Filter::default() };
                Ok(Self { filter, ids: Some(ids) })
            }
        }
    }

    /// Those of the sessions that are waited for. An id that is not there yet is no error: it may come.
    fn among(&self, sessions: &[Session]) -> Result<Vec<Session>, RpcError> {
        let mut sessions = select(sessions, &self.filter);
        if let Some(ids) = &self.ids {
            let meant = ids.iter().filter_map(|id| meant(sessions.iter(), id).transpose());
            let meant = meant.collect::<Result<BTreeSet<usize>, _>>()?;
            let mut index = 0..;
            sessions.retain(|_| index.next().is_some_and(|it| meant.contains(&it)));
        }
        Ok(sessions)
    }
}
