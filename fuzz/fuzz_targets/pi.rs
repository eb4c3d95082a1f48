//! Whatever a transcript of this agent holds, reading it neither panics nor hangs.
#![no_main]

use headcount::adapters::pi::ADAPTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| headcount_fuzz::transcript(&ADAPTER, "/s/2026-11-22T20-33-14-318Z_01a204f6-844d-73c4-8b03-5aab158a0bf0.jsonl", data));
