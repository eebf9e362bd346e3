# bench/seeds.tsv as a markdown table; with scripts/stats.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    if (!($1 in relevant)) flags[++count] = $1
    relevant[$1] = relevant[$1] " " $4
    overall[$1] = overall[$1] " " $3
    runs[$1]++
}
END {
    print "| flags of train | runs | relevant loss, median | least to most | below 0.002 | above 0.5 | overall loss, median |"
    print "|---|--:|--:|--:|--:|--:|--:|"
    for (i = 1; i <= count; i++) {
        f = flags[i]
        printf "| `%s` | %d | %.4f | %.4f to %.4f | %d | %d | %.4f |\n", f, runs[f], median(relevant[f]), least(relevant[f]),
            most(relevant[f]), count_below(relevant[f], 0.002), runs[f] - count_below(relevant[f], 0.5), median(overall[f])
    }
}
