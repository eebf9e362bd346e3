#!/usr/bin/env bash
# Checks mdlstm-gpu on this machine's GPU, in less than 8 minutes: the tests of the driver layer, the kernels and the
# engine, the numerics, NVIDIA's compute-sanitizer where it is installed, the seed's three models against the CPU, and the
# benchmark. It stands in a folder made by `make gpu-bundle`; bash, awk and NVIDIA's driver are all that it needs.
#   gpu_check.sh [--reduced] [RESULTS.json]
# --reduced takes the small part that an emulator can do (MDLSTM_CUDA_LIBRARY=build/libcudaemu.so), and is the default there.
# Writes RESULTS.json (gpu_check.json) and the steps' output beside it in gpu_check.logs. Exit 1 if a step failed.
set -euo pipefail

say() { printf '%s\n' "$*"; }
die() {
  printf 'gpu_check: %s\n' "$*" >&2
  exit 1
}

reduced=0
if [ "${1:-}" = --reduced ]; then
  reduced=1
  shift
fi
case ${1:-} in -*) die "no flag $1: gpu_check.sh [--reduced] [RESULTS.json]" ;; esac
results=$(realpath -m "${1:-gpu_check.json}")
[ -z "${MDLSTM_CUDA_LIBRARY:-}" ] || MDLSTM_CUDA_LIBRARY=$(realpath "$MDLSTM_CUDA_LIBRARY")
cd "$(dirname "${BASH_SOURCE[0]}")"
program=$PWD/mdlstm-gpu
[ -x "$program" ] || die "no mdlstm-gpu beside it: make gpu-bundle makes the folder with all that belongs together"
logs=${results%.json}.logs
rm -rf "$logs"
mkdir -p "$logs"
export MDLSTM_REQUIRE_GPU=1

"$program" info --require gpu >"$logs/info.log" 2>&1 || die "$(tail -n 1 "$logs/info.log")"
device=$(sed -n 's/^gpu  *0: //p' "$logs/info.log")
say "device: $device"
emulated=false
if [[ $device == *", emulated"* ]]; then
  emulated=true
  reduced=1
fi
[ "$reduced" = 0 ] || say "reduced: short tests, few steps, one small benchmark"

steps=() failed=0

# json TEXT prints it as a JSON string.
json() { printf '"%s"' "$(printf '%s' "$1" | tr '\n\t' '  ' | sed 's/["\\]/\\&/g')"; }

# step NAME SECONDS COMMAND… runs a command for at most so long and notes how it went.
step() {
  local name=$1 limit=$2 began=$SECONDS ok=true note=""
  shift 2
  if timeout "$limit" "$@" >"$logs/$name.log" 2>&1; then
    say "passed   $name ($((SECONDS - began)) s)"
  else
    ok=false
    failed=$((failed + 1))
    note=$(tail -n 1 "$logs/$name.log")
    say "FAILED   $name ($((SECONDS - began)) s): $note"
  fi
  steps+=("{\"name\": $(json "$name"), \"ok\": $ok, \"seconds\": $((SECONDS - began)), \"note\": $(json "$note")}")
}

skipped() {
  say "SKIPPED  $1: $2"
  steps+=("{\"name\": $(json "$1"), \"ok\": null, \"seconds\": 0, \"note\": $(json "$2")}")
}

# compare_logs A B STEPS fails unless the losses of the first steps agree.
compare_logs() {
  paste "$1" "$2" | awk -F '\t' -v steps="$3" '
    function far(x, y, limit, what) {
      if (x == "nan" && y == "nan") return
      d = x - y; if (d < 0) d = -d
      if (!(d <= limit)) { printf "step %s: %s loss %s and %s\n", $1, what, x, y; bad = 1 }
    }
    NR > 1 && NR <= steps + 1 { n++; far($2, $6, 2e-6, "overall"); far($4, $8, 1e-5, "relevant") }
    END { if (n < steps) { print "only " n + 0 " steps"; bad = 1 } exit bad }'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

short=()
seed_steps=1000 compared=50
cases=(
  "layernorm 8x8 16 1 16 1"
  "plain 28x28 64 1 32 all"
  "layernorm 28x28 64 1 32 all"
  "stable 32x256 16 16 16 all"
  "plain 64x64 64 1 128 all"
)
if [ "$reduced" = 1 ]; then
  short=(-test.short)
  seed_steps=20 compared=20
  cases=("layernorm 4x4 2 1 4 1")
fi

step driver 60 env -C host/cuda ../../cuda.test "${short[@]}"
step kernels 120 env -C kernels ../kernels.test "${short[@]}"
step conformance 240 env -C host/gpu ../../gpu.test "${short[@]}"
step check 60 "$program" check --device gpu

seed_run() { # MODEL
  local dir=$work/$1
  "$program" train --model "$1" --device gpu --steps "$seed_steps" --out "$dir-gpu" &&
    "$program" train --model "$1" --device cpu --steps "$compared" --out "$dir-cpu" &&
    compare_logs "$dir-gpu/log.tsv" "$dir-cpu/log.tsv" "$compared"
}
# bench_run FLAGS… prints the JSON alone; kernels that the shape or the GPU does not allow are no failure.
bench_run() {
  "$program" bench --json --profile --seconds 1 --device gpu "$@" 2>"$work/errors" || {
    cat "$work/errors"
    grep -q 'bad shape: \(sweep\|cluster\) kernels' "$work/errors"
  }
}
export -f seed_run compare_logs bench_run
export program work seed_steps compared
# timeout starts programs only, so functions go through a shell.
for model in MD_LSTM HORIZONTAL_SD_LSTM SNAKE_SD_LSTM; do step "seed-$model" 90 bash -c "seed_run $model"; done

if sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null); then
  families=(wavefront:5x6 sweep:5x6)
  if [[ $device =~ capability\ (9|1[0-9])\. ]]; then families+=(cluster:18x20); fi # wide enough for two blocks
  for tool in memcheck racecheck; do
    for family in "${families[@]}"; do
      step "$tool-${family%:*}" 60 "$sanitizer" --tool "$tool" --error-exitcode 9 "$program" train --device gpu --kernels "${family%:*}" \
        --size "${family#*:}" --batch 3 --hidden 16 --steps 3 --out "$work/$tool-${family%:*}"
    done
  done
else
  skipped compute-sanitizer "not installed"
fi

bench=()
for line in "${cases[@]}"; do
  read -r cell size batch channels hidden directions <<<"$line"
  name=bench-$cell-$size-$hidden
  for family in wavefront sweep cluster auto; do
    step "$name-$family" 30 bash -c "bench_run --kernels $family --cell $cell --size $size \
      --batch $batch --channels $channels --hidden $hidden --directions $directions"
    if head -c 1 "$logs/$name-$family.log" | grep -q '\['; then bench+=("$(sed -e '1s/^\[//' -e '$s/\]$//' "$logs/$name-$family.log")"); fi
  done
done

# list NAME ITEM… prints a member that is a list.
list() {
  local name=$1 separator=""
  shift
  printf '  "%s": [' "$name"
  for item in "$@"; do
    printf '%s\n    %s' "$separator" "$item"
    separator=,
  done
  printf '\n  ]'
}
{
  printf '{\n  "device": %s,\n  "emulated": %s,\n  "reduced": %s,\n' "$(json "$device")" "$emulated" "$([ "$reduced" = 1 ] && echo true || echo false)"
  printf '  "program": %s,\n  "date": "%s",\n  "seconds": %d,\n  "failed": %d,\n' \
    "$(json "$("$program" version | head -n 2)")" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$SECONDS" "$failed"
  list steps "${steps[@]}"
  printf ',\n'
  list bench "${bench[@]}"
  printf '\n}\n'
} >"$results"
say "wrote $results ($SECONDS s)"
[ "$failed" = 0 ] || die "$failed of the steps above failed; their output is in $logs"
