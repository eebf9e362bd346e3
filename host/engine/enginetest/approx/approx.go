// Package approx is the one way in which tests compare floats: element by
// element with |got - want| ≤ abs + rel·|want|, and a report of the worst
// element by its coordinates and by the share of the tolerance that it used.
package approx

import (
	"fmt"
	"math"
)

// Tolerance is |got - want| ≤ Abs + Rel·|want|. The zero Tolerance asks for
// equal values.
type Tolerance struct{ Abs, Rel float64 }

// OfLargest is an absolute tolerance: share times the largest |want|, or share
// times floor when all are below that. Values that are not finite do not count.
func OfLargest(want []float64, share, floor float64) Tolerance {
	return Tolerance{Abs: share * max(floor, Largest(want))}
}

// Largest is the largest finite |v|, 0 for none.
func Largest(v []float64) float64 {
	largest := 0.0
	for _, x := range v {
		if a := math.Abs(x); a > largest && !math.IsInf(a, 0) {
			largest = a
		}
	}
	return largest
}

// Float is what can be compared.
type Float interface{ ~float32 | ~float64 }

// Report describes the element that used most of its tolerance.
type Report struct {
	Name      string
	Share     float64 // of the tolerance; above 1 fails
	Where     []int   // coordinates in the tensor
	Got, Want float64
}

// String is one line for a log.
func (r Report) String() string {
	return fmt.Sprintf("%s%v: got %.9g, want %.9g, %.3g of the tolerance", r.Name, r.Where, r.Got, r.Want, r.Share)
}

// Compare compares got with want, both row-major of a shape (nil: a list), and
// returns the worst element. The error, which has the same text, says that an
// element lies outside the tolerance, that one is NaN or infinite where the
// other is not the same, or that lengths differ.
func Compare[A, B Float](name string, shape []int, got []A, want []B, tol Tolerance) (Report, error) {
	report := Report{Name: name}
	if len(got) != len(want) {
		return report, fmt.Errorf("%s: %d values, want %d", name, len(got), len(want))
	}
	if !(tol.Abs >= 0 && tol.Rel >= 0) {
		return report, fmt.Errorf("%s: tolerance %v: want numbers of 0 or more", name, tol)
	}
	for i := range got {
		g, w := float64(got[i]), float64(want[i])
		share := shareOf(g, w, tol)
		if share > report.Share || i == 0 {
			report.Share, report.Where, report.Got, report.Want = share, Coordinates(i, len(got), shape), g, w
		}
	}
	if report.Share > 1 {
		return report, fmt.Errorf("%v", report)
	}
	return report, nil
}

// shareOf is |got - want| in units of the tolerance, infinite where the two
// cannot be compared.
func shareOf(got, want float64, tol Tolerance) float64 {
	switch {
	case math.IsNaN(got) || math.IsNaN(want):
		return math.Inf(1)
	case got == want:
		return 0
	case math.IsInf(got, 0) || math.IsInf(want, 0):
		return math.Inf(1)
	}
	return math.Abs(got-want) / (tol.Abs + tol.Rel*math.Abs(want))
}

// Coordinates turns a row-major index into coordinates of a shape; a shape that
// does not have n elements gives the index itself.
func Coordinates(i, n int, shape []int) []int {
	size := 1
	for _, s := range shape {
		size *= s
	}
	if size != n || len(shape) == 0 {
		return []int{i}
	}
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d] = i % shape[d]
		i /= shape[d]
	}
	return at
}

// SameBits says where two lists differ in their bits: 0 and -0 differ, NaN
// equals the same NaN. It is for results that must repeat exactly.
func SameBits(name string, got, want []float32) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			return fmt.Errorf("%s[%d]: got %v (%#08x), want the bits of %v (%#08x)",
				name, i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
	return nil
}

// Finite says which value is NaN or infinite.
func Finite[A Float](name string, v []A) error {
	for i, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("%s[%d] = %v: want a finite number", name, i, x)
		}
	}
	return nil
}
