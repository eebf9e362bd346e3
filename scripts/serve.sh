#!/usr/bin/env bash
# Holds many clients on `mdlstm-gpu serve` and compares the processor time of a
# sample with that of `mdlstm-gpu predict`. Run it on a quiet machine.
#   CLIENTS=1000  PERIOD=60  SIZE=64x64  HIDDEN=16  CELL=stable  SAMPLES=512  RATIO=1.1
# Clients and server share the machine's cores. Fails when an answer is wrong or
# none, when the server's memory grows, or when the ratio is above RATIO.
# Writes bench/serve.tsv, a line a second, and bench/serve.md.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go
need_program
clients=${CLIENTS:-1000} seconds=${PERIOD:-60} size=${SIZE:-64x64} hidden=${HIDDEN:-16} cell=${CELL:-stable}
samples=${SAMPLES:-512} ratio=${RATIO:-1.1}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The weights matter to nobody here, so one step is enough.
bin/mdlstm-gpu train --size "$size" --hidden "$hidden" --cell "$cell" --directions all --batch 1 --steps 1 --out "$dir/run" >"$dir/said" 2>&1 ||
  die "no model: $(tail -n 1 "$dir/said")"
CGO_ENABLED=0 go build -o "$dir/serve_load" ./scripts/serve_load

before=$(load_average)
mkdir -p bench
failed=0
"$dir/serve_load" -clients "$clients" -seconds "$seconds" -size "$size" -samples "$samples" -ratio "$ratio" \
  bin/mdlstm-gpu "$dir/run" "$dir/table" >"$dir/summary" || failed=1
[ -s "$dir/summary" ] || die "nothing was measured"
cat "$dir/summary"
cp "$dir/table" bench/serve.tsv
{
  say "# $clients clients on the server"
  say
  say "Written by scripts/serve.sh: $clients clients ask \`mdlstm-gpu serve\` for one sample each at a time, as a .npy body, for"
  say "$seconds seconds, with --queue $clients; each answer is compared with that of \`mdlstm-gpu predict\`. One \`$cell\` layer, hidden $hidden,"
  say "4 directions, samples of $size. Clients and server share the machine's cores; processor time is the server's own,"
  say "and predict's is the median of three runs before and three after, its start included. serve.tsv has a line a second."
  say
  describe_machine
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  say
  say "| figure | value |"
  say "|---|--:|"
  awk -F '\t' '{ name = $1; gsub("_", " ", name); printf "| %s | %s |\n", name, $2 }' "$dir/summary"
} >bench/serve.md
say "wrote bench/serve.tsv and bench/serve.md"
[ "$failed" = 0 ] || die "it did not hold: see above"
