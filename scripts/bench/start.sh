# shellcheck shell=bash disable=SC2154 # bench.sh sets dir, measure.sh the other names
# Sourced by scripts/bench.sh: how long the program takes to start, part start.

# since MICROSECONDS sets took, the milliseconds that passed since a time of the
# clock ${EPOCHREALTIME/[.,]/}. It starts no process: that would take as long.
since() {
  local us=$((${EPOCHREALTIME/[.,]/} - $1))
  printf -v took '%d.%03d' $((us / 1000)) $((us % 1000))
}

# has_step FILE tells whether a log has its first line below the header.
has_step() {
  { { read -r _ && read -r _; } <"$1"; } 2>/dev/null
}

# time_training trains one step in $dir/run and sets first, the milliseconds
# until the log has its line, and took, those until the program ends.
time_training() {
  local began pid
  rm -rf "$dir/run"
  began=${EPOCHREALTIME/[.,]/}
  bin/mdlstm-gpu train --steps 1 --device cpu --out "$dir/run" >"$dir/output" 2>&1 &
  pid=$!
  first=""
  while [ -z "$first" ]; do
    if has_step "$dir/run/log.tsv"; then
      since "$began"
      first=$took
    elif ! kill -0 "$pid" 2>/dev/null; then
      break
    else
      pause 0.001
    fi
  done
  wait "$pid" || {
    cat "$dir/output" >&2
    die "train --steps 1 stopped"
  }
  since "$began"
  if [ -z "$first" ]; then first=$took; fi
}

bench_start() {
  local rounds=${ROUNDS:-20} round began first took
  begin start what round ms wanted_ms
  for round in $(seq "$rounds"); do
    began=${EPOCHREALTIME/[.,]/}
    bin/mdlstm-gpu version >"$dir/output"
    since "$began"
    row "version" "$round" "$took" 20
    time_training
    row "train: first step in log.tsv" "$round" "$first" 100
    row "train --steps 1: end" "$round" "$took" ""
  done
  cp "$table" bench/start.tsv
  {
    say "# The start of the program"
    say
    say "Written by \`scripts/bench.sh start\`: wall time from the start of the process, $rounds times; the raw figures are in start.tsv."
    say "train is the seed's experiment on the CPU. Its first step is seen within 1 ms; its end is behind the pictures, the report and"
    say "the files that must be safely on disk."
    say
    circumstances
    awk -f scripts/stats.awk -f scripts/bench/start_table.awk bench/start.tsv
  } >"$dir/page"
  cp "$dir/page" bench/start.md
  say "wrote bench/start.tsv and bench/start.md"
}
