//! Whatever a transcript of this agent holds, reading it neither panics nor hangs.
#![no_main]

use headcount::adapters::codex::ADAPTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| headcount_fuzz::transcript(&ADAPTER, "/s/2026/11/22/rollout-2026-11-22T20-22-32-01a204ec-b99e-7391-b564-bd5b396bbf28.jsonl", data));
