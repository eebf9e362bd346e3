package task

import (
	"math"
	"testing"
)

// TestStreamFixed holds the scheme of the package comment: other numbers here
// would make every stored run irreproducible.
func TestStreamFixed(t *testing.T) {
	var r stream
	r.start(1, "diagonal", 2)
	got := [3]uint64{r.chacha.Uint64(), r.chacha.Uint64(), r.chacha.Uint64()}
	if want := [3]uint64{0xdefaa7b23c4a6159, 0x613cc8afd999ad40, 0x66cd1d40f12546e1}; got != want {
		t.Errorf("got %#x, want %#x: raise streamVersion", got, want)
	}
}

func TestStreamsDiffer(t *testing.T) {
	first := func(seed uint64, name string, s int64) uint64 {
		var r stream
		r.start(seed, name, s)
		return r.chacha.Uint64()
	}
	base := first(1, "diagonal", 2)
	if first(1, "diagonal", 2) != base {
		t.Error("the same stream differs from itself")
	}
	for name, other := range map[string]uint64{
		"seed":            first(2, "diagonal", 2),
		"task":            first(1, "fields", 2),
		"sample":          first(1, "diagonal", 3),
		"negative sample": first(1, "diagonal", -2),
	} {
		if other == base {
			t.Errorf("%s does not matter", name)
		}
	}
}

func TestDistributions(t *testing.T) {
	var r stream
	r.start(1, "test", 0)
	const n = 200000
	var mean, square, normalMean, normalSquare float64
	counts := [5]int{}
	for range n {
		u := r.uniform()
		if u < 0 || u >= 1 {
			t.Fatalf("uniform gave %v", u)
		}
		mean += float64(u) / n
		square += float64(u) * float64(u) / n
		counts[r.intN(5)]++
		a, b := r.normals()
		normalMean += (a + b) / (2 * n)
		normalSquare += (a*a + b*b) / (2 * n)
	}
	// Tolerances are five standard errors.
	for _, test := range []struct {
		name           string
		got, want, tol float64
	}{
		{"uniform mean", mean, 0.5, 5 * math.Sqrt(1./12/n)},
		{"uniform square", square, 1. / 3, 5 * math.Sqrt(4./45/n)},
		{"normal mean", normalMean, 0, 5 * math.Sqrt(1./(2*n))},
		{"normal square", normalSquare, 1, 5 * math.Sqrt(2./(2*n))},
	} {
		if !within(test.got, test.want, test.tol) {
			t.Errorf("%s: got %v, want %v ± %v", test.name, test.got, test.want, test.tol)
		}
	}
	for i, count := range counts {
		if !within(float64(count), n/5, 5*math.Sqrt(n*0.16)) {
			t.Errorf("intN gave %d %d times of %d, want a fifth", i, count, n)
		}
	}
	for range 100 {
		if got := r.intN(1); got != 0 {
			t.Fatalf("intN(1) gave %d", got)
		}
	}
}
