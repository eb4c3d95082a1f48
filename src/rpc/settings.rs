//! What holds where a request does not say: the client's settings over the user's over what is built in.

use std::sync::PoisonError;
use std::time::Duration;

use super::App;
use crate::adapters::files::blocking;
use crate::base::AgentId;
use crate::census;
use crate::config;
use crate::protocol::error::RpcError;
use crate::protocol::session::{DeadlineMs, Filter, Problem};
use crate::protocol::settings::Settings;

/// The settings as they are now, and what is wrong with the user's file. What cannot be read sets nothing.
pub(super) async fn now(app: &App) -> (Settings, Vec<Problem>) {
    let (env, agents) = (app.env.clone(), agents(app));
    let read = blocking(move || {
        let config = config::read(&env)?;
        let doubts = config::doubts(&env, &config, &agents);
        Ok((config.settings(), doubts))
    });
    let (users, problem) =
        read.await.unwrap_or_else(|problem| (Settings::default(), Some(problem)));
    if let Some(problem) = &problem {
        tracing::warn!(path = ?problem.path, "{}", problem.message);
    }
    let clients = app.options.lock().unwrap_or_else(PoisonError::into_inner).clone();
    (clients.over(users), problem.into_iter().collect())
}

/// Sets what holds on this connection from now on.
pub(super) fn set(app: &App, options: Settings) -> Result<(), RpcError> {
    let known = agents(app);
    if let Some(stranger) = options.without_agents.iter().flatten().find(|it| !known.contains(it)) {
        let path = "initializationOptions.withoutAgents";
        let message = format!("`{path}`: no adapter is called `{stranger}`");
        return Err(RpcError::invalid(path, message));
    }
    *app.options.lock().unwrap_or_else(PoisonError::into_inner) = options;
    Ok(())
}

/// The filter without the agents that are left out; one that names agents stays as it is.
pub(super) fn narrowed(app: &App, settings: &Settings, filter: Filter) -> Filter {
    let Some(left_out) = settings.without_agents.as_ref().filter(|it| !it.is_empty()) else {
        return filter;
    };
    let others = || agents(app).into_iter().filter(|it| !left_out.contains(it)).collect();
    Filter { agents: filter.agents.or_else(|| Some(others())), ..filter }
}

/// How long each adapter may take.
pub(super) fn deadline(asked: Option<DeadlineMs>) -> Duration {
    asked.map_or(census::DEADLINE, |it| Duration::from_millis(it.get()))
}

fn agents(app: &App) -> Vec<AgentId> {
    app.adapters.iter().map(|it| it.card().id.clone()).collect()
}
