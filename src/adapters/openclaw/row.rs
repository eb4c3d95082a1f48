//! What the gateway says of one session, read into a record. PURE.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapters::Record;
use crate::adapters::evidence::{Failure, Owner, TurnState};
use crate::base::{AbsPath, SessionId, Timestamp};
use crate::protocol::session::{Certainty, SessionKind, Source, Usage};
use crate::scope::UsageWanted;

/// Most characters kept of a word that is not known.
const WORD_MAX: usize = 40;

/// A row of `sessions.list`; times are milliseconds since 1970 UTC.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub(super) key: String,
    agent_id: Option<String>,
    label: Option<String>,
    display_name: Option<String>,
    derived_title: Option<String>,
    classification: Option<String>,
    parent_session_key: Option<String>,
    spawned_cwd: Option<String>,
    workspace_dir: Option<String>,
    model: Option<String>,
    status: Option<String>,
    has_active_run: Option<bool>,
    last_run_error: Option<String>,
    /// Of the last run.
    output_tokens: Option<u64>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    last_activity_at: Option<i64>,
    started_at: Option<i64>,
    ended_at: Option<i64>,
    #[serde(default)]
    is_background: bool,
    #[serde(default)]
    archived: bool,
}

impl Row {
    /// Whether the row leaves it to its agent where it works.
    pub(super) fn wants_workspace(&self) -> bool {
        self.own_cwd().is_none()
    }

    /// Whether a run of it is active.
    pub(super) fn is_at_work(&self) -> bool {
        self.has_active_run == Some(true)
    }

    /// Whether its tokens are asked for.
    pub(super) fn is_counted(&self, wanted: &UsageWanted) -> bool {
        SessionId::parse(&self.key).is_some_and(|it| wanted.includes(&it, self.parent().as_ref()))
    }

    /// A session that a person makes has the agent's main session for a parent by default, even where that one
    /// was never begun: only a subagent's parent has started it.
    fn parent(&self) -> Option<SessionId> {
        let parent = self.parent_session_key.as_deref().and_then(SessionId::parse);
        parent.filter(|_| self.kind() == SessionKind::Subagent)
    }

    fn own_cwd(&self) -> Option<AbsPath> {
        [&self.spawned_cwd, &self.workspace_dir].into_iter().flatten().find_map(AbsPath::parse)
    }

    /// The record of the session; nothing where its key can be no id. `workspaces` are the agents'.
    pub fn record(&self, workspaces: &BTreeMap<String, AbsPath>) -> Option<Record> {
        let session = SessionId::parse(&self.key)?;
        let (turn, certainty) = self.turn();
        let workspace = || workspaces.get(self.agent_id.as_ref()?).cloned();
        let ended = self.ended_at.filter(|_| turn != TurnState::InProgress);
        let titles = [&self.label, &self.display_name, &self.derived_title];
        Some(Record {
            kind: self.kind(),
            parent: self.parent(),
            title: titles.into_iter().flatten().find(|it| !it.trim().is_empty()).cloned(),
            cwd: self.own_cwd().or_else(workspace),
            model: self.model.clone(),
            created: self.created_at.or(self.started_at).and_then(Timestamp::from_millis),
            updated: self.updated_at.max(self.last_activity_at).and_then(Timestamp::from_millis),
            ended: ended.and_then(Timestamp::from_millis),
            is_archived: self.archived,
            turn,
            certainty,
            owner: Owner::Gateway,
            ..Record::new(session, Source::Gateway)
        })
    }

    fn kind(&self) -> SessionKind {
        match self.classification.as_deref() {
            Some("subagent") => SessionKind::Subagent,
            _ if self.is_background => SessionKind::Background,
            _ => SessionKind::Main,
        }
    }

    /// `hasActiveRun` is what the gateway's live runs say; `status` is what was last written down, and a gateway
    /// that was killed leaves `running` behind.
    fn turn(&self) -> (TurnState, Certainty) {
        use Certainty::{Asserted, Inferred};
        match (self.has_active_run, self.status.as_deref()) {
            (Some(true), _) => (TurnState::InProgress, Asserted),
            (Some(false), Some("running")) | (None, None) => (TurnState::Unknown, Inferred),
            (None, Some("running")) => (TurnState::InProgress, Inferred),
            // Those of 2026.9.6 that a schedule runs never have one: that the model has answered tells that one was run.
            (Some(false), None) if self.output_tokens.is_some_and(|it| it > 0) => {
                (TurnState::Completed, Inferred)
            }
            // Rows of 2026.9.6 have no `status` before the first run. Nobody says that this is what it means.
            (Some(false), None) => (TurnState::NeverPrompted, Inferred),
            (_, Some("done")) => (TurnState::Completed, Asserted),
            // A run over its time is ended by the gateway as one that a person aborts.
            (_, Some("killed" | "timeout")) => (TurnState::Killed, Asserted),
            (_, Some("failed")) => self.failure(),
            (_, Some(word)) => {
                (TurnState::Unrecognised(word.chars().take(WORD_MAX).collect()), Asserted)
            }
        }
    }

    fn failure(&self) -> (TurnState, Certainty) {
        let error = self.last_run_error.as_deref().unwrap_or_default().to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|it| error.contains(it));
        // 2026.9.6 writes a run that was aborted between two tries of the model down as failed.
        if says(&["operation was aborted"]) {
            return (TurnState::Killed, Certainty::Inferred);
        }
        let auth = ["authentication", "unauthorized", "http 401", "provider auth", "api key"];
        let failure = if says(&auth) { Failure::Auth } else { Failure::Model };
        (TurnState::Failed(failure), Certainty::Asserted)
    }
}

/// An agent of `agents.list`.
#[derive(Debug, Deserialize)]
pub struct AgentRow {
    pub(super) id: String,
    pub(super) workspace: Option<String>,
}

/// A row of `sessions.usage`. The tokens of a row of `sessions.list` are its last run's alone.
#[derive(Debug, Deserialize)]
pub struct UsageRow {
    pub(super) key: String,
    /// Nothing while the gateway has not yet read the transcript.
    pub usage: Option<Spent>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    input: u64,
    output: u64,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    total_cost: Option<f64>,
    /// Model calls whose price is not known; with one of them the cost is too low to be shown.
    #[serde(default)]
    missing_cost_entries: u64,
}

impl From<Spent> for Usage {
    fn from(spent: Spent) -> Self {
        let cost = spent.total_cost.filter(|_| spent.missing_cost_entries == 0);
        Self {
            input_tokens: spent.input,
            output_tokens: spent.output,
            cache_read_tokens: spent.cache_read,
            cache_write_tokens: spent.cache_write,
            reasoning_tokens: None,
            cost_usd: cost,
            cost_is_estimate: cost.map(|_| true),
        }
    }
}
