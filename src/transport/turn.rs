//! Turns to be at work: there are so many of them, and a request that merely waits needs none.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests at work at once; further ones wait for their turn, and are heard and cancelled like the others.
pub(super) const MAX_AT_WORK: usize = 256;

/// The turns of a connection, given in the order in which they were asked for.
#[derive(Debug)]
pub(super) struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_AT_WORK)))
    }
}

impl Turns {
    /// Does `work` when its turn has come, which ends with it at the latest.
    pub(super) fn take<F: Future>(
        &self,
        turn: Turn,
        work: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let turns = self.0.clone();
        async move {
            let permit = turns.acquire_owned().await.expect("turns are never closed");
            turn.begin(permit);
            let _end = End(turn);
            work.await
        }
    }
}

/// A request's turn to be at work; every call finds its own in its extensions.
#[derive(Clone, Debug, Default)]
pub struct Turn(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Turn {
    /// Lets another request begin: what is left of this one is to wait until something happens. However many do, they are
    /// not to keep the client from being answered.
    pub fn give_up(&self) {
        self.hold(None);
    }

    fn begin(&self, permit: OwnedSemaphorePermit) {
        self.hold(Some(permit));
    }

    fn hold(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

/// Ends a turn with its request, whatever of that is left behind elsewhere.
struct End(Turn);

impl Drop for End {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_turn_ends_with_its_request_though_something_of_that_is_left_behind() {
        let turns = Turns(Arc::new(Semaphore::new(1)));
        let left_behind = Turn::default();
        let mut under_way = Box::pin(turns.take(left_behind.clone(), std::future::pending::<()>()));
        assert_eq!(under_way.as_mut().now_or_never(), None);
        let mut next = Box::pin(turns.take(Turn::default(), async { "next" }));
        assert_eq!(next.as_mut().now_or_never(), None);
        drop(under_way);
        assert_eq!(next.now_or_never(), Some("next"));
    }
}
