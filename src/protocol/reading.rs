//! Reads JSON that people and editors write, and names the member that is wrong.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

/// What is wrong with a JSON text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The member, as in `status[0]`; empty where it is the whole.
    pub path: String,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "`{path}`: {}", self.what),
        }
    }
}

/// Most characters of a path or a message that are shown: a member's name may be as long as a text.
const SHOWN_MAX: usize = 1024;

/// Reads a JSON text.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        // A text that ends early, or that is no JSON, has no member to name.
        let path = path.trim_end_matches(['.', '?']).to_owned();
        Fault { path, what: plain(&error.inner().to_string()) }.named().shortened()
    })?;
    deserializer.end().map_err(|error| Fault { path: String::new(), what: error.to_string() })?;
    Ok(read)
}

/// Reads a member that may be absent and has a value all the same: null says the same as its absence, as it does for
/// members that are optional in their types.
pub fn null_as_absent<'de, D, T>(json: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

impl Fault {
    /// A member that is missing stands in no text, and one that is there twice is not read: only serde's message has its
    /// name.
    fn named(self) -> Self {
        let member = |before: &str| self.what.strip_prefix(before)?.strip_suffix('`');
        let (member, what) = match (member("missing field `"), member("duplicate field `")) {
            (Some(member), _) => (member, "is missing"),
            (_, Some(member)) => (member, "is given twice"),
            (None, None) => return self,
        };
        let path = match self.path.as_str() {
            "" => member.to_owned(),
            parent => format!("{parent}.{member}"),
        };
        Self { path, what: what.into() }
    }

    fn shortened(self) -> Self {
        let shown = |text: String| match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        };
        Self { path: shown(self.path), what: shown(self.what) }
    }
}

/// The message in JSON's words, without the name of a type of ours, and without the place in the text, which says nothing
/// to whoever sent an object.
fn plain(message: &str) -> String {
    let message = message.split(" at line ").next().unwrap_or(message);
    match message.split_once("expected ") {
        Some((before, "a sequence")) => format!("{before}expected an array"),
        Some((before, what)) if what == "a map" || what.starts_with("struct ") => {
            format!("{before}expected an object")
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn the_member_that_is_wrong_is_named() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[expect(dead_code, reason = "only read")]
            inner: Inner,
        }
        #[derive(Debug, Deserialize)]
        struct Inner {
            #[expect(dead_code, reason = "only read")]
            number: u8,
            #[serde(default)]
            #[expect(dead_code, reason = "only read")]
            list: Vec<u8>,
            #[serde(default)]
            #[expect(dead_code, reason = "only read")]
            names: std::collections::BTreeMap<String, u8>,
        }
        let cases = [
            (r#"{"inner": {}}"#, "inner.number", "`inner.number`: is missing"),
            ("{}", "inner", "`inner`: is missing"),
            (
                r#"{"inner": {"number": "x"}}"#,
                "inner.number",
                "`inner.number`: invalid type: string \"x\", expected u8",
            ),
            ("[", "", "EOF while parsing a list"),
            (r#"{"inner": {"number": 1}} x"#, "", "trailing characters at line 1 column 26"),
            (r#"{"inner": 7}"#, "inner", "`inner`: invalid type: integer `7`, expected an object"),
            (
                r#"{"inner": {"number": 1, "number": 1}}"#,
                "inner.number",
                "`inner.number`: is given twice",
            ),
            (
                r#"{"inner": {"number": 1, "list": true}}"#,
                "inner.list",
                "`inner.list`: invalid type: boolean `true`, expected an array",
            ),
            (
                r#"{"inner": {"number": 1, "names": true}}"#,
                "inner.names",
                "`inner.names`: invalid type: boolean `true`, expected an object",
            ),
        ];
        for (text, path, message) in cases {
            let fault = read::<Outer>(text).unwrap_err();
            assert_eq!((fault.path.as_str(), fault.to_string().as_str()), (path, message));
        }
        for (len, shown) in
            [(SHOWN_MAX, SHOWN_MAX), (SHOWN_MAX + 1, SHOWN_MAX + 1), (1 << 20, SHOWN_MAX + 1)]
        {
            let fault = read::<Outer>(&format!(r#"{{"{}": 1}}"#, "é".repeat(len))).unwrap_err();
            assert_eq!(fault.path.chars().count(), shown, "the sign of a cut counts");
            assert!(fault.what.chars().count() <= SHOWN_MAX + 1);
        }
    }
}
