//! OpenCode's own server: what it says of the sessions that it serves, one directory at a time.
//!
//! ```text
//! GET /session/status?directory=/home/dev/work/a → {"ses_dfb15d5adffeFSSCwmpwPqKa5E":{"type":"busy"}}    idle ones are left out
//! GET /permission?directory=/home/dev/work/a     → [{"id":"per_…","sessionID":"ses_…","permission":"bash",…}]
//! GET /question?directory=/home/dev/work/a       → [{"id":"que_…","sessionID":"ses_…","questions":[…],…}]    not in older versions
//! POST /session/ses_…/abort?directory=…          → true    the turn ends as by a person's hand, and the server lives on
//! ```
//! All are of that process alone, and asking about a directory makes the server open it: only those are asked about
//! that it has been at work in ([`super::claims`]).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use futures_util::future::join3;
use serde::Deserialize;

use super::http::{self, ANSWER_WAIT, Unanswered};
use crate::adapters::evidence::{Activity, WaitingFor};
use crate::adapters::percent::encoded;
use crate::adapters::service::{Patience, Served, TurnEnd};
use crate::base::{AbsPath, SessionId};
use crate::protocol::session::{Problem, ProblemKind};

/// What a server says of sessions that are not idle.
pub(super) type Statuses = BTreeMap<SessionId, Activity>;

/// Asks about one directory.
pub(super) async fn ask(
    server: SocketAddr,
    directory: &AbsPath,
    patience: Duration,
) -> Result<Statuses, Problem> {
    let query = query(directory);
    let get = async |what: &str| http::get_json(server, &format!("{what}?{query}"), patience).await;
    let (busy, permissions, questions) =
        join3(get("/session/status"), get("/permission"), get("/question")).await;
    let say = |it: Unanswered| problem(server, &it);
    let unreadable = || problem(server, &Unanswered::NotJson);
    let mut statuses = parse_statuses(&busy.map_err(say)?).ok_or_else(unreadable)?;
    let questions = match questions {
        // A version that asks no questions, which answers with its web page or with nothing.
        Err(Unanswered::Status(404) | Unanswered::NotJson) => Vec::new(),
        answer => parse_pending(&answer.map_err(say)?).ok_or_else(unreadable)?,
    };
    let permissions = parse_pending(&permissions.map_err(say)?).ok_or_else(unreadable)?;
    let waiting = [(WaitingFor::Question, questions), (WaitingFor::Permission, permissions)];
    for (what, sessions) in waiting {
        for session in sessions {
            // Who waits is busy: what a turn asked that was aborted stays pending for ever.
            if let Some(activity) = statuses.get_mut(&session) {
                *activity = Activity::Waiting(what);
            }
        }
    }
    Ok(statuses)
}

/// Ends the turn of a session, and waits until the server says that it has ended.
pub(super) async fn abort(
    address: SocketAddr,
    directory: &AbsPath,
    served: &Served,
) -> Result<TurnEnd, Problem> {
    let session = &served.session;
    let is_at_work = async || {
        let statuses = ask(address, directory, ANSWER_WAIT).await?;
        Ok::<_, Problem>(statuses.get(session).is_some_and(|it| *it != Activity::Idle))
    };
    if !is_at_work().await? {
        return Ok(TurnEnd::NoTurn);
    }
    let session = encoded(session.as_str().as_bytes());
    let target = format!("/session/{session}/abort?{}", query(directory));
    http::post_json(address, &target).await.map_err(|it| problem(address, &it))?;
    let patience = Patience::of(served.within);
    while is_at_work().await? {
        if !patience.lasts().await {
            return Ok(TurnEnd::GoesOn);
        }
    }
    Ok(TurnEnd::Ended)
}

fn query(directory: &AbsPath) -> String {
    format!("directory={}", encoded(directory.as_path().as_os_str().as_bytes()))
}

fn problem(server: SocketAddr, why: &Unanswered) -> Problem {
    let kind = match why {
        Unanswered::Unreachable(_) => ProblemKind::Unreachable,
        Unanswered::TooSlow(_) => ProblemKind::TimedOut,
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

/// A permission or an answer that a session waits for.
#[derive(Deserialize)]
struct RawPending {
    #[serde(rename = "sessionID")]
    session_id: String,
}

fn parse_pending(json: &[u8]) -> Option<Vec<SessionId>> {
    let raw: Vec<RawPending> = serde_json::from_slice(json).ok()?;
    Some(raw.into_iter().filter_map(|it| SessionId::parse(&it.session_id)).collect())
}

#[cfg(test)]
mod tests;
