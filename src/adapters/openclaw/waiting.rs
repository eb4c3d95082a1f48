//! Which runs wait for a person: approvals that nobody has given yet, and questions without an answer.
//!
//! A row of `sessions.list` tells a run that waits as one that is at work. What it waits for stands in lists of their own:
//!
//! ```text
//! question.list        {} → {"questions":[{"id":"…","sessionKey":"agent:main:main","status":"pending",…}]}
//! exec.approval.list   {} → [{"id":"…","request":{"sessionKey":"agent:main:…","command":"touch x",…},…}]
//! plugin.approval.list {} → the same, of calls that a plugin has approved
//! ```
//!
//! To see what others are asked is for administrators. Whom a run can ask does not change by our looking: a client is
//! asked only if it says that it can approve.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Nothing;
use super::endpoint::Endpoint;
use super::wire::{Client, Right};
use crate::adapters::evidence::WaitingFor;
use crate::protocol::session::Problem;

/// The lists of approvals.
const APPROVALS: [&str; 2] = ["exec.approval.list", "plugin.approval.list"];

/// What is waited for in each session that waits, by its key.
pub(super) async fn ask(endpoint: &Endpoint) -> Result<BTreeMap<String, WaitingFor>, Problem> {
    let mut client = Client::connect(endpoint, Right::Administer).await?;
    let mut waiting = BTreeMap::new();
    let asked: Questions = client.call("question.list", &Nothing {}).await?;
    let questions = asked.questions.iter().filter_map(|it| serde_json::from_str(it.get()).ok());
    waiting.extend(questions.filter_map(Question::session).map(|it| (it, WaitingFor::Question)));
    for list in APPROVALS {
        let asked: Vec<Box<RawValue>> = client.call(list, &Nothing {}).await?;
        let approvals =
            asked.iter().filter_map(|it| serde_json::from_str::<Approval>(it.get()).ok());
        let sessions = approvals.filter_map(|it| it.request.session_key);
        waiting.extend(sessions.map(|it| (it, WaitingFor::Permission)));
    }
    Ok(waiting)
}

/// Whether an event tells that a run has begun, or ceased, to wait.
pub(super) fn is_told_by(event: &str, payload: &str) -> bool {
    match event {
        "question.requested" | "question.resolved" => true,
        // The approvals themselves are told to those that can give them, and to nobody else.
        "agent" => serde_json::from_str::<Step>(payload).is_ok_and(|it| it.is_about_approval()),
        _ => false,
    }
}

#[derive(Deserialize)]
struct Questions {
    questions: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    session_key: Option<String>,
    status: Option<String>,
}

impl Question {
    /// The session in which it is asked, while it has no answer.
    fn session(self) -> Option<String> {
        self.session_key.filter(|_| self.status.as_deref().is_none_or(|it| it == "pending"))
    }
}

#[derive(Deserialize)]
struct Approval {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    session_key: Option<String>,
}

/// A step of a run, as it is told while it happens.
#[derive(Deserialize)]
struct Step {
    stream: Option<String>,
    data: Option<StepData>,
}

#[derive(Deserialize)]
struct StepData {
    phase: Option<String>,
}

impl Step {
    fn is_about_approval(&self) -> bool {
        let phase = self.data.as_ref().and_then(|it| it.phase.as_deref());
        match self.stream.as_deref() {
            Some("approval") => true,
            Some("lifecycle") => phase == Some("waiting-approval"),
            _ => false,
        }
    }
}
