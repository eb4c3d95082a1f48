//! `workspace.yaml`: where a session works and what it is called. PURE.
//!
//! The file is one flat mapping that Copilot writes itself, so its few kinds of scalars are read by hand: plain
//! ones, quoted ones, and the block scalar (`|-`) of a name with several lines.

use crate::adapters::Record;
use crate::adapters::evidence::Hints;
use crate::base::{AbsPath, Timestamp};

/// What a workspace tells of its session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    name: Option<String>,
    cwd: Option<AbsPath>,
    branch: Option<String>,
    created: Option<Timestamp>,
    updated: Option<Timestamp>,
}

impl Workspace {
    /// Reads what is there; what cannot be read is as good as absent.
    pub fn parse(text: &str) -> Self {
        let mut workspace = Self::default();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let mut below = Vec::new();
            while let Some(more) = lines.next_if(|it| it.starts_with(' ') || it.is_empty()) {
                below.push(more.trim());
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = scalar(value.trim(), &below);
            match key {
                "name" => workspace.name = value,
                "cwd" => workspace.cwd = value.and_then(AbsPath::parse),
                "branch" => workspace.branch = value,
                "created_at" => workspace.created = value.as_deref().and_then(Timestamp::parse),
                "updated_at" => workspace.updated = value.as_deref().and_then(Timestamp::parse),
                _ => {}
            }
        }
        workspace
    }

    /// The record with what only the workspace knows. The name of a session that nobody named is its first prompt.
    pub(super) fn completed(&self, record: &Record) -> Record {
        let mut record = record.clone();
        record.title = self.name.clone().or(record.title);
        record.branch = self.branch.clone().or(record.branch);
        record.cwd = record.cwd.or_else(|| self.cwd.clone());
        record.created = record.created.or(self.created);
        record.updated = record.updated.max(self.updated);
        record
    }

    /// What is known of a session that has no records.
    pub(super) fn hints(&self) -> Hints {
        Hints {
            title: self.name.clone(),
            cwd: self.cwd.clone(),
            created: self.created,
            updated: self.updated,
            ..Hints::default()
        }
    }
}

/// A value of one line, with the indented lines below it.
fn scalar(value: &str, below: &[&str]) -> Option<String> {
    let text = match value.as_bytes().first()? {
        b'\'' => value.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"),
        b'"' => serde_json::from_str(value).ok()?,
        b'|' => below.join("\n").trim_end().to_owned(),
        b'>' => below.join(" ").trim_end().to_owned(),
        _ => value.to_owned(),
    };
    let is_nothing = text.is_empty() || matches!(value, "null" | "~");
    (!is_nothing).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Option<String> {
        Workspace::parse(&format!("id: x\nname: {text}\nuser_named: false\n")).name
    }

    #[test]
    fn each_kind_of_scalar_that_copilot_writes_is_read() {
        let check = |text, expect: &str| assert_eq!(name(text).as_deref(), Some(expect), "{text}");
        check("SLOW=20 cop", "SLOW=20 cop");
        check("'ask me: [[bash:touch x]] [[say:# ok]]'", "ask me: [[bash:touch x]] [[say:# ok]]");
        check("'it''s'", "it's");
        check(r#""tab\t\"quoted\" \u00fc""#, "tab\t\"quoted\" ü");
        check(
            "|-\n  It's a \"long\" prompt: # \\\n  and a second line",
            "It's a \"long\" prompt: # \\\nand a second line",
        );
        check("|-\n  one\n\n  two", "one\n\ntwo");
        check(">-\n  one\n  two", "one two");
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        for text in ["", "''", "\"\"", "null", "~", "'torn", "\"torn", "|-"] {
            assert_eq!(name(text), None, "{text}");
        }
        assert_eq!(
            Workspace::parse("cwd: relative\ncreated_at: yesterday\nno key\n"),
            Workspace::default()
        );
    }

    #[test]
    fn a_file_cut_at_any_byte_is_read_as_far_as_it_goes() {
        let text =
            "id: 2f\ncwd: /home/dev/wörk\nname: \"tab\\t\"\ncreated_at: 2026-11-22T20:29:57.957Z\n";
        let whole = Workspace::parse(text);
        for end in (0..text.len()).filter(|it| text.is_char_boundary(*it)) {
            let cut = Workspace::parse(&text[..end]);
            assert!(cut.name.is_none() || cut.name == whole.name, "cut at {end}");
            assert!(cut.created.is_none() || cut.created == whole.created, "cut at {end}");
            let (cut, cwd) = (cut.cwd, whole.cwd.as_ref().unwrap().as_path().to_str().unwrap());
            assert!(cut.is_none_or(|it| cwd.starts_with(it.as_path().to_str().unwrap())));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "((name|cwd|branch|created_at)?: ?['\"|>]?.{0,20}\n( .{0,9}\n)?){0,6}") {
            Workspace::parse(&text);
        }
    }
}
