//! Which live process serves which session: by its arguments, by its server's word, by directory and times. PURE.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::log::Log;
use super::message::SilentCall;
use super::process::Agent;
use super::server::Statuses;
use super::stored::Stored;
use crate::adapters::evidence::{
    Activity, Bond, Claim, Hints, Record, SUBAGENT_DEPTH_MAX, TurnState, WaitingFor,
};
use crate::adapters::pairing::{self, Candidate, Live};
use crate::base::{AbsPath, ProcessRef, SessionId, Timestamp};
use crate::procs::Terminal;
use crate::protocol::session::{Problem, ProblemKind, SessionKind, Source};

/// Most directories that one server is asked about: those it was last at work in.
const DIRECTORIES_MAX: usize = 16;
/// How long a call that nobody is asked about may look like one that waits: 0.2 seconds were seen on a busy machine.
const BEGINS_MS: u64 = 500;
/// How long a session may be in the store before the log tells of it: a second was seen (1.18.33).
const LOG_LAG_MS: u64 = 3_000;

/// What the servers among the processes say, by process; one that was not asked, or did not answer, says nothing.
pub(super) type Answers = BTreeMap<ProcessRef, Statuses>;

/// The directories to ask a server about: those of the sessions that it has worked in, by its log; without one its own, if
/// anything happened there since it started, and those with a turn in flight that no other process can be at. Asking makes
/// it open the directory, so that there is no asking around.
pub(super) fn directories(
    agent: &Agent,
    agents: &[Agent],
    sessions: &[Stored],
    log: &Log,
    problems: &mut Vec<Problem>,
) -> Vec<AbsPath> {
    let mut touched: BTreeMap<&AbsPath, Timestamp> = BTreeMap::new();
    for stored in sessions {
        let record = &stored.record;
        let (Some(cwd), Some(at)) = (&record.cwd, touched_at(record)) else { continue };
        let is_its = if log.tells_all_of(agent) {
            log.was_last_in(agent, &record.session)
        } else {
            let is_own = agent.live.cwd.as_ref() == Some(cwd);
            let may_be_anothers =
                || agents.iter().any(|it| it.server.is_none() && may_have_touched(it, cwd, at));
            let is_in_flight = record.turn_moved.is_some_and(|it| agent.live.was_there(it));
            agent.live.was_there(at) && (is_own || is_in_flight && !may_be_anothers())
        };
        if is_its {
            touched.entry(cwd).and_modify(|it| *it = at.max(*it)).or_insert(at);
        }
    }
    let mut newest_first: Vec<_> = touched.into_iter().collect();
    newest_first.sort_by_key(|(cwd, at)| (std::cmp::Reverse(*at), *cwd));
    if newest_first.len() > DIRECTORIES_MAX {
        problems.push(Problem {
            kind: ProblemKind::Limit,
            message: format!(
                "process {} serves {} directories, of which it is asked about {DIRECTORIES_MAX}",
                agent.live.process.pid,
                newest_first.len()
            ),
            path: None,
            line: None,
        });
    }
    newest_first.into_iter().take(DIRECTORIES_MAX).map(|(cwd, _)| cwd.clone()).collect()
}

/// One claim at least for each process, but for services that nothing is asked of.
pub(super) fn conclude(
    agents: &[Agent],
    sessions: &[Stored],
    answers: &Answers,
    log: &Log,
    now: Timestamp,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    let mut served = BTreeSet::new();
    let newborn = newborn(agents, sessions, log, now);
    let named: BTreeSet<&SessionId> =
        agents.iter().filter_map(|it| it.live.session.as_ref()).collect();
    for agent in agents {
        let Some(statuses) = answers.get(&agent.live.process) else { continue };
        let before = claims.len();
        for (session, activity) in statuses {
            claims.push(claim(agent, Some(session.clone()), activity.clone()));
            served.insert(session);
        }
        for stored in sessions {
            let session = &stored.record.session;
            if !statuses.contains_key(session)
                && !named.contains(session)
                && (newborn.get(session) == Some(&agent.live.process)
                    || is_surely_of(agent, agents, stored, log))
            {
                claims.push(claim(agent, Some(session.clone()), Activity::Idle));
                served.insert(session);
            }
        }
        if claims.len() == before && !agent.is_service {
            claims.push(claim(agent, None, Activity::Idle));
        }
    }
    let mut logged = logged(agents, sessions, &served, answers, log);
    for (session, process) in newborn {
        if !answers.contains_key(&process) {
            logged.entry(process).or_default().insert(session.clone());
        }
    }
    let is_told = |it: &Agent| {
        answers.contains_key(&it.live.process) || logged.contains_key(&it.live.process)
    };
    let (without, others): (Vec<&Agent>, Vec<&Agent>) =
        agents.iter().filter(|it| !is_told(it)).partition(|it| has_no_session(it, sessions, log));
    claims.extend(without.into_iter().filter(|it| !it.is_service).map(|it| bare(it, log)));
    let others: Vec<Live> =
        others.iter().map(|it| named_session_that_exists(&it.live, sessions)).collect();
    let is_free =
        |it: &SessionId| !served.contains(it) && logged.values().all(|its| !its.contains(it));
    let candidates = sessions.iter().filter(|it| is_free(&it.record.session));
    let services: BTreeSet<_> =
        agents.iter().filter(|it| it.is_service).map(|it| it.live.process).collect();
    let has_nothing = |it: &Hints| it.nothing_asked || it.may_be_idle;
    let serves_nobody = |it: &Claim| {
        it.session.is_none() && has_nothing(&it.hints) && services.contains(&it.process)
    };
    let paired = pairing::pair(&others, candidates.filter_map(candidate));
    claims.extend(paired.into_iter().filter(|it| !serves_nobody(it)));
    let is_one_shot = |process: ProcessRef| {
        agents.iter().any(|it| it.live.process == process && it.live.is_one_shot)
    };
    let by_log = |process: ProcessRef, session: SessionId| Claim {
        bond: Bond::Inferred,
        activity: is_one_shot(process).then_some(Activity::OneTurn),
        ..Claim::of(process, Some(session), Source::Process)
    };
    claims.extend(
        logged
            .into_iter()
            .flat_map(|(process, its)| its.into_iter().map(move |it| by_log(process, it))),
    );
    claims.into_iter().map(|it| without_an_ended_turn(it, agents, sessions)).collect()
}

/// Whether a process has no session: its log would tell of one, and its arguments name none that exists.
fn has_no_session(agent: &Agent, sessions: &[Stored], log: &Log) -> bool {
    log.tells_all_of(agent) && named_session_that_exists(&agent.live, sessions).session.is_none()
}

/// The claim of a process that has no session. One that has worked, though others went on with all of that, was asked
/// something, and nothing tells what it shows.
fn bare(agent: &Agent, log: &Log) -> Claim {
    let live = &agent.live;
    let hints = Hints {
        cwd: live.cwd.clone(),
        nothing_asked: live.is_interactive && !log.has_worked(agent),
        may_be_idle: live.is_interactive,
        ..Hints::default()
    };
    Claim { bond: Bond::Inferred, hints, ..Claim::of(live.process, None, Source::Process) }
}

/// A process that ends with its turn may stay when that has ended, for good where it goes on with a session of another
/// directory (`opencode run --session`): then the session tells how it stands.
fn without_an_ended_turn(claim: Claim, agents: &[Agent], sessions: &[Stored]) -> Claim {
    if claim.activity != Some(Activity::OneTurn) {
        return claim;
    }
    let live = agents.iter().map(|it| &it.live).find(|it| it.process == claim.process);
    let stored = sessions.iter().find(|it| Some(&it.record.session) == claim.session.as_ref());
    let has_ended = live.zip(stored).is_some_and(|(live, stored)| {
        let record = &stored.record;
        let has_begun = record.turn != TurnState::NeverPrompted;
        let was_there = |at| live.was_there(at);
        has_begun && !record.turn.is_in_flight() && touched_at(record).is_some_and(was_there)
    });
    Claim { activity: claim.activity.filter(|_| !has_ended), ..claim }
}

/// The sessions that are so new that the log does not tell of them yet, each with the only process that can have begun it.
fn newborn<'a>(
    agents: &[Agent],
    sessions: &'a [Stored],
    log: &Log,
    now: Timestamp,
) -> BTreeMap<&'a SessionId, ProcessRef> {
    let begun_by = |stored: &'a Stored| {
        let record = &stored.record;
        let is_new = |at: &Timestamp| now.millis_since(*at) < LOG_LAG_MS;
        let created = record.created.filter(is_new)?;
        if record.kind == SessionKind::Subagent || log.tells_of(&record.session) {
            return None;
        }
        let mut able = agents.iter().filter(|it| {
            it.live.is_one_shot == stored.is_headless
                && it.live.session.is_none()
                && it.live.cwd == record.cwd
                && it.live.was_there(created)
                && !(it.live.is_one_shot && log.has_worked(it))
        });
        let begun_by = able.next().filter(|it| log.tells_all_of(it))?;
        able.next().is_none().then_some((&record.session, begun_by.live.process))
    };
    sessions.iter().filter_map(begun_by).collect()
}

/// The sessions that the log ties to processes which nothing else does: a process that named one in its arguments may
/// have gone on with another, or work in several.
fn logged(
    agents: &[Agent],
    sessions: &[Stored],
    served: &BTreeSet<&SessionId>,
    answers: &Answers,
    log: &Log,
) -> BTreeMap<ProcessRef, BTreeSet<SessionId>> {
    let main: BTreeMap<&SessionId, &Record> = sessions
        .iter()
        .map(|it| (&it.record.session, &*it.record))
        .filter(|(session, it)| it.kind != SessionKind::Subagent && !served.contains(session))
        .collect();
    let mut worked = log.worked_in(
        agents,
        |it| main.contains_key(it),
        |it| main.get(it).is_some_and(|it| it.turn.is_in_flight()),
    );
    let named: Vec<SessionId> = agents
        .iter()
        .filter_map(|it| Some((it.live.process, it.live.session.clone()?)))
        .filter(|(process, named)| {
            worked.get(process).is_none_or(|its| its.iter().all(|it| it == named))
        })
        .map(|(_, named)| named)
        .collect();
    for its in worked.values_mut() {
        its.retain(|it| !named.contains(it));
    }
    worked.retain(|process, its| !its.is_empty() && !answers.contains_key(process));
    worked
}

fn claim(agent: &Agent, session: Option<SessionId>, activity: Activity) -> Claim {
    Claim {
        activity: Some(activity),
        hints: Hints { cwd: agent.live.cwd.clone(), ..Hints::default() },
        ..Claim::of(agent.live.process, session, Source::Gateway)
    }
}

/// Arguments may name a session that is not in the store: it was deleted, or never there.
fn named_session_that_exists(live: &Live, sessions: &[Stored]) -> Live {
    let exists = |id: &SessionId| sessions.iter().any(|it| it.record.session == *id);
    Live { session: live.session.clone().filter(exists), ..live.clone() }
}

fn candidate(stored: &Stored) -> Option<Candidate<'_>> {
    let candidate = Candidate::of(&stored.record)?;
    Some(Candidate { in_flight_since: stored.record.turn_moved, ..candidate })
}

/// Whether a session that is not busy belongs to the server: by its log; without one it is of the server's own directory,
/// was touched since, was not begun by a process of its own that may be gone, and no other process can have touched it.
/// Subagents follow their parent.
fn is_surely_of(agent: &Agent, agents: &[Agent], stored: &Stored, log: &Log) -> bool {
    let record = &stored.record;
    if record.kind == SessionKind::Subagent {
        return false;
    }
    if log.tells_all_of(agent) {
        return log.was_last_in(agent, &record.session);
    }
    let (Some(cwd), Some(at)) = (&record.cwd, touched_at(record)) else { return false };
    !stored.is_headless
        && agent.live.cwd.as_ref() == Some(cwd)
        && agent.live.was_there(at)
        && agents
            .iter()
            .filter(|it| it.live.process != agent.live.process)
            .all(|it| !may_have_touched(it, cwd, at))
}

/// A server works in any directory; another process in its own.
fn may_have_touched(agent: &Agent, cwd: &AbsPath, at: Timestamp) -> bool {
    agent.live.was_there(at) && (agent.server.is_some() || agent.live.cwd.as_ref() == Some(cwd))
}

fn touched_at(record: &Record) -> Option<Timestamp> {
    record.updated.max(record.created)
}

/// The records, in which a call that has just begun is not taken for one that waits, and one that waits by the log and by
/// the terminal of whoever owns the session is.
pub(super) fn records(
    sessions: &[Stored],
    agents: &[Agent],
    claims: &[Claim],
    log: &Log,
    now: Timestamp,
) -> Vec<Arc<Record>> {
    let waits = |it: &Stored| {
        let terminal = || terminal(&it.record, sessions, agents, claims);
        let is_answered = |call: &SilentCall, asked| match terminal() {
            // Beside the question, what else goes on is drawn.
            Some(terminal) if it.has_others_at_work || it.record.parent.is_some() => {
                terminal.is_typed_at_since(asked)
            }
            Some(terminal) => terminal.is_drawn_on_since(asked, now),
            None => !call.is_soon_done(),
        };
        let asked = |call: &SilentCall| {
            log.asked_for(&it.record.session, call).is_some_and(|asked| !is_answered(call, asked))
        };
        it.silent_calls.iter().any(asked)
    };
    let turn = |it: &Stored| {
        if it.asks_since.is_some_and(|at| now.millis_since(at) < BEGINS_MS) {
            Some(TurnState::InProgress)
        } else {
            waits(it).then_some(TurnState::Waiting(WaitingFor::Permission))
        }
    };
    let record = |it: &Stored| match turn(it) {
        Some(turn) => Arc::new(Record { turn, ..(*it.record).clone() }),
        None => it.record.clone(),
    };
    sessions.iter().map(record).collect()
}

/// Where a person sees what a session asks: the terminal of the process that owns it, or the session that it is a subagent
/// of.
fn terminal(
    record: &Record,
    sessions: &[Stored],
    agents: &[Agent],
    claims: &[Claim],
) -> Option<Terminal> {
    let stored = |id: &SessionId| sessions.iter().find(|it| it.record.session == *id);
    let above = |it: &&Record| Some(&*stored(it.parent.as_ref()?)?.record);
    let mut lineage = std::iter::successors(Some(record), above).take(SUBAGENT_DEPTH_MAX);
    let owns = |it: &Claim, session| it.session.as_ref() == Some(session) && it.bond != Bond::Alike;
    let owner = lineage.find_map(|above| claims.iter().find(|it| owns(it, &above.session)))?;
    agents.iter().find(|it| it.live.process == owner.process)?.terminal
}
