//! Driving Gemini CLI (0.61.0): `-p` with a chosen `--session-id`, its events as JSON lines. PURE.

use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, Polite, PromptBy, Task, UNDRIVEN, Unsupported,
};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand: |id, _| Some(vec!["--resume".into(), id.as_str().into()]),
    nesting: &["GEMINI_CLI", "GEMINI_CLI_NO_RELAUNCH"],
    polite: Polite::Interrupt,
    is_shared: super::is_server,
    billing: super::billing::billing,
    ..UNDRIVEN
};

#[expect(clippy::unnecessary_wraps, reason = "drivers share a signature; this agent can do all")]
fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    let mut args = Args::of(&["--output-format", "stream-json"]);
    let id = match &order.task {
        Task::Launch { id } => {
            args.add(&["--session-id", id.as_str()]);
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
        Permissions::Edit => args.add(&["--approval-mode", "auto_edit"]),
        Permissions::Full => args.add(&["--yolo"]),
    }
    args.0.extend(order.args.iter().cloned());
    let mut line = CommandLine {
        learn: Some(Learn::from(&["init"], "session_id")),
        session: Some(id.clone()),
        ..CommandLine::default()
    };
    if order.prompt_is_long() {
        line.prompt = PromptBy::Stdin;
    } else {
        // One word, so that a prompt that begins with a dash is still the value of its flag.
        args.add(&[&format!("--prompt={}", order.prompt)]);
    }
    line.args = args.0;
    Ok(line)
}
