//! The fan-out: every adapter at once, each under its deadline; late, failing and panicking ones are reported.

use std::any::Any;
use std::collections::HashMap;
use std::time::Duration;

use tokio::task::{self, JoinSet};
use tokio::time::Instant;

use crate::adapters::{Adapter, Survey};
use crate::base::AgentId;
use crate::protocol::session::{DeadlineMs, Outcome, Problem, ProblemKind};
use crate::scope::Scope;

/// How long an adapter may take where the request does not say.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// How long each adapter may take.
pub fn deadline(asked: Option<DeadlineMs>) -> Duration {
    asked.map_or(DEADLINE, |it| Duration::from_millis(it.get()))
}

/// What one adapter saw, and how long it took.
#[derive(Debug)]
pub struct Surveyed {
    pub agent: AgentId,
    pub survey: Survey,
    pub elapsed: Duration,
}

/// Asks all adapters at once. Dropping the future drops every adapter's work with it.
pub async fn take(
    adapters: &[&'static dyn Adapter],
    scope: &Scope,
    deadline: Duration,
) -> Vec<Surveyed> {
    let mut census = Census::begin(adapters, scope, deadline);
    while census.next().await.is_some() {}
    census.surveys()
}

/// A census under way. Dropping it drops every adapter's work with it.
pub struct Census {
    running: JoinSet<Survey>,
    /// Which adapter a task asks: a panic's report names the task alone.
    tasks: HashMap<task::Id, usize>,
    agents: Vec<AgentId>,
    /// In the order of the adapters.
    surveys: Vec<Option<Surveyed>>,
    started: Instant,
}

impl Census {
    /// Asks all adapters at once.
    pub fn begin(adapters: &[&'static dyn Adapter], scope: &Scope, deadline: Duration) -> Self {
        let mut running = JoinSet::new();
        let mut tasks = HashMap::new();
        let started = Instant::now();
        let due = started + deadline;
        for (index, adapter) in adapters.iter().copied().enumerate() {
            let (scope, guard) = scope.clone().until(due).cancellable();
            let task = running.spawn(async move {
                // Dropped with the future, when the deadline passes or nobody waits any more.
                let _guard = guard;
                let survey = tokio::time::timeout_at(due, adapter.survey(scope)).await;
                survey.unwrap_or_else(|_| late(deadline))
            });
            tasks.insert(task.id(), index);
        }
        Self {
            running,
            tasks,
            agents: adapters.iter().map(|it| it.card().id.clone()).collect(),
            surveys: adapters.iter().map(|_| None).collect(),
            started,
        }
    }

    /// The next adapter's part, as soon as it is there; nothing when all have answered or are late.
    pub async fn next(&mut self) -> Option<&Surveyed> {
        let (task, survey) = match self.running.join_next_with_id().await? {
            Ok((task, survey)) => (task, survey),
            Err(error) => (error.id(), panicked(error)),
        };
        let index = self.tasks.remove(&task)?;
        let agent = self.agents[index].clone();
        tracing::debug!(%agent, outcome = ?survey.outcome, sightings = survey.sightings.len(), "surveyed");
        Some(self.surveys[index].insert(Surveyed {
            agent,
            survey,
            elapsed: self.started.elapsed(),
        }))
    }

    /// What was answered, in the order of the adapters.
    pub fn surveys(self) -> Vec<Surveyed> {
        self.surveys.into_iter().flatten().collect()
    }
}

fn late(deadline: Duration) -> Survey {
    Survey { outcome: Outcome::TimedOut, ..Survey::failed(no_answer(deadline)) }
}

/// That an agent did not answer in the time that it had.
pub fn no_answer(within: Duration) -> Problem {
    problem(ProblemKind::TimedOut, format!("no answer within {} ms", within.as_millis()))
}

fn panicked(error: tokio::task::JoinError) -> Survey {
    let message = match error.try_into_panic() {
        Ok(panic) => panic_text(panic.as_ref()),
        Err(error) => error.to_string(),
    };
    Survey::failed(problem(ProblemKind::Panicked, message))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a text").to_owned()
}

fn problem(kind: ProblemKind, message: String) -> Problem {
    Problem { kind, message, path: None, line: None }
}

#[cfg(test)]
mod tests;
