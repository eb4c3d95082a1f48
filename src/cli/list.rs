//! `headcount list`: the sessions as a table that people like to read.

use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failure, call};
use crate::base::{AbsPath, Timestamp};
use crate::env::Env;
use crate::protocol::session::{AgentReport, Session, Status};
use crate::scope::now;

/// Widest title or directory in a table that nobody's terminal bounds.
const WIDTH: usize = 120;
/// Most sessions of a table.
const ROWS: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only this agent; may be given several times.
    #[arg(long, value_name = "ID")]
    agent: Vec<String>,
    /// Only sessions in this state; may be given several times.
    #[arg(long, value_name = "STATE")]
    status: Vec<String>,
    /// Only sessions that work in this directory or below it.
    #[arg(long, value_name = "DIR")]
    cwd: Option<std::path::PathBuf>,
    /// Print the result of `session.list` as JSON.
    #[arg(long)]
    json: bool,
}

/// What the table shows of the result of `session.list`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    sessions: Vec<Session>,
    agents: Vec<AgentReport>,
}

pub(super) fn run(env: Env, options: Options) -> Result<u8, Failure> {
    let home = env.home().clone();
    let Options { agent, status, cwd, json: as_json } = options;
    let under = cwd.map(std::path::absolute).transpose()?;
    let mut params = json!({ "limit": ROWS });
    let filters = [
        ("agents", (!agent.is_empty()).then(|| json!(agent))),
        ("status", (!status.is_empty()).then(|| json!(status))),
        ("under", under.map(|it| json!(it.to_string_lossy()))),
    ];
    for (name, value) in filters {
        if let Some(value) = value {
            params[name] = value;
        }
    }
    let result = call::request(env, "session.list", &params)?;
    let mut out = io::stdout().lock();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &result).map_err(io::Error::from)?;
        writeln!(out)?;
        return Ok(0);
    }
    let is_complete = result["complete"] == Value::Bool(true);
    let listed: Listed = serde_json::from_value(result)
        .map_err(|error| Failure::Request(format!("unreadable reply: {error}")))?;
    let table = Table { home: &home, now: now(), has_colour: io::stdout().is_terminal() };
    out.write_all(table.render(&listed.sessions).as_bytes())?;
    out.flush()?;
    report(&listed.agents);
    Ok(u8::from(!is_complete))
}

/// Names what is left out, on stderr: the table stays a table.
fn report(agents: &[AgentReport]) {
    let mut err = io::stderr().lock();
    for report in agents {
        for problem in &report.problems {
            let path = problem.path.as_ref().map_or(String::new(), |it| format!(" ({it})"));
            // Where stderr is gone, nobody is left to tell.
            drop(writeln!(err, "headcount: {}: {}{path}", report.agent, problem.message));
        }
        if let Some(omitted) = report.problems_omitted {
            drop(writeln!(err, "headcount: {}: {omitted} more problems", report.agent));
        }
    }
}

/// How the sessions are shown.
struct Table<'a> {
    home: &'a AbsPath,
    now: Timestamp,
    has_colour: bool,
}

impl Table<'_> {
    fn render(&self, sessions: &[Session]) -> String {
        if sessions.is_empty() {
            return "no sessions\n".to_owned();
        }
        let rows: Vec<[String; 5]> = sessions.iter().map(|it| self.row(it)).collect();
        let header = ["STATUS", "AGENT", "TITLE", "DIRECTORY", "AGE"].map(str::to_owned);
        let width = |column: usize| {
            std::iter::once(&header)
                .chain(&rows)
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: [usize; 5] = std::array::from_fn(width);
        let mut text = line(&header, &widths, None);
        for (session, row) in sessions.iter().zip(&rows) {
            text += &line(row, &widths, self.has_colour.then(|| colour(session.status)));
        }
        text
    }

    fn row(&self, session: &Session) -> [String; 5] {
        let title = session.title.as_deref().or(session.prompt.as_deref()).unwrap_or("–");
        let cwd = session.cwd.as_ref().map_or_else(|| "–".to_owned(), |it| self.tilde(it));
        let age =
            session.updated_at.map_or_else(|| "–".to_owned(), |it| age(self.now.millis_since(it)));
        let status = format!("{} {}", symbol(session.status), wire_word(session.status));
        [
            status,
            session.agent.to_string(),
            one_line(title, WIDTH / 2),
            one_line(&cwd, WIDTH / 2),
            age,
        ]
    }

    fn tilde(&self, path: &AbsPath) -> String {
        match path.as_path().strip_prefix(self.home.as_path()) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Ok(rest) => format!("~/{}", rest.display()),
            Err(_) => path.to_string(),
        }
    }
}

fn line(cells: &[String; 5], widths: &[usize; 5], colour: Option<&str>) -> String {
    let padded = |column: usize| {
        let cell = &cells[column];
        format!("{cell}{}", " ".repeat(widths[column] - cell.chars().count()))
    };
    let status = match colour {
        Some(colour) => format!("\x1b[{colour}m{}\x1b[0m", padded(0)),
        None => padded(0),
    };
    let rest: Vec<String> = (1..cells.len()).map(padded).collect();
    format!("{}\n", format!("{status}  {}", rest.join("  ")).trim_end())
}

/// The text on one line, without control characters, cut to `width` characters.
fn one_line(text: &str, width: usize) -> String {
    let words =
        text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty());
    let text = words.collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(width) {
        Some((end, _)) => {
            format!("{}…", &text[..text[..end].char_indices().next_back().map_or(0, |(at, _)| at)])
        }
        None => text,
    }
}

fn wire_word(status: Status) -> String {
    serde_json::to_value(status)
        .ok()
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

fn symbol(status: Status) -> &'static str {
    match status {
        Status::Waiting => "▲",
        Status::Running => "●",
        Status::Idle => "○",
        Status::Stopped => "·",
        Status::Failed => "✗",
        Status::Unknown => "?",
    }
}

/// The terminal's colour for a state, as an SGR parameter.
fn colour(status: Status) -> &'static str {
    match status {
        Status::Waiting => "1;33",
        Status::Running => "32",
        Status::Idle => "36",
        Status::Failed => "31",
        Status::Stopped | Status::Unknown => "2",
    }
}

/// How long ago, in the largest unit that fits.
fn age(millis: u64) -> String {
    let minutes = millis / 60_000;
    match (minutes, minutes / 60, minutes / 60 / 24) {
        (0, ..) => format!("{}s", millis / 1000),
        (_, 0, _) => format!("{minutes}m"),
        (_, hours, 0) => format!("{hours}h"),
        (.., days) => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_use_the_largest_unit() {
        let cases =
            [(0, "0s"), (59_999, "59s"), (60_000, "1m"), (3_599_999, "59m"), (3_600_000, "1h")];
        for (millis, expect) in cases.into_iter().chain([(86_399_999, "23h"), (86_400_000, "1d")]) {
            assert_eq!(age(millis), expect, "{millis}");
        }
    }

    #[test]
    fn a_title_is_one_line_without_control_characters() {
        assert_eq!(one_line("fix\n\tthe \x1b[31mbug", 60), "fix the [31mbug");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
    }
}
