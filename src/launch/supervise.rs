//! The supervisor of one launch: starts the agent, keeps its output, notes how it went, and ends after it.
//!
//! A process of its own, detached from server, editor and terminal, so that an exit code is known and hooks run even
//! when all of those are gone. Container runtimes do the same (conmon, containerd-shim). It uses no runtime and
//! waits in one `poll`, so that it costs next to nothing.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT};

use super::ending::{self, LAUNCH_VARIABLE, SUPERVISOR_VARIABLE, Target};
use super::hooks;
use super::log::LaunchLog;
use super::memory;
use super::order::{Event, SupervisorOrder};
use super::pipes::{Agent, Awaited};
use crate::adapters::drive::{self, Launched};
use crate::base::SessionId;
use crate::env::Env;
use crate::ledger::{Ledger, LedgerFile, Refusal, with_world_at};
use crate::procs;
use crate::scope;

/// Most bytes of an order: the largest message, a prompt of 16 MiB, with room for its escapes.
const ORDER_MAX: u64 = 64 << 20;
/// How often, and how long, a session is looked for in the agent's store, where the agent tells it late.
const FIND_EVERY: Duration = Duration::from_millis(500);
const FIND_FOR: Duration = Duration::from_mins(2);
/// How long an agent that ran out of time may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How often an end is noted again where the ledger could not be written, and how long we wait in between.
const END_ATTEMPTS: usize = 12;
const END_PAUSE: Duration = Duration::from_secs(5);

/// Supervises the launch that stdin orders, and returns when all of it is done.
pub fn run() -> io::Result<()> {
    // Fails where this leads a session already, which is as good.
    nix::unistd::setsid().ok();
    heed_signals();
    let mut order = Vec::new();
    io::stdin().take(ORDER_MAX).read_to_end(&mut order)?;
    let order: SupervisorOrder = serde_json::from_slice(&order)?;
    // So that no file system is held busy; one that cannot be left is.
    nix::unistd::chdir("/").ok();
    let ledger = LedgerFile::at(order.ledger.clone(), Path::new(procs::PROC));
    if let Err(why) = adopt(&ledger, &order.launch_id) {
        tell(&Event::Refused(why));
        return Ok(());
    }
    let started = LaunchLog::open(order.log.as_path()).and_then(|log| Ok((log, start(&order)?)));
    match started {
        Ok((log, agent)) => Supervisor::new(order, ledger, log, agent).run(),
        Err(error) => {
            tell(&Event::NotStarted(error.to_string()));
            note_end(&ledger, &order.launch_id, None);
        }
    }
    Ok(())
}

/// Makes sure that the agent can be interrupted. An ignored signal stays ignored in every program started from here,
/// and a shell's background job, as an editor may be one, ignores SIGINT; one that is handled is the default
/// again in a new program.
fn heed_signals() {
    for signal in [SIGINT, SIGQUIT, SIGHUP] {
        // None of these is among the few that cannot be handled.
        signal_hook::flag::register(signal, Arc::default()).ok();
    }
}

/// Takes the launch over from the server, unless somebody else has the directory or the session by now.
fn adopt(ledger: &LedgerFile, id: &str) -> Result<(), String> {
    let proc_root = Path::new(procs::PROC);
    let this = crate::base::Pid(i32::try_from(std::process::id()).unwrap_or_default());
    let this = procs::identity(proc_root, this).ok_or("the supervisor cannot see itself")?;
    let adopted = with_world_at(proc_root, scope::now(), |world| {
        ledger.update(|ledger| ledger.adopt(id, this, world))
    });
    match adopted {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Refusal::Gone)) => Err("the launch was called off".into()),
        Ok(Err(Refusal::Alive(owner))) => Err(format!("process {} owns the session", owner.pid)),
        Ok(Err(Refusal::Locked(lock))) => {
            Err(format!("{} is claimed by `{}`", lock.directory, lock.by))
        }
        Err(error) => Err(error.to_string()),
    }
}

#[expect(clippy::disallowed_methods, reason = "launched agents are started here and nowhere else")]
fn start(order: &SupervisorOrder) -> io::Result<Agent> {
    let prompt = order.prompt_on_stdin.then(|| order.prompt.clone().into_bytes());
    let child = Command::new(&order.program)
        .args(&order.args)
        .current_dir(order.cwd.as_path())
        .env(LAUNCH_VARIABLE, &order.launch_id)
        .env_remove(SUPERVISOR_VARIABLE)
        .stdin(if prompt.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    Agent::of(child, prompt)
}

struct Supervisor {
    order: SupervisorOrder,
    ledger: LedgerFile,
    log: LaunchLog,
    agent: Agent,
    session: Option<SessionId>,
    /// Whether the agent itself has told its session.
    is_told: bool,
    started: Instant,
    on_create: Option<JoinHandle<Result<(), String>>>,
}

impl Supervisor {
    fn new(order: SupervisorOrder, ledger: LedgerFile, log: LaunchLog, agent: Agent) -> Self {
        let session = order.session.clone();
        let started = Instant::now();
        Self { order, ledger, log, agent, session, is_told: false, started, on_create: None }
    }

    fn run(mut self) {
        let process = self.agent.process;
        self.note(|ledger, id| ledger.started(id, process));
        tell(&Event::Started(process));
        memory::give_back_code();
        let status = self.watch();
        let exit_code = exit_code(status);
        let Self { order, ledger, log, session, on_create, .. } = self;
        note_end(&ledger, &order.launch_id, Some(exit_code));
        tell(&Event::Ended { exit_code, output: log.tail() });
        let created = on_create.map_or(Ok(()), |it| it.join().unwrap_or(Ok(())));
        let completed = order.on_complete.as_ref().map_or(Ok(()), |argv| {
            let variables = hooks::variables(&order, session.as_ref(), Some(exit_code));
            hooks::run("onComplete", argv, order.cwd.as_path(), &variables, None)
        });
        let failures: Vec<String> =
            [created, completed].into_iter().filter_map(Result::err).collect();
        if !failures.is_empty() {
            note(&ledger, &order.launch_id, |ledger, id| {
                ledger.hook_failed(id, failures.join("; "))
            });
        }
    }

    /// Keeps what the agent says until it has ended.
    fn watch(&mut self) -> ExitStatus {
        let limit = self.order.timeout_ms.map(Duration::from_millis);
        let mut time_is_up = limit.map(|it| self.started + it);
        let mut next_look = self.find_launched().map(|_| self.started + FIND_EVERY);
        loop {
            let wake = [time_is_up, next_look].into_iter().flatten().min();
            match self.agent.wait(wake) {
                Awaited::Output(bytes) => {
                    self.log.write(&bytes.0);
                    if bytes.1 {
                        self.look_for_session(&bytes.0);
                    }
                }
                Awaited::Ended(status) => return status,
                Awaited::Nothing => {}
            }
            let now = Instant::now();
            if time_is_up.is_some_and(|it| it <= now) {
                time_is_up = None;
                self.end_it();
            }
            if next_look.is_some_and(|it| it <= now) {
                self.look_into_store();
                let goes_on = !self.is_told && self.started.elapsed() < FIND_FOR;
                next_look = goes_on.then_some(now + FIND_EVERY);
            }
        }
    }

    fn end_it(&self) {
        let target = Target {
            owner: self.agent.process,
            driver: drive::of(&self.order.agent),
            session: self.session.as_ref(),
            launch_id: Some(&self.order.launch_id),
            leader: Some(self.agent.process),
        };
        if let Err(error) = ending::end(Path::new(procs::PROC), target, GRACE) {
            tracing::debug!(?error, "the agent ended when its time was up");
        }
    }

    /// Looks for the line that tells the session.
    fn look_for_session(&mut self, output: &[u8]) {
        let Some(learn) = self.order.learn.as_ref().filter(|_| !self.is_told) else { return };
        let found = self.agent.lines(output, |line| learn.session_in(line));
        if let Some(session) = found {
            self.is_told = true;
            self.agent.forget_lines();
            self.know(session);
        }
    }

    fn find_launched(&self) -> Option<drive::FindLaunched> {
        drive::of(&self.order.agent).find_launched
    }

    /// Looks for the session in the agent's own store, where the agent has not told it.
    fn look_into_store(&mut self) {
        if self.is_told || self.session.is_some() {
            return;
        }
        let since = self.order.launched_at;
        let launched = Launched { cwd: &self.order.cwd, prompt: &self.order.prompt, since };
        let find = self.find_launched().zip(Env::of_this_process());
        if let Some(session) = find.and_then(|(find, env)| find(&env, &launched)) {
            self.know(session);
        }
    }

    /// Notes the session, and runs `onCreate` the first time.
    fn know(&mut self, session: SessionId) {
        let is_news = self.session.as_ref() != Some(&session);
        self.session = Some(session.clone());
        if is_news {
            let named = session.clone();
            self.note(|ledger, id| ledger.named(id, named));
        }
        if let (Some(argv), None) = (self.order.on_create.clone(), &self.on_create) {
            let variables = hooks::variables(&self.order, Some(&session), None);
            let cwd = self.order.cwd.clone();
            self.on_create = Some(thread::spawn(move || {
                hooks::run("onCreate", &argv, cwd.as_path(), &variables, None)
            }));
        }
        tell(&Event::Session(session));
        memory::give_back_code();
    }

    fn note(&self, change: impl FnOnce(&mut Ledger, &str) -> Result<(), Refusal>) {
        note(&self.ledger, &self.order.launch_id, change);
    }
}

/// Writes it into the ledger. Where that fails the launch goes on: it is known less well, that is all.
fn note(
    ledger: &LedgerFile,
    id: &str,
    change: impl FnOnce(&mut Ledger, &str) -> Result<(), Refusal>,
) -> bool {
    match ledger.update(|ledger| change(ledger, id)) {
        Ok(_) => true,
        Err(error) => {
            tracing::warn!(%error, "not noted");
            false
        }
    }
}

/// The end is noted more than once, if need be: nobody else will ever know the exit code.
fn note_end(ledger: &LedgerFile, id: &str, exit_code: Option<i32>) {
    let now = scope::now();
    for attempt in 0..END_ATTEMPTS {
        if attempt > 0 {
            thread::sleep(END_PAUSE);
        }
        if note(ledger, id, |ledger, id| ledger.ended(id, exit_code, now)) {
            return;
        }
    }
}

/// The exit code as shells show it: 128 + n where signal n ended the process.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|it| 128 + it)).unwrap_or(-1)
}

/// Tells the server, if it still listens; it may have its answer already, or be gone.
fn tell(event: &Event) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    drop(io::stdout().lock().write_all(&line));
    drop(io::stdout().flush());
}
