//! Handlers of `session.launch`, `session.resume`, `session.stop` and `session.prune`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::ledger_access::{change, read};
use super::router::Call;
use super::session_handlers::{check_query, matching, one_session, roster, unanswered, wanted};
use crate::adapters::drive::Task;
use crate::adapters::evidence::Owner;
use crate::adapters::files::blocking;
use crate::base::{Pid, SessionId};
use crate::launch::ending::{self, Ending, NotEnded, Target};
use crate::launch::{self, Request, Site, Started};
use crate::ledger::Pruned;
use crate::procs::ProcessTable;
use crate::protocol::error::RpcError;
use crate::protocol::launch::{
    Forgotten, LaunchOptions, LaunchParams, LaunchResult, Launched, PruneParams, PruneResult,
    ReleasedClaim, ResumeParams, StopOutcome, StopParams, StopResult,
};
use crate::protocol::session::{Process, SessionKind};
use crate::reconcile::Row;
use crate::scope::Interest;

/// How long an agent may take to end by itself where the request does not say.
const GRACE: Duration = Duration::from_secs(5);
/// Longest label, group or specification, in bytes: they are shown in one line.
const TEXT_MAX: usize = 1024;
/// Most arguments, or variables, of the caller's own; and most bytes of all of them. The kernel takes 2 MiB.
const WORDS_MAX: usize = 256;
const WORDS_BYTES_MAX: usize = 256 << 10;

/// Starts an agent.
pub(super) async fn launch(call: Call, params: LaunchParams) -> Result<LaunchResult, RpcError> {
    let options = params.options();
    check(&options)?;
    let adapter = wanted(&call.app, Some(std::slice::from_ref(&params.agent)))?
        .pop()
        .ok_or_else(|| RpcError::Internal("an adapter that is known is not there".into()))?;
    let id = SessionId::parse(&uuid::Uuid::new_v4().to_string())
        .ok_or_else(|| RpcError::Internal("a UUID is no session id".into()))?;
    let task = Task::Launch { id };
    run(call, Request { adapter, task, cwd: params.cwd, cwd_member: "cwd", options }).await
}

/// Lets a session go on, where no live process owns it.
pub(super) async fn resume(call: Call, params: ResumeParams) -> Result<LaunchResult, RpcError> {
    let options = params.options();
    check(&options)?;
    let app = &call.app;
    let (row, ..) =
        one_session(app, &params.session_id, params.agent.as_ref(), Interest::SESSIONS).await?;
    let session = row.session;
    let cannot = |what: &str, hint: &str| RpcError::Unsupported {
        agent: session.agent.clone(),
        what: what.to_owned(),
        hint: hint.to_owned(),
    };
    let Some(id) = session.session_id.clone() else {
        return Err(RpcError::Internal("a session was found by an id that it has not".into()));
    };
    if let Some(process) = session.process {
        return Err(RpcError::SessionAlive { session: id, process });
    }
    let Some(cwd) = session.cwd.clone() else {
        return Err(cannot(
            "resume a session whose directory is not known",
            "resume it in a terminal",
        ));
    };
    let transcript: Option<PathBuf> = row.record.and_then(|it| it.path.clone());
    let adapter = wanted(app, Some(std::slice::from_ref(&session.agent)))?
        .pop()
        .ok_or_else(|| RpcError::Internal("an adapter that is known is not there".into()))?;
    let task = Task::Resume { id, transcript };
    run(call, Request { adapter, task, cwd, cwd_member: "sessionId", options }).await
}

/// Launches, and waits for the agent's word.
async fn run(call: Call, request: Request) -> Result<LaunchResult, RpcError> {
    let name = request.adapter.card().name;
    let adapter = request.adapter;
    report(&call, json!({ "kind": "begin", "title": format!("Launching {name}") })).await;
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
            report(&call, json!({ "kind": "end", "message": error.to_string() })).await;
            return Err(error);
        }
    };
    let roster = roster(&call.app, &[adapter], Interest::SESSIONS, None).await;
    let complete = roster.is_complete();
    let is_it = |row: &Row| {
        row.session.session_id.is_some() && row.session.session_id == launched.session_id
    };
    let row = roster.rows.into_iter().find(is_it).filter(|_| is_known);
    report(&call, json!({ "kind": "end" })).await;
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
    report(call, json!({ "kind": "report", "message": message })).await;
    let told = started.told().await?;
    let is_known = told.session.is_some();
    let launched = Launched {
        launch_id: started.launch_id,
        session_id: told.session,
        pid: told.process.pid,
        command: started.command,
        cwd: started.cwd,
        log_path: started.log,
    };
    Ok((launched, is_known))
}

async fn report(call: &Call, value: serde_json::Value) {
    if let Some(progress) = &call.progress {
        progress.report(&value).await;
    }
}

/// Refuses what could not be passed on, before anything happens.
fn check(options: &LaunchOptions) -> Result<(), RpcError> {
    let refuse =
        |member: &str, why: &str| Err(RpcError::invalid(member, format!("`{member}`: {why}")));
    if options.prompt.trim().is_empty() {
        return refuse("prompt", "is empty");
    }
    let texts = [
        ("model", &options.model),
        ("label", &options.label),
        ("group", &options.group),
        ("spec", &options.spec),
    ];
    for (member, text) in texts {
        match text.as_deref() {
            Some("") => return refuse(member, "is empty"),
            Some(it) if it.len() > TEXT_MAX => {
                return refuse(member, &format!("is longer than {TEXT_MAX} bytes"));
            }
            Some(it) if it.starts_with('-') && member == "model" => {
                return refuse(member, "begins with a dash");
            }
            _ => {}
        }
    }
    for name in options.env.keys() {
        if name.is_empty() || name.contains('=') {
            return refuse("env", &format!("`{name}` is not the name of a variable"));
        }
    }
    for (member, argv) in [("onCreate", &options.on_create), ("onComplete", &options.on_complete)] {
        if argv.as_ref().is_some_and(|it| it.first().is_none_or(String::is_empty)) {
            return refuse(member, "names no program");
        }
    }
    let words = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    let pairs = options.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let lists = [
        ("args", options.args.clone()),
        ("env", pairs),
        ("onCreate", words(&options.on_create)),
        ("onComplete", words(&options.on_complete)),
    ];
    for (member, list) in lists {
        if list.len() > WORDS_MAX || list.iter().map(String::len).sum::<usize>() > WORDS_BYTES_MAX {
            let why = format!("is more than {WORDS_MAX} words or {WORDS_BYTES_MAX} bytes");
            return refuse(member, &why);
        }
        if list.iter().any(|it| it.contains('\0')) {
            return refuse(member, "holds a NUL, which no argument or variable can");
        }
    }
    if [Some(&options.prompt), options.model.as_ref(), options.label.as_ref()]
        .into_iter()
        .flatten()
        .any(|it| it.contains('\0'))
    {
        return refuse("prompt", "holds a NUL, which no argument can");
    }
    Ok(())
}

/// Ends the process that owns a session.
pub(super) async fn stop(call: Call, params: StopParams) -> Result<StopResult, RpcError> {
    let app = &call.app;
    check_query(&params.session_id)?;
    let adapters = wanted(app, params.agent.as_ref().map(std::slice::from_ref))?;
    let roster = roster(app, &adapters, Interest::SESSIONS, None).await;
    let complete = roster.is_complete();
    let late = unanswered(&roster.reports);
    let owners: Vec<Owned> = roster.rows.iter().filter_map(Owned::of).collect();
    let row = matching(roster.rows, &params.session_id, late)?;
    let session = row.session;
    let agents = roster.reports;
    let cannot = |what: &str, hint: &str| RpcError::Unsupported {
        agent: session.agent.clone(),
        what: what.to_owned(),
        hint: hint.to_owned(),
    };
    let already = |agents| StopResult {
        outcome: StopOutcome::AlreadyStopped,
        signals: Vec::new(),
        survivors: Vec::new(),
        complete,
        agents,
    };
    let Some(process) = session.process.clone() else {
        let is_hosted = row.record.as_ref().is_some_and(|it| it.owner == Owner::Gateway);
        let is_live = matches!(
            session.status,
            crate::protocol::session::Status::Running | crate::protocol::session::Status::Waiting
        );
        if is_hosted && is_live {
            return Err(cannot(
                "be stopped from here: its sessions live in its gateway",
                "abort the run in the agent's own interface",
            ));
        }
        return Ok(already(agents));
    };
    let shares = |it: &&Owned| it.pid == process.pid && it.session != session.session_id;
    let others = owners.iter().filter(shares).filter(|it| it.kind != SessionKind::Subagent).count();
    if others > 0 || session.kind == SessionKind::Subagent {
        return Err(cannot(
            &format!("stop one of the sessions that process {} serves", process.pid),
            "stop it in the agent's own interface",
        ));
    }
    let adapter = adapters.iter().find(|it| it.card().id == session.agent).copied();
    let driver = adapter.map_or(&crate::adapters::drive::UNDRIVEN, |it| it.driver());
    let grace = params.grace_ms.map_or(GRACE, |it| Duration::from_millis(it.get()));
    let launch = ledger_launch(&call, session.session_id.clone()).await;
    let env = app.env.clone();
    let id = session.session_id.clone();
    let shown = process.clone();
    // Once begun it runs to its end: half a stop would leave orphans.
    let ended = blocking(move || {
        let table = ProcessTable::snapshot(env.proc_root()).map_err(NotEnded::Unable)?;
        let owner = table.get(shown.pid).ok_or(NotEnded::Gone)?.identity;
        if table.shown(owner).as_ref() != Some(&shown) {
            return Err(NotEnded::NotOurs);
        }
        if (driver.is_shared)(&table.arguments(owner)) {
            return Ok(None);
        }
        let (launch_id, leader) = match &launch {
            Some((id, leader)) => (Some(id.as_str()), *leader),
            None => (None, None),
        };
        let target = Target { owner, driver, session: id.as_ref(), launch_id, leader };
        let ending = ending::end(env.proc_root(), target, grace)?;
        Ok(Some((ending, ProcessTable::snapshot(env.proc_root()).map_err(NotEnded::Unable)?)))
    });
    match ended.await {
        Ok(None) => Err(cannot(
            &format!("end process {}, which serves others too", process.pid),
            "stop the session in the agent's own interface",
        )),
        Ok(Some((Ending { signals, survivors }, table))) => Ok(StopResult {
            outcome: StopOutcome::Stopped,
            signals,
            survivors: survivors
                .into_iter()
                .filter_map(|it| table.shown(it))
                .collect::<Vec<Process>>(),
            complete,
            agents,
        }),
        Err(NotEnded::Gone) => Ok(already(agents)),
        Err(NotEnded::NotOurs) => Err(RpcError::NotOurs(process.pid)),
        Err(NotEnded::Unable(error)) => {
            Err(RpcError::Internal(format!("process {} cannot be stopped: {error}", process.pid)))
        }
    }
}

/// A session and the process that owns it.
struct Owned {
    pid: Pid,
    session: Option<SessionId>,
    kind: SessionKind,
}

impl Owned {
    fn of(row: &Row) -> Option<Self> {
        let pid = row.session.process.as_ref()?.pid;
        Some(Self { pid, session: row.session.session_id.clone(), kind: row.session.kind })
    }
}

/// The launch of a session that has not ended, and the process that was launched.
async fn ledger_launch(
    call: &Call,
    session: Option<SessionId>,
) -> Option<(String, Option<crate::base::ProcessRef>)> {
    let session = session?;
    let found = read(&call.app, move |ledger, _| {
        let launches = ledger.launches.iter().filter(|it| it.ended.is_none());
        let mut of_session = launches.filter(|it| it.session.as_ref() == Some(&session));
        of_session.next().map(|it| (it.launch.launch_id.clone(), it.process))
    });
    // Without the ledger a stop still stops; it knows one mark less to look for.
    found.await.ok().flatten()
}

/// Forgets launches that have ended and claims that are void.
pub(super) async fn prune(call: Call, params: PruneParams) -> Result<PruneResult, RpcError> {
    let PruneParams { dry_run, older_than } = params;
    let pruned = if dry_run {
        read(&call.app, move |ledger, world| ledger.clone().prune(older_than, world)).await?
    } else {
        change(&call.app, move |ledger, world| Ok(ledger.prune(older_than, world))).await?
    };
    let Pruned { forgotten, released, kept } = pruned;
    if !dry_run {
        let logs: Vec<PathBuf> =
            forgotten.iter().map(|(it, _)| it.launch.log_path.as_path().to_owned()).collect();
        blocking(move || launch::remove_logs(&logs)).await;
    }
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
