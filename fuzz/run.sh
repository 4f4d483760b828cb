#!/usr/bin/env bash
# Runs every target on one core, for so many seconds in all: fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

targets=(frames session broker methods_tables definitions journal config)
seconds=$((${1:-60} / ${#targets[@]}))

cargo +nightly fuzz build
for target in "${targets[@]}"; do
  mkdir -p "fuzz/corpus/$target" "fuzz/seeds/$target"
  # Without room for what no input may cost: a table of a few bytes that says it is long, a body that is announced.
  cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -max_total_time="$seconds" -timeout=20 -malloc_limit_mb=256 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 \
    2>"fuzz/target/$target.log" || { tail -n 60 "fuzz/target/$target.log"; exit 1; }
  echo "$target: $(grep stat::number_of_executed_units "fuzz/target/$target.log")"
done
