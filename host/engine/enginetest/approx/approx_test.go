package approx

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name      string
		got, want []float64
		tol       Tolerance
		share     float64
		pass      bool
	}{
		{"equal", []float64{1, 2}, []float64{1, 2}, Tolerance{}, 0, true},
		{"empty", nil, nil, Tolerance{}, 0, true},
		{"just inside", []float64{1.5}, []float64{1}, Tolerance{Abs: 0.25, Rel: 0.25}, 1, true},
		{"just outside", []float64{1.51}, []float64{1}, Tolerance{Abs: 0.25, Rel: 0.25}, 1.02, false},
		{"outside below", []float64{0.4}, []float64{1}, Tolerance{Abs: 0.5}, 1.2, false},
		{"relative to want, not to got", []float64{100}, []float64{1}, Tolerance{Rel: 0.5}, 198, false},
		{"the second is worst", []float64{1.1, 3}, []float64{1, 2}, Tolerance{Abs: 10}, 0.1, true},
		{"no tolerance", []float64{1}, []float64{1 + 1e-15}, Tolerance{}, inf, false},
		{"got NaN", []float64{nan}, []float64{1}, Tolerance{Abs: 1e9}, inf, false},
		{"want NaN", []float64{1}, []float64{nan}, Tolerance{Abs: 1e9}, inf, false},
		{"both NaN", []float64{nan}, []float64{nan}, Tolerance{Abs: 1e9}, inf, false},
		{"same infinity", []float64{inf}, []float64{inf}, Tolerance{}, 0, true},
		{"other infinity", []float64{inf}, []float64{-inf}, Tolerance{Abs: 1}, inf, false},
		{"infinite want", []float64{1}, []float64{inf}, Tolerance{Abs: 1, Rel: 1}, inf, false},
		{"too short", []float64{1}, []float64{1, 2}, Tolerance{Abs: 1}, 0, false},
		{"NaN tolerance", []float64{1}, []float64{2}, Tolerance{Abs: nan}, 0, false},
		{"negative tolerance", []float64{1}, []float64{1}, Tolerance{Abs: -1}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Compare("x", nil, tt.got, tt.want, tt.tol)
			if (err == nil) != tt.pass {
				t.Errorf("error %v, want a pass: %v", err, tt.pass)
			}
			if math.Abs(r.Share-tt.share) > 1e-9 {
				t.Errorf("share %v, want %v", r.Share, tt.share)
			}
		})
	}
}

func TestCompareNamesTheWorstElement(t *testing.T) {
	_, err := Compare("w", []int{2, 3}, []float32{0, 0, 0, 0, 0.5, 9}, []float64{0, 0, 0, 0, 0.5, 7}, Tolerance{Abs: 1})
	if err == nil || !strings.Contains(err.Error(), "w[1 2]: got 9, want 7, 2 of the tolerance") {
		t.Errorf("got %v", err)
	}
	if got := Coordinates(5, 6, []int{7}); !slices.Equal(got, []int{5}) {
		t.Errorf("coordinates in a shape that does not fit: %v", got)
	}
}

func TestOfLargest(t *testing.T) {
	v := []float64{1, -4, math.Inf(1), math.NaN()}
	if got := OfLargest(v, 0.5, 1).Abs; got != 2 {
		t.Errorf("got %v, want 2", got)
	}
	if got := OfLargest(nil, 0.5, 3).Abs; got != 1.5 {
		t.Errorf("got %v, want 1.5", got)
	}
}

func TestSameBitsAndFinite(t *testing.T) {
	nan := float32(math.NaN())
	negative := float32(math.Copysign(0, -1))
	if err := SameBits("x", []float32{1, nan}, []float32{1, nan}); err != nil {
		t.Error(err)
	}
	for _, pair := range [][2][]float32{{{0}, {negative}}, {{1}, {math.Nextafter32(1, 2)}}, {{1}, {1, 2}}, {{1}, {nan}}} {
		if SameBits("x", pair[0], pair[1]) == nil {
			t.Errorf("%v and %v pass as the same", pair[0], pair[1])
		}
	}
	if err := Finite("x", []float32{0, math.MaxFloat32}); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if Finite("x", []float64{0, bad}) == nil {
			t.Errorf("%v passes as finite", bad)
		}
	}
}
