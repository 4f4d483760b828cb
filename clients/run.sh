#!/usr/bin/env bash
# Tests the libraries for tests, the guide's recipes as docs/testing.md prints them, and the example applications, which have to fail with the bug that is
# planted in each: `run.sh BINARY`, the program `coney`. Packages are installed below target/test-clients. `N passed, N failed` at the end.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
source "$root/conformance/clients/packages.sh"
CONEY_BINARY=$(realpath "${1:?the program coney}")
export CONEY_BINARY PYTHONPATH=$here/python PYTHONDONTWRITEBYTECODE=1
work=${CARGO_TARGET_DIR:-$root/target}/test-clients
limit_s=300
passed=0 failed=0 state=

clean_up() {
  [[ $state ]] || return 0
  "$root/conformance/clients/broker.sh" stop "$state" >/dev/null 2>&1 || true
  rm -rf "$state"
}

result() { # NAME SECONDS STATUS: counts it; what the command said is shown if it failed
  if (($3 == 0)); then
    passed=$((passed + 1))
    echo "$1: ok in $2 s"
  else
    failed=$((failed + 1))
    cat "$work/log"
    echo "$1: FAILED with status $3 after $2 s"
  fi
}

check() { # NAME COMMAND..: one that has to succeed
  local name=$1 start=$SECONDS status=0
  shift
  timeout --kill-after=5 "$limit_s" "$@" >"$work/log" 2>&1 </dev/null || status=$?
  result "$name" $((SECONDS - start)) "$status"
}

finds() { # NAME TEXT COMMAND..: with the planted bug it has to fail, in the test that the text is about
  local name=$1 text=$2 start=$SECONDS status=0
  shift 2
  PLANTED=1 timeout --kill-after=5 "$limit_s" "$@" >"$work/log" 2>&1 </dev/null || status=$?
  if ((status != 0)) && grep -Eq "$text" "$work/log"; then status=0; else status=1; fi
  result "$name" $((SECONDS - start)) "$status"
}

npm_install() { # FOLDER PACKAGE.JSON
  mkdir -p "$1"
  cmp -s "$2" "$1/package.json" && [[ -e $1/node_modules/.package-lock.json ]] && return
  cp "$2" "$1/package.json"
  (cd "$1" && npm install --silent --no-audit --no-fund >&2)
}

fresh() { # FOLDER: without what a run before left, but for its packages
  mkdir -p "$1"
  find "$1" -mindepth 1 -maxdepth 1 ! -name node_modules ! -name 'package*.json' -exec rm -rf {} +
}

python_tests() {
  check 'python: types' "$python" -m mypy --strict --cache-dir "$work/mypy" "$here/python/coney_testing.py"
  check 'python: tests' "$python" -m pytest -q -p no:cacheprovider "$here/python/tests"
  fresh "$work/recipes-python"
  check 'python: recipes printed' "$python" "$here/recipes.py" "$root/docs/testing.md" python "$work/recipes-python"
  check 'python: recipes' "$python" -m pytest -q -p no:cacheprovider "$work/recipes-python"
}

javascript_tests() {
  local js=$work/javascript
  fresh "$js"
  cp -r "$here"/javascript/{coney-testing.mjs,coney-testing.d.mts,tsconfig.json,tsconfig.tests.json,tests} "$js/"
  check 'javascript: types' "$js/node_modules/.bin/tsc" -p "$js" --outDir "$js/declared"
  check 'javascript: declarations are those of the source' diff "$js/declared/coney-testing.d.mts" "$js/coney-testing.d.mts"
  check 'javascript: types for programs' "$js/node_modules/.bin/tsc" -p "$js/tsconfig.tests.json"
  check 'javascript: tests' node --test "$js"/tests/*.test.mjs
  fresh "$js/recipes"
  cp "$js/coney-testing.mjs" "$js/recipes/"
  check 'javascript: recipes printed' "$python" "$here/recipes.py" "$root/docs/testing.md" js "$js/recipes"
  check 'javascript: recipes' node --test "$js"/recipes/*.test.mjs
}

example() { # NAME TEXT COMMAND..: the example passes, and with the bug it fails in the test that the text is about
  local name=$1 text=$2
  shift 2
  check "$name: passes" "$@"
  finds "$name: the planted bug is found" "$text" "$@"
}

examples() {
  local nest=$work/nestjs
  example celery 'FAILED .*test_after_three_tries_an_order_is_for_people' \
    "$python" -m pytest -q -p no:cacheprovider "$here/examples/celery"
  fresh "$nest"
  cp "$here"/examples/nestjs/{orders.ts,orders.test.mjs,tsconfig.json} "$here/javascript/coney-testing.mjs" "$nest/"
  check 'nestjs: compiles' "$nest/node_modules/.bin/tsc" -p "$nest"
  example nestjs 'not ok .*an order without an address' node --test --test-reporter=tap "$nest/orders.test.mjs"
  example rust-worker 'a_parcel_whose_ack_is_lost_counts_once .*FAILED' \
    cargo test --quiet --manifest-path "$root/Cargo.toml" --workspace --test rust-worker -- --format=pretty
}

need node npm --version -- nodejs npm
mkdir -p "$work"
python=$(python_with "$work" "$here/python/requirements.txt")
npm_install "$work/javascript" "$here/javascript/package.json"
npm_install "$work/nestjs" "$here/examples/nestjs/package.json"
python_tests
# Node runs each file in a process of its own: one broker for all of them.
state=$(mktemp -d)
trap clean_up EXIT
CONEY_TEST=1 "$root/conformance/clients/broker.sh" start "$state"
CONEY_URL=$(sed 's|//|//guest:guest@|' "$state/http")
export CONEY_URL
javascript_tests
examples
echo "$passed passed, $failed failed"
((failed == 0))
