//! `headcount list`: the sessions as a table that people like to read.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValuesParser;
use serde::Deserialize;
use serde_json::json;

use super::text::{cut_end, cut_start, one_line, padded, terminal_width, width};
use super::{Failure, call};
use crate::adapters::REGISTRY;
use crate::base::{AbsPath, Timestamp};
use crate::env::Env;
use crate::protocol::session::{AgentReport, Problem, Session, Status};
use crate::scope::now;

/// Width of a table that no terminal bounds.
const WIDTH: usize = 120;
/// Least room for title and directory together; where there is less, other columns give way.
const ROOM_MIN: usize = 30;
/// Least room for a title, however narrow the terminal: below it nothing is readable.
const TITLE_MIN: usize = 10;
/// Most sessions of a table.
const ROWS: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only this agent; may be given several times.
    #[arg(long, value_name = "ID", value_parser = agents())]
    agent: Vec<String>,
    /// Only sessions in this state; may be given several times.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES.map(word)))]
    status: Vec<String>,
    /// Only sessions that work in this directory or below it.
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Print the result of `session.list` as JSON.
    #[arg(long)]
    json: bool,
}

/// Every state, in the order of the table.
const STATES: [Status; 6] = [
    Status::Waiting,
    Status::Running,
    Status::Idle,
    Status::Stopped,
    Status::Failed,
    Status::Unknown,
];

fn agents() -> PossibleValuesParser {
    PossibleValuesParser::new(REGISTRY.iter().map(|it| it.card().id.as_str()))
}

/// What the table shows of the result of `session.list`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    sessions: Vec<Session>,
    agents: Vec<AgentReport>,
    #[serde(default)]
    problems: Vec<Problem>,
    total: usize,
}

/// What is said of sessions that the table has no room for.
fn left_out(shown: usize, total: usize) -> Option<String> {
    let left = total.checked_sub(shown).filter(|it| *it > 0)?;
    Some(format!("{left} more sessions are not shown; --agent, --status and --cwd narrow the list"))
}

pub(super) fn run(env: Env, options: Options) -> Result<u8, Failure> {
    let home = env.home().clone();
    let has_colour = io::stdout().is_terminal() && wants_colour(&env);
    let Options { agent, status, cwd, json: as_json } = options;
    let under = cwd.as_deref().map(on_the_wire).transpose()?;
    let mut params = json!({ "limit": ROWS });
    let filters = [
        ("agents", (!agent.is_empty()).then(|| json!(agent))),
        ("status", (!status.is_empty()).then(|| json!(status))),
        ("under", under.map(|it| json!(it))),
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
    let width = terminal_width().unwrap_or(WIDTH);
    let table = Table { home: &home, now: now(), has_colour, width };
    out.write_all(table.render(&listed.sessions).as_bytes())?;
    let left_out = left_out(listed.sessions.len(), listed.total);
    if let Some(left_out) = &left_out {
        writeln!(out, "… {left_out}")?;
    }
    out.flush()?;
    report(&listed, left_out);
    Ok(0)
}

/// A directory as the wire can tell it; nobody is to read that there are no sessions in one of another name.
fn on_the_wire(directory: &Path) -> Result<String, Failure> {
    let absolute = std::path::absolute(directory)?;
    let refused = |it: OsString| {
        Failure::Usage(format!(
            "--cwd `{}` is not UTF-8: no session is told to work there",
            it.display()
        ))
    };
    absolute.into_os_string().into_string().map_err(refused)
}

/// Whether a terminal is to be shown colours: its user may not want them, and it may know none.
fn wants_colour(env: &Env) -> bool {
    env.var("NO_COLOR").is_none() && env.var("TERM").is_none_or(|it| it != "dumb")
}

/// Names what is left out, on stderr: the table stays a table.
fn report(listed: &Listed, left_out: Option<String>) {
    let own = listed.problems.iter().map(told);
    let of_agents = listed.agents.iter().flat_map(|report| {
        let problems = report.problems.iter().map(|it| format!("{}: {}", report.agent, told(it)));
        let omitted = report.problems_omitted;
        problems.chain(omitted.map(|it| format!("{}: {it} more problems", report.agent)))
    });
    let mut err = io::stderr().lock();
    for line in own.chain(of_agents).chain(left_out) {
        // Where stderr is gone, nobody is left to tell.
        drop(writeln!(err, "headcount: {line}"));
    }
}

/// A problem in one line.
pub(super) fn told(problem: &Problem) -> String {
    let path = problem.path.as_ref().map_or(String::new(), |it| format!(" ({it})"));
    one_line(&format!("{}{path}", problem.message))
}

/// How the sessions are shown.
struct Table<'a> {
    home: &'a AbsPath,
    now: Timestamp,
    has_colour: bool,
    /// Columns of the whole table.
    width: usize,
}

/// The columns, by where they stand in a row.
const AGENT: usize = 1;
const TITLE: usize = 2;
const DIRECTORY: usize = 3;
const COLUMNS: [usize; 5] = [0, AGENT, TITLE, DIRECTORY, 4];

impl Table<'_> {
    fn render(&self, sessions: &[Session]) -> String {
        if sessions.is_empty() {
            return "no sessions\n".to_owned();
        }
        let mut rows: Vec<[String; 5]> = sessions.iter().map(|it| self.row(it)).collect();
        let header = ["STATUS", "AGENT", "TITLE", "DIRECTORY", "AGE"].map(str::to_owned);
        let widest = |column: usize| {
            let cells = std::iter::once(&header).chain(&rows).map(|row| width(&row[column]));
            cells.max().unwrap_or(0)
        };
        let (shown, widths) = self.layout(COLUMNS.map(widest));
        for row in &mut rows {
            row[TITLE] = cut_end(&row[TITLE], widths[TITLE]);
            row[DIRECTORY] = cut_start(&row[DIRECTORY], widths[DIRECTORY]);
        }
        let line = |cells: &[String; 5], colour: Option<&str>| {
            let cell = |column: &usize| match colour.filter(|_| *column == 0) {
                Some(colour) => format!("\x1b[{colour}m{}\x1b[0m", padded(&cells[0], widths[0])),
                None => padded(&cells[*column], widths[*column]),
            };
            let cells: Vec<String> = shown.iter().map(cell).collect();
            format!("{}\n", cells.join(GAP).trim_end())
        };
        let mut text = line(&header, None);
        for (session, row) in sessions.iter().zip(&rows) {
            text += &line(row, self.has_colour.then(|| colour(session.status)));
        }
        text
    }

    /// Which columns are shown, and how wide each is, where so much would show everything.
    fn layout(&self, widest: [usize; 5]) -> (Vec<usize>, [usize; 5]) {
        let mut shown = COLUMNS.to_vec();
        let room = |shown: &[usize]| {
            let fixed = shown.iter().filter(|it| ![TITLE, DIRECTORY].contains(it));
            let gaps = GAP.len() * (shown.len() - 1);
            self.width.saturating_sub(fixed.map(|it| widest[*it]).sum::<usize>() + gaps)
        };
        let wanted = ROOM_MIN.min(widest[TITLE] + widest[DIRECTORY]);
        for column in [AGENT, DIRECTORY] {
            if room(&shown) < wanted {
                shown.retain(|it| *it != column);
            }
        }
        let room = room(&shown).max(TITLE_MIN);
        let mut widths = widest;
        let directory = if shown.contains(&DIRECTORY) { widest[DIRECTORY] } else { 0 };
        // Each may have half of the room, and what the other leaves of its half.
        widths[TITLE] = widest[TITLE].min((room / 2).max(room.saturating_sub(directory)));
        widths[DIRECTORY] = directory.min(room - widths[TITLE]);
        (shown, widths)
    }

    fn row(&self, session: &Session) -> [String; 5] {
        let cwd = session.cwd.as_ref().map_or_else(|| "–".to_owned(), |it| self.tilde(it));
        let age =
            session.updated_at.map_or_else(|| "–".to_owned(), |it| age(self.now.millis_since(it)));
        let status = format!("{} {}", symbol(session.status), word(session.status));
        [status, session.agent.to_string(), title(session), one_line(&cwd), age]
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

/// The state as the wire spells it.
fn word(status: Status) -> &'static str {
    match status {
        Status::Waiting => "waiting",
        Status::Running => "running",
        Status::Idle => "idle",
        Status::Stopped => "stopped",
        Status::Failed => "failed",
        Status::Unknown => "unknown",
    }
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

/// What a session is called: its title, else the label of its launch, else what was asked of it first.
fn title(session: &Session) -> String {
    let label = session.launch.as_ref().and_then(|it| it.label.as_deref());
    let told = session.title.as_deref().or(label).or(session.prompt.as_deref());
    let line = one_line(told.unwrap_or_default());
    match &session.session_id {
        _ if !line.is_empty() => line,
        Some(id) => format!("Session {}", id.as_str().chars().take(8).collect::<String>()),
        None => "New session".to_owned(),
    }
}

/// How long ago, in the largest unit that fits.
fn age(millis: u64) -> String {
    let minutes = millis / 60_000;
    match (minutes, minutes / 60, minutes / 60 / 24) {
        (0, ..) => "now".to_owned(),
        (_, 0, _) => format!("{minutes}m"),
        (_, hours, 0) => format!("{hours}h"),
        (.., days @ ..14) => format!("{days}d"),
        (.., days) => format!("{}w", days / 7),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_has_no_room_for_is_said() {
        assert_eq!(left_out(ROWS, ROWS), None);
        assert!(left_out(ROWS, ROWS + 1).unwrap().starts_with("1 more sessions"));
    }

    #[test]
    fn colours_are_for_those_who_can_see_them_and_want_to() {
        let check = |variable: (&str, &str), expect: bool| {
            let vars =
                [("HOME", "/home/dev"), variable].map(|(name, value)| (name.into(), value.into()));
            assert_eq!(wants_colour(&Env::of_vars(vars.into()).unwrap()), expect, "{variable:?}");
        };
        check(("TERM", "xterm-256color"), true);
        check(("TERM", "dumb"), false);
        check(("NO_COLOR", "1"), false);
        check(("NO_COLOR", ""), true);
    }

    #[test]
    fn a_directory_that_the_wire_cannot_tell_is_refused_by_its_name() {
        use std::os::unix::ffi::OsStringExt;
        assert_eq!(on_the_wire(Path::new("/work/é")).unwrap(), "/work/é");
        let odd = PathBuf::from(OsString::from_vec(b"/work/\xff".to_vec()));
        let refused = on_the_wire(&odd).unwrap_err();
        assert!(
            matches!(&refused, Failure::Usage(it) if it.contains("`/work/\u{fffd}`")),
            "{refused:?}"
        );
    }

    #[test]
    fn titles_and_ages_are_those_that_every_client_shows() {
        #[derive(Deserialize)]
        struct Cases {
            titles: Vec<Titled>,
            ages: Vec<Aged>,
        }
        #[derive(Deserialize)]
        struct Titled {
            session: serde_json::Value,
            shown: String,
        }
        #[derive(Deserialize)]
        struct Aged {
            seconds: u64,
            shown: String,
        }
        let text = include_str!("../../tests/fixtures/shown.json");
        let Cases { titles, ages } = serde_json::from_str(text).unwrap();
        for Titled { session: mut told, shown } in titles {
            for (member, value) in [
                ("agent", "claude-code"),
                ("status", "idle"),
                ("reason", "turn_ended"),
                ("certainty", "asserted"),
                ("kind", "main"),
            ] {
                told[member] = value.into();
            }
            if let Some(label) = told["launch"]["label"].take().as_str() {
                told["launch"] = json!({
                    "launchId": "1", "launchedAt": "2026-11-22T20:00:00Z", "prompt": "", "label": label, "logPath": "/log",
                });
            } else {
                told.as_object_mut().unwrap().remove("launch");
            }
            let session: Session = serde_json::from_value(told).unwrap();
            assert_eq!(title(&session), shown);
        }
        for Aged { seconds, shown } in ages {
            assert_eq!(age(seconds * 1_000), shown, "{seconds} s");
        }
    }

    #[test]
    fn states_are_spelt_as_on_the_wire() {
        for status in STATES {
            assert_eq!(json!(status), word(status));
        }
    }

    fn table(width: usize) -> String {
        let session = |title: &str, cwd: &str| -> Session {
            serde_json::from_value(json!({
                "agent": "claude-code", "status": "waiting", "reason": "permission", "certainty": "asserted",
                "kind": "main", "title": title, "cwd": cwd, "updatedAt": "2026-11-22T20:00:00.000Z",
            }))
            .unwrap()
        };
        let home = AbsPath::parse("/home/dev").unwrap();
        let now = Timestamp::parse("2026-11-22T20:02:00Z").unwrap();
        let sessions = [
            session(
                "⚠\u{fe0f} ❤\u{fe0f} ⚠\u{fe0f} ❤\u{fe0f} ⚠\u{fe0f} ❤\u{fe0f} ⚠\u{fe0f} all of it",
                "/srv/⚠\u{fe0f}⚠\u{fe0f}⚠\u{fe0f}",
            ),
            session(
                "a title that says more than anybody wants to read in a table",
                "/home/dev/work/api",
            ),
            session("支払いテーブルを\u{1b}[31m移行する", "/srv/one/two/three/four/five/six/seven"),
        ];
        Table { home: &home, now, has_colour: false, width }.render(&sessions)
    }

    #[test]
    fn a_table_keeps_to_its_width_and_gives_up_columns_before_the_title() {
        insta::assert_snapshot!([90, 56, 40].map(table).join("\n"), @"
        STATUS     AGENT        TITLE                          DIRECTORY                       AGE
        ▲ waiting  claude-code  ⚠️ ❤️ ⚠️ ❤️ ⚠️ ❤️ ⚠️ all of …  /srv/⚠️⚠️⚠️                     2m
        ▲ waiting  claude-code  a title that says more than …  ~/work/api                      2m
        ▲ waiting  claude-code  支払いテーブルを [31m移行する  …two/three/four/five/six/seven  2m

        STATUS     TITLE                DIRECTORY            AGE
        ▲ waiting  ⚠️ ❤️ ⚠️ ❤️ ⚠️ ❤️ …  /srv/⚠️⚠️⚠️          2m
        ▲ waiting  a title that says …  ~/work/api           2m
        ▲ waiting  支払いテーブルを […  …our/five/six/seven  2m

        STATUS     TITLE                     AGE
        ▲ waiting  ⚠️ ❤️ ⚠️ ❤️ ⚠️ ❤️ ⚠️ al…  2m
        ▲ waiting  a title that says more …  2m
        ▲ waiting  支払いテーブルを [31m移…  2m
        ");
        for columns in 26..120 {
            let text = table(columns);
            assert!(text.lines().all(|it| width(it) <= columns), "{columns}\n{text}");
        }
    }

    #[test]
    fn a_name_that_is_spelt_wrong_is_refused_with_the_right_one() {
        use clap::Parser;
        #[derive(Debug, Parser)]
        struct Line {
            #[command(flatten)]
            _options: Options,
        }
        for (option, wrong, right) in
            [("--agent", "clod-code", "claude-code"), ("--status", "wating", "waiting")]
        {
            let refused = Line::try_parse_from(["list", option, wrong]).unwrap_err().to_string();
            assert!(refused.contains(wrong) && refused.contains(right), "{refused}");
            Line::try_parse_from(["list", option, right]).unwrap();
        }
    }
}
