//go:build cuda && cgo

package gpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mdlstm-gpu/host/cuda"
)

// bfloat16 rounds to the nearest value of 8 significant bits, ties to even.
func bfloat16(x float32) float32 {
	switch {
	case x != x:
		return x
	case math.IsInf(float64(x), 0) || x == 0:
		return x
	}
	_, exponent := math.Frexp(float64(x))
	unit := math.Ldexp(1, max(exponent-8, -133)) // of subnormal numbers 2^-133
	y := math.RoundToEven(float64(x)/unit) * unit
	if math.Abs(y) >= math.Ldexp(1, 128) {
		return float32(math.Copysign(math.Inf(1), y))
	}
	return float32(y)
}

// special are values at the edges of rounding, some of which a wrong rounding
// misses: ties, the largest, subnormal numbers, what is no number.
var special = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 1 + 1.0/256, 1 + 3.0/256, 1 + 1.0/256 + 1.0/(1<<20), 1 + 1.0/512, -1 - 3.0/256,
	math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 0x1p-126, 0x1.01p-130, float32(math.Inf(1)), float32(math.Inf(-1)),
	float32(math.NaN()), math.Float32frombits(0xff800001), math.Float32frombits(0x7f800001),
}

// TestStore: what is stored and restored is rounded to bfloat16, the cells are
// what they were, other rows stay.
func TestStore(t *testing.T) {
	b := newBench(t)
	for _, x := range []struct {
		hidden, gates, directions int
		norm                      bool
	}{{1, 4, 1, true}, {3, 5, 2, true}, {4, 5, 1, false}, {5, 5, 2, false}} {
		t.Run(fmt.Sprintf("H=%d/norm=%v", x.hidden, x.norm), func(t *testing.T) {
			b := b.with(t)
			r := rand.New(rand.NewPCG(3, uint64(x.hidden)))
			const capacity, room, kept, first, rows = 40, 20, 4, 7, 17 // rows first … first+rows-1
			values := func(n int) []float32 {
				v := make([]float32, n)
				for i := range v {
					v[i] = float32(r.NormFloat64())
					if i%3 == 0 {
						v[i] = special[r.IntN(len(special))]
					}
				}
				return v
			}
			a := StoreArgs{
				Wave: b.ints("wave", 0, first, first+5, first+rows, first+rows).Address(), Begin: 1, End: 3, Capacity: capacity, Room: room,
				CellRows: kept + room + 1, CellFrom: kept, Directions: x.directions, Hidden: x.hidden, GateCount: x.gates, LayerNorm: x.norm,
			}
			a.Saved = b.floats("saved", make([]float32, x.directions*capacity*a.StoredWords())).Address()
			arrays := []struct {
				name        string
				to          *cuda.Address
				width       int
				rows, begin int
				exact       bool
			}{
				{"gates", &a.Gates, x.gates * x.hidden, room, 0, false},
				{"tanh_cell", &a.TanhCell, x.hidden, room, 0, false},
				{"cell", &a.Cell, x.hidden, kept + room + 1, kept, true},
				{"hat", &a.Hat, x.gates * x.hidden, room, 0, false},
				{"cell_hat", &a.CellHat, x.hidden, room, 0, false},
				{"inverse", &a.Inverse, x.gates + 1, room, 0, false},
			}
			if !x.norm {
				arrays = arrays[:3]
			}
			before := map[string][]float32{}
			for _, y := range arrays {
				before[y.name] = values(x.directions * y.rows * y.width)
				*y.to = b.floats(y.name, before[y.name]).Address()
			}
			b.must(b.k.Store(b.s, a))
			got := map[string]func() []float32{}
			for _, y := range arrays { // other arrays, so that all comes from saved
				buffer := b.floats(y.name+" restored", make([]float32, len(before[y.name])))
				*y.to, got[y.name] = buffer.Address(), buffer.Values
			}
			b.must(b.k.Restore(b.s, a))
			b.must(b.s.Wait())
			for _, y := range arrays {
				out := got[y.name]()
				for i, v := range before[y.name] {
					want := v
					switch row := i / y.width % y.rows; {
					case row < y.begin || row >= y.begin+rows:
						want = 0
					case !y.exact:
						want = bfloat16(v)
					}
					if out[i] != want && (out[i] == out[i] || want == want) {
						t.Fatalf("%s, element %d, %v: got %v, want %v", y.name, i, v, out[i], want)
					}
				}
			}
		})
	}
}
