//! The integration tests: one binary, one module a subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alike;
mod demo;
mod editors;
mod errors;
mod examples;
mod fuse;
mod hostile;
mod launch;
mod lock;
mod readme;
mod schema;
mod served;
mod session;
mod stdio;
mod stop;
mod support;
mod tidy;
mod watch;
