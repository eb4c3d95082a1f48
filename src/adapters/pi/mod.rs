//! Pi: one JSON Lines file a session, and processes that hide which one they serve.
//!
//! Seen: 0.73.1 and 0.87.1 (`@earendil-works/pi-coding-agent`, once `@mariozechner/…`) on Linux.
//!
//! - Store: `<agent dir>/sessions/--<cwd with - for />--/<start>_<id>.jsonl`, where the agent directory is
//!   `PI_CODING_AGENT_DIR`, else `~/.pi/agent`. `PI_CODING_AGENT_SESSION_DIR` and `sessionDir` of `settings.json` name a
//!   directory of files without the level between. The name of that level is lossy: the header tells the directory.
//! - `pi_agent_rust` keeps its own sessions in the same folders: [`store`] says whose is whose.
//! - A file does not exist before the first answer is complete, and is never held open or locked.
//! - Entries are a tree: what was abandoned stays in the file and was spent. The last line is the newest leaf.
//! - A fork copies the entries of its source, times and tokens included, behind a header of its own.
//! - Processes: named `pi`, run by node, with all arguments wiped; in their first seconds `node …/pi …`.
//!   Which session they serve is concluded from directory and times ([`super::pairing`]).
//!
//! ```json
//! {"type":"session","version":3,"id":"01a204f6-…","timestamp":"2026-11-22T20:33:14.318Z","cwd":"/home/dev/work/a"}
//! {"type":"message","id":"34fbb806","parentId":"3dcc6919","timestamp":"…","message":{"role":"assistant","content":[…],
//!  "model":"mock-1","usage":{"input":1000,"output":34,"cacheRead":200,"cacheWrite":0,"cost":{"total":0.00357}},"stopReason":"stop"}}
//! ```
//!
//! Unknown: Pi 1.x; Pi compiled by bun, whose process may look like `pi_agent_rust`'s; a `sessionDir` relative to each
//! project, of which only those of headcount's own directory and of the agent directory are found.

use std::path::Path;

use super::Watched;
use super::evidence::Sighting;
use super::files::{Beyond, FileAgent, Found, WentBack};
use super::live;
use super::pairing::{self, Candidate, Live};
use crate::base::AgentId;
use crate::procs::Process;
use crate::protocol::lifecycle::AgentCard;
use crate::scope::Scope;

pub(super) mod beyond;
pub(super) mod drive;
pub(super) mod store;
pub(super) mod transcript;

/// Bytes of a transcript's beginning that are read at first: header and first prompt.
pub(super) const HEAD: usize = 8 << 10;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("pi"),
        name: "Pi",
        binaries: &["pi"],
        seen_version: "0.87.1",
        live_signal: "a live process in the session's directory that may have touched it; a turn without an end in the transcript",
        blind_spots: "a session before its first answer, so that a terminal without a session may be at work or not, \
                      and one that begins another (`/new`) still shows the last, as idle; \
                      that a turn waits to be tried again after the model's service failed; \
                      which session an idle process serves that has not touched any; \
                      whether one that a program may feed (`--mode rpc`, or an input that is a pipe) was asked anything \
                      before its first answer; that it compacts; \
                      sessions that are not kept (`--no-session`), or in another store than headcount's \
                      (`PI_CODING_AGENT_DIR`, `--session-dir`, a folder relative to each project), \
                      which are seen as processes alone",
    },
    roots: store::roots,
    watched: |root| vec![Watched::all_below(root.to_owned())],
    find: |finder, root| store::find(finder, root, store::Kin::Pi),
    head: HEAD,
    back_to: None,
    parse: transcript::parse,
    beyond: |scope, found| {
        let mut beyond = Beyond::default();
        beyond::names(scope, beyond::in_doubt(found), &mut beyond);
        beyond::sources(found, &mut beyond);
        beyond::usage(scope, found, &mut beyond);
        beyond.sightings.extend(claims(scope, found));
        beyond
    },
    ask: None,
    turns: transcript::turns,
    went_back: WentBack::Branches(transcript::link),
    beginning: None,
    driver: &drive::DRIVER,
};

fn claims(scope: &Scope, found: &Found) -> impl Iterator<Item = Sighting> + use<> {
    let agents = scope.processes.iter().filter(|it| is_pi(scope, it));
    let (here, elsewhere) = live::by_store(scope, agents, store::roots, |it| {
        let live = live::observe(scope, it, None);
        let is_interactive = live.is_interactive || is_fed(scope, it);
        let runs_a_tool = runs_a_tool(scope, it);
        Live { is_interactive, runs_a_tool, tells_prompts: false, ..live }
    });
    let candidates = found.transcripts.iter().filter_map(|it| Candidate::of(&it.record));
    pairing::pair(&here, candidates).into_iter().chain(elsewhere).map(Sighting::Claimed)
}

/// Whether a program may drive it (`--mode rpc`), and have asked nothing yet. One that prints an answer (`-p`) may be given
/// such an input, too: its arguments do not tell which it is.
fn is_fed(scope: &Scope, pi: &Process) -> bool {
    let is_stream =
        |it: &Path| ["pipe:", "socket:"].iter().any(|kind| it.to_string_lossy().starts_with(kind));
    let open = scope.processes.open_files(pi.identity);
    open.iter().any(|(number, path)| *number == 0 && is_stream(path))
}

/// Whether a tool runs: Pi itself starts nothing else that stays.
fn runs_a_tool(scope: &Scope, pi: &Process) -> bool {
    let parent = |it: &Process| scope.processes.lineage(it.identity.pid).nth(1);
    scope.processes.iter().any(|it| parent(it).is_some_and(|it| it.identity == pi.identity))
}

/// Whether the process is Pi: it has given itself the name, or is about to.
fn is_pi(scope: &Scope, process: &Process) -> bool {
    match process.comm.as_str() {
        // `pi_agent_rust` is a program of that name itself; Pi is run by another.
        "pi" => scope
            .processes
            .exe(process.identity)
            .is_some_and(|it| it.file_name().is_some_and(|name| name != "pi")),
        "node" | "MainThread" | "bun" => {
            let arguments = scope.processes.arguments(process.identity);
            let script = arguments.iter().skip(1).find(|it| !it.starts_with('-'));
            script.is_some_and(|it| {
                it.ends_with("/pi") || it.ends_with("/pi-coding-agent/dist/cli.js")
            })
        }
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests;
