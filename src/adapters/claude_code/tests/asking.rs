//! What servers of tools ask a person.

use super::live::registered;
use super::*;

const LOG: &str =
    "../.cache/claude-cli-nodejs/-home-dev-work/mcp-logs-asker/2026-11-28T18-32-55-627Z.jsonl";

/// What is told of a session that is busy since `:20:20.100`, by the log of a server of tools.
fn told(log: &[(&str, &str)]) -> String {
    let busy = Timestamp::parse("2026-11-22T20:20:20.100Z").unwrap();
    let store = registered(&json!({"status": "busy", "statusUpdatedAt": busy.as_millis()}));
    let line = |(at, says): &(&str, &str)| {
        let (session, says) = says.split_once(": ").unwrap();
        let session = if session == "its" { HELLO } else { session };
        let says = match says {
            "asks" => r#"Received elicitation request: {"method":"elicitation/create"}"#,
            "answered" => r#"Elicitation response: {"action":"decline"}"#,
            other => other,
        };
        let at = format!("2026-11-22T20:20:{at}Z");
        json!({"debug": says, "timestamp": at, "sessionId": session, "cwd": "/home/dev/work"})
    };
    let lines: Vec<String> = log.iter().map(|it| line(it).to_string() + "\n").collect();
    store.put(LOG, lines.concat());
    store.state(HELLO)
}

#[test]
fn a_server_of_tools_that_asks_a_person_lets_the_session_wait_until_it_is_answered() {
    let (busy, asked) = ("running turn_in_progress asserted 77", "waiting question asserted 77");
    let call = ("20.200", "its: Calling MCP tool: ask");
    let asks = ("20.300", "its: asks");
    assert_eq!(told(&[]), busy);
    assert_eq!(told(&[call]), busy);
    assert_eq!(told(&[call, asks]), asked);
    assert_eq!(told(&[asks, ("50.200", "its: Tool 'ask' still running")]), asked);
    assert_eq!(told(&[asks, ("50.200", "its: answered")]), busy);
    let again = ("30.000", "its: asks");
    assert_eq!(told(&[asks, again, ("50.200", "its: answered")]), asked, "one of two");
    assert_eq!(told(&[("20.099", "its: asks")]), busy, "of a turn that is over");
    assert_eq!(told(&[("20.300", "another: asks")]), busy);
}
