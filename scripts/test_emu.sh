#!/usr/bin/env bash
# Runs the tests of the GPU code on the emulator, in every mode in which they can differ.
#   test_emu.sh             everything, a quarter of an hour on 2 cores
#   test_emu.sh ci [TAGS]   what `make test` runs: everything once, the whole suite with both families of kernels, and the
#                           parts that differ in the other modes
# Needs `make driver driver-asan emulator emulator-check emulator-asan`, and emulator-portable without ci; `make test-emu` sees to that.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly part=${1:-all} tags=${2:-cuda}
readonly driver=(./host/cuda/... ./kernels/...)
readonly engine=(./host/gpu/...)
readonly commands=(-run TestGPU ./cmd/mdlstm-gpu ./host/mdlstm) # their other tests expect a machine without a GPU
export MDLSTM_REQUIRE_GPU=1
eval "$(make -s --no-print-directory env)"

# mode TITLE BUILD [VARIABLE=VALUE…] -- GO TEST ARGUMENTS…
mode() {
    local title=$1 library=$PWD/build/libcudaemu$2.so settings=() from=$SECONDS
    shift 2
    while [ "$1" != -- ]; do
        settings+=("$1")
        shift
    done
    shift
    echo "--- $title"
    env MDLSTM_CUDA_LIBRARY="$library" "${settings[@]}" go test -tags "$tags" -count=1 -timeout 30m "$@"
    echo "    $((SECONDS - from)) s"
}

# Under AddressSanitizer are the emulator, the stand-in for the driver, cuda5's C
# code, and with -asan what Go reads and writes. cuda5 leaks strings.
asan=(ASAN_OPTIONS=detect_leaks=0 CGO_LDFLAGS="-L$PWD/build/driver-asan $CGO_LDFLAGS")

if [ "$part" = ci ]; then
    mode "in order" "" -- "${driver[@]}" "${engine[@]}"
    mode "the commands" "" -- "${commands[@]}"
    echo "--- random orders, as scripts/gpu_check.sh tests a GPU"
    scripts/gpu_bundle.sh
    MDLSTM_CUDA_LIBRARY=$PWD/build/libcudaemu.so MDLSTM_EMU_SEED=1 build/gpu-bundle/gpu_check.sh --reduced build/gpu-bundle/gpu_check.json
    mode "one OS thread, every launch waited for" "" MDLSTM_EMU_SEED=2 MDLSTM_EMU_THREADS=1 MDLSTM_SYNC=1 -- "${driver[@]}"
    mode "every access checked, random orders" _check MDLSTM_EMU_SEED=3 MDLSTM_POOL=0 -- -short "${driver[@]}" "${engine[@]}"
    mode "AddressSanitizer, UBSan" _asan MDLSTM_EMU_SEED=5 MDLSTM_POOL=0 "${asan[@]}" -- -asan -short "${driver[@]}"
    exit
fi
mode "in order" "" MDLSTM_CONFORMANCE=all -- "${driver[@]}" "${engine[@]}"
mode "the commands" "" MDLSTM_SEED_STEPS=300 -- "${commands[@]}"
mode "random orders, seed 1" "" MDLSTM_EMU_SEED=1 -- "${driver[@]}" "${engine[@]}"
mode "random orders, seed 2, one OS thread" "" MDLSTM_EMU_SEED=2 MDLSTM_EMU_THREADS=1 -- -short "${driver[@]}" "${engine[@]}"
mode "every launch waited for" "" MDLSTM_SYNC=1 -- -short "${driver[@]}" "${engine[@]}"
mode "every access checked, random orders" _check MDLSTM_EMU_SEED=3 MDLSTM_POOL=0 -- -short "${driver[@]}" "${engine[@]}"
mode "ucontext fibers" _portable MDLSTM_EMU_SEED=4 -- -short "${driver[@]}" "${engine[@]}"
mode "AddressSanitizer, UBSan" _asan MDLSTM_EMU_SEED=5 MDLSTM_POOL=0 "${asan[@]}" -- -asan -short "${driver[@]}" "${engine[@]}"
