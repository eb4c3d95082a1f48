//! A launch that has begun, and what its agent tells within the time.

use std::time::Duration;

use tokio::io::{AsyncRead, BufReader, Lines};
use tokio::process::ChildStdout;
use tokio::time::{Instant, timeout_at};

use super::order::Event;
use super::{SUPERVISOR_GONE, call_off, diagnose, failed};
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId};
use crate::ledger::LedgerFile;
use crate::offload::blocking;
use crate::protocol::error::{RpcError, Stage};

/// How long a launch waits for the agent to tell its session.
pub const SESSION_WAIT: Duration = Duration::from_secs(10);
/// How much longer it waits to see an agent that has told its session fail at once: Codex and Claude Code tell it first,
/// and end half a second later where nobody is logged in; a busy machine takes longer.
const SETTLE: Duration = Duration::from_millis(1500);

/// A launch whose supervisor runs.
#[derive(Debug)]
pub struct Started<R = ChildStdout> {
    pub launch_id: String,
    pub agent: AgentId,
    pub command: Vec<String>,
    pub cwd: AbsPath,
    pub log: AbsPath,
    /// The login shell's PATH, where the agent got that too.
    pub login_path: Option<String>,
    pub(super) prompt: String,
    /// The session, where it is known before the agent tells it.
    pub session: Option<SessionId>,
    pub(super) ledger: LedgerFile,
    /// What the supervisor tells.
    pub(super) news: Lines<BufReader<R>>,
}

/// What an agent told within the time.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub process: ProcessRef,
    /// The session, told by the agent or chosen before; nothing where it is not known yet.
    pub session: Option<SessionId>,
}

impl<R: AsyncRead + Unpin> Started<R> {
    /// Waits until the agent has told its session, and at most [`SESSION_WAIT`]. Dropping the wait leaves the
    /// launch as it is.
    pub async fn told(&mut self) -> Result<Told, RpcError> {
        let heard = self.listen().await;
        if let Ok(Heard { process: Some(process), session, .. }) = heard {
            return Ok(self.known(process, session));
        }
        // What has not begun by now never shall, and holds nothing.
        let (ledger, id) = (self.ledger.clone(), self.launch_id.clone());
        let begun = blocking(move || call_off(&ledger, &id)).await;
        let Heard { session, is_over, .. } = heard?;
        begun.map(|process| self.known(process, session)).ok_or_else(|| {
            let silent = format!("no word within {} s", SESSION_WAIT.as_secs());
            let message = if is_over { SUPERVISOR_GONE.to_owned() } else { silent };
            failed(&self.agent, Stage::Spawn, None, message)
        })
    }

    fn known(&self, process: ProcessRef, told: Option<SessionId>) -> Told {
        Told { process, session: told.or_else(|| self.session.clone()) }
    }

    /// Listens to the supervisor until the agent has told its session and did not fail at once, and not for ever.
    async fn listen(&mut self) -> Result<Heard, RpcError> {
        let mut until = Instant::now() + SESSION_WAIT;
        let mut heard = Heard::default();
        loop {
            let Ok(line) = timeout_at(until, self.news.next_line()).await else { return Ok(heard) };
            let event = line.ok().flatten().and_then(|it| serde_json::from_str(&it).ok());
            match event {
                Some(Event::Started(it)) => heard.process = Some(it),
                Some(Event::Session(it)) => {
                    heard.session = Some(it);
                    until = until.min(Instant::now() + SETTLE);
                }
                Some(Event::Ended { exit_code: 0, .. }) if heard.session.is_some() => {
                    return Ok(heard);
                }
                Some(Event::Ended { exit_code, output }) => {
                    let stage = diagnose::stage(&output, &self.prompt);
                    return Err(failed(&self.agent, stage, Some(exit_code), output));
                }
                Some(Event::Refused(why) | Event::NotStarted(why)) => {
                    return Err(failed(&self.agent, Stage::Spawn, None, why));
                }
                // Somebody killed the supervisor: an agent that has begun lives on without one.
                None => return Ok(Heard { is_over: true, ..heard }),
            }
        }
    }
}

/// What the supervisor has said so far.
#[derive(Default)]
struct Heard {
    process: Option<ProcessRef>,
    session: Option<SessionId>,
    /// Whether it is gone, and will say no more.
    is_over: bool,
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::base::Pid;
    use crate::ledger::LaunchEntry;
    use crate::scope;

    const MOMENT: Duration = Duration::from_millis(1);

    fn just_before(limit: Duration) -> Duration {
        limit.checked_sub(MOMENT).unwrap()
    }

    /// A launch that the ledger holds, and whoever supervises it.
    fn begun(home: &tempfile::TempDir) -> (Started<DuplexStream>, DuplexStream) {
        let ledger = LedgerFile::of(&crate::testing::env(home.path()));
        let launch =
            serde_json::json!({ "launchId": "l1", "launchedAt": scope::now(), "prompt": "do it" });
        let entry = serde_json::json!({ "agent": "codex", "launch": launch });
        let entry: LaunchEntry = serde_json::from_value(entry).unwrap();
        let put = ledger.update(|it| {
            it.launches.push(entry);
            Ok::<_, Infallible>(())
        });
        put.unwrap().unwrap();
        let (news, supervisor) = duplex(1 << 10);
        let started = Started {
            launch_id: "l1".into(),
            agent: AgentId::of("codex"),
            command: Vec::new(),
            cwd: AbsPath::parse("/").unwrap(),
            log: AbsPath::parse("/log").unwrap(),
            login_path: None,
            prompt: "do it".into(),
            session: None,
            ledger,
            news: BufReader::new(news).lines(),
        };
        (started, supervisor)
    }

    async fn tell(supervisor: &mut DuplexStream, event: &Event) {
        let line = serde_json::to_string(event).unwrap() + "\n";
        supervisor.write_all(line.as_bytes()).await.unwrap();
    }

    fn process() -> ProcessRef {
        ProcessRef { pid: Pid(7), start_ticks: 1 }
    }

    fn session() -> SessionId {
        SessionId::parse("s1").unwrap()
    }

    fn ended(exit_code: i32) -> Event {
        Event::Ended { exit_code, output: "no".into() }
    }

    /// What is told by a supervisor that says these things, each so long after the one before, and after how long.
    async fn told(events: &[(Duration, Event)]) -> (Result<Told, RpcError>, Duration) {
        let home = tempfile::tempdir().unwrap();
        let (mut started, mut supervisor) = begun(&home);
        let telling = async {
            for (pause, event) in events {
                sleep(*pause).await;
                tell(&mut supervisor, event).await;
            }
            std::future::pending::<()>().await;
        };
        let began = Instant::now();
        let told = tokio::select! {
            told = started.told() => told,
            () = telling => unreachable!("it never ends"),
        };
        (told, began.elapsed())
    }

    fn at_once(event: Event) -> (Duration, Event) {
        (Duration::ZERO, event)
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_tells_no_session_is_waited_for_so_long_and_goes_on() {
        let (told, after) = told(&[at_once(Event::Started(process()))]).await;
        assert_eq!(told.unwrap(), Told { process: process(), session: None });
        assert!((SESSION_WAIT..SESSION_WAIT + 2 * MOMENT).contains(&after), "{after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_told_is_answered_once_it_did_not_fail_at_once() {
        let started = at_once(Event::Started(process()));
        let events = [started.clone(), at_once(Event::Session(session()))];
        let (it, after) = told(&events).await;
        assert_eq!(it.unwrap(), Told { process: process(), session: Some(session()) });
        assert!((SETTLE..SETTLE + 2 * MOMENT).contains(&after), "{after:?}");
        let failing = |after| [&events[..], &[(after, ended(1))]].concat();
        assert!(told(&failing(just_before(SETTLE))).await.0.is_err());
        assert!(told(&failing(SETTLE + MOMENT)).await.0.is_ok());

        let late = [started, (just_before(SESSION_WAIT), Event::Session(session()))];
        let (it, after) = told(&late).await;
        assert_eq!(it.unwrap().session, Some(session()));
        assert!(after < SESSION_WAIT + 2 * MOMENT, "no longer than any other: {after:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_launch_that_has_not_begun_by_then_never_shall() {
        let home = tempfile::tempdir().unwrap();
        let (mut started, _supervisor) = begun(&home);
        let error = started.told().await.unwrap_err();
        let RpcError::LaunchFailed { failure, .. } = error else { panic!("{error:?}") };
        assert_eq!(failure.output, "no word within 10 s");
        assert!(started.ledger.read().unwrap().launches[0].ended.is_some());
    }
}
