//! The launcher's own programs, run when a session is known and when its agent has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::order::SupervisorOrder;
use crate::base::{AbsPath, SessionId};
use crate::env::Env;
use crate::procs::pinned::child_has_ended_within;

/// How long such a program may take; then its whole process group is killed. A hook tells somebody something: one that
/// works longer than this hangs.
const HOOK_MAX: Duration = Duration::from_mins(5);

/// What a hook learns from its environment, besides that of the agent.
pub(super) fn variables(
    order: &SupervisorOrder,
    session: Option<&SessionId>,
    exit_code: Option<i32>,
) -> Vec<(&'static str, String)> {
    let optional = [
        ("HEADCOUNT_SESSION_ID", session.map(ToString::to_string)),
        ("HEADCOUNT_GROUP", order.group.clone()),
        ("HEADCOUNT_MODEL", order.model.clone()),
        ("HEADCOUNT_EXIT_CODE", exit_code.map(|it| it.to_string())),
    ];
    let always =
        [("HEADCOUNT_AGENT", order.agent.to_string()), ("HEADCOUNT_CWD", order.cwd.to_string())];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.into_iter().chain(optional).collect()
}

/// The environment of such a program where it is not this process's own: that of an agent.
pub fn environment(env: &Env, cwd: &AbsPath) -> BTreeMap<OsString, OsString> {
    super::environment::of_agent(env, cwd, &BTreeMap::new())
}

/// A program of the launcher's own.
pub struct Hook<'a> {
    /// What the launcher calls it.
    pub name: &'static str,
    pub argv: &'a [String],
    pub cwd: &'a Path,
    pub variables: &'a [(&'static str, String)],
    /// What it sees besides; this process's own environment where absent.
    pub environment: Option<&'a BTreeMap<OsString, OsString>>,
}

impl Hook<'_> {
    /// Runs the program to its end; an error says why it did not do its work.
    pub fn run(&self) -> Result<(), String> {
        self.start()?.finish()
    }

    /// Starts the program, which then goes on whether or not anybody waits for it.
    pub fn start(&self) -> Result<Running, String> {
        self.start_within(HOOK_MAX)
    }

    fn start_within(&self, limit: Duration) -> Result<Running, String> {
        let why = |why: &str| format!("{}: {why}", self.name);
        let program = self.argv.first().ok_or_else(|| why("names no program"))?;
        let child = self.spawn(program).map_err(|error| why(&format!("`{program}`: {error}")))?;
        let end = Instant::now() + limit;
        Ok(Running { name: self.name, program: program.clone(), child, limit, end })
    }

    #[expect(clippy::disallowed_methods, reason = "hooks are started here and nowhere else")]
    fn spawn(&self, program: &str) -> io::Result<Child> {
        let mut command = Command::new(program);
        if let Some(environment) = self.environment {
            command.env_clear().envs(environment);
        }
        command
            .args(&self.argv[1..])
            .current_dir(self.cwd)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    }
}

/// Such a program, started.
#[derive(Debug)]
pub struct Running {
    name: &'static str,
    program: String,
    child: Child,
    limit: Duration,
    end: Instant,
}

impl Running {
    /// Waits for its end; an error says why it did not do its work.
    pub fn finish(self) -> Result<(), String> {
        let Self { name, program, mut child, limit, end } = self;
        let left = end.saturating_duration_since(Instant::now());
        let is_late = !child_has_ended_within(&child, left).unwrap_or_else(|error| {
            tracing::warn!(%error, program, "it may take as long as it likes");
            true
        });
        if is_late {
            kill_group_of(&child);
        }
        let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
        match status.code() {
            _ if is_late => Err(format!("{name}: `{program}` took over {limit:?}")),
            Some(0) => Ok(()),
            _ => Err(format!("{name}: `{program}` ended with {status}")),
        }
    }
}

/// Kills a child that leads a process group, and all of that. Nobody may have waited for it yet, so that its id is still
/// its own.
pub(super) fn kill_group_of(child: &Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    // An error means that all of them just ended.
    killpg(group, Signal::SIGKILL).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_within(argv: &[&str], limit: Duration) -> Result<(), String> {
        let argv: Vec<String> = argv.iter().map(|it| (*it).to_owned()).collect();
        let variables = [("HEADCOUNT_SESSION_ID", "s1".to_owned())];
        let cwd = Path::new("/");
        let hook =
            Hook { name: "onCreate", argv: &argv, cwd, variables: &variables, environment: None };
        hook.start_within(limit)?.finish()
    }

    fn check(argv: &[&str]) -> Result<(), String> {
        check_within(argv, HOOK_MAX)
    }

    #[test]
    fn a_hook_sees_its_variables_and_its_failure_is_told() {
        assert_eq!(check(&["sh", "-c", "test \"$HEADCOUNT_SESSION_ID\" = s1"]), Ok(()));
        let failed = check(&["sh", "-c", "exit 3"]).unwrap_err();
        assert!(
            failed.starts_with("onCreate: `sh` ended with") && failed.contains('3'),
            "{failed}"
        );
        assert!(check(&["/nonexistent/program"]).unwrap_err().contains("/nonexistent/program"));
        assert!(check(&[]).is_err());
    }

    #[test]
    fn a_hook_that_takes_too_long_is_killed_with_all_that_it_started() {
        // Whoever holds the pipe's other end lives; it ends when all of them are gone.
        let dir = tempfile::tempdir().unwrap();
        let held = dir.path().join("held");
        nix::unistd::mkfifo(&held, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = format!("exec 3> '{}'; echo begun >&3; sleep 1000 & wait", held.display());
        let reading = std::thread::spawn(move || std::fs::read_to_string(held).unwrap());
        // Nothing but the limit ends it, and however short that is, it is not late before.
        let late = check_within(&["sh", "-c", &script], Duration::from_secs(1)).unwrap_err();
        assert_eq!(late, "onCreate: `sh` took over 1s");
        assert_eq!(reading.join().unwrap(), "begun\n");
    }
}
