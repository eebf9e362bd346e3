# bench/cpu.tsv or gpu.tsv as a markdown table; with scripts/stats.awk. The
# PyTorch of the ratios is the fastest of those measured.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    key = $1 SUBSEP $3 SUBSEP $4
    if (!($1 in seen_case)) { seen_case[$1] = 1; cases[++case_count] = $1 }
    if (!(($3, $4) in seen_engine)) { seen_engine[$3, $4] = 1; engines[++engine_count] = $3 SUBSEP $4 }
    step[key] = step[key] " " $5
    forward[key] = forward[key] " " $7
}
function fastest_torch(name,   i, key, part, ms, best) {
    for (i = 1; i <= engine_count; i++) {
        split(engines[i], part, SUBSEP)
        key = name SUBSEP engines[i]
        if (part[1] !~ /^torch/ || !(key in step)) continue
        ms = median(step[key])
        if (!best || ms < best) best = ms
    }
    return best
}
END {
    print "| case | engine | threads | step ms | least to most | forward ms | PyTorch / this | 1 thread / this |"
    print "|---|---|--:|--:|--:|--:|--:|--:|"
    for (c = 1; c <= case_count; c++)
        for (e = 1; e <= engine_count; e++) {
            key = cases[c] SUBSEP engines[e]
            if (!(key in step)) continue
            split(engines[e], part, SUBSEP)
            ms = median(step[key])
            torch = fastest_torch(cases[c])
            alone = cases[c] SUBSEP part[1] SUBSEP 1
            faster = part[1] !~ /^torch/ && torch ? digits(torch / ms) : ""
            gain = part[2] != 1 && (alone in step) ? digits(median(step[alone]) / ms) : ""
            printf "| %s | %s | %s | %s | %s to %s | %s | %s | %s |\n", cases[c], part[1], part[2], digits(ms),
                digits(least(step[key])), digits(most(step[key])), digits(median(forward[key])), faster, gain
        }
}
