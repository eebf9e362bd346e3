# Functions for the tables: medians and extremes of lists that are kept as text,
# numbers separated by blanks.

# sorted fills out[1 … n] with the numbers of list in rising order and returns n.
function sorted(list, out,    n, i, j, x) {
    n = split(list, out, " ")
    for (i = 2; i <= n; i++) {
        x = out[i] + 0
        for (j = i - 1; j >= 1 && out[j] + 0 > x; j--) out[j + 1] = out[j]
        out[j + 1] = x
    }
    return n
}

function median(list,    v, n) {
    n = sorted(list, v)
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

function least(list,    v) { sorted(list, v); return v[1] }

function most(list,    v, n) { n = sorted(list, v); return v[n] }

# count_below counts the numbers of list below a bound.
function count_below(list, bound,    v, n, i, count) {
    n = sorted(list, v)
    for (i = 1; i <= n; i++) if (v[i] + 0 < bound) count++
    return count + 0
}

# digits writes x with three significant digits, without an exponent.
function digits(x) {
    if (x >= 99.95) return sprintf("%.0f", x)
    if (x >= 9.995) return sprintf("%.1f", x)
    if (x >= 0.9995) return sprintf("%.2f", x)
    return sprintf("%.3g", x)
}
