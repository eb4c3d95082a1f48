//! `headcount metrics`: the counts of `server.metrics`, after one look at all sessions, as OpenMetrics text.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use super::list::told;
use super::{Failure, call};
use crate::env::Env;
use crate::protocol::session::Problem;

/// Looks once, and prints.
pub(super) fn run(env: Env) -> Result<u8, Failure> {
    let requests = [("session.list", json!({ "limit": 1 })), ("server.metrics", json!({}))];
    let mut results = call::all(env, &requests)?;
    let mut metrics = results.pop().unwrap_or_default();
    io::stdout().write_all(text(&metrics).as_bytes())?;
    let problems: Vec<Problem> =
        serde_json::from_value(metrics["problems"].take()).unwrap_or_default();
    for problem in problems {
        // Where stderr is gone, nobody is left to tell.
        drop(writeln!(io::stderr(), "headcount: {}", told(&problem)));
    }
    Ok(0)
}

/// The text of these counts. It keeps to the types that `node_exporter`, which reads the older format, knows too.
fn text(metrics: &Value) -> String {
    let mut text = Text::default();
    text.family("sessions", "gauge", "Sessions by agent and status.");
    for (agent, by_status) in members(&metrics["sessionsActive"]) {
        for (status, count) in members(by_status) {
            text.sample("sessions", &[("agent", agent), ("status", status)], count);
        }
    }
    text.family(
        "launches",
        "gauge",
        "Launches that are not yet forgotten, by what became of them.",
    );
    for (state, count) in members(&metrics["launches"]) {
        text.sample("launches", &[("state", state)], count);
    }
    for (name, help, member) in [
        ("locks", "Claims on directories that hold now.", "locksActive"),
        ("fuses", "Fuses that have not been fired.", "fusesActive"),
    ] {
        text.family(name, "gauge", help);
        if let Some(count) = metrics.get(member) {
            text.sample(name, &[], count);
        }
    }

    let own = "of this process alone: of the look that made this text";
    text.family("requests", "counter", &format!("Requests {own}."));
    for (method, calls) in members(&metrics["requests"]) {
        let count = |member: &str| calls[member].as_u64().unwrap_or_default();
        let failed = count("failed");
        let outcomes = [
            ("succeeded", count("answered") - failed),
            ("failed", failed),
            ("cancelled", count("cancelled")),
        ];
        for (outcome, count) in outcomes {
            let labels = [("method", method), ("outcome", outcome)];
            text.sample("requests_total", &labels, &count.into());
        }
    }
    text.family(
        "request_duration_seconds",
        "histogram",
        &format!("Durations of the requests {own}."),
    );
    for (method, calls) in members(&metrics["requests"]) {
        text.histogram("request_duration_seconds", method, &calls["latency"], &calls["answered"]);
    }
    text.0 + "# EOF\n"
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

/// OpenMetrics text under construction. Writing into a string does not fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# TYPE headcount_{name} {kind}").ok();
        if name.ends_with("_seconds") {
            writeln!(self.0, "# UNIT headcount_{name} seconds").ok();
        }
        writeln!(self.0, "# HELP headcount_{name} {}", escaped(help)).ok();
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &Value) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = match &labels[..] {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        writeln!(self.0, "headcount_{name}{labels} {value}").ok();
    }

    /// Buckets, count and sum of one method's latencies.
    fn histogram(&mut self, name: &str, method: &str, latency: &Value, answered: &Value) {
        for bucket in latency["buckets"].as_array().into_iter().flatten() {
            let bound = seconds(&bucket["upToMs"]);
            let labels = [("method", method), ("le", bound.as_str())];
            self.sample(&format!("{name}_bucket"), &labels, &bucket["count"]);
        }
        self.sample(&format!("{name}_bucket"), &[("method", method), ("le", "+Inf")], answered);
        self.sample(&format!("{name}_count"), &[("method", method)], answered);
        let sum = latency["totalMs"].as_f64().unwrap_or_default() / 1e3;
        self.sample(&format!("{name}_sum"), &[("method", method)], &sum.into());
    }
}

/// Milliseconds as seconds, written as a float even where they are whole.
fn seconds(millis: &Value) -> String {
    format!("{:?}", millis.as_f64().unwrap_or_default() / 1e3)
}

/// A text as a label's value or as help may hold it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
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
            "requests": { "session.list": {
                "answered": 3, "failed": 1, "cancelled": 1,
                "latency": {
                    "totalMs": 1250.5, "longestMs": 1200.0,
                    "buckets": [{ "upToMs": 5, "count": 0 }, { "upToMs": 1000, "count": 2 }],
                },
            } },
        });
        insta::assert_snapshot!(text(&metrics), @r#"
        # TYPE headcount_sessions gauge
        # HELP headcount_sessions Sessions by agent and status.
        headcount_sessions{agent="codex",status="running"} 2
        headcount_sessions{agent="codex",status="idle"} 1
        # TYPE headcount_launches gauge
        # HELP headcount_launches Launches that are not yet forgotten, by what became of them.
        headcount_launches{state="active"} 1
        headcount_launches{state="failed"} 0
        # TYPE headcount_locks gauge
        # HELP headcount_locks Claims on directories that hold now.
        headcount_locks 3
        # TYPE headcount_fuses gauge
        # HELP headcount_fuses Fuses that have not been fired.
        headcount_fuses 0
        # TYPE headcount_requests counter
        # HELP headcount_requests Requests of this process alone: of the look that made this text.
        headcount_requests_total{method="session.list",outcome="succeeded"} 2
        headcount_requests_total{method="session.list",outcome="failed"} 1
        headcount_requests_total{method="session.list",outcome="cancelled"} 1
        # TYPE headcount_request_duration_seconds histogram
        # UNIT headcount_request_duration_seconds seconds
        # HELP headcount_request_duration_seconds Durations of the requests of this process alone: of the look that made this text.
        headcount_request_duration_seconds_bucket{method="session.list",le="0.005"} 0
        headcount_request_duration_seconds_bucket{method="session.list",le="1.0"} 2
        headcount_request_duration_seconds_bucket{method="session.list",le="+Inf"} 3
        headcount_request_duration_seconds_count{method="session.list"} 3
        headcount_request_duration_seconds_sum{method="session.list"} 1.2505
        # EOF
        "#);
    }

    #[test]
    fn what_is_not_known_has_no_sample() {
        let text = text(&json!({ "sessionsActive": {}, "requests": {} }));
        assert!(text.contains("# TYPE headcount_locks gauge\n"), "{text}");
        assert_eq!(text.lines().filter(|it| !it.starts_with('#')).count(), 0, "{text}");
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let mut text = Text::default();
        text.sample("x", &[("a", "q\"b\\s\nn")], &1.into());
        assert_eq!(text.0, "headcount_x{a=\"q\\\"b\\\\s\\nn\"} 1\n");
    }
}
