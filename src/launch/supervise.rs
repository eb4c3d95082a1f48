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

use super::child;
use super::ending::{self, LAUNCH_VARIABLE, Target};
use super::hooks::{self, Hook};
use super::lines::Lines;
use super::log::LaunchLog;
use super::memory;
use super::order::{Event, SupervisorOrder};
use super::pipes::{Agent, Awaited};
use crate::adapters::drive::{self, Launched};
use crate::base::SessionId;
use crate::env::Env;
use crate::ledger::{End, Ledger, LedgerFile, Refusal, with_world_at};
use crate::procs;
use crate::scope;

/// Most bytes of an order: the largest message, a prompt of 16 MiB, with room for its escapes.
const ORDER_MAX: u64 = 64 << 20;
/// How often, and how long, a session is looked for in the agent's store, where the agent tells it late.
const FIND_EVERY: Duration = Duration::from_millis(500);
const FIND_FOR: Duration = Duration::from_mins(2);
/// How long an agent that ran out of time may take to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// After how long an end is noted again where the ledger could not be written, each time since the time before; a minute
/// in all.
const END_PAUSES: [Duration; 7] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(32),
];

/// Supervises the launch that stdin orders, and returns when all of it is done. `begin_log` is told the state directory:
/// that of who launched, whatever the environment is that the agent is given.
pub fn run(begin_log: impl FnOnce(&Path)) -> io::Result<()> {
    // Fails where this leads a session already, which is as good.
    nix::unistd::setsid().ok();
    heed_signals();
    let mut order = Vec::new();
    io::stdin().take(ORDER_MAX).read_to_end(&mut order)?;
    let order: SupervisorOrder = serde_json::from_slice(&order)?;
    // So that no file system is held busy; one that cannot be left is.
    nix::unistd::chdir("/").ok();
    let ledger = LedgerFile::at(order.ledger.clone(), Path::new(procs::PROC));
    if let Some(state_dir) = order.ledger.as_path().parent() {
        begin_log(state_dir);
    }
    let _span = tracing::info_span!("launch", id = order.launch_id).entered();
    if let Err(why) = adopt(&ledger, &order.launch_id) {
        tell(&Event::Refused(why));
        return Ok(());
    }
    let log = LaunchLog::open(order.log.as_path());
    match log.and_then(|log| Ok((log, start(&order, &ledger)?))) {
        Ok((log, agent)) => {
            tracing::info!(agent = %order.agent, process = %agent.process.pid, "the agent has begun");
            Supervisor::new(order, ledger, log, agent).run();
        }
        Err(error) => {
            tracing::warn!(agent = %order.agent, %error, "the agent was not started");
            let told = Event::NotStarted(error.to_string());
            end_launch(&ledger, &order.launch_id, End::NotStarted, &told);
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
    let this = procs::this_process().ok_or("the supervisor cannot see itself")?;
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
fn start(order: &SupervisorOrder, ledger: &LedgerFile) -> io::Result<Agent> {
    let prompt = order.prompt_on_stdin.then(|| order.prompt.clone().into_bytes());
    let mut command = Command::new(&order.program);
    command
        .args(&order.args)
        .current_dir(order.cwd.as_path())
        .env(LAUNCH_VARIABLE, &order.launch_id)
        .stdin(if prompt.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let child = child::spawn_noted(command, |process| {
        match ledger.update(|ledger| ledger.started(&order.launch_id, process)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("the launch was called off".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })?;
    Agent::of(child, prompt)
}

struct Supervisor {
    order: SupervisorOrder,
    ledger: LedgerFile,
    log: LaunchLog,
    agent: Agent,
    lines: Lines,
    session: Option<SessionId>,
    /// Whether the agent itself has told its session.
    is_told: bool,
    started: Instant,
    on_create: Option<JoinHandle<()>>,
    /// What ends an agent that took too long, with all that it started.
    ending: Option<JoinHandle<()>>,
}

impl Supervisor {
    fn new(order: SupervisorOrder, ledger: LedgerFile, log: LaunchLog, agent: Agent) -> Self {
        let session = order.session.clone();
        let started = Instant::now();
        Self {
            order,
            ledger,
            log,
            agent,
            lines: Lines::default(),
            session,
            is_told: false,
            started,
            on_create: None,
            ending: None,
        }
    }

    fn run(mut self) {
        tell(&Event::Started(self.agent.process));
        memory::give_back_code();
        let end = end_of(self.watch());
        let exit_code = end.exit_code().unwrap_or_default();
        tracing::info!(exit_code, "the agent has ended");
        // The claim ends with the launch: what an agent that ran out of time has started must have ended by then.
        if let Some(ending) = self.ending.take() {
            drop(ending.join());
        }
        let told = Event::Ended { exit_code, output: self.log.tail() };
        end_launch(&self.ledger, &self.order.launch_id, end, &told);
        // One that panicked has said so in its own way; what is left to do is done all the same.
        if let Some(on_create) = self.on_create.take() {
            drop(on_create.join());
        }
        if let Some(argv) = self.order.on_complete.clone() {
            self.hook("onComplete", argv, Some(exit_code))();
        }
    }

    /// One of the launcher's programs, ready to be run; its failure is noted at once.
    fn hook(
        &self,
        name: &'static str,
        argv: Vec<String>,
        exit_code: Option<i32>,
    ) -> impl FnOnce() + Send + 'static {
        let variables = hooks::variables(&self.order, self.session.as_ref(), exit_code);
        let (ledger, cwd) = (self.ledger.clone(), self.order.cwd.clone());
        let id = self.order.launch_id.clone();
        move || {
            let (argv, variables) = (&argv[..], &variables[..]);
            let hook = Hook { name, argv, cwd: cwd.as_path(), variables, environment: None };
            if let Err(failure) = hook.run() {
                tracing::warn!(id, failure, "a hook has failed");
                note(&ledger, &id, |ledger, id| ledger.hook_failed(id, &failure));
            }
        }
    }

    /// Keeps what the agent says until it has ended.
    fn watch(&mut self) -> ExitStatus {
        let limit = self.order.timeout_ms.map(Duration::from_millis);
        let mut time_is_up = limit.map(|it| self.started + it);
        let mut next_look = self.is_to_be_found().then(|| self.started + FIND_EVERY);
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
                self.ending = Some(self.end_it());
            }
            if next_look.is_some_and(|it| it <= now) {
                if self.is_to_be_found() {
                    self.look_into_store();
                }
                next_look = next_look_after(now, self.started).filter(|_| self.is_to_be_found());
            }
        }
    }

    /// Ends the agent, while what it says on its way out is still read: else it might wait for that for ever.
    fn end_it(&self) -> JoinHandle<()> {
        let (owner, session) = (self.agent.process, self.session.clone());
        let (driver, launch_id) = (drive::of(&self.order.agent), self.order.launch_id.clone());
        thread::spawn(move || {
            let (session, launch_id) = (session.as_ref(), Some(&*launch_id));
            let owners = &[owner];
            let (leader, unfinished) = (Some(owner), &[][..]);
            let target = Target { owners, driver, session, launch_id, leader, unfinished };
            if let Err(error) = ending::end(Path::new(procs::PROC), target, GRACE) {
                tracing::debug!(?error, "the agent ended when its time was up");
            }
        })
    }

    /// Looks for the line that tells the session.
    fn look_for_session(&mut self, output: &[u8]) {
        let Some(learn) = self.order.learn.as_ref().filter(|_| !self.is_told) else { return };
        let chosen = self.order.session.as_ref();
        let found = self.lines.take_in(output, |line| learn.session_in(line, chosen));
        if let Some(session) = found {
            self.is_told = true;
            self.lines = Lines::default();
            self.know(session);
        }
    }

    fn find_launched(&self) -> Option<drive::FindLaunched> {
        drive::of(&self.order.agent).find_launched
    }

    /// Whether the session is to be looked for in the agent's own store: it is not known, and the agent tells it late.
    fn is_to_be_found(&self) -> bool {
        self.session.is_none() && self.find_launched().is_some()
    }

    fn look_into_store(&mut self) {
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
            self.on_create = Some(thread::spawn(self.hook("onCreate", argv, None)));
        }
        tell(&Event::Session(session));
        memory::give_back_code();
    }

    fn note(&self, change: impl FnOnce(&mut Ledger, &str) -> Result<(), Refusal>) {
        note(&self.ledger, &self.order.launch_id, change);
    }
}

/// When a session is looked for again that was not found by now.
fn next_look_after(now: Instant, started: Instant) -> Option<Instant> {
    (now.duration_since(started) < FIND_FOR).then(|| now + FIND_EVERY)
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

/// Notes the end and then tells it: who is told finds the directory free. Where the ledger cannot be written it is told all
/// the same, and noted when it can be: nobody else will ever know the exit code.
fn end_launch(ledger: &LedgerFile, id: &str, end: End, told: &Event) {
    let now = scope::now();
    let note_end = || note(ledger, id, |ledger, id| ledger.ended(id, end, now));
    let mut is_noted = note_end();
    tell(told);
    for pause in END_PAUSES {
        if is_noted {
            return;
        }
        thread::sleep(pause);
        is_noted = note_end();
    }
}

fn end_of(status: ExitStatus) -> End {
    // Of a process that was waited for to its end one of them is there.
    let by_signal = || status.signal().map_or(End::Unknown, End::Signal);
    status.code().map_or_else(by_signal, End::Exit)
}

/// Tells the server, if it still listens; it may have its answer already, or be gone.
fn tell(event: &Event) {
    let Ok(mut line) = serde_json::to_vec(event) else { return };
    line.push(b'\n');
    drop(io::stdout().lock().write_all(&line));
    drop(io::stdout().flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_is_told_late_is_looked_for_now_and_then_and_not_for_ever() {
        let started = Instant::now();
        let moment = Duration::from_millis(1);
        let last = started + FIND_FOR.checked_sub(moment).unwrap();
        assert_eq!(next_look_after(last, started), Some(last + FIND_EVERY));
        assert_eq!(next_look_after(last + moment, started), None);
    }
}
