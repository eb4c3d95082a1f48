//! Work on many things at once, on a few threads that end with it.

use std::num::NonZero;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

/// Most threads that work at one thing: beyond it the file system is the bound, not the processor.
const THREADS_MAX: usize = 8;

/// How many threads this process may run at once. Asked for once: to answer, files of its control group are read.
static PROCESSORS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// Applies `work` to each item on several threads and returns the results in the order of the items.
/// Ends early, with what it has, once `is_cancelled` says so. `state` makes each thread's own workspace, so that buffers
/// are made once a thread and not once an item. A thread is started for every `per_thread` items: with fewer, starting it
/// would cost more than it saves.
pub fn map<T: Send, S, R: Send>(
    items: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator + Send>,
    per_thread: usize,
    is_cancelled: impl Fn() -> bool + Sync,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> R + Sync,
) -> Vec<R> {
    let items = items.into_iter();
    let threads = items.len().div_ceil(per_thread).min(THREADS_MAX).min(*PROCESSORS);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let items = Mutex::new(items.enumerate());
    let next = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let lane = || {
        let mut state = state();
        let mut mine = Vec::new();
        while !is_cancelled() {
            let Some((index, item)) = next() else { break };
            mine.push((index, work(&mut state, item)));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut mine);
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(lane);
        }
        lane();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_are_in_the_order_of_their_items_whoever_was_first() {
        let items: Vec<String> = (0..1000).map(|it| it.to_string()).collect();
        let expect: Vec<String> = items.iter().map(|it| format!("{it}!")).collect();
        for per_thread in [1, 300, 1000, 2000] {
            let mapped = map(
                items.clone(),
                per_thread,
                || false,
                || '!',
                |mark, mut it| {
                    it.push(*mark);
                    it
                },
            );
            assert_eq!(mapped, expect, "{per_thread}");
        }
        assert!(map([0; 0], 1, || false, || (), |(), it| it).is_empty());
    }

    #[test]
    fn once_cancelled_nothing_more_is_begun() {
        let begun = AtomicUsize::new(0);
        let enough = || begun.load(Ordering::Relaxed) >= 3;
        let done = map(
            0..10,
            10,
            enough,
            || (),
            |(), it| {
                begun.fetch_add(1, Ordering::Relaxed);
                it
            },
        );
        assert_eq!(done, [0, 1, 2]);
    }
}
