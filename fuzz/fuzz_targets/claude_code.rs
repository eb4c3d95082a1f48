//! Whatever a transcript of this agent holds, reading it neither panics nor hangs.
#![no_main]

use headcount::adapters::claude_code::ADAPTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| headcount_fuzz::transcript(&ADAPTER, "/p/-home-dev/11111111-1111-4111-8111-111111111111.jsonl", data));
