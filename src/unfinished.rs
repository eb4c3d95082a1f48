//! Work that must not be left half done: the process counts it, and waits for it before it ends.
//!
//! A client may leave at any moment, and the process with it. A stop would then have asked an agent to end and never
//! look again.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long the process waits for such work after everything else has ended: a stop that lets its agent have ten
/// minutes takes some seconds more. What lasts longer hangs.
pub const WAIT_MAX: Duration = Duration::from_mins(11);

/// Counts the jobs of one process that are to run to their end. Its clones count together.
#[derive(Clone, Debug, Default)]
pub struct Unfinished(watch::Sender<usize>);

/// One such job, for as long as it is held. It belongs to the work, not to who waits for the work.
#[derive(Debug)]
#[must_use = "a job counts only while it is held"]
pub struct Job(watch::Sender<usize>);

impl Unfinished {
    /// Counts one more job.
    pub fn begin(&self) -> Job {
        self.0.send_modify(|jobs| *jobs += 1);
        Job(self.0.clone())
    }

    /// Waits until every job is done, at most [`WAIT_MAX`], and returns how many are not. Whatever drives the jobs
    /// has to go on meanwhile.
    pub async fn wait(&self) -> usize {
        let mut jobs = self.0.subscribe();
        // Neither outcome says more than the count: the sender, which is `self`, outlives the wait.
        drop(timeout(WAIT_MAX, jobs.wait_for(|jobs| *jobs == 0)).await);
        *jobs.borrow()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.send_modify(|jobs| *jobs -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_last_job_ends_the_wait_and_none_needs_none() {
        let unfinished = Unfinished::default();
        assert_eq!(unfinished.wait().now_or_never(), Some(0));
        let (one, other) = (unfinished.begin(), unfinished.clone().begin());
        let mut waiting = Box::pin(unfinished.wait());
        drop(one);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        std::thread::spawn(|| drop(other)).join().unwrap();
        assert_eq!(waiting.await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_hangs_is_not_waited_for_for_ever() {
        let unfinished = Unfinished::default();
        let _job = unfinished.begin();
        let began = tokio::time::Instant::now();
        assert_eq!(unfinished.wait().await, 1);
        assert!(began.elapsed() >= WAIT_MAX);
        assert!(began.elapsed() < WAIT_MAX + Duration::from_secs(1));
    }
}
