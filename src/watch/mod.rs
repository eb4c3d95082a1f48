//! Changes as they happen: one lookout, shared by every subscription, that looks again only when something says so.

mod agenda;
mod audience;
mod diff;
mod files;
mod glances;
mod lookout;
mod looks;
mod owners;
mod seen;
mod services;
mod view;

pub use diff::Known;
pub(crate) use files::{StoreWatcher, Watchlist};
pub use lookout::{Ground, Lookout};
pub use view::{Ended, View, Views};
