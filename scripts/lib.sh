# shellcheck shell=bash
# Sourced by the other scripts: messages, and what the tools of this machine can
# do. Every question to the machine is asked by trying it, and answered in a line.

say() { printf '%s\n' "$*"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# repository_root changes to the folder with go.mod above the scripts.
repository_root() { cd "$(dirname "${BASH_SOURCE[0]}")/.." || die "no repository above ${BASH_SOURCE[0]}"; }

# at_least HAVE WANT compares versions such as 1.26.1.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# require_go ends the script unless go can build the module in this folder.
require_go() {
  local want have
  want=$(awk '$1 == "go" { print $2 }' go.mod)
  command -v go >/dev/null ||
    die "go is not on PATH: install Go $want or later from https://go.dev/dl and add its bin folder to PATH"
  # An old go with GOTOOLCHAIN=auto fetches the one that go.mod asks for; with
  # GOTOOLCHAIN=local, or without a network, it refuses, and says why.
  have=$(go env GOVERSION 2>&1) || die "go does not work here: $have: install Go $want or later, or set GOTOOLCHAIN=auto"
  at_least "${have#go}" "$want" ||
    die "$(command -v go) is ${have}, this module needs Go $want or later: install it from https://go.dev/dl"
}

# c_compiler prints the command that cgo uses, or fails when there is none or cgo is off.
c_compiler() {
  local cc
  [ "$(go env CGO_ENABLED)" = 1 ] || return 1
  cc=$(go env CC)
  command -v "${cc%% *}" >/dev/null || return 1
  printf '%s\n' "$cc"
}

# openblas_version links a program with OpenBLAS as cgo will, runs it, and
# prints the version. It fails where that cannot be done.
openblas_version() (
  read -ra cc <<<"$(c_compiler)" && [ ${#cc[@]} -gt 0 ] || exit 1
  read -ra flags <<<"$(go env CGO_CFLAGS) $(go env CGO_LDFLAGS)"
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  cat >"$dir/probe.c" <<'C'
#include <stdio.h>
void openblas_set_num_threads(int);
char *openblas_get_config(void);
float cblas_sdot(int, const float *, int, const float *, int);
int main(void) {
  float x[2] = {1, 2};
  openblas_set_num_threads(1);
  if (cblas_sdot(2, x, 1, x, 1) != 5) return 1;
  puts(openblas_get_config());
  return 0;
}
C
  "${cc[@]}" -o "$dir/probe" "$dir/probe.c" "${flags[@]}" -lopenblas 2>/dev/null && "$dir/probe"
)

# openblas_missing says why openblas_version failed and what to do.
openblas_missing() {
  if [ "$(go env CGO_ENABLED)" != 1 ]; then
    say "cgo is off: unset CGO_ENABLED, and install a C compiler (apt-get install gcc libc6-dev)"
  elif ! c_compiler >/dev/null; then
    say "no C compiler $(go env CC): apt-get install gcc libc6-dev"
  else
    say "$(go env CC) cannot link -lopenblas: apt-get install libopenblas-dev libc6-dev (or set CGO_LDFLAGS=-L...)"
  fi
}

# cuda_missing says what a build with the tag cuda lacks here, and fails when it
# lacks nothing. Neither a GPU nor NVIDIA's driver or toolkit is needed.
cuda_missing() {
  if [ "$(go env GOOS)" != linux ]; then
    say "the CUDA driver is opened on Linux only"
  elif [ "$(go env CGO_ENABLED)" != 1 ]; then
    say "cgo is off: unset CGO_ENABLED, and install a C compiler (apt-get install gcc libc6-dev)"
  elif ! c_compiler >/dev/null; then
    say "no C compiler $(go env CC): apt-get install gcc libc6-dev"
  elif ! command -v make >/dev/null; then
    say "no make: apt-get install make"
  else
    return 1
  fi
}

# cuda_ready compiles the static libraries that stand for CUDA's, and exports
# where cgo finds them.
cuda_ready() {
  make -s --no-print-directory driver || die "the stand-in for the CUDA driver (host/cuda/driver) does not compile"
  eval "$(make -s --no-print-directory env)"
}

# mpi_missing says what training on several ranks lacks here, and fails when it
# lacks nothing.
mpi_missing() {
  if [ "$(go env CGO_ENABLED)" != 1 ]; then
    say "cgo is off: unset CGO_ENABLED, and install a C compiler (apt-get install gcc libc6-dev)"
  elif ! c_compiler >/dev/null; then
    say "no C compiler $(go env CC): apt-get install gcc libc6-dev"
  elif ! command -v mpirun >/dev/null || ! "${PKG_CONFIG:-pkg-config}" --exists ompi-c 2>/dev/null; then
    say "no Open MPI: apt-get install libopenmpi-dev openmpi-bin pkg-config"
  else
    return 1
  fi
}

# choose_build sets tags (an array of build tags) and exports cgo's flags after
# BLAS=builtin|openblas, CUDA=auto|1|0 and MPI=0|1, and says what it found.
choose_build() {
  local version missing
  tags=()
  case ${CUDA:=auto} in
    0) say "GPU: off, as asked for" ;;
    auto | 1)
      if ! missing=$(cuda_missing); then
        say "GPU: on (tag cuda): NVIDIA's driver is opened at run time where there is one"
        cuda_ready
        tags+=(cuda)
      elif [ "$CUDA" = 1 ]; then
        die "CUDA=1: $missing"
      else
        say "GPU: off: $missing"
      fi
      ;;
    *) die "CUDA=$CUDA: want auto, 1 or 0" ;;
  esac
  case ${BLAS:=builtin} in
    builtin) ;;
    openblas)
      version=$(openblas_version) || die "BLAS=openblas: $(openblas_missing)"
      say "OpenBLAS: $version, for --blas openblas"
      tags+=(openblas)
      ;;
    *) die "BLAS=$BLAS: want builtin, or openblas to have it as a choice" ;;
  esac
  case ${MPI:=0} in
    0) ;; # a program with MPI does not start where there is none
    1)
      if missing=$(mpi_missing); then die "MPI=1: $missing"; fi
      say "MPI: on (tag mpi): $(mpirun --version | head -n 1)"
      tags+=(mpi)
      ;;
    *) die "MPI=$MPI: want 1 or 0" ;;
  esac
}

# tag_list joins tags with commas, as go wants them.
tag_list() { local IFS=,; printf '%s' "${tags[*]}"; }

# describe_machine prints a markdown list of what the figures below it depend on.
describe_machine() {
  say "- processor: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) cores in use"
  say "- memory: $(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
  say "- system: $(uname -sr), $(go version | cut -d ' ' -f 3-)"
  [ -z "${OPENBLAS_CORETYPE:-}" ] || say "- OPENBLAS_CORETYPE=$OPENBLAS_CORETYPE: OpenBLAS's own choice for this processor is an old kernel"
  say "- program: commit $(bin/mdlstm-gpu version | sed -nE 's/^commit +([0-9a-f]{7})[0-9a-f]*/\1/p'), $(bin/mdlstm-gpu version | sed -n 's/^blas *//p')"
}

# load_average prints the load of the last minute: above 1 before a run that
# uses one core, or above the cores in use after it, something else was running.
load_average() { cut -d ' ' -f 1 /proc/loadavg; }

# json_number KEY prints the first number of that name in the JSON that it reads.
json_number() { sed -nE "s/.*\"$1\": *([-+0-9.eE]+).*/\1/p" | head -n 1; }

# need_program ends the script unless make build was run.
need_program() { [ -x bin/mdlstm-gpu ] || die "no bin/mdlstm-gpu: run make build first"; }
