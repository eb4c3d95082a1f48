//! Those for whom the lookout looks: which agents each of them wants to see.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::watch;

use crate::base::AgentId;

/// Agents that somebody wants to see; nothing stands for all that the settings do not leave out.
pub(super) type Wish = Option<Vec<AgentId>>;

/// The wishes of all who look on. Its clones are one audience.
#[derive(Clone, Debug, Default)]
pub(super) struct Audience(watch::Sender<BTreeMap<Wish, usize>>);

/// One wish, for as long as it is held.
#[derive(Debug)]
pub(super) struct Seat {
    audience: Audience,
    pub(super) wish: Wish,
}

impl Audience {
    pub(super) fn seat(&self, wish: Wish) -> Seat {
        self.0.send_if_modified(|wishes| {
            let count = wishes.entry(wish.clone()).or_default();
            *count += 1;
            *count == 1
        });
        Seat { audience: self.clone(), wish }
    }

    /// Hears of wishes that nobody had before, and of those that nobody has any more.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes(self.0.subscribe())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.audience.0.send_if_modified(|wishes| {
            let Some(count) = wishes.get_mut(&self.wish) else { return false };
            *count -= 1;
            let is_last = *count == 0;
            if is_last {
                wishes.remove(&self.wish);
            }
            is_last
        });
    }
}

/// All wishes, as they are now.
#[derive(Clone, Debug)]
pub(super) struct Wishes(watch::Receiver<BTreeMap<Wish, usize>>);

impl Wishes {
    /// Every agent that somebody wants to see, where those are the ones that the settings do not leave out.
    pub(super) fn agents(&mut self, usual: &[AgentId]) -> BTreeSet<AgentId> {
        let wishes = self.0.borrow_and_update();
        wishes.keys().flat_map(|it| it.as_deref().unwrap_or(usual)).cloned().collect()
    }

    /// Returns when they are others than when they were asked for last.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The audience is gone, and the lookout with it.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn only_wishes_that_nobody_had_and_those_that_nobody_has_any_more_are_news() {
        let [a, b, c] = ["a", "b", "c"].map(AgentId::of);
        let audience = Audience::default();
        let mut wishes = audience.wishes();
        let usual = [a.clone(), b.clone()];
        assert_eq!(wishes.agents(&usual), [].into());

        let first = audience.seat(None);
        assert_eq!(wishes.changed().now_or_never(), Some(()));
        assert_eq!(wishes.agents(&usual), usual.clone().into());
        let second = audience.seat(None);
        drop(first);
        assert_eq!(wishes.changed().now_or_never(), None);

        let third = audience.seat(Some(vec![c.clone()]));
        assert_eq!(wishes.agents(&usual), [a, b, c.clone()].into());
        drop(second);
        assert_eq!(wishes.changed().now_or_never(), Some(()));
        assert_eq!(wishes.agents(&usual), [c].into());
        drop(third);
        assert_eq!(wishes.agents(&usual), [].into());
    }
}
