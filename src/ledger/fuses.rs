//! Fuses: timers on directories, of which each is fired at most once. PURE.
//!
//! Whoever moves a fuse that is due to the firings is the one who fires it, and takes the firing away when its work is
//! under way. A firing whose process is gone is told of and never repeated: its command may have been started.

use serde::{Deserialize, Serialize};

use super::entry::{Ledger, Life, World};
use crate::base::{AbsPath, ProcessRef, Timestamp};
use crate::procs::{Place, Sight};
use crate::protocol::fuse::Fuse;

/// How old a firing is taken for abandoned whose process cannot be seen from here. None takes a minute.
const FIRING_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// A fuse that some process has begun to fire.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// The fuse; its directory may have another by now.
    pub fuse: Fuse,
    pub begun: Timestamp,
    /// Who fires it.
    pub by: Firer,
}

/// A process that fires fuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Firer {
    /// Nothing where the kernel does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessRef>,
    /// Where its id means what it means.
    pub place: Place,
}

impl Firing {
    /// Its key in the ledger.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.begun, self.fuse.directory)
    }

    /// Whether there is more to it than to tell of it, which leaves nothing half done.
    pub fn is_remembered(&self) -> bool {
        let on_expire = &self.fuse.on_expire;
        on_expire.command.is_some() || on_expire.webhook.is_some()
    }

    fn is_abandoned(&self, here: &Place, world: World<'_>) -> bool {
        let life = match here.sees(&self.by.place) {
            Sight::Here => self.by.process.map_or(Life::Unknown, world.life),
            Sight::Past => Life::Dead,
            Sight::Elsewhere => Life::Unknown,
        };
        match life {
            Life::Alive => false,
            Life::Dead => true,
            Life::Unknown => world.now.millis_since(self.begun) > FIRING_MAX_MS,
        }
    }
}

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

    /// Takes the fuse of a directory, if it has one that has run out: it is the caller's to fire, and nobody else's.
    /// Where that is more than to tell of it, the ledger remembers who does, until it is [`Self::settle`]d.
    pub fn begin_firing(
        &mut self,
        directory: &AbsPath,
        by: &Firer,
        now: Timestamp,
    ) -> Option<Firing> {
        let is_due = |it: &Fuse| it.directory == *directory && it.expires_at <= now;
        let at = self.fuses.iter().position(is_due)?;
        let firing = Firing { fuse: self.fuses.remove(at), begun: now, by: by.clone() };
        if firing.is_remembered() {
            self.firings.push(firing.clone());
        }
        Some(firing)
    }

    /// Notes that all that a fuse does is under way, or has failed.
    pub fn settle(&mut self, firing: &Firing) {
        self.firings.retain(|it| it != firing);
    }

    /// Whether there are firings that nobody will settle.
    pub fn has_abandoned(&self, here: &Place, world: World<'_>) -> bool {
        self.firings.iter().any(|it| it.is_abandoned(here, world))
    }

    /// Takes the firings that nobody will settle: what they have done cannot be told.
    pub fn take_abandoned(&mut self, here: &Place, world: World<'_>) -> Vec<Firing> {
        self.firings.extract_if(.., |it| it.is_abandoned(here, world)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::{ALIVE, DEAD, UNKNOWN, World as W, path};
    use crate::protocol::fuse::OnExpire;

    fn fuse(directory: &str, at: i64, on_expire: OnExpire) -> Fuse {
        let directory = path(directory);
        Fuse { directory, expires_at: W::instant(at), label: None, session_id: None, on_expire }
    }

    fn event(directory: &str, at: i64) -> Fuse {
        fuse(directory, at, OnExpire { event: Some("e".into()), ..OnExpire::default() })
    }

    fn webhook(directory: &str, at: i64) -> Fuse {
        fuse(directory, at, OnExpire { webhook: Some("http://h".into()), ..OnExpire::default() })
    }

    fn firer(process: ProcessRef) -> Firer {
        Firer { process: Some(process), place: Place::default() }
    }

    #[test]
    fn a_directory_has_one_fuse_and_one_that_is_due_is_taken_once() {
        let mut ledger = Ledger::default();
        ledger.set_fuse(event("/a", 5));
        ledger.set_fuse(event("/b", 7));
        ledger.set_fuse(event("/a", 9));
        assert_eq!(ledger.fuses, [event("/a", 9), event("/b", 7)]);
        assert_eq!(ledger.extend_fuse(&path("/b"), W::instant(8)), Some(event("/b", 8)));
        assert_eq!(ledger.extend_fuse(&path("/c"), W::instant(8)), None);
        let mut begin = |directory, at| {
            let firing = ledger.begin_firing(&path(directory), &firer(ALIVE), W::instant(at));
            firing.map(|it| it.fuse)
        };
        assert_eq!(begin("/b", 7), None);
        assert_eq!(begin("/b", 8), Some(event("/b", 8)));
        assert_eq!(begin("/b", 8), None);
        assert_eq!(begin("/a", 10), Some(event("/a", 9)));
        assert!(!ledger.cancel_fuse(&path("/a")));
        assert_eq!(ledger.firings, [], "who tells of a fuse leaves nothing to be done");
    }

    #[test]
    fn a_firing_is_remembered_until_it_is_settled_and_its_directory_may_have_another_fuse() {
        let mut ledger = Ledger::default();
        ledger.set_fuse(webhook("/a", 5));
        let first = ledger.begin_firing(&path("/a"), &firer(ALIVE), W::instant(6)).unwrap();
        ledger.set_fuse(webhook("/a", 7));
        let second = ledger.begin_firing(&path("/a"), &firer(ALIVE), W::instant(8)).unwrap();
        assert_eq!(
            (&ledger.firings[..], ledger.fuses.len()),
            (&[first.clone(), second.clone()][..], 0)
        );
        assert_ne!(first.name(), second.name());
        ledger.settle(&first);
        assert_eq!(ledger.firings, [second]);
    }

    #[test]
    fn a_firing_whose_process_is_gone_is_taken_and_never_due_again() {
        let here = Place::default();
        let begun = |by| {
            let mut ledger = Ledger::default();
            ledger.set_fuse(webhook("/a", 5));
            ledger.begin_firing(&path("/a"), &by, W::instant(5));
            ledger
        };
        let day = i64::try_from(FIRING_MAX_MS / 1000).unwrap();
        let elsewhere = serde_json::json!({ "boot": "another", "name": "another" });
        let elsewhere = Firer { place: serde_json::from_value(elsewhere).unwrap(), ..firer(DEAD) };
        for (by, at, expect) in [
            (firer(ALIVE), 6 + day, false),
            (firer(DEAD), 6, true),
            (firer(UNKNOWN), 5 + day, false),
            (firer(UNKNOWN), 6 + day, true),
            (Firer { process: None, ..firer(ALIVE) }, 6, false),
            (elsewhere.clone(), 6, false),
            (elsewhere, 6 + day, true),
        ] {
            let world = W::at(at);
            let mut ledger = begun(by.clone());
            assert_eq!(ledger.has_abandoned(&here, world.view()), expect, "{by:?} at {at}");
            let taken = ledger.take_abandoned(&here, world.view());
            assert_eq!((taken.len(), ledger.firings.len()), (expect.into(), (!expect).into()));
            assert_eq!(ledger.begin_firing(&path("/a"), &by, W::instant(at)), None);
        }
    }
}
