//! When to look again although nothing will say so: each entry has a cause, and is gone once it was looked after.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::files::AgentIndex;

/// Why a look is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// A program was started: what it is shows a little later. Which of the looks after it.
    Started(usize),
    /// Something was written into a database, and shows when the writer is done. Which of the looks after it.
    Written(usize),
    /// A launch that nothing else shows is listed for a while only.
    Fading,
    /// The agent's adapter or service did not answer.
    Silent,
    /// Changes cannot be watched.
    Blind,
}

/// The looks that are planned.
#[derive(Debug, Default)]
pub(super) struct Agenda(BTreeMap<(AgentIndex, Cause), Instant>);

impl Agenda {
    /// Plans a look, in place of an earlier plan for the same cause.
    pub(super) fn plan(&mut self, agent: AgentIndex, cause: Cause, at: Instant) {
        self.0.insert((agent, cause), at);
    }

    /// Plans a look at each of these agents.
    pub(super) fn plan_all(&mut self, agents: &BTreeSet<AgentIndex>, cause: Cause, at: Instant) {
        for agent in agents {
            self.plan(*agent, cause, at);
        }
    }

    /// Plans a look, unless one is planned for the same cause.
    pub(super) fn plan_once(&mut self, agent: AgentIndex, cause: Cause, at: Instant) {
        self.0.entry((agent, cause)).or_insert(at);
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.values().min().copied()
    }

    /// Whose look is due; those plans are done with.
    pub(super) fn take_due(&mut self, now: Instant) -> BTreeSet<AgentIndex> {
        let due = self.0.extract_if(.., |_, at| *at <= now);
        due.map(|((agent, _), _)| agent).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_plan_is_due_at_its_instant_and_once() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut agenda = Agenda::default();
        agenda.plan(3, Cause::Fading, later);
        agenda.plan_once(3, Cause::Fading, now);
        agenda.plan(4, Cause::Blind, later + Duration::from_secs(1));
        assert_eq!(agenda.next(), Some(later));
        assert_eq!(agenda.take_due(now), BTreeSet::new());
        assert_eq!(agenda.take_due(later), [3].into());
        assert_eq!(agenda.take_due(later), BTreeSet::new());
        agenda.plan(4, Cause::Blind, now);
        assert_eq!(agenda.next(), Some(now));
    }
}
