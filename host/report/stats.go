package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// lastSteps is how many steps at the end of a run its final losses average, as
// the seed's published figures do.
const lastSteps = 50

// FinalLoss is the mean of a column over the last steps, without those that have
// no value (NaN), as a step has none whose targets all do not count; NaN when none
// has one, not finite when one of them is infinite. n is how many steps these
// last ones are.
func FinalLoss(values []float64) (mean float64, n int) {
	last := values[max(0, len(values)-lastSteps):]
	with := 0.0
	for _, v := range last {
		if !math.IsNaN(v) {
			with++
			mean += (v - mean) / with
		}
	}
	if with == 0 {
		mean = math.NaN()
	}
	return mean, len(last)
}

// FinalSteps says which steps the final losses of some runs, at least one, are
// means of: "the last 50 steps".
func FinalSteps(runs []Run) string {
	fewest, most := lastSteps, 0
	for _, r := range runs {
		_, n := FinalLoss(r.Log.Overall)
		fewest, most = min(fewest, n), max(most, n)
	}
	if fewest < most {
		return fmt.Sprintf("the last %d to %d steps", fewest, most)
	}
	return "the last " + counted(most, "step")
}

// finiteMean is the mean of the finite values, NaN when there are none. It does
// not overflow.
func finiteMean(values []float64) float64 {
	mean, n := 0.0, 0.0
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		n++
		mean += v/n - mean/n
	}
	if n == 0 {
		return math.NaN()
	}
	return mean
}

// anyNumber says whether a column holds anything but NaN.
func anyNumber(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return !math.IsNaN(v) })
}

// percentile is the value below which a share p of the finite values lies
// (nearest rank); NaN when there are none.
func percentile(values []float64, p float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	if len(sorted) == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	rank := int(math.Ceil(p*float64(len(sorted)))) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}

// median is the middle of the finite values, the mean of the middle two where
// their number is even; NaN when there are none.
func median(values []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// total is the sum of the finite values.
func total(values []float64) (sum float64) {
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum += v
		}
	}
	return sum
}

// formatLoss writes a loss with three significant digits.
func formatLoss(v float64) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case v == 0:
		return "0"
	case math.IsInf(v, 0):
		return strconv.FormatFloat(v, 'g', -1, 64)
	case math.Abs(v) < 1e-4 || math.Abs(v) >= 1e6:
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// formatSeconds writes a duration in the unit a person would use.
func formatSeconds(s float64) string {
	three := func(v float64, unit string) string {
		digits := 2
		if v >= 100 {
			digits = 0
		} else if v >= 10 {
			digits = 1
		}
		return strconv.FormatFloat(v, 'f', digits, 64) + " " + unit
	}
	switch {
	case math.IsNaN(s) || math.IsInf(s, 0) || s < 0:
		return "unknown"
	case s == 0:
		return "0 s"
	case s < 0.9995e-3:
		return three(1e6*s, "µs")
	case s < 0.9995:
		return three(1e3*s, "ms")
	case s < 120:
		return three(s, "s")
	case s < 2*3600:
		return three(s/60, "min")
	}
	return three(s/3600, "h")
}
