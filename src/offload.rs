//! Work that blocks, off the thread that answers.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::thread;

use tokio::sync::oneshot;

/// Runs blocking work on the pool; a panic in it goes on in the caller, where it becomes a problem.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for this.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Runs work that waits for other programs, on a thread of its own: for seconds or minutes it would keep one of the few
/// threads of the pool from everybody's files. A panic in it goes on in the caller; an error says that no thread could
/// be made. Once begun it runs to its end, whether or not anybody waits.
pub async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    let job = move || {
        // Nobody may wait any more.
        drop(tell.send(panic::catch_unwind(AssertUnwindSafe(work))));
    };
    thread::Builder::new().spawn(job)?;
    match told.await.expect("the thread tells how its work ended") {
        Ok(value) => Ok(value),
        Err(panic) => panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn work_on_its_own_thread_keeps_none_of_the_pool_and_ends_though_nobody_waits() {
        let (done, is_done) = std::sync::mpsc::channel();
        let (go_on, wait) = std::sync::mpsc::channel::<()>();
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let mut waiting = Box::pin(on_own_thread(move || {
                wait.recv().unwrap();
                done.send("done").unwrap();
            }));
            assert!(waiting.as_mut().now_or_never().is_none());
            assert_eq!(blocking(|| 7).await, 7);
            drop(waiting);
        });
        go_on.send(()).unwrap();
        assert_eq!(is_done.recv(), Ok("done"));
        assert_eq!(runtime.block_on(on_own_thread(|| 8)).unwrap(), 8);
    }

    #[tokio::test]
    async fn a_panic_on_its_own_thread_goes_on_in_the_caller() {
        let panicking = on_own_thread(|| std::panic::resume_unwind(Box::new("a bug")));
        let panic = AssertUnwindSafe(panicking).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"a bug"));
    }
}
