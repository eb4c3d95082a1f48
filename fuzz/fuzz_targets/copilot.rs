//! Whatever the records of a session and its workspace hold, reading them neither panics nor hangs.
#![no_main]

use headcount::adapters::copilot::ADAPTER;
use headcount::adapters::copilot::workspace::Workspace;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    headcount_fuzz::transcript(&ADAPTER, "/s/session-state/11111111-1111-4111-8111-111111111111/events.jsonl", data);
    let text = data.get(2..).unwrap_or_default();
    Workspace::parse(&String::from_utf8_lossy(text));
});
