#!/usr/bin/env bash
# shell.sh lines|headers: the conversation from a shell and two pipes, in either framing.
set -euo pipefail
export LC_ALL=C # lengths are bytes
framing=$1
PATIENCE_S=60

fail() { echo "shell.sh: $*" >&2; exit 1; }

coproc SERVER { exec "$HEADCOUNT" --home "$WORLD/home" --proc "$WORLD/proc" serve; }
server=$SERVER_PID
exec {in}>&"${SERVER[1]}" {out}<&"${SERVER[0]}"

send() {
  if [ "$framing" = lines ]; then printf '%s\n' "$1" >&"$in"
  else printf 'Content-Length: %d\r\n\r\n%s' "${#1}" "$1" >&"$in"; fi
}

# Reads one message into `message`.
receive() {
  local header length=
  if [ "$framing" = lines ]; then
    IFS= read -r -t "$PATIENCE_S" -u "$out" message || fail "no message in $PATIENCE_S s"
    return
  fi
  while IFS= read -r -t "$PATIENCE_S" -u "$out" header || fail "no header in $PATIENCE_S s"; do
    header=${header%$'\r'}
    case $header in
      'Content-Length: '*) length=${header#*: } ;;
      '') break ;;
    esac
  done
  IFS= read -r -N "$length" -t "$PATIENCE_S" -u "$out" message || fail "a message ends early"
}

# expect PATTERN: the next message matches; pushed ones pass by.
expect() {
  receive
  while [[ $message == *'"method":"session.changed"'* && $1 != *session.changed* ]]; do receive; done
  # shellcheck disable=SC2053 # the pattern is one
  [[ $message == $1 ]] || fail "expected $1, got ${message:0:400}"
}

wait='{"filter":{"agents":["codex"]},"until":["waiting"],"timeoutMs":600000}'

send '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}'
expect '*"id":1,*"name":"headcount"*"session.list"*'
send '{"jsonrpc":"2.0","method":"initialized"}'
send '{"jsonrpc":"2.0","id":2,"method":"session.list"}'
expect '*"id":2,*"sessions":\[{*'
send '{"jsonrpc":"2.0","id":3,"method":"session.list","params":{"colour":"red"}}'
expect '*"id":3,*"code":-32602,*'
send '{"jsonrpc":"2.0","id":4,"method":"session.dance"}'
expect '*"id":4,*"code":-32601,*'
send '{"jsonrpc":"2.0","id":5,"method":"session.wait","params":'"$wait"'}'
send '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":5}}'
expect '*"id":5,*"code":-32800,*'

send '{"jsonrpc":"2.0","id":6,"method":"session.watch"}'
expect '*"id":6,*"result":*'
[[ $message =~ \"result\":([0-9]+) ]] || fail "no subscription in $message"
subscription=${BASH_REMATCH[1]}
expect '*session.changed*"seq":1,*' # the snapshot
cp "$WORLD/arriving.jsonl" "$TARGET"
until [[ $message == *'"method":"session.changed"'*'"kind":"added"'*"\"$SESSION\""* ]]; do receive; done
send '{"jsonrpc":"2.0","id":7,"method":"session.unwatch","params":{"subscription":'"$subscription"'}}'
expect '*"id":7,*"result":true*'

send '{"jsonrpc":"2.0","id":8,"method":"shutdown"}'
expect '*"id":8,*"result":null*'
send '{"jsonrpc":"2.0","method":"exit"}'
wait "$server" || fail "exit code $?"

# The way most scripts do it: one pipe in, one out, and the end of the input is the end.
one=$(printf '{"jsonrpc":"2.0","id":1,"method":"session.list"}\n' | "$HEADCOUNT" --home "$WORLD/home" --proc "$WORLD/proc")
[[ $one == *'"sessions":['*"\"$SESSION\""* ]] || fail "from a pipe: ${one:0:400}"
