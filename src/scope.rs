//! What one request may see: the environment, one process snapshot, the clock, and whether it is still wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::base::{SessionId, Timestamp};
use crate::env::Env;
use crate::memo::Memo;
use crate::procs::ProcessTable;

/// Whose tokens are to be counted; counting reads transcripts whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UsageWanted {
    #[default]
    None,
    All,
    /// Of sessions whose id begins with this text, and of their subagents.
    Of(String),
}

impl UsageWanted {
    /// Whether the calls of this session count, itself or as a subagent of `parent`.
    pub fn includes(&self, session: &SessionId, parent: Option<&SessionId>) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Of(prefix) => [Some(session), parent]
                .into_iter()
                .flatten()
                .any(|id| id.as_str().starts_with(prefix.as_str())),
        }
    }
}

/// What of the stores an answer will show; what it will not show need not be read.
#[derive(Clone, Debug)]
pub struct Interest {
    pub usage: UsageWanted,
    /// Whether sessions that others started are of interest; their tokens always are where tokens are.
    pub subagents: bool,
}

impl Interest {
    /// Every session, and no tokens.
    pub const SESSIONS: Self = Self { usage: UsageWanted::None, subagents: true };
}

/// The world as one request sees it; the same for every adapter, but for the cancel flag.
#[derive(Clone, Debug)]
pub struct Scope {
    pub env: Arc<Env>,
    pub processes: Arc<ProcessTable>,
    pub now: Timestamp,
    pub interest: Interest,
    pub memo: Arc<Memo>,
    cancelled: Arc<AtomicBool>,
    /// When the answer is taken as it is.
    due: Option<Instant>,
}

/// What an adapter keeps of its time where it waits for somebody else: to hand over what it has seen itself.
const TO_HAND_OVER: Duration = Duration::from_millis(200);

impl Scope {
    /// Takes the snapshot and reads the clock. A process table that cannot be read knows that: whether a session
    /// is alive is then not known.
    pub fn observe(env: Arc<Env>, memo: Arc<Memo>, interest: Interest) -> Self {
        let processes = ProcessTable::snapshot(env.proc_root()).unwrap_or_else(|error| {
            tracing::warn!(%error, root = %env.proc_root().display(), "the process table cannot be read");
            ProcessTable::unreadable(env.proc_root(), &error)
        });
        Self { processes: Arc::new(processes), ..Self::of_stores(env, memo, interest) }
    }

    /// The world without its processes, for who looks into a store alone: all of them are some milliseconds of work.
    pub fn of_stores(env: Arc<Env>, memo: Arc<Memo>, interest: Interest) -> Self {
        let processes = Arc::new(ProcessTable::empty());
        Self { env, processes, now: now(), interest, memo, cancelled: Arc::default(), due: None }
    }

    /// The same world with a cancel flag of its own, and the guard that raises it when dropped.
    pub fn cancellable(&self) -> (Self, CancelGuard) {
        let cancelled = Arc::<AtomicBool>::default();
        (Self { cancelled: cancelled.clone(), ..self.clone() }, CancelGuard(cancelled))
    }

    /// The same world, looked at until that instant.
    #[must_use]
    pub fn until(self, due: Instant) -> Self {
        Self { due: Some(due), ..self }
    }

    /// How long an adapter may wait for the answer of somebody else who may take `most`: no longer than leaves it the
    /// time to answer without.
    pub fn patience(&self, most: Duration) -> Duration {
        let left = self.due.map(|it| it.saturating_duration_since(Instant::now()));
        left.map_or(most, |it| most.min(it.saturating_sub(TO_HAND_OVER)))
    }

    /// Whether nobody waits for the answer any more: blocking work asks between files, and stops.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Raises its scope's cancel flag when dropped.
#[derive(Debug)]
pub struct CancelGuard(Arc<AtomicBool>);

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The clock. Everything else is handed an instant.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> Timestamp {
    let millis = jiff::Timestamp::now().as_millisecond();
    Timestamp::from_millis(millis).expect("the present lies in the years that dates can have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn somebody_else_is_waited_for_as_long_as_leaves_time_to_answer_without() {
        let scope = crate::testing::scope();
        let most = Duration::from_millis(1500);
        assert_eq!(scope.patience(most), most);
        let patience_within = |millis| {
            let due = Instant::now() + Duration::from_millis(millis);
            scope.clone().until(due).patience(most).as_millis()
        };
        assert_eq!(
            [1700, 1699, 1000, 201, 200, 0].map(patience_within),
            [1500, 1499, 800, 1, 0, 0]
        );
    }

    #[test]
    fn usage_of_one_session_takes_its_subagents_along() {
        let id = |text: &str| SessionId::parse(text).unwrap();
        let wanted = UsageWanted::Of("1111".into());
        assert!(wanted.includes(&id("11112222"), None));
        assert!(wanted.includes(&id("agent-9"), Some(&id("11112222"))));
        assert!(!wanted.includes(&id("22221111"), None));
    }
}
