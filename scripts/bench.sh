#!/usr/bin/env bash
# The benchmark of the project. BENCHMARKS.md says how to read what it finds.
#   bench.sh [PART…]   without: all of these, gpu where there is one
# which take with the defaults, on two quiet cores:
#   cpu      10 min   a training step against PyTorch and TensorFlow (3 min without them)
#   gpu      12 min   the same on the GPU
#   scale    2 min   time and memory against cells, hidden units, samples, directions
#   latency  2 min   the prediction of one sample
#   start    20 s    the start of the program, and of training
# The engines take turns within each round, so that a busy machine disturbs all
# of them. Run it on a quiet one.
#   ROUNDS=3          how often each is measured; scale: once, start: 20 times
#   PERIOD=1          seconds for each figure; scale: 0.3
#   PYTHON=python3    an interpreter with torch
#   TF_PYTHON=$PYTHON an interpreter with tensorflow
#   COMPILE=auto      torch.compile: auto measures it for the first case (minutes the first time), 1 for all, 0 for none
#   SWEEPS="…"        scale: some of sides-2d sides-3d hidden batch directions
#   MOST=N            scale: leave out what has more than N rows
#   PEER=FILE         cpu: another script with the flags and the JSON of scripts/peers/torch_mdlstm.py
# Each part writes bench/PART.tsv, a line a measurement; PART.md, medians over the
# rounds; and with Go their plots. The emulator is not measured.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/bench/measure.sh"
. "$(dirname "$0")/bench/steps.sh"
. "$(dirname "$0")/bench/scale.sh"
. "$(dirname "$0")/bench/latency.sh"
. "$(dirname "$0")/bench/start.sh"
repository_root
need_program
find_engines

parts=("$@")
if [ $# = 0 ]; then
  parts=(cpu scale latency start)
  if [ -n "$gpu" ]; then parts=(cpu gpu scale latency start); else say "NOT MEASURED: no GPU here"; fi
fi
for part in "${parts[@]}"; do
  case $part in
    cpu | scale | latency | start) ;;
    gpu) [ -n "$gpu" ] || die "no GPU here: $(bin/mdlstm-gpu info | sed -n 's/^gpu  *//p')" ;;
    *) die "no part $part: want cpu, gpu, scale, latency or start" ;;
  esac
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
exec {never}<> <(:) # a file to wait on, in which nothing arrives: see pause
mkdir -p bench
for part in "${parts[@]}"; do
  case $part in
    cpu | gpu) bench_steps ;;
    *) "bench_$part" ;;
  esac
done
say "measured in $SECONDS s: ${parts[*]}"
