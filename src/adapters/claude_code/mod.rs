//! Claude Code: transcripts below `projects/`, live processes in `sessions/<pid>.json`.
//!
//! Seen: 2.1.197 on Linux. The store is `$CLAUDE_CONFIG_DIR`, else `~/.claude`:
//!
//! ```text
//! projects/<slug>/<session>.jsonl                              a transcript; only ever appended to
//! projects/<slug>/<session>/subagents/agent-<id>.jsonl         a subagent's, with <same>.meta.json beside it
//! sessions/<pid>.json                                          each live process, whatever started it
//! jobs/<8 hex>/state.json                                      what runs in the background
//! daemon/roster.json                                           by which processes of the daemon's
//! ```
//!
//! One line of a transcript, cut:
//!
//! ```json
//! {"parentUuid":"7ad9…","message":{"id":"msg_…","model":"claude-sonnet-4-5","content":[{"type":"text","text":"…"}],
//!  "stop_reason":"end_turn","usage":{"input_tokens":1200,…}},"requestId":"req_…","type":"assistant",
//!  "timestamp":"2026-11-22T20:22:31.081Z","entrypoint":"sdk-cli","cwd":"/home/dev/work","gitBranch":"main",…}
//! ```
//!
//! What surprises: a slug cannot be turned back into a directory, so `cwd` is read from records. A model's answer is
//! one line for each of its parts, and each repeats the usage of the whole. A fork copies every record of its origin
//! into its own file; only what `/branch` copies says from where. The process does not hold its transcript open, but
//! registers itself; the registry outlives a `kill -9`, so a process is believed only with its start time, and the
//! session of a registered process changes in place with `/clear`. Only the interactive interface says whether it is
//! busy, and it registers only when the first questions (theme, login, trust) are answered: see `starting`. A process
//! with one prompt (`claude -p`) lives no longer than its turn, and its hooks, take. What names a session is written
//! again every 32 KB and at its end, the person's name for it before the agent's own title. A person's `/deploy prod`
//! that asks the model is written as tags that begin with `<command-message>`; the interface's own commands, which ask
//! nobody, begin with `<command-name>`. The daemon writes a job down seconds before it has a process for it, and holds
//! sessions ready that nobody has asked for yet. The key that opens the list of agents makes the session a job, which
//! is a copy; the live record of the interface stays as it was. An interface that is opened and left may leave a
//! transcript that says nothing at all.
//!
//! Not known: what older versions wrote beside this.

use std::path::{Path, PathBuf};

use super::files::{Beyond, Finder, Found, Rewritten, WentBack};
use super::{FileAgent, Watched};
use crate::base::AgentId;
use crate::env::Env;
use crate::protocol::lifecycle::AgentCard;
use crate::scope::Scope;

mod arguments;
mod asking;
mod background;
mod billing;
mod drive;
mod line;
mod live;
mod parse;
mod starting;
mod subagents;
mod turns;
mod usage;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("claude-code"),
        name: "Claude Code",
        binaries: &["claude"],
        seen_version: "2.1.197",
        live_signal: "its own registry of live processes, verified by their start times",
        blind_spots: "sessions run with --no-session-persistence while they are not live; cost; \
                      the tokens of calls that no transcript holds (titles, compactions); \
                      a name given in the middle of a long interactive session that has ended, where its version did not \
                      say it again; that a fork of a compacted conversation is one, whose calls after that count in both; \
                      that a session asks for a permission in an editor or in a program that drives it: \
                      it is told as running; \
                      for a watch, that a server of tools asks a person for something (MCP's elicitation), until something \
                      else is written; \
                      sessions of another store than headcount's (`CLAUDE_CONFIG_DIR`), which are seen as processes alone; \
                      that an interface shows the list of agents, once the session it handed over has ended",
    },
    roots,
    watched,
    find,
    head: 8 << 10,
    back_to: None,
    parse: parse::parse,
    beyond,
    ask: None,
    turns: turns::turns,
    went_back: WentBack::Branches(turns::link),
    beginning: None,
    driver: &drive::DRIVER,
};

fn roots(env: &Env) -> Vec<PathBuf> {
    vec![env.path_var("CLAUDE_CONFIG_DIR").unwrap_or_else(|| env.in_home(".claude"))]
}

fn watched(root: &Path) -> Vec<Watched> {
    let below = ["projects", "sessions", "jobs"].map(|it| Watched::all_below(root.join(it)));
    // Of the daemon's own only the roster tells.
    below.into_iter().chain([Watched::just(root.join("daemon"))]).collect()
}

fn find(finder: &mut Finder<'_>, root: &Path) {
    let is_session = |name: &str| name.strip_suffix(".jsonl").is_some_and(is_uuid);
    let is_subagent = |name: &str| {
        name.strip_prefix("agent-").is_some_and(|it| it.strip_suffix(".jsonl").is_some())
    };
    let projects = root.join("projects");
    for project in finder.take_from(&projects, |_| false) {
        let project = projects.join(project);
        for session in finder.take_from(&project, is_session) {
            if finder.wants_subagents() && is_uuid(&session) {
                finder.take_from(&project.join(session).join("subagents"), is_subagent);
            }
        }
    }
}

fn beyond(scope: &Scope, found: &Found) -> Beyond {
    let mut beyond = Beyond::default();
    let files = Rewritten::of(scope);
    live::observe(scope, found, &files, &mut beyond);
    subagents::name(scope, found, &files, &mut beyond);
    usage::count(scope, found, &mut beyond);
    beyond
}

/// Whether the text is a UUID as Claude Code writes it: the id of a session.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests;
