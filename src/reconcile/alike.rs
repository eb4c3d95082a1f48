//! Which of several processes that are alike serves which session, as far as what else is known leaves one choice. PURE.

use std::collections::BTreeSet;

use crate::adapters::evidence::{Bond, Claim};
use crate::base::{ProcessRef, SessionId};

/// Takes away the choices that are void since the session or the process is known to belong to another, and makes a
/// conclusion of those that are then the only ones.
pub(super) fn settle(claims: &mut Vec<Claim>) {
    loop {
        drop_void(claims);
        if !conclude_one(claims) {
            return;
        }
    }
}

/// Candidates in a sentence.
pub fn one_of(processes: &[ProcessRef]) -> String {
    let pids: Vec<String> = processes.iter().map(|it| it.pid.to_string()).collect();
    match &pids[..] {
        [first @ .., last] if !first.is_empty() => {
            format!("one of the processes {} and {last}, which are alike", first.join(", "))
        }
        // Another session has no other candidate either.
        pids => format!("process {}, or one that is gone", pids.join("")),
    }
}

fn is_alike(claim: &Claim) -> bool {
    claim.bond == Bond::Alike
}

fn drop_void(claims: &mut Vec<Claim>) {
    let firm = || claims.iter().filter(|it| !is_alike(it));
    let sessions: BTreeSet<SessionId> = firm().filter_map(|it| it.session.clone()).collect();
    let processes: BTreeSet<ProcessRef> =
        firm().filter(|it| it.session.is_some()).map(|it| it.process).collect();
    claims.retain(|it| {
        let is_void = processes.contains(&it.process)
            || it.session.as_ref().is_some_and(|it| sessions.contains(it));
        !(is_alike(it) && is_void)
    });
}

/// A session with one choice left belongs to that process, unless another has no other choice either.
fn conclude_one(claims: &mut [Claim]) -> bool {
    let has_one_choice = |claim: &Claim| {
        claims.iter().filter(|it| is_alike(it) && it.session == claim.session).count() == 1
    };
    let only: Vec<(usize, ProcessRef)> = claims
        .iter()
        .enumerate()
        .filter(|(_, it)| is_alike(it) && has_one_choice(it))
        .map(|(index, it)| (index, it.process))
        .collect();
    let is_others = |(index, process): &(usize, ProcessRef)| {
        only.iter().any(|(other, it)| it == process && other != index)
    };
    let Some((index, _)) = only.iter().find(|it| !is_others(it)) else { return false };
    claims[*index].bond = Bond::Inferred;
    true
}
