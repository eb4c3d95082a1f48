//! The live processes of all sessions: the end of one is a reason to look again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use tokio::task::{AbortHandle, JoinSet};

use super::files::{AgentIndex, Teller};
use crate::base::ProcessRef;
use crate::procs;
use crate::protocol::session::{Problem, ProblemKind};

/// Who is awaited, and for whose sake.
#[derive(Default)]
pub(super) struct Owners {
    by_agent: BTreeMap<AgentIndex, BTreeSet<ProcessRef>>,
    /// A handle that is done belongs to a process that has ended; it is not awaited twice.
    awaited: BTreeMap<(AgentIndex, ProcessRef), AbortHandle>,
    tasks: JoinSet<()>,
}

impl Owners {
    /// Takes these for all that own a session of the agent.
    pub(super) fn replace(&mut self, agent: AgentIndex, owners: BTreeSet<ProcessRef>) {
        self.by_agent.insert(agent, owners);
    }

    /// Forgets whoever owns sessions of other agents than these.
    pub(super) fn keep(&mut self, agents: &BTreeSet<AgentIndex>) {
        self.by_agent.retain(|it, _| agents.contains(it));
    }

    /// Awaits the ends of all owners from now on, and of nobody else; says why where that cannot be done.
    pub(super) fn watch(&mut self, proc_root: &Path, teller: &Teller) -> Option<Problem> {
        while self.tasks.try_join_next().is_some() {}
        let by_agent = &self.by_agent;
        self.awaited.retain(|(agent, process), handle| {
            let is_owner = by_agent.get(agent).is_some_and(|it| it.contains(process));
            if !is_owner {
                handle.abort();
            }
            is_owner
        });
        let owners = by_agent.iter().flat_map(|(agent, it)| it.iter().map(|it| (*agent, *it)));
        let mut trouble = None;
        for (agent, process) in owners {
            if self.awaited.contains_key(&(agent, process)) {
                continue;
            }
            match procs::ended(proc_root, process) {
                Ok(end) => {
                    let teller = teller.clone();
                    let handle = self.tasks.spawn(async move {
                        end.await;
                        teller.tell(agent);
                    });
                    self.awaited.insert((agent, process), handle);
                }
                Err(error) => trouble = Some(problem(process, &error)),
            }
        }
        trouble
    }
}

fn problem(process: ProcessRef, error: &io::Error) -> Problem {
    Problem {
        kind: ProblemKind::Limit,
        message: format!("the end of process {} cannot be awaited: {error}", process.pid),
        path: None,
        line: None,
    }
}
