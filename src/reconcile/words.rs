//! What the evidence of a status says: claims of processes and the records' tail, in words. PURE.

use std::borrow::Cow;

use super::alike;
use crate::adapters::Record;
use crate::adapters::evidence::{Activity, Bond, Claim, Failure, TurnState, WaitingFor};
use crate::base::ProcessRef;
use crate::procs::ProcessTable;

/// A process and its session.
pub(super) fn of_claim(claim: &Claim, processes: &ProcessTable) -> String {
    let pid = claim.process.pid;
    let since =
        processes.started_at(claim.process).map_or(String::new(), |it| format!(", started {it},"));
    match &claim.activity {
        Some(Activity::Busy) => format!("process {pid}{since} says that it is busy"),
        Some(Activity::Background) => {
            format!("process {pid}{since} says that its turn has ended and a command of it runs on")
        }
        Some(Activity::Idle) => format!("process {pid}{since} says that it is idle"),
        Some(Activity::Waiting(what)) => {
            format!("process {pid}{since} says that it waits for {}", awaited(*what))
        }
        Some(Activity::OneTurn) => {
            format!("process {pid}{since} is alive, and would end with its turn")
        }
        Some(Activity::Unrecognised(word)) => {
            format!("process {pid}{since} says `{word}`, which is not known here")
        }
        None if claim.hints.nothing_asked && claim.session.is_none() => {
            format!("process {pid}{since} is alive at a terminal, and touched no session yet")
        }
        None if claim.hints.may_be_idle && claim.session.is_none() => {
            format!("process {pid}{since} is alive; what it does is not told")
        }
        None if claim.session.is_none() => {
            format!("process {pid}{since} is alive and shows no session yet")
        }
        None if claim.bond == Bond::Asserted => {
            format!("process {pid}{since} is alive and owns the session")
        }
        None => format!("process {pid}{since} is alive and may own the session"),
    }
}

/// Processes of which one owns the session.
pub(super) fn of_alike(claims: &[&Claim]) -> String {
    let processes: Vec<ProcessRef> = claims.iter().map(|it| it.process).collect();
    format!("{}, may own the session", alike::one_of(&processes))
}

/// How the last turn stands.
pub(super) fn of_turn(record: &Record) -> Cow<'static, str> {
    let says = match &record.turn {
        TurnState::Unknown => "the records do not say how the last turn stands",
        TurnState::NeverPrompted => "nothing was asked yet",
        TurnState::InProgress => "the last turn has begun and not ended",
        TurnState::Waiting(_) => "the last turn waits for a human",
        TurnState::Completed => "the last turn ended by itself",
        TurnState::Planned => "the last turn ended with a plan, and nothing was said to it",
        TurnState::Interrupted => "the last turn was interrupted",
        TurnState::Killed => "the last turn was cut off from outside",
        TurnState::Failed(Failure::Auth) => {
            "the last turn ended because the login was not accepted"
        }
        TurnState::Failed(Failure::Model) => {
            "the last turn ended in an error of the model's service"
        }
        TurnState::Unrecognised(word) => {
            return format!("the records say `{word}`, which is not known here").into();
        }
    };
    says.into()
}

fn awaited(what: WaitingFor) -> &'static str {
    match what {
        WaitingFor::Permission => "a permission",
        WaitingFor::Question => "an answer",
        WaitingFor::Plan => "a plan to be approved",
        WaitingFor::Input => "input",
        WaitingFor::Login => "a login",
    }
}
