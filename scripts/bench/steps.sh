# shellcheck shell=bash disable=SC2154 # bench.sh sets dir, measure.sh the other names
# Sourced by scripts/bench.sh: a training step (forward, backward, Adam) of ours
# and of the peers, part cpu or gpu.

# step_cases prints a line a case: name, cell, size, batch, channels, hidden, directions.
step_cases() {
  say "layernorm-8x8 layernorm 8x8 16 1 16 1"
  say "layernorm-32x32 layernorm 32x32 16 1 16 1"
  say "plain-28x28 plain 28x28 64 1 32 4"
  say "stable-32x256 stable 32x256 16 16 16 4"
  say "stable-16x16 stable 16x16 16 1 256 1"
  if [ "$part" = gpu ]; then
    say "layernorm-28x28 layernorm 28x28 64 1 32 4"
    say "plain-64x64 plain 64x64 64 1 128 4"
  fi
}

# step_engines prints a line an engine: its name and its threads.
step_engines() {
  local threads=1 b
  if [ "$(nproc)" -ge 2 ]; then threads="1 2"; fi
  if [ "$part" = gpu ]; then threads=1; fi
  for t in $threads; do
    if [ -n "$torch" ]; then say "torch $t"; fi
  done
  if [ -n "$torch" ] && [ "${COMPILE:-auto}" != 0 ]; then say "torch-compiled 1"; fi
  if [ -n "$torch" ] && [ "$part" = gpu ]; then
    say "torch-graphs 1"
    if [ "${COMPILE:-auto}" != 0 ]; then say "torch-compiled-graphs 1"; fi
  fi
  if [ -n "${PEER:-}" ] && [ "$part" = cpu ]; then say "peer 1"; fi
  if [ -n "$tensorflow" ] && [ "$part" = cpu ]; then say "tensorflow 1"; fi
  if [ "$part" = gpu ]; then
    printf '%s 1\n' gpu-auto gpu-wavefront gpu-sweep gpu-cluster
    say "${blas[0]} $(nproc)"
    return
  fi
  for t in $threads; do
    for b in "${blas[@]}"; do say "$b $t"; done
  done
}

# wanted CASE ENGINE tells whether the engine is measured there: what takes
# minutes a case only in small ones.
wanted() {
  if [ "$part" = gpu ] && [ "$1" = plain-64x64 ] && [ "$2" = "${blas[0]}" ]; then return 1; fi
  case $2 in
    *-compiled*) [ "${COMPILE:-auto}" = 1 ] || [ "$1" = layernorm-8x8 ] ;;
    tensorflow) case $1 in layernorm-*) ;; *) return 1 ;; esac ;;
    gonum) [ "$1" != stable-16x16 ] || [ "${blas[0]}" = gonum ] ;;
  esac
}

# same_as_tensorflow sets agreement, what TensorFlow's loop says of its outputs
# beside ours; the script ends where they differ: they would compute two things.
same_as_tensorflow() {
  quietly bin/mdlstm-gpu train --device cpu --size 6x5 --batch 2 --hidden 4 --directions all --steps 3 --out "$dir/agree"
  "$tf_python" -c 'import numpy, sys; numpy.save(sys.argv[1], numpy.random.default_rng(1).random((2, 6, 5, 1)).astype("float32"))' "$dir/X.npy"
  quietly bin/mdlstm-gpu predict --device cpu --model "$dir/agree" --in "$dir/X.npy" --out "$dir/Y.npy"
  agreement=$("$tf_python" scripts/peers/tf_mdlstm.py --check "$dir/agree/model.safetensors" "$dir/X.npy" "$dir/Y.npy" 2>"$dir/errors") || {
    cat "$dir/errors" >&2
    die "TensorFlow's loop and ours do not compute the same thing"
  }
}

bench_steps() {
  local rounds=${ROUNDS:-3} period=${PERIOD:-1} cases engines round problem line name cell size batch channels hidden directions engine threads agreement
  local -A dropped=()
  begin "$part" case round engine threads step_ms step_min_ms forward_ms forward_min_ms
  mapfile -t cases < <(step_cases)
  mapfile -t engines < <(step_engines)
  if [ -z "$torch" ]; then note "NOT COMPARED: $python cannot import torch: set PYTHON to an interpreter that can"; fi
  if [ "$part" = gpu ]; then
    note "NOT COMPARED: TensorFlow's loop on the GPU; plain-64x64 on the CPU: a minute a round"
  elif [ -z "$tensorflow" ]; then
    note "NOT COMPARED: $tf_python cannot import tensorflow: set TF_PYTHON to an interpreter that can"
  else
    same_as_tensorflow
    note "TensorFlow's loop computes what ours does: $agreement"
    note "NOT COMPARED: TensorFlow in the larger cases: minutes each"
  fi
  if [ "${blas[0]}" != gonum ]; then note "NOT MEASURED: gonum in stable-16x16: half a minute a round"; fi
  if [[ " ${blas[*]} " != *" openblas "* ]]; then note "NOT MEASURED: OpenBLAS is not in bin/mdlstm-gpu"; fi
  if [ "$(nproc)" -lt 2 ]; then note "NOT MEASURED: two threads, for this machine lends one core"; fi
  for round in $(seq "$rounds"); do
    for problem in "${cases[@]}"; do
      read -r name cell size batch channels hidden directions <<<"$problem"
      for line in "${engines[@]}"; do
        read -r engine threads <<<"$line"
        if ! wanted "$name" "$engine" || [ -n "${dropped[$name $engine]:-}" ]; then continue; fi
        if figures "$engine" "$threads" "step_ms step_min_ms forward_ms forward_min_ms" --cell "$cell" --size "$size" \
          --batch "$batch" --channels "$channels" --hidden "$hidden" --seconds "$period" "$directions"; then
          row "$name" "$round" "$engine" "$threads" "${figure[@]}"
          continue
        fi
        case $engine in
          *-compiled*) note "NOT COMPARED: $engine, $name: $(reason)" ;;
          gpu-sweep | gpu-cluster) grep "bad shape: ${engine#gpu-} kernels" "$dir/errors" || fail "$name" ;;
          *) fail "$name" ;;
        esac
        dropped[$name $engine]=1
      done
    done
  done
  cp "$table" "bench/$part.tsv"
  plot "$part" -x case -by engine,threads -y step_ms -log -unit "step, ms" -title "A training step on the ${part^^}, by engine and threads"
  {
    say "# A training step on the ${part^^}"
    say
    say "Written by \`scripts/bench.sh $part\`: medians over $rounds rounds of $period s in which the engines took turns; the raw figures"
    say "are in $part.tsv. A step is forward, backward and Adam. Ratios are medians of those of each round, against the fastest PyTorch"
    say "on no more threads. [BENCHMARKS.md](../BENCHMARKS.md) says how to read this."
    say
    circumstances
    picture "$part" "Milliseconds a step, a dot a round and a bar at their median"
    awk -f scripts/stats.awk -f scripts/bench/turns.awk -f scripts/bench/steps_table.awk "bench/$part.tsv"
  } >"$dir/page"
  cp "$dir/page" "bench/$part.md"
  say "wrote bench/$part.tsv and bench/$part.md"
}

# fail CASE ends the script with what the engine said.
fail() {
  cat "$dir/errors" >&2
  die "$1: $engine on $threads threads: no result"
}
