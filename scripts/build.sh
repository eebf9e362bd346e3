#!/usr/bin/env bash
# Builds bin/mdlstm-gpu, the fastest that this machine can build.
#   BLAS=builtin|openblas      openblas: link OpenBLAS too, for --blas openblas
#   CUDA=auto|1|0              NVIDIA GPUs: wherever there is a C compiler (auto)
#   MPI=0|1                    train --distributed, with Open MPI
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go
choose_build

# The commit comes from go itself, which stamps it where git works; the release
# is the tag, where there is one.
flags=()
if version=$(git describe --tags --dirty 2>/dev/null); then flags=(-ldflags "-X main.version=${version#v}"); fi
go build -trimpath -buildvcs=auto -tags "$(tag_list)" "${flags[@]}" -o bin/mdlstm-gpu ./cmd/mdlstm-gpu
say "built bin/mdlstm-gpu"
