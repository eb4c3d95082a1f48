//! OpenClaw: a gateway on the loopback interface, which alone knows what its sessions do.
//!
//! *Seen:* 2026.9.6, protocol 4. *Store:* `~/.openclaw/agents/<agent>/agent/openclaw-agent.sqlite`, not read: after the
//! gateway was killed it still calls a run `running`, and a gateway that comes back resumes that run by itself.
//! The gateway's word is the state. Its sessions have no process of their own, they are there as long as it lists
//! them, and nothing of one answer is kept for the next.
//!
//! *Where it is:* `OPENCLAW_GATEWAY_URL`, or else `OPENCLAW_GATEWAY_PORT`, or where the gateway that owns the state
//! directory says that it listens ([`lock`]), or `gateway.port` of `openclaw.json` in `OPENCLAW_STATE_DIR` or
//! `~/.openclaw`; with the token or the password of the variables or of the settings ([`settings`]). Only loopback is
//! ever asked. Where nothing of this and no state directory is there, nothing is connected to and the agent is
//! absent; where something is and nobody listens, the adapter has failed: the sessions that the gateway stores
//! cannot be seen.
//!
//! *Handshake:* on loopback the token alone is enough, without a device (which the gateway would write down); the
//! challenge it sends first need not be waited for. A row, trimmed:
//!
//! ```json
//! {"key":"agent:main:slow-2","sessionId":"5f961513-…","status":"running","hasActiveRun":true,"startedAt":1795379190180,
//!  "createdAt":1795379188684,"updatedAt":1795379190186,"agentId":"main","classification":"direct","model":"mock-1"}
//! ```
//!
//! *Waiting* for an approval or an answer stands in lists of its own ([`waiting`]).
//!
//! *The session's id is its `key`*: what `chat.history`, `sessions.abort` and `sessions.send` address, unique in the
//! gateway's store, and the same for as long as the conversation is listed. The `sessionId` beside it is of the
//! transcript at present, and `/new` puts another in its place.
//!
//! *Without the gateway* an agent runs with `--local` and with `agent exec` ([`embedded`]).
//!
//! *Driving:* `sessions.create` begins a session, `sessions.send` lets one go on (while a run is active it would wait in
//! line), `sessions.abort` ends a run, and answers the same for a key that was never there ([`service`]). A run that has
//! taken longer than the `timeoutMs` it was given ends as `timeout`.
//!
//! *Unknown:* a gateway behind a proxy that logs people in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::drive::Driver;
use super::evidence::{Record, Sighting, Survey, TurnState, WaitingFor, problem};
use super::{Adapter, Peeked, Tell};
use crate::base::{AbsPath, AgentId};
use crate::env::Env;
use crate::offload::blocking;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Outcome, Problem, ProblemKind, Usage};
use crate::scope::{Scope, UsageWanted};

mod embedded;
mod endpoint;
pub mod history;
mod includes;
mod json5;
mod lock;
pub mod row;
mod service;
mod settings;
mod waiting;
mod wire;

use endpoint::Endpoint;
use history::Message;
use row::{AgentRow, Row, UsageRow};
use wire::{Client, Right};

/// Most rows asked for at a time: some 2 KiB each, a twelfth of what one message may hold.
const PAGE_ROWS: usize = 1_000;

/// Most pages read: more sessions than the largest store seen of any agent.
const PAGES_MAX: usize = 20;

/// Most messages that `chat.history` gives at a time.
const MESSAGES_MAX: usize = 1_000;

pub static ADAPTER: OpenClaw = OpenClaw {
    card: AgentCard {
        id: AgentId::of("openclaw"),
        name: "OpenClaw",
        binaries: &["openclaw"],
        seen_version: "2026.9.6",
        live_signal: "the gateway's `hasActiveRun` of each session, its open questions and approvals",
        blind_spots: "everything while the gateway is down; gateways on other machines; \
                      gateways of other profiles than headcount's (`OPENCLAW_PROFILE`); \
                      agents that run without one (`agent exec`, `--local`), which are seen as processes alone",
    },
};

/// The adapter; it has no state, and so nothing to remember.
pub struct OpenClaw {
    card: AgentCard,
}

impl Adapter for OpenClaw {
    fn card(&self) -> &AgentCard {
        &self.card
    }

    fn stores(&self, env: &Env) -> Vec<PathBuf> {
        vec![endpoint::state_dir(env)]
    }

    /// Beside it the state directory is watched: it tells of a gateway that comes back.
    fn follow(&'static self, env: Arc<Env>, tell: Tell) -> Option<BoxFuture<'static, ()>> {
        let hearing = async move {
            // Whatever ends it is a problem of the next look, which says so.
            if let Err(problem) = hear(env, tell).await {
                tracing::debug!(message = problem.message, "the gateway is not heard any more");
            }
        };
        Some(hearing.boxed())
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        async move {
            let seen = scope.clone();
            let without_it = blocking(move || embedded::claims(&seen)).await;
            let mut survey = match locate(scope.env.clone()).await {
                Ok(Some(endpoint)) => look(&endpoint, &scope).await,
                Ok(None) if without_it.is_empty() => Survey::absent(),
                Ok(None) => Survey::of(Vec::new(), Vec::new()),
                Err(problem) => Survey::failed(problem),
            };
            survey.sightings.extend(without_it.into_iter().map(Sighting::Claimed));
            survey
        }
        .boxed()
    }

    fn driver(&self) -> &'static Driver {
        &service::DRIVER
    }

    fn peek(
        &'static self,
        scope: Scope,
        record: Arc<Record>,
        turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        Some(last_turns(scope, record, turns).boxed())
    }
}

async fn locate(env: Arc<Env>) -> Result<Option<Endpoint>, Problem> {
    blocking(move || endpoint::find(&env)).await
}

/// The gateway, for requests that are nothing without it.
async fn present(env: Arc<Env>) -> Result<Endpoint, Problem> {
    let none = || problem(ProblemKind::Unreachable, "no gateway is set up on this machine");
    locate(env).await?.ok_or_else(none)
}

/// Says each change of a session that the gateway tells, for as long as it does.
async fn hear(env: Arc<Env>, tell: Tell) -> Result<(), Problem> {
    let Some(endpoint) = locate(env).await? else { return Ok(()) };
    let mut client = Client::connect(&endpoint, Right::Hear).await?;
    let _: IgnoredAny = client.call("sessions.subscribe", &Nothing {}).await?;
    let is_change = |event: &str, payload: &str| {
        event == "sessions.changed" || waiting::is_told_by(event, payload)
    };
    loop {
        // What changed before the subscription was there is a change too.
        tell();
        if let Err(problem) = client.event(is_change).await {
            // Its sessions are gone with it.
            tell();
            return Err(problem);
        }
    }
}

/// What the gateway lists. Where it stops half-way, what it has listed so far is shown, and the survey has failed.
async fn look(endpoint: &Endpoint, scope: &Scope) -> Survey {
    let mut listing = Listing::default();
    let outcome = match listing.read(endpoint, &scope.interest.usage).await {
        Ok(()) => Outcome::Ok,
        Err(problem) => {
            listing.problems.push(problem);
            Outcome::Failed
        }
    };
    Survey {
        outcome,
        sightings: listing.sightings(&scope.interest.usage),
        problems: listing.problems,
    }
}

/// What one survey has learnt so far.
#[derive(Default)]
struct Listing {
    /// By key: a row that moves from one page to the next while we read is believed as it came last.
    rows: BTreeMap<String, Row>,
    /// Where each agent works, unless a session says otherwise.
    workspaces: BTreeMap<String, AbsPath>,
    spent: BTreeMap<String, Usage>,
    /// What runs wait for, by the key of their session.
    waiting: BTreeMap<String, WaitingFor>,
    problems: Vec<Problem>,
}

impl Listing {
    async fn read(&mut self, endpoint: &Endpoint, wanted: &UsageWanted) -> Result<(), Problem> {
        self.read_sessions(endpoint, wanted).await?;
        // It takes more rights than to read, and only a run can wait.
        if self.rows.values().any(Row::is_at_work) {
            match waiting::ask(endpoint).await {
                Ok(it) => self.waiting = it,
                Err(problem) => self.problems.push(problem),
            }
        }
        Ok(())
    }

    async fn read_sessions(
        &mut self,
        endpoint: &Endpoint,
        wanted: &UsageWanted,
    ) -> Result<(), Problem> {
        let mut client = Client::connect(endpoint, Right::Read).await?;
        self.read_rows(&mut client).await?;
        if self.rows.values().any(Row::wants_workspace) {
            match client.call::<Agents>("agents.list", &Nothing {}).await {
                Ok(it) => self.workspaces = it.workspaces(),
                Err(problem) => self.problems.push(problem),
            }
        }
        if self.rows.values().any(|row| row.is_counted(wanted)) {
            match client.call::<Spending>("sessions.usage", &EverySessionsUsage::NEW).await {
                Ok(it) => self.spent = it.by_key(),
                Err(problem) => self.problems.push(problem),
            }
        }
        Ok(())
    }

    async fn read_rows(&mut self, client: &mut Client<'_>) -> Result<(), Problem> {
        let mut offset = 0;
        for _ in 0..PAGES_MAX {
            let page: Page = client.call("sessions.list", &EverySession::from(offset)).await?;
            for text in page.sessions {
                match serde_json::from_str::<Row>(text.get()) {
                    Ok(row) => {
                        self.rows.insert(row.key.clone(), row);
                    }
                    Err(error) => self.problems.push(client.problem(
                        ProblemKind::Malformed,
                        &format!("lists a session that cannot be read: {error}"),
                    )),
                }
            }
            if !page.has_more {
                return Ok(());
            }
            offset = page.next_offset.filter(|it| *it > offset).ok_or_else(|| {
                let what = "has more sessions and does not say where they begin";
                client.problem(ProblemKind::Protocol, what)
            })?;
        }
        let what = format!("has more sessions than the {} shown", self.rows.len());
        self.problems.push(client.problem(ProblemKind::Limit, &what));
        Ok(())
    }

    fn sightings(&mut self, wanted: &UsageWanted) -> Vec<Sighting> {
        let mut sightings = Vec::with_capacity(self.rows.len());
        for row in self.rows.values() {
            let Some(mut record) = row.record(&self.workspaces) else { continue };
            if let (TurnState::InProgress, Some(what)) = (&record.turn, self.waiting.get(&row.key))
            {
                record.turn = TurnState::Waiting(*what);
            }
            if let Some(usage) = self.spent.remove(&row.key).filter(|_| row.is_counted(wanted)) {
                sightings.push(Sighting::Counted { session: record.session.clone(), usage });
            }
            sightings.push(Sighting::Recorded(Arc::new(record)));
        }
        sightings
    }
}

async fn last_turns(scope: Scope, record: Arc<Record>, wanted: usize) -> Result<Peeked, Problem> {
    let endpoint = present(scope.env.clone()).await?;
    let mut client = Client::connect(&endpoint, Right::Read).await?;
    let asked = HistoryOf { session_key: record.session.as_str(), limit: wanted.min(MESSAGES_MAX) };
    let history: History = client.call("chat.history", &asked).await?;
    // A message that cannot be read is passed over, like a broken line of a transcript.
    let messages = history.messages.iter().filter_map(|it| serde_json::from_str(it.get()).ok());
    let mut turns: Vec<_> = messages.flat_map(Message::turns).collect();
    let surplus = turns.len().saturating_sub(wanted);
    turns.drain(..surplus);
    Ok(Peeked { turns, has_earlier: history.has_more || surplus > 0 })
}

/// The parameters of a request that has none; `params` itself must be there.
#[derive(Serialize)]
struct Nothing {}

/// The parameters of `sessions.list` that hide nothing: put away, global and unattributed sessions too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EverySession {
    limit: usize,
    offset: u64,
    archived: &'static str,
    include_global: bool,
    include_unknown: bool,
    include_derived_titles: bool,
}

impl EverySession {
    const fn from(offset: u64) -> Self {
        Self {
            limit: PAGE_ROWS,
            offset,
            archived: "all",
            include_global: true,
            include_unknown: true,
            include_derived_titles: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    sessions: Vec<Box<RawValue>>,
    #[serde(default)]
    has_more: bool,
    next_offset: Option<u64>,
}

#[derive(Deserialize)]
struct Agents {
    agents: Vec<AgentRow>,
}

impl Agents {
    fn workspaces(self) -> BTreeMap<String, AbsPath> {
        let workspace = |it: AgentRow| Some((it.id, AbsPath::parse(it.workspace?)?));
        self.agents.into_iter().filter_map(workspace).collect()
    }
}

/// The parameters of `sessions.usage` for all that was ever spent, over every transcript that a key has had.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EverySessionsUsage {
    range: &'static str,
    agent_scope: &'static str,
    group_by: &'static str,
    limit: usize,
}

impl EverySessionsUsage {
    const NEW: Self =
        Self { range: "all", agent_scope: "all", group_by: "family", limit: PAGES_MAX * PAGE_ROWS };
}

#[derive(Deserialize)]
struct Spending {
    sessions: Vec<UsageRow>,
}

impl Spending {
    fn by_key(self) -> BTreeMap<String, Usage> {
        self.sessions.into_iter().filter_map(|it| Some((it.key, it.usage?.into()))).collect()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryOf<'a> {
    session_key: &'a str,
    limit: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct History {
    messages: Vec<Box<RawValue>>,
    #[serde(default)]
    has_more: bool,
}

#[cfg(test)]
mod tests;
