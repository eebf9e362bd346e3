#!/usr/bin/env bash
# Trains on several ranks of Open MPI: they follow one process, to the same bits
# each time, stop and resume, and end when one of them dies. On the CPU engine and,
# where the emulator is built (make emulator), on that. Under a minute on 2 cores.
# More ranks than cores are started on purpose.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go
missing=$(mpi_missing) && die "$missing"
export MDLSTM_REQUIRE_MPI=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

built=mpi
if [ -f build/libcudaemu.so ] && ! cuda_missing >/dev/null; then
  cuda_ready
  export MDLSTM_CUDA_LIBRARY=$PWD/build/libcudaemu.so MDLSTM_REQUIRE_GPU=1
  built=mpi,cuda
else
  say "no build/libcudaemu.so (make emulator): on the CPU only"
fi

CGO_ENABLED=1 go test -c -tags mpi -o "$dir/dist.test" ./host/dist
"$dir/dist.test"
for ranks in 2 4; do
  say "--- the calls, $ranks ranks"
  mpirun --oversubscribe -n "$ranks" "$dir/dist.test" -test.run TestMPI
done
say "--- training"
CGO_ENABLED=1 go test -tags "$built" -count=1 -run TestMPI ./cmd/mdlstm-gpu
