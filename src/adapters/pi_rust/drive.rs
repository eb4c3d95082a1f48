//! Driving `pi_agent_rust` (0.8.0): Pi's JSON mode. PURE.
//!
//! It keeps the session of `-p` only where it is told where to, and denies tools unless told otherwise.

use std::path::Path;

use crate::adapters::drive::{Args, CommandLine, Driver, Order, Polite, UNDRIVEN, Unsupported};
use crate::adapters::pi::drive::{by_hand, finish, is_native_pi};
use crate::protocol::launch::Permissions;

pub(super) static DRIVER: Driver =
    Driver { is_program, command, by_hand, polite: Polite::Interrupt, ..UNDRIVEN };

/// Pi's own program has one of its names.
fn is_program(program: &Path) -> bool {
    program.ends_with("pi-rust") || is_native_pi(program)
}

fn command(order: &Order) -> Result<CommandLine, Unsupported> {
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
