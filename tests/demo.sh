#!/usr/bin/env bash
# The README's first command does what the README says: it shows the recorded stores, the waiting ones first.
set -euo pipefail
cd "$(dirname "$0")/.."
command=$(grep -m1 '^cargo run .* list$' README.md)
table=$(HEADCOUNT_STATE_DIR=$(mktemp -d) bash -c "$command")
printf '%s\n' "$table"
[ "$(printf '%s\n' "$table" | wc -l)" -gt 10 ]
printf '%s\n' "$table" | sed -n 1p | grep -q '^STATUS'
printf '%s\n' "$table" | sed -n 2p | grep -q 'waiting'
for word in running idle stopped; do printf '%s\n' "$table" | grep -q "$word"; done
