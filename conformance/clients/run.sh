#!/usr/bin/env bash
# Runs unmodified client libraries against a broker: `run.sh [AMQP-URL]`. Without a URL it builds Coney and starts it
# in memory on a free port. What the clients need is installed: libraries from their registries into target/clients,
# programs with apt-get if they are missing. One line a client; the last line is `N passed, N failed`, and the exit
# status is 0 only if none failed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
work=$target/clients
client_limit_s=120
start_limit_s=30
stop_limit_s=5
broker=
passed=0 failed=0

say() { echo "clients: $*" >&2; }

install_programs() {
  local packages=()
  command -v amqp-publish >/dev/null || packages+=(amqp-tools)
  command -v npm >/dev/null || packages+=(nodejs npm)
  python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
  ((${#packages[@]})) || return 0
  say "installing ${packages[*]}"
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

install_libraries() {
  mkdir -p "$work/amqplib"
  [[ -x $work/venv/bin/python ]] || python3 -m venv "$work/venv"
  "$work/venv/bin/python" -c 'import pika' 2>/dev/null ||
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pika
  cp "$here/amqplib/package.json" "$work/amqplib/"
  [[ -d $work/amqplib/node_modules/amqplib ]] ||
    (cd "$work/amqplib" && npm install --silent --no-audit --no-fund >&2)
}

start_broker() { # sets url and broker
  (cd "$root" && cargo build --release --bin coney >&2)
  local line out
  exec {out}< <(exec "$target/release/coney" --amqp 127.0.0.1:0 --ephemeral 2>"$work/coney.log")
  broker=$!
  if ! read -r -t "$start_limit_s" line <&"$out"; then
    say "Coney did not start:"
    cat "$work/coney.log" >&2
    exit 1
  fi
  [[ $line =~ amqp://([^ ,]+:[0-9]+) ]] || { say "no address in the start-up line: $line"; exit 1; }
  url=amqp://guest:guest@${BASH_REMATCH[1]}
}

stop_broker() {
  [[ $broker ]] || return 0
  local pid=$broker end=$((SECONDS + stop_limit_s))
  broker=
  kill -TERM "$pid" 2>/dev/null || { say 'Coney has ended by itself'; return 1; }
  while kill -0 "$pid" 2>/dev/null; do
    if ((SECONDS > end)); then
      kill -KILL "$pid"
      say "Coney did not stop within $stop_limit_s s"
      return 1
    fi
    sleep 0.02
  done
  wait "$pid" || { say "Coney ended with status $?"; return 1; }
}

count() { # PASSED-OR-NOT NAME
  if [[ $1 == 0 ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "$2: FAILED (status $1)"
  fi
}

client() { # NAME COMMAND..
  local name=$1 status=0
  shift
  timeout --kill-after=5 "$client_limit_s" "$@" </dev/null || status=$?
  count "$status" "$name"
}

install_programs
install_libraries
trap stop_broker EXIT
url=${1:-}
[[ $url ]] || start_broker

client pika "$work/venv/bin/python" "$here/pika/hello.py" "$url"
cd "$work/amqplib"
client amqplib node "$here/amqplib/hello.mjs" "$url"
client amqp-tools "$here/amqp-tools/hello.sh" "$url"

if [[ $broker ]]; then
  status=0
  stop_broker || status=$?
  if ((status == 0)); then echo 'coney: stopped in order'; fi
  count "$status" coney
fi
if ((failed)) && [[ -s $work/coney.log && -z ${1:-} ]]; then
  say "the end of Coney's log:"
  tail -n 40 "$work/coney.log" >&2
fi
echo "$passed passed, $failed failed"
((failed == 0))
