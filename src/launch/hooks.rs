//! The launcher's own programs, run when a session is known and when its agent has ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::order::SupervisorOrder;
use crate::base::{AbsPath, SessionId};
use crate::env::Env;
use crate::procs::pinned::Pinned;
use crate::procs::{self};

/// How long such a program may take; then its whole process group is killed.
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

/// Runs the program to its end, in `cwd`, with this process's environment or another; an error says why it did
/// not do its work.
#[expect(clippy::disallowed_methods, reason = "hooks are started here and nowhere else")]
pub fn run(
    name: &str,
    argv: &[String],
    cwd: &Path,
    variables: &[(&'static str, String)],
    environment: Option<&BTreeMap<OsString, OsString>>,
) -> Result<(), String> {
    let failed = |what: String| format!("{name}: {what}");
    let (program, rest) =
        argv.split_first().ok_or_else(|| failed("names no program".to_owned()))?;
    let mut command = Command::new(program);
    if let Some(environment) = environment {
        command.env_clear().envs(environment);
    }
    let mut child = command
        .args(rest)
        .current_dir(cwd)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(format!("`{program}`: {error}")))?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    let proc_root = Path::new(procs::PROC);
    let held = procs::identity(proc_root, crate::base::Pid(pid))
        .and_then(|it| Pinned::hold(proc_root, it));
    let is_late = held.is_some_and(|it| !it.has_ended_within(HOOK_MAX));
    if is_late {
        // Nobody has waited for it yet, so the id is still its own. An error means that it just ended.
        killpg(Pid::from_raw(pid), Signal::SIGKILL).ok();
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match status.code() {
        _ if is_late => Err(failed(format!("`{program}` took over {} s", HOOK_MAX.as_secs()))),
        Some(0) => Ok(()),
        _ => Err(failed(format!("`{program}` ended with {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(argv: &[&str]) -> Result<(), String> {
        let argv: Vec<String> = argv.iter().map(|it| (*it).to_owned()).collect();
        run("onCreate", &argv, Path::new("/"), &[("HEADCOUNT_SESSION_ID", "s1".into())], None)
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
}
