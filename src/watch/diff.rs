//! Two rosters become the changes between them. PURE.

use std::collections::BTreeMap;

use crate::base::{AgentId, Pid, SessionId, Timestamp};
use crate::protocol::session::Session;
use crate::protocol::watch::{Change, ChangeKind};

/// What tells one row from another: the agent, and its session or, where none is known, its process, which is another
/// where the same pid was started at another time; where that has ended, its launch.
pub(super) type Key = (AgentId, Option<SessionId>, Option<(Pid, Timestamp)>, Option<String>);

pub(super) fn key(session: &Session) -> Key {
    let agent = session.agent.clone();
    if let Some(id) = &session.session_id {
        return (agent, Some(id.clone()), None, None);
    }
    if let Some(process) = &session.process {
        return (agent, None, Some((process.pid, process.started_at)), None);
    }
    (agent, None, None, session.launch.as_ref().map(|it| it.launch_id.clone()))
}

/// What a subscriber was told last.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<Key, Session>);

impl Known {
    /// The changes from what was told to `sessions`, in their order, those gone last; told from now on.
    pub fn update(&mut self, sessions: Vec<Session>) -> Vec<Change> {
        let mut gone = std::mem::take(&mut self.0);
        let mut changes = Vec::new();
        for session in sessions {
            let key = key(&session);
            let kind = match gone.remove(&key) {
                None => Some(ChangeKind::Added),
                Some(before) if before != session => Some(ChangeKind::Changed),
                Some(_) => None,
            };
            changes.extend(kind.map(|kind| Change { kind, session: session.clone() }));
            self.0.insert(key, session);
        }
        changes.extend(
            gone.into_values().map(|session| Change { kind: ChangeKind::Removed, session }),
        );
        changes
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_without_a_session_is_another_where_its_pid_was_given_again() {
        let row = |started_at: &str| -> Session {
            let process = json!({ "pid": 7, "startedAt": started_at });
            serde_json::from_value(json!({
                "agent": "a", "status": "idle", "reason": "never_prompted", "certainty": "asserted", "kind": "main",
                "process": process,
            }))
            .unwrap()
        };
        let (first, second) = (row("2026-11-22T20:00:00.000Z"), row("2026-11-22T21:00:00.000Z"));
        let mut known = Known::default();
        known.update(vec![first.clone()]);
        let told = known.update(vec![second.clone()]);
        let change = |kind, session| Change { kind, session };
        let expected = [change(ChangeKind::Added, second), change(ChangeKind::Removed, first)];
        assert_eq!(told, expected);
    }
}
