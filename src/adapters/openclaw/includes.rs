//! Settings that are spread over several files: `{"$include": "gateway.json5"}`, put together as OpenClaw does it (2026.9.6).
//!
//! A file takes the place of what names it; of several, and with what stands beside the name, the later wins: objects are
//! merged, lists follow each other.

use std::path::Path;

use serde_json::{Map, Value};

use super::settings::{included, malformed};
use crate::protocol::session::Problem;

/// What names the files, each relative to the one that names it.
pub(super) const KEY: &str = "$include";

/// Deepest chain of files; OpenClaw itself follows no more, and starts with none that goes in circles.
const DEPTH_MAX: usize = 10;

/// The value with all that it names, which stands in that file.
pub(super) fn resolve(value: Value, file: &Path) -> Result<Value, Problem> {
    resolve_at(value, file, 0)
}

fn resolve_at(value: Value, file: &Path, depth: usize) -> Result<Value, Problem> {
    let Value::Object(mut members) = value else { return Ok(value) };
    let inclusion = members.remove(KEY);
    let beside = members.into_iter().map(|(name, it)| Ok((name, resolve_at(it, file, depth)?)));
    let beside = Value::Object(beside.collect::<Result<Map<_, _>, Problem>>()?);
    let names = match &inclusion {
        None => return Ok(beside),
        Some(Value::Array(several)) => several.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut whole = Value::Object(Map::new());
    for name in names {
        let path = name.as_str().and_then(|it| Some(file.parent()?.join(it)));
        let path = path.filter(|_| depth < DEPTH_MAX).ok_or_else(|| malformed(file, None))?;
        let value = included(&path)?.ok_or_else(|| malformed(file, None))?;
        whole = merged(whole, resolve_at(value, &path, depth + 1)?);
    }
    Ok(merged(whole, beside))
}

fn merged(earlier: Value, later: Value) -> Value {
    match (earlier, later) {
        (Value::Object(mut earlier), Value::Object(later)) => {
            for (name, value) in later {
                let value = match earlier.remove(&name) {
                    Some(before) => merged(before, value),
                    None => value,
                };
                earlier.insert(name, value);
            }
            Value::Object(earlier)
        }
        (Value::Array(earlier), Value::Array(later)) => {
            Value::Array(earlier.into_iter().chain(later).collect())
        }
        (_, later) => later,
    }
}
