//! Whether a request was taken back: its future is dropped then, as it is when its client has merely gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request's way to tell why it was dropped; every call finds one in its extensions.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the client has cancelled the request.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
