# Sourced by the `run` of clients and tools: installs Debian packages if something is missing.

alone() { # COMMAND..: apt-get fails while another runs, and these programs may run beside each other
  local lock status=0
  exec {lock}>"${TMPDIR:-/tmp}/coney-packages.lock"
  flock "$lock"
  "$@" {lock}>&- || status=$?
  exec {lock}>&-
  return "$status"
}

install_packages() { # PACKAGE..
  local as_root=()
  ((EUID == 0)) || as_root=(sudo)
  "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # NAME CHECK.. -- PACKAGE..: runs the check and installs the packages if it fails
  local name=$1 check=()
  shift
  while [[ $1 != -- ]]; do
    check+=("$1")
    shift
  done
  shift
  "${check[@]}" >/dev/null 2>&1 && return 0
  echo "installing $* for $name" >&2
  alone install_packages "$@"
}

python_with() { # WORK-DIR REQUIREMENTS: prints a Python that has them
  need python3 python3 -c 'import venv, ensurepip' -- python3 python3-venv
  [[ -x $1/venv/bin/python ]] || python3 -m venv "$1/venv"
  "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2" >&2
  echo "$1/venv/bin/python"
}
