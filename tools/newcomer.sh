#!/bin/sh
# From nothing to a running module and client, as somebody new would get there: a fresh clone, an
# empty home directory, and the commands of the README. Says how long each step took.
#
#   tools/newcomer.sh [TEMPLATE]       the template of the project: basic-rs (default), basic-ts, ..
#
# SPACETIME_BIN   a `spacetime` that is built already; otherwise the clone's is built (minutes)
# NEWCOMER_DIR    where to work; otherwise a temporary folder, removed at the end
# NEWCOMER_SDK    `own` lets the project use the SDKs of the clone instead of the published ones
set -eu

template=${1:-basic-rs}
repository=$(cd "$(dirname "$0")/.." && pwd)
work=${NEWCOMER_DIR:-$(mktemp -d)}
mkdir -p "$work"
# The toolchain is no part of the home directory that is empty.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
export HOME="$work/home"
mkdir -p "$HOME"
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_BIN_HOME SPACETIMEDB_HOST SPACETIMEDB_DB_NAME || true

dev=
finish() {
  status=$?
  if [ -n "$dev" ]; then
    kill -TERM "$dev" 2>/dev/null || true
    wait "$dev" 2>/dev/null || true
  fi
  if [ "$status" -ne 0 ] && [ -f "$work/dev.log" ]; then
    echo "--- the end of dev.log" >&2
    tail -n 60 "$work/dev.log" >&2
  fi
  [ -n "${NEWCOMER_DIR:-}" ] || rm -rf "$work"
  exit "$status"
}
trap finish EXIT

start=$(date +%s)
step() {
  echo "[$(($(date +%s) - start)) s] $*"
}

# Waits until a file has a text.
wait_for() {
  tries=0
  until grep -q "$2" "$1" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 3000 ] || ! kill -0 "$dev" 2>/dev/null; then
      echo "no \"$2\" in $1" >&2
      return 1
    fi
    sleep 0.2
  done
}

step "cloning"
git clone --quiet "$repository" "$work/clone"
if [ -z "${SPACETIME_BIN:-}" ]; then
  step "building spacetime"
  (cd "$work/clone" && cargo build --quiet --locked --release --package spacetime-cli)
  SPACETIME_BIN=${CARGO_TARGET_DIR:-$work/clone/target}/release/spacetime
fi
spacetime() {
  "$SPACETIME_BIN" "$@"
}
step "have $(spacetime -V)"

# A port of its own, so that a server of the machine is not in the way.
port=$((20000 + $$ % 20000))
url="http://127.0.0.1:$port"
spacetime server add mine --url "$url" --no-fingerprint --default >/dev/null

step "making a project"
cd "$work"
sdk=
[ "${NEWCOMER_SDK:-}" != own ] || sdk="--sdk-path $work/clone"
# shellcheck disable=SC2086
spacetime init my-app --template "$template" --local --non-interactive $sdk
cd my-app
if [ -f package.json ] && [ -n "$sdk" ]; then
  step "building the TypeScript client"
  cd "$work/clone/sdks/typescript"
  npm ci --silent --no-audit --no-fund
  npm run --silent build
  cd "$work/my-app"
fi
step "starting to work on it"
# Its input stays open, as a terminal's would.
mkfifo "$work/typed"
sleep 100000 >"$work/typed" &
typed=$!
# The program itself and not the function, so that it is what gets the signal at the end.
"$SPACETIME_BIN" dev --yes --server mine <"$work/typed" >"$work/dev.log" 2>&1 &
dev=$!
wait_for "$work/dev.log" "Published successfully!"
step "published"
case "$template" in
*react* | nextjs-ts | vue-ts | svelte-ts | solid-ts | browser-ts)
  wait_for "$work/dev.log" "http://localhost:"
  ;;
chat-console-rs) wait_for "$work/dev.log" "type a message" ;;
*) wait_for "$work/dev.log" "people are here" ;;
esac
step "the client runs"

case "$template" in
chat-*) spacetime call --server mine send_message "hello from outside" ;;
*) spacetime call --server mine add "Alice" ;;
esac
case "$template" in
*react* | nextjs-ts | vue-ts | svelte-ts | solid-ts | browser-ts) ;;
chat-*) wait_for "$work/dev.log" "hello from outside" ;;
*) wait_for "$work/dev.log" "Alice" ;;
esac
step "the first live update"
case "$template" in
chat-*) spacetime sql --server mine "SELECT text FROM message" 2>/dev/null ;;
*)
  spacetime call --server mine say_hello 2>/dev/null
  spacetime sql --server mine "SELECT * FROM person" 2>/dev/null
  wait_for "$work/dev.log" "Hello, Alice!"
  ;;
esac

step "changing the module"
sed -i.old 's/Hello, World!/Hello again!/; s/ must not be empty/ must have letters/' \
  spacetimedb/src/lib.rs
wait_for "$work/dev.log" "Something changed"
published() {
  [ "$(grep -c "Published successfully!" "$work/dev.log")" -ge 2 ]
}
tries=0
until published; do
  tries=$((tries + 1))
  [ "$tries" -lt 1500 ]
  sleep 0.2
done
step "published again"
kill "$typed" 2>/dev/null || true
echo "ok"
