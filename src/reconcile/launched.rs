//! What the ledger adds to an agent's own evidence: whose the launched processes are, and how they ended. PURE.

use std::time::Duration;

use super::Look;
use crate::adapters::Record;
use crate::adapters::evidence::{Activity, Bond, Claim, Hints, Prompt, TurnState};
use crate::base::{AgentId, ProcessRef, Timestamp};
use crate::ledger::{End, LaunchEntry, Ledger};
use crate::procs::ProcessTable;
use crate::protocol::session::{Certainty, Launch, Reason, Source, Status};

/// How long a launch that is over, or was never seen to be, is listed although no store shows its session: by then a
/// store has it, or has removed it, and its word is what counts.
const SHOWN_MS: u64 = 30_000;
/// How long one that failed, told no session, or runs elsewhere is: no store ever tells of it, and who launched it in the
/// evening asks in the morning.
const TRACE_SHOWN_MS: u64 = 24 * 60 * 60 * 1000;
/// How long after it was last heard of a launch that cannot be seen from here may still be at work: a container that was
/// thrown away never tells its end.
const UNSEEN_MAX_MS: u64 = 24 * 60 * 60 * 1000;
/// How much later than its process's end a launched session's last record may be and still be that process's.
const LAST_WORDS_MS: u64 = 5_000;

/// Adds what is known of launched processes to the claims of the agent's adapter. All of them live.
pub(super) fn claim_launched(
    claims: &mut Vec<Claim>,
    launches: &[&LaunchEntry],
    processes: &ProcessTable,
) {
    for launch in launches.iter().filter(|it| it.ended.is_none()) {
        let Some(top) = launch.process.filter(|it| processes.is_alive(*it)) else { continue };
        let is_below =
            |process: ProcessRef| processes.lineage(process.pid).any(|it| it.identity == top);
        let related: Vec<&Claim> = claims.iter().filter(|it| is_below(it.process)).collect();
        let says_other = |it: &&&Claim| {
            it.bond == Bond::Asserted && it.session.is_some() && it.session != launch.session
        };
        let is_settled = match &launch.session {
            // The agent's own word about its process goes before ours: sessions change in place.
            Some(_) => {
                let of_it = |it: &&&Claim| it.process == top && says_other(it);
                related.iter().any(|it| of_it(&it))
            }
            // A process that somebody shows needs no row of ours.
            None => !related.is_empty(),
        };
        if is_settled {
            continue;
        }
        // What was launched may be a wrapper: the process that the agent itself shows is the owner.
        let mut owners: Vec<ProcessRef> =
            related.iter().filter(|it| !says_other(it)).map(|it| it.process).collect();
        owners.sort_unstable();
        let owner = match owners.first() {
            Some(first) if !owners.contains(&top) => *first,
            _ => top,
        };
        let activity = related.iter().find(|it| it.process == owner).and_then(|it| {
            // A live record of a process without a session is that of the session we know.
            it.session.is_none().then(|| it.activity.clone()).flatten()
        });
        // The turn that it was started for may not be written down yet: what the records end in is the one before.
        let is_untold =
            related.iter().all(|it| matches!(it.activity, None | Some(Activity::OneTurn)));
        let activity = activity.or_else(|| is_untold.then_some(Activity::OneTurn));
        claims.push(Claim {
            activity,
            hints: hints(launch),
            ..Claim::of(owner, launch.session.clone(), Source::Ledger)
        });
    }
}

fn hints(launch: &LaunchEntry) -> Hints {
    Hints {
        cwd: launch.cwd.clone(),
        created: Some(launch.launch.launched_at),
        updated: Some(launch.launch.launched_at),
        ..Hints::default()
    }
}

/// Whether a launch without a live process, which no store shows, is listed: it is over for no longer than it is told,
/// or the one that could tell has failed. A service lists what it runs from its first moment: what it does not list
/// is gone.
pub(super) fn is_shown(launch: &LaunchEntry, look: &Look<'_>) -> bool {
    let is_named = launch.session.is_some();
    look.has_failed && is_named
        || is_being_noted(launch, look.processes)
        || fades_in(launch, look.now).is_some()
}

/// For how many milliseconds a launch is still listed though nothing else shows it; nothing where it is not, or no more.
fn fades_in(launch: &LaunchEntry, now: Timestamp) -> Option<u64> {
    let has_told = launch.session.is_some();
    let elsewhere = launch.elsewhere.as_ref();
    let process = launch.process.or_else(|| elsewhere.and_then(|it| it.process));
    // What never ran and has no session either is nobody's but its caller's, who has been told.
    let never_ran = process.is_none() || launch.how_ended() == Some(End::NotStarted);
    if launch.is_served || !has_told && never_ran {
        return None;
    }
    let has_failed = matches!(launch.how_ended(), Some(End::Exit(it)) if it != 0);
    let is_trace = !has_told || has_failed || launch.is_elsewhere();
    let shown = if is_trace { TRACE_SHOWN_MS } else { SHOWN_MS };
    let age = now.millis_since(launch.ended.unwrap_or(launch.launch.launched_at));
    shown.checked_sub(age).filter(|it| *it > 0)
}

/// After how long a launch of the agent is listed no more. Nothing else changes by time alone, but for a recorded session
/// that nothing was heard of for a day.
pub fn fades_after(ledger: &Ledger, agent: &AgentId, now: Timestamp) -> Option<Duration> {
    let launches = ledger.launches.iter().filter(|it| it.agent == *agent);
    launches.filter_map(|it| fades_in(it, now)).min().map(Duration::from_millis)
}

/// Whether the launch's process has ended, and its supervisor, which alone knows how, is still there to say so.
pub(super) fn is_being_noted(launch: &LaunchEntry, processes: &ProcessTable) -> bool {
    let is_alive = |it: ProcessRef| processes.is_alive(it);
    let has_ended = launch.process.is_some_and(|it| !is_alive(it));
    launch.ended.is_none() && has_ended && launch.keeper.is_some_and(is_alive)
}

/// Whether the launch may be at work where that cannot be seen from here: on another machine, in another container, or in a
/// process that the kernel hides.
pub(super) fn may_run_unseen(
    launch: &LaunchEntry,
    record: Option<&Record>,
    look: &Look<'_>,
) -> bool {
    let is_hidden = |it: ProcessRef| look.processes.is_hidden(it);
    let is_unseen = launch.is_elsewhere() || launch.process.is_some_and(is_hidden);
    let heard_of = record.and_then(|it| it.updated).max(Some(launch.launch.launched_at));
    let silent_for = heard_of.map_or(0, |it| look.now.millis_since(it));
    launch.ended.is_none() && is_unseen && silent_for < UNSEEN_MAX_MS
}

/// The supervisors that have yet to say how launches of the agent ended. One that dies instead leaves their end unknown.
pub fn keepers_to_hear(
    ledger: &Ledger,
    agent: &AgentId,
    processes: &ProcessTable,
) -> impl Iterator<Item = ProcessRef> {
    let launches = ledger.launches.iter().filter(move |it| it.agent == *agent);
    launches.filter(move |it| is_being_noted(it, processes)).filter_map(|it| it.keeper)
}

/// How a session ended, by the end of the process that was launched; nothing where the records say, and
/// where it went on without us.
pub(super) fn end_by_exit(
    record: Option<&Record>,
    launch: &LaunchEntry,
) -> Option<(Status, Reason, Certainty)> {
    let ended = launch.ended?;
    let turn = record.map_or(&TurnState::Unknown, |it| &it.turn);
    let is_told = matches!(
        turn,
        TurnState::Completed
            | TurnState::Planned
            | TurnState::Interrupted
            | TurnState::Failed(_)
            | TurnState::Killed
    );
    let updated = record.and_then(|it| it.updated);
    if is_told || updated.is_some_and(|it| it.millis_since(ended) > LAST_WORDS_MS) {
        return None;
    }
    let was_noted = launch.end.is_some();
    match launch.how_ended()? {
        End::NotStarted => Some((Status::Failed, Reason::LaunchError, Certainty::Asserted)),
        End::Exit(0) if *turn == TurnState::InProgress => None,
        End::Exit(0) => Some((Status::Stopped, Reason::Completed, Certainty::Inferred)),
        End::Exit(_) => Some((Status::Failed, Reason::ExitCode, Certainty::Asserted)),
        End::Signal(_) if was_noted => Some((Status::Stopped, Reason::Killed, Certainty::Asserted)),
        End::Signal(_) => Some((Status::Stopped, Reason::Killed, Certainty::Inferred)),
        End::Unknown => None,
    }
}

/// A launch as it is shown: earlier versions kept its prompt whole.
pub(super) fn shown(launch: &Launch) -> Launch {
    Launch { prompt: Prompt::of(&launch.prompt).to_string(), ..launch.clone() }
}

/// What the evidence says of a launch.
pub(super) fn describe(launch: &LaunchEntry) -> String {
    let at = launch.launch.launched_at;
    match launch.ended.zip(launch.how_ended()) {
        None if launch.is_in_service() => format!("launched {at} in the agent's own service"),
        None => format!("launched {at}; its end was not seen"),
        Some((ended, End::Exit(code))) => {
            format!("launched {at}; ended {ended} with exit code {code}")
        }
        Some((ended, End::Signal(signal))) => {
            format!("launched {at}; ended {ended} by signal {signal}")
        }
        Some((_, End::NotStarted)) => format!("launched {at}; it did not start"),
        Some((_, End::Unknown)) => format!("launched {at}; whether it began is not known"),
    }
}
