//! One row: the evidence of one session, and what is shown of it. PURE.

use std::cmp::Reverse;
use std::sync::Arc;

use super::{Look, launched, status};
use crate::adapters::Record;
use crate::adapters::evidence::{Bond, Claim, Prompt};
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::ledger::LaunchEntry;
use crate::protocol::session::{Conflict, Evidence, Session, SessionKind, SessionUsage, Usage};

/// One session, and what it was concluded from.
#[derive(Debug)]
pub struct Row {
    /// Kept in its place while rows are sorted: it is large.
    pub session: Box<Session>,
    pub evidence: Vec<Evidence>,
    /// What the store holds of it, for looking deeper.
    pub record: Option<Arc<Record>>,
    /// The live processes that own it, the one shown and any other.
    pub owners: Vec<ProcessRef>,
    /// Where nothing says which of several live processes owns it: all of them.
    pub candidates: Vec<ProcessRef>,
    /// Whether all that ties it to its processes is that the session which started it lives in them.
    pub inherits: bool,
}

/// The evidence of one session.
#[derive(Default)]
pub(super) struct Seen<'a> {
    pub(super) record: Option<Arc<Record>>,
    pub(super) claims: Vec<Claim>,
    pub(super) usage: Option<Usage>,
    pub(super) launch: Option<&'a LaunchEntry>,
    /// Whether its claims are those of the session that started it.
    pub(super) inherits: bool,
    /// Whether it was started by another session, and lives where none of those above it does.
    pub(super) is_on_its_own: bool,
}

impl Seen<'_> {
    pub(super) fn is_shown_by_launch(&self, look: &Look<'_>) -> bool {
        self.launch.is_some_and(|it| launched::is_shown(it, look))
    }
}

/// Concludes the row of a session, or of what has told none; `subagents` is what its subagents spent.
pub(super) fn row(
    agent: &AgentId,
    id: Option<SessionId>,
    seen: Seen<'_>,
    subagents: Option<Usage>,
    look: &Look<'_>,
) -> Row {
    let Seen { record, claims, usage, launch, inherits, is_on_its_own } = seen;
    let concluded = status::conclude(record.as_deref(), &claims, launch, look);
    // A launch's own facts are believed where no store says better.
    let by_launch = launch.filter(|_| record.is_none());
    // Facts come from the record; what a live record hints at fills the gaps.
    let fact = |of: fn(&Record) -> Option<String>| record.as_deref().and_then(of);
    let hints = claims.first().map(|it| &it.hints);
    let claimants = |is_it: fn(&&Claim) -> bool| {
        let mut processes: Vec<_> = claims.iter().filter(is_it).map(|it| it.process).collect();
        processes.sort_unstable();
        processes.dedup();
        processes
    };
    let owners = claimants(|it| it.bond != Bond::Alike);
    let candidates = claimants(|it| it.bond == Bond::Alike);
    let kind = match record.as_deref() {
        Some(record) if record.kind != SessionKind::Main && !is_on_its_own => record.kind,
        _ if hints.is_some_and(|it| it.is_background) => SessionKind::Background,
        _ => SessionKind::Main,
    };
    let usage = match (usage, subagents) {
        (None, None) => None,
        (own, subagents) => Some(SessionUsage { own: own.unwrap_or_default(), subagents }),
    };
    let prompt = record.as_ref().and_then(|it| it.prompt.clone());
    let prompt = prompt.or_else(|| launch.map(|it| Prompt::of(&it.launch.prompt)));
    let session = Box::new(Session {
        session_id: id,
        agent: agent.clone(),
        status: concluded.status,
        reason: concluded.reason,
        certainty: concluded.certainty,
        title: fact(|it| it.title.clone()).or_else(|| hints.and_then(|it| it.title.clone())),
        prompt: prompt.map(Prompt::into_text),
        cwd: record
            .as_ref()
            .and_then(|it| it.cwd.clone())
            .or_else(|| hints.and_then(|it| it.cwd.clone()))
            .or_else(|| by_launch.and_then(|it| it.cwd.clone())),
        branch: fact(|it| it.branch.clone()),
        model: fact(|it| it.model.clone()),
        created_at: record
            .as_ref()
            .and_then(|it| it.created)
            .or_else(|| hints.and_then(|it| it.created))
            .or_else(|| by_launch.map(|it| it.launch.launched_at)),
        updated_at: [
            record.as_ref().and_then(|it| it.updated),
            hints.and_then(|it| it.updated),
            by_launch.map(|it| it.ended.unwrap_or(it.launch.launched_at)),
        ]
        .into_iter()
        .flatten()
        .max(),
        ended_at: record
            .as_ref()
            .and_then(|it| it.ended)
            .or_else(|| by_launch.filter(|_| claims.is_empty()).and_then(|it| it.ended)),
        process: concluded.owner.and_then(|it| look.processes.shown(it)),
        parent_session_id: record.as_ref().and_then(|it| it.parent.clone()),
        kind,
        forked_from: record.as_ref().and_then(|it| it.forked_from.clone()),
        archived: record.as_ref().is_some_and(|it| it.is_archived).then_some(true),
        usage,
        launch: launch.map(|it| launched::shown(&it.launch)),
        conflict: (owners.len() > 1).then_some(Conflict::TwoOwners),
        host: None,
        evidence: None,
    });
    Row { session, evidence: concluded.evidence, record, owners, candidates, inherits }
}

/// The records of one session as one: the one with the latest activity leads, the others fill its gaps.
pub(super) fn merged(records: &[Arc<Record>]) -> Arc<Record> {
    if let [record] = records {
        return record.clone();
    }
    let mut records: Vec<&Arc<Record>> = records.iter().collect();
    records.sort_by_key(|it| Reverse((it.updated, it.created, &it.path)));
    let mut record = (**records[0]).clone();
    for other in &records[1..] {
        record.kind = record.kind.max(other.kind);
        record.parent = record.parent.or_else(|| other.parent.clone());
        record.forked_from = record.forked_from.or_else(|| other.forked_from.clone());
        record.title = record.title.or_else(|| other.title.clone());
        record.cwd = record.cwd.or_else(|| other.cwd.clone());
        record.branch = record.branch.or_else(|| other.branch.clone());
        record.model = record.model.or_else(|| other.model.clone());
    }
    // The first prompt is that of the oldest record.
    let mut oldest_first = records;
    oldest_first.reverse();
    oldest_first.sort_by_key(|it| it.created);
    record.created = oldest_first.iter().filter_map(|it| it.created).min();
    record.prompt = oldest_first.into_iter().find_map(|it| it.prompt.clone());
    Arc::new(record)
}
