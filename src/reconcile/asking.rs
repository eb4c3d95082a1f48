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

/// Lets the sessions above a waiting subagent wait with it, as far up as they live in its process.
pub(super) fn pass_up(rows: &mut [Row], now: Timestamp) {
    let questions: Vec<_> = rows.iter().filter_map(|row| Some((row, Question::of(row)?))).collect();
    if questions.is_empty() {
        return;
    }
    let places: BTreeMap<SessionId, usize> = rows
        .iter()
        .enumerate()
        .filter_map(|(at, row)| Some((row.session.session_id.clone()?, at)))
        .collect();
    let mut asked = Vec::new();
    for (waiting, question) in questions {
        let mut below = waiting;
        for _ in 0..SUBAGENT_DEPTH_MAX {
            let Some(at) = parent(&below.session).and_then(|it| places.get(it)).copied() else {
                break;
            };
            let above = &rows[at];
            if !live_together(above, waiting) {
                break;
            }
            if is_held_up(&above.session, &waiting.session) {
                asked.push((at, question.clone()));
            }
            below = above;
        }
    }
    for (at, question) in asked {
        question.hold_up(&mut rows[at], now);
    }
}

fn parent(session: &Session) -> Option<&SessionId> {
    session.parent_session_id.as_ref().filter(|_| session.kind == SessionKind::Subagent)
}

/// Whether both live in the same process, or in one of the same processes that are alike.
fn live_together(a: &Row, b: &Row) -> bool {
    a.session.process == b.session.process && a.candidates == b.candidates
}

/// A question that is only inferred may be left over from a turn that was cut off: it counts within a turn of the
/// session above. One that the agent itself asserts counts in any case.
fn is_held_up(above: &Session, waiting: &Session) -> bool {
    match above.status {
        Status::Running => true,
        Status::Idle => waiting.certainty == Certainty::Asserted,
        Status::Waiting | Status::Stopped | Status::Failed | Status::Unknown => false,
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
