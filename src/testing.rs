//! What unit tests share: a world without files, processes or agents.

use std::sync::Arc;

use crate::base::AgentId;
use crate::env::Env;
use crate::memo::Memo;
use crate::protocol::lifecycle::AgentCard;
use crate::scope::{Scope, UsageWanted};

pub(crate) fn card(id: &'static str) -> AgentCard {
    AgentCard {
        id: AgentId::of(id),
        name: id,
        binaries: &[],
        seen_version: "0",
        live_signal: "none",
        blind_spots: "all",
    }
}

/// An environment whose home is `home`, and where no process lives.
pub(crate) fn env(home: &std::path::Path) -> Env {
    let env = Env::of_vars([("HOME".into(), home.into())].into()).expect("test homes are absolute");
    env.with_proc_root("/nonexistent".into())
}

pub(crate) fn scope() -> Scope {
    scope_at(std::path::Path::new("/nonexistent"))
}

pub(crate) fn scope_at(home: &std::path::Path) -> Scope {
    Scope::observe(Arc::new(env(home)), Arc::new(Memo::default()), UsageWanted::None)
}
