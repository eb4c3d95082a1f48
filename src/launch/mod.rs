//! Starting agents: what is checked before anything happens, the claim, the supervisor, and the wait for a session.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::ChildStdout;

use crate::adapters::Adapter;
use crate::adapters::drive::{Order, PromptBy, Task, Unsupported};
use crate::adapters::evidence::Prompt;
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::ledger::directory::{self, Given};
use crate::ledger::{LaunchEntry, LedgerFile, Refusal, with_world};
use crate::procs::{self, ProcessTable};
use crate::protocol::error::{Claiming, LaunchFailure, LiveOwner, RpcError, Stage};
use crate::protocol::launch::LaunchParams;
use crate::protocol::session::Launch;
use crate::scope;

mod child;
mod diagnose;
pub mod ending;
mod environment;
pub mod hooks;
mod lines;
mod log;
mod memory;
pub mod order;
mod pipes;
pub mod served;
mod started;
pub mod supervise;

use environment::Found;
pub use environment::{LoginPath, NotFound, Sought, find_program};
use order::SupervisorOrder;
pub use started::{SESSION_WAIT, Started};

/// What is said of a launch whose supervisor was killed before its agent began.
const SUPERVISOR_GONE: &str = "the supervisor is gone";
/// Most characters of an argument that are shown.
const SHOWN_ARGUMENT_MAX: usize = 200;

/// What is to be launched.
pub struct Request {
    pub adapter: &'static dyn Adapter,
    pub task: Task,
    pub params: LaunchParams,
    /// How the request names the directory.
    pub cwd_given: Given,
}

/// Where launching takes place.
pub struct Site<'a> {
    pub env: &'a Env,
    /// The program that supervises: this one.
    pub program: &'a Path,
    pub login: &'a LoginPath,
}

/// Checks everything, claims the directory, and starts the supervisor. Blocks; runs to its end once begun.
pub fn start(site: &Site<'_>, request: Request) -> Result<Started, RpcError> {
    let Request { adapter, task, params, cwd_given } = request;
    let agent = params.agent.clone();
    let cwd = directory::existing(&params.cwd, cwd_given)?;
    let known = task.resumed().cloned();
    let order = Order {
        task,
        prompt: params.prompt.clone(),
        model: params.model.clone(),
        permissions: params.permissions,
        args: params.args.clone(),
        label: params.label.clone(),
        store: adapter.stores(site.env).into_iter().next(),
    };
    let line = (adapter.driver().command)(&order).map_err(|it| unsupported(&agent, it))?;
    let mut variables = environment::of_agent(site.env, &cwd, &params.env);
    let sought = Sought::of(adapter);
    let found = find_program(site.env, &mut variables, site.login, sought);
    let Found { program, login_path } = found.map_err(|why| {
        let message = format!("`{}`: {why}", sought.names.join("`, `"));
        failed(&agent, Stage::Spawn, None, message)
    })?;
    let mut entry = entry(&params, &cwd);
    let launch_id = entry.launch.launch_id.clone();
    let launched_at = entry.launch.launched_at;
    let log = AbsPath::parse(log::dir(site.env).join(format!("{launch_id}.log")))
        .ok_or_else(|| RpcError::Internal("the state directory is not absolute".into()))?;
    entry.session.clone_from(&line.session);
    entry.launch.log_path = Some(log.clone());
    let ledger = LedgerFile::of(site.env);
    begin(site.env, &ledger, entry)?.map_err(|it| refused(site.env, it, known.as_ref()))?;
    let command = shown(&program, &line.args);
    let order = SupervisorOrder {
        launch_id: launch_id.clone(),
        launched_at,
        agent: agent.clone(),
        program,
        args: line.args,
        cwd: cwd.clone(),
        ledger: ledger.path().clone(),
        log: log.clone(),
        prompt_on_stdin: line.prompt == PromptBy::Stdin,
        prompt: params.prompt.clone(),
        learn: line.learn,
        session: line.session.clone(),
        timeout_ms: params.timeout_ms.map(crate::protocol::bounded::Bounded::get),
        on_create: params.on_create,
        on_complete: params.on_complete,
        group: params.group,
        model: params.model,
    };
    let news = spawn_supervisor(site.program, &order, &variables).map_err(|error| {
        call_off(&ledger, &launch_id);
        let message = match error.kind() {
            // It was killed before it had read its order.
            std::io::ErrorKind::BrokenPipe => SUPERVISOR_GONE.to_owned(),
            _ => format!("the supervisor: {error}"),
        };
        failed(&agent, Stage::Spawn, None, message)
    })?;
    tracing::info!(%agent, launch_id, "a supervisor was started");
    Ok(Started {
        launch_id,
        agent,
        command,
        cwd,
        log,
        login_path: login_path.map(|it| it.to_string_lossy().into_owned()),
        prompt: params.prompt,
        session: line.session,
        ledger,
        news,
    })
}

/// A launch as it begins: this server answers for it.
fn entry(params: &LaunchParams, cwd: &AbsPath) -> LaunchEntry {
    LaunchEntry {
        agent: params.agent.clone(),
        session: None,
        process: None,
        is_served: false,
        keeper: procs::this_process(),
        cwd: Some(cwd.clone()),
        claim: params.lock.then(|| cwd.clone()),
        is_forced: params.force,
        ended: None,
        end: None,
        elsewhere: None,
        launch: Launch {
            launch_id: uuid::Uuid::new_v4().to_string(),
            launched_at: scope::now(),
            // As much as is ever shown: every change of the ledger reads all of it.
            prompt: Prompt::of(&params.prompt).to_string(),
            group: params.group.clone(),
            spec: params.spec.clone(),
            label: params.label.clone(),
            model: params.model.clone(),
            exit_code: None,
            hook_failure: None,
            log_path: None,
        },
    }
}

/// Takes a launch into the ledger, its claim with it, unless others stand in the way.
fn begin(
    env: &Env,
    ledger: &LedgerFile,
    entry: LaunchEntry,
) -> Result<Result<(), Refusal>, RpcError> {
    let begun = with_world(env, entry.launch.launched_at, |world| {
        ledger.update(|it| it.begin(entry, world))
    });
    let logs = |forgotten: Vec<LaunchEntry>| {
        remove_logs(
            forgotten.into_iter().filter_map(|it| Some(it.launch.log_path?.as_path().to_owned())),
        );
    };
    Ok(begun?.map(logs))
}

/// Gives a launch up, and its claim with it, unless its agent has started: then it returns the agent's process.
pub fn call_off(ledger: &LedgerFile, id: &str) -> Option<ProcessRef> {
    match ledger.update(|it| it.call_off(id, scope::now())) {
        Ok(outcome) => outcome.ok().flatten(),
        Err(error) => {
            tracing::warn!(%error, "a launch that did not happen is not noted as such");
            None
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "supervisors are started here and nowhere else")]
fn spawn_supervisor(
    program: &Path,
    order: &SupervisorOrder,
    variables: &BTreeMap<OsString, OsString>,
) -> std::io::Result<Lines<BufReader<ChildStdout>>> {
    let order_text = serde_json::to_vec(order)?;
    let (order_end, mut our_end) = std::io::pipe()?;
    let [program_name, command] = ending::SUPERVISOR_ARGUMENTS;
    let mut child = tokio::process::Command::new(program)
        .arg0(program_name)
        .arg(command)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::from(order_end))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    our_end.write_all(&order_text)?;
    let stdout = child.stdout.take();
    let stdout = stdout.ok_or_else(|| std::io::Error::other("the supervisor has no stdout"))?;
    // The runtime waits for its end, so that it is no zombie; nobody here has to.
    Ok(BufReader::new(stdout).lines())
}

/// The command line as people are shown it: long arguments are cut.
fn shown(program: &Path, args: &[String]) -> Vec<String> {
    let cut = |it: &String| match it.char_indices().nth(SHOWN_ARGUMENT_MAX) {
        Some((end, _)) => format!("{}…", &it[..end]),
        None => it.clone(),
    };
    std::iter::once(program.display().to_string()).chain(args.iter().map(cut)).collect()
}

fn unsupported(agent: &AgentId, unsupported: Unsupported) -> RpcError {
    let Unsupported { what, hint } = unsupported;
    RpcError::Unsupported { agent: agent.clone(), what, hint }
}

fn failed(agent: &AgentId, stage: Stage, exit_code: Option<i32>, output: String) -> RpcError {
    let failure = Box::new(LaunchFailure { stage, exit_code, output });
    RpcError::LaunchFailed { agent: agent.clone(), failure }
}

fn refused(env: &Env, refusal: Refusal, session: Option<&SessionId>) -> RpcError {
    match (refusal, session) {
        (Refusal::Locked(lock), _) => RpcError::locked(*lock, Claiming::Launch),
        (Refusal::Alive(owner), Some(session)) => {
            let table = ProcessTable::snapshot(env.proc_root());
            let shown = table.ok().and_then(|it| it.shown(owner));
            let named = || LiveOwner::Named(format!("process {}", owner.pid));
            let owner = shown.map_or_else(named, LiveOwner::Process);
            RpcError::SessionAlive { session: session.clone(), owner }
        }
        (Refusal::Alive(_) | Refusal::Gone, _) => {
            RpcError::Internal("the ledger changed while the launch began".into())
        }
    }
}

/// The logs of launches that are there.
pub fn logs(env: &Env) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(log::dir(env)).into_iter().flatten();
    let paths = entries.filter_map(|it| Some(it.ok()?.path()));
    paths.filter_map(|it| log::of_either_half(&it)).collect()
}

/// Removes the logs of launches that are forgotten; what cannot be removed stays.
pub fn remove_logs(logs: impl IntoIterator<Item = PathBuf>) {
    for log in logs {
        for path in [log::set_aside(&log), log] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a log is left behind");
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arguments_are_shown_cut_and_the_cut_is_told() {
        let longest = "ä".repeat(SHOWN_ARGUMENT_MAX);
        let args = [longest.clone(), longest.clone() + "x"];
        let shown = shown(Path::new("/bin/agent"), &args);
        assert_eq!(shown, ["/bin/agent".to_owned(), longest.clone(), longest + "…"]);
    }
}
