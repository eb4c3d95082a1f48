//! `pi_agent_rust`: Pi's transcripts in Pi's folders, and processes that say what they were started with.
//!
//! Seen: 0.8.0 on Linux, in `--mode json`, `--mode rpc` and its terminal interface.
//!
//! - Store: Pi's ([`super::pi`]), and `PI_SESSIONS_DIR`. A file is `2026-11-22T20-57-27.240Z_10a9f8b7.jsonl`: a dot before the
//!   milliseconds, and 8 characters of the id, which stands whole in the header.
//! - Beside it lies an empty `….jsonl.lock` for ever, and at the root a `session-index.sqlite` that holds nothing of its own
//!   ([`index`]). Where the settings ask for it, each session is a `….sqlite` instead ([`databases`]).
//! - Read in its source and not seen: `….v2/` with parts of sessions, which are none themselves.
//! - The user's message is on disk before the model answers; answers and results come late, in groups.
//! - An error of the model's service leaves no trace but a turn without an end.
//! - Processes: named `pi` and run by no other program; arguments stay. `pi -p` alone keeps no session at all.
//!
//! ```json
//! {"type":"session","version":3,"id":"10a9f8b7-…","timestamp":"…","cwd":"/home/dev/work/c","provider":"mock","modelId":"mock-1"}
//! {"id":"8b3162ff","message":{"content":"hello","role":"user","timestamp":1795381047238},"parentId":"72b7ff13","timestamp":"…","type":"message"}
//! ```
//!
//! A fork's header names the file of its source (`branchedFrom`), whose own header tells the id; a fork made in a database
//! is not known.

use std::path::Path;

use super::Watched;
use super::evidence::{Claim, Sighting};
use super::files::{Beyond, FileAgent, Found, WentBack};
use super::live::{self, Store};
use super::pairing::{self, Candidate, Live};
use super::pi::{self, beyond, store, transcript};
use crate::base::{AgentId, SessionId};
use crate::procs::Process;
use crate::protocol::lifecycle::AgentCard;
use crate::scope::Scope;

mod databases;
mod drive;
mod index;

pub static ADAPTER: FileAgent = FileAgent {
    card: AgentCard {
        id: AgentId::of("pi-rust"),
        name: "pi_agent_rust",
        binaries: &["pi-rust", "pi"],
        seen_version: "0.8.0",
        live_signal: "a live process that names the session, or that is in its directory and may have touched it",
        blind_spots: "that it waits for an approval; what the model's service answered when it failed; \
                      the turns of sessions kept in databases, and which of them are forks",
    },
    roots: store::roots,
    watched: |root| vec![Watched::all_below(root.to_owned())],
    find: |finder, root| store::find(finder, root, store::Kin::PiRust),
    head: pi::HEAD,
    back_to: None,
    parse: transcript::parse,
    beyond: |scope, found| {
        let mut beyond = Beyond::default();
        databases::observe(scope, found, &mut beyond);
        // Before names and sources are told, with which a session is there twice.
        let claims = claims(scope, found, &beyond.sightings);
        let unnamed = index::names(scope, found, &mut beyond);
        beyond::names(scope, unnamed, &mut beyond);
        beyond::sources(found, &mut beyond);
        beyond::usage(scope, found, &mut beyond);
        beyond.sightings.extend(claims.into_iter().map(Sighting::Claimed));
        beyond
    },
    ask: None,
    turns: transcript::turns,
    went_back: WentBack::Branches(transcript::link),
    beginning: None,
    driver: &drive::DRIVER,
};

fn claims(scope: &Scope, found: &Found, in_databases: &[Sighting]) -> Vec<Claim> {
    let mut live = Vec::new();
    let mut claims = Vec::new();
    for process in scope.processes.iter().filter(|it| is_pi_rust(scope, it)) {
        let store = Store::of(scope, process.identity, store::roots);
        if store == Store::NotOurs {
            continue;
        }
        let arguments = Arguments(scope.processes.arguments(process.identity).to_vec());
        let seen = live::observe(scope, process, arguments.session(scope, process, found));
        let seen = Live {
            is_interactive: seen.is_interactive && !arguments.is_headless(),
            is_one_shot: arguments.has(&["-p", "--print"]),
            ..seen
        };
        if store == Store::Here && arguments.keeps_sessions_of(found) {
            live.push(seen);
        } else {
            claims.push(live::away(process.identity, seen.cwd, !seen.is_interactive));
        }
    }
    let in_databases = in_databases.iter().filter_map(Sighting::record);
    let records = found.transcripts.iter().map(|it| &it.record).chain(in_databases);
    claims.extend(pairing::pair(&live, records.filter_map(|it| Candidate::of(it))));
    claims
}

/// Whether the process is `pi_agent_rust`: the program itself, by the name that cargo gives it.
fn is_pi_rust(scope: &Scope, process: &Process) -> bool {
    let is_named_so = |path: &Path| path.file_name().is_some_and(|it| it == &*process.comm);
    matches!(process.comm.as_str(), "pi" | "pi-rust")
        && scope.processes.exe(process.identity).is_some_and(|it| is_named_so(&it))
}

/// What a process was started with.
struct Arguments(Vec<String>);

impl Arguments {
    /// The session whose transcript is named.
    fn session(&self, scope: &Scope, process: &Process, found: &Found) -> Option<SessionId> {
        let named = Path::new(self.value("--session")?);
        let path = scope.processes.cwd(process.identity)?.join(named);
        let transcript = found.transcripts.iter().find(|it| it.path == path)?;
        Some(transcript.record.session.clone())
    }

    fn is_headless(&self) -> bool {
        self.has(&["-p", "--print", "--mode", "--rpc"])
    }

    /// Whether the process keeps its session, and in a place that was looked at.
    fn keeps_sessions_of(&self, found: &Found) -> bool {
        if let Some(dir) = self.value("--session-dir") {
            return found.roots.iter().any(|it| it == Path::new(dir));
        }
        let is_persistent = self.has(&["--session", "-c", "--continue", "-r", "--resume"]);
        !self.has(&["--no-session"]) && (is_persistent || !self.has(&["-p", "--print"]))
    }

    fn has(&self, flags: &[&str]) -> bool {
        flags.iter().any(|flag| self.0.iter().any(|it| it == flag) || self.value(flag).is_some())
    }

    /// What follows a flag, behind a space or `=`.
    fn value(&self, flag: &str) -> Option<&str> {
        let mut arguments = self.0.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(flag) {
                Some("") => return arguments.next().map(String::as_str),
                Some(rest) if rest.starts_with('=') => return Some(&rest[1..]),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
