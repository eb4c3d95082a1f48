//! Claims on directories: which hold, which stand in each other's way. PURE.

use std::path::Path;

use super::entry::{Ledger, Life, World, has_expired};
use crate::base::AbsPath;
use crate::protocol::lock::{Lock, LockKind};

impl Ledger {
    /// The claims that hold now, by directory. A launch's claim is worth as long as its process lives.
    pub fn held(&self, world: World<'_>) -> Vec<Lock> {
        let manual = self.locks.iter().filter(|it| !has_expired(it, world.now)).cloned();
        let launched = self.launches.iter().filter_map(|entry| {
            let directory = entry.claim.as_ref()?;
            (entry.life(world) != Life::Dead).then(|| entry.lock_on(directory, world))
        });
        let mut held: Vec<Lock> = manual.chain(launched).collect();
        held.sort_by(|a, b| (&a.directory, a.since).cmp(&(&b.directory, b.since)));
        held
    }

    /// The claim that stands in the way of one on `directory`; that of the launch `except` does not.
    pub fn holder(
        &self,
        directory: &AbsPath,
        except: Option<&str>,
        world: World<'_>,
    ) -> Option<Lock> {
        let without = |ledger: &Self| {
            let launches = ledger.launches.iter();
            launches.filter(|it| Some(it.launch.launch_id.as_str()) != except).cloned().collect()
        };
        let others = Self { launches: without(self), locks: self.locks.clone(), ..Self::default() };
        others
            .held(world)
            .into_iter()
            .find(|it| stand_in_each_others_way(&it.directory, directory, world.is_worktree_root))
    }

    /// Claims a directory for whoever asks; an error is the claim in the way.
    pub fn acquire(&mut self, lock: Lock, world: World<'_>) -> Result<(), Box<Lock>> {
        if let Some(holder) = self.holder(&lock.directory, None, world) {
            return Err(Box::new(holder));
        }
        self.locks.retain(|it| it.directory != lock.directory && !has_expired(it, world.now));
        self.locks.push(lock);
        Ok(())
    }

    /// Gives up claims on exactly this directory, and says whether there was one; an error is the launch that holds it, where
    /// its claim is not asked for.
    pub fn release(
        &mut self,
        directory: &AbsPath,
        claims: Claims<'_>,
        world: World<'_>,
    ) -> Result<bool, Box<Lock>> {
        let mut held = self.held(world);
        held.retain(|it| it.directory == *directory && claims.covers(it));
        let is_acquired = held.iter().any(|it| it.kind == LockKind::Manual);
        if let (Claims::Acquired, Some(launched), false) = (claims, held.first(), is_acquired) {
            return Err(Box::new(launched.clone()));
        }
        self.locks.retain(|it| it.directory != *directory || !claims.covers(it));
        // The claim of a launch that looks dead stays: it is worth nothing, unless a supervisor is on its way, who would
        // go on without it.
        if claims == Claims::All {
            for entry in self.launches.iter_mut().filter(|it| it.claim.as_ref() == Some(directory))
            {
                entry.claim = None;
            }
        }
        Ok(!held.is_empty())
    }
}

/// Which claims on a directory are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claims<'a> {
    /// The one that somebody acquired.
    Acquired,
    /// The one that was acquired under this name, and nobody else's: whoever asks again, because no answer came, cannot give
    /// up what another has acquired meanwhile.
    AcquiredBy(&'a str),
    /// Every one, even that of a launch whose agent still lives.
    All,
}

impl Claims<'_> {
    /// Whether this one may be among them.
    fn covers(self, lock: &Lock) -> bool {
        match self {
            Self::Acquired | Self::All => true,
            Self::AcquiredBy(name) => lock.kind == LockKind::Manual && lock.by == name,
        }
    }
}

/// Whether work in one directory could touch the other: they are the same, or one lies in the other with no
/// root of a git worktree between them.
fn stand_in_each_others_way(
    a: &AbsPath,
    b: &AbsPath,
    is_worktree_root: &dyn Fn(&Path) -> bool,
) -> bool {
    let (outer, inner) = if a.is_within(b) { (b, a) } else { (a, b) };
    if !inner.is_within(outer) {
        return false;
    }
    let between = inner.as_path().ancestors().take_while(|it| *it != outer.as_path());
    !between.into_iter().any(is_worktree_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{ALIVE, DEAD, World as W, launch, lock, path};
    use crate::ledger::{LaunchEntry, Refusal};

    #[test]
    fn parents_and_children_conflict_unless_a_worktree_lies_between() {
        let roots = ["/repo", "/repo/trees/x"];
        let is_root = |dir: &Path| roots.iter().any(|it| Path::new(it) == dir);
        let conflict = |a: &str, b: &str| {
            let there = stand_in_each_others_way(&path(a), &path(b), &is_root);
            assert_eq!(there, stand_in_each_others_way(&path(b), &path(a), &is_root));
            there
        };
        assert!(conflict("/repo", "/repo"));
        assert!(conflict("/repo", "/repo/src"));
        assert!(conflict("/repo/trees/x", "/repo/trees/x/src"));
        assert!(!conflict("/repo", "/repo/trees/x"));
        assert!(!conflict("/repo", "/repo/trees/x/src/deep"));
        assert!(!conflict("/", "/repo/src"));
        assert!(conflict("/", "/var"));
        assert!(!conflict("/repo/src", "/repo/srcs"));
    }

    #[test]
    fn a_claim_holds_until_it_is_released_or_runs_out() {
        let mut ledger = Ledger::default();
        let world = W::at(10);
        let short = Lock { expires_at: Some(W::instant(20)), ..lock("/a", "me") };
        ledger.acquire(short.clone(), world.view()).unwrap();
        let refused = ledger.acquire(lock("/a/b", "you"), world.view());
        assert_eq!(refused, Err(Box::new(short)));

        let later = W::at(20);
        assert_eq!(ledger.held(later.view()), []);
        ledger.acquire(lock("/a/b", "you"), later.view()).unwrap();
        assert_eq!(ledger.locks, [lock("/a/b", "you")]);
        assert_eq!(ledger.release(&path("/a"), Claims::Acquired, later.view()), Ok(false));
        assert_eq!(ledger.release(&path("/a/b"), Claims::Acquired, later.view()), Ok(true));
        assert_eq!(ledger.release(&path("/a/b"), Claims::Acquired, later.view()), Ok(false));
    }

    #[test]
    fn who_acquired_gives_up_their_own_claim_and_a_launchs_goes_only_by_force() {
        let world = W::at(10);
        let forced = LaunchEntry { is_forced: true, ..launch("one", "/a", ALIVE) };
        let mut ledger = Ledger::default();
        ledger.acquire(lock("/a", "me"), world.view()).unwrap();
        ledger.begin(forced, world.view()).unwrap();
        let by = |ledger: &Ledger| -> Vec<String> {
            ledger.held(world.view()).into_iter().map(|it| it.by).collect()
        };
        assert_eq!(by(&ledger), ["me", "codex"]);
        let mut all = ledger.clone();
        assert_eq!(all.release(&path("/a"), Claims::All, world.view()), Ok(true));
        assert_eq!(by(&all), [""; 0]);

        assert_eq!(ledger.release(&path("/a"), Claims::Acquired, world.view()), Ok(true));
        assert_eq!(by(&ledger), ["codex"]);
        let holder = ledger.release(&path("/a"), Claims::Acquired, world.view()).unwrap_err();
        assert_eq!(holder.by, "codex");
        assert_eq!(ledger.release(&path("/a"), Claims::All, world.view()), Ok(true));
        assert_eq!(by(&ledger), [""; 0]);
    }

    #[test]
    fn who_asks_by_name_gives_up_nobody_elses_claim() {
        let world = W::at(10);
        let mut ledger = Ledger::default();
        ledger.acquire(lock("/a", "me"), world.view()).unwrap();
        let mut release =
            |by| ledger.release(&path("/a"), Claims::AcquiredBy(by), world.view()).unwrap();
        assert!(!release("you"));
        assert!(release("me"));
        assert!(!release("me"));

        // A launch bears the name of its agent, which anybody may have taken.
        ledger.begin(launch("one", "/a", ALIVE), world.view()).unwrap();
        let released = ledger.release(&path("/a"), Claims::AcquiredBy("codex"), world.view());
        assert_eq!((released, ledger.held(world.view()).len()), (Ok(false), 1));
    }

    #[test]
    fn the_claim_of_a_launch_that_is_gone_is_nobodys() {
        let world = W::at(10);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", DEAD), world.view()).unwrap();
        assert_eq!(ledger.release(&path("/a"), Claims::Acquired, world.view()), Ok(false));
        assert_eq!(ledger.held(world.view()), []);
    }

    #[test]
    fn a_supervisor_on_its_way_finds_the_claim_that_its_dead_server_made() {
        let world = W::at(10);
        let mut ledger = Ledger::default();
        ledger.begin(launch("one", "/a", DEAD), world.view()).unwrap();
        ledger.acquire(lock("/a", "me"), world.view()).unwrap();
        for claims in [Claims::AcquiredBy("me"), Claims::Acquired] {
            ledger.release(&path("/a"), claims, world.view()).unwrap();
        }
        ledger.acquire(lock("/a", "you"), world.view()).unwrap();
        let refused = ledger.clone().adopt("one", ALIVE, world.view());
        assert_eq!(refused, Err(Refusal::Locked(Box::new(lock("/a", "you")))));

        ledger.release(&path("/a"), Claims::AcquiredBy("you"), world.view()).unwrap();
        ledger.adopt("one", ALIVE, world.view()).unwrap();
        assert_eq!(ledger.held(world.view()).len(), 1);
    }
}
