//! `headcount doctor`: for each agent what is installed, stored and visible here.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Failure, call};
use crate::adapters::REGISTRY;
use crate::env::Env;
use crate::protocol::lifecycle::AgentCard;

/// How long an agent may take to tell its version; the slowest seen takes 3 s on a busy machine.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);
/// Most bytes of a version that are read.
const VERSION_MAX: u64 = 4 << 10;

/// What was found of one agent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    #[serde(flatten)]
    card: AgentCard,
    binary: Option<PathBuf>,
    version: Option<String>,
    stores: Vec<Store>,
    /// How the adapter's part of a list ended, with its problems.
    report: Value,
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
    let findings: Vec<Finding> = std::thread::scope(|scope| {
        let looks: Vec<_> = REGISTRY
            .iter()
            .map(|adapter| {
                scope.spawn(|| {
                    let card = adapter.card().clone();
                    let binary = card.binaries.iter().find_map(|it| env.find_program(it));
                    let version = binary.as_deref().and_then(|it| version(it, env));
                    let stores = adapter.stores(env).into_iter().map(Store::of).collect();
                    let reports = listed["agents"].as_array().into_iter().flatten();
                    let report = reports
                        .clone()
                        .find(|it| it["agent"] == card.id.as_str())
                        .cloned()
                        .unwrap_or_default();
                    Finding { card, binary, version, stores, report }
                })
            })
            .collect();
        looks.into_iter().filter_map(|it| it.join().ok()).collect()
    });
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &findings).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(0);
    }
    for finding in &findings {
        out.write_all(told(finding).as_bytes())?;
    }
    Ok(0)
}

fn told(finding: &Finding) -> String {
    let Finding { card, binary, version, stores, report } = finding;
    let binary = match (binary, version) {
        (Some(path), Some(version)) => format!("{} ({version})", path.display()),
        (Some(path), None) => format!("{} (does not tell its version)", path.display()),
        (None, _) => format!("not on PATH ({})", card.binaries.join(", ")),
    };
    let mut lines = vec![format!("{} [{}]", card.name, card.id), format!("  binary     {binary}")];
    lines.extend(
        stores.iter().map(|it| format!("  store      {} ({})", it.path.display(), it.state)),
    );
    let outcome = report["outcome"].as_str().unwrap_or("unknown");
    lines.push(format!(
        "  sessions   {} ({outcome}, {} ms)",
        report["sessions"], report["elapsedMs"]
    ));
    lines.push(format!("  live by    {}", card.live_signal));
    lines.push(format!("  not seen   {}", card.blind_spots));
    for problem in report["problems"].as_array().into_iter().flatten() {
        let path = problem["path"].as_str().map_or(String::new(), |it| format!(" ({it})"));
        lines.push(format!(
            "  problem    {}{path}",
            problem["message"].as_str().unwrap_or_default()
        ));
    }
    lines.join("\n") + "\n\n"
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
fn version(program: &Path, env: &Env) -> Option<String> {
    let mut child = Command::new(program)
        .arg("--version")
        .env_clear()
        .envs(env.vars())
        .current_dir(env.home().as_path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        if output.take(VERSION_MAX).read_to_string(&mut text).is_ok() {
            // Nobody listens any more once the deadline has passed.
            drop(sender.send(text));
        }
    });
    let text = receiver.recv_timeout(VERSION_DEADLINE).ok();
    if text.is_none() {
        // It may have ended by itself in this moment.
        drop(child.kill());
    }
    drop(child.wait());
    text?.lines().map(str::trim).find(|it| !it.is_empty()).map(str::to_owned)
}
