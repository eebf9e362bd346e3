# Functions for tables of engines that took turns; with scripts/stats.awk. Times
# are kept by case, engine and threads, and by round, so that ratios compare what
# stood beside each other.

# turn notes how long an engine took in a round of a case.
function turn(name, round, engine, threads, ms,    key) {
    key = name SUBSEP engine SUBSEP threads
    if (!(name in seen_case)) { seen_case[name] = 1; cases[++case_count] = name }
    if (!((engine, threads) in seen_engine)) { seen_engine[engine, threads] = 1; engines[++engine_count] = engine SUBSEP threads }
    times[key] = times[key] " " ms
    at[key, round] = ms
    if (!(round in seen_round)) { seen_round[round] = 1; rounds[++round_count] = round }
}

# fastest is the key of the engine that was fastest in a case, of those whose name
# matches a pattern and which had at most so many threads; "" where there is none.
function fastest(pattern, name, threads,    i, part, key, ms, best, found) {
    for (i = 1; i <= engine_count; i++) {
        split(engines[i], part, SUBSEP)
        key = name SUBSEP engines[i]
        if (part[1] !~ pattern || part[2] > threads || !(key in times)) continue
        ms = median(times[key])
        if (found == "" || ms < best) { best = ms; found = key }
    }
    return found
}

# ratio is the median over the rounds of how much longer a took than b, "" where
# no round has both.
function ratio(a, b,    i, list) {
    for (i = 1; i <= round_count; i++)
        if (((a, rounds[i]) in at) && ((b, rounds[i]) in at)) list = list " " at[a, rounds[i]] / at[b, rounds[i]]
    return list == "" ? "" : digits(median(list))
}

# table prints a line for each engine of each case: its times, and what rest, which
# each table defines, has to add.
function table(    c, e, part, key) {
    for (c = 1; c <= case_count; c++)
        for (e = 1; e <= engine_count; e++) {
            key = cases[c] SUBSEP engines[e]
            if (!(key in times)) continue
            split(engines[e], part, SUBSEP)
            printf "| %s | %s | %s | %s | %s to %s | %s |\n", cases[c], part[1], part[2], digits(median(times[key])),
                digits(least(times[key])), digits(most(times[key])), rest(key, cases[c], part[1], part[2])
        }
}
