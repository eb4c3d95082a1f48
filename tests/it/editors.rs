//! Both editors put sessions into the same words.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::support::project;

/// The rows of a table in a source of an editor: `key: "text",` in TypeScript, `key = 'text',` in Lua.
fn table(file: &str, name: &str) -> BTreeMap<String, String> {
    let source = fs::read_to_string(project().join("editors").join(file)).unwrap();
    let begin = format!(" {name}");
    let rows = source.lines().skip_while(|it| !(it.contains(&begin) && it.ends_with("= {")));
    let rows = rows.skip(1).take_while(|it| !it.starts_with('}'));
    let cells = rows.map(|it| it.trim().split_once([':', '=']).expect("a row has two cells"));
    let plain = |it: &str| it.trim().trim_matches([',', '"', '\'']).to_owned();
    cells.map(|(key, text)| (key.trim().to_owned(), plain(text))).collect()
}

/// The values of a type in the published schema.
fn values(of: &str) -> Vec<String> {
    let schema = fs::read_to_string(project().join("schema/openrpc.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let choices = schema["components"]["schemas"][of]["oneOf"].as_array().unwrap();
    choices.iter().map(|it| it["const"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn both_editors_use_the_same_words_and_know_no_others_than_the_wire() {
    for (name, of, page) in [
        ("STATUS", "Status", "words"),
        ("REASON", "Reason", "words"),
        ("NEED", "Reason", "words"),
        ("SOURCE", "Source", "pages"),
        ("CERTAINTY", "Certainty", "pages"),
    ] {
        let code = table(&format!("vscode/src/{page}.ts"), name);
        assert!(!code.is_empty(), "{name} is not found");
        assert_eq!(code, table(&format!("nvim/lua/headcount/{page}.lua"), name), "{name}");
        let known = values(of);
        assert!(code.keys().all(|it| known.contains(it)), "{name}: {code:?}");
    }
}
