#!/usr/bin/env bash
# Runs the tests of the GPU code on the emulator, in every mode in which they can differ. Needs `make driver emulator
# emulator-check emulator-asan emulator-portable`; `make test-emu` sees to that.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly PACKAGES="./host/cuda/... ./kernels/..."
export MDLSTM_REQUIRE_GPU=1

# mode TITLE BUILD [VARIABLE=VALUE…] [-- GO TEST FLAGS…]
mode() {
    local title=$1 library=$PWD/build/libcudaemu$2.so
    shift 2
    local settings=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    [ $# -gt 0 ] && shift
    echo "--- $title"
    env MDLSTM_CUDA_LIBRARY="$library" "${settings[@]}" go test -tags cuda -count=1 "$@" $PACKAGES
}

go vet -tags cuda $PACKAGES
mode "in order" ""
mode "random orders, seed 1" "" MDLSTM_EMU_SEED=1
mode "random orders, seed 2, one OS thread" "" MDLSTM_EMU_SEED=2 MDLSTM_EMU_THREADS=1
mode "every launch waited for" "" MDLSTM_SYNC=1
mode "every access checked, random orders" _check MDLSTM_EMU_SEED=3 MDLSTM_POOL=0
mode "ucontext fibers" _portable MDLSTM_EMU_SEED=4
# The sanitizer's runtime must come first in the process, but not in go and its compiler. cuda5 leaks strings.
mode "AddressSanitizer, UBSan" _asan MDLSTM_EMU_SEED=5 MDLSTM_POOL=0 ASAN_OPTIONS=detect_leaks=0 -- \
    -exec "env LD_PRELOAD=$(${CXX:-g++} -print-file-name=libasan.so)"
