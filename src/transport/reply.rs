//! A reply that its method writes itself: a result may be megabytes, which jsonrpsee would copy and then read through.

use std::sync::{Arc, Mutex, PoisonError};

use super::message::{self, Id};

/// Where a request's method may write its result; every call finds its own in its extensions.
#[derive(Clone, Debug)]
pub struct Reply {
    id: Id,
    text: Arc<Mutex<Option<Box<str>>>>,
}

impl Reply {
    pub(super) fn to(id: Id) -> Self {
        Self { id, text: Arc::default() }
    }

    /// Writes the reply that carries the result which `append` appends; what the method returns counts no more.
    ///
    /// # Errors
    ///
    /// What cannot be put into JSON is not written.
    pub fn write(
        &self,
        append: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        let text = message::result_appended(&self.id, append)?;
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
        Ok(())
    }

    /// What was written, if anything was.
    pub(super) fn take(&self) -> Option<Box<str>> {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
