//! OpenCode: one database of all sessions, no record of what is alive but the processes themselves.
//!
//! Seen with 1.18.33, 1.2.27 and 1.1.65 on Linux.
//!
//! - **Store.** `$XDG_DATA_HOME/opencode/opencode.db` (`opencode-<channel>.db` for other release channels; `OPENCODE_DB`
//!   moves it). In WAL mode: for hours everything is in `-wal` and the database itself is 4096 bytes. Up to 1.1
//!   `storage/` beside it held one JSON file for each session, message and part; neither holds all of the other, and
//!   where both hold a session the database is right ([`database`], [`legacy`], [`message`]).
//! - **A session's row**: `{"id":"ses_dfb15d5adffeFSSCwmpwPqKa5E","parent_id":null,"directory":"/home/dev/work/a",
//!   "title":"Mock title","cost":0.00357,"tokens_input":1000,"tokens_output":30,"time_created":1795378784851,…}`
//! - **The turn** is in progress while the newest message has no `time.completed`, or has `finish: "tool-calls"` or `"unknown"`.
//!   Nothing is written while text streams, and nothing at all by a process that is killed: only the processes tell
//!   an unfinished turn from a dead one ([`process`]).
//! - **Which session** a process serves is known where its arguments name it or its own server says it ([`server`]); the
//!   log tells where each process has worked ([`log`]); otherwise directory and times speak (`pairing`).
//! - **A fork** is a session of its own, which begins with copies of its source's messages: older than itself, and with
//!   the tokens that its source spent. It does not say whose fork it is.
//!
//! - **That a person is asked** is not recorded. Commands and changes of files show it by what they have not written yet
//!   ([`message`]); of other tools the log tells that one asked, and never the answer. While the question stands, nothing is
//!   drawn on the terminal; while a tool works, a bar moves on it. What subagents do is drawn beside their questions: of
//!   those, that nobody has typed since tells that there is no answer.
//!
//! Not known: which session the terminal interface shows before anything is said in it; that a server behind a password
//! waits for approval of a tool that may also take long; the branch; whose fork a session is; the even older layout
//! `project/<name>/storage`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};

use self::claims::Answers;
use self::http::ANSWER_WAIT;
use self::log::Log;
use self::process::Agent;
use self::stored::Stored;
use super::drive::{Driver, Launched};
use super::evidence::{Claim, Record, Sighting, Survey, problem_at};
use super::service::{Served, TurnEnd};
use super::{Adapter, Peeked, Watched};
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::offload::blocking;
use crate::protocol::lifecycle::AgentCard;
use crate::protocol::session::{Problem, ProblemKind, Source, Usage};
use crate::scope::{Interest, Scope, UsageWanted};

mod claims;
mod database;
mod drive;
pub mod http;
mod legacy;
mod log;
pub mod message;
mod process;
mod server;
mod stored;

/// OpenCode.
pub(super) struct OpenCode {
    card: AgentCard,
}

pub(super) static ADAPTER: OpenCode = OpenCode {
    card: AgentCard {
        id: AgentId::of("opencode"),
        name: "OpenCode",
        binaries: &["opencode"],
        seen_version: "1.18.33",
        live_signal: "processes that hold the database open; the agent's own server, where one listens; its log; whether \
                      its terminal is drawn on",
        blind_spots: "which of several sessions in one directory a process serves, where neither its arguments, nor its \
                      server, nor the log say so; which of its sessions whose turns have ended a terminal shows: the one \
                      that it worked in last is told; approvals that a server behind a password waits for of tools that \
                      may take long, as those of MCP servers; for a watch, that one was given to a server, until \
                      something is written; that a subagent's was given within 8 seconds of other keys; \
                      sessions in another store than headcount's (`OPENCODE_DB`, `XDG_DATA_HOME`), \
                      which are seen as processes alone",
    },
};

impl Adapter for OpenCode {
    fn card(&self) -> &AgentCard {
        &self.card
    }

    fn stores(&self, env: &Env) -> Vec<PathBuf> {
        let named = env.var("OPENCODE_DB").map(|it| data_dir(env).join(it));
        std::iter::once(data_dir(env)).chain(named).collect()
    }

    /// Not `log/` and `snapshot/`, where more happens than in the sessions, nor `part/`, a directory for each message.
    fn watched(&self, env: &Env) -> Vec<Watched> {
        let data = data_dir(env);
        let storage = data.join("storage");
        let named = env.var("OPENCODE_DB").and_then(|it| Some(data.join(it).parent()?.to_owned()));
        let mut watched: Vec<_> = named.map(Watched::just).into_iter().collect();
        watched.extend(["session", "message"].map(|it| Watched::all_below(storage.join(it))));
        watched.push(Watched::just(data));
        watched
    }

    fn driver(&self) -> &'static Driver {
        &drive::DRIVER
    }

    fn survey(&'static self, scope: Scope) -> BoxFuture<'static, Survey> {
        async move {
            let look = {
                let scope = scope.clone();
                blocking(move || Look::at(&scope)).await
            };
            look.conclude(&scope).await
        }
        .boxed()
    }

    fn peek(
        &'static self,
        scope: Scope,
        record: Arc<Record>,
        turns: usize,
    ) -> Option<BoxFuture<'static, Result<Peeked, Problem>>> {
        let path = record.path.clone()?;
        Some(blocking(move || peek(&scope, &record, &path, turns)).boxed())
    }
}

/// Where all is: databases, older files and logs.
fn data_dir(env: &Env) -> PathBuf {
    env.data_home().join("opencode")
}

/// What the stores hold, and who works for them.
#[derive(Debug, Default)]
struct Look {
    is_present: bool,
    sessions: Vec<Stored>,
    counted: Vec<Sighting>,
    agents: Vec<Agent>,
    elsewhere: Vec<Claim>,
    log: Arc<Log>,
    problems: Vec<Problem>,
}

impl Look {
    fn at(scope: &Scope) -> Self {
        let mut look = Self::default();
        let data = data_dir(&scope.env);
        look.is_present = data.is_dir();
        let databases = databases(scope, &data, &mut look.problems);
        for path in &databases {
            look.read_database(scope, path);
        }
        look.read_older_files(scope, &data.join("storage"));
        let process::Agents { here, elsewhere } = process::find(scope, &data, &databases);
        (look.agents, look.elsewhere) = (here, elsewhere);
        if !look.agents.is_empty() {
            look.log = Log::read(scope, &data);
        }
        look
    }

    fn read_older_files(&mut self, scope: &Scope, storage: &Path) {
        let known: BTreeSet<SessionId> =
            self.sessions.iter().map(|it| it.record.session.clone()).collect();
        let legacy = legacy::sessions(scope, storage, &known, &mut self.problems);
        for it in &legacy {
            if it.record.is_to_count(&scope.interest) {
                let session = &it.record.session;
                let usage = legacy::usage(scope, storage, &it.record, &mut self.problems);
                self.counted.extend(
                    usage.map(|usage| Sighting::Counted { session: session.clone(), usage }),
                );
            }
        }
        self.sessions.extend(legacy);
    }

    fn read_database(&mut self, scope: &Scope, path: &Path) {
        let listing = match database::sessions(scope, path) {
            Ok(Some(listing)) => listing,
            Ok(None) => return,
            Err(problem) => return self.problems.push(problem),
        };
        self.is_present = true;
        self.problems.extend(listing.problems.iter().cloned());
        self.sessions.extend(listing.sessions.iter().cloned());
        if scope.interest.usage == UsageWanted::None {
            return;
        }
        let wanted = listing.sessions.iter().filter(|it| it.record.is_to_count(&scope.interest));
        let (told, untold): (Vec<_>, Vec<_>) = wanted.partition(|it| it.usage.is_some());
        let mut count = |it: &Stored, usage: Option<&Usage>| {
            let session = it.record.session.clone();
            let usage = usage.cloned();
            self.counted.extend(usage.map(|usage| Sighting::Counted { session, usage }));
        };
        for it in told {
            count(it, it.usage.as_ref());
        }
        if untold.is_empty() {
            return;
        }
        match database::usage(scope, path) {
            Ok(sums) => {
                let sums: BTreeMap<_, _> =
                    sums.iter().flat_map(|it| it.iter()).map(|(id, usage)| (id, usage)).collect();
                for it in untold {
                    count(it, sums.get(&it.record.session).copied());
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    async fn conclude(mut self, scope: &Scope) -> Survey {
        if !self.is_present && self.problems.is_empty() && self.elsewhere.is_empty() {
            return Survey::absent();
        }
        let answers = self.ask_servers(scope.patience(ANSWER_WAIT)).await;
        let claims = claims::conclude(&self.agents, &self.sessions, &answers, &self.log, scope.now);
        let records = claims::records(&self.sessions, &self.agents, &claims, &self.log, scope.now);
        let recorded = records.into_iter().map(Sighting::Recorded);
        let claimed = claims.into_iter().chain(self.elsewhere).map(Sighting::Claimed);
        Survey::of(recorded.chain(claimed).chain(self.counted).collect(), self.problems)
    }

    /// Asks all servers at once. One that does not answer counts as a process like any other.
    async fn ask_servers(&mut self, patience: Duration) -> Answers {
        let mut questions = Vec::new();
        for agent in &self.agents {
            let Some(address) = agent.server else { continue };
            let process = agent.live.process;
            let directories = claims::directories(
                agent,
                &self.agents,
                &self.sessions,
                &self.log,
                &mut self.problems,
            );
            let ask =
                |it: AbsPath| async move { (process, server::ask(address, &it, patience).await) };
            questions.extend(directories.into_iter().map(ask));
        }
        let mut answers = Answers::new();
        for (process, answer) in join_all(questions).await {
            match answer {
                Ok(statuses) => answers.entry(process).or_default().extend(statuses),
                // It is the same for each directory.
                Err(problem) if self.problems.contains(&problem) => {}
                Err(problem) => self.problems.push(problem),
            }
        }
        answers
    }
}

/// The databases: `opencode.db`, those of other release channels, and the one that is named.
fn databases(scope: &Scope, data: &Path, problems: &mut Vec<Problem>) -> BTreeSet<PathBuf> {
    let is_database = |name: &str| {
        name.strip_prefix("opencode").is_some_and(|it| it.strip_suffix(".db").is_some())
    };
    let mut found = BTreeSet::new();
    match std::fs::read_dir(data) {
        Ok(entries) => {
            let names = entries.filter_map(|it| it.ok()?.file_name().into_string().ok());
            found.extend(names.filter(|it| is_database(it)).map(|it| data.join(it)));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            problems.push(problem_at(ProblemKind::Unreadable, data, error.to_string()));
        }
    }
    found.extend(scope.env.var("OPENCODE_DB").map(|it| data.join(it)));
    found
}

/// The session that a launch began, where the store leaves no doubt: of the launch's directory and time, and asked
/// what the launch asked. OpenCode itself tells the id with the model's first bytes, which may take minutes.
fn launched(env: &Env, launched: &Launched<'_>) -> Option<SessionId> {
    let scope = Scope::of_stores(Arc::new(env.clone()), Arc::default(), Interest::SESSIONS);
    let mut begun = Vec::new();
    for path in databases(&scope, &data_dir(env), &mut Vec::new()) {
        // Not there yet, or not to be read now: the next look may see more.
        begun.extend(
            database::begun(&scope, &path, launched.cwd, launched.since).unwrap_or_default(),
        );
    }
    let asked = launched.prompt.trim();
    begun.retain(|(_, prompt)| prompt.as_deref().map(str::trim) == Some(asked));
    let is_certain = begun.len() == 1;
    begun.pop().filter(|_| is_certain).map(|(session, _)| session)
}

/// Asks the server that serves a session to end its turn: the process that owns it, where it listens without a password.
fn end_turn(scope: Scope, served: Served) -> BoxFuture<'static, Result<TurnEnd, Problem>> {
    async move {
        let directory = served.record.as_ref().and_then(|it| it.cwd.clone());
        let owner = served.owner;
        let address = blocking(move || server_of(&scope, owner?)).await;
        let Some((address, directory)) = address.zip(directory) else {
            return Ok(TurnEnd::NoService);
        };
        server::abort(address, &directory, &served).await
    }
    .boxed()
}

fn server_of(scope: &Scope, process: ProcessRef) -> Option<SocketAddr> {
    let data = data_dir(&scope.env);
    // What of them cannot be read was a problem of the survey that found the session.
    let databases = databases(scope, &data, &mut Vec::new());
    let agents = process::find(scope, &data, &databases);
    agents.here.into_iter().find(|it| it.live.process == process)?.server
}

fn peek(scope: &Scope, record: &Record, path: &Path, turns: usize) -> Result<Peeked, Problem> {
    match (record.source, legacy::storage_of(path)) {
        (Source::Transcript, Some(storage)) => legacy::peek(scope, storage, &record.session, turns),
        _ => database::peek(scope, path, &record.session, turns),
    }
}

#[cfg(test)]
mod tests;
