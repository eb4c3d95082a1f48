//! Driving Copilot CLI (1.0.102): `-p` with a chosen `--session-id`; it holds a lock on its session while it runs. PURE.

use crate::adapters::billing::Billing;
use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, PROMPT_ARGUMENT_MAX, Polite, Task, UNDRIVEN,
    Unsupported,
};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand: |id, _| Some(vec![format!("--resume={}", id.as_str())]),
    polite: Polite::Terminate,
    is_shared: |arguments| arguments.iter().any(|it| it == "--acp"),
    billing: |env| {
        let name = "COPILOT_PROVIDER_BASE_URL";
        Billing::by_variable(env, name, "the provider behind that address")
    },
    ..UNDRIVEN
};

fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    if order.prompt_is_long() {
        return Err(Unsupported {
            what: format!("be given a prompt of over {PROMPT_ARGUMENT_MAX} bytes"),
            hint: "put it into a file, and let the prompt name the file".into(),
        });
    }
    let mut args = Args::of(&["--output-format", "json"]);
    let id = match &order.task {
        Task::Launch { id } => {
            args.add(&["--session-id", id.as_str()]);
            args.joined("--name", order.label.as_deref());
            id
        }
        Task::Resume { id, .. } => {
            args.add(&[&format!("--resume={}", id.as_str())]);
            id
        }
    };
    args.flag("--model", order.model.as_deref());
    match order.permissions {
        Permissions::Agent => {}
        Permissions::Edit => args.add(&["--allow-tool=write"]),
        Permissions::Full => args.add(&["--allow-all"]),
    }
    args.0.extend(order.args.iter().cloned());
    args.add(&[&format!("--prompt={}", order.prompt)]);
    Ok(CommandLine {
        args: args.0,
        // Its lines name the session only at the end.
        learn: Some(Learn::begun(&["user.message"])),
        session: Some(id.clone()),
        ..CommandLine::default()
    })
}
