#!/usr/bin/env bash
# Makes a store of which every truth is known, and holds the list against it, member by member.
#
#   tests/corpus.sh target/release/headcount
set -euo pipefail
cd "$(dirname "$0")/.."
server=${1:-target/release/headcount}
home="${HEADCOUNT_CACHE:-$PWD/.cache}/corpus/small"
rm -rf "$home" "$home.manifest.json"
mkdir -p "$(dirname "$home")"
python3 benches/corpus.py --profile small --home "$home"
python3 benches/check.py "$server" "$home"
