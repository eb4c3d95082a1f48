//! Waits for an instant of the calendar, and wakes nobody before it.
//!
//! A timer of the runtime stands still while the machine sleeps, and knows nothing of a clock that is set; one of the
//! kernel's wakes for both, so that nobody has to look now and then.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::base::Timestamp;

/// Returns at that instant, at once where it is past, and as soon as somebody sets the clock.
pub(super) async fn at(instant: Timestamp) -> io::Result<()> {
    let timer = timer(instant)?;
    timer.readable().await.map(drop)
}

#[allow(
    deprecated,
    reason = "unsound for a type that changes its descriptor; `OwnedFd` does not, and the new is unsafe"
)]
fn timer(instant: Timestamp) -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
    // An instant of 0 would switch the timer off.
    let millis = instant.as_millis().max(1);
    let once = Itimerspec {
        it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: Timespec { tv_sec: millis / 1000, tv_nsec: millis % 1000 * 1_000_000 },
    };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &once)?;
    AsyncFd::with_interest(timer, Interest::READABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::now;

    #[tokio::test]
    async fn it_wakes_at_the_instant_and_at_once_where_that_is_past() {
        let soon = Timestamp::from_millis(now().as_millis() + 20).unwrap();
        at(soon).await.unwrap();
        assert!(now() >= soon);
        at(soon).await.unwrap();
        at(Timestamp::from_millis(-5).unwrap()).await.unwrap();
    }
}
