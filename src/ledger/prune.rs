//! Forgetting what is void. PURE.

use super::entry::{End, LaunchEntry, Ledger, Life, World, has_expired};
use crate::base::Timestamp;
use crate::protocol::launch::PruneReason;
use crate::protocol::lock::Lock;

/// What pruning forgets and releases, or would.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pruned {
    pub forgotten: Vec<(LaunchEntry, PruneReason)>,
    pub released: Vec<(Lock, PruneReason)>,
    pub kept: usize,
}

impl Ledger {
    /// Forgets launches that ended, before `older_than` where that is given, and claims that are void.
    /// What lives stays, and what cannot be told. `served` says how launches in a service stand.
    pub fn prune(
        &mut self,
        older_than: Option<Timestamp>,
        world: World<'_>,
        served: &dyn Fn(&LaunchEntry) -> Life,
    ) -> Pruned {
        let mut pruned = Pruned::default();
        let is_gone =
            |entry: &LaunchEntry| entry.ended.is_none() && entry.life(world) == Life::Dead;
        for entry in self.launches.iter().filter(|it| is_gone(it)) {
            let lock = entry.claim.as_ref().map(|directory| entry.lock_on(directory, world));
            pruned.released.extend(lock.map(|it| (it, PruneReason::ProcessGone)));
        }
        let (void, kept) = std::mem::take(&mut self.launches).into_iter().partition(|entry| {
            let end = entry.ended.unwrap_or(entry.launch.launched_at);
            let life = if entry.is_in_service() { served(entry) } else { entry.life(world) };
            life == Life::Dead && older_than.is_none_or(|limit| end < limit)
        });
        self.launches = kept;
        for entry in self.launches.iter_mut().filter(|it| is_gone(it)) {
            entry.claim = None;
            // A supervisor may be on its way; without the claim it must not go on.
            if !entry.has_begun() {
                entry.ended = Some(world.now);
                entry.end = Some(End::NotStarted);
            }
        }
        let void: Vec<LaunchEntry> = void;
        pruned.forgotten = void
            .into_iter()
            .map(|entry| match entry.ended {
                Some(_) => (entry, PruneReason::Ended),
                None if entry.is_in_service() => (entry, PruneReason::Ended),
                None => (entry, PruneReason::ProcessGone),
            })
            .collect();
        let (expired, held) =
            std::mem::take(&mut self.locks).into_iter().partition(|it| has_expired(it, world.now));
        self.locks = held;
        let expired: Vec<Lock> = expired;
        pruned.released.extend(expired.into_iter().map(|it| (it, PruneReason::Expired)));
        pruned.kept = self.launches.len();
        pruned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SessionId;
    use crate::ledger::Refusal;
    use crate::ledger::testing::{ALIVE, DEAD, UNKNOWN, World as W, launch, lock, path};

    fn session(text: &str) -> Option<SessionId> {
        SessionId::parse(text)
    }

    #[test]
    fn pruning_forgets_what_is_void_and_keeps_what_lives_or_cannot_be_told() {
        let world = W::at(100);
        let ended = |id: &str, at| LaunchEntry {
            ended: Some(W::instant(at)),
            claim: None,
            ..launch(id, "/e", DEAD)
        };
        let expired = Lock { expires_at: Some(W::instant(50)), ..lock("/m", "me") };
        let ledger = Ledger {
            launches: vec![
                ended("early", 10),
                ended("late", 90),
                launch("gone", "/g", DEAD),
                launch("alive", "/l", ALIVE),
                launch("unknown", "/u", UNKNOWN),
            ],
            locks: vec![expired.clone(), lock("/n", "me")],
            ..Ledger::default()
        };
        let prune = |older_than: Option<i64>| {
            let mut ledger = ledger.clone();
            let pruned = ledger.prune(older_than.map(W::instant), world.view(), &|_| Life::Unknown);
            let forgotten: Vec<(String, PruneReason)> = pruned
                .forgotten
                .iter()
                .map(|(it, why)| (it.launch.launch_id.clone(), *why))
                .collect();
            (ledger, forgotten, pruned)
        };
        let (after, forgotten, pruned) = prune(None);
        assert_eq!(
            forgotten,
            [
                ("early".into(), PruneReason::Ended),
                ("late".into(), PruneReason::Ended),
                ("gone".into(), PruneReason::ProcessGone)
            ]
        );
        let released: Vec<_> =
            pruned.released.iter().map(|(it, why)| (&it.directory, *why)).collect();
        assert_eq!(
            released,
            [(&path("/g"), PruneReason::ProcessGone), (&path("/m"), PruneReason::Expired)]
        );
        assert_eq!((pruned.kept, after.launches.len()), (2, 2));
        assert_eq!(after.locks, [lock("/n", "me")]);
        assert_eq!(
            after.clone().prune(None, world.view(), &|_| Life::Unknown),
            Pruned { kept: 2, ..Pruned::default() }
        );

        let (_, forgotten, _) = prune(Some(50));
        assert_eq!(forgotten.len(), 2, "those that ended before: {forgotten:?}");

        // What is gone and kept has given up its claim, and so never begins.
        let (mut after, _, pruned) = prune(Some(1));
        assert_eq!(pruned.released.len(), 2);
        assert_eq!(after.adopt("gone", ALIVE, world.view()), Err(Refusal::Gone));
    }

    #[test]
    fn a_launch_in_a_service_claims_nothing_and_is_forgotten_by_the_services_word() {
        let world = W::at(2);
        let served = LaunchEntry { is_served: true, ..launch("one", "/a", ALIVE) };
        let mut ledger = Ledger::default();
        ledger.begin(served.clone(), world.view()).unwrap();
        assert_eq!(ledger.held(world.view()).len(), 1, "while the service is asked");
        ledger.served("one", session("k:a").unwrap()).unwrap();
        assert_eq!(ledger.held(world.view()), []);
        assert_eq!(ledger.launches[0].life(world.view()), Life::Unknown);
        ledger.begin(launch("two", "/a", ALIVE), world.view()).unwrap();

        for (life, kept) in [(Life::Alive, 2), (Life::Unknown, 2), (Life::Dead, 1)] {
            let pruned = ledger.clone().prune(None, world.view(), &|_| life);
            assert_eq!(pruned.kept, kept, "{life:?}");
            let reasons: Vec<_> = pruned.forgotten.iter().map(|(_, why)| *why).collect();
            assert_eq!(reasons, vec![PruneReason::Ended; 2 - kept]);
        }
        // One whose server died while the service was asked has told nothing, and is nobody's.
        let lost = LaunchEntry { keeper: Some(DEAD), ..served };
        assert_eq!(lost.life(world.view()), Life::Dead);
    }
}
