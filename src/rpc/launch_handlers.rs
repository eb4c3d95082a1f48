//! Handlers of `session.launch`, `session.resume` and `session.prune`.

use serde_json::json;

use super::checks;
use super::ledger_access::{change, read};
use super::router::Call;
use super::session_handlers::{one_session, roster, wanted};
use super::stop_handlers::cannot;
use crate::adapters::drive::Task;
use crate::adapters::files::blocking;
use crate::base::{SessionId, Timestamp};
use crate::launch::{self, Request, Site, Started};
use crate::ledger::Pruned;
use crate::protocol::error::RpcError;
use crate::protocol::launch::{
    Forgotten, LaunchParams, LaunchResult, Launched, PruneParams, PruneResult, ReleasedClaim,
    ResumeParams,
};
use crate::reconcile::Row;
use crate::scope::Interest;

/// Starts an agent.
pub(super) async fn launch(call: Call, params: LaunchParams) -> Result<LaunchResult, RpcError> {
    let id = SessionId::parse(&uuid::Uuid::new_v4().to_string())
        .ok_or_else(|| RpcError::Internal("a UUID is no session id".into()))?;
    run(call, Task::Launch { id }, params, "cwd").await
}

/// Lets a session go on, where no live process owns it.
pub(super) async fn resume(call: Call, params: ResumeParams) -> Result<LaunchResult, RpcError> {
    let (query, agent) = (&params.session_id, params.agent.as_ref());
    let (row, ..) = one_session(&call.app, query, agent, Interest::SESSIONS).await?;
    let session = row.session;
    let Some(id) = session.session_id else {
        return Err(RpcError::Internal("a session was found by an id that it has not".into()));
    };
    if let Some(process) = session.process {
        return Err(RpcError::SessionAlive { session: id, process });
    }
    let Some(cwd) = session.cwd else {
        let what = "resume a session whose directory is not known";
        return Err(cannot(&session.agent, what, "resume it in a terminal"));
    };
    let transcript = row.record.and_then(|it| it.path.clone());
    let task = Task::Resume { id, transcript };
    run(call, task, params.at(session.agent, cwd), "sessionId").await
}

/// Launches, and waits for the agent's word.
async fn run(
    call: Call,
    task: Task,
    params: LaunchParams,
    cwd_member: &'static str,
) -> Result<LaunchResult, RpcError> {
    checks::launch(&params)?;
    let adapter = wanted(&call.app, Some(std::slice::from_ref(&params.agent)))?
        .pop()
        .ok_or_else(|| RpcError::Internal("an adapter that is known is not there".into()))?;
    let name = adapter.card().name;
    let request = Request { adapter, task, params, cwd_member };
    call.report(json!({ "kind": "begin", "title": format!("Launching {name}") })).await;
    let app = call.app.clone();
    let started = blocking(move || {
        let site = Site { env: &app.env, program: &app.program, login: &app.login_path };
        launch::start(&site, request)
    });
    let told = match started.await {
        Ok(started) => told(&call, started).await,
        Err(error) => Err(error),
    };
    let (launched, is_known) = match told {
        Ok(told) => told,
        Err(error) => {
            call.report(json!({ "kind": "end", "message": error.to_string() })).await;
            return Err(error);
        }
    };
    let roster = roster(&call.app, &[adapter], Interest::SESSIONS).await;
    let complete = roster.is_complete();
    let is_it = |row: &Row| {
        row.session.session_id.is_some() && row.session.session_id == launched.session_id
    };
    let row = roster.rows.into_iter().find(is_it).filter(|_| is_known);
    call.report(json!({ "kind": "end" })).await;
    Ok(LaunchResult {
        session: row.map(|it| *it.session),
        launch: launched,
        complete,
        agents: roster.reports,
    })
}

/// What the agent told, and whether that was its session.
async fn told(call: &Call, mut started: Started) -> Result<(Launched, bool), RpcError> {
    let message = "waiting for the agent to tell its session";
    call.report(json!({ "kind": "report", "message": message })).await;
    let told = started.told().await?;
    let is_known = told.session.is_some();
    let launched = Launched {
        launch_id: started.launch_id,
        session_id: told.session,
        pid: told.process.pid,
        command: started.command,
        cwd: started.cwd,
        log_path: started.log,
        login_path: started.login_path,
    };
    Ok((launched, is_known))
}

/// Forgets launches that have ended and claims that are void.
pub(super) async fn prune(call: Call, params: PruneParams) -> Result<PruneResult, RpcError> {
    let PruneParams { dry_run, older_than } = params;
    let Pruned { forgotten, released, kept } = if dry_run {
        read(&call.app, move |ledger, world| ledger.clone().prune(older_than, world)).await?
    } else {
        prune_with_logs(&call, older_than).await?
    };
    let forgotten = forgotten.into_iter().map(|(entry, reason)| Forgotten {
        launch_id: entry.launch.launch_id,
        session_id: entry.session,
        agent: entry.agent,
        reason,
    });
    let released = released.into_iter().map(|(lock, reason)| ReleasedClaim {
        directory: lock.directory,
        holder: lock.by,
        reason,
    });
    Ok(PruneResult {
        forgotten: forgotten.collect(),
        released: released.collect(),
        kept: kept as u64,
        dry_run,
    })
}

/// Prunes, and removes every log that is no launch's any more.
async fn prune_with_logs(call: &Call, older_than: Option<Timestamp>) -> Result<Pruned, RpcError> {
    let env = call.app.env.clone();
    // Listed first: a log that appears from here on is that of a new launch.
    let mut logs = blocking(move || launch::logs(&env)).await;
    let pruned = change(&call.app, move |ledger, world| {
        let pruned = ledger.prune(older_than, world);
        for kept in &ledger.launches {
            logs.remove(kept.launch.log_path.as_path());
        }
        Ok((pruned, logs))
    });
    let (pruned, logs) = pruned.await?;
    blocking(move || launch::remove_logs(logs)).await;
    Ok(pruned)
}
