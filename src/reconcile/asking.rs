//! What a subagent asks is asked on the screen of the session that started it: that session waits too. PURE.

use std::collections::BTreeMap;

use super::Row;
use crate::adapters::evidence::SUBAGENT_DEPTH_MAX;
use crate::base::{SessionId, Timestamp};
use crate::protocol::session::{Certainty, Evidence, Reason, Session, SessionKind, Source, Status};

/// A subagent's question, as it concerns the sessions above it.
#[derive(Clone)]
struct Question {
    subagent: SessionId,
    reason: Reason,
    source: Source,
}

/// Lets the sessions above a waiting subagent wait with it, as far up as they live in its process. Where the one at the top
/// does not wait, nobody asks.
pub(super) fn pass_up(rows: &mut [Row], now: Timestamp) {
    let questions: Vec<_> =
        rows.iter().enumerate().filter_map(|(at, row)| Some((at, Question::of(row)?))).collect();
    if questions.is_empty() {
        return;
    }
    let places: BTreeMap<SessionId, usize> = rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| Some((row.session.session_id.clone()?, at)))
        .collect();
    let (mut asked, mut left_over) = (Vec::new(), Vec::new());
    for (waiting, question) in questions {
        let above = |at: &usize| {
            let up = *places.get(parent(&rows[*at].session)?)?;
            live_together(&rows[up], &rows[waiting]).then_some(up)
        };
        let chain: Vec<usize> =
            std::iter::successors(above(&waiting), above).take(SUBAGENT_DEPTH_MAX).collect();
        let is_held_up = |at: &usize| is_held_up(&rows[*at].session, &rows[waiting]);
        let waits = |at: &usize| rows[*at].session.status == Status::Waiting || is_held_up(at);
        if chain.last().is_none_or(waits) {
            let held_up = chain.into_iter().filter(is_held_up);
            asked.extend(held_up.map(|at| (at, question.clone())));
        } else {
            left_over.push(waiting);
        }
    }
    for (at, question) in asked {
        question.hold_up(&mut rows[at], now);
    }
    for at in left_over {
        let session = &mut rows[at].session;
        (session.status, session.reason) = (Status::Unknown, Reason::Contradiction);
        let says = "it asks, but the session that started it is in no turn".into();
        rows[at].evidence.push(Evidence { source: Source::Transcript, observed_at: now, says });
    }
}

fn parent(session: &Session) -> Option<&SessionId> {
    session.parent_session_id.as_ref().filter(|_| session.kind == SessionKind::Subagent)
}

/// Whether both live in the same process, or in one of the same processes that are alike.
fn live_together(a: &Row, b: &Row) -> bool {
    a.session.process == b.session.process && a.candidates == b.candidates
}

/// A question that is only inferred may be left over from a turn that was cut off, where nothing says that the subagent
/// itself is still at work: it counts within a turn of the session above. Any other counts in any case.
fn is_held_up(above: &Session, waiting: &Row) -> bool {
    match above.status {
        Status::Running => true,
        Status::Idle | Status::Unknown => {
            waiting.session.certainty == Certainty::Asserted || !waiting.inherits
        }
        Status::Waiting | Status::Stopped | Status::Failed => false,
    }
}

impl Question {
    /// Nothing where the row is no live subagent that waits.
    fn of(row: &Row) -> Option<Self> {
        let session = &row.session;
        let is_asking = session.status == Status::Waiting
            && session.kind == SessionKind::Subagent
            && (session.process.is_some() || !row.candidates.is_empty());
        is_asking.then_some(())?;
        Some(Self {
            subagent: session.session_id.clone()?,
            reason: session.reason,
            source: row.evidence.last()?.source,
        })
    }

    /// The first of several questions is the reason; each is told.
    fn hold_up(self, row: &mut Row, now: Timestamp) {
        let session = &mut row.session;
        if session.status != Status::Waiting {
            session.status = Status::Waiting;
            session.reason = self.reason;
            session.certainty = Certainty::Inferred;
        }
        let says = format!("its subagent {} waits", self.subagent).into();
        row.evidence.push(Evidence { source: self.source, observed_at: now, says });
    }
}
