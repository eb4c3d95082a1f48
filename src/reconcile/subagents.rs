//! Sessions that others started: whose process they live in, whom they answer to, for whom they spend. PURE.

use std::collections::{BTreeMap, BTreeSet};

use super::{Gathered, Seen};
use crate::adapters::evidence::{Claim, SUBAGENT_DEPTH_MAX};
use crate::base::SessionId;
use crate::protocol::session::{SessionKind, Usage};

impl Gathered<'_> {
    /// Finds out where the subagents live.
    pub(super) fn settle_subagents(&mut self) {
        self.let_go();
        self.inherit_processes();
    }

    /// A subagent that lives where none of those above it does was opened there by a person, whom it answers to.
    fn let_go(&mut self) {
        let lives_alone = |seen: &Seen<'_>| {
            let lives_in =
                |up: &Seen<'_>, own: &Claim| up.claims.iter().any(|it| it.process == own.process);
            let lives_with = |up: &Seen<'_>| seen.claims.iter().any(|own| lives_in(up, own));
            is_subagent(seen) && !seen.claims.is_empty() && !self.above(seen).any(lives_with)
        };
        let alone = self.sessions.iter().filter(|(_, seen)| lives_alone(seen));
        for id in alone.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.sessions.entry(id).or_default().is_on_its_own = true;
        }
    }

    /// A subagent without a process of its own lives in its parent's. It inherits the process, never what
    /// the parent's live record says the parent does.
    fn inherit_processes(&mut self) {
        let mut inherited = Vec::new();
        for (id, seen) in self.sessions.iter().filter(|(_, seen)| seen.claims.is_empty()) {
            let Some(up) = self.above(seen).find(|it| !it.claims.is_empty()) else { continue };
            // Each process once, by what speaks best for it; which of several it is, its own records may tell.
            let mut processes = BTreeSet::new();
            let is_new = |it: &&Claim| processes.insert(it.process);
            let claims = up.claims.iter().filter(is_new).cloned();
            let its = |claim| Claim { session: Some(id.clone()), activity: None, ..claim };
            inherited.push((id.clone(), claims.map(its).collect::<Vec<_>>()));
        }
        for (id, claims) in inherited {
            let seen = self.sessions.entry(id).or_default();
            seen.claims.extend(claims);
            seen.inherits = true;
        }
    }

    /// What each session's subagents spent, at whatever depth; counted for the session at the top only.
    pub(super) fn usage_of_subagents(&self) -> BTreeMap<SessionId, Usage> {
        let mut spent: BTreeMap<SessionId, Usage> = BTreeMap::new();
        for seen in self.sessions.values().filter(|it| is_subagent(it)) {
            let Some(usage) = &seen.usage else { continue };
            let top = self.above(seen).find(|it| !is_subagent(it));
            if let Some(record) = top.and_then(|it| it.record.as_ref()) {
                spent.entry(record.session.clone()).or_default().add(usage);
            }
        }
        spent
    }

    /// The sessions above a subagent, nearest first, as far as they are known.
    fn above(&self, seen: &Seen<'_>) -> impl Iterator<Item = &Seen<'_>> {
        let parent = |it: &Seen<'_>| {
            let record = it.record.as_ref().filter(|_| is_subagent(it))?;
            self.sessions.get(record.parent.as_ref()?)
        };
        std::iter::successors(parent(seen), move |it| parent(it)).take(SUBAGENT_DEPTH_MAX)
    }
}

/// Whether another session started it, and it answers to that.
fn is_subagent(seen: &Seen<'_>) -> bool {
    let kind = seen.record.as_ref().map(|it| it.kind);
    kind == Some(SessionKind::Subagent) && !seen.is_on_its_own
}
