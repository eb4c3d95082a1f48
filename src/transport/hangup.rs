//! Waits until nobody can read our output any more, without writing and without ever waking up to look.

use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::oneshot;

/// Returns when the reader of `output` is gone; never for an output that needs none, as a file.
///
/// A write would tell as well, but a request that waits for an hour writes nothing until then.
pub async fn reader_gone(output: impl AsFd + Send + 'static) {
    let (tell, told) = oneshot::channel();
    // A thread, since not everything that can be written to can be registered with the reactor. It ends with the process.
    std::thread::spawn(move || {
        // No event is asked for: errors and hang-ups come unasked.
        let mut outputs = [PollFd::new(output.as_fd(), PollFlags::empty())];
        while let Err(nix::errno::Errno::EINTR) = poll(&mut outputs, PollTimeout::NONE) {}
        let seen = outputs[0].revents().unwrap_or(PollFlags::empty());
        if seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
            // Where the connection has ended meanwhile, nobody needs to know.
            tell.send(()).ok();
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}
