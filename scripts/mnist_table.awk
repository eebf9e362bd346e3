# bench/mnist.tsv as a markdown table.
BEGIN {
    FS = "\t"
    print "| split by seed | pixels wrong | images wrong | warped: pixels | warped: images | best step | minutes | CPU minutes |"
    print "|---|--:|--:|--:|--:|--:|--:|--:|"
}
NR == 1 { next }
{
    runs++
    for (i = 2; i <= 8; i++) sum[i] += $i
    printf "| %s | %.2f %% | %.1f %% | %.2f %% | %.1f %% | %d | %.1f | %.1f |\n", $1, 100 * $2, 100 * $3, 100 * $4, 100 * $5, $6, $7 / 60, $8 / 60
}
END {
    if (runs) printf "| mean | %.2f %% | %.1f %% | %.2f %% | %.1f %% | | %.1f | %.1f |\n", 100 * sum[2] / runs, 100 * sum[3] / runs,
        100 * sum[4] / runs, 100 * sum[5] / runs, sum[7] / runs / 60, sum[8] / runs / 60
}
