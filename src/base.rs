//! The parsed words everyone shares: agent, session, instant, path and process identity.

use std::borrow::Cow;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest session id we believe in, in bytes; the longest seen is an OpenClaw key of under 100.
const SESSION_ID_MAX: usize = 256;

/// The id of an adapter: `claude-code`, `codex`, …
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct AgentId(Cow<'static, str>);

impl AgentId {
    /// The id an adapter gives itself.
    pub const fn of(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for AgentId {
    fn from(id: String) -> Self {
        Self(Cow::Owned(id))
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session's own id, as its agent writes it; never made up by us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Returns the id, or nothing where the text cannot be one: empty, over-long or with control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = !text.is_empty() && text.len() <= SESSION_ID_MAX;
        (fits && !text.chars().any(char::is_control)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not the id of a session")))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instant in milliseconds since 1970 UTC; on the wire RFC 3339 UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0001-01-01T00:00:00.000Z, for RFC 3339 writes years in four digits, and the last that jiff knows in every time zone.
    const MIN: i64 = -62_135_596_800_000;
    const MAX: i64 = 253_402_207_200_000;

    /// The instant, or nothing where it lies outside the years 0001 to 9999.
    pub fn from_millis(millis: i64) -> Option<Self> {
        (Self::MIN..=Self::MAX).contains(&millis).then_some(Self(millis))
    }

    /// Reads RFC 3339; nothing where the text is no date.
    pub fn parse(text: &str) -> Option<Self> {
        // Many records have none, and to be told why an empty text is no date takes longer than to read one.
        if text.is_empty() {
            return None;
        }
        text.parse::<jiff::Timestamp>().ok().and_then(|it| Self::from_millis(it.as_millisecond()))
    }

    /// The instant that many milliseconds later, at most the last one that there is.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add_unsigned(millis).min(Self::MAX))
    }

    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds from `earlier` to here, 0 where it lies later.
    pub fn millis_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant =
            jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{instant:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not an RFC 3339 date and time"))
        })
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339, UTC, with milliseconds."
        })
    }
}

/// An absolute path. Bytes that are not UTF-8 reach the wire as U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(Arc<Path>);

impl AbsPath {
    /// Returns the path, or nothing where it is relative.
    pub fn parse(path: impl AsRef<Path>) -> Option<Self> {
        let path = path.as_ref();
        path.is_absolute().then(|| Self(path.into()))
    }

    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The same path without `.` and `..`, by its text alone: links are not followed.
    #[must_use]
    pub fn normal(&self) -> Self {
        let mut normal = PathBuf::new();
        for component in self.0.components() {
            match component {
                Component::ParentDir => drop(normal.pop()),
                Component::CurDir => {}
                other => normal.push(other),
            }
        }
        Self(normal.into())
    }

    /// Whether this is `ancestor` or lies below it, compared by whole components.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0.starts_with(&ancestor.0)
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Serialize for AbsPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_str(&self.0.to_string_lossy()),
        }
    }
}

impl<'de> Deserialize<'de> for AbsPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&*text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an absolute path")))
    }
}

impl JsonSchema for AbsPath {
    fn schema_name() -> Cow<'static, str> {
        "AbsPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "An absolute path." })
    }
}

/// A process id. Alone it is not an identity: ids are reused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(transparent)]
pub struct Pid(pub i32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A process's identity: its id and when it started, in the kernel's clock ticks since boot
/// (field 22 of `/proc/<pid>/stat`). Both must match before a process is believed or signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessRef {
    pub pid: Pid,
    pub start_ticks: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_keep_milliseconds_and_refuse_what_is_no_date() {
        let stamp = Timestamp::parse("2026-11-22T20:22:31.081Z").unwrap();
        assert_eq!(stamp.to_string(), "2026-11-22T20:22:31.081Z");
        assert_eq!(
            Timestamp::parse("2026-11-22T22:22:31+02:00").unwrap().to_string(),
            "2026-11-22T20:22:31.000Z"
        );
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1795379219029"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        let [first, last] = [Timestamp::MIN, Timestamp::MAX].map(Timestamp);
        assert_eq!(first.to_string(), "0001-01-01T00:00:00.000Z");
        assert_eq!(last.to_string(), "9999-12-30T22:00:00.000Z");
        assert_eq!(Timestamp::parse(&first.to_string()), Some(first));
        assert_eq!(Timestamp::from_millis(Timestamp::MIN - 1), None);
        assert_eq!(Timestamp::from_millis(Timestamp::MAX + 1), None);
        assert_eq!(Timestamp::parse("-000001-01-01T00:00:00Z"), None);
        assert_eq!(first.plus_millis(1).millis_since(first), 1);
        assert_eq!(last.plus_millis(u64::MAX), last);
    }

    #[test]
    fn session_ids_are_bounded_and_printable() {
        assert!(SessionId::parse(&"x".repeat(SESSION_ID_MAX)).is_some());
        for text in ["", "a\nb", &"x".repeat(SESSION_ID_MAX + 1)] {
            assert_eq!(SessionId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn within_compares_components_not_characters() {
        let path = |text: &str| AbsPath::parse(text).unwrap();
        assert!(path("/a/b/c").is_within(&path("/a/b")));
        assert!(!path("/a/bc").is_within(&path("/a/b")));
        assert_eq!(AbsPath::parse("relative/x"), None);
    }
}
