package gputest

import (
	"errors"
	"fmt"
	"math"
	"testing"
)

// TestNear feeds the comparison right and wrong answers.
func TestNear(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name      string
		got, want []float64
		ok        bool
	}{
		{"equal", []float64{1, 2}, []float64{1, 2}, true},
		{"within", []float64{1.05, -2}, []float64{1, -2}, true},
		{"beyond", []float64{1, 2.5}, []float64{1, 2}, false},
		{"wrong sign", []float64{-1}, []float64{1}, false},
		{"NaN got", []float64{nan}, []float64{1}, false},
		{"NaN wanted", []float64{1}, []float64{nan}, false},
		{"both NaN", []float64{nan}, []float64{nan}, false},
		{"infinite got", []float64{inf}, []float64{1}, false},
		{"infinite wanted", []float64{1}, []float64{inf}, false},
		{"both infinite", []float64{inf}, []float64{inf}, true},
		{"opposite infinities", []float64{-inf}, []float64{inf}, false},
		{"shorter", []float64{1}, []float64{1, 2}, false},
		{"empty", nil, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Near("x", c.got, c.want, 0.05, 0.05); (err == nil) != c.ok {
				t.Errorf("Near(%v, %v): %v, want ok %v", c.got, c.want, err, c.ok)
			}
		})
	}
}

type recorder struct{ fatal, skip string }

func (r *recorder) Helper()                        {}
func (r *recorder) Fatalf(format string, a ...any) { r.fatal = fmt.Sprintf(format, a...) }
func (r *recorder) Skipf(format string, a ...any)  { r.skip = fmt.Sprintf(format, a...) }

// TestRefuse: a missing GPU skips loudly, and fails where one is required.
func TestRefuse(t *testing.T) {
	var skipped, failed recorder
	refuse(&skipped, false, errors.New("no driver"))
	refuse(&failed, true, errors.New("no driver"))
	if skipped.skip == "" || skipped.fatal != "" || failed.fatal == "" || failed.skip != "" {
		t.Errorf("not required: %+v; required: %+v", skipped, failed)
	}
}
