//! Facts parsed from a file, kept under the file's stamp: a read is saved only where its answer could not differ.

use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most files remembered; the largest store seen has 20,000 sessions.
const ENTRIES_MAX: usize = 65_536;
/// After how many looks a full memo gives up what none of them was for: every file of a store that it can hold was
/// looked for twice then.
const LOOKS: usize = 2 * ENTRIES_MAX;

/// Which state of which file: a change to its bytes changes this, as far as the file system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileStamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified_ns: i128,
}

impl FileStamp {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified_ns: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
        }
    }

    /// The same of what the system itself says.
    pub fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified_ns: i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec),
        }
    }

    /// When the file was last written, in milliseconds since 1970 UTC.
    pub fn modified_millis(&self) -> i64 {
        i64::try_from(self.modified_ns / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// What was read of a file: its newest state alone, so that a growing transcript holds one entry.
#[derive(Debug)]
struct Entry {
    stamp: FileStamp,
    value: Arc<dyn Any + Send + Sync>,
    /// Whether it was looked for since unused ones were given up.
    is_used: bool,
}

/// Which file, and what is kept of it.
type Key = (&'static str, u64, u64);

/// A full one keeps what it has: every list looks for every file, in turn, so that to make room for the newest would be
/// to give up just what is looked for next, and nothing would ever be found.
#[derive(Debug, Default)]
struct Entries {
    by_file: HashMap<Key, Entry>,
    /// For what anything was ever remembered.
    purposes: BTreeSet<&'static str>,
    looks: usize,
}

impl Entries {
    /// Whether one more fits, once what nobody looked for is given up.
    fn has_room(&mut self) -> bool {
        if self.by_file.len() >= ENTRIES_MAX && self.looks >= LOOKS {
            self.looks = 0;
            self.by_file.retain(|_, it| std::mem::take(&mut it.is_used));
        }
        self.by_file.len() < ENTRIES_MAX
    }
}

/// Remembers what was read from files. Never written to disk, never holds a status.
#[derive(Debug, Default)]
pub struct Memo {
    entries: Mutex<Entries>,
}

impl Memo {
    /// What was remembered for this state of the file, by whoever reads it for `purpose`.
    pub fn recall<T: Any + Send + Sync>(
        &self,
        purpose: &'static str,
        stamp: FileStamp,
    ) -> Option<Arc<T>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.looks += 1;
        let known = entries.by_file.get_mut(&(purpose, stamp.device, stamp.inode))?;
        known.is_used = true;
        if known.stamp != stamp {
            return None;
        }
        known.value.clone().downcast().ok()
    }

    /// Whether anything was ever remembered for `purpose`.
    pub fn has_held(&self, purpose: &'static str) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.purposes.contains(purpose)
    }

    /// Remembers `value` for this state of the file, in place of any earlier state.
    pub fn remember<T: Any + Send + Sync>(
        &self,
        purpose: &'static str,
        stamp: FileStamp,
        value: Arc<T>,
    ) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (purpose, stamp.device, stamp.inode);
        if entries.by_file.contains_key(&key) || entries.has_room() {
            entries.by_file.insert(key, Entry { stamp, value, is_used: true });
            entries.purposes.insert(purpose);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(inode: u64, size: u64) -> FileStamp {
        FileStamp { device: 1, inode, size, modified_ns: 5 }
    }

    #[test]
    fn only_the_same_state_for_the_same_purpose_is_recalled() {
        let memo = Memo::default();
        assert!(!memo.has_held("head"));
        memo.remember("head", stamp(1, 10), Arc::new(7_u32));
        assert_eq!(["head", "usage"].map(|it| memo.has_held(it)), [true, false]);
        assert_eq!(memo.recall::<u32>("head", stamp(1, 10)).as_deref(), Some(&7));
        assert_eq!(memo.recall::<u32>("head", stamp(1, 11)), None);
        assert_eq!(memo.recall::<u32>("usage", stamp(1, 10)), None);
        assert_eq!(memo.recall::<u64>("head", stamp(1, 10)), None);
    }

    /// Looks for each file and remembers those that are not known; returns how many were.
    fn look(memo: &Memo, files: std::ops::Range<usize>) -> usize {
        let is_known = |inode: usize| {
            let stamp = stamp(inode as u64, 1);
            let is_known = memo.recall::<()>("head", stamp).is_some();
            if !is_known {
                memo.remember("head", stamp, Arc::new(()));
            }
            is_known
        };
        files.filter(|it| is_known(*it)).count()
    }

    #[test]
    fn a_store_larger_than_it_is_remembered_as_far_as_it_goes() {
        let memo = Memo::default();
        for known in [0, ENTRIES_MAX, ENTRIES_MAX, ENTRIES_MAX, ENTRIES_MAX] {
            assert_eq!(look(&memo, 0..ENTRIES_MAX + 1_000), known);
        }
        assert_eq!(memo.entries.lock().unwrap().by_file.len(), ENTRIES_MAX);
    }

    #[test]
    fn what_nobody_looks_for_any_more_makes_room() {
        let memo = Memo::default();
        look(&memo, 0..ENTRIES_MAX);
        // Another store takes the place of the first: not at once, but for good.
        let others = ENTRIES_MAX..2 * ENTRIES_MAX;
        let known: Vec<usize> = (0..6).map(|_| look(&memo, others.clone())).collect();
        assert_eq!(known.last(), Some(&ENTRIES_MAX), "{known:?}");
        assert_eq!(memo.entries.lock().unwrap().by_file.len(), ENTRIES_MAX);
    }
}
