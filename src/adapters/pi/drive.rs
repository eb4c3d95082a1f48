//! Driving Pi (0.73.1): JSON mode, whose first line is the session's header. PURE.
//!
//! It resumes by the transcript's path: by id it looks in the current directory's sessions alone, and elsewhere ends
//! with success and nothing done. It asks for no permissions, and takes the word behind `--` for a flag's value.

use std::io::{self, Read};
use std::path::Path;

use crate::adapters::billing::by_model;
use crate::adapters::drive::{
    Args, CommandLine, Driver, Learn, Order, Polite, PromptBy, Task, UNDRIVEN, Unsupported,
};
use crate::adapters::files::open_regular;
use crate::base::SessionId;
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver = Driver {
    is_program: |it| !is_native_pi(it),
    command,
    by_hand,
    nesting: &["PI_CODING_AGENT"],
    polite: Polite::Terminate,
    billing: |env| by_model(env, &super::store::agent_dir(env).join("auth.json")),
    ..UNDRIVEN
};

/// Whether the program is `pi_agent_rust`, which cargo calls `pi`, too: no script, as Pi is, nor the shim of a version
/// manager, which is a link to a program of another name.
pub(in crate::adapters) fn is_native_pi(program: &Path) -> bool {
    let is_named_so = |it: &Path| it.ends_with("pi") || it.ends_with("pi-rust");
    program.canonicalize().is_ok_and(|it| is_named_so(&it) && is_native(&it).unwrap_or(false))
}

fn is_native(program: &Path) -> io::Result<bool> {
    let mut magic = [0; ELF_MAGIC.len()];
    open_regular(program)?.0.read_exact(&mut magic)?;
    Ok(magic == ELF_MAGIC)
}

/// How every program of Linux begins that is no script.
const ELF_MAGIC: [u8; 4] = *b"\x7fELF";

/// By its path a session is found from everywhere.
pub(in crate::adapters) fn by_hand(
    _: &SessionId,
    transcript: Option<&Path>,
) -> Option<Vec<String>> {
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

/// Ends the arguments with what is resumed and the prompt.
pub(in crate::adapters) fn finish(
    mut args: Args,
    order: &Order,
) -> Result<CommandLine, Unsupported> {
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
        line.prompt = PromptBy::Stdin;
    } else {
        // What would be read as a flag or as the name of a file is set off by a blank.
        let is_plain = !order.prompt.starts_with(['-', '@']);
        let prompt = if is_plain { order.prompt.clone() } else { format!(" {}", order.prompt) };
        args.add(&["-p", &prompt]);
    }
    line.args = args.0;
    Ok(line)
}
