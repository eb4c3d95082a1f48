//! What headcount itself owns: launches, claims and fuses, in one small database that many servers share.
//!
//! SQLite in WAL mode: one transaction a change, so that a reader sees all of it or nothing and a process that
//! is killed leaves nothing to clean. Each entry is one row, its key and its JSON. Nothing here says that
//! a process lives: that is asked of the kernel whenever it matters.

mod claims;
mod entry;
mod fuses;
mod launches;
mod prune;
mod stops;

pub mod directory;
mod observed;

mod error;
mod file;
mod rows;

#[cfg(test)]
mod testing;

pub use claims::Claims;
pub use entry::{Elsewhere, End, LaunchEntry, Ledger, Life, Refusal, World};
pub use error::LedgerError;
pub use file::LedgerFile;
pub use fuses::{Firer, Firing};
pub use observed::{with_world, with_world_at};
pub use prune::Pruned;
pub use stops::Stop;
