#!/usr/bin/env bash
# Times a training step (forward, backward, Adam).
#   bench.sh [cpu|gpu]   without: cpu, then gpu where there is one
# cpu, four cases: ours on OpenBLAS and on gonum, against the same layer in
# PyTorch, one thread each, and ours on two. gpu, five cases: ours with the
# kernels chosen and with each family forced, ours on all cores, and PyTorch on
# the same GPU as it is, as CUDA graphs, and with COMPILE=1 compiled too.
# The engines take turns within each round, so that a busy machine disturbs all
# of them. Run it on a quiet machine.
#   ROUNDS=5          how often each is measured
#   PERIOD=2          seconds for each figure
#   PYTHON=python3    an interpreter with torch
#   COMPILE=1         PyTorch through torch.compile as well
#   PEER=FILE         another script with the flags and the JSON of scripts/peers/torch_mdlstm.py
# Writes bench/cpu.tsv or bench/gpu.tsv, a line a measurement; cpu.md or gpu.md,
# medians over the rounds; and with Go their plot, cpu.png or gpu.png. The
# emulator is not measured.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
need_program
rounds=${ROUNDS:-5}
period=${PERIOD:-2}

gpu=$(bin/mdlstm-gpu info | sed -n 's/^gpu  *0: //p')
case $gpu in *", emulated") gpu="" ;; esac
part=${1:-cpu}
case $part in
  cpu) ;;
  gpu) [ -n "$gpu" ] || die "no GPU here: $(bin/mdlstm-gpu info | sed -n 's/^gpu  *//p')" ;;
  *) die "no part $part: want cpu or gpu" ;;
esac

# name, cell, size, batch, channels, hidden, directions
cases=(
  "layernorm-8x8 layernorm 8x8 16 1 16 1"
  "layernorm-32x32 layernorm 32x32 16 1 16 1"
  "plain-28x28 plain 28x28 64 1 32 4"
  "stable-32x256 stable 32x256 16 16 16 4"
)
if [ "$part" = gpu ]; then
  cases+=("layernorm-28x28 layernorm 28x28 64 1 32 4" "plain-64x64 plain 64x64 64 1 128 4")
fi

python=${PYTHON:-python3}
torch=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
peers=()
if [ -z "$torch" ]; then
  [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON cannot import torch: give an interpreter with PyTorch, or leave PYTHON out to measure ours alone"
  say "NOT COMPARED: $python cannot import torch: set PYTHON to an interpreter that can"
else
  peers+=("torch 1")
  if [ "${COMPILE:-0}" = 1 ]; then peers+=("torch-compiled 1"); fi
  if [ "$part" = gpu ]; then
    peers+=("torch-graphs 1")
    if [ "${COMPILE:-0}" = 1 ]; then peers+=("torch-compiled-graphs 1"); fi
  fi
  if [ -n "${PEER:-}" ]; then peers+=("peer 1"); fi
fi
blas=(gonum)
if bin/mdlstm-gpu version | grep -q OpenBLAS; then
  blas=(openblas gonum)
else
  say "NOT MEASURED: OpenBLAS is not in bin/mdlstm-gpu: $(openblas_missing)"
fi
engines=("${peers[@]}")
if [ "$part" = gpu ]; then
  engines+=("gpu-auto 1" "gpu-wavefront 1" "gpu-sweep 1" "${blas[0]} $(nproc)")
else
  for b in "${blas[@]}"; do engines+=("$b 1"); done
fi
if [ "$part" = gpu ]; then
  :
elif [ "$(nproc)" -ge 2 ]; then
  for b in "${blas[@]}"; do engines+=("$b 2"); done
else
  say "NOT MEASURED: two threads, for this machine lends one core"
fi

# measure ENGINE THREADS CELL SIZE BATCH CHANNELS HIDDEN DIRECTIONS prints JSON.
measure() {
  local problem=(--cell "$3" --size "$4" --batch "$5" --channels "$6" --hidden "$7" --threads "$2" --seconds "$period")
  local torch=(env "OMP_NUM_THREADS=$2" "$python")
  local how=()
  if [ "$part" = gpu ]; then how+=(--device cuda); fi
  case $1 in *-compiled*) how+=(--compile) ;; esac
  case $1 in *-graphs) how+=(--graphs) ;; esac
  case $1 in
    torch*) "${torch[@]}" scripts/peers/torch_mdlstm.py "${problem[@]}" --directions "$8" "${how[@]}" ;;
    gpu-*) bin/mdlstm-gpu bench "${problem[@]}" --directions "${8/#4/all}" --device gpu --kernels "${1#gpu-}" --json ;;
    peer) "${torch[@]}" "$PEER" "${problem[@]}" --directions "$8" ;;
    *) bin/mdlstm-gpu bench "${problem[@]}" --directions "${8/#4/all}" --device cpu --blas "$1" --json ;;
  esac
}

before=$(load_average)
mkdir -p bench
table=$(mktemp)
errors=$(mktemp)
trap 'rm -f "$table" "$errors"' EXIT
printf 'case\tround\tengine\tthreads\tstep_ms\tstep_min_ms\tforward_ms\tforward_min_ms\n' >"$table"
for round in $(seq "$rounds"); do
  for line in "${cases[@]}"; do
    read -r name problem <<<"$line"
    for engine in "${engines[@]}"; do
      read -r kind threads <<<"$engine"
      # shellcheck disable=SC2086 # problem is several words
      json=$(measure "$kind" "$threads" $problem 2>"$errors") || {
        if grep 'bad shape: sweep kernels' "$errors"; then continue; fi
        cat "$errors" >&2
        die "$name: $kind on $threads threads: no result"
      }
      row="$name	$round	$kind	$threads"
      for key in step_ms step_min_ms forward_ms forward_min_ms; do
        value=$(json_number "$key" <<<"$json")
        [ -n "$value" ] || die "$name: $kind on $threads threads: no $key in: $json"
        row+="	$value"
      done
      say "$row" | tee -a "$table"
    done
  done
done

cp "$table" "bench/$part.tsv"
rm -f "bench/$part.png" # of another table
if command -v go >/dev/null; then
  go run ./scripts/plot -x case -by engine,threads -y step_ms -log -unit "step, ms" \
    -title "A training step on the ${part^^}, by engine and threads" "bench/$part.tsv" "bench/$part.png"
else
  say "NO PLOT: go is not installed"
fi
{
  say "# A training step on the ${part^^}"
  say
  say "Written by \`make bench\`: medians over $rounds rounds of $period s in which the engines took turns; the raw figures"
  say "are in $part.tsv. A step is forward, backward and Adam."
  say
  if [ "$part" = gpu ]; then say "- GPU: $gpu"; fi
  describe_machine
  say "- PyTorch: ${torch:-none}${torch:+ (scripts/peers/torch_mdlstm.py)}"
  if [ -n "${PEER:-}" ]; then say "- peer: another PyTorch script for the same layer (PEER=$(basename "$PEER"))"; fi
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  say
  if [ -f "bench/$part.png" ]; then
    say "![Milliseconds a step, a dot a round and a bar at their median]($part.png)"
    say
  fi
  awk -f scripts/stats.awk -f scripts/bench_table.awk "bench/$part.tsv"
} >"bench/$part.md"
say "wrote bench/$part.tsv and bench/$part.md"
if [ $# = 0 ] && [ -n "$gpu" ]; then
  exec scripts/bench.sh gpu
elif [ -z "$gpu" ]; then
  say "NOT MEASURED: no GPU here"
fi
