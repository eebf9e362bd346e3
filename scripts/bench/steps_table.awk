# bench/cpu.tsv or gpu.tsv as a markdown table; with stats.awk and turns.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    turn($1, $2, $3, $4, $5)
    forward[$1, $3, $4] = forward[$1, $3, $4] " " $7
}
END {
    print "| case | engine | threads | step ms | least to most | forward ms | PyTorch / this | TensorFlow / this | 1 thread / this |"
    print "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for (c = 1; c <= case_count; c++)
        for (e = 1; e <= engine_count; e++) {
            key = cases[c] SUBSEP engines[e]
            if (!(key in times)) continue
            split(engines[e], part, SUBSEP)
            torch = tensorflow = gain = ""
            if (part[1] !~ /^torch/ && part[1] != "tensorflow") {
                torch = ratio(fastest("^torch", cases[c], part[2]), key)
                tensorflow = ratio(fastest("^tensorflow$", cases[c], part[2]), key)
            }
            if (part[2] != 1) gain = ratio(cases[c] SUBSEP part[1] SUBSEP 1, key)
            printf "| %s | %s | %s | %s | %s to %s | %s | %s | %s | %s |\n", cases[c], part[1], part[2], digits(median(times[key])),
                digits(least(times[key])), digits(most(times[key])), digits(median(forward[key])), torch, tensorflow, gain
        }
}
