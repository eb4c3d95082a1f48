//! Whether a server of tools asks a person for something (MCP's elicitation): the session says that it is busy then, and
//! only the log that Claude Code keeps of the server tells, a second later (2.1.197).
//!
//! ```text
//! ~/.cache/claude-cli-nodejs/<project>/mcp-logs-<server>/2026-11-28T18-32-55-627Z.jsonl     a file for each process
//! ```
//!
//! ```json
//! {"debug":"Received elicitation request: {…}","timestamp":"2026-11-28T18:32:56.692Z","sessionId":"4dcd…","cwd":"/home/dev/work"}
//! {"debug":"Elicitation response: {\"action\":\"accept\",…}","timestamp":"…","sessionId":"4dcd…","cwd":"/home/dev/work"}
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::starting::project;
use crate::adapters::files::{names_in, open_regular, read_end};
use crate::adapters::jsonl::{self, Text};
use crate::base::{SessionId, Timestamp};
use crate::memo::FileStamp;
use crate::scope::Scope;

/// What the directories of logs are called, before the server's name.
const LOGS: &str = "mcp-logs-";
/// Most servers of a project, and most logs of a server: both are a few, and the logs of a month.
const ENTRIES_MAX: usize = 2_000;
/// Bytes read of the end of a log: what a person is asked is the last that happens there.
const READ_MAX: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(default, borrow)]
    debug: Text<'a>,
    #[serde(default, borrow)]
    timestamp: Text<'a>,
    #[serde(default, borrow)]
    session_id: Text<'a>,
}

/// Whether a server asks for something on behalf of a session, which works in that directory and is busy since that time.
/// A log only adds to what else is known: one that cannot be read tells nothing.
pub(super) fn is_asked(scope: &Scope, cwd: &Path, session: &SessionId, busy: Timestamp) -> bool {
    let cache = scope.env.path_var("XDG_CACHE_HOME");
    let cache = cache.unwrap_or_else(|| scope.env.in_home(".cache"));
    let logs = cache.join("claude-cli-nodejs").join(project(cwd));
    let mut servers = names(&logs, |it| it.starts_with(LOGS));
    servers.any(|it| is_asked_by(&logs.join(it), session, busy))
}

fn is_asked_by(server: &Path, session: &SessionId, busy: Timestamp) -> bool {
    let logs = names(server, |it| it.strip_suffix(".jsonl").is_some()).map(|it| server.join(it));
    let is_recent = |it: &PathBuf| {
        let written = it.metadata().map(|it| FileStamp::of(&it).modified_millis());
        written.is_ok_and(|it| it >= busy.as_millis())
    };
    logs.filter(is_recent).any(|it| end_of(&it).is_ok_and(|it| is_open(&it, session, busy)))
}

fn names(dir: &Path, is_wanted: fn(&str) -> bool) -> impl Iterator<Item = String> {
    names_in(dir, ENTRIES_MAX, &mut Vec::new()).into_iter().filter(move |it| is_wanted(it))
}

fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let (file, meta) = open_regular(path)?;
    read_end(file, meta.len(), READ_MAX)
}

/// Whether one of the questions of that time has no answer.
fn is_open(log: &[u8], session: &SessionId, busy: Timestamp) -> bool {
    let mut answers = 0_usize;
    for line in log.rsplit(|it| *it == b'\n').filter_map(jsonl::record::<Line<'_>>) {
        let is_of_turn = Timestamp::parse(&line.timestamp).is_some_and(|it| it >= busy);
        if !is_of_turn || line.session_id.get() != session.as_str() {
            continue;
        }
        if line.debug.starts_with("Elicitation response") {
            answers += 1;
        } else if line.debug.starts_with("Received elicitation request") {
            match answers.checked_sub(1) {
                Some(left) => answers = left,
                None => return true,
            }
        }
    }
    false
}
