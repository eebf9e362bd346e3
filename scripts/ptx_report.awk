# Reads a PTX file (for .maxntid) and then the report of `ptxas -v` on it; prints a line a kernel: registers a thread,
# bytes of static shared memory a block, threads a block, and the share of a multiprocessor's warps that fit at a time.
# Dynamic shared memory, which the launch decides, is not in it. -v target=90.

BEGIN {
    # CUDA C++ Programming Guide, technical specifications per compute capability: warps, blocks, shared KiB.
    split("75:32:16:64 80:64:32:164 86:48:16:100 89:48:24:100 90:64:32:228 100:64:32:228 120:48:24:100", all, " ")
    for (i in all) {
        split(all[i], f, ":")
        if (f[1] == target) { max_warps = f[2]; max_blocks = f[3]; max_shared = f[4] * 1024 }
    }
    if (!max_warps) { print "ptx_report: no limits known for sm_" target > "/dev/stderr"; exit 1 }
}

FNR == NR && /\.entry / { name = $0; sub(/.*\.entry /, "", name); sub(/\(.*/, "", name) }
FNR == NR && /^\.maxntid/ { gsub(/[,]/, " "); threads[name] = $2 * ($3 ? $3 : 1) * ($4 ? $4 : 1) }
FNR == NR { next }

/Compiling entry function/ { split($0, q, "'"); kernel = q[2] }
/Used [0-9]+ registers/ {
    registers = shared = 0
    for (i = 1; i <= NF; i++) {
        if ($i == "registers," || $i == "registers") { registers = $(i - 1) }
        if ($i == "smem" || $i == "smem,") { shared = $(i - 2) }
    }
    n = threads[kernel] ? threads[kernel] : 1024
    warps = int((n + 31) / 32)
    a_warp = int((registers * 32 + 255) / 256) * 256          # registers are given out by 256 a warp
    blocks = int(int(65536 / a_warp) / warps)
    if (blocks > max_blocks) { blocks = max_blocks }
    if (blocks * warps > max_warps) { blocks = int(max_warps / warps) }
    per_block = shared + (target >= 80 ? 1024 : 0)            # 1 KiB a block is the system's from sm_80 on
    if (per_block && blocks * per_block > max_shared) { blocks = int(max_shared / per_block) }
    printf "%-24s sm_%-4s %9d %7d %7d %8d%%\n", kernel, target, registers, shared, n, 100 * blocks * warps / max_warps
}
