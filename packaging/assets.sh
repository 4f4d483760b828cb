#!/bin/sh
# assets.sh CONEY DIR: what packages have beside the binary, made by it: man pages and shell completions.
set -eu
coney=$1 dir=$2
mkdir -p "$dir/man" "$dir/completions"
"$coney" man "$dir/man"
for shell in bash zsh fish; do
  "$coney" completions "$shell" >"$dir/completions/coney.$shell"
done
