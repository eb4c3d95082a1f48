//! Agents that run without the gateway: `openclaw agent exec`, and `agent`, `tui` and `chat` with `--local`.
//!
//! They call themselves `openclaw-agent` and `openclaw-tui`, and so do those that only ask the gateway; the arguments are
//! overwritten. What tells them apart is the database of an agent, which only who runs one has open: in the state
//! directory while no gateway owns it, or, with `agent exec`, in a temporary one. Seen with 2026.9.6.

use std::path::Path;

use super::endpoint;
use crate::adapters::evidence::Claim;
use crate::adapters::live::{Store, away, observe};
use crate::procs::Process;
use crate::scope::Scope;

/// What a process is called that ends with its one turn.
const ONE_TURN: &str = "openclaw-agent";

/// What the interface is called, which may have nothing to do.
const INTERFACE: &str = "openclaw-tui";

/// The name of an agent's database, below `agents/<agent>/agent`.
const DATABASE: &str = "openclaw-agent.sqlite";

/// That they live is all that their processes tell.
pub(super) fn claims(scope: &Scope) -> Vec<Claim> {
    let agents = scope.processes.iter().filter(|it| runs_an_agent(scope, it));
    let claims = agents.map(|process| {
        let live = observe(scope, process, None);
        away(process.identity, live.cwd, process.comm == ONE_TURN)
    });
    claims.collect()
}

fn runs_an_agent(scope: &Scope, process: &Process) -> bool {
    let is_named = [ONE_TURN, INTERFACE].contains(&process.comm.as_str());
    let stores = |env: &_| vec![endpoint::state_dir(env)];
    is_named
        && scope.processes.open_files(process.identity).iter().any(|(_, it)| is_database(it))
        && Store::of(scope, process.identity, stores) != Store::NotOurs
}

fn is_database(path: &Path) -> bool {
    let agents = path.ancestors().nth(3).and_then(Path::file_name);
    path.file_name().is_some_and(|it| it == DATABASE) && agents.is_some_and(|it| it == "agents")
}
