//! Lines of JSON, read into the few members that matter.

use serde::Deserialize;

/// Reads a line into the members that `T` names; nothing where it is no such record. Members of the wrong
/// type are as good as a broken line: the record is passed over, not the file.
pub fn record<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// Whether the bytes hold this text, at memory speed: a cheap test before parsing a line.
pub fn holds(line: &[u8], text: &str) -> bool {
    memchr::memmem::find(line, text.as_bytes()).is_some()
}
