//! Changes as they happen: one lookout, shared by every subscription, that looks again only when something says so.

mod agenda;
mod diff;
mod files;
mod lookout;
mod owners;
mod services;

pub use diff::Known;
pub use lookout::{Lookout, View};
