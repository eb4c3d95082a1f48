//! Whatever a chat of this agent holds, in lines or in one text, reading it neither panics nor hangs.
#![no_main]

use headcount::adapters::gemini::ADAPTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    headcount_fuzz::transcript(&ADAPTER, "/t/a/chats/session-2026-11-22T20-27-11111111.jsonl", data);
    headcount_fuzz::transcript(&ADAPTER, "/t/a/chats/session-2025-09-01T10-00-11111111.json", data);
});
