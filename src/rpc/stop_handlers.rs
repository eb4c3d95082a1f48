//! The handler of `session.stop`.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use super::App;
use super::look::{Found, observe, roster_for};
use super::named::Named;
use super::router::Call;
use super::stop_notes::{Noted, UnderWay};
use crate::adapters::Record;
use crate::adapters::drive;
use crate::adapters::evidence::Owner;
use crate::adapters::service::{EndTurn, Served, TurnEnd};
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::census;
use crate::env::Env;
use crate::launch::ending::{self, Ending, NotEnded, Target};
use crate::ledger::{LaunchEntry, Ledger, LedgerFile, Life, with_world};
use crate::offload::on_own_thread;
use crate::procs::ProcessTable;
use crate::protocol::error::RpcError;
use crate::protocol::launch::{Signalled, StopOutcome, StopParams, StopResult};
use crate::protocol::session::{Process, Reason, Session, SessionKind, Status};
use crate::reconcile::{Row, one_of};
use crate::scope::{self, Interest};

/// How long an agent may take to end by itself where the request does not say.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// How long a supervisor may take to note the end of its agent: it sees it at once, and writes one row.
const NOTED_MAX: Duration = Duration::from_secs(2);
const NOTED_PAUSE: Duration = Duration::from_millis(10);

/// Ends the processes that own a session.
pub(super) async fn stop(call: Call, params: StopParams) -> Result<StopResult, RpcError> {
    let app = &call.app;
    let named = Named::of(params.session_id.as_deref(), params.pid)?;
    let roster = roster_for(app, &named, params.agent.as_ref(), Interest::SESSIONS).await?;
    let others: Vec<Owned> = roster.rows.iter().filter_map(Owned::of).collect();
    let Found { row, complete, agents, .. } = Found::among(roster, named)?;
    refuse_blindly(&row)?;
    refuse_to_guess(&row)?;
    let grace = params.grace_ms.map_or(GRACE, |it| Duration::from_millis(it.get()));
    let owners = row.owners.iter().copied();
    let (needed, free): (Vec<_>, Vec<_>) =
        owners.partition(|it| is_needed(*it, &row.session, &others));
    let noted = Noted::of(app, &row.session, &free).await;
    let aim = Aim { needed, free, noted, grace };
    let Ended { outcome, signals, survivors } = match end(app, &row, &aim).await? {
        End::Ended(ended) => ended,
        End::NoOwner => finish(app, &row.session, aim.noted).await?,
        End::Shared => Ended::without_signal(end_turn(app, &row, grace).await?),
    };
    Ok(StopResult { outcome, signals, survivors, complete, agents })
}

/// Refuses to act where nobody can see whether a live process owns the session.
pub(super) fn refuse_blindly(row: &Row) -> Result<(), RpcError> {
    let Session { status, reason, .. } = *row.session;
    if (status, reason) != (Status::Unknown, Reason::Unreachable) {
        return Ok(());
    }
    let what = "it cannot be seen from here whether a process owns the session";
    Err(RpcError::Internal(what.to_owned()))
}

/// Refuses to signal one of several processes, of which the others may be the session's own.
fn refuse_to_guess(row: &Row) -> Result<(), RpcError> {
    if row.candidates.is_empty() {
        return Ok(());
    }
    let candidates = one_of(&row.candidates);
    let what = format!("stop this session alone: it runs in {candidates}");
    let hint = "end it in its own terminal, or by its process; nothing was signalled";
    Err(cannot(&row.session.agent, &what, hint))
}

/// What a stop is about.
struct Aim {
    /// The owners that others need too: they live on.
    needed: Vec<ProcessRef>,
    /// The owners that are to end.
    free: Vec<ProcessRef>,
    noted: Noted,
    /// How long they may take to end by themselves.
    grace: Duration,
}

/// Whether others than the session need its owner.
fn is_needed(owner: ProcessRef, session: &Session, others: &[Owned]) -> bool {
    let is_others = |it: &Owned| {
        it.owners.contains(&owner)
            && it.session != session.session_id
            && it.kind != SessionKind::Subagent
    };
    session.kind == SessionKind::Subagent || others.iter().any(is_others)
}

/// Asks the service that serves the session, which is never ended for one of many, to end its turn.
async fn end_turn(app: &App, row: &Row, grace: Duration) -> Result<StopOutcome, RpcError> {
    let session = &row.session;
    let ask = drive::of(&session.agent).end_turn.zip(session.session_id.clone());
    let ended = match ask {
        Some((ask, id)) => {
            let owner = row.owners.first().copied();
            let served = Served { session: id, record: row.record.clone(), owner, within: grace };
            ask_to_end(app, ask, served).await?
        }
        None => TurnEnd::NoService,
    };
    match ended {
        TurnEnd::Ended => Ok(StopOutcome::Stopped),
        TurnEnd::NoTurn => Ok(StopOutcome::AlreadyStopped),
        TurnEnd::NoService => {
            let what = match &session.process {
                Some(it) => format!("stop one of the sessions that process {} serves", it.pid),
                None => "stop a session of its service".to_owned(),
            };
            Err(cannot(&session.agent, &what, "stop it in the agent's own interface"))
        }
        TurnEnd::GoesOn => {
            let waited = grace.as_millis();
            let what = format!("it was asked to and goes on after {waited} ms");
            Err(RpcError::NotEnded(what))
        }
    }
}

/// Asks a service to end a turn, and waits for its answer no longer than the turn may take and a look.
pub(super) async fn ask_to_end(
    app: &App,
    ask: EndTurn,
    served: Served,
) -> Result<TurnEnd, RpcError> {
    let limit = served.within + census::DEADLINE;
    let (scope, _guard) = observe(app, Interest::SESSIONS).await.cancellable();
    let ended = tokio::time::timeout(limit, ask(scope, served)).await;
    let ended = ended.unwrap_or_else(|_| Err(census::no_answer(limit)));
    ended.map_err(|problem| RpcError::NotEnded(problem.message))
}

/// Whether the agent's own service answers for the session.
pub(super) fn is_hosted(record: Option<&Record>) -> bool {
    record.is_some_and(|it| it.owner == Owner::Gateway)
}

pub(super) fn is_at_work(status: Status) -> bool {
    matches!(status, Status::Running | Status::Waiting)
}

/// A session and the processes that own it.
struct Owned {
    owners: Vec<ProcessRef>,
    session: Option<SessionId>,
    kind: SessionKind,
}

impl Owned {
    fn of(row: &Row) -> Option<Self> {
        let session = &row.session;
        let (owners, session, kind) = (&row.owners, &session.session_id, session.kind);
        let is_owned = !owners.is_empty();
        is_owned.then(|| Self { owners: owners.clone(), session: session.clone(), kind })
    }
}

/// What became of the owners.
enum End {
    Ended(Ended),
    /// There is none, or none any more.
    NoOwner,
    /// Each serves others too.
    Shared,
}

/// What was sent to whom, and who lives on.
struct Ended {
    outcome: StopOutcome,
    signals: Vec<Signalled>,
    survivors: Vec<Process>,
}

impl Ended {
    fn without_signal(outcome: StopOutcome) -> Self {
        Self { outcome, signals: Vec::new(), survivors: Vec::new() }
    }
}

/// Ends the owners, but for those that have ended meanwhile or serve others.
async fn end(app: &App, row: &Row, aim: &Aim) -> Result<End, RpcError> {
    let (mut needed, free, grace) = (aim.needed.clone(), aim.free.clone(), aim.grace);
    let Some(first) = free.first().map(|it| it.pid) else {
        let is_served = !needed.is_empty() || is_hosted(row.record.as_deref());
        return Ok(if is_served { End::Shared } else { End::NoOwner });
    };
    let session = &row.session;
    let driver = drive::of(&session.agent);
    let Noted { launch, unfinished, .. } = aim.noted.clone();
    let (env, agent, id) = (app.env.clone(), session.agent.clone(), session.session_id.clone());
    let job = app.unfinished.begin();
    // Once begun it runs to its end, and the process waits for it: half a stop would leave orphans.
    let ended = on_own_thread(move || {
        let _job = job;
        // Before anything is noted.
        ending::check(env.proc_root()).map_err(NotEnded::Unable)?;
        let table = snapshot(&env)?;
        let is_shared = |it: &ProcessRef| (driver.is_shared)(table.arguments(*it));
        let (shared, free): (Vec<_>, Vec<_>) = free.into_iter().partition(is_shared);
        if free.is_empty() {
            return Ok(End::Shared);
        }
        needed.extend(shared);
        let target = Target {
            owners: &free,
            driver,
            session: id.as_ref(),
            launch_id: launch.as_ref().map(|it| it.id.as_str()),
            leader: launch.as_ref().and_then(|it| it.process),
            unfinished: &unfinished,
        };
        let under_way = UnderWay { env: &env, agent: &agent, session: id.as_ref() };
        under_way.begin(ending::whole(&table, target));
        let ending = ending::end(env.proc_root(), target, grace);
        under_way.finish();
        let Ending { signals, survivors } = ending?;
        if let Some(launch) = &launch {
            wait_until_noted(&env, &launch.id);
        }
        let table = snapshot(&env)?;
        let survivors = survivors.into_iter().chain(needed).filter(|it| table.is_alive(*it));
        let survivors = survivors.filter_map(|it| table.shown(it)).collect();
        Ok(End::Ended(Ended { outcome: StopOutcome::Stopped, signals, survivors }))
    });
    match ended.await.map_err(NotEnded::Unable).flatten() {
        Ok(ended) => Ok(ended),
        Err(NotEnded::Gone) => Ok(End::NoOwner),
        Err(NotEnded::NotOurs(pid)) => Err(RpcError::NotOurs(pid)),
        Err(NotEnded::Unable(error)) => {
            Err(RpcError::Internal(format!("process {first} cannot be stopped: {error}")))
        }
    }
}

/// Goes through with a stop whose server was killed in the middle. What else outlived the owner of a session is told and not
/// ended: its agent has left that at work, and a person may have been told that it goes on.
async fn finish(app: &App, session: &Session, noted: Noted) -> Result<Ended, RpcError> {
    let (agent, env) = (session.agent.clone(), app.env.clone());
    let Some(id) = session.session_id.clone() else {
        return Ok(Ended::without_signal(StopOutcome::AlreadyStopped));
    };
    let job = app.unfinished.begin();
    let finished = on_own_thread(move || {
        let _job = job;
        let Noted { launches, unfinished, .. } = noted;
        let mut ended = Ended::without_signal(StopOutcome::AlreadyStopped);
        let mut left = BTreeSet::new();
        if !unfinished.is_empty() {
            let Ending { signals, survivors } = ending::finish(env.proc_root(), &unfinished)?;
            UnderWay { env: &env, agent: &agent, session: Some(&id) }.finish();
            left.extend(survivors);
            ended = Ended { signals, ..Ended::without_signal(StopOutcome::Stopped) };
        }
        if let Ok(table) = snapshot(&env) {
            left.extend(ending::left_behind(&table, drive::of(&agent), &id, &launches));
            ended.survivors = left.into_iter().filter_map(|it| table.shown(it)).collect();
        }
        Ok(ended)
    });
    finished.await.flatten().map_err(|error| {
        RpcError::Internal(format!("what an earlier stop has left cannot be ended: {error}"))
    })
}

/// Waits until the launch is over for the ledger too: whoever stops one finds its directory free, and its exit code.
pub(super) fn wait_until_noted(env: &Env, launch_id: &str) {
    let file = LedgerFile::of(env);
    let is_over = |ledger: &Ledger| {
        let life = |it: &LaunchEntry| with_world(env, scope::now(), |world| it.life(world));
        ledger.launch(launch_id).is_none_or(|it| life(it) == Life::Dead)
    };
    let until = Instant::now() + NOTED_MAX;
    // A ledger that cannot be read tells nothing, however often it is asked.
    while file.read().is_ok_and(|it| !is_over(&it)) && Instant::now() < until {
        thread::sleep(NOTED_PAUSE);
    }
}

fn snapshot(env: &Env) -> Result<ProcessTable, NotEnded> {
    ProcessTable::snapshot(env.proc_root()).map_err(NotEnded::Unable)
}

pub(super) fn cannot(agent: &AgentId, what: &str, hint: &str) -> RpcError {
    RpcError::Unsupported { agent: agent.clone(), what: what.to_owned(), hint: hint.to_owned() }
}
