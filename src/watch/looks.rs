//! The looks under way: each agent has its own, so that none waits for the answer of another.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};

use super::files::AgentIndex;
use crate::adapters::Adapter;
use crate::census::{self, Surveyed};
use crate::scope::Scope;

/// What a look at an agent has brought, and the world that it was taken in.
pub(super) struct Look {
    pub(super) agent: AgentIndex,
    pub(super) surveyed: Surveyed,
    pub(super) scope: Scope,
}

/// At most one look at each agent.
#[derive(Default)]
pub(super) struct Looks {
    under_way: BTreeMap<AgentIndex, AbortHandle>,
    tasks: JoinSet<Look>,
    done: Vec<Look>,
}

impl Looks {
    /// Looks at an agent, which may take that long.
    pub(super) fn begin(
        &mut self,
        agent: AgentIndex,
        adapter: &'static dyn Adapter,
        scope: Scope,
        deadline: Duration,
    ) {
        let handle = self.tasks.spawn(async move {
            let surveyed = census::take(&[adapter], &scope, deadline).await.pop();
            let surveyed = surveyed.expect("who is asked is late, fails or answers");
            Look { agent, surveyed, scope }
        });
        self.under_way.insert(agent, handle);
    }

    /// Whether a look at the agent is under way, or was not taken yet.
    pub(super) fn has(&self, agent: AgentIndex) -> bool {
        self.under_way.contains_key(&agent) || self.done.iter().any(|it| it.agent == agent)
    }

    /// Nobody wants to see the others.
    pub(super) fn keep(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.done.retain(|it| agents.contains(&it.agent));
        for (_, unwanted) in self.under_way.extract_if(.., |it, _| !agents.contains(it)) {
            unwanted.abort();
        }
    }

    /// Returns once none of the looks at these agents is under way. Loses nothing where it is dropped.
    pub(super) async fn are_done(&mut self, agents: &BTreeSet<AgentIndex>) {
        while agents.iter().any(|it| self.under_way.contains_key(it)) {
            self.one_is_done().await;
        }
    }

    /// Returns with the end of any look; never where none is under way. Loses nothing where it is dropped.
    pub(super) async fn one_is_done(&mut self) {
        loop {
            match self.tasks.join_next_with_id().await {
                None => std::future::pending().await,
                Some(Ok((task, look))) => {
                    let is_it = |_: &_, it: &mut AbortHandle| it.id() == task;
                    if self.under_way.extract_if(.., is_it).next().is_some() {
                        self.done.push(look);
                        return;
                    }
                }
                Some(Err(error)) => {
                    if let Ok(defect) = error.try_into_panic() {
                        panic::resume_unwind(defect);
                    }
                }
            }
        }
    }

    /// The looks that are done and were not taken yet.
    pub(super) fn take_done(&mut self) -> Vec<Look> {
        std::mem::take(&mut self.done)
    }
}
