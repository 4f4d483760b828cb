#!/usr/bin/env bash
# Runs unmodified tools that use the management API against a broker: `run.sh [HTTP-URL AMQP-URL] [TOOL..]`. Without URLs it
# builds Coney and starts it on disk on free ports. What the tools need is installed into target/tools, Debian packages with
# apt-get if they are missing. One line a tool; the last line is `N passed, N failed, N skipped`, and the exit status is 0 only
# if none failed.
#
# A tool is a folder with an executable `run WORK-DIR HTTP-URL AMQP-URL`. It says why and ends with status 77 if its package
# cannot be had.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
broker=$root/conformance/clients/broker.sh
target=${CARGO_TARGET_DIR:-$root/target}
tool_limit_s=600 # the first run installs
skipped_status=77
state=
passed=0 failed=0 skipped=0

clean_up() {
  [[ $state ]] || return 0
  "$broker" stop "$state" >/dev/null 2>&1 || true
  rm -rf "$state"
}

start_coney() { # sets http, amqp and state
  if [[ ! ${CONEY_BINARY:-} ]]; then
    (cd "$root" && cargo build --release --bin coney >&2)
    export CONEY_BINARY=$target/release/coney
  fi
  state=$(mktemp -d)
  trap clean_up EXIT
  "$broker" start "$state"
  # For tools that run its commands on its own machine.
  export CONEY_STATE=$state
  http=$(<"$state/http") amqp=$(<"$state/url")
}

tool() { # NAME COMMAND..
  local name=$1 status=0 start=$SECONDS
  shift
  timeout --kill-after=5 "$tool_limit_s" "$@" </dev/null || status=$?
  if ((status == 0)); then
    passed=$((passed + 1))
    echo "$name: ok in $((SECONDS - start)) s"
  elif ((status == skipped_status)); then
    skipped=$((skipped + 1))
    echo "$name: skipped"
  else
    failed=$((failed + 1))
    echo "$name: FAILED (status $status)"
  fi
}

http='' amqp=''
if [[ ${1:-} == http://* ]]; then
  http=$1 amqp=${2:?an AMQP URL after that of the management API}
  shift 2
fi
tools=("$@")
if ((${#tools[@]} == 0)); then
  for run in "$here"/*/run; do
    name=$(basename "$(dirname "$run")")
    [[ $name == http || $name == ctl ]] || tools+=("$name") # they compare two brokers, and are run by themselves
  done
fi
[[ $http ]] || start_coney
for name in "${tools[@]}"; do
  mkdir -p "$target/tools/$name"
  tool "$name" "$here/$name/run" "$target/tools/$name" "$http" "$amqp"
done
if [[ $state ]]; then
  tool coney "$broker" stop "$state"
  if ((failed)) && [[ -s $state/log ]]; then
    echo "tools: the end of Coney's log:" >&2
    tail -n 40 "$state/log" >&2
  fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0))
