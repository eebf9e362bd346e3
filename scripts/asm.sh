#!/usr/bin/env bash
# The assembly of the CPU engine, which host/cpu/gen generates and git keeps, so
# that a build needs no generator.
#   scripts/asm.sh build   writes host/cpu/kernels_amd64.s and its declarations
#   scripts/asm.sh check   generates them anew and fails where they differ
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/gates.sh"
repository_root
require_go
generator_known host/cpu || die "the modules that host/cpu/gen imports can neither be found nor fetched: go mod download in host/cpu/gen says why"
case ${1:-} in
  build) generate_assembly host/cpu host/cpu/gen ;;
  check) gate_assembly host/cpu ;;
  *) die "no part ${1:-}: want build or check" ;;
esac
