//! Whatever messages and parts hold, in the database or in a file, and whatever a server answers, reading it neither
//! panics nor hangs.
#![no_main]

use headcount::adapters::opencode::http;
use headcount::adapters::opencode::message::{self, Message, Part};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, bytes)) = data.split_first_chunk::<2>() else { return };
    drop(http::body(bytes, choice[0] % 2 == 0));
    // Texts between zeros, of which JSON holds none: the first is a message, and each may be one of its parts.
    let texts = || bytes.split(|it| *it == 0);
    let parts: Vec<Part> = texts().filter_map(Part::parse).collect();
    message::prompt(&parts);
    if let Some(message) = texts().next().and_then(Message::parse) {
        message.turn_with(&parts);
        message.last_time();
        message::turns(&message, parts);
    }
    message::title(String::from_utf8_lossy(bytes).into_owned());
});
