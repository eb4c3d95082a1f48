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
/// Most files that are read for one value, each as often as it is named: of files that name the next one ten times there
/// would be no end.
const FILES_MAX: usize = 200;

/// The value with all that it names, which stands in that file.
pub(super) fn resolve(value: Value, file: &Path) -> Result<Value, Problem> {
    let mut files_left = FILES_MAX;
    resolve_at(value, file, 0, &mut files_left)
}

fn resolve_at(
    value: Value,
    file: &Path,
    depth: usize,
    files_left: &mut usize,
) -> Result<Value, Problem> {
    let Value::Object(mut members) = value else { return Ok(value) };
    let inclusion = members.remove(KEY);
    let beside =
        members.into_iter().map(|(name, it)| Ok((name, resolve_at(it, file, depth, files_left)?)));
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
        *files_left = files_left.checked_sub(1).ok_or_else(|| malformed(file, None))?;
        let value = included(&path)?.ok_or_else(|| malformed(file, None))?;
        whole = merged(whole, resolve_at(value, &path, depth + 1, files_left)?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_files_are_read_and_so_deep() {
        let dir = tempfile::tempdir().unwrap();
        let file = |depth: usize| dir.path().join(depth.to_string());
        let names =
            |depth: usize, times: usize| serde_json::json!({ KEY: vec![depth.to_string(); times] });
        let check = |deepest: usize, times: usize, expect: bool| {
            for depth in 1..deepest {
                std::fs::write(file(depth), names(depth + 1, 1).to_string()).unwrap();
            }
            std::fs::write(file(deepest), "{}").unwrap();
            let resolved = resolve(names(1, times), &file(0));
            assert_eq!(resolved.is_ok(), expect, "{deepest} {times}");
        };
        check(DEPTH_MAX, 1, true);
        check(DEPTH_MAX + 1, 1, false);
        check(1, FILES_MAX, true);
        check(1, FILES_MAX + 1, false);
        check(2, FILES_MAX / 2, true);
        check(2, FILES_MAX / 2 + 1, false);
    }
}
