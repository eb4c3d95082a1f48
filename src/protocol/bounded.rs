//! Whole numbers with bounds: a parameter out of range is refused where it is read, and the schema says the range.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::base::Pid;

/// A whole number from `LOW` to `HIGH`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Bounded<const LOW: u64, const HIGH: u64>(u64);

impl<const LOW: u64, const HIGH: u64> Bounded<LOW, HIGH> {
    /// A value known when compiling; out of range is a compile error where used in a constant.
    pub const fn of(value: u64) -> Self {
        assert!(LOW <= value && value <= HIGH, "the value lies outside its bounds");
        Self(value)
    }

    pub const fn get(self) -> u64 {
        self.0
    }

    /// The value as an index or count; every bound in the protocol fits.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Bounded<LOW, HIGH> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_u64(Between::<LOW, HIGH>)
    }
}

/// Takes a number of any kind, so that each is refused as the number that it is.
struct Between<const LOW: u64, const HIGH: u64>;

impl<const LOW: u64, const HIGH: u64> Between<LOW, HIGH> {
    fn outside<E: de::Error>(value: impl fmt::Display) -> E {
        E::custom(format_args!("{value} is not between {LOW} and {HIGH}"))
    }
}

impl<const LOW: u64, const HIGH: u64> Visitor<'_> for Between<LOW, HIGH> {
    type Value = Bounded<LOW, HIGH>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LOW} to {HIGH}")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        let is_inside = (LOW..=HIGH).contains(&value);
        is_inside.then_some(Bounded(value)).ok_or_else(|| Self::outside(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        u64::try_from(value).map_err(|_| Self::outside(value)).and_then(|it| self.visit_u64(it))
    }

    /// JSON Schema counts `20.0` among the integers, and some clients write all numbers so.
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        if value.fract() != 0.0 {
            return Err(E::invalid_type(Unexpected::Float(value), &self));
        }
        let whole = format!("{value:.0}");
        whole.parse().map_err(|_| Self::outside(whole)).and_then(|it| self.visit_u64(it))
    }
}

impl<const LOW: u64, const HIGH: u64> JsonSchema for Bounded<LOW, HIGH> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Integer{LOW}To{HIGH}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "integer", "minimum": LOW, "maximum": HIGH })
    }
}

/// Reads the id of a process, spelled as any other number may be.
pub fn pid<'de, D: serde::Deserializer<'de>>(json: D) -> Result<Option<Pid>, D::Error> {
    const MAX: u64 = i32::MAX.unsigned_abs() as u64;
    let id = Option::<Bounded<1, MAX>>::deserialize(json)?;
    id.map(|it| i32::try_from(it.get()).map(Pid).map_err(de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_id_is_read_as_any_other_number() {
        let read = |text: &str| pid(&mut serde_json::Deserializer::from_str(text)).ok();
        assert_eq!(read("1"), Some(Some(Pid(1))));
        assert_eq!(read("2147483647.0"), Some(Some(Pid(i32::MAX))));
        assert_eq!(read("null"), Some(None));
        for text in ["0", "-1", "2147483648", "1.5", "\"1\""] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn both_edges_are_inside_and_their_neighbours_are_not() {
        type Turns = Bounded<1, 200>;
        let read = |text: &str| serde_json::from_str::<Turns>(text).map(Bounded::get).ok();
        assert_eq!(read("1"), Some(1));
        assert_eq!(read("200"), Some(200));
        assert_eq!(read("20.0"), Some(20));
        for text in
            ["0", "201", "-1", "1.5", "\"20\"", "null", "true", "1e30", "99999999999999999999"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
