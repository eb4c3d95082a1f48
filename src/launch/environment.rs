//! What a launched agent sees: the server's environment without the marks of nesting, and the programs of a login.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::ending::LAUNCH_VARIABLE;
use super::{child, hooks};
use crate::adapters::{Adapter, drive};
use crate::base::AbsPath;
use crate::env::Env;
use crate::procs::pinned::child_has_ended_within;

/// How long a login shell may take to tell its PATH; slow ones start version managers.
const LOGIN_SHELL_MAX: Duration = Duration::from_secs(3);
/// Most bytes of what a login shell says.
const LOGIN_OUTPUT_MAX: usize = 256 << 10;
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
    for name in drive::nesting_variables().chain([LAUNCH_VARIABLE]).chain(OF_HOOKS) {
        variables.remove(OsStr::new(name));
    }
    variables.insert("PWD".into(), cwd.as_path().into());
    variables.extend(own.iter().map(|(name, value)| (name.into(), value.into())));
    variables
}

/// How a login shell is asked: as scripts start it, and then as terminals do, for whoever sets up version managers in
/// files that only those read.
const ASKED: [&[&str]; 2] = [&["-l", "-c"], &["-i", "-l", "-c"]];

/// How long a login shell that did not answer is not asked again: whoever looks for several programs waits for it once.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// The login shell's PATH, asked for once in each way: an editor started from a desktop does not have it.
#[derive(Debug, Default)]
pub struct LoginPath([Mutex<Answer>; ASKED.len()]);

/// What a login shell said when it was asked last.
#[derive(Clone, Debug, Default)]
enum Answer {
    #[default]
    NotAsked,
    Path(OsString),
    /// It could not be started, took too long, or said something else, at this instant.
    Silent(Instant),
}

impl LoginPath {
    /// What each way of asking says, as far as it is wanted; nothing where the shell did not answer.
    fn all<'a>(&'a self, env: &'a Env) -> impl Iterator<Item = Option<OsString>> {
        self.0.iter().zip(ASKED).map(|(answer, flags)| {
            // Held while the shell is asked: whoever else wants to know waits for the same answer.
            let mut answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
            let is_due = match &*answer {
                Answer::NotAsked => true,
                Answer::Path(_) => false,
                Answer::Silent(since) => since.elapsed() >= ASK_AGAIN_AFTER,
            };
            if is_due {
                let path = ask_login_shell(env, flags, LOGIN_SHELL_MAX);
                tracing::info!(?flags, ?path, "the login shell was asked for its PATH");
                *answer = path.map_or_else(|| Answer::Silent(Instant::now()), Answer::Path);
            }
            match &*answer {
                Answer::Path(path) => Some(path.clone()),
                Answer::NotAsked | Answer::Silent(_) => None,
            }
        })
    }
}

/// What to look for.
#[derive(Clone, Copy)]
pub struct Sought<'a> {
    pub names: &'a [&'a str],
    /// Whether a program of one of these names is the one that is meant.
    pub is_it: fn(&Path) -> bool,
}

impl Sought<'_> {
    /// The program of an agent.
    pub fn of(adapter: &dyn Adapter) -> Sought<'static> {
        Sought { names: adapter.card().binaries, is_it: adapter.driver().is_program }
    }

    fn find_on(self, path: &OsStr) -> Option<PathBuf> {
        self.names.iter().find_map(|name| Env::all_on(path, name).find(|it| (self.is_it)(it)))
    }
}

/// A program to be started.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub program: PathBuf,
    /// The login shell's PATH, where only that led to it.
    pub login_path: Option<OsString>,
}

/// Where a program was looked for in vain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFound {
    #[error("neither on PATH nor on the login shell's")]
    OnEither,
    #[error("not on PATH; the login shell did not tell its own")]
    ShellSilent,
}

/// The first of these programs that is there, on the agent's PATH or else on the login shell's; in the latter case
/// the agent gets that PATH too, since what it starts will be there as well.
pub fn find_program(
    env: &Env,
    variables: &mut BTreeMap<OsString, OsString>,
    login: &LoginPath,
    sought: Sought<'_>,
) -> Result<Found, NotFound> {
    let path = variables.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    if let Some(program) = sought.find_on(&path) {
        return Ok(Found { program, login_path: None });
    }
    let mut why = NotFound::OnEither;
    for answer in login.all(env) {
        let Some(login_path) = answer else {
            why = NotFound::ShellSilent;
            continue;
        };
        let Some(program) = sought.find_on(&login_path) else { continue };
        let mut joined = path;
        if !joined.is_empty() {
            joined.push(":");
        }
        joined.push(&login_path);
        variables.insert("PATH".into(), joined);
        return Ok(Found { program, login_path: Some(login_path) });
    }
    Err(why)
}

#[expect(clippy::disallowed_methods, reason = "the login shell is asked here and nowhere else")]
fn ask_login_shell(env: &Env, flags: &[&str], limit: Duration) -> Option<OsString> {
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
    let until = Instant::now() + limit;
    let path = child.stdout.take().and_then(|it| path_told(it, until));
    let left = until.saturating_duration_since(Instant::now());
    // Where that cannot be told it has said what it had to say, or will not.
    if !child_has_ended_within(&child, left).unwrap_or(false) {
        hooks::kill_group_of(&child);
    }
    child.wait().ok()?;
    path
}

/// The PATH that a login shell tells, read as it comes: one that greets at length could not go on otherwise. What a
/// profile left running may hold the pipe open for ever, so that its end is not waited for.
fn path_told(mut pipe: ChildStdout, until: Instant) -> Option<OsString> {
    let mut output = Vec::new();
    let mut chunk = [0; 4096];
    while output.len() < LOGIN_OUTPUT_MAX {
        let left = until.saturating_duration_since(Instant::now());
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) => return None,
            Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(_) => return None,
        }
        let read = pipe.read(&mut chunk).ok().filter(|it| *it > 0)?;
        output.extend_from_slice(&chunk[..read]);
        if let Some(path) = between_marks(&output) {
            return Some(OsStr::from_bytes(path).to_owned());
        }
    }
    None
}

fn between_marks(output: &[u8]) -> Option<&[u8]> {
    let mark = MARK.as_bytes();
    let start = memchr::memmem::find(output, mark)? + mark.len();
    let len = memchr::memmem::find(&output[start..], mark)?;
    Some(&output[start..start + len]).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::OpenOptionsExt;

    use nix::fcntl::{FcntlArg, OFlag, fcntl};

    use super::*;
    use crate::testing::put_program;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::of_vars(vars.iter().map(|(k, v)| (k.into(), v.into())).collect()).unwrap()
    }

    /// A login shell that is yet to be written, and the environment of its user.
    fn with_shell(dir: &Path) -> (PathBuf, Env) {
        let shell = dir.join("shell");
        let env = env(&[
            ("HOME", dir.to_str().unwrap()),
            ("SHELL", shell.to_str().unwrap()),
            ("PATH", "/usr/bin:/bin"),
        ]);
        (shell, env)
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
        put_program(&bin.join("agent"), "#!/bin/sh\n");
        let shell = dir.path().join("shell");
        let profile =
            format!("#!/bin/sh\necho welcome\n[ \"$1\" = -i ] && PATH={}\n", bin.display());
        put_program(&shell, &(profile + "for last; do :; done; eval \"$last\"\n"));
        let env = env(&[
            ("HOME", dir.path().to_str().unwrap()),
            ("SHELL", shell.to_str().unwrap()),
            ("PATH", "/nonexistent"),
        ]);
        let mut variables = env.vars().clone();
        let login = LoginPath::default();
        let found = find_program(&env, &mut variables, &login, any(&["other", "agent"])).unwrap();
        assert_eq!(found.program, bin.join("agent"));
        assert_eq!(found.login_path, Some(bin.clone().into()), "as terminals start it");
        let path = variables[OsStr::new("PATH")].to_str().unwrap();
        assert_eq!(path, format!("/nonexistent:{}", bin.display()));
        let absent = find_program(&env, &mut variables, &login, any(&["absent"]));
        assert_eq!(absent, Err(NotFound::OnEither));
    }

    fn any<'a>(names: &'a [&'a str]) -> Sought<'a> {
        Sought { names, is_it: |_| true }
    }

    #[test]
    fn another_program_of_the_same_name_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            put_program(&dir.path().join(name).join("agent"), "#!/bin/sh\n");
        }
        let path = std::env::join_paths(["one", "two"].map(|it| dir.path().join(it))).unwrap();
        let sought = Sought { names: &["agent"], is_it: |it| it.ends_with("two/agent") };
        assert_eq!(sought.find_on(&path), Some(dir.path().join("two/agent")));
    }

    #[test]
    fn a_login_shell_may_greet_at_length_and_one_that_says_nothing_is_not_taken_at_its_word() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, env) = with_shell(dir.path());
        let ask = |login: &LoginPath| {
            find_program(&env, &mut BTreeMap::new(), login, any(&["absent"])).unwrap_err()
        };
        let answers = "for last; do :; done; eval \"$last\"\n";
        // More than a pipe holds, and a child that keeps it open.
        put_program(
            &shell,
            &format!("#!/bin/sh\nhead -c 200000 /dev/zero\nsleep 1000 &\n{answers}kill $!\n"),
        );
        assert_eq!(ask(&LoginPath::default()), NotFound::OnEither);

        let login = LoginPath::default();
        put_program(&shell, "#!/bin/sh\nexit 1\n");
        assert_eq!(ask(&login), NotFound::ShellSilent);
        put_program(&shell, &format!("#!/bin/sh\n{answers}"));
        assert_eq!(ask(&login), NotFound::ShellSilent, "not at once");
        let long_ago = Instant::now().checked_sub(ASK_AGAIN_AFTER).unwrap();
        for answer in &login.0 {
            *answer.lock().unwrap() = Answer::Silent(long_ago);
        }
        assert_eq!(ask(&login), NotFound::OnEither);
    }

    #[test]
    fn a_login_shell_that_is_silent_or_never_stops_talking_is_given_up_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, env) = with_shell(dir.path());
        let ask = |script: &str, limit| {
            put_program(&shell, &format!("#!/bin/sh\n{script}\n"));
            ask_login_shell(&env, &[], limit)
        };
        let patience = Duration::from_mins(1);
        let greeting = |bytes: usize| {
            let answers = "for last; do :; done; eval \"$last\"";
            ask(&format!("head -c {bytes} /dev/zero; {answers}"), patience)
        };
        assert!(greeting(LOGIN_OUTPUT_MAX - 4096).is_some());
        assert_eq!(greeting(LOGIN_OUTPUT_MAX), None);

        // Whoever holds the pipe's other end lives; it ends when all of them are gone.
        let held = dir.path().join("held");
        nix::unistd::mkfifo(&held, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let script = format!("exec 3> '{}'; sleep 1000 & wait", held.display());
        let flags = OFlag::O_NONBLOCK.bits();
        let mut reader = File::options().read(true).custom_flags(flags).open(held).unwrap();
        assert_eq!(ask(&script, Duration::from_secs(1)), None);
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
        assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    }
}
