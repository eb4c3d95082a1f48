//! Launching where there is no process to start: the agent's own service is asked, and the ledger notes what it said.
//!
//! Others' claims on the directory are heeded. A claim of its own is held while the service is asked and no longer: it
//! would be worth as long as a process lives, and a session in a service has none.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::{
    Request, SESSION_WAIT, begin, diagnose, directory, entry, failed, refused, unsupported,
};
use crate::adapters::drive::Unsupported;
use crate::adapters::service::{Ask, Refused, Service};
use crate::env::Env;
use crate::ledger::{End, LaunchEntry, LedgerFile, Refusal};
use crate::protocol::bounded::Bounded;
use crate::protocol::error::{LiveOwner, RpcError, Stage};
use crate::protocol::launch::{LaunchParams, Launched};
use crate::protocol::session::{Problem, ProblemKind};
use crate::scope;

/// Checks everything, asks the service, and notes what it began. Blocks, and needs a thread of its own: the service is
/// asked on the pool of the runtime.
pub fn launch(
    runtime: &Handle,
    env: &Arc<Env>,
    service: &'static dyn Service,
    request: Request,
) -> Result<Launched, RpcError> {
    let Request { task, params, cwd_given, .. } = request;
    let agent = &params.agent;
    let cwd = directory::existing(&params.cwd, cwd_given)?;
    let resumed = task.resumed().cloned();
    let busy = || match resumed.clone() {
        // The process is not the session's, but the service's or ours.
        Some(session) => RpcError::SessionAlive { session, owner: LiveOwner::Service },
        None => RpcError::Internal("a session that is not there yet is busy".into()),
    };
    let ask = Ask {
        task,
        cwd: cwd.clone(),
        prompt: params.prompt.clone(),
        model: params.model.clone(),
        label: params.label.clone(),
        permissions: params.permissions,
        timeout_ms: params.timeout_ms.map(Bounded::get),
    };
    check(&params).and_then(|()| service.check(&ask)).map_err(|it| unsupported(agent, it))?;
    let entry = LaunchEntry { session: resumed.clone(), is_served: true, ..entry(&params, &cwd) };
    let launch_id = entry.launch.launch_id.clone();
    let ledger = LedgerFile::of(env);
    begin(env, &ledger, entry)?.map_err(|refusal| match refusal {
        Refusal::Alive(_) => busy(),
        refusal => refused(env, refusal, None),
    })?;
    // A timer is bound to the runtime that it is made in.
    let answer =
        runtime.block_on(async { timeout(SESSION_WAIT, service.begin(env.clone(), ask)).await });
    let begun = match answer {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(Refused::Busy)) => Err((End::NotStarted, busy())),
        Ok(Err(Refused::Problem(problem))) => Err((End::NotStarted, failed_by(&params, problem))),
        Err(_) => {
            let what = format!("no answer within {} s; it may have begun", SESSION_WAIT.as_secs());
            Err((End::Unknown, failed(agent, Stage::Spawn, None, what)))
        }
    };
    let noted = match &begun {
        Ok(session) => ledger.update(|it| it.served(&launch_id, session.clone())),
        // The claim is given back.
        Err((end, _)) => ledger.update(|it| it.ended(&launch_id, *end, scope::now())),
    };
    if !matches!(noted, Ok(Ok(()))) {
        tracing::warn!(?noted, "what became of a launch is not noted");
    }
    let session_id = Some(begun.map_err(|(_, error)| error)?);
    tracing::info!(%agent, launch_id, "a service has begun a session");
    Ok(Launched {
        launch_id,
        session_id,
        pid: None,
        command: None,
        cwd,
        log_path: None,
        login_path: None,
    })
}

/// Refuses what only a process can be given.
fn check(params: &LaunchParams) -> Result<(), Unsupported> {
    let refuse = |what: &str, hint: &str| {
        Err(Unsupported {
            what: format!("be given {what}: its service runs the session"),
            hint: hint.into(),
        })
    };
    if !params.args.is_empty() {
        return refuse("`args`", "set it up in the service's own settings");
    }
    if !params.env.is_empty() {
        return refuse("`env`", "set variables for the service itself");
    }
    if params.on_create.is_some() {
        return refuse("`onCreate`", "the answer to this request tells the session");
    }
    if params.on_complete.is_some() {
        return refuse("`onComplete`", "session.wait tells when it has ended");
    }
    Ok(())
}

/// What a service's refusal means for a launch.
fn failed_by(params: &LaunchParams, problem: Problem) -> RpcError {
    let stage = match problem.kind {
        ProblemKind::Auth => Stage::Auth,
        ProblemKind::Unreachable | ProblemKind::TimedOut => Stage::Spawn,
        _ => diagnose::stage(&problem.message, &params.prompt),
    };
    failed(&params.agent, stage, None, problem.message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::adapters;
    use crate::adapters::drive::Task;
    use crate::base::SessionId;
    use crate::ledger::directory::Given;
    use crate::offload::on_own_thread;

    /// A service that takes everything and answers nothing.
    struct Silent;

    impl Service for Silent {
        fn check(&self, _: &Ask) -> Result<(), Unsupported> {
            Ok(())
        }

        fn begin(
            &'static self,
            _: Arc<Env>,
            _: Ask,
        ) -> BoxFuture<'static, Result<SessionId, Refused>> {
            std::future::pending().boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_does_not_answer_is_given_up_and_its_directory_is_free() {
        let home = tempfile::tempdir().unwrap();
        let env = Arc::new(crate::testing::env(home.path()));
        let params = json!({ "agent": "openclaw", "cwd": home.path(), "prompt": "do it" });
        let request = Request {
            adapter: adapters::find("openclaw").unwrap(),
            task: Task::Launch { id: SessionId::parse("s1").unwrap() },
            params: serde_json::from_value(params).unwrap(),
            cwd_given: Given::As("cwd"),
        };
        let (began, runtime, ours) = (Instant::now(), Handle::current(), env.clone());
        let launched = on_own_thread(move || launch(&runtime, &ours, &Silent, request)).await;
        let error = launched.unwrap().unwrap_err();
        let RpcError::LaunchFailed { failure, .. } = error else { panic!("{error:?}") };
        assert_eq!(failure.output, "no answer within 10 s; it may have begun");
        let waited = began.elapsed();
        assert!(waited < SESSION_WAIT + Duration::from_millis(2), "{waited:?}");
        let entry = LedgerFile::of(&env).read().unwrap().launches.remove(0);
        assert_eq!((entry.end, entry.claim), (Some(End::Unknown), None));
    }
}
