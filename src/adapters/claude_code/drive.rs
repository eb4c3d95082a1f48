//! Driving Claude Code (2.1.197): headless, one prompt a process, its events as JSON lines. PURE.
//!
//! The launcher chooses the id with `--session-id`; a resume finds sessions of the current directory's project only.
//! SIGINT ends the tools too, SIGTERM leaves them behind.

use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, Polite, Task, UNDRIVEN, Unsupported,
};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand: |id, _| Some(vec!["--resume".into(), id.as_str().into()]),
    nesting: &[
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_CHILD_SESSION",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_EXECPATH",
        "CLAUDE_CODE_SSE_PORT",
        "AI_AGENT",
    ],
    session_variable: Some("CLAUDE_CODE_SESSION_ID"),
    polite: Polite::Interrupt,
    is_shared: |arguments| {
        let first = arguments.get(1).map(String::as_str);
        matches!(first, Some("daemon" | "--bg-pty-host"))
    },
    billing: super::billing::billing,
    ..UNDRIVEN
};

#[expect(clippy::unnecessary_wraps, reason = "drivers share a signature; this agent can do all")]
fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    let mut args = Args::of(&["-p", "--output-format", "stream-json", "--verbose"]);
    let id = match &order.task {
        Task::Launch { id } => {
            args.add(&["--session-id", id.as_str()]);
            args.joined("--name", order.label.as_deref());
            id
        }
        Task::Resume { id, .. } => {
            args.add(&["--resume", id.as_str()]);
            id
        }
    };
    args.flag("--model", order.model.as_deref());
    match order.permissions {
        Permissions::Agent => {}
        Permissions::Edit => args.add(&["--permission-mode", "acceptEdits"]),
        Permissions::Full => args.add(&["--permission-mode", "bypassPermissions"]),
    }
    Ok(CommandLine {
        learn: Some(Learn::from(&["system"], "session_id")),
        session: Some(id.clone()),
        ..args.with_prompt(order)
    })
}
