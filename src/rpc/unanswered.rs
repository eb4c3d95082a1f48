//! A launch that its client took back before it was answered is called off: its agent ends, and its directory is free.

use std::sync::Arc;
use std::thread;

use super::App;
use super::router::Call;
use super::stop_handlers::{GRACE, wait_until_noted};
use crate::adapters::drive;
use crate::base::{AgentId, ProcessRef};
use crate::env::Env;
use crate::launch::ending::{self, NotEnded, Target};
use crate::launch::{self, Started};
use crate::ledger::{LedgerError, LedgerFile};
use crate::transport::Cancellation;

/// A launch whose request is not answered yet. Dropped because its client cancelled that, nobody knows the launch, and it
/// is called off; dropped for any other reason it lives on, as launches do when their client goes.
pub(super) struct Unanswered {
    pub(super) started: Started,
    app: Arc<App>,
    cancellation: Cancellation,
}

impl Unanswered {
    pub(super) fn new(call: &Call, started: Started) -> Self {
        Self { started, app: call.app.clone(), cancellation: call.cancellation.clone() }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.cancellation.is_asked() {
            return;
        }
        let (env, job) = (self.app.env.clone(), self.app.unfinished.begin());
        let (agent, id) = (self.started.agent.clone(), self.started.launch_id.clone());
        let work = move || {
            let _job = job;
            tracing::info!(%agent, id, "a launch is called off");
            if let Err(error) = call_off(&env, &agent, &id) {
                tracing::warn!(id, %error, "a launch that was called off is not forgotten");
            }
        };
        // It takes seconds where the agent is slow to end; a request is dropped where nothing may wait.
        if let Err(error) = thread::Builder::new().spawn(work) {
            tracing::error!(%error, "a launch that was cancelled lives on");
        }
    }
}

/// Ends what has begun of the launch, and forgets it. What the agent has recorded of it stays: that is the agent's.
fn call_off(env: &Env, agent: &AgentId, id: &str) -> Result<(), LedgerError> {
    let ledger = LedgerFile::of(env);
    if let Some(owner) = launch::call_off(&ledger, id) {
        end(env, agent, id, owner)?;
    }
    let log = ledger.update(|it| it.forget(id))?.ok().and_then(|it| it.launch.log_path);
    launch::remove_logs(log.map(|it| it.as_path().to_owned()));
    Ok(())
}

fn end(env: &Env, agent: &AgentId, id: &str, owner: ProcessRef) -> Result<(), LedgerError> {
    let ledger = LedgerFile::of(env).read()?;
    let target = Target {
        owners: &[owner],
        driver: drive::of(agent),
        session: ledger.launch(id).and_then(|it| it.session.as_ref()),
        launch_id: Some(id),
        leader: Some(owner),
    };
    match ending::end(env.proc_root(), target, GRACE) {
        Ok(_) | Err(NotEnded::Gone | NotEnded::NotOurs(_)) => wait_until_noted(env, id),
        Err(NotEnded::Unable(error)) => {
            tracing::warn!(id, %error, "an agent whose launch was called off cannot be ended");
        }
    }
    Ok(())
}
