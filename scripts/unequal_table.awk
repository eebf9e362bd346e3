# bench/unequal.tsv as a markdown table; with scripts/stats.awk. Times are of a
# pixel that exists: for padded ones, of a pixel of the pictures before padding.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    key = $1 FS $2
    if (!(key in pixels)) keys[++count] = key
    pictures[key] = $4
    pixels[key] = $5
    largest[key] = $6
    seconds[key] = seconds[key] " " $7
    exist = $5
    if ($2 == "padded") exist = pixels[$1 FS "unequal"]
    ns = 1e9 * $7 / exist
    if ($2 == "equal") base[$1 FS $3] = ns
    each[key] = each[key] " " ns
    ratio[key] = ratio[key] " " ns / base[$1 FS $3] # against what stood beside it in time
}
END {
    print "| pictures | variant | number | largest | pixels computed | ms an epoch | least to most | ns a pixel that exists | against equal sizes |"
    print "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    for (i = 1; i <= count; i++) {
        split(keys[i], part, FS)
        printf "| %s | %s | %d | %s | %d | %.0f | %.0f to %.0f | %.0f | %.2f |\n", part[1], part[2], pictures[keys[i]], largest[keys[i]],
            pixels[keys[i]], 1e3 * median(seconds[keys[i]]), 1e3 * least(seconds[keys[i]]), 1e3 * most(seconds[keys[i]]), median(each[keys[i]]), median(ratio[keys[i]])
    }
}
