# Chores. `just` alone lists them.

default:
    @just --list

# What every change must pass, without anything installed
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo test

# All layers: the real agents, editors and clients too
test *LAYERS:
    tests/all {{LAYERS}}

# Rewrite what is generated: schema, examples, README's tables, snapshots, both editors' types (Neovim 0.9 or later). Read the diff.
bless:
    HEADCOUNT_BLESS=1 INSTA_UPDATE=always cargo test
    cd editors/vscode && npm ci --no-audit --no-fund && npm run generate
    nvim --clean -l editors/nvim/scripts/types.lua schema/openrpc.json > target/types.lua
    mv target/types.lua editors/nvim/lua/headcount/types.lua

# The recorded stores, shown by the real server
demo:
    cargo run --release --quiet -- --home tests/fixtures/demo/home --proc tests/fixtures/demo/proc list

# How far the server is from what the machine needs merely to read the files
bench:
    benches/run

# Licences and sources of the dependencies, and which are banned (needs cargo-deny)
deny:
    cargo deny check licenses bans sources
