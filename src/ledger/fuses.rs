//! Fuses: timers on directories, of which each fires once. PURE.

use super::entry::Ledger;
use crate::base::{AbsPath, Timestamp};
use crate::protocol::fuse::Fuse;

impl Ledger {
    /// Sets a fuse in place of the one that its directory may have.
    pub fn set_fuse(&mut self, fuse: Fuse) {
        self.fuses.retain(|it| it.directory != fuse.directory);
        self.fuses.push(fuse);
        self.fuses.sort_by(|a, b| a.directory.cmp(&b.directory));
    }

    /// Sets a fuse's end anew; nothing where there is none.
    pub fn extend_fuse(&mut self, directory: &AbsPath, expires_at: Timestamp) -> Option<Fuse> {
        let fuse = self.fuses.iter_mut().find(|it| it.directory == *directory)?;
        fuse.expires_at = expires_at;
        Some(fuse.clone())
    }

    /// Takes a fuse away, and says whether there was one.
    pub fn cancel_fuse(&mut self, directory: &AbsPath) -> bool {
        let before = self.fuses.len();
        self.fuses.retain(|it| it.directory != *directory);
        self.fuses.len() < before
    }

    /// When the next fuse runs out.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.fuses.iter().map(|it| it.expires_at).min()
    }

    /// Takes the fuses that have run out: they are the caller's to fire, and nobody else's.
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Fuse> {
        let (mut due, rest): (Vec<Fuse>, Vec<Fuse>) =
            std::mem::take(&mut self.fuses).into_iter().partition(|it| it.expires_at <= now);
        self.fuses = rest;
        due.sort_by_key(|it| it.expires_at);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{World, path};

    fn fuse(directory: &str, at: i64) -> Fuse {
        Fuse {
            directory: path(directory),
            expires_at: World::instant(at),
            label: None,
            session_id: None,
            on_expire: crate::protocol::fuse::OnExpire::default(),
        }
    }

    #[test]
    fn a_directory_has_one_fuse_and_due_ones_are_taken_once() {
        let mut ledger = Ledger::default();
        ledger.set_fuse(fuse("/a", 5));
        ledger.set_fuse(fuse("/b", 7));
        ledger.set_fuse(fuse("/a", 9));
        assert_eq!(ledger.next_due(), Some(World::instant(7)));
        assert_eq!(ledger.extend_fuse(&path("/b"), World::instant(8)), Some(fuse("/b", 8)));
        assert_eq!(ledger.extend_fuse(&path("/c"), World::instant(8)), None);
        assert_eq!(ledger.take_due(World::instant(7)), []);
        assert_eq!(ledger.take_due(World::instant(9)), [fuse("/b", 8), fuse("/a", 9)]);
        assert_eq!(ledger.take_due(World::instant(9)), []);
        assert!(!ledger.cancel_fuse(&path("/a")));
    }
}
