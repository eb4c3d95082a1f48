//! The command line: every command goes through the same methods as the wire; no logic of its own.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use serde_json::Value;

use crate::adapters::REGISTRY;
use crate::base::AbsPath;
use crate::env::Env;
use crate::launch::supervise;
use crate::rpc::{self, App};
use crate::transport;

mod call;
mod completions;
mod doctor;
mod list;
mod log;
mod metrics;
mod text;

/// The exit code of a request that failed.
const FAILED: u8 = 1;
/// The exit code of a command line that makes no sense.
const USAGE: u8 = 2;

/// Which coding agents are at work on this machine, in what state, and which of them needs you.
#[derive(Debug, Parser)]
#[command(name = "headcount", version, max_term_width = 100)]
struct Cli {
    /// Look at the agent stores under another home directory.
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,

    /// Read processes from a recorded table instead of /proc.
    #[arg(long, global = true, value_name = "DIR", hide = true)]
    proc: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve JSON-RPC over stdin and stdout; what an editor starts.
    Serve {
        /// How messages are framed; recognised from the first byte where absent.
        #[arg(long, value_enum)]
        framing: Option<Framing>,
    },
    /// Call one method and print its result as JSON.
    Call {
        /// The method, for example `session.list`; `headcount schema` describes them all.
        method: String,
        /// Its parameters, as a JSON object; `-` reads them from stdin.
        params: Option<String>,
    },
    /// Show the sessions as a table.
    List(list::Options),
    /// Tell for each agent what is installed, stored and visible here.
    Doctor {
        /// Print JSON instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Look once, and print counts as OpenMetrics text.
    Metrics,
    /// Supervise the launch that stdin orders; started by `session.launch`.
    #[command(hide = true)]
    Supervise,
    /// Print a script that lets a shell complete headcount's commands, methods, agents and states.
    Completions {
        /// The shell that reads it.
        shell: clap_complete::Shell,
    },
    /// Print the OpenRPC document, or write the published schema into a directory.
    Schema {
        /// The directory that gets `openrpc.json`, and as `config.json` the schema of the settings.
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Framing {
    /// LSP's `Content-Length` headers.
    ContentLength,
    /// One JSON text a line.
    Lines,
}

/// Why a command ended without success.
#[derive(Debug)]
enum Failure {
    /// The command line makes no sense.
    Usage(String),
    /// The request failed.
    Request(String),
    /// The request was answered with this error.
    Refused(Value),
    /// Nobody reads our output any more; not worth a word.
    OutputGone,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputGone,
            _ => Self::Request(error.to_string()),
        }
    }
}

/// Runs the program and returns its exit code.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers and go to stdout; clap tells the two apart.
            let code = if error.use_stderr() { USAGE } else { 0 };
            return if error.print().is_ok() { code.into() } else { FAILED.into() };
        }
    };
    match execute(cli) {
        Ok(code) => code.into(),
        Err(Failure::Usage(message)) => complain(&message, USAGE),
        Err(Failure::Request(message)) => complain(&message, FAILED),
        Err(Failure::Refused(error)) => complain(&refusal(&error), FAILED),
        Err(Failure::OutputGone) => FAILED.into(),
    }
}

/// An error of a request, for people.
fn refusal(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or_default();
    let hint = error["data"]["hint"].as_str().map_or(String::new(), |it| format!(" ({it})"));
    text::one_line(&format!("{message}{hint}"))
}

fn complain(message: &str, code: u8) -> ExitCode {
    // Where stderr is gone too, the exit code has to do.
    drop(writeln!(io::stderr(), "headcount: {message}"));
    code.into()
}

fn execute(cli: Cli) -> Result<u8, Failure> {
    let Some(command) = cli.command.or_else(default_command) else {
        Cli::command().print_help()?;
        return Ok(0);
    };
    if let Command::Supervise = command {
        let begin_log = |state_dir: &Path| log::start(state_dir, Env::of_this_process().as_ref());
        return Ok(supervise::run(begin_log).map(|()| 0)?);
    }
    let env = world(cli.home, cli.proc)?;
    match command {
        Command::Schema { out } => return schema(env, out),
        Command::Completions { shell } => return completions::run(env, shell, &Cli::command()),
        _ => {}
    }
    log::start(&env.state_dir(), Some(&env));
    match command {
        Command::Serve { framing } => serve(env, framing),
        Command::Call { method, params } => call::run(env, &method, params.as_deref()),
        Command::List(options) => list::run(env, options),
        Command::Doctor { json } => doctor::run(&env, json),
        Command::Metrics => metrics::run(env),
        Command::Supervise | Command::Schema { .. } | Command::Completions { .. } => {
            unreachable!("answered above")
        }
    }
}

/// Without a command: an editor or a script talks to us through a pipe, a person wants help.
fn default_command() -> Option<Command> {
    (!io::stdin().is_terminal()).then_some(Command::Serve { framing: None })
}

fn world(home: Option<PathBuf>, proc: Option<PathBuf>) -> Result<Env, Failure> {
    let no_home = || Failure::Usage("HOME is not set to an absolute path; give --home".into());
    let env = match home {
        None => Env::of_this_process().ok_or_else(no_home)?,
        Some(home) => {
            let told = home.display().to_string();
            let home = home
                .canonicalize()
                .map_err(|error| Failure::Usage(format!("--home `{told}`: {error}")))?;
            if !home.is_dir() {
                return Err(Failure::Usage(format!("--home `{told}` is not a directory")));
            }
            let home = AbsPath::parse(home).ok_or_else(no_home)?;
            Env::of_this_process_at(home)
        }
    };
    Ok(match proc {
        Some(root) => env.with_proc_root(root),
        None => env,
    })
}

/// One thread that reacts, and a small pool for files: an editor's child starts in milliseconds and idles at zero.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    Ok(builder.enable_all().max_blocking_threads(BLOCKING_THREADS).build()?)
}

/// Threads that may wait for files at once: one for each adapter of the few requests that are answered at a time. What
/// waits for another program takes none of them, but one of its own.
const BLOCKING_THREADS: usize = 32;

fn serve(env: Env, framing: Option<Framing>) -> Result<u8, Failure> {
    let runtime = runtime()?;
    let app = App::new(env, REGISTRY);
    let (fuses, env) = (app.fuses.clone(), app.env.clone());
    let unfinished = app.unfinished.clone();
    let methods = rpc::router(app).into_methods();
    let options = transport::Options {
        framing: framing.map(|it| match it {
            Framing::ContentLength => transport::Framing::ContentLength,
            Framing::Lines => transport::Framing::Lines,
        }),
    };
    tracing::info!(pid = std::process::id(), "serving");
    let exit = runtime.block_on(async {
        let connection =
            transport::serve(tokio::io::stdin(), tokio::io::stdout(), methods, options);
        let exit = tokio::select! {
            // First: an end that both sides agree on is no failure, though the reader left, too.
            biased;
            exit = connection => exit,
            () = transport::reader_gone(io::stdout()) => {
                transport::Exit::OutputGone(io::ErrorKind::BrokenPipe.into())
            }
            never = fuses.keep(env, unfinished.clone()) => match never {},
        };
        tracing::info!(?exit, "the connection has ended");
        let left = unfinished.wait().await;
        if left > 0 {
            tracing::warn!(left, "work is left half done");
        }
        exit
    });
    if let Some(complaint) = exit.complaint() {
        drop(writeln!(io::stderr(), "headcount: {complaint}"));
    }
    // A thread may still wait for stdin; nobody waits for it.
    runtime.shutdown_background();
    Ok(exit.code())
}

fn schema(env: Env, out: Option<PathBuf>) -> Result<u8, Failure> {
    let text = rpc::openrpc::text(rpc::router(App::new(env, REGISTRY)).cards());
    match out {
        None => io::stdout().write_all(text.as_bytes())?,
        Some(dir) => {
            let refused =
                |error: io::Error| Failure::Request(format!("--out `{}`: {error}", dir.display()));
            std::fs::create_dir_all(&dir).map_err(refused)?;
            std::fs::write(dir.join("openrpc.json"), text).map_err(refused)?;
            std::fs::write(dir.join("config.json"), rpc::openrpc::config_text())
                .map_err(refused)?;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_screen() {
        let mut cli = Cli::command();
        cli.build();
        for command in cli.get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let widest = help.lines().map(text::width).max();
            assert!(widest <= Some(100), "{help}");
        }
    }
}
