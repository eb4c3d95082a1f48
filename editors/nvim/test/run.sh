#!/usr/bin/env bash
# Runs the plugin's tests in the newest and in the oldest Neovim, against the real server: a line a test.
# Installs both Neovims where they are missing. Takes the server that was built last as a release, else as a debug build.
set -uo pipefail
cd "$(dirname "$0")"
project=$(cd ../../.. && pwd)
LIMIT_S=300 # of one file; on an idle machine each takes seconds

HEADCOUNT=
for build in release debug; do
  [ -n "$HEADCOUNT" ] || [ ! -x "$project/target/$build/headcount" ] || HEADCOUNT="$project/target/$build/headcount"
done
if [ -z "$HEADCOUNT" ]; then
  (cd "$project" && cargo build --quiet) || exit 1
  HEADCOUNT="$project/target/debug/headcount"
fi

# On a busy machine a look may take long.
patient="$project/tests/fixtures/patient.json"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
results="$scratch/results"

# A home of its own, and nothing of the caller's environment.
run() {
  local nvim=$1 file=$2 home
  home=$(mktemp -d "$scratch/home.XXXXXX")
  env -i PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 HOME="$home" TMPDIR="$scratch" \
    XDG_CONFIG_HOME="$home/config" XDG_DATA_HOME="$home/data" XDG_STATE_HOME="$home/state" XDG_CACHE_HOME="$home/cache" \
    HEADCOUNT="$HEADCOUNT" HEADCOUNT_STATE_DIR="$home/headcount" HEADCOUNT_CONFIG="$patient" \
    timeout --kill-after=5 "$LIMIT_S" "$nvim" --headless -u NONE -i NONE -n -c "luafile $file" -c "cquit!" </dev/null 2>"$scratch/stderr"
}

for age in new old; do
  if ! nvim=$(./nvim.sh "$age"); then
    echo "FAILED  the $age nvim could not be installed" | tee -a "$results"
    continue
  fi
  for file in *_test.lua; do
    run "$nvim" "$file" | tee -a "$results"
    code=${PIPESTATUS[0]}
    # A file that ends early must not pass for one with fewer tests; one that fails has said so.
    [ "$code" -eq 0 ] || grep -q '^FAILED' "$results" || {
      echo "FAILED  $nvim $file ended with code $code" | tee -a "$results"
      cat "$scratch/stderr"
    }
  done
done

passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^FAILED ' "$results")
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
