# bench/cpu.tsv or gpu.tsv as a markdown table; with stats.awk and turns.awk.
BEGIN { FS = "\t" }
NR == 1 { next }
{
    turn($1, $2, $3, $4, $5)
    forward[$1, $3, $4] = forward[$1, $3, $4] " " $7
}
function rest(key, name, engine, threads,    torch, tensorflow, gain) {
    if (engine !~ /^torch/ && engine != "tensorflow") {
        torch = ratio(fastest("^torch", name, threads), key)
        tensorflow = ratio(fastest("^tensorflow$", name, threads), key)
    }
    if (threads != 1) gain = ratio(name SUBSEP engine SUBSEP 1, key)
    return digits(median(forward[key])) " | " torch " | " tensorflow " | " gain
}
END {
    print "| case | engine | threads | step ms | least to most | forward ms | PyTorch / this | TensorFlow / this | 1 thread / this |"
    print "|---|---|--:|--:|--:|--:|--:|--:|--:|"
    table()
}
