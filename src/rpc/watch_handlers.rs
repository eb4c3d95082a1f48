//! Handlers of `session.watch` and `session.wait`.

use std::time::Duration;

use super::router::Call;
use super::session_handlers::wanted;
use super::settings;
use super::subscription::Client;
use crate::protocol::error::RpcError;
use crate::protocol::fuse::FUSE_EXPIRED;
use crate::protocol::session::{Filter, Session};
use crate::protocol::watch::{Changed, WaitParams, WaitResult};
use crate::query::select;
use crate::watch::Known;

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
    if params.until.is_empty() {
        return Err(RpcError::invalid("until", "`until`: at least one state is needed"));
    }
    let filter = match (&params.session_ids, params.filter) {
        (Some(_), Some(_)) => {
            return Err(RpcError::invalid(
                "filter",
                "`filter`: give `sessionIds` or `filter`, not both",
            ));
        }
        (None, None) => {
            return Err(RpcError::invalid("sessionIds", "`sessionIds`: give them, or a `filter`"));
        }
        // A session named by its id is meant whatever its kind.
        (Some(_), None) => Filter { include_subagents: true, ..Filter::default() },
        (None, Some(filter)) => {
            let (settings, _) = settings::now(&call.app).await;
            settings::narrowed(&call.app, &settings, filter)
        }
    };
    wanted(&call.app, filter.agents.as_deref())?;
    let is_awaited = |session: &Session| {
        let is_meant =
            |ids: &Vec<_>| session.session_id.as_ref().is_some_and(|it| ids.contains(it));
        params.session_ids.as_ref().is_none_or(is_meant) && params.until.contains(&session.status)
    };
    let lookout = call.app.lookout();
    let mut views = lookout.views();
    let reached = async {
        loop {
            let view = views.borrow_and_update().clone();
            let sessions = view.map(|it| select(&it.sessions, &filter)).unwrap_or_default();
            let sessions: Vec<Session> = sessions.into_iter().filter(is_awaited).collect();
            if !sessions.is_empty() {
                return sessions;
            }
            if views.changed().await.is_err() {
                return Vec::new();
            }
        }
    };
    let reached =
        tokio::time::timeout(Duration::from_millis(params.timeout_ms.get()), reached).await;
    Ok(WaitResult { timed_out: reached.is_err(), sessions: reached.unwrap_or_default() })
}
