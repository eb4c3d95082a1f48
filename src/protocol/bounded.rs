//! Whole numbers with bounds: a parameter out of range is refused where it is read, and the schema says the range.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        let value = i128::deserialize(deserializer)?;
        match u64::try_from(value) {
            Ok(value) if (LOW..=HIGH).contains(&value) => Ok(Self(value)),
            _ => Err(serde::de::Error::custom(format!("{value} is not between {LOW} and {HIGH}"))),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_are_inside_and_their_neighbours_are_not() {
        type Turns = Bounded<1, 200>;
        let read = |text: &str| serde_json::from_str::<Turns>(text).map(Bounded::get).ok();
        assert_eq!(read("1"), Some(1));
        assert_eq!(read("200"), Some(200));
        for text in ["0", "201", "-1", "1.5", "\"20\"", "null", "99999999999999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
