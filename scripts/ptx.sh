#!/usr/bin/env bash
# Compiles kernels/*.cu to PTX, and checks the PTX that is committed.
#
#   scripts/ptx.sh build   writes kernels/ptx (and the tests' kernels/testdata/*.ptx); with NVCC= only build/ptx
#   scripts/ptx.sh tools   installs the compilers, if they are not there
#   scripts/ptx.sh check   compiles anew, compares, assembles for every target, and prints what each kernel takes
#
# The compiler is nvcc 13.0.88, so that everybody's PTX is the same: the one in PATH if it is that version, else from
# NVIDIA's Python packages, installed into build/ (pip and a network are needed once). NVCC= names any other compiler,
# whose PTX is not comparable and therefore never overwrites the committed one.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly NVCC_VERSION=V13.0.88
readonly TOOLS=build/cuda13 OLD_TOOLS=build/cuda12   # relative: the compiler sees these paths
readonly TARGETS="75 80 86 89 90 100 120"   # that ptxas 13.0 assembles for
readonly OLD_TARGETS="75 80 86 89 90"       # that ptxas 12.0 knows

say() { printf '%s\n' "$*" >&2; }
die() { say "ptx: $*"; exit 1; }

# install FOLDER FILE PACKAGE…: Python packages into a folder, unless FILE is there.
install() {
    local folder=$1 file=$2
    shift 2
    [ -x "$folder/$file" ] && return
    say "ptx: installing $* into $folder"
    rm -rf "$folder"
    python3 -m pip install --quiet --no-deps --disable-pip-version-check --root-user-action ignore --target "$folder" "$@" ||
        die "pip could not install the compiler: put nvcc 13.0.88 in PATH, or name another with NVCC="
}

# find_nvcc: prints the path of the pinned compiler.
find_nvcc() {
    local found
    if found=$(command -v nvcc) && "$found" --version | grep -q "$NVCC_VERSION"; then
        echo "$found"
        return
    fi
    install "$TOOLS" nvidia/cu13/bin/nvcc nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 \
        'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*'
    echo "$TOOLS/nvidia/cu13/bin/nvcc"
}

# variants FILE: the compute capabilities to compile for, from the line "// variants: 75 80" of its header; else 75.
variants() {
    local named
    named=$(sed -n 's|^// variants: ||p' "$1")
    echo "${named:-75}"
}

# lower IN OUT: nvcc 13.0 writes PTX ISA 9.0, which drivers before R580 refuse, though the kernels use nothing beyond
# 8.0 (R525). The used_bytes_mask hints go too: ptxas 13 refuses them below 8.3. A hash of the
# source's path in names is nothing to compare.
lower() {
    [ "$(grep -c '^\.version 9\.0$' "$1")" = 1 ] || die "$1: want one line .version 9.0"
    sed -e 's/^\.version 9\.0$/.version 8.0/' -e '/\.pragma "used_bytes_mask/d' \
        -e 's/_INTERNAL_[0-9a-f]\{8\}_/_INTERNAL_00000000_/g' "$1" > "$2"
}

# compile NVCC FILE ARCH OUT [NAME]: what nvcc -ptx does, but that the compiler proper is told the same path wherever the
# sources lie: it puts a hash of it into the names of internal functions, and some orders follow the hash.
# Others follow the addresses of its own data, which differ from run to run: one compilation in about 30 has a few lines
# otherwise. So what is committed is what two compilations in a row agree on (settle), and a compilation that differs from
# it is repeated, under other names, before it counts (same).
compile() {
    local steps cicc
    steps=$("$1" --dryrun -ptx -arch="compute_$3" -std=c++17 -O3 -Werror all-warnings "$2" -o "$4.9" 2>&1 | sed -n 's/^#\$ //p')
    cicc=$(sed -n 's/^CICC_PATH=//p' <<< "$steps")
    # shellcheck disable=SC2016 # the variable is in nvcc's own text
    steps=$(grep -e '^gcc ' -e '^"\$CICC_PATH/cicc" ' <<< "$steps" | sed -E \
        -e 's|--orig_src_path_name "[^"]*"|--orig_src_path_name "/kernels/'"${5:-source}"'.cu"|' \
        -e 's|--include_file_name "[^"]*"|--include_file_name "source.fatbin.c"|')
    [ "$(grep -c . <<< "$steps")" = 2 ] || die "$2: nvcc --dryrun has other steps than gcc and cicc: $steps"
    # shellcheck disable=SC2034 # the steps name it
    (set -e; CICC_PATH=$cicc; eval "$steps") || die "$2 does not compile"
    lower "$4.9" "$4"
    # shellcheck disable=SC2046 # one temporary file
    rm "$4.9" $(grep -o '/[^" ]*/tmpxft_[^" ]*\.ii' <<< "$steps" | sort -u)
}

# compile_all HOW NVCC FOLDER: every kernel file into FOLDER/ptx, the tests' into FOLDER/testdata; HOW is compile or settle.
compile_all() {
    local file arch sub
    mkdir -p "$3/ptx" "$3/testdata"
    for file in kernels/*.cu kernels/testdata/*.cu; do
        sub=ptx
        case $file in kernels/testdata/*) sub=testdata ;; esac
        for arch in $(variants "$file"); do
            "$1" "$2" "$file" "$arch" "$3/$sub/$(basename "$file" .cu).$arch.ptx"
        done
    done
}

# settle NVCC FILE ARCH OUT: compiles until two in a row are the same.
settle() {
    local last=build/ptx-last
    compile "$1" "$2" "$3" "$4"
    while true; do
        cp "$4" "$last"
        compile "$1" "$2" "$3" "$4"
        cmp -s "$4" "$last" && break
    done
    rm "$last"
}

build() {
    if [ -n "${NVCC:-}" ]; then
        compile_with_other "$NVCC"
        return
    fi
    mkdir -p build
    compile_all settle "$(find_nvcc)" kernels
}

# same COMMITTED NVCC FILE ARCH COMPILED: whether the committed PTX is what the source compiles to, in one of a few
# compilations. Prints the first difference if not.
same() {
    local try
    cmp -s "$1" "$5" && return
    for try in 1 2 3 4 5 6 7 8 9 10 11 12; do
        say "ptx: $3 compiled to something else than $1; once more ($try of 12)"
        compile "$2" "$3" "$4" "$5.again" "source$try"
        cmp -s "$1" "$5.again" && return
    done
    diff -u "$1" "$5"
}

# compare NVCC FOLDER: the committed PTX with FOLDER's, both ways.
compare() {
    local file arch sub name
    diff <(cd kernels && ls ptx testdata/*.ptx) <(cd "$2" && ls ptx testdata/*.ptx) ||
        die "kernels/ptx and the sources have other names: make ptx"
    for file in kernels/*.cu kernels/testdata/*.cu; do
        sub=ptx
        case $file in kernels/testdata/*) sub=testdata ;; esac
        for arch in $(variants "$file"); do
            name=$sub/$(basename "$file" .cu).$arch.ptx
            same "kernels/$name" "$1" "$file" "$arch" "$2/$name" ||
                die "kernels/$name is not what the sources compile to: make ptx"
        done
    done
}

# compile_with_other NVCC: not lowered, since another compiler writes another version.
compile_with_other() {
    local file arch
    mkdir -p build/ptx
    for file in kernels/*.cu; do
        for arch in $(variants "$file"); do
            "$1" -ptx -arch="compute_$arch" -std=c++17 -O3 "$file" -o "build/ptx/$(basename "$file" .cu).$arch.ptx"
        done
    done
    say "ptx: build/ptx holds the PTX of $NVCC; kernels/ptx is as it was"
}

# assemble PTXAS TARGET FILE: the gate. Prints ptxas's report; fails on a spill or a double.
assemble() {
    "$1" -arch="sm_$2" -v --warn-on-spills --warn-on-double-precision-use -Werror "$3" -o /dev/null 2>&1
}

# refuses PTXAS FILE TARGET WHY: the gate itself must be able to fail.
refuses() {
    local report
    if report=$(assemble "$1" "$3" "$2"); then
        die "the gate let $2 pass on sm_$3, which $4"
    fi
    grep -qi "$4" <<< "$report" || die "the gate refused $2 on sm_$3, but not because it $4: $report"
}

check() {
    local nvcc ptxas old file arch target report failed=0 work=build/ptx-check
    nvcc=$(find_nvcc)
    ptxas=$(dirname "$nvcc")/ptxas
    install "$OLD_TOOLS" nvidia/cuda_nvcc/bin/ptxas nvidia-cuda-nvcc-cu12==12.0.140
    old=$OLD_TOOLS/nvidia/cuda_nvcc/bin/ptxas
    rm -rf "$work"
    compile_all compile "$nvcc" "$work"
    for file in spills:spill doubles:double; do
        compile "$nvcc" "kernels/testdata/refused/${file%:*}.cu" 75 "$work/${file%:*}.ptx"
        refuses "$ptxas" "$work/${file%:*}.ptx" 75 "${file#*:}"
        refuses "$old" "$work/${file%:*}.ptx" 75 "${file#*:}"
    done
    compare "$nvcc" "$work"
    scripts/ptx_abi.sh "$(dirname "$nvcc")/../include"

    printf '%-24s %-7s %9s %7s %7s %9s\n' kernel target registers shared threads occupancy
    for file in kernels/ptx/*.ptx; do
        arch=${file%.ptx}
        arch=${arch##*.}
        for target in $TARGETS; do
            [ "$target" -ge "$arch" ] || continue
            if ! report=$(assemble "$ptxas" "$target" "$file"); then
                say "$report"
                say "ptx: $file does not pass for sm_$target with ptxas 13.0"
                failed=1
                continue
            fi
            awk -v target="$target" -f scripts/ptx_report.awk "$file" <(printf '%s\n' "$report")
        done
        for target in $OLD_TARGETS; do
            [ "$target" -ge "$arch" ] || continue
            if ! report=$(assemble "$old" "$target" "$file"); then
                say "$report"
                say "ptx: $file does not pass for sm_$target with ptxas 12.0"
                failed=1
            fi
        done
    done
    [ "$failed" = 0 ] || exit 1
    say "ptx: as committed, no spills, no doubles, ptxas 13.0 (sm_${TARGETS// / sm_}) and 12.0 (sm_${OLD_TARGETS// / sm_})"
}

# tools: what build and check need, installed.
tools() {
    find_nvcc
    install "$OLD_TOOLS" nvidia/cuda_nvcc/bin/ptxas nvidia-cuda-nvcc-cu12==12.0.140
}

case ${1:-} in
build | check | tools) "$1" ;;
*) die "usage: scripts/ptx.sh build|check|tools" ;;
esac
