//! A launch that its client took back before it was answered is called off: its agent ends, and its directory is free.

use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;

use super::App;
use super::router::Call;
use super::stop_handlers::{GRACE, ask_to_end, wait_until_noted};
use crate::adapters::drive;
use crate::adapters::service::{Served, TurnEnd};
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::launch::ending::{self, NotEnded, Target};
use crate::launch::{self, Started};
use crate::ledger::{LedgerError, LedgerFile};
use crate::protocol::launch::Launched;
use crate::transport::Cancellation;

/// A launch whose request is not answered yet. Dropped because its client cancelled that, nobody knows the launch, and it
/// is called off; dropped for any other reason it lives on, as launches do when their client goes.
pub(super) struct Unanswered {
    app: Arc<App>,
    cancellation: Cancellation,
    agent: AgentId,
    launch_id: String,
    place: Place,
}

/// Where the agent works.
#[derive(Clone)]
enum Place {
    Process,
    /// In the agent's service, which is on this runtime asked to end the session's run.
    Service(SessionId, Handle),
}

impl Unanswered {
    pub(super) fn of_process(call: &Call, started: &Started) -> Self {
        Self::new(call, &started.agent, &started.launch_id, Place::Process)
    }

    /// Nothing where the service has told no session: it was given none to begin.
    pub(super) fn of_service(
        call: &Call,
        agent: &AgentId,
        launched: &Launched,
        runtime: Handle,
    ) -> Option<Self> {
        let session = launched.session_id.clone()?;
        Some(Self::new(call, agent, &launched.launch_id, Place::Service(session, runtime)))
    }

    fn new(call: &Call, agent: &AgentId, launch_id: &str, place: Place) -> Self {
        Self {
            app: call.app.clone(),
            cancellation: call.cancellation.clone(),
            agent: agent.clone(),
            launch_id: launch_id.to_owned(),
            place,
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !self.cancellation.is_asked() {
            return;
        }
        let (app, job) = (self.app.clone(), self.app.unfinished.begin());
        let (agent, id, place) = (self.agent.clone(), self.launch_id.clone(), self.place.clone());
        let work = move || {
            let _job = job;
            tracing::info!(%agent, id, "a launch is called off");
            let forgotten = match place {
                Place::Process => call_off(&app.env, &agent, &id),
                Place::Service(session, runtime) => {
                    runtime.block_on(end_run(&app, &agent, session));
                    forget(&app.env, &id)
                }
            };
            if let Err(error) = forgotten {
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
    if let Some(owner) = launch::call_off(&LedgerFile::of(env), id) {
        end(env, agent, id, owner)?;
    }
    forget(env, id)
}

fn forget(env: &Env, id: &str) -> Result<(), LedgerError> {
    let forgotten = LedgerFile::of(env).update(|it| it.forget(id))?;
    let log = forgotten.ok().and_then(|it| it.launch.log_path);
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
        unfinished: &[],
    };
    match ending::end(env.proc_root(), target, GRACE) {
        Ok(_) | Err(NotEnded::Gone | NotEnded::NotOurs(_)) => wait_until_noted(env, id),
        Err(NotEnded::Unable(error)) => {
            tracing::warn!(id, %error, "an agent whose launch was called off cannot be ended");
        }
    }
    Ok(())
}

/// Asks the agent's service to end the run that it has begun.
async fn end_run(app: &App, agent: &AgentId, session: SessionId) {
    let Some(ask) = drive::of(agent).end_turn else { return };
    let served = Served { session: session.clone(), record: None, owner: None, within: GRACE };
    let ended = ask_to_end(app, ask, served).await;
    if !matches!(ended, Ok(TurnEnd::Ended | TurnEnd::NoTurn)) {
        tracing::warn!(%agent, %session, ?ended, "a run that was called off may go on");
    }
}
