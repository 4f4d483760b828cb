# Sourced by clients' `run`: installs Debian packages if something is missing.

need() { # NAME CHECK.. -- PACKAGE..: runs the check and installs the packages if it fails
  local name=$1 check=()
  shift
  while [[ $1 != -- ]]; do
    check+=("$1")
    shift
  done
  shift
  "${check[@]}" >/dev/null 2>&1 && return 0
  echo "clients: installing $* for $name" >&2
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
