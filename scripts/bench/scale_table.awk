# A sweep of bench/scale.tsv as a markdown table, and the exponents of its growth;
# with scripts/stats.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    key = $2 SUBSEP $5 SUBSEP $7 SUBSEP $8 SUBSEP $9
    if (!(key in rows)) {
        if (!($2 in count)) engines[++engine_count] = $2
        points[$2, ++count[$2]] = key
        x[key] = $4; size[key] = $5; rows[key] = $6; batch[key] = $7; hidden[key] = $8; directions[key] = $9
        sweep = $1
    }
    step[key] = step[key] " " $10
    forward[key] = forward[key] " " $11
    buffers[key] = $12
    peak[key] = peak[key] " " $13
}

# slope is the exponent p of y = a·x^p that fits points from … to of an engine
# best: least squares of the logarithms.
function slope(engine, from, to, memory,    i, n, key, lx, ly, sx, sy, sxx, sxy) {
    for (i = from; i <= to; i++) {
        key = points[engine, i]
        lx = log(x[key])
        ly = log(memory ? buffers[key] : median(step[key]))
        n++; sx += lx; sy += ly; sxx += lx * lx; sxy += lx * ly
    }
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)
}

END {
    print "| size | batch | hidden | directions | engine | step ms | ns a row | exponent | forward ms | buffers MiB | bytes a row | exponent | peak MiB |"
    print "|---|--:|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    for (e = 1; e <= engine_count; e++)
        for (i = 1; i <= count[engines[e]]; i++) {
            key = points[engines[e], i]
            time = memory = ""
            if (i > 1 && x[key] > x[points[engines[e], i - 1]]) {
                time = sprintf("%.2f", slope(engines[e], i - 1, i, 0))
                memory = sprintf("%.2f", slope(engines[e], i - 1, i, 1))
            }
            ms = median(step[key])
            printf "| %s | %d | %d | %d | %s | %s | %s | %s | %s | %s | %.0f | %s | %s |\n", size[key], batch[key], hidden[key], directions[key],
                engines[e], digits(ms), digits(1e6 * ms / rows[key]), time, digits(median(forward[key])), digits(buffers[key]),
                1048576 * buffers[key] / rows[key], memory, peak[key] ~ /nan/ ? "" : digits(most(peak[key]))
        }
    if (sweep == "directions") exit # of several numbers of axes
    print ""
    for (e = 1; e <= engine_count; e++) {
        n = count[engines[e]]
        if (n < 2) continue
        from = n > 3 ? n - 2 : 1
        printf "%s: the best fit over all points has exponent %.2f for the time and %.2f for the buffers; over the largest %d, %.2f and %.2f.\n",
            engines[e], slope(engines[e], 1, n, 0), slope(engines[e], 1, n, 1), n - from + 1,
            slope(engines[e], from, n, 0), slope(engines[e], from, n, 1)
    }
}
