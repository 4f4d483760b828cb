#!/usr/bin/env bash
# build.sh [TAG..]: builds the image with the docker of DOCKER_HOST, and from nothing but this checkout, crates and busybox: no image
# is pulled. Default tag: coney. CONEY_STATIC, if it is set, is the binary to take, which has to be a static one.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
tags=("${@:-coney}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

static_busybox() { # prints one
  local found
  found=$(command -v busybox || true)
  if [[ $found ]] && ! ldd "$found" 2>&1 | grep -q '=>'; then
    echo "$found"
    return
  fi
  (cd "$work" && apt-get download -qq busybox-static >&2 && dpkg-deb -x busybox-static_*.deb busybox-static)
  find "$work/busybox-static" -type f -name busybox
}

coney=${CONEY_STATIC:-}
[[ $coney ]] || coney=$("$here/../static.sh")
busybox=$(static_busybox)
"$here/rootfs.sh" "$work/rootfs" "$coney" "$busybox"
tar -C "$work/rootfs" --numeric-owner -cf "$work/rootfs.tar" .
mkdir "$work/context"
mv "$work/rootfs.tar" "$work/context/"
# The image is described once: what follows the root file system in the Dockerfile that makes it within Docker.
{
  printf 'FROM scratch\nADD rootfs.tar /\n'
  sed '1,/^COPY --from=build/d' "$root/Dockerfile"
} >"$work/context/Dockerfile"
docker build --quiet "${tags[@]/#/--tag=}" "$work/context"
