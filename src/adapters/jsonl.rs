//! Lines of JSON, read into the few members that matter. PURE.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use memchr::memmem::Finder;
use serde::de::value::MapAccessDeserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// Reads a line into the members that `T` names; nothing where it is no such record. Members of the wrong
/// type are as good as a broken line: the record is passed over, not the file.
pub fn record<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Option<T> {
    serde_json::from_slice(line).ok()
}

/// Reads a member that one can do without: nothing where it is of another type than expected, so that a version
/// of the agent that changes it costs that member and not the record. For `deserialize_with`, beside `default`.
pub fn or_nothing<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    member: D,
) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(member)?).ok())
}

/// Likewise an object, borrowed from its line as [`or_nothing`] cannot be.
pub fn object_or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    member: D,
) -> Result<Option<T>, D::Error> {
    member.deserialize_any(ObjectVisitor(PhantomData))
}

/// Likewise a count, with 0 in place of nothing: a service that did not use its cache may count `null`.
pub fn or_zero<'de, D: Deserializer<'de>>(member: D) -> Result<u64, D::Error> {
    member.deserialize_any(CountVisitor)
}

/// Reads a text of which it matters whether the member is there at all: null is an empty one. For `deserialize_with`,
/// beside `default`.
pub fn where_there<'de, D: Deserializer<'de>>(member: D) -> Result<Option<Text<'de>>, D::Error> {
    Text::deserialize(member).map(Some)
}

/// Whether a line holds this text, at memory speed: a cheap test before parsing it. What is looked for is prepared once,
/// since that costs more than to look through a short line.
pub fn holds(line: &[u8], text: &Finder<'_>) -> bool {
    text.find(line).is_some()
}

/// The complete lines that hold the text. Searched forward, for that is the direction in which it is fast.
pub fn lines_holding<'a>(mut rest: &'a [u8], text: &Finder<'_>) -> impl Iterator<Item = &'a [u8]> {
    std::iter::from_fn(move || {
        let hit = text.find(rest)?;
        let start = memchr::memrchr(b'\n', &rest[..hit]).map_or(0, |it| it + 1);
        let end = hit + memchr::memchr(b'\n', &rest[hit..])?;
        let line = &rest[start..end];
        rest = &rest[end + 1..];
        Some(line)
    })
}

/// A text, borrowed from its line where it has no escapes. Anything else than a text is an empty one:
/// a member that changes its type in some version costs itself and not its record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    pub fn get(&self) -> &str {
        &self.0
    }

    /// The text for keeping; nothing where it is empty.
    pub fn kept(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.as_ref().to_owned())
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor).map(Self)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Cow::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| Cow::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(members).map(|_| Cow::default())
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Some)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| None)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count")
    }

    fn visit_u64<E>(self, count: u64) -> Result<u64, E> {
        Ok(count)
    }

    fn visit_i64<E>(self, _: i64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<u64, A::Error> {
        IgnoredAny.visit_seq(items).map(|_| 0)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<u64, A::Error> {
        IgnoredAny.visit_map(members).map(|_| 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Named<'a> {
        #[serde(borrow, default)]
        name: Text<'a>,
    }

    #[test]
    fn a_text_is_borrowed_where_it_can_be_and_empty_where_it_is_none() {
        let check = |line: &str, expect: &str| {
            let named = record::<Named<'_>>(line.as_bytes()).unwrap();
            assert_eq!(named.name.get(), expect, "{line}");
        };
        check(r#"{"name":"plain"}"#, "plain");
        check(r#"{"name":"a\"b"}"#, "a\"b");
        for other in ["null", "1", "-1", "1.5", "true", "[1,{}]", r#"{"a":[]}"#] {
            check(&format!("{{\"name\":{other}}}"), "");
        }
        check("{}", "");
        let borrowed = record::<Named<'_>>(br#"{"name":"plain"}"#).unwrap();
        assert!(matches!(borrowed.name.0, Cow::Borrowed(_)));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Holding<'a> {
        #[serde(borrow, default, deserialize_with = "object_or_nothing")]
        held: Option<Named<'a>>,
    }

    #[test]
    fn what_is_no_object_holds_nothing() {
        let held = |held: &'static str| record::<Holding<'_>>(held.as_bytes()).unwrap().held;
        assert_eq!(held(r#"{"held":{"name":"x","other":[1]}}"#).unwrap().name.get(), "x");
        assert_eq!(held("{}"), None);
        for other in ["null", "-1", "1", "1.5", "true", r#""x""#, "[1,{}]"] {
            let line = format!("{{\"held\":{other}}}");
            assert_eq!(record(line.as_bytes()), Some(Holding { held: None }), "{other}");
        }
        assert_eq!(record::<Holding<'_>>(br#"{"held":{"name":"x"}"#), None);
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Counted {
        #[serde(default, deserialize_with = "or_zero")]
        tokens: u64,
    }

    #[test]
    fn what_is_no_count_counts_nothing() {
        let check = |count: &str, expect| {
            let line = format!("{{\"tokens\":{count}}}");
            assert_eq!(record(line.as_bytes()), Some(Counted { tokens: expect }), "{count}");
        };
        check("7", 7);
        check("18446744073709551615", u64::MAX);
        for other in ["null", "-1", "1.5", "1e99", "true", r#""7""#, "[1,{}]", r#"{"a":[]}"#] {
            check(other, 0);
        }
        assert_eq!(record(b"{}"), Some(Counted { tokens: 0 }));
        assert_eq!(record::<Counted>(br#"{"tokens":[1}"#), None);
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Meta {
        id: u64,
        #[serde(default, deserialize_with = "or_nothing")]
        cwd: Option<String>,
    }

    #[test]
    fn a_member_of_another_type_costs_only_itself() {
        let meta = |cwd: Option<&str>| Some(Meta { id: 1, cwd: cwd.map(str::to_owned) });
        assert_eq!(record(br#"{"id":1,"cwd":"/x"}"#), meta(Some("/x")));
        for line in [r#"{"id":1}"#, r#"{"id":1,"cwd":null}"#, r#"{"id":1,"cwd":{"path":"/x"}}"#] {
            assert_eq!(record(line.as_bytes()), meta(None), "{line}");
        }
        for line in [r#"{"id":"1","cwd":"/x"}"#, r#"{"id":1,"cwd":"/x""#, "", "[]"] {
            assert_eq!(record::<Meta>(line.as_bytes()), None, "{line}");
        }
    }
}
