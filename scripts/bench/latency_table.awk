# bench/latency.tsv as a markdown table; with stats.awk and turns.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    turn($1, $2, $3, $4, $5)
    late[$1, $3, $4] = late[$1, $3, $4] " " $6
}
function rest(key, name, engine, threads) {
    return digits(median(late[key])) " | " (engine ~ /^torch/ ? "" : ratio(fastest("^torch", name, threads), key))
}
END {
    print "| case | engine | threads | median ms | least to most | 95th percentile ms | PyTorch / this |"
    print "|---|---|--:|--:|--:|--:|--:|"
    table()
}
