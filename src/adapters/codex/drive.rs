//! Driving Codex (0.169.0): `codex exec --json`, which tells the thread in its first line. PURE.
//!
//! `exec resume` has neither `-C` nor `-s`; configuration overrides reach both. SIGINT makes it write that the turn was
//! aborted, SIGTERM leaves the turn open for ever.

use futures_util::FutureExt;

use super::{daemon, live};
use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, Polite, PromptBy, Task, UNDRIVEN, Unsupported,
};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand: |id, _| Some(vec!["resume".into(), id.as_str().into()]),
    nesting: &[
        "CODEX_THREAD_ID",
        "CODEX_SESSION_ID",
        "CODEX_TOOL_CALL_ID",
        "CODEX_CI",
        "CODEX_VERSION",
        "CODEX_SANDBOX",
        "CODEX_SANDBOX_NETWORK_DISABLED",
        "CODEX_MANAGED_PACKAGE_ROOT",
        "CODEX_MANAGED_BY_NPM",
    ],
    session_variable: Some("CODEX_THREAD_ID"),
    polite: Polite::Interrupt,
    end_turn: Some(|scope, served| daemon::end_turn(scope, served).boxed()),
    is_shared: live::serves,
    billing: super::billing::billing,
    ..UNDRIVEN
};

#[expect(clippy::unnecessary_wraps, reason = "drivers share a signature; this agent can do all")]
fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    let mut args = Args::of(&["exec"]);
    let mut session = None;
    if let Task::Resume { .. } = order.task {
        args.add(&["resume"]);
    }
    args.add(&["--json"]);
    args.flag("-m", order.model.as_deref());
    match order.permissions {
        Permissions::Agent => {}
        Permissions::Edit => args.add(&["-c", "sandbox_mode=\"workspace-write\""]),
        Permissions::Full => args.add(&["--dangerously-bypass-approvals-and-sandbox"]),
    }
    args.0.extend(order.args.iter().cloned());
    args.add(&["--"]);
    if let Task::Resume { id, .. } = &order.task {
        args.add(&[id.as_str()]);
        session = Some(id.clone());
    }
    let learn = Some(Learn::from(&["thread.started"], "thread_id"));
    let mut line = CommandLine { learn, session, ..CommandLine::default() };
    if order.prompt_is_long() {
        // A dash stands for stdin.
        args.add(&["-"]);
        line.prompt = PromptBy::Stdin;
    } else {
        args.add(&[&order.prompt]);
    }
    line.args = args.0;
    Ok(line)
}
