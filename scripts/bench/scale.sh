# shellcheck shell=bash disable=SC2154 # bench.sh sets dir, measure.sh the other names
# Sourced by scripts/bench.sh: time and memory of a training step while one thing
# grows, part scale.

sweeps="sides-2d sides-3d hidden batch directions"

# points SWEEP prints a line a point: what grows (a number), size, batch, hidden,
# directions. The cell is stable, for the states of layernorm overflow float32 on
# the way across the larger grids, and what is timed there would be infinities.
points() {
  local n
  case $1 in
    sides-2d) for n in 8 16 32 64 128 256 512 1024; do say "$((n * n)) ${n}x$n 4 16 1"; done ;;
    sides-3d) for n in 4 8 16 32 64 128; do say "$((n * n * n)) ${n}x${n}x$n 1 16 1"; done ;;
    hidden) for n in 8 16 32 64 128 256 512; do say "$n 16x16 16 $n 1"; done ;;
    batch) for n in 1 4 16 64 256 1024; do say "$n 32x32 $n 16 1"; done ;;
    directions)
      for n in 1 2 4; do say "$n 32x32 16 16 $n"; done
      for n in 1 8; do say "$n 10x10x10 16 16 $n"; done
      for n in 1 16; do say "$n 6x6x6x6 16 16 $n"; done
      ;;
    *) die "SWEEPS: no sweep $1: want some of $sweeps" ;;
  esac
}

# sweep_engines SWEEP ENGINES prints the engines of a sweep: grids grow with gates
# computed again, too.
sweep_engines() {
  case $1 in
    sides-*) say "$2 cpu-recompute" ;;
    *) say "$2" ;;
  esac
}

# sweep_title SWEEP says what the table shows.
sweep_title() {
  case $1 in
    sides-2d) say "Cells of a grid in two axes (batch 4, hidden 16, one direction)" ;;
    sides-3d) say "Cells of a grid in three axes (batch 1, hidden 16, one direction)" ;;
    hidden) say "Hidden units (16x16, batch 16, one direction)" ;;
    batch) say "Samples of a batch (32x32, hidden 16, one direction)" ;;
    directions) say "Directions (about 1000 cells in two, three and four axes, batch 16, hidden 16)" ;;
  esac
}

# sweep_growth SWEEP says which growth is to be expected.
sweep_growth() {
  case $1 in
    sides-*) say "A row (a cell of a sample) costs the same work and memory wherever it lies: exponent 1. Below 1: the wavefronts of small" \
      "grids have few rows, and each costs the same overhead. Above 1: what a step touches outgrows a cache." \
      "\`cpu-recompute\` is --recompute: one forward pass more, and the gates of some wavefronts at a time; the larger the grid," \
      "the less of it they are." ;;
    hidden) say "The products of a row are H·(K + D·H)·G, its gates and its memory H·G; beside the rows are a few copies of the weights, H²:" \
      "exponents from 1, where gates weigh most, to 2, where products and weights do. Below 1: vectors that few units do not fill, and" \
      "the overhead of a wavefront." ;;
    batch) say "Exponent 1 in time, and less while a wavefront of few rows costs overhead. On the CPU memory is that of one part of the batch (about 10 MiB a thread), inputs and targets apart." ;;
    directions) say "Each direction is a layer of its own on the same schedule: time and memory are proportional to their number." \
      "A further axis adds a gate and a recurrent weight: a row costs more." ;;
  esac
}

# peak_memory COMMAND… runs it with its output in $dir/json and prints the most
# memory, in KiB, that the process had in RAM.
peak_memory() {
  local pid key value peak=0
  "$@" >"$dir/json" 2>"$dir/errors" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    while read -r key value _; do
      if [ "$key" = VmHWM: ]; then peak=$value; fi
    done 2>/dev/null <"/proc/$pid/status" || true
    pause 0.01
  done
  wait "$pid" && say "$peak"
}

# point SWEEP ENGINE ROUND X SIZE BATCH HIDDEN DIRECTIONS adds a line to the table.
# It fails when the memory does not suffice.
point() {
  local peak rows how=()
  rows=$((${5//x/*} * $6))
  case $2 in *-recompute) how=(--recompute) ;; esac
  if ! peak=$(peak_memory bin/mdlstm-gpu bench --device "${2%-*}" "${how[@]}" --threads "${THREADS:-1}" --cell stable --size "$5" --batch "$6" --hidden "$7" \
    --directions "$(directions_flag "$8")" --seconds "$period" --json); then
    if grep -q 'out of memory' "$dir/errors"; then return 1; fi
    cat "$dir/errors" >&2
    die "$1: $5 on the $2: no result"
  fi
  if [ "$2" = gpu ]; then peak=nan; fi # the buffers lie in the GPU's memory
  set -- "$@" "$(json_number step_ms <"$dir/json")" "$(json_number forward_ms <"$dir/json")" "$(json_number bytes <"$dir/json")"
  row "$1" "$2" "$3" "$4" "$5" "$rows" "$6" "$7" "$8" "$9" "${10}" "$(awk -v b="${11}" 'BEGIN { printf "%.4g", b / 1048576 }')" \
    "$(awk -v k="$peak" 'BEGIN { if (k == "nan") print k; else printf "%.4g", k / 1024 }')"
}

bench_scale() {
  local rounds=${ROUNDS:-1} period=${PERIOD:-0.3} engines="cpu" chosen=${SWEEPS:-$sweeps} sweep round engine x size batch hidden directions
  local -A dropped=()
  begin scale sweep engine round x size rows batch hidden directions step_ms forward_ms buffers_mib peak_mib
  local most=${MOST:-2147483647} # rows; a schedule has no more
  if [ -n "${MOST:-}" ]; then note "SKIPPED: points of more than $most rows (MOST)"; fi
  if [ -n "$gpu" ]; then engines="cpu gpu"; else note "NOT MEASURED: no GPU here"; fi
  for sweep in $chosen; do points "$sweep" >/dev/null; done
  for round in $(seq "$rounds"); do
    for sweep in $chosen; do
      while read -r x size batch hidden directions; do
        if [ $((${size//x/*} * batch)) -gt "$most" ]; then continue; fi
        for engine in $(sweep_engines "$sweep" "$engines"); do
          if [ -n "${dropped[$sweep $size $batch $hidden $directions $engine]:-}" ] ||
            point "$sweep" "$engine" "$round" "$x" "$size" "$batch" "$hidden" "$directions"; then continue; fi
          note "SKIPPED: $sweep, $size, batch $batch, on the $engine: $(tail -n 1 "$dir/errors" | cut -d ' ' -f 2-)"
          dropped[$sweep $size $batch $hidden $directions $engine]=1
        done
      done < <(points "$sweep")
    done
  done
  cp "$table" bench/scale.tsv
  {
    say "# Time and memory of a training step, and how they grow"
    say
    say "Written by \`scripts/bench.sh scale\`: one \`stable\` layer, ${THREADS:-1} thread on the CPU, medians of $period s and of $rounds round(s); the raw"
    say "figures are in scale.tsv. A row is a cell of a sample. Buffers are what a plan holds; the peak is the whole process on the CPU,"
    say "data and program included. The exponent p of a line says that from the line before the time grew as the p-th power of what"
    say "grew. [BENCHMARKS.md](../BENCHMARKS.md) says how to read this."
    say
    circumstances
    for sweep in $chosen; do
      say "## $(sweep_title "$sweep")"
      say
      awk -F '\t' -v sweep="$sweep" 'NR == 1 || $1 == sweep' "$table" >"$dir/$sweep.tsv"
      plotted=$dir/$sweep.tsv plot "scale-$sweep" -x "$(sweep_columns "$sweep")" \
        -by engine -y step_ms,buffers_mib -panels -log -title "Training step: $sweep" >&2
      picture "scale-$sweep" "Milliseconds a step and MiB of buffers; both axes are logarithmic"
      sweep_growth "$sweep"
      say
      awk -f scripts/stats.awk -f scripts/bench/scale_table.awk "$dir/$sweep.tsv"
      say
    done
  } >"$dir/page"
  sed -e '$d' "$dir/page" >bench/scale.md # the last empty line
  say "wrote bench/scale.tsv and bench/scale.md"
}

# sweep_columns SWEEP names the columns that stand below the plot.
sweep_columns() {
  case $1 in
    sides-*) say size ;;
    directions) say size,directions ;;
    *) say "$1" ;;
  esac
}
