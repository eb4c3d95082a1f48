//! When somebody last typed at a terminal, and when a program last drew on it.
//!
//! Linux notes both with the terminal's file, as the times it was read and written, each once in 8 seconds at most
//! (`tty_update_time`): what is drawn without a pause was noted that long ago at the earliest.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::linux;
use crate::base::Timestamp;

/// How long after one note the next is taken.
const NOTED_EVERY_MS: i64 = 8_000;
/// How long a program may need to draw what it has to show, on a busy machine.
const DRAWS_WITHIN_MS: i64 = 2_000;

/// The terminal that a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// When something was typed, and read by the program. More may have been in the 8 seconds since.
    pub typed: Timestamp,
    /// When something was drawn. More may have been in the 8 seconds since.
    pub drawn: Timestamp,
}

impl Terminal {
    /// Whether something is being drawn that goes on since that time, and not what was drawn then.
    pub fn is_drawn_on_since(self, at: Timestamp, now: Timestamp) -> bool {
        self.drawn.as_millis() > at.as_millis() + DRAWS_WITHIN_MS && self.may_be_drawn_on(now)
    }

    /// Whether it was drawn on so lately that it may be still.
    pub fn may_be_drawn_on(self, now: Timestamp) -> bool {
        self.drawn.as_millis() >= now.as_millis() - NOTED_EVERY_MS - DRAWS_WITHIN_MS
    }

    /// Whether somebody has typed since that time; one who did so within 8 seconds before, too, may not have been noted.
    pub fn is_typed_at_since(self, at: Timestamp) -> bool {
        self.typed > at
    }
}

/// The terminal behind a process's standard output, as the process itself finds it.
pub(super) fn of(dir: &Path) -> Option<Terminal> {
    let path = linux::link(dir, "fd/1")?;
    let is_terminal = path.starts_with("/dev/pts") || path.starts_with("/dev/tty");
    let path = path.strip_prefix("/").ok().filter(|_| is_terminal)?;
    let meta = fs::metadata(dir.join("root").join(path)).ok()?;
    let time = |seconds: i64| Timestamp::from_millis(seconds.checked_mul(1000)?);
    Some(Terminal { typed: time(meta.atime())?, drawn: time(meta.mtime())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeProc;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_795_378_000_000 + second * 1000).unwrap()
    }

    #[test]
    fn what_is_drawn_goes_on_if_it_was_noted_a_moment_ago_and_not_only_at_the_beginning() {
        let check = |drawn, since, now, expect| {
            let terminal = Terminal { typed: at(0), drawn: at(drawn) };
            let told = terminal.is_drawn_on_since(at(since), at(now));
            assert_eq!(told, expect, "drawn {drawn}, since {since}, now {now}");
        };
        check(103, 100, 104, true);
        check(103, 100, 113, true);
        check(103, 100, 114, false);
        // What was to be shown then.
        check(102, 100, 104, false);
        check(90, 100, 104, false);
    }

    #[test]
    fn what_was_typed_before_is_no_answer() {
        let terminal = Terminal { typed: at(40), drawn: at(100) };
        let since = [39, 40, 41].map(|second| terminal.is_typed_at_since(at(second)));
        assert_eq!(since, [true, false, false]);
    }

    #[test]
    fn a_terminal_is_found_where_the_process_has_it() {
        let table = FakeProc::new();
        let processes = |pid, path: &str| {
            let process = table.process(pid, 100, "agent").open_file(1, Path::new(path)).identity;
            table.scope(Path::new("/home/dev")).processes.terminal(process)
        };
        assert_eq!(processes(1, "/dev/pts/3"), None, "none is there");
        let seen = Terminal { typed: at(10), drawn: at(20) };
        table.terminal(2, "/dev/pts/3", seen);
        assert_eq!(processes(2, "/dev/pts/3"), Some(seen));
        table.terminal(3, "/tmp/out", seen);
        assert_eq!(processes(3, "/tmp/out"), None);
    }
}
