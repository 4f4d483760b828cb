#!/usr/bin/env bash
# A Coney on disk that can be killed and started again, for clients that have to get over it:
# `broker.sh start|restart|stop STATE-DIR`. `start` and `restart` return when it accepts connections and leave its address
# in STATE-DIR/url and that of its management API in STATE-DIR/http; `restart` kills it as a crash would. CONEY_BINARY is the
# program.
set -euo pipefail

command=${1:?start, restart or stop} state=${2:?a directory}
start_limit_s=30
stop_limit_s=5

gone() { # PID SECONDS: waits until the process has ended
  local end=$((SECONDS + $2))
  while kill -0 "$1" 2>/dev/null; do
    ((SECONDS <= end)) || return 1
    sleep 0.02
  done
}

start() {
  local address=127.0.0.1:0 http=127.0.0.1:0 end=$((SECONDS + start_limit_s))
  [[ -e $state/url ]] && address=$(sed 's|.*@||' "$state/url") http=$(sed 's|http://||' "$state/http")
  : >"$state/out"
  setsid "$CONEY_BINARY" --amqp "$address" --http "$http" --metrics none --data-dir "$state/data" >"$state/out" 2>>"$state/log" </dev/null &
  local pid=$!
  echo "$pid" >"$state/pid"
  until [[ $(<"$state/out") =~ amqp://([^ ,;]+:[0-9]+) ]]; do
    if ((SECONDS > end)) || ! kill -0 "$pid" 2>/dev/null; then
      echo "Coney did not start; see its log:" >&2
      tail -n 20 "$state/log" >&2
      exit 1
    fi
    sleep 0.02
  done
  echo "amqp://guest:guest@${BASH_REMATCH[1]}" >"$state/url"
  grep -o 'http://[^ ,;]*' "$state/out" | head -n 1 >"$state/http"
}

case $command in
start) start ;;
restart)
  pid=$(<"$state/pid")
  kill -KILL "$pid"
  gone "$pid" "$stop_limit_s"
  start
  ;;
stop)
  pid=$(<"$state/pid")
  kill -TERM "$pid" 2>/dev/null || { echo 'Coney has ended by itself' >&2; exit 1; }
  gone "$pid" "$stop_limit_s" || { kill -KILL "$pid"; echo "Coney did not stop within $stop_limit_s s" >&2; exit 1; }
  ;;
*) echo "broker.sh: $command is not start, restart or stop" >&2; exit 2 ;;
esac
