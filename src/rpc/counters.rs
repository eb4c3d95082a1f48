//! What the server counts of itself while it runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::App;
use crate::protocol::server::{Bucket, Calls, Latency};
use crate::protocol::session::{AgentReport, Tally};
use crate::reconcile::Row;

/// The bounds of latencies, in milliseconds: from a list of a small store to twice an adapter's deadline.
const BOUNDS_MS: [u64; 11] = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

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
        let requests = locked(&self.requests);
        requests.iter().map(|(method, calls)| ((*method).into(), calls.clone())).collect()
    }

    pub(super) fn sessions(&self) -> Tally {
        locked(&self.sessions).clone()
    }
}

/// One request under way. Dropped before it is answered, it counts as cancelled.
pub(super) struct Timed {
    app: Arc<App>,
    method: &'static str,
    started: Instant,
    is_answered: bool,
}

impl Timed {
    pub(super) fn begin(app: Arc<App>, method: &'static str) -> Self {
        Self { app, method, started: Instant::now(), is_answered: false }
    }

    pub(super) fn answered(mut self, has_failed: bool) {
        self.is_answered = true;
        let took = self.started.elapsed();
        let mut requests = locked(&self.app.counters.requests);
        requests.entry(self.method).or_default().answer(took, has_failed);
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if !self.is_answered {
            locked(&self.app.counters.requests).entry(self.method).or_default().cancelled += 1;
        }
    }
}

impl Calls {
    fn answer(&mut self, took: Duration, has_failed: bool) {
        self.answered += 1;
        self.failed += u64::from(has_failed);
        self.latency.add(took);
    }
}

impl Latency {
    fn add(&mut self, took: Duration) {
        let millis = took.as_secs_f64() * 1e3;
        self.total_ms += millis;
        self.longest_ms = self.longest_ms.max(millis);
        if self.buckets.is_empty() {
            self.buckets = BOUNDS_MS.map(|up_to_ms| Bucket { up_to_ms, count: 0 }).into();
        }
        let fits = |it: &&mut Bucket| took <= Duration::from_millis(it.up_to_ms);
        self.buckets.iter_mut().filter(fits).for_each(|it| it.count += 1);
    }
}

fn locked<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::AbsPath;
    use crate::env::Env;

    #[test]
    fn a_request_that_is_dropped_before_its_answer_was_cancelled() {
        let env = Env::of_this_process_at(AbsPath::parse("/nonexistent").unwrap());
        let app = Arc::new(App::new(env, &[]));
        drop(Timed::begin(app.clone(), "a"));
        Timed::begin(app.clone(), "a").answered(false);
        let requests = app.counters.requests();
        assert_eq!((requests["a"].cancelled, requests["a"].answered), (1, 1));
    }

    #[test]
    fn a_latency_counts_in_its_bucket_and_in_those_above() {
        let mut calls = Calls::default();
        for micros in [5_000, 5_001, 9_000_000, 11_000_000] {
            calls.answer(Duration::from_micros(micros), micros == 5_001);
        }
        let counts: Vec<u64> = calls.latency.buckets.iter().map(|it| it.count).collect();
        assert_eq!(counts, [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]);
        assert_eq!((calls.answered, calls.failed), (4, 1));
        assert!((calls.latency.total_ms - 20_010.001).abs() < 1e-6);
        assert!((calls.latency.longest_ms - 11_000.0).abs() < 1e-6);
    }
}
