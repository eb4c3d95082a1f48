//! What the server counts of itself while it runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::protocol::server::Calls;
use crate::protocol::session::{AgentReport, Tally};
use crate::reconcile::Row;

/// Counts since the server started.
#[derive(Debug)]
pub(super) struct Counters {
    started: Instant,
    requests: Mutex<BTreeMap<&'static str, Calls>>,
    sessions: Mutex<Tally>,
}

impl Default for Counters {
    fn default() -> Self {
        Self { started: Instant::now(), requests: Mutex::default(), sessions: Mutex::default() }
    }
}

impl Counters {
    /// A request was answered.
    pub(super) fn answered(&self, method: &'static str, has_failed: bool) {
        let mut requests = locked(&self.requests);
        let calls = requests.entry(method).or_default();
        calls.answered += 1;
        calls.failed += u64::from(has_failed);
    }

    /// The sessions of these agents were looked at.
    pub(super) fn saw(&self, reports: &[AgentReport], rows: &[Row]) {
        let mut tally = locked(&self.sessions);
        for report in reports {
            tally.remove(&report.agent);
        }
        for session in rows.iter().map(|it| &it.session) {
            *tally.entry(session.agent.clone()).or_default().entry(session.status).or_default() +=
                1;
        }
    }

    pub(super) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn requests(&self) -> BTreeMap<String, Calls> {
        locked(&self.requests).iter().map(|(method, calls)| ((*method).into(), *calls)).collect()
    }

    pub(super) fn sessions(&self) -> Tally {
        locked(&self.sessions).clone()
    }
}

fn locked<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
