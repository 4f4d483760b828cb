#!/usr/bin/env bash
# What a script does with a broker, done with amqp-tools and checked: `hello.sh [AMQP-URL]`.
#
# Each function named check_* is one feature. It fails with what it got and what it expected; the queues are deleted at
# the end. The exit status is 1 if any failed. The tools know neither confirms, TTL, transactions nor an exchange's
# declaration: the pre-declared exchanges serve, and a command that fails leaves its message unacked.
set -euo pipefail

url=${1:-amqp://guest:guest@127.0.0.1:5672}
limit_s=20
prefix=amqp-tools-hello-$$-$RANDOM$RANDOM
scratch=$(mktemp -d)
consumers=()

tool() { # NAME ARGUMENTS..: one of the tools, on our broker, never for ever
  local name=$1
  shift
  timeout "$limit_s" "amqp-$name" --url="$url" "$@"
}

# Runs at the end of each check, which is a subshell.
clean_up() {
  local queue
  ((${#consumers[@]} == 0)) || kill "${consumers[@]}" 2>/dev/null || true
  for queue in "$prefix"-{get,order,again,noack,bodies,delete}; do
    tool delete-queue -q "$queue" >/dev/null 2>&1 || true
  done
}
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "amqp-tools: $*" >&2
  exit 1
}

same() { # WHAT ACTUAL EXPECTED
  [[ $2 == "$3" ]] || fail "$1: got '${2:0:200}', expected '${3:0:200}'"
}

absent() { # QUEUE: the tools' only way to ask is to fail
  ! tool get -q "$1" >/dev/null 2>"$scratch/error"
}

check_publish_and_get() {
  local queue=$prefix-get
  same 'name declared' "$(tool declare-queue -q "$queue" -d)" "$queue"
  tool publish -r "$queue" -p -C text/plain -H 'colour: red' -b 'hello'
  same body "$(tool get -q "$queue")" hello
  if tool get -q "$queue" >"$scratch/empty"; then fail 'get from an empty queue succeeded'; fi
}

check_consume_in_order_with_prefetch() {
  local queue=$prefix-order
  tool declare-queue -q "$queue" >/dev/null
  seq 1 50 | tool publish -r "$queue" -l
  same bodies "$(tool consume -q "$queue" -c 50 -p 5 cat)" "$(seq 1 50)"
  same 'deleted with' "$(tool delete-queue -q "$queue" --if-empty)" 0
}

check_a_failed_command_gets_its_message_again() {
  local queue=$prefix-again
  tool declare-queue -q "$queue" >/dev/null
  tool publish -r "$queue" -b again
  tool consume -q "$queue" -c 1 false 2>/dev/null || true
  same 'body after the failure' "$(tool consume -q "$queue" -c 1 cat)" again
  same 'deleted with' "$(tool delete-queue -q "$queue")" 0
}

check_no_ack() {
  local queue=$prefix-noack
  tool declare-queue -q "$queue" >/dev/null
  tool publish -r "$queue" -b gone
  tool consume -q "$queue" -A -c 1 false 2>/dev/null || true
  same 'deleted with' "$(tool delete-queue -q "$queue")" 0
}

subscribe() { # QUEUE EXCHANGE KEY PROBE-KEY: consumes in the background; the queue is bound when a probe has come
  : >"$scratch/$1"
  timeout "$limit_s" amqp-consume --url="$url" -q "$1" -e "$2" -r "$3" -- sh -c 'cat; echo' >>"$scratch/$1" &
  consumers+=($!)
  local end=$((SECONDS + limit_s))
  until grep -q "^$prefix-probe" "$scratch/$1"; do
    ((SECONDS < end)) || fail "$1 was not bound to $2 within $limit_s s"
    tool publish -e "$2" -r "$4" -b "$prefix-probe"
  done
}

received() { # QUEUE: our bodies but the probes, once the last, `end`, has come
  local end=$((SECONDS + limit_s))
  until grep -q "^$prefix end" "$scratch/$1" || ((SECONDS >= end)); do sleep 0.02; done
  sed -n "s/^$prefix //p" "$scratch/$1" | tr '\n' ' '
}

unsubscribe() { # Without their consumers the queues delete themselves.
  kill "${consumers[@]}"
  wait "${consumers[@]}" || true
  consumers=()
}

check_topic_routing() {
  local one=$prefix-topic-one all=$prefix-topic-all
  subscribe "$one" amq.topic "$prefix.*.c" "$prefix.p.c"
  subscribe "$all" amq.topic "$prefix.#" "$prefix"
  for key in a.c a.b.c b.d; do tool publish -e amq.topic -r "$prefix.$key" -b "$prefix $key"; done
  tool publish -e amq.topic -r "$prefix.end.c" -b "$prefix end"
  same 'routed to *' "$(received "$one")" 'a.c end '
  same 'routed to #' "$(received "$all")" 'a.c a.b.c b.d end '
  unsubscribe
}

check_fanout() {
  local first=$prefix-fanout-1 second=$prefix-fanout-2
  subscribe "$first" amq.fanout none any
  subscribe "$second" amq.fanout none any
  tool publish -e amq.fanout -r any -b "$prefix hello"
  tool publish -e amq.fanout -b "$prefix end"
  same first "$(received "$first")" 'hello end '
  same second "$(received "$second")" 'hello end '
  unsubscribe
}

check_empty_and_large_bodies() {
  local queue=$prefix-bodies
  tool declare-queue -q "$queue" >/dev/null
  tool publish -r "$queue" -b ''
  tool get -q "$queue" >"$scratch/empty"
  same 'size of an empty body' "$(wc -c <"$scratch/empty")" 0
  head -c 1048576 /dev/urandom >"$scratch/sent"
  tool publish -r "$queue" <"$scratch/sent"
  tool get -q "$queue" >"$scratch/got"
  cmp "$scratch/sent" "$scratch/got" >&2 || fail 'a body of 1 MiB came back different'
}

check_delete_counts_and_its_conditions() {
  local queue=$prefix-delete
  tool declare-queue -q "$queue" >/dev/null
  tool publish -r "$queue" -b one
  tool publish -r "$queue" -b two
  if tool delete-queue -q "$queue" --if-empty >/dev/null 2>"$scratch/error"; then
    fail 'a queue with messages was deleted with --if-empty'
  fi
  grep -q 406 "$scratch/error" || fail "code of --if-empty: got '$(<"$scratch/error")', expected 406"
  same 'deleted with' "$(tool delete-queue -q "$queue")" 2
  absent "$queue" || fail 'the queue is still there'
  grep -q 404 "$scratch/error" || fail "code of a missing queue: got '$(<"$scratch/error")', expected 404"
}

check_server_named_queue() {
  local name
  name=$(tool declare-queue -q '' -d)
  [[ $name == amq.gen-* ]] || fail "name: got '$name', expected amq.gen-.."
  tool delete-queue -q "$name" >/dev/null
}

check_wrong_password_is_refused() {
  local wrong=${url/:\/\/*@/:\/\/guest:not-the-password@}
  if timeout "$limit_s" amqp-get --url="$wrong" -q "$prefix" >/dev/null 2>"$scratch/error"; then
    fail 'a wrong password was accepted'
  fi
  grep -qi 'login\|access_refused\|403' "$scratch/error" || fail "the refusal reads '$(<"$scratch/error")'"
}

passed=0 total=0
for check in $(declare -F | awk '$3 ~ /^check_/ { print $3 }'); do
  total=$((total + 1))
  # In a subshell that is no condition, so that -e holds inside it and the first command that fails ends the check.
  set +e
  (set -e; trap clean_up EXIT; "$check")
  status=$?
  set -e
  if ((status == 0)); then
    passed=$((passed + 1))
  else
    echo "amqp-tools: ${check#check_}: failed (status $status)" >&2
  fi
done
echo "amqp-tools: $passed of $total checks passed"
((passed == total))
