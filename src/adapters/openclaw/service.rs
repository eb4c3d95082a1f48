//! What the gateway is asked to do: begin a session, let one go on, end a run. Seen with 2026.9.6.
//!
//! ```text
//! sessions.create {"cwd":"/work","message":"…","label":"…"} → {"ok":true,"key":"agent:main:dashboard:…","runStarted":true,…}
//! sessions.send   {"key":"…","message":"…"}                 → {"runId":"…","status":"started"}
//! sessions.abort  {"key":"…"}                               → {"ok":true,"abortedRunId":"…","status":"aborted"}
//! ```
//! That a run has ended is what `sessions.list` with `activeOnly` says: it asks the runs. `sessions.describe` tells the row
//! without `hasActiveRun`.

use std::borrow::Cow;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::wire::{Client, Right};
use super::{EverySession, Page, present};
use crate::adapters::drive::{Driver, Task, UNDRIVEN, Unsupported};
use crate::adapters::service::{Ask, Patience, Refused, Served, Service, TurnEnd};
use crate::base::{AbsPath, SessionId};
use crate::env::Env;
use crate::protocol::launch::Permissions;
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope::Scope;

pub(super) static DRIVER: Driver = Driver {
    service: Some(&Gateway),
    end_turn: Some(|scope, served| abort(scope, served).boxed()),
    ..UNDRIVEN
};

/// The gateway, as what sessions begin in.
struct Gateway;

impl Service for Gateway {
    fn check(&self, ask: &Ask) -> Result<(), Unsupported> {
        let refuse = |what: &str| {
            let hint = "set it for the session in OpenClaw, or launch a new one";
            Err(Unsupported { what: what.into(), hint: hint.into() })
        };
        match ask.task {
            Task::Resume { .. } if ask.model.is_some() => refuse("change the model of a session"),
            Task::Resume { .. } if ask.permissions != Permissions::Agent => {
                refuse("change the permissions of a session")
            }
            _ => Ok(()),
        }
    }

    fn begin(
        &'static self,
        env: Arc<Env>,
        ask: Ask,
    ) -> BoxFuture<'static, Result<SessionId, Refused>> {
        async move {
            let endpoint = present(env).await?;
            match ask.task.resumed() {
                None => {
                    // To choose the directory, and `full`, are for administrators.
                    let mut client = Client::connect(&endpoint, Right::Administer).await?;
                    create(&mut client, &ask).await
                }
                Some(session) => {
                    let mut client = Client::connect(&endpoint, Right::Write).await?;
                    send(&mut client, session, &ask).await
                }
            }
        }
        .boxed()
    }
}

async fn create(client: &mut Client<'_>, ask: &Ask) -> Result<SessionId, Refused> {
    let params = Create {
        cwd: &ask.cwd,
        message: &ask.prompt,
        label: ask.label.as_deref(),
        model: ask.model.as_deref(),
        timeout_ms: ask.timeout_ms,
        permission_mode: match ask.permissions {
            Permissions::Agent => None,
            // Of the modes in which files may be edited the one that allows nothing else by itself.
            Permissions::Edit => Some("guarded"),
            Permissions::Full => Some("full"),
        },
    };
    let created: Created = client.call("sessions.create", &params).await?;
    let session = SessionId::parse(&created.key).filter(|_| created.run_started);
    let no_run = || client.problem(ProblemKind::Protocol, "made a session and began no run");
    Ok(session.ok_or_else(no_run)?)
}

async fn send(
    client: &mut Client<'_>,
    session: &SessionId,
    ask: &Ask,
) -> Result<SessionId, Refused> {
    if is_at_work(client, session).await? {
        return Err(Refused::Busy);
    }
    let params = Send { key: session.as_str(), message: &ask.prompt, timeout_ms: ask.timeout_ms };
    let _: IgnoredAny = client.call("sessions.send", &params).await?;
    Ok(session.clone())
}

/// Ends the run of a session.
async fn abort(scope: Scope, served: Served) -> Result<TurnEnd, Problem> {
    let endpoint = present(scope.env.clone()).await?;
    // A run that another connection began is ended by administrators alone.
    let mut client = Client::connect(&endpoint, Right::Administer).await?;
    let session = &served.session;
    let aborted: Aborted =
        client.call("sessions.abort", &Key { key: session.as_str().into() }).await?;
    if aborted.status == "no-active-run" {
        return Ok(TurnEnd::NoTurn);
    }
    let patience = Patience::of(served.within);
    while is_at_work(&mut client, session).await? {
        if !patience.lasts().await {
            return Ok(TurnEnd::GoesOn);
        }
    }
    Ok(TurnEnd::Ended)
}

/// Whether the session has an active run.
async fn is_at_work(client: &mut Client<'_>, session: &SessionId) -> Result<bool, Problem> {
    let page: Page = client.call("sessions.list", &EveryRun::NEW).await?;
    let mut rows = page.sessions.iter().filter_map(|it| serde_json::from_str(it.get()).ok());
    if rows.any(|it: Key<'_>| it.key == session.as_str()) {
        return Ok(true);
    }
    if page.has_more {
        return Err(client.problem(ProblemKind::Limit, "has more runs than it lists at a time"));
    }
    Ok(false)
}

/// The parameters of `sessions.list` for sessions with a run, as the runs themselves say.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EveryRun {
    active_only: bool,
    #[serde(flatten)]
    sessions: EverySession,
}

impl EveryRun {
    const NEW: Self = Self { active_only: true, sessions: EverySession::from(0) };
}

/// A closed object: what is not given is left out. The agent is the gateway's default.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Create<'a> {
    cwd: &'a AbsPath,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permission_mode: Option<&'static str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    key: String,
    #[serde(default)]
    run_started: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Send<'a> {
    key: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Key<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Aborted {
    status: String,
}
