//! Facts parsed from a file, kept under the file's stamp: a read is saved only where its answer could not differ.

use std::any::Any;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Most files remembered; the largest store seen has 20,000 sessions. Over it the memo starts anew.
const ENTRIES_MAX: usize = 65_536;

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

    /// When the file was last written, in milliseconds since 1970 UTC.
    pub fn modified_millis(&self) -> i64 {
        i64::try_from(self.modified_ns / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// What was read of a file: its newest state alone, so that a growing transcript holds one entry.
type Entry = (FileStamp, Arc<dyn Any + Send + Sync>);

/// Remembers what was read from files. Never written to disk, never holds a status.
#[derive(Debug, Default)]
pub struct Memo {
    entries: Mutex<HashMap<(&'static str, u64, u64), Entry>>,
}

impl Memo {
    /// What was remembered for this state of the file, by whoever reads it for `purpose`.
    pub fn recall<T: Any + Send + Sync>(
        &self,
        purpose: &'static str,
        stamp: FileStamp,
    ) -> Option<Arc<T>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, value) = entries.get(&(purpose, stamp.device, stamp.inode))?;
        if *known != stamp {
            return None;
        }
        value.clone().downcast().ok()
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
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&key) {
            entries.clear();
        }
        entries.insert(key, (stamp, value));
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
        memo.remember("head", stamp(1, 10), Arc::new(7_u32));
        assert_eq!(memo.recall::<u32>("head", stamp(1, 10)).as_deref(), Some(&7));
        assert_eq!(memo.recall::<u32>("head", stamp(1, 11)), None);
        assert_eq!(memo.recall::<u32>("usage", stamp(1, 10)), None);
        assert_eq!(memo.recall::<u64>("head", stamp(1, 10)), None);
    }

    #[test]
    fn it_never_grows_past_its_bound() {
        let memo = Memo::default();
        for inode in 0..=ENTRIES_MAX as u64 {
            memo.remember("head", stamp(inode, 1), Arc::new(()));
        }
        assert_eq!(memo.entries.lock().unwrap().len(), 1);
    }
}
