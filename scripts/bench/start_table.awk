# bench/start.tsv as a markdown table; with scripts/stats.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    if (!($1 in times)) names[++count] = $1
    times[$1] = times[$1] " " $3
    wanted[$1] = $4
}
END {
    print "| from the start to | runs | median ms | least to most | wanted |"
    print "|---|--:|--:|--:|---|"
    for (i = 1; i <= count; i++) {
        ms = median(times[names[i]])
        verdict = wanted[names[i]] == "" ? "" : sprintf("below %d: %s", wanted[names[i]], ms < wanted[names[i]] ? "yes" : "NO")
        printf "| %s | %d | %s | %s to %s | %s |\n", names[i], split(times[names[i]], list, " "), digits(ms),
            digits(least(times[names[i]])), digits(most(times[names[i]])), verdict
    }
}
