//! Agents that live in a service of their own: it is asked to begin a session, or to end a turn, and acts itself.
//!
//! An adapter knows how its agent's service is asked; what is claimed and noted around that is not its business.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::Record;
use super::drive::{Task, Unsupported};
use crate::base::{AbsPath, ProcessRef, SessionId};
use crate::env::Env;
use crate::protocol::launch::Permissions;
use crate::protocol::session::Problem;
use crate::scope::Scope;

/// How often a service is asked whether a turn has ended that was asked to end; it answers from memory.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A service in which an agent's sessions begin, in the place of processes that are started.
pub trait Service: Send + Sync + 'static {
    /// Refuses what the service has no means for, before anything happens.
    fn check(&self, ask: &Ask) -> Result<(), Unsupported>;

    /// Begins a session, or lets one go on; returns its id.
    fn begin(
        &'static self,
        env: Arc<Env>,
        ask: Ask,
    ) -> BoxFuture<'static, Result<SessionId, Refused>>;
}

/// What a service is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    pub task: Task,
    pub cwd: AbsPath,
    pub prompt: String,
    pub model: Option<String>,
    pub label: Option<String>,
    pub permissions: Permissions,
    /// After how many milliseconds the service ends the turn.
    pub timeout_ms: Option<u64>,
}

/// Why a service did not begin what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A turn of the session is in progress.
    Busy,
    /// The service could not be asked, or refused in its own words.
    Problem(Problem),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// A session whose turn is to end, and who owns it.
#[derive(Clone, Debug)]
pub struct Served {
    pub session: SessionId,
    pub record: Option<Arc<Record>>,
    /// The process of the service; nothing where the sessions show none.
    pub owner: Option<ProcessRef>,
    /// How long the turn may take to end.
    pub within: Duration,
}

/// Asks the service to end a turn, and waits until it says that it has ended. Nothing is signalled.
pub type EndTurn = fn(Scope, Served) -> BoxFuture<'static, Result<TurnEnd, Problem>>;

/// How a turn ended that was asked to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEnd {
    /// The service says that it is over.
    Ended,
    /// There was none in progress.
    NoTurn,
    /// There is no service that could be asked.
    NoService,
    /// The service was asked, and the turn still goes on.
    GoesOn,
}

/// How long a turn that was asked to end is waited for. The first look counts even without any time.
pub(super) struct Patience {
    until: Instant,
}

impl Patience {
    pub(super) fn of(within: Duration) -> Self {
        Self { until: Instant::now() + within }
    }

    /// Waits until it is time for the next look; says whether there is to be one.
    pub(super) async fn lasts(&self) -> bool {
        let is_left = Instant::now() < self.until;
        if is_left {
            sleep(LOOK_EVERY).await;
        }
        is_left
    }
}
