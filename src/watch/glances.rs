//! Short glances at processes that are at work, for what nobody tells: that one is suspended or continued, and how its
//! terminal is used.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::files::{AgentIndex, Teller};
use crate::base::ProcessRef;
use crate::offload::blocking;
use crate::procs::Signs;
use crate::scope;

/// How often: a person hardly notices so long, and a glance costs one small file a process.
const EVERY: Duration = Duration::from_secs(2);

/// Processes at work, and what they showed when they were looked at.
pub(super) type AtWork = BTreeMap<ProcessRef, Signs>;

/// The glances at each agent's processes; there are none, and no timer, where nobody is at work.
#[derive(Default)]
pub(super) struct Glances {
    by_agent: BTreeMap<AgentIndex, Glance>,
    tasks: JoinSet<()>,
}

struct Glance {
    at_work: Arc<AtWork>,
    /// Nothing before it has begun; one that is done has told, and what comes of it is seen with the look.
    task: Option<AbortHandle>,
}

impl Glances {
    /// Takes these for all of the agent's processes that are at work, as a look has just seen them.
    pub(super) fn replace(&mut self, agent: AgentIndex, at_work: AtWork) {
        let goes_on = |it: &Glance| {
            *it.at_work == at_work && it.task.as_ref().is_some_and(|it| !it.is_finished())
        };
        if self.by_agent.get(&agent).is_some_and(goes_on) {
            return;
        }
        self.end(agent);
        if !at_work.is_empty() {
            let at_work = Arc::new(at_work);
            self.by_agent.insert(agent, Glance { at_work, task: None });
        }
    }

    /// Nobody wants to see the others.
    pub(super) fn keep(&mut self, agents: &BTreeSet<AgentIndex>) {
        let unwanted = self.by_agent.keys().filter(|it| !agents.contains(it));
        for agent in unwanted.copied().collect::<Vec<_>>() {
            self.end(agent);
        }
    }

    /// Tells from now on, once, that the processes of an agent show something else.
    pub(super) fn follow(&mut self, proc_root: &Path, teller: &Teller) {
        while self.tasks.try_join_next().is_some() {}
        for (agent, glance) in &mut self.by_agent {
            if glance.task.is_some() {
                continue;
            }
            let change = change(proc_root.into(), glance.at_work.clone());
            let (agent, teller) = (*agent, teller.clone());
            glance.task = Some(self.tasks.spawn(async move {
                change.await;
                teller.tell(agent);
            }));
        }
    }

    fn end(&mut self, agent: AgentIndex) {
        if let Some(Glance { task: Some(task), .. }) = self.by_agent.remove(&agent) {
            task.abort();
        }
    }
}

/// Returns when one of the processes shows something else.
async fn change(proc_root: Arc<Path>, at_work: Arc<AtWork>) {
    loop {
        sleep(EVERY).await;
        let (proc_root, at_work, now) = (proc_root.clone(), at_work.clone(), scope::now());
        let has_changed = move || {
            let mut signs = at_work.iter();
            signs.any(|(process, signs)| signs.have_changed(&proc_root, *process, now))
        };
        if blocking(has_changed).await {
            return;
        }
    }
}
