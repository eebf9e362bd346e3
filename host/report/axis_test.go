package report

import (
	"math"
	"strings"
	"testing"
)

func labels(ticks []tick) string {
	var names []string
	for _, t := range ticks {
		names = append(names, t.label)
	}
	return strings.Join(names, " ")
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name string
		got  []tick
		want string
	}{
		{"unit", linearTicks(0, 1, 5), "0 0.2 0.4 0.6 0.8 1"},
		{"signed", linearTicks(-1.1, 1.3, 5), "-1 -0.5 0 0.5 1"},
		{"tiny", linearTicks(0, 3e-9, 3), "0 1e-9 2e-9 3e-9"},
		{"no range", linearTicks(1, 1, 5), ""},
		{"not finite", linearTicks(math.NaN(), 1, 5), ""},
		{"too wide", linearTicks(-math.MaxFloat64, math.MaxFloat64, 5), ""},
		{"steps", stepTicks(0, 999, 5), "0 200 400 600 800"},
		{"few steps", stepTicks(0, 3, 6), "0 1 2 3"},
		{"one step", stepTicks(0, 1, 6), "0 1"},
		{"many steps", stepTicks(0, 2e6, 4), "0 500,000 1,000,000 1,500,000 2,000,000"},
		{"decades", logTicks(-5, 0), "1e-5 0.0001 0.001 0.01 0.1 1"},
		{"1 2 5", logTicks(-2, -0.9), "0.01 0.02 0.05 0.1"},
		{"narrow", logTicks(math.Log10(0.11), math.Log10(0.16)), "0.11 0.12 0.13 0.14 0.15 0.16"},
		{"huge", logTicks(-300, 300), "1e-258 1e-172 1e-86 1 1e86 1e172 1e258"},
	} {
		if got := labels(c.got); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLogTicksAreEnough(t *testing.T) {
	for span := 0.2; span < 20; span += 0.07 {
		for _, lo := range []float64{-7.3, -1, 0.4} {
			if n := len(logTicks(lo, lo+span)); n < 2 || n > 12 {
				t.Errorf("%d ticks from 10^%g over %g decades", n, lo, span)
			}
		}
	}
}

func TestGroupDigits(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", -999: "-999", 1000: "1,000", -123456: "-123,456",
		math.MinInt64: "-9,223,372,036,854,775,808"} {
		if got := groupDigits(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
