#!/usr/bin/env bash
# Makes build/gpu-bundle.tar.gz, and the folder that is packed in it: all that
# scripts/gpu_check.sh needs on a machine that has NVIDIA's driver and a GPU, but
# neither Go nor a network: the program, the tests of the GPU code, and the
# script. Copy the file there, unpack it and run ./gpu_check.sh in the folder. The
# machine needs a C library as new as this one's.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
repository_root
require_go
if missing=$(cuda_missing); then die "$missing"; fi
cuda_ready

out=build/gpu-bundle
limit=$((40 << 20))
rm -rf "$out"
mkdir -p "$out/kernels" "$out/host/cuda" "$out/host/gpu"
# Without OpenBLAS, which need not be there.
go build -trimpath -tags cuda -ldflags '-s -w' -o "$out/mdlstm-gpu" ./cmd/mdlstm-gpu
for package in host/cuda host/gpu kernels; do
  go test -c -trimpath -tags cuda -ldflags '-s -w' -o "$out/${package##*/}.test" "./$package"
done
# Tests run where their package is, and read some of its files.
cp -r kernels/*.cu kernels/*.cuh kernels/testdata "$out/kernels/"
cp -r host/cuda/driver "$out/host/cuda/"
cp scripts/gpu_check.sh "$out/"
tar -czf "$out.tar.gz" -C "${out%/*}" "${out##*/}"
bytes=$(stat -c %s "$out.tar.gz")
[ "$bytes" -le "$limit" ] || die "$out.tar.gz has $bytes bytes, more than $limit"
say "$out.tar.gz: $((bytes >> 20)) MiB: copy it to the GPU's machine, tar -xzf it and run gpu-bundle/gpu_check.sh there"
