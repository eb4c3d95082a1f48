//! headcount: which coding agents are at work on this machine, in what state, and which of them needs you.
//!
//! Adapters turn files and processes into sightings; [`census`] gathers them in parallel; [`reconcile`], a pure
//! function, concludes sessions with the help of the [`ledger`]; [`rpc`] names the methods; `transport` moves
//! JSON texts and knows nothing else. The types of [`protocol`] *are* the wire.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "headcount needs Linux: who is alive is read from /proc, and pidfds tell who has ended"
);

pub mod base;
pub mod parallel;

pub mod protocol;

pub mod config;
pub mod env;
pub mod memo;
pub mod offload;
pub mod procs;
pub mod unfinished;

pub mod ledger;
pub mod scope;

pub mod adapters;

pub mod census;
pub mod fuses;
pub mod launch;
pub mod query;
pub mod reconcile;
pub mod watch;

pub mod rpc;

pub mod transport;

pub mod cli;

#[cfg(test)]
#[allow(dead_code, reason = "each adapter's tests use a part of it")]
mod testing;
