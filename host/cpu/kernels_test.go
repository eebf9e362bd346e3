package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTanhError measures the approximation against math.Tanh over every 509th
// float32 of the range in which it bends, and beyond.
func TestTanhError(t *testing.T) {
	const bound = 5e-7 // measured: 3.5e-7
	check := func(f func(float32) float32, truth func(float64) float64) (worst float64) {
		for bits := uint32(0); bits < math.Float32bits(40); bits += 509 {
			for _, sign := range []uint32{0, 1 << 31} {
				x := math.Float32frombits(bits | sign)
				y := f(x)
				if y > 1 || y < -1 {
					t.Fatalf("f(%v) = %v is beyond 1", x, y)
				}
				worst = max(worst, math.Abs(float64(y)-truth(float64(x))))
			}
		}
		return worst
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	if worst := check(tanh32, math.Tanh); worst > bound {
		t.Errorf("tanh32: largest error %.2g, want at most %.0g", worst, bound)
	} else {
		t.Logf("tanh32: largest error %.3g", worst)
	}
	if worst := check(sigmoid32, sigmoid); worst > bound {
		t.Errorf("sigmoid32: largest error %.2g, want at most %.0g", worst, bound)
	}
	if worst := check(sigmoid32, math.Tanh); worst <= bound {
		t.Error("the check takes a sigmoid for a tanh")
	}
}

// TestActivateError measures the same of every set, over every 5003rd float32.
func TestActivateError(t *testing.T) {
	const bound = 5e-7 // measured: 3.5e-7
	var x []float32
	for bits := uint32(0); bits < math.Float32bits(40); bits += 5003 {
		x = append(x, math.Float32frombits(bits), math.Float32frombits(bits|1<<31))
	}
	const columns = 21
	tanh := newTable(columns)
	for j := range columns {
		tanh.setTanh(j, 1, 0)
	}
	y, rows := make([]float32, len(x)), len(x)/columns
	for _, k := range allKernels() {
		k.activate(y, x, rows, columns, tanh)
		var worst float64
		for i, v := range y[:rows*columns] {
			if v > 1 || v < -1 {
				t.Fatalf("%s: tanh(%v) = %v is beyond 1", k.name, x[i], v)
			}
			worst = max(worst, math.Abs(float64(v)-math.Tanh(float64(x[i]))))
		}
		if worst > bound {
			t.Errorf("%s: largest error %.2g, want at most %.0g", k.name, worst, bound)
		} else {
			t.Logf("%s: largest error %.3g", k.name, worst)
		}
	}
}

func TestActivationsAtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, k := range allKernels() {
		x := []float32{inf, -inf, 3e38, -3e38, float32(math.NaN()), 0, 1e-30, -1e-30}
		tab := newTable(len(x))
		for j := range x {
			tab.setTanh(j, 1, 0)
		}
		y := make([]float32, len(x))
		k.activate(y, x, 1, len(x), tab)
		for j, want := range []float32{1, -1, 1, -1} {
			if math.Abs(float64(y[j]-want)) > 5e-7 {
				t.Errorf("%s: tanh(%v) = %v, want %v", k.name, x[j], y[j], want)
			}
		}
		if y[4] == y[4] {
			t.Errorf("%s: tanh(NaN) = %v", k.name, y[4])
		}
		if y[5] != 0 || y[6] != x[6] || y[7] != x[7] {
			t.Errorf("%s: tanh of 0 and ±1e-30 is %v", k.name, y[5:])
		}
	}
}

// allKernels lists every set that this processor can run, the one in Go first.
func allKernels() []*kernels { return append([]*kernels{scalarKernels()}, vectorKernels()...) }

// guard is how many NaN lie before and behind every array of a test.
const guard = 32

// arrays are arrays of random values between guards.
type arrays struct {
	*rand.Rand
	all [][]float32
}

func newArrays(seed uint64) *arrays { return &arrays{Rand: rand.New(rand.NewPCG(seed, 11))} }

// values makes an array of n values between lo and hi.
func (a *arrays) values(n int, lo, hi float32) []float32 {
	x := make([]float32, n+2*guard)
	for i := range x {
		x[i] = float32(math.NaN())
		if i >= guard && i < guard+n {
			x[i] = lo + (hi-lo)*a.Float32()
		}
	}
	a.all = append(a.all, x)
	return x[guard : guard+n : guard+n]
}

// touched says whether something was written beside an array.
func (a *arrays) touched() bool {
	for _, x := range a.all {
		for i, v := range x {
			if (i < guard || i >= len(x)-guard) && v == v {
				return true
			}
		}
	}
	return false
}

func TestTouched(t *testing.T) {
	for _, at := range []int{-guard, -1, 0, 4, 5, guard + 4} {
		a := newArrays(1)
		a.values(5, 0, 1)
		a.all[0][guard+at] = 0
		if got, want := a.touched(), at < 0 || at >= 5; got != want {
			t.Errorf("0 written to element %d of 5: touched = %v, want %v", at, got, want)
		}
	}
}

// randomTile is a tile of n rows whose predecessors are any rows of a direction
// with 2n others and the row of zeros; successors and outputs likewise.
func randomTile(a *arrays, n, hidden, p, axes int, peepholes bool) *tile {
	t := &tile{n: n, p: p, axes: axes, clip: 0.8, hidden: hidden, stride: 2*hidden + 1, none: 2*n + 5, behind: 5}
	t.gates = a.values(n*(axes+3)*p, 0, 1)
	t.cells = a.values((2*n+1)*p, -1, 1)
	clear(t.cells[2*n*p:])
	t.weight, t.shift = a.values(p, -1, 1), a.values(p, -1, 1)
	for _, s := range []*[]float32{&t.c, &t.tc, &t.x, &t.dh, &t.dcs} {
		*s = a.values(n*p, -1, 1)
	}
	t.dcp = a.values(n*p*axes, -1, 1)
	rows := func(from, to int) []int32 {
		list := make([]int32, n)
		for i := range list {
			list[i] = int32(from + a.IntN(to-from))
		}
		return list
	}
	for range axes {
		t.pred = append(t.pred, rows(0, 2*n+1))
		t.succ = append(t.succ, rows(t.behind, t.none+1))
	}
	for _, r := range a.Perm(2 * n)[:n] {
		t.row = append(t.row, int32(r))
	}
	last := max(0, 2*n*t.stride-hidden-1) // the second direction's columns
	t.h, t.grad = a.values(last, -1, 1), a.values(last, -1, 1)
	t.laterH, t.laterC = a.values(2*n*axes*p, -1, 1), a.values(2*n*axes*p, -1, 1)
	if peepholes {
		t.peepI, t.peepO, t.peepF = a.values(p, -1, 1), a.values(p, -1, 1), a.values(axes*p, -1, 1)
		t.dPeepI, t.dPeepO, t.dPeepF = a.values(p, -1, 1), a.values(p, -1, 1), a.values(axes*p, -1, 1)
	}
	return t
}

// farApart returns the first element in which two arrays differ by more than
// float32 rounding of values near 1 explains, -1 when there is none.
func farApart(got, want []float32) int {
	if len(got) != len(want) {
		return 0
	}
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - float64(v)); !(d <= 2e-6*math.Max(1, math.Abs(float64(v)))) {
			return i
		}
	}
	return -1
}

func TestFarApart(t *testing.T) {
	nan := float32(math.NaN())
	for _, bad := range [][2][]float32{{{1, 2}, {1, 2.0001}}, {{1}, {1, 2}}, {{nan}, {1}}, {{1}, {nan}}} {
		if farApart(bad[0], bad[1]) < 0 {
			t.Errorf("%v passes for %v", bad[0], bad[1])
		}
	}
}

// step is a kernel of a tile.
type step struct {
	name string
	run  func(*tile)
}

func steps(k *kernels) []step {
	return []step{
		{"peepholes", k.peepholes}, {"outputPeephole", k.outputPeephole},
		{"additive", k.additive}, {"stable", k.stable}, {"leaky", k.leaky}, {"hidden", k.hidden}, {"mixed", k.mixed},
		{"collect", k.collect}, {"output", k.output}, {"normedBack", k.normedBack},
		{"additiveBack", k.additiveBack}, {"peepholesBack", k.peepholesBack}, {"stableBack", k.stableBack}, {"leakyBack", k.leakyBack},
	}
}

// TestTileKernels holds every set against the one in Go, on the same tiles, and
// sees that nothing is written beside them.
func TestTileKernels(t *testing.T) {
	for _, k := range vectorKernels() {
		for s, want := range steps(scalarKernels()) {
			name, got := want.name, steps(k)[s]
			peepholes := strings.Contains(strings.ToLower(name), "peephole")
			for _, n := range []int{0, 1, 7} {
				for _, hidden := range []int{8, 13, 16, 23, 32, 42, 64} {
					p := (hidden + 7) / 8 * 8
					if p%k.width != 0 {
						continue
					}
					for axes := 1; axes <= maxAxes; axes++ {
						seed := uint64(n*hidden + axes)
						a, b := newArrays(seed), newArrays(seed)
						for run, tile := range map[*step]*tile{
							&want: randomTile(a, n, hidden, p, axes, peepholes), &got: randomTile(b, n, hidden, p, axes, peepholes),
						} {
							run.run(tile)
							if strings.HasSuffix(name, "Back") {
								clear(tile.dh) // means nothing any more
							}
						}
						for i := range a.all {
							x, y := a.all[i][guard:len(a.all[i])-guard], b.all[i][guard:len(a.all[i])-guard]
							if j := farApart(y, x); j >= 0 {
								t.Fatalf("%s %s, %d rows, %d units, %d axes: array %d [%d] = %v, want %v", k.name, name, n, hidden, axes, i, j, y[j], x[j])
							}
						}
						if b.touched() {
							t.Fatalf("%s %s, %d rows, %d units, %d axes: writes beside an array", k.name, name, n, hidden, axes)
						}
					}
				}
			}
		}
	}
}

// TestNaNStays: gradients that are NaN are not hidden by the limits on them, of
// what arrives at h and of what arrives at the cell.
func TestNaNStays(t *testing.T) {
	nan := float32(math.NaN())
	for _, k := range allKernels() {
		for _, bad := range []string{"above", "successor"} {
			tile := randomTile(newArrays(1), 2, 16, 16, 2, false)
			tile.succ[0][1] = int32(tile.behind)
			switch bad {
			case "above":
				tile.grad[int(tile.row[1])*tile.stride+3] = nan
			case "successor":
				tile.laterH[3] = nan
			}
			k.collect(tile)
			if v := tile.dh[16+3]; v == v {
				t.Errorf("%s: NaN from %s becomes dh %v", k.name, bad, v)
			}
		}
		for _, back := range steps(k) {
			if !strings.HasSuffix(back.name, "Back") {
				continue // the others limit nothing
			}
			tile := randomTile(newArrays(1), 2, 16, 16, 2, back.name == "peepholesBack")
			tile.dcs[16+3] = nan
			back.run(tile)
			if v := tile.gates[(5+1)*16+3]; v == v {
				t.Errorf("%s: NaN at the cell: %s makes dz %v of it", k.name, back.name, v)
			}
		}
	}
}

// TestLimits: what arrives at a cell stays within the limits, on both sides and
// from infinity; what is within stays as it is.
func TestLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, k := range allKernels() {
		tile := randomTile(newArrays(1), 2, 16, 16, 2, false)
		for d := range tile.succ {
			tile.succ[d][1] = int32(tile.none)
		}
		above := tile.grad[int(tile.row[1])*tile.stride:]
		copy(above, []float32{2, -2, inf, -inf, 0.8, -0.8, 0.25, 0})
		above[15] = 2
		k.collect(tile)
		got := tile.dh[16:]
		if want := []float32{0.8, -0.8, 0.8, -0.8, 0.8, -0.8, 0.25, 0}; !slices.Equal(got[:8], want) || got[15] != 0.8 {
			t.Errorf("%s: clamped to ±0.8: %v and %v, want %v and 0.8", k.name, got[:8], got[15], want)
		}
	}
}

func TestNorms(t *testing.T) {
	for _, k := range vectorKernels() {
		t.Run(k.name, func(t *testing.T) { compareNorms(t, k) })
	}
}

// compareNorms holds a set against the one in Go.
func compareNorms(t *testing.T, vector *kernels) {
	scalar := scalarKernels()
	r := rand.New(rand.NewPCG(3, 5))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 2*r.Float32() - 1
		}
		return x
	}
	const rows, groups, stride = 5, 4, 6
	for _, hidden := range []int{2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 61, 64, 77, 80, 130} {
		p := (hidden + 7) / 8 * 8
		if p%vector.width != 0 {
			continue
		}
		src := random(rows * groups * p)
		for i := range src { // padding is zero, as the engine keeps it
			if i%p >= hidden {
				src[i] = 0
			}
		}
		inverse := [2][]float32{make([]float32, rows*stride), make([]float32, rows*stride)}
		hat := [2][]float32{make([]float32, len(src)), make([]float32, len(src))}
		d := random(len(src))
		grads := [2][]float32{slices.Clone(d), slices.Clone(d)}
		weight := random(groups * p)
		sums := [2][]float32{make([]float32, 2*groups*p), make([]float32, 2*groups*p)}
		for i := range weight {
			if i%p >= hidden {
				weight[i] = 0
			}
		}
		for s, k := range []*kernels{scalar, vector} {
			k.normalise(hat[s], src, inverse[s], stride, rows, groups, p, hidden)
			k.denormalise(grads[s], hat[0], weight, inverse[0], stride, rows, groups, p, hidden, sums[s][:groups*p], sums[s][groups*p:])
		}
		for i := range src {
			if i%p >= hidden {
				continue // what lies in the padding means nothing
			}
			for what, pair := range map[string][2][]float32{"normalised": hat, "gradient": grads, "sums": {sums[0][i%(groups*p):][:1], sums[1][i%(groups*p):][:1]}} {
				at := min(i, len(pair[0])-1)
				if math.Abs(float64(pair[0][at]-pair[1][at])) > 1e-5*math.Max(1, math.Abs(float64(pair[0][at]))) {
					t.Fatalf("%d units: %s[%d] = %v, scalar %v", hidden, what, at, pair[1][at], pair[0][at])
				}
			}
		}
		if i := farApart(inverse[1], inverse[0]); i >= 0 {
			t.Errorf("%d units: 1/deviation[%d] = %v, scalar %v", hidden, i, inverse[1][i], inverse[0][i])
		}
	}
}

func TestVectorsOfAnyLength(t *testing.T) {
	scalar := scalarKernels()
	for _, k := range allKernels() {
		for _, n := range []int{0, 1, 7, 8, 9, 31, 64, 100} {
			t.Run(fmt.Sprintf("%s/%d", k.name, n), func(t *testing.T) {
				a := newArrays(uint64(n))
				random := func() []float32 { return a.values(n, -0.5, 0.5) }
				copyOf := func(x []float32) []float32 { y := random(); copy(y, x); return y }
				x, y := random(), random()
				pair := func(f func(k *kernels, y []float32)) {
					t.Helper()
					got, want := copyOf(y), copyOf(y)
					f(k, got)
					f(scalar, want)
					if i := farApart(got, want); i >= 0 {
						t.Errorf("[%d] = %v, want %v", i, got[i], want[i])
					}
				}
				pair(func(k *kernels, y []float32) { k.add(y, x) })
				pair(func(k *kernels, y []float32) { k.axpy(0.3, x, y) })
				m, v := random(), a.values(n, 0, 1)
				pair(func(k *kernels, y []float32) {
					step := adamStep{rate: 0.01, scale: 0.5, correct1: 10, correct2: 1000}
					m, v := copyOf(m), copyOf(v)
					k.adam(y, x, m, v, &step)
					k.adam(y, x, m, v, &step)
				})
				if a.touched() {
					t.Error("something is written beside an array")
				}
			})
		}
	}
}
