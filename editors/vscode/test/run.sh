#!/usr/bin/env bash
# run.sh [check|unit|host|tour]: the tests of this extension, all of them where none is named.
# Installs what it needs into .cache/ of the project; ends with "N passed, N failed".
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"

# The network may have a bad moment.
retry() {
  local pause
  for pause in 2 5 10; do
    "$@" && return
    echo "again in $pause s: $*" >&2
    sleep "$pause"
  done
  "$@"
}

[ node_modules/.package-lock.json -nt package-lock.json ] || retry npm ci --no-audit --no-fund
exec node test/lab/run.mjs "$@"
