#!/usr/bin/env bash
# Time and memory of a training step against the number of cells, 8x8 to 256x256.
#   CELL=stable  BATCH=16  HIDDEN=16  CHANNELS=1  THREADS=1  PERIOD=2
# stable, for the states of layernorm overflow float32 on the way across the larger
# grids, and what is timed there would be infinities.
# Writes bench/scale.tsv and bench/scale.md.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
need_program
cell=${CELL:-stable} batch=${BATCH:-16} hidden=${HIDDEN:-16} channels=${CHANNELS:-1} threads=${THREADS:-1}
period=${PERIOD:-2}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# peak_memory COMMAND… runs it with its output in $dir/json and prints the most
# memory, in KiB, that the process had in RAM.
peak_memory() {
  local pid kib peak=0
  "$@" >"$dir/json" &
  pid=$!
  while kib=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null); do
    peak=${kib:-$peak}
    sleep 0.05
  done
  wait "$pid" && say "$peak"
}

before=$(load_average)
mkdir -p bench
printf 'size\trows\tstep_ms\tstep_min_ms\tforward_ms\tbytes\tpeak_kib\n' >"$dir/tsv"
for n in 8 16 32 64 128 256; do
  peak=$(peak_memory bin/mdlstm-gpu bench --cell "$cell" --size "${n}x$n" --batch "$batch" --hidden "$hidden" \
    --channels "$channels" --threads "$threads" --seconds "$period" --json) || die "size ${n}x$n: no result"
  row="${n}x$n	$((n * n * batch))"
  for key in step_ms step_min_ms forward_ms bytes; do row+="	$(json_number "$key" <"$dir/json")"; done
  say "$row	$peak" | tee -a "$dir/tsv"
done

cp "$dir/tsv" bench/scale.tsv
{
  say "# Time and memory against the number of cells"
  say
  say "Written by scripts/scale.sh: one \`$cell\` layer, batch $batch, hidden $hidden, inputs $channels, one direction, threads $threads."
  say "A row is a cell of a sample. Buffers are what a plan holds; the peak is the whole process, data and program included."
  say
  describe_machine
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  say
  awk -F '\t' '
    NR == 1 {
      print "| size | rows | step ms | ns a row | forward ms | buffers MiB | bytes a row | peak MiB |"
      print "|---|--:|--:|--:|--:|--:|--:|--:|"
      next
    }
    { printf "| %s | %d | %.3g | %.0f | %.3g | %.1f | %.0f | %.0f |\n", $1, $2, $3, 1e6 * $3 / $2, $5, $6 / 1048576, $6 / $2, $7 / 1024 }
  ' bench/scale.tsv
} >bench/scale.md
say "wrote bench/scale.tsv and bench/scale.md"
