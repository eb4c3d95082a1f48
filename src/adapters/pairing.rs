//! Which live process serves which session, for agents whose processes do not say so. PURE.
//!
//! A process that names its session in its arguments is believed. For the others, directory and times speak:
//!
//! 1. A process serves a session of its own directory that was touched since it started; what was last touched
//!    before, nobody serves, whatever its last turn looks like.
//! 2. A session that several processes may have touched belongs to the only one of them that was there when it
//!    was created, or else to the only one that had just started then.
//! 3. Of several sessions that can only be its own, a process serves the one with a turn in flight, else one that was
//!    created since it started, and of these the one touched last. The others it left (`/new`), or they were
//!    others', who are gone.
//! 4. A session that may belong to several goes to a process that has none, if they can only mean each other;
//!    a process without a terminal, or with a tool that runs, and a turn in flight are the first to.
//! 5. Sessions with a turn in flight that are still left, and processes enough for them, belong together, though
//!    nothing says which is whose: each of these processes may serve each of the sessions. Where there are more
//!    processes than sessions, they are shown without a session too.
//! 6. A terminal that may have opened later what another had created, and may be the one at work in it, makes both
//!    possible.
//!
//! Whatever is left is not guessed at: the process is shown without a session, the session without a process.

use std::collections::{BTreeMap, BTreeSet};

use super::evidence::{Activity, Bond, Claim, Hints, Record};
use crate::base::{AbsPath, ProcessRef, SessionId, Timestamp};
use crate::procs;
use crate::protocol::session::{SessionKind, Source};

/// How long after its start a process creates its first session, if it does so by itself: Pi 0.73.1 takes
/// up to 6 seconds on a busy machine.
const FIRST_SESSION_MS: i64 = 15_000;

/// A live process of an agent.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is seen for itself, and any may come with any"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    pub process: ProcessRef,
    pub started: Option<Timestamp>,
    pub cwd: Option<AbsPath>,
    /// The session that its arguments name.
    pub session: Option<SessionId>,
    /// Whether a person at a terminal drives it, so that it may well have nothing to do.
    pub is_interactive: bool,
    /// Whether a tool of it runs, where its tools can be told from its other helpers.
    pub runs_a_tool: bool,
    /// Whether it ends with the one turn that it was started for.
    pub is_one_shot: bool,
    /// Whether its store shows a session as soon as something was asked, and not only when the first answer ends.
    pub tells_prompts: bool,
}

impl Live {
    /// Whether it was there at that time; it was not where nobody knows when it started.
    pub fn was_there(&self, at: Timestamp) -> bool {
        self.started.is_some_and(|it| procs::had_started(it, at))
    }

    /// Whether it has a turn in flight, whichever session that is of.
    pub fn is_at_work(&self) -> bool {
        !self.is_interactive || self.runs_a_tool
    }
}

/// A session that a live process may serve.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    pub session: &'a SessionId,
    pub cwd: Option<&'a AbsPath>,
    pub created: Option<Timestamp>,
    /// When it was last written to.
    pub touched: Option<Timestamp>,
    pub is_in_flight: bool,
    /// When the turn in flight began, where the records say.
    pub in_flight_since: Option<Timestamp>,
}

impl<'a> Candidate<'a> {
    /// The session as its record shows it; nothing for a subagent, which lives in its parent's process.
    pub fn of(record: &'a Record) -> Option<Self> {
        (record.kind != SessionKind::Subagent).then(|| Self {
            session: &record.session,
            cwd: record.cwd.as_ref(),
            created: record.created,
            touched: record.updated.max(record.created),
            is_in_flight: record.turn.is_in_flight(),
            in_flight_since: None,
        })
    }
}

/// Concludes one claim for each process, or one for each session that it may serve as well as others like it. The order
/// of what is given never matters.
pub fn pair<'a>(live: &[Live], candidates: impl IntoIterator<Item = Candidate<'a>>) -> Vec<Claim> {
    let mut claims = BTreeMap::new();
    let named: BTreeSet<&SessionId> = live.iter().filter_map(|it| it.session.as_ref()).collect();
    let mut directories: BTreeMap<&AbsPath, Directory<'_>> = BTreeMap::new();
    for it in live {
        let claim = Claim::of(it.process, it.session.clone(), Source::Process);
        let hints =
            Hints { cwd: it.cwd.clone(), may_be_idle: !it.is_at_work(), ..Hints::default() };
        let activity = it.is_one_shot.then_some(Activity::OneTurn);
        claims.insert(it.process, vec![Claim { activity, hints, ..claim }]);
        if let (None, Some(cwd), Some(started)) = (&it.session, &it.cwd, it.started) {
            let waiting = Waiting { live: it, started };
            directories.entry(cwd).or_default().processes.push(waiting);
        }
    }
    for candidate in candidates.into_iter().filter(|it| !named.contains(it.session)) {
        if let Some(directory) = candidate.cwd.and_then(|cwd| directories.get_mut(cwd)) {
            directory.candidates.push(candidate);
        }
    }
    for (process, findings) in directories.values().flat_map(Directory::conclude) {
        let Some(claims) = claims.get_mut(&process) else { continue };
        *claims =
            claims.iter().flat_map(|claim| findings.iter().map(|it| it.about(claim))).collect();
    }
    claims.into_values().flatten().collect()
}

/// What is concluded of one process.
#[derive(Clone, Copy)]
enum Finding<'a> {
    Serves(&'a SessionId),
    /// Or one like it does.
    MayServe(&'a SessionId),
    /// A person's process, and no session it could have touched.
    NothingAsked,
    Undecided,
}

impl Finding<'_> {
    /// The bare claim of the process, with what was found.
    fn about(self, bare: &Claim) -> Claim {
        let mut claim = Claim { bond: Bond::Inferred, ..bare.clone() };
        match self {
            Self::Serves(session) => claim.session = Some(session.clone()),
            Self::MayServe(session) => {
                claim.session = Some(session.clone());
                claim.bond = Bond::Alike;
            }
            Self::NothingAsked => claim.hints.nothing_asked = true,
            Self::Undecided => {}
        }
        claim
    }
}

/// A process whose session is sought.
struct Waiting<'a> {
    live: &'a Live,
    started: Timestamp,
}

impl Waiting<'_> {
    /// Whether it was there at that time.
    fn was_there(&self, at: Timestamp) -> bool {
        self.live.was_there(at)
    }

    fn may_have_touched(&self, candidate: &Candidate<'_>) -> bool {
        candidate.touched.is_some_and(|it| self.was_there(it))
            && candidate.in_flight_since.is_none_or(|it| self.was_there(it))
    }

    fn may_have_created(&self, candidate: &Candidate<'_>) -> bool {
        candidate.created.is_some_and(|it| self.was_there(it))
    }

    fn precedence(&self, it: &Candidate<'_>) -> Precedence {
        (it.is_in_flight, self.may_have_created(it), it.touched, it.created)
    }

    fn had_just_started_at_creation(&self, candidate: &Candidate<'_>) -> bool {
        let just_started = self.started.as_millis() + FIRST_SESSION_MS;
        self.may_have_created(candidate)
            && candidate.created.is_some_and(|it| it.as_millis() <= just_started)
    }
}

/// Which of its sessions a process serves: the highest. In flight, created by it, last touched, last created.
type Precedence = (bool, bool, Option<Timestamp>, Option<Timestamp>);

/// One directory's processes and sessions.
#[derive(Default)]
struct Directory<'a> {
    processes: Vec<Waiting<'a>>,
    candidates: Vec<Candidate<'a>>,
}

impl<'a> Directory<'a> {
    /// What is found of each process, at least one thing.
    fn conclude(&self) -> BTreeMap<ProcessRef, Vec<Finding<'a>>> {
        let mut own: BTreeMap<ProcessRef, Vec<(Precedence, &Candidate<'a>)>> = BTreeMap::new();
        let mut shared = Vec::new();
        for candidate in &self.candidates {
            let possible: Vec<_> =
                self.processes.iter().filter(|it| it.may_have_touched(candidate)).collect();
            if let Some(owner) = likely_owner(&possible, candidate) {
                let precedence = owner.precedence(candidate);
                own.entry(owner.live.process).or_default().push((precedence, candidate));
            } else if !possible.is_empty() {
                shared.push(Shared { candidate, possible });
            }
        }
        let mut served: BTreeMap<ProcessRef, &'a SessionId> =
            own.iter().filter_map(|(process, own)| Some((*process, first(own)?.session))).collect();
        let without: Vec<&Waiting<'a>> =
            self.processes.iter().filter(|it| !own.contains_key(&it.live.process)).collect();
        let pairs = match_up(&without, &shared);
        let mut findings: BTreeMap<ProcessRef, Vec<Finding<'a>>> = BTreeMap::new();
        for (process, finding) in alike(&without, &shared, &pairs) {
            findings.entry(process).or_default().push(finding);
        }
        served.extend(pairs);
        for (process, own) in &own {
            let Some(candidate) = first(own) else { continue };
            let rivals = self.rivals(*process, candidate, &served);
            if rivals.is_empty() {
                continue;
            }
            for it in rivals.into_iter().map(|it| it.live.process).chain([*process]) {
                let found = findings.entry(it).or_default();
                found.insert(0, Finding::MayServe(candidate.session));
                if !found.iter().any(|it| matches!(it, Finding::Undecided)) {
                    found.push(Finding::Undecided);
                }
            }
        }
        for it in &self.processes {
            let process = it.live.process;
            // What others created at their start, nobody else opens as a rule; what was there before, anybody may.
            let may_open =
                |other: &&Candidate<'_>| it.may_have_touched(other) && !it.may_have_created(other);
            let has_choice = || {
                shared.iter().any(|shared| shared.possible_for(process).is_some())
                    || self.candidates.iter().any(|other| may_open(&other))
            };
            findings.entry(process).or_insert_with(|| {
                vec![match served.get(&process) {
                    Some(session) => Finding::Serves(session),
                    None if it.live.is_at_work() || !it.live.tells_prompts => Finding::Undecided,
                    None if own.contains_key(&process) || has_choice() => Finding::Undecided,
                    None => Finding::NothingAsked,
                }]
            });
        }
        findings
    }

    /// Terminals without a session that may have opened, later, the one that another was there to create, and be at work
    /// in it now. A process without a terminal has nothing but what it began.
    fn rivals(
        &self,
        owner: ProcessRef,
        candidate: &Candidate<'_>,
        served: &BTreeMap<ProcessRef, &SessionId>,
    ) -> Vec<&Waiting<'a>> {
        let owner = self.processes.iter().find(|it| it.live.process == owner);
        let Some(owner) = owner.filter(|it| it.live.is_interactive) else { return Vec::new() };
        let is_anybodys_turn = candidate.is_in_flight && !owner.live.runs_a_tool;
        let may_be_at_it = |it: &&Waiting<'_>| {
            it.live.is_interactive
                && !served.contains_key(&it.live.process)
                && it.may_have_touched(candidate)
                && !it.may_have_created(candidate)
                && (it.live.runs_a_tool || is_anybodys_turn)
        };
        self.processes.iter().filter(may_be_at_it).collect()
    }
}

/// A session that several processes may serve.
struct Shared<'d, 'a> {
    candidate: &'d Candidate<'a>,
    possible: Vec<&'d Waiting<'a>>,
}

impl<'d, 'a> Shared<'d, 'a> {
    fn possible_for(&self, process: ProcessRef) -> Option<&'d Waiting<'a>> {
        self.possible.iter().copied().find(|it| it.live.process == process)
    }
}

/// The one process that a session must or most likely belongs to, of those that may have touched it.
fn likely_owner<'d, 'a>(
    possible: &[&'d Waiting<'a>],
    candidate: &Candidate<'_>,
) -> Option<&'d Waiting<'a>> {
    let only = |may: &dyn Fn(&Waiting<'_>) -> bool| {
        let mut which = possible.iter().copied().filter(|it| may(it));
        which.next().filter(|_| which.next().is_none())
    };
    only(&|_| true)
        .or_else(|| only(&|it| it.may_have_created(candidate)))
        .or_else(|| only(&|it| it.had_just_started_at_creation(candidate)))
}

/// The candidate that comes before all others; nothing where two cannot be told apart.
fn first<'d, 'a>(candidates: &[(Precedence, &'d Candidate<'a>)]) -> Option<&'d Candidate<'a>> {
    let (highest, candidate) = candidates.iter().max_by_key(|(precedence, _)| precedence)?;
    let is_alone = candidates.iter().filter(|(it, _)| it == highest).count() == 1;
    is_alone.then_some(candidate)
}

/// Brings together processes without a session and sessions without a process that can only mean each other.
fn match_up<'a>(
    without: &[&Waiting<'a>],
    shared: &[Shared<'_, 'a>],
) -> Vec<(ProcessRef, &'a SessionId)> {
    let at_work = |it: &&Waiting<'_>| it.live.is_at_work();
    let begun_by = |process: &Waiting<'_>, it: &Shared<'_, '_>| {
        it.candidate.is_in_flight && process.may_have_created(it.candidate)
    };
    let workers: Vec<_> = without.iter().copied().filter(at_work).collect();
    let mut pairs = only_pairs(&workers, shared, begun_by);
    let is_left = |it: &&Waiting<'_>| pairs.iter().all(|(process, _)| *process != it.live.process);
    let rest: Vec<_> = without.iter().copied().filter(is_left).collect();
    let taken: Vec<_> = pairs.iter().map(|(_, session)| *session).collect();
    pairs.extend(only_pairs(&rest, shared, |_, it| !taken.contains(&it.candidate.session)));
    pairs
}

/// Sessions at work that nothing ties to one of the processes that are left, which suffice for them.
///
/// A process without a terminal or with a tool has a turn in flight: where those suffice, nobody else is meant.
fn alike<'a>(
    without: &[&Waiting<'a>],
    shared: &[Shared<'_, 'a>],
    pairs: &[(ProcessRef, &SessionId)],
) -> Vec<(ProcessRef, Finding<'a>)> {
    let is_left = |it: &&Waiting<'_>| pairs.iter().all(|(process, _)| *process != it.live.process);
    let left: Vec<_> = without.iter().copied().filter(is_left).collect();
    let workers: Vec<_> = left.iter().copied().filter(|it| it.live.is_at_work()).collect();
    let mut sessions: Vec<_> = shared
        .iter()
        .filter(|it| it.candidate.is_in_flight)
        .filter(|it| pairs.iter().all(|(_, session)| *session != it.candidate.session))
        .collect();
    sessions.sort_by_key(|it| it.candidate.session);
    // With more sessions than processes some are over, and nothing says which.
    let Some(processes) = [workers, left].into_iter().find(|it| suffice(it, &sessions)) else {
        return Vec::new();
    };
    let has_spare = processes.len() > sessions.len();
    let mut findings = Vec::new();
    for process in processes.iter().map(|it| it.live.process) {
        let fitting = sessions.iter().filter(|it| it.possible_for(process).is_some());
        findings.extend(fitting.map(|it| (process, Finding::MayServe(it.candidate.session))));
        // Which of them serves none is not known either: each is shown.
        findings.extend(has_spare.then_some((process, Finding::Undecided)));
    }
    findings
}

/// Whether each session can have a process of its own. Whoever may have touched a session started before a certain time,
/// so that of two sessions one's processes are all among the other's, and counting is enough.
fn suffice(processes: &[&Waiting<'_>], sessions: &[&Shared<'_, '_>]) -> bool {
    let possible_for = |session: &&Shared<'_, '_>| {
        processes.iter().filter(|it| session.possible_for(it.live.process).is_some()).count()
    };
    let mut possible: Vec<usize> = sessions.iter().map(possible_for).collect();
    possible.sort_unstable();
    possible.iter().enumerate().all(|(others, possible)| *possible > others)
}

/// The pairs in which neither side has another choice.
fn only_pairs<'a>(
    processes: &[&Waiting<'a>],
    shared: &[Shared<'_, 'a>],
    fits: impl Fn(&Waiting<'a>, &Shared<'_, 'a>) -> bool,
) -> Vec<(ProcessRef, &'a SessionId)> {
    let fits = |process: &Waiting<'a>, it: &Shared<'_, 'a>| {
        it.possible_for(process.live.process).is_some() && fits(process, it)
    };
    let choices = |process: &Waiting<'a>| shared.iter().filter(|it| fits(process, it)).count();
    let chosen_by = |it: &Shared<'_, 'a>| processes.iter().filter(|p| fits(p, it)).count();
    let pair = |process: &&Waiting<'a>| {
        let it = shared.iter().find(|it| fits(process, it))?;
        let is_only = choices(process) == 1 && chosen_by(it) == 1;
        is_only.then_some((process.live.process, it.candidate.session))
    };
    processes.iter().filter_map(pair).collect()
}

#[cfg(test)]
mod tests;
