//! `headcount metrics`: the counts of `server.metrics`, after one look at all sessions, as OpenMetrics text.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::{Failure, call};
use crate::env::Env;

/// Looks once, and prints.
pub(super) fn run(env: Env) -> Result<u8, Failure> {
    let requests = [("session.list", json!({ "limit": 1 })), ("server.metrics", json!({}))];
    let mut results = call::all(env, &requests)?;
    let metrics = results.pop().unwrap_or_default();
    io::stdout().write_all(text(&metrics).as_bytes())?;
    Ok(0)
}

/// The text of these counts.
fn text(metrics: &Value) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: Vec<(String, u64)>| {
        // Writing into a string does not fail.
        writeln!(text, "# TYPE headcount_{name} gauge\n# HELP headcount_{name} {help}").ok();
        for (labels, value) in samples {
            writeln!(text, "headcount_{name}{labels} {value}").ok();
        }
    };
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let members = |value: &Value| -> Vec<(String, Value)> {
        let members = value.as_object().into_iter().flatten();
        members.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let mut sessions = Vec::new();
    for (agent, by_status) in members(&metrics["sessionsActive"]) {
        for (status, count) in members(&by_status) {
            let labels = format!("{{agent=\"{agent}\",status=\"{status}\"}}");
            sessions.push((labels, number(&count)));
        }
    }
    family("sessions", "Sessions by agent and status.", sessions);
    let launches = members(&metrics["launches"]);
    let launches = launches
        .iter()
        .map(|(state, count)| (format!("{{state=\"{state}\"}}"), number(count)))
        .collect();
    family("launches", "Launches that are not yet forgotten.", launches);
    let one = |value: &Value| vec![(String::new(), number(value))];
    family("locks", "Claims on directories that hold now.", one(&metrics["locksActive"]));
    family("fuses", "Fuses that have not run out.", one(&metrics["fusesActive"]));
    text.push_str("# EOF\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_openmetrics() {
        let metrics = json!({
            "sessionsActive": { "codex": { "running": 2, "idle": 1 } },
            "launches": { "active": 1, "failed": 0 },
            "locksActive": 3,
            "fusesActive": 0,
        });
        insta::assert_snapshot!(text(&metrics), @r#"
        # TYPE headcount_sessions gauge
        # HELP headcount_sessions Sessions by agent and status.
        headcount_sessions{agent="codex",status="running"} 2
        headcount_sessions{agent="codex",status="idle"} 1
        # TYPE headcount_launches gauge
        # HELP headcount_launches Launches that are not yet forgotten.
        headcount_launches{state="active"} 1
        headcount_launches{state="failed"} 0
        # TYPE headcount_locks gauge
        # HELP headcount_locks Claims on directories that hold now.
        headcount_locks 3
        # TYPE headcount_fuses gauge
        # HELP headcount_fuses Fuses that have not run out.
        headcount_fuses 0
        # EOF
        "#);
    }
}
