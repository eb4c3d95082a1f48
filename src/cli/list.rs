//! `headcount list`: the sessions as a table that people like to read.

use std::io::{self, IsTerminal, Write};

use serde::Deserialize;
use serde_json::json;

use super::{Failure, call};
use crate::base::{AbsPath, Timestamp};
use crate::env::Env;
use crate::protocol::session::{AgentReport, Session, Status};
use crate::scope::now;

/// Width of a table that no terminal bounds.
const WIDTH: usize = 120;
/// Least room for title and directory together, however narrow the terminal: below it nothing is readable.
const ROOM_MIN: usize = 30;
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
    let is_plain = env.var("NO_COLOR").is_some();
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
    let listed: Listed = serde_json::from_value(result)
        .map_err(|error| Failure::Request(format!("unreadable reply: {error}")))?;
    let is_terminal = io::stdout().is_terminal();
    let width = terminal_width().filter(|_| is_terminal).unwrap_or(WIDTH);
    let table = Table { home: &home, now: now(), has_colour: is_terminal && !is_plain, width };
    out.write_all(table.render(&listed.sessions).as_bytes())?;
    out.flush()?;
    report(&listed.agents);
    Ok(0)
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

/// How many columns the terminal at stdout has.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// How the sessions are shown.
struct Table<'a> {
    home: &'a AbsPath,
    now: Timestamp,
    has_colour: bool,
    /// Columns of the whole table.
    width: usize,
}

/// Where title and directory stand in a row: the two that give way where there is no room.
const TITLE: usize = 2;
const DIRECTORY: usize = 3;

impl Table<'_> {
    fn render(&self, sessions: &[Session]) -> String {
        if sessions.is_empty() {
            return "no sessions\n".to_owned();
        }
        let mut rows: Vec<[String; 5]> = sessions.iter().map(|it| self.row(it)).collect();
        let header = ["STATUS", "AGENT", "TITLE", "DIRECTORY", "AGE"].map(str::to_owned);
        let width = |column: usize| {
            let cells =
                std::iter::once(&header).chain(&rows).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let mut widths: [usize; 5] = std::array::from_fn(width);
        let gaps = GAP.len() * (widths.len() - 1);
        let fixed: usize = widths.iter().sum::<usize>() - widths[TITLE] - widths[DIRECTORY] + gaps;
        let room = self.width.saturating_sub(fixed).max(ROOM_MIN);
        // Each may have half of the room, and what the other leaves of its half.
        let (title, directory) = (widths[TITLE], widths[DIRECTORY]);
        widths[TITLE] = title.min((room / 2).max(room.saturating_sub(directory)));
        widths[DIRECTORY] = directory.min(room - widths[TITLE]);
        for row in &mut rows {
            row[TITLE] = cut_end(&row[TITLE], widths[TITLE]);
            row[DIRECTORY] = cut_start(&row[DIRECTORY], widths[DIRECTORY]);
        }
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
        [status, session.agent.to_string(), one_line(title), one_line(&cwd), age]
    }

    fn tilde(&self, path: &AbsPath) -> String {
        match path.as_path().strip_prefix(self.home.as_path()) {
            Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
            Ok(rest) => format!("~/{}", rest.display()),
            Err(_) => path.to_string(),
        }
    }
}

/// What stands between two columns.
const GAP: &str = "  ";

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
    format!("{}\n", format!("{status}{GAP}{}", rest.join(GAP)).trim_end())
}

/// The text on one line, without control characters.
fn one_line(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control());
    words.filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The text, at most so many characters of it; its end is what it loses.
fn cut_end(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// The text, at most so many characters of it; its start is what it loses: the end of a path says more.
fn cut_start(text: &str, width: usize) -> String {
    let surplus = text.chars().count().saturating_sub(width);
    if surplus == 0 {
        return text.to_owned();
    }
    std::iter::once('…').chain(text.chars().skip(surplus + 1)).collect()
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
        assert_eq!(one_line("fix\n\tthe \x1b[31mbug"), "fix the [31mbug");
    }

    #[test]
    fn what_does_not_fit_is_cut_where_it_says_least() {
        assert_eq!(cut_end("abcdef", 6), "abcdef");
        assert_eq!(cut_end("abcdefg", 6), "abcde…");
        assert_eq!(cut_start("~/work", 6), "~/work");
        assert_eq!(cut_start("~/work/api", 6), "…k/api");
        assert_eq!(cut_end("日本語です", 3), "日本…");
    }

    #[test]
    fn a_table_keeps_to_its_width() {
        let session = |title: &str, cwd: &str| -> Session {
            serde_json::from_value(json!({
                "agent": "claude-code", "status": "waiting", "reason": "permission", "certainty": "asserted",
                "kind": "main", "title": title, "cwd": cwd, "updatedAt": "2026-11-22T20:00:00.000Z",
            }))
            .unwrap()
        };
        let home = AbsPath::parse("/home/dev").unwrap();
        let now = Timestamp::parse("2026-11-22T20:02:00Z").unwrap();
        let long =
            "a very long title that says more than anybody wants to read in one line of a table";
        let sessions = [
            session(long, "/home/dev/work/api"),
            session("short", "/srv/one/two/three/four/five/six/seven"),
        ];
        let table = Table { home: &home, now, has_colour: false, width: 80 };
        let text = table.render(&sessions);
        assert!(text.lines().all(|it| it.chars().count() <= 80), "{text}");
        assert!(
            text.lines().nth(1).unwrap().contains("~/work/api") && text.contains("/five/six/seven"),
            "{text}"
        );
    }
}
