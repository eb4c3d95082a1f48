//! Handlers of `session.launch`, `session.resume` and `session.prune`.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::runtime::Handle;

use super::App;
use super::checks;
use super::ledger_access::{change, no_thread, read};
use super::look::{Found, known, one_session, roster};
use super::router::Call;
use super::stop_handlers::{cannot, is_at_work, is_hosted, refuse_blindly};
use super::unanswered::Unanswered;
use crate::adapters::Adapter;
use crate::adapters::drive::Task;
use crate::base::{AgentId, SessionId, Timestamp};
use crate::launch::{self, Request, Site};
use crate::ledger::directory::Given;
use crate::ledger::{LaunchEntry, Ledger, Life, Pruned, World};
use crate::offload::{blocking, on_own_thread};
use crate::protocol::error::{LiveOwner, RpcError};
use crate::protocol::launch::{
    Forgotten, LaunchParams, LaunchResult, Launched, PruneParams, PruneResult, ReleasedClaim,
    ResumeParams,
};
use crate::protocol::session::{AgentReport, SessionKind};
use crate::reconcile::{Row, one_of};
use crate::scope::Interest;

/// Starts an agent.
pub(super) async fn launch(call: Call, params: LaunchParams) -> Result<LaunchResult, RpcError> {
    let id = SessionId::parse(&uuid::Uuid::new_v4().to_string())
        .ok_or_else(|| RpcError::Internal("a UUID is no session id".into()))?;
    run(call, Task::Launch { id }, params, Given::As("cwd")).await
}

/// Lets a session go on, where no live process owns it.
pub(super) async fn resume(call: Call, params: ResumeParams) -> Result<LaunchResult, RpcError> {
    let (query, agent) = (&params.session_id, params.agent.as_ref());
    let found = one_session(&call.app, query, agent, Interest::SESSIONS).await?;
    let Found { row, is_blind, .. } = found;
    // Where processes are seen, a launch of another place alone is not: who forces it knows what became of that.
    if is_blind || !params.force {
        refuse_blindly(&row)?;
    }
    let session = *row.session;
    let Some(id) = session.session_id else {
        return Err(RpcError::Internal("a session was found by an id that it has not".into()));
    };
    let is_busy_in_service = is_hosted(row.record.as_deref()) && is_at_work(session.status);
    let owner = match session.process {
        Some(process) => Some(LiveOwner::Process(process)),
        None if !row.candidates.is_empty() => Some(LiveOwner::Named(one_of(&row.candidates))),
        None => is_busy_in_service.then_some(LiveOwner::Service),
    };
    if let Some(owner) = owner {
        return Err(RpcError::SessionAlive { session: id, owner });
    }
    if session.kind == SessionKind::Subagent {
        let parent = session.parent_session_id.map_or_else(String::new, |it| format!(" `{it}`"));
        let hint = format!("resume its parent{parent}: it answers to that alone");
        return Err(cannot(&session.agent, "resume a subagent", &hint));
    }
    let Some(cwd) = session.cwd else {
        let what = "resume a session whose directory is not known";
        return Err(cannot(&session.agent, what, "resume it in a terminal"));
    };
    let transcript = row.record.and_then(|it| it.path.clone());
    let task = Task::Resume { id, transcript };
    run(call, task, params.at(session.agent, cwd), Given::BySession).await
}

/// Launches, and waits for the agent's word.
async fn run(
    call: Call,
    task: Task,
    params: LaunchParams,
    cwd_given: Given,
) -> Result<LaunchResult, RpcError> {
    checks::launch(&params)?;
    let adapter = known(&call.app, &params.agent)?;
    let name = adapter.card().name;
    let request = Request { adapter, task, params, cwd_given };
    call.report(json!({ "kind": "begin", "title": format!("Launching {name}") })).await;
    // Held until the answer is made: a client that cancels before knows nothing of the launch.
    let (launched, _unanswered) = match start(&call, request).await {
        Ok(started) => started,
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
    let row = roster.rows.into_iter().find(is_it);
    call.report(json!({ "kind": "end" })).await;
    Ok(LaunchResult {
        session: row.map(|it| *it.session),
        launch: launched,
        complete,
        agents: roster.reports,
    })
}

/// Starts the agent's process, or asks its service.
async fn start(call: &Call, request: Request) -> Result<(Launched, Option<Unanswered>), RpcError> {
    let Some(service) = request.adapter.driver().service else {
        let (launched, unanswered) = spawn(call, request).await?;
        return Ok((launched, Some(unanswered)));
    };
    let (call, runtime, job) = (call.clone(), Handle::current(), call.app.unfinished.begin());
    // Once begun it runs to its end, and the process waits for it: what the service has begun must be noted, and ended
    // where its client has cancelled it meanwhile.
    let launched = on_own_thread(move || {
        let agent = request.params.agent.clone();
        let launched = launch::served::launch(&runtime, &call.app.env, service, request)?;
        let unanswered = Unanswered::of_service(&call, &agent, &launched, runtime);
        Ok::<_, RpcError>((launched, unanswered, job))
    });
    let (launched, unanswered, _job) = launched.await.map_err(|it| no_thread(&it))??;
    Ok((launched, unanswered))
}

/// Starts the agent's process, and waits until it has told its session.
async fn spawn(call: &Call, request: Request) -> Result<(Launched, Unanswered), RpcError> {
    let (starting, job) = (call.clone(), call.app.unfinished.begin());
    let runtime = Handle::current();
    // Once begun it runs to its end, and the process waits for it: where its client has cancelled it meanwhile, it is
    // called off then. It may wait for the login shell.
    let started = on_own_thread(move || {
        // The supervisor's pipe is read by the runtime.
        let _entered = runtime.enter();
        let App { env, program, login_path, .. } = &*starting.app;
        let site = Site { env, program, login: login_path };
        let started = launch::start(&site, request)?;
        Ok::<_, RpcError>((Unanswered::of_process(&starting, &started), started, job))
    });
    let (unanswered, mut started, _job) = started.await.map_err(|it| no_thread(&it))??;
    let message = "waiting for the agent to tell its session";
    call.report(json!({ "kind": "report", "message": message })).await;
    let told = started.told().await?;
    let launched = Launched {
        launch_id: started.launch_id,
        session_id: told.session,
        pid: Some(told.process.pid),
        command: Some(started.command),
        cwd: started.cwd,
        log_path: Some(started.log),
        login_path: started.login_path,
    };
    Ok((launched, unanswered))
}

/// Forgets launches that have ended and claims that are void.
pub(super) async fn prune(call: Call, params: PruneParams) -> Result<PruneResult, RpcError> {
    let PruneParams { dry_run, older_than } = params;
    let services = Services::ask(&call.app).await?;
    let (agents, complete) = (services.reports.clone(), services.are_complete);
    let Pruned { forgotten, released, kept } = if dry_run {
        let life = move |entry: &LaunchEntry| services.life(entry);
        let look =
            move |mut ledger: Ledger, world: World<'_>| ledger.prune(older_than, world, &life);
        read(&call.app, look).await?
    } else {
        prune_with_logs(&call, older_than, services).await?
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
        complete,
        agents,
    })
}

/// Prunes, and removes every log that is no launch's any more.
async fn prune_with_logs(
    call: &Call,
    older_than: Option<Timestamp>,
    services: Services,
) -> Result<Pruned, RpcError> {
    let env = call.app.env.clone();
    // Listed first: a log that appears from here on is that of a new launch.
    let mut logs = blocking(move || launch::logs(&env)).await;
    let pruned = change(&call.app, move |ledger, world| {
        let pruned = ledger.prune(older_than, world, &|entry| services.life(entry));
        for log in ledger.launches.iter().filter_map(|it| it.launch.log_path.as_ref()) {
            logs.remove(log.as_path());
        }
        Ok((pruned, logs))
    });
    let (pruned, logs) = pruned.await?;
    blocking(move || launch::remove_logs(logs)).await;
    Ok(pruned)
}

/// What the agents' services say of the launches that they run.
#[derive(Default)]
struct Services {
    at_work: BTreeSet<(AgentId, SessionId)>,
    reports: Vec<AgentReport>,
    are_complete: bool,
}

impl Services {
    /// Asks those that the ledger speaks of, and nobody where it speaks of none.
    async fn ask(app: &App) -> Result<Self, RpcError> {
        let agents = read(app, |ledger, _| {
            let served = ledger.launches.iter().filter(|it| it.is_in_service());
            served.map(|it| it.agent.clone()).collect::<BTreeSet<_>>()
        });
        let agents = agents.await?;
        let is_wanted = |it: &&&'static dyn Adapter| agents.contains(&it.card().id);
        let adapters: Vec<_> = app.adapters.iter().filter(is_wanted).copied().collect();
        if adapters.is_empty() {
            return Ok(Self { are_complete: true, ..Self::default() });
        }
        let roster = roster(app, &adapters, Interest::SESSIONS).await;
        let are_complete = roster.is_complete();
        let at_work = roster.rows.into_iter().filter(|it| is_at_work(it.session.status));
        let key = |row: Row| Some((row.session.agent, row.session.session_id?));
        let at_work = at_work.filter_map(key).collect();
        Ok(Self { at_work, reports: roster.reports, are_complete })
    }

    fn life(&self, entry: &LaunchEntry) -> Life {
        let Some(session) = entry.session.clone() else { return Life::Dead };
        if self.reports.iter().any(|it| it.agent == entry.agent && !it.has_answered()) {
            return Life::Unknown;
        }
        let is_at_work = self.at_work.contains(&(entry.agent.clone(), session));
        if is_at_work { Life::Alive } else { Life::Dead }
    }
}
