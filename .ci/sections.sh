# Sourced by run and leftovers: sections, with how long each took. $work is their folder.

cpu_seconds() { # sets cpu_now: what the shell's ended children have used of a processor. Daemons, which are nobody's children, are not in it
  # `$(times)` would tell of another shell.
  local file=$work/cpu-$BASHPID
  times >"$file"
  cpu_now=$(tail -n 1 "$file" |
    awk '{ for (field = 1; field <= 2; field++) { split($field, part, /[ms]/); sum += part[1] * 60 + part[2] } printf "%d", sum }')
}

section() { # TITLE COMMAND..: runs it under a heading, and says how long it took
  local title=$1 start=$SECONDS cpu_now cpu
  shift
  cpu_seconds
  cpu=$cpu_now
  printf '\n=== %s: %s\n' "$title" "$*"
  if "$@"; then
    cpu_seconds
    echo "$title $((SECONDS - start)) s, CPU $((cpu_now - cpu)) s" >>"$work/times"
    printf '=== %s: ok in %s s\n' "$title" "$((SECONDS - start))"
  else
    local status=$?
    [[ ! -e $work/times ]] || cat "$work/times"
    printf '=== %s: FAILED with status %s after %s s\n' "$title" "$status" "$((SECONDS - start))"
    exit "$status"
  fi
}
