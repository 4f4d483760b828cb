# Sourced by the `run`s of the cluster's tests and of its figures: `prepare NAME WORK-DIR` sees that all is there, exports CONEY_BINARY and
# CONEY_NATS_SERVER and sets `python`; or says why not, and ends.
cluster_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$cluster_folder/../clients/packages.sh"

prepare() { # NAME WORK-DIR
  local root=$cluster_folder/../.. servers
  if ((EUID != 0)); then
    echo "$1: skipped, network namespaces need root"
    exit 0
  fi
  if ! unshare --net true 2>/dev/null; then
    echo "$1: skipped, network namespaces cannot be made here"
    exit 0
  fi
  need 'network namespaces' bash -c 'command -v ip && command -v iptables && command -v nsenter' -- iproute2 iptables util-linux
  if [[ ! ${CONEY_NATS_SERVER:-} ]]; then
    servers=$("$root/.ci/nats")
    export CONEY_NATS_SERVER=${servers%%$'\n'*}
  fi
  if [[ ! $CONEY_NATS_SERVER ]]; then
    echo "$1: skipped, no nats-server"
    exit 0
  fi
  if ! "$CONEY_BINARY" cluster --help >/dev/null 2>&1; then
    echo "$1: $CONEY_BINARY has no cluster: it takes the cargo feature \`cluster\`" >&2
    exit 1
  fi
  export CONEY_BINARY
  mkdir -p "$2"
  python=$(python_with "$2" "$cluster_folder/requirements.txt")
}
