#!/usr/bin/env bash
# Everything that can be tested on this machine: what CI runs.
#   test.sh           the gates, go test in every build variant, NumPy, PyTorch and TensorBoard, the GPU code on the emulator,
#                     ranks on MPI, the race detector, the fuzz targets
#   test.sh lint      the gates only
#   test.sh race      the race detector only
#   test.sh fuzz      the fuzz targets only, FUZZTIME=10s each
#   test.sh short     go test -short, without a C compiler
#   test.sh emulator  the GPU code on the emulator only
#   test.sh ranks     training on several ranks only
#   STRICT=1          whatever is skipped counts as failed
# Ends with what passed, failed and was skipped. Exit 1 if anything failed.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gates.sh"
repository_root
require_go

# Packages with goroutines of ours.
concurrent=(./cmd/... ./host/cpu/... ./host/dist/... ./host/grid/... ./host/mdlstm/... ./host/serve/... ./host/task/... ./host/train/...)

report=()
failed=0
logs=build/test
rm -rf "$logs"
mkdir -p "$logs"

# step NAME COMMAND… runs a gate and notes how it went.
step() {
  local name=$1 from=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  if "$@"; then
    report+=("passed   $name ($((SECONDS - from)) s)")
  else
    report+=("FAILED   $name")
    failed=$((failed + 1))
  fi
}

# skip NAME WHY notes, loudly, what this machine cannot do.
skip() {
  printf '\n== SKIPPED %s: %s\n' "$1" "$2"
  if [ "${STRICT:-0}" = 1 ]; then
    report+=("FAILED   $1: $2 (STRICT=1 allows no skips)")
    failed=$((failed + 1))
  else
    report+=("SKIPPED  $1: $2")
  fi
}

# skip_offline is skip for what Python's or Go's registry must be reached for,
# which is no fault of the tree, nor of the machine's packages.
skip_offline() { STRICT=0 skip "$@"; }

# The build variants that this machine has. Plain must work without a C
# compiler, so it is tested without one.
find_variants() {
  local version missing
  variants=(plain)
  if version=$(openblas_version); then
    say "$version"
    variants+=(openblas)
  else
    skip "variant openblas" "$(openblas_missing)"
  fi
  if missing=$(cuda_missing); then
    skip "variant cuda" "$missing"
  else
    cuda_ready
    variants+=(cuda)
  fi
}

has_variant() { [[ " ${variants[*]} " == *" $1 "* ]]; }

# in_variant VARIANT COMMAND… runs a command in a variant's environment.
in_variant() {
  local variant=$1
  shift
  case $variant in
    plain) CGO_ENABLED=0 "$@" ;;
    openblas | cuda) CGO_ENABLED=1 "$@" ;;
  esac
}

# tags_of VARIANT prints its build tags.
tags_of() {
  case $1 in
    openblas) say openblas ;;
    cuda) if has_variant openblas; then say cuda,openblas; else say cuda; fi ;;
  esac
}

# with_mpi runs a command as the code with the tag mpi is built.
with_mpi() { CGO_ENABLED=1 "$@"; }

# matrix describes the variants to staticcheck.
matrix() {
  local v
  if ! mpi_missing >/dev/null; then say "mpi: CGO_ENABLED=1 -tags=mpi"; fi
  for v in "${variants[@]}"; do
    # shellcheck disable=SC2016 # the variables are in_variant's
    in_variant "$v" bash -c 'echo "$0: CGO_ENABLED=$CGO_ENABLED -tags=$1"' "$v" "$(tags_of "$v")"
  done
}

lint() {
  local v
  step gofmt gate_format
  for v in "${variants[@]}"; do
    step "go vet, $v" in_variant "$v" gate_vet "$(tags_of "$v")"
  done
  if ! mpi_missing >/dev/null; then step "go vet, mpi" with_mpi gate_vet mpi; fi # or ranks says why not
  if tool_binary "$staticcheck" >/dev/null; then
    step "staticcheck, ${variants[*]}" gate_staticcheck < <(matrix)
  else
    skip staticcheck "$staticcheck can neither be found nor fetched"
  fi
  if vulnerabilities_known; then
    # The last variant has the most code, the first is what is handed out.
    for v in "${variants[@]}"; do
      if [ "$v" != plain ] && [ "$v" != "${variants[-1]}" ]; then continue; fi
      step "govulncheck, $v" in_variant "$v" gate_vulnerabilities "$(tags_of "$v")"
    done
  else
    skip_offline govulncheck "neither $govulncheck nor the database $vulndb can be reached (GOVULNDB=another)"
  fi
  if command -v shellcheck >/dev/null; then
    step shellcheck gate_shell
  else
    skip shellcheck "not installed: apt-get install shellcheck"
  fi
  if generator_known host/cpu; then
    step assembly gate_assembly host/cpu
  else
    skip_offline assembly "the modules that host/cpu/gen imports can neither be found nor fetched"
  fi
  if hadolint_binary >/dev/null 2>&1; then
    step hadolint gate_docker
  else
    skip_offline hadolint "$hadolint can neither be found nor fetched by pip"
  fi
}

# emulator runs what needs a GPU on the emulator, as scripts/test_emu.sh does.
emulator() {
  if ! has_variant cuda; then
    return # find_variants has said so
  elif ! command -v "${CXX:-g++}" >/dev/null; then
    skip "GPU code on the emulator" "no C++ compiler ${CXX:-g++}: apt-get install g++"
    return
  fi
  step "build the emulator" make -s -j2 driver-asan emulator emulator-check emulator-asan
  step "GPU code on the emulator" in_variant cuda emulator_tests "$(tags_of cuda)"
}
emulator_tests() { scripts/test_emu.sh ci "$1" 2>&1 | tee "$logs/emulator.log"; }

# ranks trains with mpirun, on the emulator too where that is built.
ranks() {
  local missing
  if missing=$(mpi_missing); then
    skip "ranks on MPI" "$missing"
  else
    step "ranks on MPI" with_mpi scripts/dist_test.sh
  fi
}

# ptx compares the committed PTX with its sources and assembles it for every
# target. The compilers come from PyPI; without them the tests of package kernels
# still hold every entry point against the host's table.
ptx() {
  if ! has_variant cuda; then
    return
  elif scripts/ptx.sh tools >"$logs/ptx-tools.log" 2>&1; then
    step "PTX" scripts/ptx.sh check
  else
    say "$(tail -n 3 "$logs/ptx-tools.log")"
    skip_offline "PTX" "no compiler: neither nvcc 13.0.88 in PATH, nor can pip install it (python3 -m pip, PyPI)"
  fi
}

# interchange runs the snippets of docs/interchange.md and compares PyTorch and
# TensorFlow (TF_PYTHON) with the engines. They need packages of Python that few
# machines have.
interchange() {
  local python=${PYTHON:-python3} part
  for part in docs:numpy torch:torch tensorflow:tensorflow; do
    if [ "$part" = tensorflow:tensorflow ]; then python=${TF_PYTHON:-$python}; fi
    if "$python" -c "import ${part#*:}" >/dev/null 2>&1; then
      step "interchange, ${part%:*}" env PYTHON="$python" scripts/interchange_test.sh "${part%:*}"
    else
      skip_offline "interchange, ${part%:*}" "$python cannot import ${part#*:}: $python -m pip install ${part#*:}, or PYTHON=another"
    fi
  done
}

# tensorboard shows runs to the real TensorBoard.
tensorboard() {
  local python=${PYTHON:-python3}
  if tensorboard_path "$python" >/dev/null 2>&1; then
    step "TensorBoard" scripts/tensorboard_test.sh
  else
    skip_offline "TensorBoard" "$python has none, and pip cannot install $tensorboard"
  fi
}

# releases builds what is handed out.
releases() {
  if ! git rev-parse --verify -q HEAD >/dev/null; then
    skip "releases" "no git commit here: a release is made of one"
  elif ! sbom_binary >/dev/null; then
    skip_offline "releases" "$sbom_tool can neither be found nor fetched"
  else
    step "releases" scripts/release_test.sh
  fi
}

# pages opens the report's pages in a browser.
pages() {
  if command -v chromium chromium-browser google-chrome chrome >/dev/null; then
    step "report pages in a browser" scripts/page_test.sh
  else
    skip "report pages in a browser" "no Chromium: apt-get install chromium"
  fi
}

race() {
  if ! c_compiler >/dev/null; then
    skip "race detector" "it needs a C compiler: apt-get install gcc libc6-dev"
    return
  fi
  # The last variant has the most code of ours in it.
  local v=${variants[-1]}
  if [ "$v" = cuda ]; then v=${variants[-2]}; fi # whose goroutines are the same
  step "race detector, $v" in_variant "$v" race_tests "$(tags_of "$v")"
}
race_tests() { CGO_ENABLED=1 gate_tests "$logs/race.log" -race -short -timeout 30m -tags "$1" "${concurrent[@]}"; }

# fuzz looks a little further than the seeds of the fuzz targets, which every go
# test runs: each core has a target at a time, so 2 cores take 5 s a target.
fuzz() { step "fuzz targets" in_variant plain env FUZZTIME="${FUZZTIME:-10s}" scripts/fuzz.sh; }

find_variants
case ${1:-all} in
  lint) lint ;;
  race) race ;;
  fuzz) fuzz ;;
  emulator) emulator ;;
  ranks) ranks ;;
  short) step "go test -short" in_variant plain gate_tests "$logs/short.log" -short ./... ;;
  all)
    lint
    step "the gates fail when they should" scripts/gates_test.sh
    for v in "${variants[@]}"; do
      if [ "$v" = cuda ]; then continue; fi # its tests want a GPU
      packages=(./...)
      if [ "$v" = openblas ]; then packages=(./cmd/... ./host/cpu/...); fi # the others know nothing of it
      step "go test, $v" in_variant "$v" gate_tests "$logs/$v.log" -tags "$(tags_of "$v")" "${packages[@]}"
    done
    interchange
    tensorboard
    pages
    releases
    emulator
    ranks
    ptx
    race
    fuzz
    ;;
  *) die "no part $1: want lint, race, fuzz, short, emulator, ranks or nothing" ;;
esac

printf '\n'
printf '%s\n' "${report[@]}"
if compgen -G "$logs/*.log" >/dev/null; then
  printf 'packages: %s passed, %s failed\n' "$(passed_packages "$logs"/*.log)" "$(failed_packages "$logs"/*.log)"
fi
[ "$failed" = 0 ] || die "$failed of the steps above failed"
