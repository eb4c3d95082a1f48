//! Transcripts that are trees: each entry names the one before it, and what was abandoned stays in the file. PURE.

/// Where an entry hangs in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: String,
    /// The entry that it follows; nothing for the first.
    pub parent: Option<String>,
}

/// Reads where a line's entry hangs; nothing for lines that are no entries of a tree.
pub type ReadLink = fn(&[u8]) -> Option<Link>;

/// The way from the newest entry back to the first.
pub(super) struct Branch {
    read: Option<ReadLink>,
    next: Next,
}

/// The next entry on the way back.
enum Next {
    /// Whichever comes: nothing was seen yet.
    Any,
    Entry(String),
    /// None: the first was seen.
    Over,
}

impl Branch {
    /// Where transcripts are no trees, the branch holds every line.
    pub(super) fn new(read: Option<ReadLink>) -> Self {
        Self { read, next: Next::Any }
    }

    /// Whether the line is on the way; lines are shown to it from the newest on.
    pub(super) fn holds(&mut self, line: &[u8]) -> bool {
        let Some(entry) = self.read.and_then(|read| read(line)) else { return true };
        let is_next = match &self.next {
            Next::Any => true,
            Next::Entry(id) => *id == entry.id,
            Next::Over => false,
        };
        if is_next {
            self.next = entry.parent.map_or(Next::Over, Next::Entry);
        }
        is_next
    }

    /// Whether the first entry was seen, before which there is nothing.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.next, Next::Over)
    }
}
