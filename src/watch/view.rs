//! What the lookout shows, and to whom.

use std::sync::Arc;

use tokio::sync::watch;

use super::Lookout;
use super::audience::Seat;
use crate::base::{AgentId, Timestamp};
use crate::protocol::session::{AgentReport, Problem, Session};

/// Every session as last seen.
#[derive(Clone, Debug)]
pub struct View {
    pub observed_at: Timestamp,
    pub sessions: Arc<Vec<Session>>,
    /// What each agent contributed when it was looked at last, of all that somebody wants to see.
    pub(super) reports: Arc<Vec<AgentReport>>,
    /// The agents that are meant where nobody names any: those that the settings do not leave out.
    pub(super) usual: Vec<AgentId>,
    /// What is wrong with the settings, or keeps changes of all agents from being seen as they happen.
    pub(super) blindness: Vec<Problem>,
    /// Whether the processes of this machine could be seen.
    pub(super) sees_processes: bool,
}

impl View {
    /// These agents or, where none are named, those that the settings do not leave out.
    pub fn meant<'a>(&'a self, named: Option<&'a [AgentId]>) -> &'a [AgentId] {
        named.unwrap_or(&self.usual)
    }

    /// What each of the agents contributed.
    pub fn reports(&self, agents: &[AgentId]) -> Vec<AgentReport> {
        self.reports_of(agents).cloned().collect()
    }

    /// Whether these agents have answered, and the processes could be seen.
    pub fn is_complete(&self, agents: &[AgentId]) -> bool {
        self.sees_processes && self.reports_of(agents).all(AgentReport::has_answered)
    }

    /// What is wrong with the settings, or keeps changes of these agents from being seen as they happen.
    pub fn problems(&self, agents: &[AgentId]) -> Vec<Problem> {
        let unanswered = self.reports_of(agents).filter(|it| !it.has_answered());
        let of_agents = unanswered.filter_map(|report| {
            let problem = report.problems.first()?;
            let message = format!("{}: {}", report.agent, problem.message);
            Some(Problem { message, ..problem.clone() })
        });
        self.blindness.iter().cloned().chain(of_agents).collect()
    }

    fn reports_of<'a>(&'a self, agents: &'a [AgentId]) -> impl Iterator<Item = &'a AgentReport> {
        self.reports.iter().filter(|it| agents.contains(&it.agent))
    }

    /// Whether all of these agents have been looked at.
    fn shows(&self, agents: &[AgentId]) -> bool {
        agents.iter().all(|agent| self.reports.iter().any(|it| it.agent == *agent))
    }

    /// Whether it shows the same as `other`, however long it took to look.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let told = |report: &AgentReport| AgentReport { elapsed_ms: 0, ..report.clone() };
        self.sessions == other.sessions
            && self.usual == other.usual
            && self.blindness == other.blindness
            && self.sees_processes == other.sees_processes
            && self.reports.iter().map(told).eq(other.reports.iter().map(told))
    }
}

/// The lookout has a defect, and looks no more.
#[derive(Debug, thiserror::Error)]
#[error("the stores are not watched any more: the log has more")]
pub struct Ended;

/// The views for one who looks on; the lookout looks while this is held.
pub struct Views {
    view: watch::Receiver<Option<View>>,
    seat: Seat,
    _lookout: Arc<Lookout>,
}

impl Views {
    pub(super) fn new(
        mut view: watch::Receiver<Option<View>>,
        seat: Seat,
        lookout: Arc<Lookout>,
    ) -> Self {
        view.mark_changed();
        Self { view, seat, _lookout: lookout }
    }

    /// The latest view that shows all that is wanted, as soon as there is one that was not returned before. Loses
    /// nothing where it is dropped.
    pub async fn next(&mut self) -> Result<View, Ended> {
        loop {
            self.view.changed().await.map_err(|_| Ended)?;
            let view = self.view.borrow_and_update();
            let wanted = |it: &&View| it.shows(it.meant(self.seat.wish.as_deref()));
            if let Some(view) = view.as_ref().filter(wanted) {
                return Ok(view.clone());
            }
        }
    }
}
