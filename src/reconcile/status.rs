//! Status is decided once, here: process identity, then the agent's own live record, then its records' tail. PURE.

use std::borrow::Cow;

use super::{Look, launched, words};
use crate::adapters::Record;
use crate::adapters::evidence::{Activity, Bond, Claim, Failure, Owner, TurnState};
use crate::base::ProcessRef;
use crate::ledger::LaunchEntry;
use crate::protocol::session::{Certainty, Evidence, Reason, Source, Status};

/// A status, and the chain that led to it.
#[derive(Debug)]
pub(super) struct Conclusion {
    pub(super) status: Status,
    pub(super) reason: Reason,
    pub(super) certainty: Certainty,
    /// The live process that owns the session.
    pub(super) owner: Option<ProcessRef>,
    pub(super) evidence: Vec<Evidence>,
}

/// A status with its reason and how far both can be trusted.
type Verdict = (Status, Reason, Certainty);

/// Concludes from what the store says and which live processes claim the session.
pub(super) fn conclude(
    record: Option<&Record>,
    claims: &[Claim],
    launch: Option<&LaunchEntry>,
    look: &Look<'_>,
) -> Conclusion {
    let Look { processes, now, has_failed } = *look;
    let mut evidence = Vec::new();
    let mut say = |source: Source, says: Cow<'static, str>| {
        evidence.push(Evidence { source, observed_at: now, says });
    };
    let (several, firm): (Vec<&Claim>, Vec<&Claim>) =
        claims.iter().partition(|it| it.bond == Bond::Alike);
    for claim in firm {
        say(claim.source, words::of_claim(claim, processes).into());
        if record.is_some_and(|it| came_later(it, claim, look)) {
            let pid = claim.process.pid;
            let says = format!(
                "process {pid} started after the last turn last moved, which is none of its"
            );
            say(Source::Process, says.into());
        }
        if processes.is_suspended(claim.process) {
            let pid = claim.process.pid;
            let says = format!("process {pid} is suspended until somebody continues it");
            say(Source::Process, says.into());
        }
    }
    if let Some(first) = several.first() {
        say(first.source, words::of_alike(&several).into());
    }
    if let Some(record) = record {
        say(record.source, words::of_turn(record));
    }
    let hosted = record.filter(|it| it.owner == Owner::Gateway);
    let owner = |claim: &Claim| (claim.bond != Bond::Alike).then_some(claim.process);
    let verdict = |claim: &Claim| {
        let verdict = alive(record.map(|it| Standing::of(it, claim, look)), claim);
        let is_suspended = owner(claim).is_some_and(|it| processes.is_suspended(it));
        if is_suspended { suspended(verdict, claim) } else { verdict }
    };
    let verdicts = claims.iter().map(|claim| (verdict(claim), owner(claim)));
    let by_precedence =
        |((status, _, certainty), _): &(Verdict, _)| (*status, std::cmp::Reverse(*certainty));
    let ((status, reason, certainty), owner) = match hosted {
        Some(record) => (served(record), None),
        None => verdicts.min_by_key(by_precedence).unwrap_or_else(|| {
            if launch.is_some_and(|it| launched::is_being_noted(it, processes)) {
                let says = "the process has ended, and its supervisor is about to say how";
                say(Source::Process, says.into());
                return (unheard(record.map(Standing::recorded), Certainty::Inferred), None);
            }
            let by_exit = launch.and_then(|it| launched::end_by_exit(record, it));
            let unseen = if processes.problem().is_some() {
                Some("the processes cannot be seen, and so not whether one owns the session")
            } else if launch.is_some_and(|it| launched::may_run_unseen(it, record, look)) {
                Some("the process that was launched cannot be seen from here")
            } else {
                None
            };
            if let Some(says) = unseen {
                say(Source::Process, says.into());
                let unseen = (Status::Unknown, Reason::Unreachable, Certainty::Inferred);
                return (by_exit.unwrap_or(unseen), None);
            }
            say(Source::Process, "no live process owns the session".into());
            (by_exit.unwrap_or_else(|| ended(record)), None)
        }),
    };
    if let Some(launch) = launch {
        say(Source::Ledger, launched::describe(launch).into());
    }
    // Who could tell has failed, and what we launched is all we know.
    let (status, reason, certainty) = match launch {
        Some(_) if has_failed && record.is_none() => {
            (Status::Unknown, Reason::AdapterFailed, Certainty::Inferred)
        }
        _ => (status, reason, certainty),
    };
    Conclusion { status, reason, certainty, owner, evidence }
}

/// How the last turn stands, as far as one process is concerned.
#[derive(Clone, Copy)]
struct Standing<'a> {
    turn: &'a TurnState,
    certainty: Certainty,
}

impl<'a> Standing<'a> {
    fn of(record: &'a Record, claim: &Claim, look: &Look<'_>) -> Self {
        if came_later(record, claim, look) {
            return Self { turn: &TurnState::Killed, certainty: Certainty::Inferred };
        }
        Self::recorded(record)
    }

    fn recorded(record: &'a Record) -> Self {
        Self { turn: &record.turn, certainty: record.certainty }
    }
}

/// Whether the process started after the turn in progress had last moved, so that the turn is another's, or is cut off.
/// Where the agent itself says what the process does, its records do not matter.
fn came_later(record: &Record, claim: &Claim, look: &Look<'_>) -> bool {
    let goes_by_records = matches!(claim.activity, None | Some(Activity::OneTurn));
    let moved = record.turn_moved.filter(|_| goes_by_records && record.turn.is_in_flight());
    let was_there = moved.and_then(|at| look.processes.was_there(claim.process, at, look.now));
    was_there == Some(false)
}

/// A session that a live process owns.
fn alive(standing: Option<Standing<'_>>, claim: &Claim) -> Verdict {
    let never_prompted = standing.is_none_or(|it| *it.turn == TurnState::NeverPrompted);
    match &claim.activity {
        Some(Activity::Busy) => (Status::Running, Reason::TurnInProgress, Certainty::Asserted),
        Some(Activity::Background) => (Status::Running, Reason::ActiveRun, Certainty::Asserted),
        Some(Activity::Idle) if never_prompted => {
            (Status::Idle, Reason::NeverPrompted, Certainty::Asserted)
        }
        Some(Activity::Idle) => (Status::Idle, Reason::TurnEnded, Certainty::Asserted),
        Some(Activity::Waiting(what)) => (Status::Waiting, (*what).into(), Certainty::Asserted),
        Some(Activity::Unrecognised(_)) => {
            (Status::Unknown, Reason::Unrecognised, Certainty::Asserted)
        }
        Some(Activity::OneTurn) => match unheard(standing, claim.bond.certainty()) {
            // Its turn is not written down yet, or it does what is left to do after it.
            (Status::Idle, ..) => (Status::Running, Reason::ProcessAlive, Certainty::Inferred),
            verdict => verdict,
        },
        None if standing.is_none() && claim.hints.nothing_asked => {
            (Status::Idle, Reason::NeverPrompted, Certainty::Inferred)
        }
        None if claim.session.is_none() && claim.hints.may_be_idle => {
            (Status::Unknown, Reason::ProcessAlive, Certainty::Inferred)
        }
        None => unheard(standing, claim.bond.certainty()),
    }
}

/// A session whose process does nothing until a person continues it, whatever it was about to do.
fn suspended(verdict: Verdict, claim: &Claim) -> Verdict {
    match verdict {
        (Status::Running, ..) => (Status::Waiting, Reason::Suspended, claim.bond.certainty()),
        verdict => verdict,
    }
}

/// A live session whose agent keeps no live record of what it does.
fn unheard(standing: Option<Standing<'_>>, bound: Certainty) -> Verdict {
    let by_process = (Status::Running, Reason::ProcessAlive, Certainty::Inferred);
    standing.map_or(by_process, |it| alive_by_record(it, bound))
}

/// The same, where there are records: their tail tells.
fn alive_by_record(standing: Standing<'_>, bound: Certainty) -> Verdict {
    let certainty = standing.certainty.min(bound);
    match standing.turn {
        TurnState::InProgress => (Status::Running, Reason::TurnInProgress, certainty),
        TurnState::Waiting(what) => (Status::Waiting, (*what).into(), certainty),
        TurnState::Planned => (Status::Waiting, Reason::Plan, certainty),
        TurnState::NeverPrompted => (Status::Idle, Reason::NeverPrompted, certainty),
        TurnState::Completed
        | TurnState::Interrupted
        | TurnState::Killed
        | TurnState::Failed(_) => (Status::Idle, Reason::TurnEnded, certainty),
        TurnState::Unknown => (Status::Running, Reason::ProcessAlive, Certainty::Inferred),
        TurnState::Unrecognised(_) => (Status::Unknown, Reason::Unrecognised, certainty),
    }
}

/// A session that no live process owns.
fn ended(record: Option<&Record>) -> Verdict {
    let Some(record) = record else {
        return (Status::Stopped, Reason::UnknownEnd, Certainty::Inferred);
    };
    match &record.turn {
        TurnState::Completed | TurnState::Planned => {
            (Status::Stopped, Reason::Completed, record.certainty)
        }
        TurnState::Interrupted => (Status::Stopped, Reason::Interrupted, record.certainty),
        TurnState::Failed(failure) => (Status::Failed, failed(*failure), record.certainty),
        // The records end in a turn that nobody is left to end.
        TurnState::Killed | TurnState::InProgress | TurnState::Waiting(_) => {
            (Status::Stopped, Reason::Killed, Certainty::Inferred)
        }
        TurnState::NeverPrompted | TurnState::Unknown | TurnState::Unrecognised(_) => {
            (Status::Stopped, Reason::UnknownEnd, Certainty::Inferred)
        }
    }
}

/// A session whose agent's own service answers for it.
fn served(record: &Record) -> Verdict {
    let certainty = record.certainty;
    match &record.turn {
        TurnState::InProgress => (Status::Running, Reason::ActiveRun, certainty),
        TurnState::Waiting(what) => (Status::Waiting, (*what).into(), certainty),
        TurnState::Planned => (Status::Waiting, Reason::Plan, certainty),
        TurnState::NeverPrompted => (Status::Idle, Reason::NeverPrompted, certainty),
        TurnState::Killed => (Status::Stopped, Reason::Killed, certainty),
        TurnState::Unrecognised(_) => (Status::Unknown, Reason::Unrecognised, certainty),
        TurnState::Unknown => (Status::Unknown, Reason::Contradiction, Certainty::Inferred),
        TurnState::Completed | TurnState::Interrupted | TurnState::Failed(_) => ended(Some(record)),
    }
}

fn failed(failure: Failure) -> Reason {
    match failure {
        Failure::Model => Reason::ModelError,
        Failure::Auth => Reason::Auth,
    }
}
