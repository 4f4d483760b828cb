#!/usr/bin/env bash
# Runs every target on one core: fuzz/run.sh [SECONDS] for so many seconds in all, with what earlier runs found; fuzz/run.sh fixed with the same
# inputs each time, which is what CI does, for what it says must not depend on chance, and without a sanitizer, for building with one takes twice
# as long. fuzz/run.sh build builds for fixed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=(frames session broker methods_tables definitions journal config)
how=()
case ${1:-} in fixed | build) how=(--sanitizer none --codegen-units 16) ;; esac
cargo +nightly fuzz build "${how[@]}"
[[ ${1:-} != build ]] || exit 0
if [[ ${1:-} == fixed ]]; then
  corpus=$(mktemp -d)
  trap 'rm -rf "$corpus"' EXIT
  limits=(-runs=1500 -seed=1 -max_total_time=60)
else
  corpus=fuzz/corpus
  limits=(-max_total_time="$((${1:-60} / ${#targets[@]}))")
fi

for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target" "fuzz/seeds/$target"
  cargo +nightly fuzz run "${how[@]}" "$target" "$corpus/$target" "fuzz/seeds/$target" -- \
    "${limits[@]}" -timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    2>"fuzz/target/$target.log" || { tail -n 60 "fuzz/target/$target.log"; exit 1; }
  echo "$target: $(grep stat::number_of_executed_units "fuzz/target/$target.log")"
done
