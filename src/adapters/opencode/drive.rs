//! Driving OpenCode (1.18.33): `opencode run --format json`, from the session's own directory. PURE.
//!
//! It chooses the id and tells it with the model's first bytes. Without `--auto` it refuses what would need a permission.

use super::process::Asked;
use crate::adapters::billing::by_model;
use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, Polite, PromptBy, Task, UNDRIVEN, Unsupported,
};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand: |id, _| Some(vec!["--session".into(), id.as_str().into()]),
    nesting: &["AGENT", "OPENCODE", "OPENCODE_PID", "OPENCODE_RUN_ID"],
    pid_variable: Some("OPENCODE_PID"),
    polite: Polite::Interrupt,
    is_shared: |arguments| Asked::of(arguments).is_some_and(|it| it.is_service),
    find_launched: Some(super::launched),
    billing: |env| by_model(env, &super::data_dir(env).join("auth.json")),
    end_turn: Some(super::end_turn),
    ..UNDRIVEN
};

fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    let mut args = Args::of(&["run", "--format", "json"]);
    let mut session = None;
    match &order.task {
        Task::Launch { .. } => args.joined("--title", order.label.as_deref()),
        Task::Resume { id, .. } => {
            args.add(&["--session", id.as_str()]);
            session = Some(id.clone());
        }
    }
    args.flag("--model", order.model.as_deref());
    match order.permissions {
        Permissions::Agent => {}
        Permissions::Edit => {
            let hint = "set `permission` in opencode.json, or give `full`";
            return Err(Unsupported::permissions(order.permissions, hint));
        }
        Permissions::Full => args.add(&["--auto"]),
    }
    let learn = Some(Learn::from(&[], "sessionID"));
    args.0.extend(order.args.iter().cloned());
    // As an argument it would be put in quotes before the model sees it, and its own quotes be escaped.
    Ok(CommandLine { args: args.0, prompt: PromptBy::Stdin, learn, session })
}
