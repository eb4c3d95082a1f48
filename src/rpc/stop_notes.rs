//! What the ledger holds for `session.stop`: what is known of the session, and how far a stop of it has come.

use std::collections::BTreeSet;
use std::convert::Infallible;

use super::App;
use super::ledger_access::read;
use crate::base::{AgentId, ProcessRef, SessionId};
use crate::env::Env;
use crate::ledger::{LaunchEntry, Ledger, LedgerFile, Stop};
use crate::procs::Place;
use crate::protocol::session::Session;
use crate::scope;

/// What the ledger holds of a session.
#[derive(Clone, Default)]
pub(super) struct Noted {
    /// The launch that its owners came from.
    pub(super) launch: Option<LiveLaunch>,
    /// Every launch of it.
    pub(super) launches: Vec<String>,
    /// What an earlier stop, which was cut short, was to end.
    pub(super) unfinished: Vec<ProcessRef>,
}

impl Noted {
    /// Without the ledger a stop still stops; it knows some marks less to look for.
    pub(super) async fn of(app: &App, session: &Session, owners: &[ProcessRef]) -> Self {
        let (agent, id, owners) =
            (session.agent.clone(), session.session_id.clone(), owners.to_vec());
        let env = app.env.clone();
        let noted = read(app, move |ledger, world| {
            let launch = ledger.launch_of(&agent, id.as_ref(), &owners, world);
            let launch = launch
                .map(|it| LiveLaunch { id: it.launch.launch_id.clone(), process: it.process });
            let Some(id) = id else { return Self { launch, ..Self::default() } };
            let is_its = |it: &&LaunchEntry| it.agent == agent && it.session.as_ref() == Some(&id);
            let launches = ledger.launches.iter().filter(is_its);
            let here = Place::here(env.proc_root());
            Self {
                launch,
                launches: launches.map(|it| it.launch.launch_id.clone()).collect(),
                unfinished: ledger.unfinished(&agent, &id, &here, world),
            }
        });
        noted.await.unwrap_or_default()
    }
}

/// A launch that has not ended.
#[derive(Clone)]
pub(super) struct LiveLaunch {
    pub(super) id: String,
    /// The process that was launched.
    pub(super) process: Option<ProcessRef>,
}

/// A stop as the ledger notes it, so that it can be gone through with whoever is killed when. Without the ledger a stop still
/// stops.
pub(super) struct UnderWay<'a> {
    pub(super) env: &'a Env,
    pub(super) agent: &'a AgentId,
    pub(super) session: Option<&'a SessionId>,
}

impl UnderWay<'_> {
    pub(super) fn begin(&self, processes: BTreeSet<ProcessRef>) {
        self.note(|ledger, session, here| {
            ledger.begin_stop(Stop {
                agent: self.agent.clone(),
                session: session.clone(),
                begun: scope::now(),
                processes: processes.into_iter().collect(),
                place: here.clone(),
            });
        });
    }

    pub(super) fn finish(&self) {
        self.note(|ledger, session, _| ledger.finish_stop(self.agent, session));
    }

    /// Before an agent has told its session nothing would name the stop.
    fn note(&self, change: impl FnOnce(&mut Ledger, &SessionId, &Place)) {
        let Some(session) = self.session else { return };
        let file = LedgerFile::of(self.env);
        let noted = file.update(|ledger| {
            change(ledger, session, file.here());
            Ok::<_, Infallible>(())
        });
        if let Err(error) = noted {
            tracing::warn!(%error, "how far a stop has come is not noted");
        }
    }
}
