//! `headcount doctor`: for each agent what is installed, stored and visible here.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::text::{one_line, terminal_width, wrapped};
use super::{Failure, call};
use crate::adapters::billing::Billing;
use crate::adapters::{Adapter, REGISTRY};
use crate::env::Env;
use crate::launch::{LoginPath, NotFound, Sought, find_program};
use crate::procs::pinned::child_has_ended_within;
use crate::protocol::lifecycle::AgentCard;

/// How long an agent may take to tell its version; the slowest seen takes 3 s on a busy machine.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of a version that are read.
const VERSION_MAX: u64 = 4 << 10;

/// Where facts begin, beside their names.
const INDENT: usize = 13;

/// What was found of one agent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    #[serde(flatten)]
    card: AgentCard,
    #[serde(serialize_with = "what_is_there")]
    binary: Result<Binary, NotFound>,
    version: Option<String>,
    /// Who would bill what a launch from this environment spends; nothing where that cannot be told.
    billing: Option<Billing>,
    stores: Vec<Store>,
    /// How the adapter's part of a list ended, with its problems.
    report: Value,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Binary {
    path: PathBuf,
    /// Which PATH it is on.
    found_on: FoundOn,
}

/// The program, or null.
fn what_is_there<S: Serializer>(
    binary: &Result<Binary, NotFound>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    binary.as_ref().ok().serialize(serializer)
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum FoundOn {
    Path,
    /// Only the login shell knows it, as with servers of editors that were started from a desktop.
    LoginShell,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Store {
    path: PathBuf,
    state: &'static str,
}

pub(super) fn run(env: &Env, as_json: bool) -> Result<u8, Failure> {
    let listed = call::request(
        env.clone(),
        "session.list",
        &json!({ "limit": 1, "includeSubagents": true }),
    )?;
    let login = LoginPath::default();
    let findings: Vec<Finding> = std::thread::scope(|scope| {
        let look = |adapter: &'static dyn Adapter| {
            let (env, login, listed) = (&env, &login, &listed);
            scope.spawn(move || examine(adapter, env, login, listed))
        };
        let looks: Vec<_> = REGISTRY.iter().copied().map(look).collect();
        looks.into_iter().filter_map(|it| it.join().ok()).collect()
    });
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &findings).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(0);
    }
    let columns = terminal_width();
    for finding in &findings {
        out.write_all(told(finding, columns).as_bytes())?;
    }
    for problem in listed["problems"].as_array().into_iter().flatten() {
        let message = problem["message"].as_str().unwrap_or_default();
        writeln!(out, "problem: {}", one_line(&format!("{message} ({})", problem["path"])))?;
    }
    Ok(0)
}

/// Looks for all that a launch of this agent would need.
fn examine(adapter: &dyn Adapter, env: &Env, login: &LoginPath, listed: &Value) -> Finding {
    let card = adapter.card().clone();
    let mut variables = env.vars().clone();
    let found = find_program(env, &mut variables, login, Sought::of(adapter));
    let version = found.as_ref().ok().and_then(|it| version(&it.program, env, &variables));
    let binary = found.map(|it| Binary {
        path: it.program,
        found_on: if it.login_path.is_none() { FoundOn::Path } else { FoundOn::LoginShell },
    });
    let reports = listed["agents"].as_array().into_iter().flatten();
    let report = reports.clone().find(|it| it["agent"] == card.id.as_str());
    Finding {
        binary,
        version,
        billing: (adapter.driver().billing)(env),
        stores: adapter.stores(env).into_iter().map(Store::of).collect(),
        report: report.cloned().unwrap_or_default(),
        card,
    }
}

/// What was found, a line for each fact; in a terminal, which has so many columns, a long one takes several.
fn told(finding: &Finding, columns: Option<usize>) -> String {
    let Finding { card, binary, version, billing, stores, report } = finding;
    let outcome = report["outcome"].as_str().unwrap_or("unknown");
    let is_there = binary.is_ok() || outcome != "absent";
    let binary = match (binary, version) {
        (Err(why), _) => format!("{why} ({})", card.binaries.join(", ")),
        (Ok(Binary { path, found_on }), version) => {
            let version = version.as_deref().unwrap_or("does not tell its version");
            let place = match found_on {
                FoundOn::Path => "",
                FoundOn::LoginShell => ", on the login shell's PATH alone",
            };
            format!("{} ({version}){place}", path.display())
        }
    };
    let billing = billing.as_ref().map_or_else(
        || "unknown".to_owned(),
        |Billing { payer, because }| format!("{payer} ({because})"),
    );
    let sessions = format!("{} ({outcome}, {} ms)", report["sessions"], report["elapsedMs"]);
    let mut facts = vec![("binary", binary)];
    facts
        .extend(stores.iter().map(|it| ("store", format!("{} ({})", it.path.display(), it.state))));
    facts.push(("sessions", sessions));
    facts.push(("live by", card.live_signal.to_owned()));
    if is_there {
        facts.extend(card.each_blind_spot().map(|it| ("not seen", it.to_owned())));
    }
    facts.push(("billing", billing));
    for problem in report["problems"].as_array().into_iter().flatten() {
        let path = problem["path"].as_str().map_or(String::new(), |it| format!(" ({it})"));
        let message = problem["message"].as_str().unwrap_or_default();
        facts.push(("problem", format!("{message}{path}")));
    }
    let lines = facts.iter().map(|(name, fact)| entry(name, &one_line(fact), columns));
    format!("{} [{}]\n{}\n", card.name, card.id, lines.collect::<String>())
}

/// A fact under its name.
fn entry(name: &str, fact: &str, columns: Option<usize>) -> String {
    let columns = columns.map_or(usize::MAX, |it| it.saturating_sub(INDENT));
    let text = wrapped(fact, columns).join(&format!("\n{:INDENT$}", ""));
    format!("  {name:<9}  {text}\n")
}

impl Store {
    fn of(path: PathBuf) -> Self {
        let state = match std::fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "not there",
            Err(_) => "unreadable",
            Ok(meta) if meta.is_dir() => match std::fs::read_dir(&path) {
                Ok(_) => "readable",
                Err(_) => "unreadable",
            },
            Ok(_) => match crate::adapters::files::open_regular(&path) {
                Ok(_) => "readable",
                Err(_) => "unreadable",
            },
        };
        Self { path, state }
    }
}

/// The first line that the program prints for `--version`.
#[expect(
    clippy::disallowed_methods,
    reason = "doctor asks the programs themselves; no method does"
)]
fn version(program: &Path, env: &Env, variables: &BTreeMap<OsString, OsString>) -> Option<String> {
    let mut command = Command::new(program);
    command.arg("--version").env_clear().envs(variables).current_dir(env.home().as_path());
    first_line(command, VERSION_DEADLINE)
}

/// The first line that a program prints within the time. One that has not ended by then is ended.
fn first_line(mut command: Command, limit: Duration) -> Option<String> {
    let until = Instant::now() + limit;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if output.take(VERSION_MAX).read_to_end(&mut bytes).is_ok() {
            // Nobody listens any more once the deadline has passed.
            drop(sender.send(bytes));
        }
    });
    let bytes = receiver.recv_timeout(limit).ok();
    let left = until.saturating_duration_since(Instant::now());
    if !child_has_ended_within(&child, left).unwrap_or(false) {
        // It may have ended by itself in this moment.
        drop(child.kill());
    }
    drop(child.wait());
    let text = String::from_utf8_lossy(&bytes?).into_owned();
    text.lines().map(str::trim).find(|it| !it.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters;

    fn finding(binary: Result<Binary, NotFound>, billing: Option<Billing>) -> Finding {
        Finding {
            card: adapters::find("codex").unwrap().card().clone(),
            binary,
            version: Some("codex-cli 1.0\u{1b}[2J".into()),
            billing,
            stores: vec![Store { path: "/home/dev/.codex".into(), state: "readable" }],
            report: json!({
                "outcome": "ok", "sessions": 2, "elapsedMs": 3,
                "problems": [{ "kind": "malformed", "message": "line 1 is no record", "path": "/a\nb" }],
            }),
        }
    }

    #[test]
    fn what_is_found_is_told_in_lines_that_steer_no_terminal() {
        let path = "/opt/codex".into();
        let binary = Binary { path, found_on: FoundOn::LoginShell };
        let billing =
            Billing { payer: "the API, by key".into(), because: "CODEX_API_KEY is set".into() };
        let text = told(&finding(Ok(binary), Some(billing)), None);
        assert!(text.contains(
            "  binary     /opt/codex (codex-cli 1.0 [2J), on the login shell's PATH alone\n"
        ));
        assert!(text.contains("  billing    the API, by key (CODEX_API_KEY is set)\n"), "{text}");
        assert!(text.contains("  problem    line 1 is no record (/a b)\n"), "{text}");
        let text = told(&finding(Err(NotFound::OnEither), None), None);
        assert!(text.contains("  binary     neither on PATH nor on the login shell's (codex)\n"));
        assert!(text.contains("  billing    unknown\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_seen_is_told_of_agents_that_are_there_and_fits_the_terminal() {
        let mut finding = finding(Err(NotFound::OnEither), None);
        let count = finding.card.each_blind_spot().count();
        assert!(count > 1);
        let text = told(&finding, None);
        assert_eq!(text.matches("\n  not seen   ").count(), count, "{text}");
        let narrow = told(&finding, Some(60));
        assert!(narrow.lines().all(|it| it.len() <= 60), "{narrow}");
        assert_eq!(one_line(&narrow), one_line(&text));
        finding.report = json!({ "outcome": "absent", "sessions": 0, "elapsedMs": 0 });
        assert!(!told(&finding, None).contains("not seen"));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "programs that are asked for their version")]
    fn a_version_is_the_first_line_and_nobody_waits_for_more() {
        let asked = |script: &str, limit| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            first_line(command, limit).unwrap_or_default()
        };
        let patience = Duration::from_mins(1);
        assert_eq!(asked("echo; echo ' agent 1.0 '; echo more", patience), "agent 1.0");
        assert_eq!(asked("exec yes 1.0", patience), "1.0", "it never stops");
        assert_eq!(asked("printf '\\377 1.0'", patience), "\u{fffd} 1.0");
        let cut = usize::try_from(VERSION_MAX).unwrap();
        assert_eq!(asked("head -c 10000 /dev/zero | tr '\\0' x", patience).len(), cut);
        // Nothing but the limit ends these: one says nothing, the other has said all and goes on, on a busy machine later.
        let soon = Duration::from_secs(1);
        assert_eq!(asked("exec sleep 1000", soon), "");
        let goes_on = "echo 1.0; exec sleep 1000 > /dev/null";
        assert!([soon, patience].into_iter().any(|limit| asked(goes_on, limit) == "1.0"));
    }
}
