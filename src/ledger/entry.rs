//! What the ledger holds. PURE.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fuses::Firing;
use super::stops::Stop;
use crate::base::{AbsPath, AgentId, ProcessRef, SessionId, Timestamp};
use crate::procs::Place;
use crate::protocol::fuse::Fuse;
use crate::protocol::lock::{Lock, LockKind};
use crate::protocol::session::Launch;

/// What shells add to the number of a signal to show it as an exit code, and what they show the 64 signals as.
const SIGNALLED_ABOVE: i32 = 128;
const SIGNALLED: RangeInclusive<i32> = 129..=192;

/// What was launched and is not yet forgotten; the directories that were claimed, and the fuses on them; what is being
/// stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// By the id of the launch.
    pub launches: Vec<LaunchEntry>,
    /// The claims that somebody asked for, by directory. Those of launches follow from the launches.
    pub locks: Vec<Lock>,
    /// By directory.
    pub fuses: Vec<Fuse>,
    /// Fuses that are no more, and whose work is not known to be under way.
    pub firings: Vec<Firing>,
    /// Stops that have begun, and are not known to be done.
    pub stops: Vec<Stop>,
}

/// One launch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaunchEntry {
    pub agent: AgentId,
    /// The agent's own id of the session, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The agent's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// Whether the agent's own service runs the session: there is no process to look at, and the service's word is
    /// all there is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_served: bool,
    /// Who answers for the launch: the server that makes it, then the supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<ProcessRef>,
    /// Where the agent works, as it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<AbsPath>,
    /// The directory that the launch claims, without symbolic links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<AbsPath>,
    /// Whether the claim was made over those of others.
    #[serde(default)]
    pub is_forced: bool,
    /// When the agent's process ended, as far as that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// How it ended; nothing where it has not, or where a version noted it that told codes and signals not apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Its processes, where they are not to be seen from here.
    #[serde(skip)]
    pub elsewhere: Option<Elsewhere>,
    pub launch: Launch,
}

/// How a launch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Nothing of it ever ran.
    NotStarted,
    /// By itself, with this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody can tell, not even whether it began: the agent's service did not answer.
    Unknown,
}

impl End {
    /// The exit code as shells show it: 128 + n where signal n ended the process.
    pub fn exit_code(self) -> Option<i32> {
        match self {
            Self::Exit(code) => Some(code),
            Self::Signal(signal) => Some(SIGNALLED_ABOVE + signal),
            Self::NotStarted | Self::Unknown => None,
        }
    }
}

/// The processes of a launch that another machine made, or another container, which keeps its ledger in the same home.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    pub place: Place,
    pub process: Option<ProcessRef>,
    pub keeper: Option<ProcessRef>,
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Alive,
    Dead,
    /// It cannot be told; taken for alive wherever being wrong would do harm.
    Unknown,
}

/// What a change of the ledger may know of the world.
#[derive(Clone, Copy)]
pub struct World<'a> {
    pub now: Timestamp,
    pub life: &'a dyn Fn(ProcessRef) -> Life,
    /// Whether a directory is the root of a git worktree.
    pub is_worktree_root: &'a dyn Fn(&Path) -> bool,
}

/// Why a change is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another claim covers the directory.
    Locked(Box<Lock>),
    /// A live process that headcount launched owns the session.
    Alive(ProcessRef),
    /// The launch is not in the ledger any more.
    Gone,
}

impl LaunchEntry {
    /// How it ended; nothing where nobody saw it end. A signal is guessed from the exit code where an earlier version
    /// noted that alone.
    pub fn how_ended(&self) -> Option<End> {
        self.ended?;
        Some(self.end.unwrap_or(match self.launch.exit_code {
            None => End::NotStarted,
            Some(code) if SIGNALLED.contains(&code) => End::Signal(code - SIGNALLED_ABOVE),
            Some(code) => End::Exit(code),
        }))
    }

    /// Whether anything of it runs, or ever did: at first there is only who answers for it.
    pub fn has_begun(&self) -> bool {
        self.process.is_some() || self.ended.is_some() || self.keeper.is_none()
    }

    /// Whether a process of the launch lives. One that ended is dead, whatever has its ids now.
    pub fn life(&self, world: World<'_>) -> Life {
        if self.ended.is_some() {
            return Life::Dead;
        }
        if self.elsewhere.is_some() || self.is_in_service() {
            return Life::Unknown;
        }
        let lives = [self.process, self.keeper].into_iter().flatten().map(world.life);
        lives.fold(Life::Dead, |a, b| match (a, b) {
            (Life::Alive, _) | (_, Life::Alive) => Life::Alive,
            (Life::Unknown, _) | (_, Life::Unknown) => Life::Unknown,
            (Life::Dead, Life::Dead) => Life::Dead,
        })
    }

    /// Whether it runs where its processes cannot be seen from here, and for all that is known still does.
    pub fn is_elsewhere(&self) -> bool {
        self.elsewhere.is_some() && self.ended.is_none()
    }

    /// Whether the session has been handed to the agent's own service on this machine, which alone knows how it goes.
    pub fn is_in_service(&self) -> bool {
        let is_handed_over = self.keeper.is_none() && self.session.is_some();
        self.is_served && is_handed_over && self.ended.is_none() && self.elsewhere.is_none()
    }

    /// The process by which it lives: the agent's or, before that has begun and until its end is noted, that of who answers
    /// for it.
    pub(super) fn lives_by(&self, world: World<'_>) -> Option<ProcessRef> {
        let is_dead = |it: &ProcessRef| (world.life)(*it) == Life::Dead;
        [self.process, self.keeper].into_iter().flatten().find(|it| !is_dead(it))
    }

    /// The claim of the launch, as others see it.
    pub(super) fn lock_on(&self, directory: &AbsPath, world: World<'_>) -> Lock {
        Lock {
            directory: directory.clone(),
            by: self.agent.as_str().to_owned(),
            kind: LockKind::Launch,
            pid: self.lives_by(world).map(|it| it.pid),
            session_id: self.session.clone(),
            since: self.launch.launched_at,
            expires_at: None,
            reason: self.launch.label.clone(),
        }
    }
}

pub(super) fn has_expired(lock: &Lock, now: Timestamp) -> bool {
    lock.expires_at.is_some_and(|it| it <= now)
}
