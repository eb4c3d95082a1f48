//! What holds where a request does not say: the client's settings over the user's over what is built in.

use std::sync::{Arc, Mutex, PoisonError};

use super::App;
use crate::base::AgentId;
use crate::config;
use crate::env::Env;
use crate::offload::blocking;
use crate::protocol::error::RpcError;
use crate::protocol::session::{Filter, Problem};
use crate::protocol::settings::Settings;

/// The settings, and what is wrong with the user's file.
pub(super) type Told = (Settings, Option<Problem>);

/// The settings as they are now.
pub(super) async fn now(app: &App) -> (Settings, Vec<Problem>) {
    let (env, agents) = (app.env.clone(), agents(app));
    let (users, problem) = blocking(move || of_user(&env, &agents)).await;
    if let Some(problem) = &problem {
        tracing::warn!(path = ?problem.path, "{}", problem.message);
    }
    (of_client(&app.options).over(users), problem.into_iter().collect())
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
    if settings.without_agents.as_ref().is_none_or(Vec::is_empty) {
        return filter;
    }
    let others = || agents(app).into_iter().filter(|it| !settings.leaves_out(it)).collect();
    Filter { agents: filter.agents.or_else(|| Some(others())), ..filter }
}

/// Reads the settings for who looks again and again.
pub(super) fn reader(app: &App) -> Arc<dyn Fn() -> Told + Send + Sync> {
    let (env, options, agents) = (app.env.clone(), app.options.clone(), agents(app));
    Arc::new(move || {
        let (users, problem) = of_user(&env, &agents);
        (of_client(&options).over(users), problem)
    })
}

/// What the user's file says, and what is wrong with it. What cannot be read sets nothing.
fn of_user(env: &Env, agents: &[AgentId]) -> Told {
    match config::read(env) {
        Ok(config) => {
            let doubts = config::doubts(env, &config, agents);
            (config.settings(), doubts)
        }
        Err(problem) => (Settings::default(), Some(problem)),
    }
}

fn of_client(options: &Mutex<Settings>) -> Settings {
    options.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

pub(super) fn agents(app: &App) -> Vec<AgentId> {
    app.adapters.iter().map(|it| it.card().id.clone()).collect()
}
