//! Evidence, then conclusion: surveys, the ledger and the process table become sessions. PURE.

use std::collections::BTreeMap;

use crate::adapters::Record;
use crate::adapters::evidence::{Bond, Claim, Owner, Sighting, TurnState};
use crate::base::{AgentId, ProcessRef, SessionId, Timestamp};
use crate::census::Surveyed;
use crate::ledger::{LaunchEntry, Ledger};
use crate::procs::ProcessTable;
use crate::protocol::session::{
    AgentReport, Certainty, Outcome, Problem, Process, Reason, Session, SessionKind, Source, Status,
};

mod alike;
mod asking;
mod launched;
mod row;
mod status;
mod subagents;
mod words;

pub use alike::one_of;
pub use launched::{fades_after, keepers_to_hear};
pub use row::Row;

use row::{Seen, merged, row};

/// Most problems of an agent that are listed; more are counted.
const PROBLEMS_MAX: usize = 20;

/// Every session, by its key, and what each adapter contributed.
#[derive(Debug)]
pub struct Roster {
    pub rows: Vec<Row>,
    pub reports: Vec<AgentReport>,
    /// What could not be read of headcount's own.
    pub problems: Vec<Problem>,
    /// Whether no process could be seen, so that nobody can say who is alive.
    pub is_blind: bool,
    pub observed_at: Timestamp,
}

impl Roster {
    /// Whether no adapter failed or missed its deadline, and the processes could be seen.
    pub fn is_complete(&self) -> bool {
        !self.is_blind && self.reports.iter().all(AgentReport::has_answered)
    }

    /// Takes in what other adapters contributed.
    pub fn extend(&mut self, others: Self) {
        self.is_blind |= others.is_blind;
        self.rows.extend(others.rows);
        self.reports.extend(others.reports);
    }

    /// Leaves out the sessions that others started, which not every agent's store could be spared to read.
    pub fn leave_out_subagents(&mut self) {
        self.rows.retain(|it| it.session.kind != SessionKind::Subagent);
        for report in &mut self.reports {
            let is_its = |row: &&Row| row.session.agent == report.agent;
            report.sessions = self.rows.iter().filter(is_its).count() as u64;
        }
    }
}

/// Concludes the sessions. The order of surveys and of sightings never matters.
pub fn reconcile(
    surveys: Vec<Surveyed>,
    ledger: &Ledger,
    processes: &ProcessTable,
    now: Timestamp,
) -> Roster {
    let mut roster = Roster {
        rows: Vec::new(),
        reports: Vec::new(),
        problems: processes.problem().cloned().into_iter().collect(),
        is_blind: processes.problem().is_some(),
        observed_at: now,
    };
    for surveyed in surveys {
        let Surveyed { agent, survey, elapsed } = surveyed;
        let launches = ledger.launches.iter().filter(|it| it.agent == agent && it.has_begun());
        let mut launches: Vec<&LaunchEntry> = launches.collect();
        // Of several launches of one session the latest speaks.
        launches.sort_by_key(|it| it.launch.launched_at);
        let look = Look { processes, now, has_failed: !is_answer(survey.outcome) };
        let gathered = Gathered::from(survey.sightings, &launches, &look);
        let rows = gathered.conclude(&agent, &look);
        let mut problems = survey.problems;
        problems.sort();
        let omitted = problems.len().saturating_sub(PROBLEMS_MAX);
        problems.truncate(PROBLEMS_MAX);
        roster.reports.push(AgentReport {
            agent,
            outcome: outcome(survey.outcome, &rows),
            sessions: rows.len() as u64,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            problems,
            problems_omitted: (omitted > 0).then_some(omitted as u64),
        });
        roster.rows.extend(rows);
    }
    roster
}

/// An agent that was launched is there, though it has stored nothing yet.
fn outcome(surveyed: Outcome, rows: &[Row]) -> Outcome {
    if surveyed == Outcome::Absent && !rows.is_empty() { Outcome::Ok } else { surveyed }
}

fn is_answer(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Absent)
}

/// A session that was seen before its adapter could not answer. `doubt` says why what it does is not known any more, where
/// it is not; what had ended then has ended. Nothing where it was a process and no more, and that has ended.
pub fn recalled(
    session: Session,
    doubt: Option<Reason>,
    processes: &ProcessTable,
) -> Option<Session> {
    let is_there = |shown: &Process| {
        let found = processes.get(shown.pid).and_then(|it| processes.shown(it.identity));
        found.as_ref() == Some(shown)
    };
    let can_see = processes.problem().is_none();
    let has_lost_owner = can_see && session.process.as_ref().is_some_and(|it| !is_there(it));
    if has_lost_owner && session.session_id.is_none() {
        return None;
    }
    let lived = session.process.is_some()
        || matches!(session.status, Status::Waiting | Status::Running | Status::Idle);
    let doubt = doubt.or(has_lost_owner.then_some(Reason::AdapterFailed)).filter(|_| lived);
    let Some(reason) = doubt else { return Some(session) };
    Some(Session {
        status: Status::Unknown,
        reason,
        certainty: Certainty::Inferred,
        process: session.process.filter(|_| !has_lost_owner),
        ..session
    })
}

/// What one agent's evidence is looked at with.
struct Look<'a> {
    processes: &'a ProcessTable,
    now: Timestamp,
    /// Whether the agent's adapter could not do its work.
    has_failed: bool,
}

/// One agent's evidence, by session.
#[derive(Default)]
struct Gathered<'a> {
    sessions: BTreeMap<SessionId, Seen<'a>>,
    /// Live processes that no store ties to a session.
    without_session: BTreeMap<ProcessRef, Claim>,
    /// Launches that have told no session.
    nameless: Vec<&'a LaunchEntry>,
}

impl<'a> Gathered<'a> {
    fn from(sightings: Vec<Sighting>, launches: &[&'a LaunchEntry], look: &Look<'_>) -> Self {
        let (mut records, mut claims, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for sighting in sightings {
            match sighting {
                Sighting::Recorded(record) => records.push(record),
                Sighting::Claimed(claim) => claims.push(claim),
                Sighting::Counted { session, usage } => counts.push((session, usage)),
            }
        }
        records.sort_by(|a, b| a.session.cmp(&b.session));
        let recorded = records.chunk_by(|a, b| a.session == b.session).map(|same| {
            let seen = Seen { record: Some(merged(same)), ..Seen::default() };
            (same[0].session.clone(), seen)
        });
        let mut gathered = Self { sessions: recorded.collect(), ..Self::default() };
        for (session, usage) in counts {
            let known = &mut gathered.sessions.entry(session).or_default().usage;
            // Of a copied transcript, the one that went on counts what is in the other, too.
            if known.as_ref().is_none_or(|it| it.extent() < usage.extent()) {
                *known = Some(usage);
            }
        }
        claims.retain(|claim| look.processes.is_alive(claim.process));
        launched::claim_launched(&mut claims, launches, look.processes);
        gathered.assign(claims);
        for launch in launches {
            match &launch.session {
                Some(session) if launched::is_shown(launch, look) => {
                    gathered.sessions.entry(session.clone()).or_default().launch = Some(launch);
                }
                Some(session) => {
                    if let Some(seen) = gathered.sessions.get_mut(session) {
                        seen.launch = Some(launch);
                    }
                }
                None => gathered.nameless.push(launch),
            }
        }
        // Counts of sessions that nothing else speaks of are no sessions.
        gathered.sessions.retain(|_, seen| {
            seen.record.as_deref().is_some_and(|it| !is_hollow(it) || seen.launch.is_some())
                || !seen.claims.is_empty()
                || seen.is_shown_by_launch(look)
        });
        gathered
    }

    /// Gives each claim to its session. A process whose session is asserted is believed there alone:
    /// what was inferred about it elsewhere is void.
    fn assign(&mut self, mut claims: Vec<Claim>) {
        let asserted: Vec<ProcessRef> = claims
            .iter()
            .filter(|it| it.session.is_some() && it.bond == Bond::Asserted)
            .map(|it| it.process)
            .collect();
        claims.retain(|it| {
            it.bond == Bond::Asserted && it.session.is_some() || !asserted.contains(&it.process)
        });
        alike::settle(&mut claims);
        let is_bound = |it: &&Claim| it.session.is_some() && it.bond != Bond::Alike;
        let bound: Vec<ProcessRef> = claims.iter().filter(is_bound).map(|it| it.process).collect();
        // The order of claims is ours: what the agent says itself comes first, then by source and process.
        let is_own_word = |it: &Claim| it.activity.is_some() && it.source != Source::Ledger;
        claims.sort_by_cached_key(|it| (!is_own_word(it), it.source, it.process, it.clone()));
        for claim in claims {
            match claim.session.clone() {
                Some(session) => self.sessions.entry(session).or_default().claims.push(claim),
                None if bound.contains(&claim.process) => {}
                None => {
                    self.without_session.entry(claim.process).or_insert(claim);
                }
            }
        }
    }

    fn conclude(mut self, agent: &AgentId, look: &Look<'_>) -> Vec<Row> {
        self.settle_subagents();
        let mut spent_by_subagents = self.usage_of_subagents();
        let mut rows = Vec::with_capacity(self.sessions.len() + self.without_session.len());
        for (id, seen) in self.sessions {
            let subagents = spent_by_subagents.remove(&id);
            rows.push(row(agent, Some(id), seen, subagents, look));
        }
        for claim in self.without_session.into_values() {
            let mut lineage = look.processes.lineage(claim.process.pid).map(|it| it.identity);
            let launch = lineage.find_map(|process| {
                self.nameless.iter().copied().find(|it| it.process == Some(process))
            });
            let seen = Seen { claims: vec![claim], launch, ..Seen::default() };
            rows.push(row(agent, None, seen, None, look));
        }
        // Those whose process lives have a row of that.
        let is_over = |it: &&LaunchEntry| !it.process.is_some_and(|it| look.processes.is_alive(it));
        let over = self.nameless.into_iter().filter(is_over);
        for launch in over.filter(|it| launched::is_shown(it, look)) {
            let seen = Seen { launch: Some(launch), ..Seen::default() };
            rows.push(row(agent, None, seen, None, look));
        }
        asking::pass_up(&mut rows, look.now);
        rows
    }
}

/// Whether an interface was opened and left again, and nothing of it is worth a row: nothing was asked, and not even
/// where is known. The agent does not resume it either. What a service lists is there.
fn is_hollow(record: &Record) -> bool {
    if record.owner == Owner::Gateway {
        return false;
    }
    let is_named = record.title.is_some() || record.prompt.is_some() || record.cwd.is_some();
    record.turn == TurnState::NeverPrompted && !is_named
}

#[cfg(test)]
mod tests;
