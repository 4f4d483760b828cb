#!/usr/bin/env bash
# Runs unmodified client libraries against a broker: `run.sh [AMQP-URL] [CLIENT..]`. Without a URL it builds Coney and starts
# it on disk on a free port; clients then have to get over its being killed as well. What they need is installed, libraries
# into target/clients, programs with apt-get if they are missing. One line a client; the last line is
# `N passed, N failed`, and the exit status is 0 only if none failed.
#
# A client is a folder with an executable `run WORK-DIR URL`. BROKER_RESTART, if it is set, kills the broker and starts it again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
client_limit_s=600 # the first run installs
state=
passed=0 failed=0

clean_up() {
  [[ $state ]] || return 0
  "$here/broker.sh" stop "$state" >/dev/null 2>&1 || true
  rm -rf "$state"
}

start_coney() { # sets url, state and BROKER_RESTART
  if [[ ! ${CONEY_BINARY:-} ]]; then
    (cd "$root" && cargo build --release --bin coney >&2)
    export CONEY_BINARY=$target/release/coney
  fi
  state=$(mktemp -d)
  trap clean_up EXIT
  "$here/broker.sh" start "$state"
  url=$(<"$state/url")
  export BROKER_RESTART="'$here/broker.sh' restart '$state'"
}

client() { # NAME COMMAND..
  local name=$1 status=0
  shift
  timeout --kill-after=5 "$client_limit_s" "$@" </dev/null || status=$?
  if ((status == 0)); then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "$name: FAILED (status $status)"
  fi
}

url=
if [[ ${1:-} == amqp://* ]]; then
  url=$1
  shift
fi
clients=("$@")
if ((${#clients[@]} == 0)); then
  for run in "$here"/*/run; do
    clients+=("$(basename "$(dirname "$run")")")
  done
fi
[[ $url ]] || start_coney
for name in "${clients[@]}"; do
  mkdir -p "$target/clients/$name"
  client "$name" "$here/$name/run" "$target/clients/$name" "$url"
done
if [[ $state ]]; then
  client coney "$here/broker.sh" stop "$state"
  if ((failed)) && [[ -s $state/log ]]; then
    echo "clients: the end of Coney's log:" >&2
    tail -n 40 "$state/log" >&2
  fi
fi
echo "$passed passed, $failed failed"
((failed == 0))
