# shellcheck shell=bash disable=SC2154,SC2034 # bench.sh sets dir and never; the parts read blas and table
# Sourced by scripts/bench.sh: which engines there are, how each is asked for a
# figure, and the files that a part writes.

# find_engines sets gpu, the name of the first one or ""; blas, the products of
# this build on this processor with the default first; and what the peers run
# on: python and torch (its version or ""), tf_python and tensorflow likewise.
find_engines() {
  gpu=$(bin/mdlstm-gpu info | sed -n 's/^gpu  *0: //p')
  case $gpu in *", emulated") gpu="" ;; esac
  read -ra blas <<<"$(products_of "$(bin/mdlstm-gpu version)")"
  python=${PYTHON:-python3}
  tf_python=${TF_PYTHON:-$python}
  torch=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null || true)
  tensorflow=$("$tf_python" -c 'import tensorflow; print(tensorflow.__version__)' 2>/dev/null || true)
  if [ -z "$torch" ] && [ -n "${PYTHON:-}" ]; then
    die "PYTHON=$PYTHON cannot import torch: give an interpreter with PyTorch, or leave PYTHON out to measure ours alone"
  fi
  if [ -z "$tensorflow" ] && [ -n "${TF_PYTHON:-}" ]; then
    die "TF_PYTHON=$TF_PYTHON cannot import tensorflow: give an interpreter with TensorFlow, or leave TF_PYTHON out"
  fi
}

# products_of VERSION prints the values of --blas that the output of version
# lists: builtin openblas gonum.
products_of() { sed -n 's/^blas *//p' <<<"$1" | tr ',' '\n' | awk '{ printf "%s%s", sep, tolower($1); sep = " " } END { print "" }'; }

# begin PART COLUMN… starts a table in $dir/PART.tsv.
begin() {
  part=$1
  shift
  before=$(load_average)
  table=$dir/$part.tsv
  notes=()
  (IFS=$'\t' && say "$*") >"$table"
}

# note says what was left out, and keeps it for the page.
note() {
  say "$*"
  notes+=("$*")
}

# row VALUE… adds a line to the table and shows it.
row() { (IFS=$'\t' && say "$*") | tee -a "$table"; }

# plot NAME FLAGS… draws the table as bench/NAME.png.
plot() {
  local name=$1
  shift
  rm -f "bench/$name.png" # of another table
  if command -v go >/dev/null; then
    go run ./scripts/plot "$@" "${plotted:-$table}" "bench/$name.png"
  else
    say "NO PLOT: go is not installed"
  fi
}

# picture NAME TEXT prints the plot's place in a page, if it was drawn.
picture() {
  [ -f "bench/$1.png" ] || return 0
  say "![$2]($1.png)"
  say
}

# circumstances prints what the figures of a page depend on.
circumstances() {
  if [ -n "$gpu" ]; then say "- GPU: $gpu"; fi
  describe_machine
  case $part in
    cpu | gpu | latency) say "- PyTorch: ${torch:-none}${torch:+ (scripts/peers/torch_mdlstm.py)}" ;;
  esac
  if [ "$part" = cpu ] && [ -n "${PEER:-}" ]; then say "- peer: another script for the same layer (PEER=$(basename "$PEER"))"; fi
  if [ "$part" = cpu ]; then say "- TensorFlow: ${tensorflow:-none}${tensorflow:+ (scripts/peers/tf_mdlstm.py)}"; fi
  say "- load average: $before before, $(load_average) after; $(date -u +%Y-%m-%d)"
  if [ ${#notes[@]} -gt 0 ]; then printf -- '- %s\n' "${notes[@]}"; fi
  say
}

# figures ENGINE THREADS KEYS PROBLEM… measures one problem and sets figure, the
# values of the keys (words). It fails with the engine's errors in $dir/errors
# when there is none. The last word of the problem is the number of directions.
figures() {
  local engine=$1 threads=$2 keys=$3 key value json
  shift 3
  json=$(measure "$engine" "$threads" "$@" 2>"$dir/errors") || return 1
  figure=()
  for key in $keys; do
    value=$(json_number "$key" <<<"$json")
    [ -n "$value" ] || die "$engine on $threads threads: no $key in: $json"
    figure+=("$value")
  done
}

# directions_flag N prints --directions for so many; those of two are in two axes.
directions_flag() { case $1 in 1) say 1 ;; 2) say ++,+- ;; *) say all ;; esac; }

# measure ENGINE THREADS FLAG… DIRECTIONS prints JSON.
measure() {
  local engine=$1 threads=$2 directions="${*: -1}" ours
  local problem=("${@:3:$#-3}" --threads "$2")
  ours=$(directions_flag "$directions")
  case $engine in
    torch*)
      if [ "$part" = gpu ]; then problem+=(--device cuda); fi
      case $engine in *-compiled*) problem+=(--compile) ;; esac
      case $engine in *-graphs) problem+=(--graphs) ;; esac
      OMP_NUM_THREADS=$threads limited "$engine" "$python" scripts/peers/torch_mdlstm.py "${problem[@]}" --directions "$directions"
      ;;
    tensorflow) "$tf_python" scripts/peers/tf_mdlstm.py "${problem[@]}" --directions "$directions" ;;
    peer) OMP_NUM_THREADS=$threads "$python" "$PEER" "${problem[@]}" --directions "$directions" ;;
    gpu-*) bin/mdlstm-gpu bench "${problem[@]}" --directions "$ours" --device gpu --kernels "${engine#gpu-}" --json ;;
    *) bin/mdlstm-gpu bench "${problem[@]}" --directions "$ours" --device cpu --blas "$engine" --json ;;
  esac
}

# quietly COMMAND… shows what a command wrote only when it fails.
quietly() {
  "$@" >"$dir/output" 2>&1 && return
  cat "$dir/output" >&2
  return 1
}

# pause SECONDS waits and starts no process, which sleep would be.
pause() { read -r -t "$1" -u "$never" || true; }

# limited ENGINE COMMAND… runs it, a compiler for five minutes at most, with a
# cache of its own: one that was stopped leaves broken files there.
limited() {
  case $1 in
    *-compiled*) TORCHINDUCTOR_CACHE_DIR=$dir/inductor timeout 300 "${@:2}" ;;
    *) "${@:2}" ;;
  esac
}

# reason prints the last words of $dir/errors, for a note.
reason() {
  local text
  text=$(grep -v '^ *$' "$dir/errors" | grep -i error | tail -n 1 || true)
  say "${text:-no result within 5 minutes}"
}
