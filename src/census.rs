//! The fan-out: every adapter at once, each under its deadline; late, failing and panicking ones are reported.

use std::any::Any;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::adapters::{Adapter, Survey};
use crate::base::AgentId;
use crate::protocol::session::{Outcome, Problem, ProblemKind};
use crate::scope::Scope;

/// How long an adapter may take where the request does not say.
pub const DEADLINE: Duration = Duration::from_secs(5);

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
    let mut running = JoinSet::new();
    // A panic's report names the task and not the adapter.
    let mut agents = HashMap::new();
    let started = Instant::now();
    for (index, adapter) in adapters.iter().copied().enumerate() {
        let (scope, guard) = scope.cancellable();
        let task = running.spawn(async move {
            // Dropped with the future, when the deadline passes or nobody waits any more.
            let _guard = guard;
            let survey = tokio::time::timeout(deadline, adapter.survey(scope)).await;
            survey.unwrap_or_else(|_| late(deadline))
        });
        agents.insert(task.id(), index);
    }
    let mut surveys: Vec<Option<Surveyed>> = adapters.iter().map(|_| None).collect();
    while let Some(ended) = running.join_next_with_id().await {
        let (task, survey) = match ended {
            Ok((task, survey)) => (task, survey),
            Err(error) => (error.id(), panicked(error)),
        };
        let Some(index) = agents.remove(&task) else { continue };
        let agent = adapters[index].card().id.clone();
        tracing::debug!(%agent, outcome = ?survey.outcome, sightings = survey.sightings.len(), "surveyed");
        surveys[index] = Some(Surveyed { agent, survey, elapsed: started.elapsed() });
    }
    surveys.into_iter().flatten().collect()
}

fn late(deadline: Duration) -> Survey {
    let message = format!("no answer within {} ms", deadline.as_millis());
    Survey { outcome: Outcome::TimedOut, ..Survey::failed(problem(ProblemKind::TimedOut, message)) }
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
