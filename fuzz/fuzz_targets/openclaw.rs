//! Whatever the gateway says of a session, of what it spent and of what was said in it, reading it neither panics nor
//! hangs.
#![no_main]

use std::collections::BTreeMap;

use headcount::adapters::openclaw::history::Message;
use headcount::adapters::openclaw::row::{Row, UsageRow};
use headcount::protocol::session::Usage;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let answer = data.get(2..).and_then(|it| serde_json::from_slice(it).ok());
    answer.iter().for_each(read);
});

/// Reads each object of an answer as all that it may be.
fn read(value: &Value) {
    match value {
        Value::Array(values) => values.iter().for_each(read),
        Value::Object(members) => {
            let text = value.to_string();
            if let Ok(row) = serde_json::from_str::<Row>(&text) {
                drop(row.record(&BTreeMap::new()));
            }
            if let Ok(row) = serde_json::from_str::<UsageRow>(&text) {
                drop(row.usage.map(Usage::from));
            }
            if let Ok(message) = serde_json::from_str::<Message>(&text) {
                drop(message.turns());
            }
            members.values().for_each(read);
        }
        _ => {}
    }
}
