//! OpenCode's own server: what it says of the sessions that it serves, one directory at a time.
//!
//! ```text
//! GET /session/status?directory=/home/dev/work/a → {"ses_dfb15d5adffeFSSCwmpwPqKa5E":{"type":"busy"}}    idle ones are left out
//! GET /permission?directory=/home/dev/work/a     → [{"id":"per_…","sessionID":"ses_…","permission":"bash",…}]
//! ```
//! Both are of that process alone, and asking about a directory makes the server open it: only those are asked about
//! that it has been at work in ([`super::claims`]).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;

use serde::Deserialize;

use super::http::{self, Unanswered};
use crate::adapters::evidence::{Activity, WaitingFor};
use crate::base::{AbsPath, SessionId};
use crate::protocol::session::{Problem, ProblemKind};

/// What a server says of sessions that are not idle.
pub(super) type Statuses = BTreeMap<SessionId, Activity>;

/// Asks about one directory.
pub(super) async fn ask(server: SocketAddr, directory: &AbsPath) -> Result<Statuses, Problem> {
    let query = query(directory);
    let (busy, pending) = futures_util::future::join(
        http::get_json(server, &format!("/session/status?{query}")),
        http::get_json(server, &format!("/permission?{query}")),
    )
    .await;
    let say = |it: Unanswered| problem(server, &it);
    let unreadable = || problem(server, &Unanswered::NotJson);
    let mut statuses = parse_statuses(&busy.map_err(say)?).ok_or_else(unreadable)?;
    let pending = parse_permissions(&pending.map_err(say)?).ok_or_else(unreadable)?;
    statuses.extend(pending.into_iter().map(|it| (it, Activity::Waiting(WaitingFor::Permission))));
    Ok(statuses)
}

fn query(directory: &AbsPath) -> String {
    let mut query = String::from("directory=");
    for byte in directory.as_path().as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                query.push(char::from(*byte));
            }
            _ => write!(query, "%{byte:02X}").expect("a string takes all that is written to it"),
        }
    }
    query
}

fn problem(server: SocketAddr, why: &Unanswered) -> Problem {
    let kind = match why {
        Unanswered::Unreachable(_) => ProblemKind::Unreachable,
        Unanswered::TooSlow => ProblemKind::TimedOut,
        Unanswered::TooLong => ProblemKind::TooLarge,
        Unanswered::Status(401 | 403) => ProblemKind::Auth,
        Unanswered::NotHttp | Unanswered::NotJson | Unanswered::Status(_) => ProblemKind::Protocol,
    };
    Problem { kind, message: format!("the server at {server}: {why}"), path: None, line: None }
}

#[derive(Deserialize)]
struct RawStatus {
    #[serde(rename = "type")]
    kind: String,
}

fn parse_statuses(json: &[u8]) -> Option<Statuses> {
    let raw: BTreeMap<String, RawStatus> = serde_json::from_slice(json).ok()?;
    let activity = |kind: String| match &*kind {
        // A step that failed is tried again.
        "busy" | "retry" => Activity::Busy,
        "idle" => Activity::Idle,
        _ => Activity::Unrecognised(kind),
    };
    let known =
        raw.into_iter().filter_map(|(id, it)| Some((SessionId::parse(&id)?, activity(it.kind))));
    Some(known.collect())
}

#[derive(Deserialize)]
struct RawPermission {
    #[serde(rename = "sessionID")]
    session_id: String,
}

fn parse_permissions(json: &[u8]) -> Option<Vec<SessionId>> {
    let raw: Vec<RawPermission> = serde_json::from_slice(json).ok()?;
    Some(raw.into_iter().filter_map(|it| SessionId::parse(&it.session_id)).collect())
}

#[cfg(test)]
mod tests;
