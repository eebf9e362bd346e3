package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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

func TestActivationsAtTheEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, k := range kernelSets() {
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
		z := []float32{float32(math.NaN()), 2, -2, inf, 0, 0, 0, 0, 2}
		k.clamp(z, 1)
		if z[0] == z[0] || z[1] != 1 || z[2] != -1 || z[3] != 1 || z[8] != 1 {
			t.Errorf("%s: clamped to ±1: %v", k.name, z)
		}
	}
}

func kernelSets() []*kernels {
	sets := []*kernels{scalarKernels()}
	if v := vectorKernels(); v != nil {
		sets = append(sets, v)
	}
	return sets
}

// randomTile is a tile of n rows whose predecessors are any rows of a direction
// with 2n others and the row of zeros.
func randomTile(r *rand.Rand, n, p, axes int, peepholes bool) *tile {
	values := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = scale * (2*r.Float32() - 1)
		}
		return x
	}
	gates := func(n int) []float32 { // between 0 and 1
		x := values(n, 0.5)
		for i := range x {
			x[i] += 0.5
		}
		return x
	}
	t := &tile{n: n, p: p, axes: axes, clip: 0.8}
	t.gates = gates(n * (axes + 3) * p)
	t.cells = values((2*n+1)*p, 1)
	clear(t.cells[2*n*p:])
	t.c, t.tc, t.h = values(n*p, 1), values(n*p, 1), values(n*p, 1)
	t.dh, t.dcs, t.dcp = values(n*p, 1), values(n*p, 1), values(n*p*axes, 1)
	for range axes {
		pred := make([]int32, n)
		for i := range pred {
			pred[i] = int32(r.IntN(2*n + 1))
		}
		t.pred = append(t.pred, pred)
	}
	if peepholes {
		t.peepI, t.peepO, t.peepF = values(p, 1), values(p, 1), values(axes*p, 1)
		t.dPeepI, t.dPeepO, t.dPeepF = values(p, 1), values(p, 1), values(axes*p, 1)
	}
	return t
}

// arrays lists everything that a kernel may write.
func (t *tile) arrays() map[string][]float32 {
	return map[string][]float32{
		"gates": t.gates, "c": t.c, "tc": t.tc, "h": t.h, "dh": t.dh, "dcs": t.dcs, "dcp": t.dcp, "cells": t.cells,
		"dPeepI": t.dPeepI, "dPeepO": t.dPeepO, "dPeepF": t.dPeepF,
	}
}

func (t *tile) clone() *tile {
	u := *t
	for _, s := range []*[]float32{&u.gates, &u.c, &u.tc, &u.h, &u.dh, &u.dcs, &u.dcp, &u.cells, &u.dPeepI, &u.dPeepO, &u.dPeepF} {
		*s = slices.Clone(*s)
	}
	return &u
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

// TestVectorKernels holds the vector set against the scalar one.
func TestVectorKernels(t *testing.T) {
	vector := vectorKernels()
	if vector == nil {
		t.Skip("this build has no vector kernels: GOEXPERIMENT=simd on amd64 with AVX2 and FMA")
	}
	scalar := scalarKernels()
	steps := func(k *kernels) map[string]func(*tile) {
		return map[string]func(*tile){
			"additive": k.additive, "stable": k.stable, "leaky": k.leaky, "hidden": k.hidden, "mixed": k.mixed,
			"output": k.output, "additiveBack": k.additiveBack, "stableBack": k.stableBack, "leakyBack": k.leakyBack,
			"peepholes": k.peepholes, "outputPeephole": k.outputPeephole,
		}
	}
	r := rand.New(rand.NewPCG(7, 11))
	for name, want := range steps(scalar) {
		for _, p := range []int{8, 16, 24, 64} {
			for axes := 1; axes <= 5; axes++ {
				for _, peepholes := range []bool{false, true} {
					if !peepholes && (name == "peepholes" || name == "outputPeephole") {
						continue
					}
					a := randomTile(r, 7, p, axes, peepholes)
					b := a.clone()
					want(a)
					steps(vector)[name](b)
					for array, w := range a.arrays() {
						if i := farApart(b.arrays()[array], w); i >= 0 {
							t.Errorf("%s, %d columns, %d axes: %s[%d] = %v, want %v", name, p, axes, array, i, b.arrays()[array][i], w[i])
						}
					}
				}
			}
		}
	}
}

func TestVectorNorms(t *testing.T) {
	vector, scalar := vectorKernels(), scalarKernels()
	if vector == nil {
		t.Skip("this build has no vector kernels")
	}
	r := rand.New(rand.NewPCG(3, 5))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = 2*r.Float32() - 1
		}
		return x
	}
	const rows, groups, stride = 5, 4, 6
	for _, hidden := range []int{2, 7, 8, 9, 15, 16, 17, 32, 61} {
		p := (hidden + lanesOf(vector) - 1) / lanesOf(vector) * lanesOf(vector)
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

func lanesOf(k *kernels) int { return k.width }

func TestVectorsOfAnyLength(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	scalar := scalarKernels()
	for _, k := range kernelSets() {
		for _, n := range []int{0, 1, 7, 8, 9, 31, 64, 100} {
			t.Run(fmt.Sprintf("%s/%d", k.name, n), func(t *testing.T) {
				random := func() []float32 {
					x := make([]float32, n)
					for i := range x {
						x[i] = r.Float32() - 0.5
					}
					return x
				}
				x, y := random(), random()
				pair := func(f func(k *kernels, y []float32)) {
					t.Helper()
					got, want := slices.Clone(y), slices.Clone(y)
					f(k, got)
					f(scalar, want)
					if i := farApart(got, want); i >= 0 {
						t.Errorf("[%d] = %v, want %v", i, got[i], want[i])
					}
				}
				pair(func(k *kernels, y []float32) { k.add(y, x) })
				pair(func(k *kernels, y []float32) { k.axpy(0.3, x, y) })
				pair(func(k *kernels, y []float32) { k.clamp(y, 0.2) })
				m, v := random(), make([]float32, n)
				pair(func(k *kernels, y []float32) {
					step := adamStep{rate: 0.01, scale: 0.5, correct1: 10, correct2: 1000}
					k.adam(y, x, slices.Clone(m), slices.Clone(v), &step)
				})
				if got, want := k.dot(x, y), scalar.dot(x, y); math.Abs(float64(got-want)) > 1e-5 {
					t.Errorf("dot = %v, want %v", got, want)
				}
			})
		}
	}
}
