//! The README's tables are what the registry and the method table say.

use std::fs;

use headcount::adapters::REGISTRY;
use headcount::rpc::{self, App};

use crate::support::{Home, is_blessing, project};

fn agents() -> String {
    let mut table = String::from("| agent | id | seen version | live by |\n|---|---|---|---|\n");
    let mut unseen = String::from("\nWhat cannot be seen of them:\n\n");
    for adapter in REGISTRY {
        let card = adapter.card();
        let id = format!("`{}`", card.id);
        table = table
            + "| "
            + &[card.name, &id, card.seen_version, card.live_signal].join(" | ")
            + " |\n";
        unseen = unseen + "- " + card.name + "\n";
        for spot in card.each_blind_spot() {
            unseen = unseen + "  - " + spot + "\n";
        }
    }
    table + &unseen
}

fn methods() -> String {
    let mut table = String::from("| method | does |\n|---|---|\n");
    for card in rpc::router(App::new(Home::empty().env(), REGISTRY)).cards() {
        table = table + "| `" + card.name + "` | " + card.summary + " |\n";
    }
    table
}

/// Puts `table` between the markers of that name.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (start, end) = (format!("<!-- {name}:"), format!("<!-- /{name} -->"));
    let open = text.find(&start).unwrap_or_else(|| panic!("README.md has no `{start}`"));
    let begin = open + text[open..].find('\n').expect("a marker is a line of its own") + 1;
    let end = text.find(&end).unwrap_or_else(|| panic!("README.md has no `{end}`"));
    format!("{}{table}{}", &text[..begin], &text[end..])
}

#[test]
fn the_tables_are_what_the_code_says() {
    let path = project().join("README.md");
    let text = fs::read_to_string(&path).unwrap();
    let wanted = with_table(&with_table(&text, "agents", &agents()), "methods", &methods());
    if is_blessing() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(
        text == wanted,
        "README.md's tables are out of date: run `just bless` and read the diff"
    );
}
