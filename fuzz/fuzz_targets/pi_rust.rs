//! Whatever a transcript of this agent holds, reading it neither panics nor hangs.
#![no_main]

use headcount::adapters::pi_rust::ADAPTER;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| headcount_fuzz::transcript(&ADAPTER, "/s/--home-dev-work-c--/2026-11-22T20-57-27.240Z_10a9f8b7.jsonl", data));
