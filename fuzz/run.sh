#!/usr/bin/env bash
# Runs every target on one core: fuzz/run.sh [SECONDS] for so many seconds in all, with what earlier runs found; fuzz/run.sh fixed with the same
# inputs each time, which is what CI does, for what it says must not depend on chance.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=(frames session broker methods_tables definitions journal config)
if [[ ${1:-} == fixed ]]; then
  corpus=$(mktemp -d)
  trap 'rm -rf "$corpus"' EXIT
  limits=(-runs=1500 -seed=1 -max_total_time=60)
else
  corpus=fuzz/corpus
  limits=(-max_total_time="$((${1:-60} / ${#targets[@]}))")
fi

cargo +nightly fuzz build
for target in "${targets[@]}"; do
  mkdir -p "$corpus/$target" "fuzz/seeds/$target"
  # Without room for what no input may cost: a table of a few bytes that says it is long, a body that is announced.
  cargo +nightly fuzz run "$target" "$corpus/$target" "fuzz/seeds/$target" -- \
    "${limits[@]}" -timeout=20 -malloc_limit_mb=256 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    2>"fuzz/target/$target.log" || { tail -n 60 "fuzz/target/$target.log"; exit 1; }
  echo "$target: $(grep stat::number_of_executed_units "fuzz/target/$target.log")"
done
