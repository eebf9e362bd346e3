package report

import (
	"math"
	"testing"
)

func TestFinalLoss(t *testing.T) {
	ramp := make([]float64, 100)
	for i := range ramp {
		ramp[i] = float64(i)
	}
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
		n      int
	}{
		{"the last 50 of 100", ramp, 74.5, 50},
		{"fewer than 50", ramp[:3], 1, 3},
		{"NaN among the last", []float64{1, math.NaN(), 4}, 2.5, 3},
		{"only NaN", []float64{math.NaN()}, math.NaN(), 1},
		{"none", nil, math.NaN(), 0},
		{"huge", []float64{1e308, 1e308}, 1e308, 2},
	} {
		got, n := FinalLoss(c.values)
		if n != c.n || !(math.Abs(got-c.want) <= 1e-12*math.Abs(c.want) || math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%s: %g of %d, want %g of %d", c.name, got, n, c.want, c.n)
		}
	}
	if got, _ := FinalLoss([]float64{1, math.Inf(1), 1}); !math.IsNaN(got) && !math.IsInf(got, 0) {
		t.Errorf("infinity among the last: %g", got)
	}
}

func TestFinalSteps(t *testing.T) {
	of := func(steps ...int) (runs []Run) {
		for _, n := range steps {
			runs = append(runs, Run{Log: Columns{Overall: make([]float64, n)}})
		}
		return runs
	}
	for _, c := range []struct {
		runs []Run
		want string
	}{
		{of(100, 50), "the last 50 steps"}, {of(4, 4), "the last 4 steps"}, {of(1), "the last 1 step"}, {of(4, 100), "the last 4 to 50 steps"},
	} {
		if got := FinalSteps(c.runs); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{5, 1, math.NaN(), 4, math.Inf(1)}, 4},
		{[]float64{5, 1, 4, 2}, 3},
		{[]float64{7}, 7},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %g, want %g", c.values, got, c.want)
		}
	}
	if got := median([]float64{math.NaN()}); !math.IsNaN(got) {
		t.Errorf("of nothing: %g", got)
	}
}

func TestPercentile(t *testing.T) {
	values := []float64{5, math.NaN(), 1, 4, math.Inf(1), 2, 3}
	for _, c := range []struct{ p, want float64 }{{0, 1}, {0.2, 1}, {0.5, 3}, {0.95, 5}, {1, 5}} {
		if got := percentile(values, c.p); got != c.want {
			t.Errorf("percentile %g: %g, want %g", c.p, got, c.want)
		}
	}
	if values[0] != 5 || values[2] != 1 {
		t.Error("the values were sorted in place")
	}
	if got := percentile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("of nothing: %g", got)
	}
	if got := total(values); got != 15 {
		t.Errorf("total %g, want 15", got)
	}
	if got := finiteMean([]float64{math.MaxFloat64, math.NaN(), math.MaxFloat64}); math.IsInf(got, 0) || got < 1e308 {
		t.Errorf("mean of the largest numbers: %g", got)
	}
}

func TestFormats(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00102345: "0.00102", 0.83: "0.830", 12.345: "12.3", 1234.5: "1234",
		9.9e-5: "9.90e-05", 2.5e9: "2.50e+09", -0.5: "-0.500", math.Inf(1): "+Inf"} {
		if got := formatLoss(v); got != want {
			t.Errorf("loss %g: %q, want %q", v, got, want)
		}
	}
	if got := formatLoss(math.NaN()); got != "nan" {
		t.Errorf("loss NaN: %q", got)
	}
	for v, want := range map[float64]string{0: "0 s", 2.5e-7: "0.25 µs", 0.000682: "682 µs", 0.0241: "24.1 ms", 0.9999: "1.00 s",
		75: "75.0 s", 300: "5.00 min", 86400: "24.0 h", -1: "unknown", math.Inf(1): "unknown"} {
		if got := formatSeconds(v); got != want {
			t.Errorf("%g seconds: %q, want %q", v, got, want)
		}
	}
}
