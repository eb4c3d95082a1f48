#!/usr/bin/env bash
# run.sh [HEADCOUNT]: one conversation with the server, from every client; see README.md. Prints a line a client.
# Installs the clients, at pinned versions, into .cache/ of the project; Emacs and the older Neovim by apt.
set -uo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
HEADCOUNT=$(realpath "${1:-$project/target/debug/headcount}")
cd "$project/tests/clients"
cache="${HEADCOUNT_CACHE:-$project/.cache}"
mkdir -p "$cache"
cache=$(realpath "$cache")
export HEADCOUNT_CACHE="$cache"

VSCODE_JSONRPC=8.2.1
PYTHON_LSP_JSONRPC=1.1.2
PYGLS=2.1.1
LIMIT_S=180 # of one conversation; on an idle machine each takes a second
ATTEMPTS=4  # registries time out now and then

[ -x "$HEADCOUNT" ] || { echo "no program at $HEADCOUNT; cargo build makes one" >&2; exit 1; }

# On a busy machine a look may take long.
patient="$project/tests/fixtures/patient.json"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

retry() {
  local attempt
  for ((attempt = 0; attempt < ATTEMPTS; attempt++)); do
    "$@" >&2 </dev/null && return 0
    sleep $((2 ** attempt))
  done
  echo "failed $ATTEMPTS times: $*" >&2
  return 1
}

# once NAME COMMAND…: runs it with a fresh folder of the cache, unless that has succeeded before; prints the folder.
once() {
  local prefix="$cache/clients/$1"
  shift
  [ -e "$prefix/installed" ] || {
    rm -rf "$prefix"
    mkdir -p "$prefix"
    retry "$@" "$prefix" || return 1
    touch "$prefix/installed"
  }
  echo "$prefix"
}

npm_package() {
  npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error --prefix "$2" "$1"
}

pip_package() {
  python3 -m pip install --quiet --disable-pip-version-check --upgrade --target "$2" "$1"
}

emacs_by_apt() {
  command -v emacs >/dev/null && return 0
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends emacs-nox && return 0
  apt-get update -q
  return 1
}

# A store of its own for each conversation: the recorded one without a transcript, which arrives later.
make_world() {
  local transcript=.codex/sessions/2026/11/22/rollout-2026-11-22T20-22-32-01a204ec-b99e-7391-b564-bd5b396bbf28.jsonl
  WORLD=$(mktemp -d "$scratch/world.XXXXXX")
  TARGET="$WORLD/home/$transcript" SESSION=01a204ec-b99e-7391-b564-bd5b396bbf28
  cp -r "$project/tests/fixtures/codex/home" "$WORLD/home"
  mv "$TARGET" "$WORLD/arriving.jsonl"
  mkdir "$WORLD/proc" # a machine without processes
}

# client NAME COMMAND…: holds the conversation in an environment of its own.
client() {
  local name=$1 start=$SECONDS
  shift
  make_world
  if env -i PATH="$PATH" LANG=C.UTF-8 HOME="$WORLD" TMPDIR="$scratch" XDG_STATE_HOME="$WORLD/state" XDG_CACHE_HOME="$WORLD/cache" \
    HEADCOUNT_STATE_DIR="$WORLD/headcount" HEADCOUNT_CONFIG="$patient" HEADCOUNT="$HEADCOUNT" WORLD="$WORLD" TARGET="$TARGET" SESSION="$SESSION" \
    timeout --kill-after=5 "$LIMIT_S" "$@" >"$scratch/log" 2>&1 </dev/null; then
    printf 'ok      %-32s %3d s\n' "$name" $((SECONDS - start))
    passed=$((passed + 1))
  else
    printf 'FAILED  %-32s code %d\n' "$name" $?
    tail -n 30 "$scratch/log" | sed 's/^/    /'
    failed=$((failed + 1))
  fi
}

absent() {
  printf 'FAILED  %-32s could not be installed\n' "$1"
  failed=$((failed + 1))
}

name="vscode-jsonrpc $VSCODE_JSONRPC"
if at=$(once "vscode-jsonrpc-$VSCODE_JSONRPC" npm_package "vscode-jsonrpc@$VSCODE_JSONRPC"); then
  client "$name" env NODE_PATH="$at/node_modules" node vscode.js
else absent "$name"; fi

for age in new old; do
  if nvim=$("$project/editors/nvim/test/nvim.sh" "$age"); then
    version=$("$nvim" --version | sed -n '1s/^NVIM v//p')
    client "Neovim $version" "$nvim" --headless -u NONE -i NONE -n -c "luafile nvim.lua"
  else absent "the $age Neovim"; fi
done

if retry emacs_by_apt; then
  version=$(emacs --version | sed -n '1s/^GNU Emacs //p')
  client "Emacs $version, jsonrpc.el" emacs --batch -Q -l emacs.el
else absent Emacs; fi

name="python-lsp-jsonrpc $PYTHON_LSP_JSONRPC"
if at=$(once "python-lsp-jsonrpc-$PYTHON_LSP_JSONRPC" pip_package "python-lsp-jsonrpc==$PYTHON_LSP_JSONRPC"); then
  client "$name" env PYTHONPATH="$at" PYTHONDONTWRITEBYTECODE=1 python3 python_lsp.py
else absent "$name"; fi

name="pygls $PYGLS"
if at=$(once "pygls-$PYGLS" pip_package "pygls==$PYGLS"); then
  client "$name" env PYTHONPATH="$at" PYTHONDONTWRITEBYTECODE=1 python3 python_pygls.py
else absent "$name"; fi

client "shell, a line each" ./shell.sh lines
client "shell, Content-Length headers" ./shell.sh headers

printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
