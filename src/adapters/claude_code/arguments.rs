//! What the arguments of a process say of its session.

use crate::base::{ProcessRef, SessionId};
use crate::procs::ProcessTable;

pub(super) struct Arguments(Vec<String>);

impl Arguments {
    pub(super) fn of(processes: &ProcessTable, process: ProcessRef) -> Self {
        Self(processes.arguments(process).to_vec())
    }

    /// The name of the program, and its first argument.
    pub(super) fn beginning(&self) -> (&str, &str) {
        let word = |at: usize| self.0.get(at).map_or("", String::as_str);
        (word(0), word(1))
    }

    /// The session that it begins or goes on with; nothing where it chooses the id itself, as for a copy.
    pub(super) fn session(&self) -> Option<SessionId> {
        let resumed = || self.value(&["--resume", "-r"]).filter(|_| !self.has(&["--fork-session"]));
        let named = self.value(&["--session-id"]).or_else(resumed);
        // What is resumed may be searched for by other words than an id.
        named.filter(|it| super::is_uuid(it)).and_then(SessionId::parse)
    }

    /// Whether a program gives it one prompt after another.
    pub(super) fn is_fed(&self) -> bool {
        self.value(&["--input-format"]) == Some("stream-json")
    }

    /// Whether it was given one prompt, to end when that is answered.
    pub(super) fn is_one_shot(&self) -> bool {
        self.has(&["-p", "--print"]) && !self.is_fed()
    }

    fn has(&self, names: &[&str]) -> bool {
        self.options().any(|it| names.contains(&it))
    }

    /// What stands behind the first option of these names, or in it behind a `=`.
    fn value(&self, names: &[&str]) -> Option<&str> {
        let mut options = self.options();
        while let Some(option) = options.next() {
            if names.contains(&option) {
                return options.next();
            }
            if let Some((name, value)) = option.split_once('=')
                && names.contains(&name)
            {
                return Some(value);
            }
        }
        None
    }

    /// All that may be options: what comes after `--` is the prompt.
    fn options(&self) -> impl Iterator<Item = &str> {
        self.0.iter().skip(1).map(String::as_str).take_while(|it| *it != "--")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";
    const OTHER: &str = "22222222-2222-4222-8222-222222222222";

    fn arguments(words: &[&str]) -> Arguments {
        Arguments(words.iter().map(|it| (*it).to_owned()).collect())
    }

    #[test]
    fn a_session_is_named_by_its_id_alone() {
        let check = |words: &[&str], expect: Option<&str>| {
            let session = arguments(words).session();
            assert_eq!(session.as_ref().map(SessionId::as_str), expect, "{words:?}");
        };
        check(&["claude"], None);
        check(&["claude", "-p", "--session-id", ID, "--", "hi"], Some(ID));
        let equals = format!("--resume={ID}");
        check(&["claude", &equals], Some(ID));
        check(&["claude", "-r", ID, "-p", "more"], Some(ID));
        check(&["claude", "--resume", ID, "--fork-session"], None);
        check(&["claude", "--resume", ID, "--fork-session", "--session-id", OTHER], Some(OTHER));
        check(&["claude", "--resume", "my work"], None);
        check(&["claude", "--resume"], None);
        check(&["claude", "-p", "--", "--session-id", ID], None);
        check(&[], None);
    }

    #[test]
    fn one_prompt_is_told_from_many() {
        let check = |words: &[&str], one_shot: bool, fed: bool| {
            let arguments = arguments(words);
            assert_eq!((arguments.is_one_shot(), arguments.is_fed()), (one_shot, fed), "{words:?}");
        };
        check(&["claude", "-p", "hi"], true, false);
        check(&["claude", "--print", "--input-format", "text"], true, false);
        check(&["claude", "--input-format", "stream-json"], false, true);
        check(&["claude", "-p", "--input-format=stream-json"], false, true);
        check(&["claude", "--", "-p"], false, false);
        check(&[], false, false);
    }
}
