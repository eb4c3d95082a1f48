//! Codex: rollouts below `$CODEX_HOME`, thread locks in the kernel, and an index that knows the names.
//!
//! Seen: 0.169.0, and 0.98.0 as the older shape of the records. In `$CODEX_HOME`, else `~/.codex`:
//!
//! ```text
//! sessions/YYYY/MM/DD/rollout-<local time>-<thread id>.jsonl   a thread each; subagents have their own
//! sessions/YYYY/MM/DD/rollout-<…>-<thread id>_<own id>.jsonl   where one goes on that was rewound
//! archived_sessions/rollout-….jsonl                            where `codex archive` moves them
//! thread-writer-locks/<thread id>.lock                         empty; flocked by the process that owns the thread
//! state_5.sqlite, session_index.jsonl                          an index and the names given by hand; see `names`
//! ```
//!
//! The first line is some 22 KB, since the whole system prompt is in it; then one record a line:
//!
//! ```json
//! {"timestamp":"2026-11-22T20:22:33.014Z","ordinal":13,"type":"event_msg","payload":{"type":"task_complete",
//!  "turn_id":"01a204ec-…","last_agent_message":"…","completed_at":1795378953}}
//! ```
//!
//! - A thread is known by its `id`. `session_id` is the id of the *root* thread, in a subagent's file too.
//! - 0.169.0 states how each turn begins and ends. 0.98.0 states neither: see `rollout`.
//! - Who owns a thread is the holder of its lock: `codex exec`, a terminal interface that runs alone, or the
//!   daemon that serves all the others, whose one process then owns many threads. See `live`.
//! - A thread that was rewound goes on in a rollout of its own, as a fork does: both name whose beginning is their history,
//!   and what was abandoned stays where it was. See `history`, and `rolled_back` for older versions.
//! - Tokens are cumulative over resumes, and a fork's include what its parent had spent. See `usage`.
//!
//! Not known: rollouts compressed as `.jsonl.zst` (a feature that is off), whether 0.98.0 keeps a rollout open while it
//! runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::names::Names;
use super::Watched;
use super::evidence::{Record, Sighting, TurnState};
use super::files::{Beyond, EntryKind, FileAgent, Finder, Found, WentBack};
use crate::base::{AgentId, SessionId};
use crate::env::Env;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::Certainty;
use crate::scope::Scope;

mod billing;
mod daemon;
mod drive;
mod history;
mod line;
mod live;
mod names;
mod rolled_back;
mod rollout;
mod turns;
mod usage;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("codex"),
        name: "Codex",
        binaries: &["codex"],
        seen_version: "0.169.0",
        live_signal: "the kernel's lock on the thread's lock file; its daemon's word, where one listens",
        blind_spots: "without the daemon, that it waits for an approval is inferred, and only for patches and for \
                      commands that ask to leave the sandbox; \
                      whether a server of tools asks for an approval or for something else (MCP's elicitation); \
                      when an approval was given, until the daemon is asked again; \
                      that a plan was declined, until something is said or the mode is left; \
                      compressed rollouts; \
                      sessions without records (`--ephemeral`), or with their records in another store than headcount's \
                      (`CODEX_HOME`), are seen as processes alone; \
                      an interface at its first question while the daemon runs",
    },
    roots,
    watched,
    find,
    head: HEAD,
    back_to: Some("\"turn_context\""),
    parse: rollout::parse,
    beyond,
    ask: Some(daemon::ask),
    turns: turns::turns,
    went_back: WentBack::Counted(rolled_back::COUNTED),
    beginning: Some(history::beginning),
    driver: &drive::DRIVER,
};

/// The first line's 22 KB, and what comes before the first prompt.
const HEAD: usize = 28 << 10;

/// Where put-away threads are; the path says that a thread is archived.
const ARCHIVE: &str = "archived_sessions";

fn roots(env: &Env) -> Vec<PathBuf> {
    vec![env.path_var("CODEX_HOME").unwrap_or_else(|| env.in_home(".codex"))]
}

fn watched(root: &Path) -> Vec<Watched> {
    let folders =
        ["sessions", ARCHIVE, "thread-writer-locks"].map(|it| Watched::all_below(root.join(it)));
    // The index and its log lie in the root itself.
    folders.into_iter().chain([Watched::just(root.to_owned())]).collect()
}

fn find(finder: &mut Finder<'_>, root: &Path) {
    for dir in folders(finder, root) {
        finder.take_from(&dir, |name| rollout::Name::of(name).is_some());
    }
}

/// Where rollouts are.
fn folders(finder: &mut Finder<'_>, root: &Path) -> Vec<PathBuf> {
    let mut days = vec![root.join("sessions")];
    // Years, months, days. Nothing else is looked into: a link could lead back to where it stands, again and again.
    for digits in [4, 2, 2] {
        let mut below = Vec::new();
        for dir in days {
            let entries = finder.entries(&dir);
            let dated = |(name, kind): (String, EntryKind)| {
                let is_date = name.len() == digits && name.bytes().all(|it| it.is_ascii_digit());
                (is_date && kind == EntryKind::Directory).then(|| dir.join(name))
            };
            below.extend(entries.into_iter().filter_map(dated));
        }
        days = below;
    }
    days.push(root.join(ARCHIVE));
    days
}

fn beyond(scope: &Scope, found: &Found) -> Beyond {
    let mut beyond = Beyond::default();
    let live = live::observe(scope, found, &mut beyond.problems);
    for root in &found.roots {
        let names = names::read(scope, root, &mut beyond.problems);
        let below = found.transcripts.iter().filter(|it| it.path.starts_with(root));
        let amended = below.filter_map(|it| amended(&it.record, &names, &live.run_a_tool));
        beyond.sightings.extend(amended.map(|it| Sighting::Recorded(Arc::new(it))));
    }
    beyond.sightings.extend(live.claims.into_iter().map(Sighting::Claimed));
    usage::observe(scope, found, &mut beyond);
    beyond
}

/// A thread's record with what its rollout does not say; nothing where that is all.
fn amended(record: &Record, names: &Names, run_a_tool: &BTreeSet<SessionId>) -> Option<Record> {
    let entry = names.entry(&record.session);
    let title = names.title(&record.session).filter(|_| record.title.is_none());
    let branch = entry.and_then(|it| it.branch.as_ref()).filter(|_| record.branch.is_none());
    let is_put_away = !record.is_archived && entry.is_some_and(|it| it.is_archived);
    // The question was answered, or there was none: the records do not show that before the tool ends.
    let runs = run_a_tool.contains(&record.session);
    if title.is_none() && branch.is_none() && !is_put_away && !runs {
        return None;
    }
    Some(Record {
        title: title.or(record.title.as_ref()).cloned(),
        branch: branch.or(record.branch.as_ref()).cloned(),
        is_archived: record.is_archived || is_put_away,
        turn: if runs { TurnState::InProgress } else { record.turn.clone() },
        // What runs beside a question may have been started by an earlier call.
        certainty: if runs && record.turn == TurnState::InProgress {
            Certainty::Asserted
        } else {
            record.certainty
        },
        ..record.clone()
    })
}

#[cfg(test)]
mod tests;
