# Sourced, after packages.sh: a container daemon of one's own. `start_daemon DIR` keeps all of it in that directory and sets DOCKER_HOST;
# `stop_daemon` removes its containers and stops it.
daemon=

start_daemon() { # DIR
  need dockerd dockerd --version -- docker.io iptables
  need busybox busybox true -- busybox-static
  export DOCKER_HOST=unix://$1/docker.sock DOCKER_BUILDKIT=0
  dockerd --host "$DOCKER_HOST" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/pid" >"$1/dockerd.log" 2>&1 &
  daemon=$!
  local end=$((SECONDS + 60))
  until docker version >/dev/null 2>&1; do
    if ((SECONDS > end)) || ! kill -0 "$daemon" 2>/dev/null; then
      echo 'dockerd does not start; its log:' >&2
      tail -n 20 "$1/dockerd.log" >&2
      exit 1
    fi
    sleep 0.2
  done
}

stop_daemon() {
  [[ $daemon ]] || return 0
  docker ps -aq | xargs -r docker rm -f -v >/dev/null 2>&1 || true
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
}
