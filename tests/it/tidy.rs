//! The rules of the house that no compiler keeps: who may import whom, and which files stay pure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use headcount::adapters::REGISTRY;

use crate::support::project;

/// Each row may use only rows above it, and its own.
const LAYERS: [&[&str]; 8] = [
    &["base", "parallel"],
    &["protocol"],
    &["config", "env", "memo", "offload", "procs", "unfinished"],
    &["ledger", "scope"],
    &["adapters"],
    &["census", "reconcile", "query", "launch", "fuses", "watch"],
    &["rpc"],
    &["cli", "main", "lib"],
];

/// What a file whose header says PURE must not name: it sees no files, no environment, no processes, no clock and no
/// runtime.
const IMPURE: [&str; 7] = [
    "std::fs",
    "std::env::",
    "std::process",
    "tokio",
    "SystemTime",
    "Timestamp::now",
    "scope::now",
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its tests and comments. What else is for tests alone stays: code goes on after it.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.file_name().is_some_and(|it| it == "tests.rs" || it == "testing.rs")
        || path.components().any(|it| it.as_os_str() == "tests")
}

#[test]
fn lower_layers_never_import_higher_ones() {
    let src = project().join("src");
    let rank = |module: &str| LAYERS.iter().position(|row| row.contains(&module));
    let mut wrong = Vec::new();
    for path in sources(&src).into_iter().filter(|it| !is_test(it)) {
        let relative = path.strip_prefix(&src).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let code = code(&path);
        let used: Vec<&str> = code
            .split("crate::")
            .skip(1)
            .map(|it| {
                it.split(|it: char| !it.is_alphanumeric() && it != '_').next().unwrap_or_default()
            })
            .filter(|it| !it.is_empty())
            .collect();
        for used in used {
            let is_wrong = match (module, rank(module), rank(used)) {
                ("transport", ..) => used != "transport",
                (_, _, _) if used == "transport" => rank(module) < rank("rpc"),
                (_, Some(here), Some(there)) => there > here,
                // A name that re-exports at the root, or a module that no row knows.
                (_, None, _) => true,
                (_, _, None) => used != "testing",
            };
            if is_wrong {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// Whether the file's header says that it is pure.
fn is_pure(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap();
    let mut header = text.lines().map_while(|line| line.strip_prefix("//!"));
    header.any(|line| line.ends_with(" PURE."))
}

#[test]
fn pure_files_see_nothing_of_the_world() {
    let src = project().join("src");
    let pure: Vec<PathBuf> = sources(&src).into_iter().filter(|it| is_pure(it)).collect();
    for hearts in ["reconcile/status.rs", "query/mod.rs", "watch/diff.rs", "ledger/launches.rs"] {
        assert!(pure.contains(&src.join(hearts)), "src/{hearts} is not pure any more");
    }
    let mut wrong = Vec::new();
    for path in pure {
        let code = code(&path);
        let named = IMPURE.into_iter().filter(|name| code.contains(name));
        wrong.extend(named.map(|name| format!("{} names `{name}`", path.display())));
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn adapters_do_not_import_each_other() {
    let dir = project().join("src/adapters");
    let agents: Vec<String> =
        REGISTRY.iter().map(|it| it.card().id.as_str().replace('-', "_")).collect();
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    for path in sources(&dir).into_iter().filter(|it| !is_test(it)) {
        let relative = path.strip_prefix(&dir).unwrap();
        let module = relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs");
        let code = code(&path);
        let named = ["adapters::", "super::"].iter().flat_map(|it| code.split(it).skip(1));
        for other in named.filter_map(|it| it.split(|it| !is_word(it)).next()) {
            let is_agent = module != "mod" && agents.iter().any(|it| it == other);
            // pi_agent_rust writes Pi's format: the one adapter that reuses another's parser.
            let is_allowed = other == module || (module == "pi_rust" && other == "pi");
            assert!(!is_agent || is_allowed, "{} uses {other}", relative.display());
        }
    }
}

#[test]
fn every_adapter_has_a_recorded_store_with_its_provenance() {
    for adapter in REGISTRY {
        let id = adapter.card().id.as_str();
        let note = project().join("tests/fixtures").join(id).join("PROVENANCE.md");
        let text = fs::read_to_string(&note).unwrap_or_default();
        assert!(text.lines().count() >= 3, "{} is missing or says nothing", note.display());
    }
}

#[test]
fn the_map_shows_every_part() {
    let map = fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(project().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let part = path.file_stem().unwrap().to_str().unwrap();
        let is_shown = [format!("`src/{part}/`"), format!("`src/{part}.rs`")];
        assert!(is_shown.iter().any(|it| map.contains(it)), "ARCHITECTURE.md has no src/{part}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the script under test")]
fn a_layer_that_is_not_there_is_refused_by_name() {
    let ran = Command::new(project().join("tests/all")).args(["rust", "rsut"]).output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert!(said.starts_with("no such layer: rsut (there are format lints rust "), "{said}");
}

#[test]
fn no_dependency_is_banned() {
    let read = |file: &str| fs::read_to_string(project().join(file)).unwrap();
    let (banned, locked) = (read("deny.toml"), read("Cargo.lock"));
    let banned: Vec<&str> =
        banned.split("crate = \"").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert!(!banned.is_empty());
    for name in banned {
        assert!(!locked.contains(&format!("\nname = \"{name}\"\n")), "`{name}` is banned");
    }
}

#[test]
fn adapter_ids_are_unique() {
    let mut ids: Vec<&str> = REGISTRY.iter().map(|it| it.card().id.as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
