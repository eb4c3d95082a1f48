//! The services of agents that can only be asked: what they tell is a reason to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use super::files::{AgentIndex, Teller};
use crate::adapters::{Adapter, Tell};
use crate::env::Env;

/// The services that are listened to.
#[derive(Default)]
pub(super) struct Services {
    followed: BTreeMap<AgentIndex, AbortHandle>,
    tasks: JoinSet<()>,
}

impl Services {
    /// Listens to the service of each of these agents that can be heard, and of no other; one that fell silent is tried
    /// again with the next look.
    pub(super) fn follow(
        &mut self,
        env: &Arc<Env>,
        adapters: &[&'static dyn Adapter],
        agents: &BTreeSet<AgentIndex>,
        teller: &Teller,
    ) {
        while self.tasks.try_join_next().is_some() {}
        self.followed.retain(|agent, handle| {
            if !agents.contains(agent) {
                handle.abort();
            }
            agents.contains(agent) && !handle.is_finished()
        });
        for agent in agents.iter().copied() {
            if self.followed.contains_key(&agent) {
                continue;
            }
            let teller = teller.clone();
            let tell: Tell = Arc::new(move || teller.tell(agent));
            if let Some(following) = adapters[agent].follow(env.clone(), tell) {
                self.followed.insert(agent, self.tasks.spawn(following));
            }
        }
    }

    /// Whether the agent has a service that is not heard.
    pub(super) fn is_silent(&self, agent: AgentIndex) -> bool {
        self.followed.get(&agent).is_some_and(AbortHandle::is_finished)
    }
}
