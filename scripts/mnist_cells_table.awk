# bench/mnist_cells.tsv as a markdown table; with scripts/stats.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    if (!($1 in runs)) cells[++count] = $1
    runs[$1]++
    if ($8 != "") {
        stopped[$1]++
        steps[$1] = steps[$1] (steps[$1] ? ", " : "") $8
        next
    }
    pixel[$1] = pixel[$1] " " $3
    image[$1] = image[$1] " " $4
    seconds[$1] = seconds[$1] " " $7
}
function percent(list) { return sprintf("%.1f %%", 100 * list) }
END {
    print "| cell | runs | stopped by NaN, at step | pixels wrong, median | least to most | images wrong, median | least to most | CPU seconds |"
    print "|---|--:|---|--:|--:|--:|--:|--:|"
    for (i = 1; i <= count; i++) {
        c = cells[i]
        if (!(c in pixel)) {
            printf "| %s | %d | %d: %s | | | | | |\n", c, runs[c], stopped[c], steps[c]
            continue
        }
        printf "| %s | %d | %s | %s | %s to %s | %s | %s to %s | %.0f |\n", c, runs[c], stopped[c] ? stopped[c] ": " steps[c] : "none",
            percent(median(pixel[c])), percent(least(pixel[c])), percent(most(pixel[c])),
            percent(median(image[c])), percent(least(image[c])), percent(most(image[c])), median(seconds[c])
    }
}
