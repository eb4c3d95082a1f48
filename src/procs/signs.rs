//! What a process shows of itself and nobody is told of when it changes: that it is suspended, and when its terminal was used.

use std::path::Path;

use super::{Terminal, linux, terminal};
use crate::base::{ProcessRef, Timestamp};

/// What could be seen of a process. Of its terminal, only what a conclusion went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    is_suspended: bool,
    /// The terminal, and whether it may be drawn on: that ends by the mere passing of time.
    terminal: Option<(Terminal, bool)>,
}

impl Signs {
    pub(super) fn of(is_suspended: bool, terminal: Option<Terminal>, now: Timestamp) -> Self {
        let terminal = terminal.map(|it| (it, it.may_be_drawn_on(now)));
        Self { is_suspended, terminal }
    }

    /// Whether its terminal was looked at.
    pub fn are_of_a_terminal(self) -> bool {
        self.terminal.is_some()
    }

    /// Whether the process shows others now. Not where it has ended, nor where it cannot be seen: the one is told, and
    /// of the other nothing can be concluded.
    pub fn have_changed(self, root: &Path, process: ProcessRef, now: Timestamp) -> bool {
        let dir = root.join(process.pid.to_string());
        let Ok(Some(found)) = linux::process(&dir) else { return false };
        let terminal = self.terminal.and_then(|_| terminal::of(&dir));
        found.identity == process && Self::of(found.is_suspended, terminal, now) != self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeProc;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(1_795_378_000_000 + second * 1000).unwrap()
    }

    /// Whether the signs that a process shows now are others than a snapshot saw.
    struct Seen<'a> {
        table: &'a FakeProc,
        process: ProcessRef,
        signs: Signs,
    }

    impl<'a> Seen<'a> {
        fn of(table: &'a FakeProc, process: ProcessRef, looks_at_terminal: bool) -> Self {
            let processes = table.scope(Path::new("/home/dev")).processes;
            if looks_at_terminal {
                processes.terminal(process).unwrap();
            }
            Self { table, process, signs: processes.signs(process, at(25)).unwrap() }
        }

        fn have_changed(&self, now: Timestamp) -> bool {
            self.signs.have_changed(self.table.root(), self.process, now)
        }
    }

    #[test]
    fn a_process_that_is_suspended_or_continued_shows_other_signs_and_one_that_has_ended_none() {
        let table = FakeProc::new();
        let put = || table.process(7, 100, "agent");
        let at_work = Seen::of(&table, put().identity, false);
        assert!(!at_work.have_changed(at(26)));
        let suspended = Seen::of(&table, put().suspended().identity, false);
        assert!(at_work.have_changed(at(26)) && !suspended.have_changed(at(26)));
        put();
        assert!(!at_work.have_changed(at(26)) && suspended.have_changed(at(26)));
        // Its id is another's.
        table.process(7, 101, "agent").suspended();
        assert!(!at_work.have_changed(at(26)));
        std::fs::remove_dir_all(table.root().join("7")).unwrap();
        assert!(!at_work.have_changed(at(26)));
    }

    #[test]
    fn a_terminal_counts_where_a_conclusion_went_by_it() {
        let table = FakeProc::new();
        let process = table.process(7, 100, "agent").open_file(1, Path::new("/dev/pts/3")).identity;
        let used = |typed, drawn| {
            let seen = Terminal { typed: at(typed), drawn: at(drawn) };
            table.terminal(7, "/dev/pts/3", seen);
        };
        let check = |typed, drawn, now, expect| {
            used(10, 20);
            let [by_terminal, without] = [true, false].map(|it| Seen::of(&table, process, it));
            assert!(by_terminal.signs.are_of_a_terminal() && !without.signs.are_of_a_terminal());
            used(typed, drawn);
            assert_eq!(by_terminal.have_changed(at(now)), expect, "{typed} {drawn} {now}");
            assert!(!without.have_changed(at(now)), "{typed} {drawn} {now}");
        };
        check(10, 20, 30, false);
        // What was drawn so long ago is not being drawn any more.
        check(10, 20, 31, true);
        check(11, 20, 26, true);
        check(10, 21, 26, true);
    }
}
