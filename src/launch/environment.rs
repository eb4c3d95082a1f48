//! What a launched agent sees: the server's environment without the marks of nesting, and the programs of a login.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use super::child;
use super::ending::{LAUNCH_VARIABLE, SUPERVISOR_VARIABLE};
use crate::adapters::drive;
use crate::base::{AbsPath, Pid};
use crate::env::Env;
use crate::procs::pinned::Pinned;
use crate::procs::{self};

/// How long a login shell may take to tell its PATH; slow ones start version managers.
const LOGIN_SHELL_MAX: Duration = Duration::from_secs(3);
/// Most bytes of what a login shell says.
const LOGIN_OUTPUT_MAX: u64 = 256 << 10;
/// Stands around the PATH: profiles greet, too.
const MARK: &str = "\u{1}headcount\u{1}";

/// The variables of a hook, which no agent below another's hook should take for its own.
const OF_HOOKS: [&str; 6] = [
    "HEADCOUNT_SESSION_ID",
    "HEADCOUNT_AGENT",
    "HEADCOUNT_CWD",
    "HEADCOUNT_GROUP",
    "HEADCOUNT_MODEL",
    "HEADCOUNT_EXIT_CODE",
];

/// The environment of an agent: `env`'s, minus the marks by which agents recognise nesting, plus `own`.
pub(super) fn of_agent(
    env: &Env,
    cwd: &AbsPath,
    own: &BTreeMap<String, String>,
) -> BTreeMap<OsString, OsString> {
    let mut variables = env.vars().clone();
    let ours = [LAUNCH_VARIABLE, SUPERVISOR_VARIABLE].into_iter().chain(OF_HOOKS);
    for name in drive::nesting_variables().chain(ours) {
        variables.remove(OsStr::new(name));
    }
    variables.insert("PWD".into(), cwd.as_path().into());
    variables.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

/// How a login shell is asked: as scripts start it, and then as terminals do, for whoever sets up version managers in
/// files that only those read.
const ASKED: [&[&str]; 2] = [&["-l", "-c"], &["-i", "-l", "-c"]];

/// The login shell's PATH, asked for once in each way: an editor started from a desktop does not have it.
#[derive(Debug, Default)]
pub struct LoginPath([OnceLock<Option<OsString>>; ASKED.len()]);

impl LoginPath {
    /// What each way of asking says, as far as it is wanted.
    fn all<'a>(&'a self, env: &'a Env) -> impl Iterator<Item = &'a OsStr> {
        self.0.iter().zip(ASKED).filter_map(move |(answer, flags)| {
            let path = answer.get_or_init(|| {
                let path = ask_login_shell(env, flags);
                tracing::info!(?flags, ?path, "the login shell was asked for its PATH");
                path
            });
            path.as_deref()
        })
    }
}

/// A program to be started.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub program: PathBuf,
    /// The login shell's PATH, where only that led to it.
    pub login_path: Option<OsString>,
}

/// The first of these programs that is there, on the agent's PATH or else on the login shell's; in the latter case
/// the agent gets that PATH too, since what it starts will be there as well.
pub fn find_program(
    env: &Env,
    variables: &mut BTreeMap<OsString, OsString>,
    login: &LoginPath,
    names: &[&str],
) -> Option<Found> {
    let find = |path: &OsStr| names.iter().find_map(|name| Env::find_on(path, name));
    let path = variables.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    if let Some(program) = find(&path) {
        return Some(Found { program, login_path: None });
    }
    let (login_path, program) = login.all(env).find_map(|it| Some((it.to_owned(), find(it)?)))?;
    let mut joined = path;
    if !joined.is_empty() {
        joined.push(":");
    }
    joined.push(&login_path);
    variables.insert("PATH".into(), joined);
    Some(Found { program, login_path: Some(login_path) })
}

#[expect(clippy::disallowed_methods, reason = "the login shell is asked here and nowhere else")]
fn ask_login_shell(env: &Env, flags: &[&str]) -> Option<OsString> {
    let shell = env.var("SHELL").unwrap_or(OsStr::new("/bin/sh"));
    let mut command = Command::new(shell);
    // One that takes itself for a terminal's would be stopped where it is not in the foreground of one.
    child::without_terminal(&mut command);
    let mut child = command
        .args(flags)
        .arg(format!("printf '{MARK}%s{MARK}' \"$PATH\""))
        .env_clear()
        .envs(env.vars())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let proc_root = Path::new(procs::PROC);
    let pid = Pid(i32::try_from(child.id()).unwrap_or_default());
    // One that has ended already is not held, and has told its PATH.
    let held = procs::identity(proc_root, pid).and_then(|process| Pinned::hold(proc_root, process));
    if held.is_some_and(|it| !it.has_ended_within(LOGIN_SHELL_MAX)) {
        let group = nix::unistd::Pid::from_raw(pid.0);
        // An error means that it just ended.
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).ok();
    }
    child.wait().ok()?;
    let mut output = Vec::new();
    let pipe = child.stdout.take()?;
    nix::fcntl::fcntl(&pipe, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).ok()?;
    // What a profile left running may hold the pipe open: what is there is there.
    drop(pipe.take(LOGIN_OUTPUT_MAX).read_to_end(&mut output));
    between_marks(&output).map(|it| OsStr::from_bytes(it).to_owned())
}

fn between_marks(output: &[u8]) -> Option<&[u8]> {
    let mark = MARK.as_bytes();
    let start = memchr::memmem::find(output, mark)? + mark.len();
    let len = memchr::memmem::find(&output[start..], mark)?;
    Some(&output[start..start + len]).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::of_vars(vars.iter().map(|(k, v)| (k.into(), v.into())).collect()).unwrap()
    }

    #[test]
    fn marks_of_nesting_stay_behind_and_keys_and_settings_pass() {
        let env = env(&[
            ("HOME", "/home/dev"),
            ("CLAUDECODE", "1"),
            ("CLAUDE_CODE_SESSION_ID", "s"),
            ("CLAUDE_CODE_ENTRYPOINT", "cli"),
            ("AI_AGENT", "claude-code"),
            ("CODEX_THREAD_ID", "t"),
            ("OPENCODE", "1"),
            ("OPENCODE_PID", "7"),
            ("PI_CODING_AGENT", "true"),
            ("AGENT", "1"),
            ("HEADCOUNT_LAUNCH_ID", "outer"),
            ("ANTHROPIC_API_KEY", "key"),
            ("CLAUDE_CONFIG_DIR", "/c"),
            ("CLAUDE_CODE_USE_BEDROCK", "1"),
            ("CODEX_HOME", "/x"),
            ("OPENCODE_CONFIG_DIR", "/o"),
            ("PI_CODING_AGENT_DIR", "/p"),
        ]);
        let own = [("CODEX_HOME".to_owned(), "/y".to_owned())].into();
        let seen = of_agent(&env, &AbsPath::parse("/work").unwrap(), &own);
        let seen: Vec<String> = seen
            .iter()
            .map(|(k, v)| format!("{}={}", k.to_string_lossy(), v.to_string_lossy()))
            .collect();
        assert_eq!(
            seen,
            [
                "ANTHROPIC_API_KEY=key",
                "CLAUDE_CODE_USE_BEDROCK=1",
                "CLAUDE_CONFIG_DIR=/c",
                "CODEX_HOME=/y",
                "HOME=/home/dev",
                "OPENCODE_CONFIG_DIR=/o",
                "PI_CODING_AGENT_DIR=/p",
                "PWD=/work",
            ]
        );
    }

    #[test]
    fn a_program_of_the_login_shell_is_found_and_its_path_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        let put = |path: &Path, text: String| {
            std::fs::write(path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        put(&bin.join("agent"), "#!/bin/sh\n".into());
        let shell = dir.path().join("shell");
        let profile =
            format!("#!/bin/sh\necho welcome\n[ \"$1\" = -i ] && PATH={}\n", bin.display());
        put(&shell, profile + "for last; do :; done; eval \"$last\"\n");
        let env = env(&[
            ("HOME", dir.path().to_str().unwrap()),
            ("SHELL", shell.to_str().unwrap()),
            ("PATH", "/nonexistent"),
        ]);
        let mut variables = env.vars().clone();
        let login = LoginPath::default();
        let found = find_program(&env, &mut variables, &login, &["other", "agent"]).unwrap();
        assert_eq!(found.program, bin.join("agent"));
        assert_eq!(found.login_path, Some(bin.clone().into()), "as terminals start it");
        let path = variables[OsStr::new("PATH")].to_str().unwrap();
        assert_eq!(path, format!("/nonexistent:{}", bin.display()));
        assert_eq!(find_program(&env, &mut variables, &login, &["absent"]), None);
    }
}
