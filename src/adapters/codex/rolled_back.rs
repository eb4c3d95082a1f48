//! Threads that an older Codex has rewound: the same rollout goes on, and a line says how many prompts were abandoned. PURE.
//!
//! Seen with 0.128.0; 0.147.0 and 0.169.0 begin another rollout instead, see `history`:
//!
//! ```json
//! {"timestamp":"2026-11-28T15:32:17.454Z","type":"event_msg","payload":{"type":"thread_rolled_back","num_turns":2}}
//! ```

use serde::Deserialize;

use super::super::files::Counted;
use super::line::{Event, Line};
use super::rollout::may_be;

/// What the event is called.
pub(super) const ROLLED_BACK: &str = "thread_rolled_back";

pub(super) const COUNTED: Counted = Counted { back_over, is_prompt };

fn back_over(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct RolledBack {
        num_turns: u64,
    }
    event(line, &[ROLLED_BACK], |it| it.kind == ROLLED_BACK)?
        .payload()
        .map(|it: RolledBack| it.num_turns)
}

fn is_prompt(line: &[u8]) -> bool {
    let is_prompt = |it: &Event<'_>| {
        it.kind == "user_message" || it.item.as_ref().is_some_and(|it| it.kind == "UserMessage")
    };
    event(line, &["user_message", "UserMessage"], is_prompt).is_some()
}

/// Reads a line that may be of one of these kinds, where it is an event as wanted.
fn event<'a>(
    line: &'a [u8],
    kinds: &[&str],
    is_wanted: impl FnOnce(&Event<'_>) -> bool,
) -> Option<Line<'a>> {
    let line = may_be(line, kinds).then(|| Line::parse(line)).flatten()?;
    let is_event = line.kind == "event_msg" && line.payload().is_some_and(|it| is_wanted(&it));
    is_event.then_some(line)
}
