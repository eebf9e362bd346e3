#!/usr/bin/env bash
# Holds host/cuda/driver/cuda.h and cuda_functions.h against NVIDIA's own cuda.h in the folder given: every prototype must
# be a redeclaration of theirs, and every number must be the same.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly VENDOR=$1 OURS=$PWD/host/cuda/driver WORK=$PWD/build/ptx-check
mkdir -p "$WORK"

{
    echo '#include <cuda.h>'
    echo '#define F(name, parameters, arguments) CUresult name parameters;'
    cat "$OURS/cuda_functions.h"
} > "$WORK/prototypes.c"
cc -fsyntax-only -I"$VENDOR" "$WORK/prototypes.c" || {
    echo "ptx: cuda_functions.h declares what NVIDIA's header does not" >&2
    exit 1
}

{
    printf '#include <stdio.h>\n#include <cuda.h>\nint main(void) {\n'
    grep -oE '^ +CU(DA)?_[A-Z0-9_]+ +=' "$OURS/cuda.h" | sed -E 's/[ =]//g; s/.*/printf("%s %d\\n", "&", (int)&);/'
    printf 'printf("CUdevprop %%d\\n", (int)sizeof(CUdevprop));\n'
    printf 'printf("launch %%d %%d\\n", (int)sizeof(CUlaunchConfig), (int)sizeof(CUlaunchAttribute));\n}\n'
} > "$WORK/numbers.c"
for which in "$VENDOR" "$OURS"; do
    cc -I"$which" "$WORK/numbers.c" -o "$WORK/numbers"
    "$WORK/numbers" > "$WORK/numbers.$([ "$which" = "$OURS" ] && echo ours || echo vendor)"
done
diff "$WORK/numbers.vendor" "$WORK/numbers.ours" || {
    echo "ptx: cuda.h has other numbers than NVIDIA's header" >&2
    exit 1
}
echo "ptx: $(grep -c . "$WORK/numbers.ours") numbers and $(grep -c '^F(' "$OURS/cuda_functions.h") prototypes agree with NVIDIA's cuda.h"
