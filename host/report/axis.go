package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// tick is a labelled place on an axis.
type tick struct {
	at    float64
	label string
}

// linearTicks places about n ticks at round numbers (1, 2 or 5 times a power of
// ten) from lo to hi. There are none when the range is empty or not finite.
func linearTicks(lo, hi float64, n int) []tick {
	step := roundStep((hi - lo) / float64(n))
	if !(step > 0) || math.IsInf(step, 0) {
		return nil
	}
	var ticks []tick
	first := math.Ceil(lo/step-1e-9) + 0 // + 0 makes 0 of -0
	for k := first; k*step <= hi+1e-9*step && len(ticks) < 4*n; k++ {
		ticks = append(ticks, tick{k * step, tickLabel(k * step)})
	}
	return ticks
}

// stepTicks is linearTicks for whole steps: no tick lies between two steps.
func stepTicks(lo, hi float64, n int) []tick {
	step := max(1, roundStep((hi-lo)/float64(n)))
	var ticks []tick
	for k := math.Ceil(lo/step) + 0; k*step <= hi && len(ticks) < 4*n; k++ {
		ticks = append(ticks, tick{k * step, groupDigits(int64(k * step))})
	}
	return ticks
}

// logTicks places ticks on a logarithmic axis from 10^lo to 10^hi; their at is
// the logarithm. A narrow axis gets round numbers, a medium one 1, 2 and 5 in
// each decade, a wide one every decade or every few.
func logTicks(lo, hi float64) []tick {
	var ticks []tick
	switch span := hi - lo; {
	case span < 0.9:
		for _, t := range linearTicks(math.Pow(10, lo), math.Pow(10, hi), 5) {
			if t.at > 0 {
				ticks = append(ticks, tick{math.Log10(t.at), t.label})
			}
		}
	case span < 2.2:
		for decade := math.Floor(lo); decade <= hi; decade++ {
			for _, m := range []float64{1, 2, 5} {
				if at := decade + math.Log10(m); at >= lo && at <= hi {
					ticks = append(ticks, tick{at, tickLabel(m * math.Pow(10, decade))})
				}
			}
		}
	default:
		every := math.Ceil(span / 7)
		for decade := every * math.Ceil(lo/every); decade <= hi; decade += every {
			ticks = append(ticks, tick{decade, tickLabel(math.Pow(10, decade))})
		}
	}
	return ticks
}

// roundStep is the least of 1, 2, 5 times a power of ten that is at least x.
func roundStep(x float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= x*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// tickLabel writes a round number, without the noise of its last bits and with
// short exponents.
func tickLabel(v float64) string {
	text := strconv.FormatFloat(v, 'g', 6, 64)
	mantissa, exponent, found := strings.Cut(text, "e")
	if !found {
		return text
	}
	sign := ""
	if exponent[0] == '-' {
		sign = "-"
	}
	return fmt.Sprintf("%se%s%s", mantissa, sign, strings.TrimLeft(exponent, "+-0"))
}

// groupDigits writes n with a comma every three digits.
func groupDigits(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for at := len(text) - 3; at > first; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
