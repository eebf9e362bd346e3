# bench/latency.tsv as a markdown table; with stats.awk and turns.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    turn($1, $2, $3, $4, $5)
    late[$1, $3, $4] = late[$1, $3, $4] " " $6
}
END {
    print "| case | engine | threads | median ms | least to most | 95th percentile ms | PyTorch / this |"
    print "|---|---|--:|--:|--:|--:|--:|"
    for (c = 1; c <= case_count; c++)
        for (e = 1; e <= engine_count; e++) {
            key = cases[c] SUBSEP engines[e]
            if (!(key in times)) continue
            split(engines[e], part, SUBSEP)
            torch = part[1] ~ /^torch/ ? "" : ratio(fastest("^torch", cases[c], part[2]), key)
            printf "| %s | %s | %s | %s | %s to %s | %s | %s |\n", cases[c], part[1], part[2], digits(median(times[key])),
                digits(least(times[key])), digits(most(times[key])), digits(median(late[key])), torch
        }
}
