//! Work on many files at once, on a few threads that end with it.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use crate::scope::Scope;

/// Most threads that one adapter works with: beyond it the file system is the bound, not the processor.
const THREADS_MAX: usize = 8;

/// How many threads this process may run at once. Asked for once: to answer, files of its control group are read.
static PROCESSORS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// Applies `work` to each item on several threads and returns the results in the order of the items.
/// Ends early, with what it has, once nobody waits for the answer any more. `state` makes each
/// thread's own workspace, so that buffers are made once a thread and not once an item. A thread is started
/// for every `per_thread` items: with fewer, starting it would cost more than it saves.
pub fn map<T: Sync, S, R: Send>(
    scope: &Scope,
    items: &[T],
    per_thread: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &T) -> R + Sync,
) -> Vec<R> {
    let threads = items.len().div_ceil(per_thread).min(THREADS_MAX).min(*PROCESSORS);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let lane = || {
        let mut state = state();
        let mut mine = Vec::new();
        while !scope.is_cancelled() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            mine.push((index, work(&mut state, item)));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
    };
    thread::scope(|threads_scope| {
        for _ in 1..threads {
            threads_scope.spawn(lane);
        }
        lane();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
