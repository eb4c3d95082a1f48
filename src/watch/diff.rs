//! Two rosters become the changes between them. PURE.

use std::collections::BTreeMap;

use crate::base::{AgentId, Pid, SessionId};
use crate::protocol::session::Session;
use crate::protocol::watch::{Change, ChangeKind};

/// What tells one row from another: the agent, and its session or, where none is known, its process; where that has
/// ended, its launch.
type Key = (AgentId, Option<SessionId>, Option<Pid>, Option<String>);

fn key(session: &Session) -> Key {
    let agent = session.agent.clone();
    if let Some(id) = &session.session_id {
        return (agent, Some(id.clone()), None, None);
    }
    if let Some(process) = &session.process {
        return (agent, None, Some(process.pid), None);
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
