//! Driving Pi (0.73.1) and its Rust port (0.8.0): JSON mode, whose first line is the session's header.
//!
//! Pi resumes by the transcript's path: by id it looks in the current directory's sessions alone, and elsewhere ends
//! with success and nothing done. It asks for no permissions, and takes the word behind `--` for a flag's value. Its port
//! keeps the session of `-p` only where it is told where to, and denies tools unless told otherwise.

use std::path::Path;

use super::{Args, CommandLine, Driver, Learn, Order, Polite, Task, Unsupported};
use crate::base::SessionId;
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    command,
    by_hand,
    nesting: &["PI_CODING_AGENT"],
    polite: Polite::Terminate,
    ..super::UNDRIVEN
};

pub(super) static RUST_DRIVER: Driver = Driver {
    command: command_of_port,
    by_hand,
    nesting: &[],
    polite: Polite::Interrupt,
    ..super::UNDRIVEN
};

/// By its path a session is found from everywhere.
fn by_hand(_: &SessionId, transcript: Option<&Path>) -> Option<Vec<String>> {
    Some(vec!["--session".into(), transcript?.to_str()?.into()])
}

fn command(order: &Order) -> Result<CommandLine, Unsupported> {
    if order.permissions != Permissions::Agent {
        let hint = "pi asks for no permission: leave `permissions` out";
        return Err(Unsupported::permissions(order.permissions, hint));
    }
    let mut args = Args::of(&["--mode", "json"]);
    args.flag("--model", order.model.as_deref());
    finish(args, order)
}

fn command_of_port(order: &Order) -> Result<CommandLine, Unsupported> {
    let mut args = Args::of(&["--mode", "json"]);
    if !order.is_resume() {
        args.flag("--session-dir", order.store.as_deref().and_then(Path::to_str));
    }
    args.flag("--model", order.model.as_deref());
    match order.permissions {
        Permissions::Agent => {}
        Permissions::Edit => {
            let hint = "leave `permissions` out, or give `full`";
            return Err(Unsupported::permissions(order.permissions, hint));
        }
        Permissions::Full => args.add(&["--approval-mode", "yolo"]),
    }
    finish(args, order)
}

fn finish(mut args: Args, order: &Order) -> Result<CommandLine, Unsupported> {
    let mut session = None;
    if let Task::Resume { id, transcript } = &order.task {
        let Some(path) = transcript.as_ref().and_then(|it| it.to_str()) else {
            return Err(Unsupported {
                what: "resume a session whose transcript is not known".into(),
                hint: "resume it in a terminal, in its directory".into(),
            });
        };
        args.add(&["--session", path]);
        session = Some(id.clone());
    }
    args.0.extend(order.args.iter().cloned());
    let learn = Some(Learn::from(&["session"], "id"));
    let mut line = CommandLine { learn, session, ..CommandLine::default() };
    if order.prompt_is_long() {
        line.prompt = super::PromptBy::Stdin;
    } else {
        // What would be read as a flag or as the name of a file is set off by a blank.
        let is_plain = !order.prompt.starts_with(['-', '@']);
        let prompt = if is_plain { order.prompt.clone() } else { format!(" {}", order.prompt) };
        args.add(&["-p", &prompt]);
    }
    line.args = args.0;
    Ok(line)
}
