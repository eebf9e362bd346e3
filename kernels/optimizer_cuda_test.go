//go:build cuda && cgo

package kernels_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/kernels"
)

const (
	optimizerThreads = 256
	small            = 0 // a grid
)

// optimizer is a model of n parameters on the device, between guard zones.
type optimizer struct {
	t                           *testing.T
	s                           *cuda.Stream
	f                           map[string]*cuda.Function
	n, blocks                   int
	grad, w, m, v, hyper, found *gputest.Buffer[float32]
	partial                     *gputest.Buffer[float32]
	step                        *gputest.Buffer[int32]
}

type state struct{ grad, w, m, v []float32 }

func (s state) clone() state {
	return state{slices.Clone(s.grad), slices.Clone(s.w), slices.Clone(s.m), slices.Clone(s.v)}
}

// hyper are the scalars of an update.
type hyper struct {
	lr, momentum, clip, scale float32
	step                      int32
}

func newOptimizer(t *testing.T, c *cuda.Context, start state, h hyper) *optimizer {
	t.Helper()
	ptx, _, err := kernels.PTX("optimizer", c.Device().Capability)
	if err != nil {
		t.Fatal(err)
	}
	module, err := c.Load("optimizer", ptx)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	o := &optimizer{t: t, s: stream, n: len(start.grad), blocks: kernels.NormBlocks(len(start.grad)), f: map[string]*cuda.Function{}}
	for _, e := range kernels.Entries() {
		if e.File != "optimizer" {
			continue
		}
		f, err := module.Function(e.Name, e.Params)
		if err != nil {
			t.Fatal(err)
		}
		o.f[e.Name] = f
	}
	o.grad, o.w = gputest.New(t, c, "grad", start.grad), gputest.New(t, c, "w", start.w)
	o.m, o.v = gputest.New(t, c, "m", start.m), gputest.New(t, c, "v", start.v)
	o.hyper = gputest.New(t, c, "hyper", []float32{h.lr, h.momentum, h.clip, h.scale})
	o.step = gputest.New(t, c, "step", []int32{h.step})
	o.found = gputest.New(t, c, "result", gputest.NaNs(kernels.ResultLength))
	o.partial = gputest.New(t, c, "partial", gputest.NaNs(kernels.PartialRows*o.blocks))
	t.Cleanup(func() {
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// update runs one update with a grid of so many blocks; small is one block of the
// kernel that needs no other.
func (o *optimizer) update(kind string, grid int) {
	o.t.Helper()
	n, p := cuda.Int(int32(o.n)), cuda.Int(int32(o.blocks))
	none := cuda.Pointer(0) // no packed copies: host/gpu tests those
	arguments := []cuda.Argument{o.hyper.Argument(), o.step.Argument(), o.grad.Argument(), o.w.Argument(), o.m.Argument(),
		o.v.Argument(), none, none, o.found.Argument(), n}
	if kind == "sgd" {
		arguments = slices.Delete(slices.Delete(arguments, 4, 5), 1, 2)
	}
	if grid == small {
		if err := o.f[kind+"_small"].Launch(o.s, cuda.Dim{X: 1}, cuda.Dim{X: 1024}, 0, arguments...); err != nil {
			o.t.Fatal(err)
		}
		return
	}
	block := cuda.Dim{X: optimizerThreads}
	err := o.f["gradient_norm"].Launch(o.s, cuda.Dim{X: o.blocks}, block, 0, o.grad.Argument(), o.partial.Argument(), n, p)
	if err == nil {
		err = o.f[kind].Launch(o.s, cuda.Dim{X: grid}, block, 0, append(slices.Insert(arguments, 0, o.partial.Argument()), p)...)
	}
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *optimizer) state() state {
	return state{o.grad.Values(), o.w.Values(), o.m.Values(), o.v.Values()}
}

// wanted is one update in float64, from the equations in design.md §3a.
func wanted(kind string, s state, h hyper) (w, m, v []float64, norm float64) {
	sum := 0.0
	for _, g := range s.grad {
		sum += float64(g) * float64(g)
	}
	norm = math.Abs(float64(h.scale)) * math.Sqrt(sum)
	factor := float64(h.scale)
	if h.clip > 0 {
		factor *= math.Min(1, float64(h.clip)/norm)
	}
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	for i := range s.grad {
		g := factor * float64(s.grad[i])
		wi, mi, vi := float64(s.w[i]), float64(s.m[i]), float64(s.v[i])
		if kind == "adam" {
			mi = beta1*mi + (1-beta1)*g
			vi = beta2*vi + (1-beta2)*g*g
			mean := mi / (1 - math.Pow(beta1, float64(h.step)))
			square := vi / (1 - math.Pow(beta2, float64(h.step)))
			wi -= float64(h.lr) * mean / (math.Sqrt(square) + epsilon)
		} else {
			vi = float64(h.momentum)*vi + g
			wi -= float64(h.lr) * vi
		}
		w, m, v = append(w, wi), append(m, mi), append(v, vi)
	}
	return w, m, v, norm
}

func randomState(n int, size float64) state {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	s := state{make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)}
	for i := range n {
		s.grad[i] = float32(size * rng.NormFloat64())
		s.w[i] = float32(rng.NormFloat64())
		s.m[i] = float32(0.1 * size * rng.NormFloat64())
		s.v[i] = float32(0.01 * size * size * rng.Float64())
	}
	return s
}

// check compares an update with float64. The errors measured on the emulator
// are below 1e-7 of the largest value, the norm's below 2e-7.
func check(t *testing.T, kind string, o *optimizer, start state, h hyper) {
	t.Helper()
	got := o.state()
	w, m, v, norm := wanted(kind, start, h)
	result := o.found.Values()
	if result[kernels.ResultFinite] != 1 {
		t.Errorf("finite: got %v", result)
	}
	largest := func(x []float64) float64 {
		top := 0.0
		for _, v := range x {
			top = max(top, math.Abs(v))
		}
		return top
	}
	compare := func(name string, got []float32, want []float64) {
		t.Helper()
		share, err := gputest.Near(name, got, want, 5e-7*largest(want)+1e-37, 0)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s: %.2f of the tolerance", name, share)
	}
	compare("w", got.w, w)
	if kind == "adam" {
		compare("m", got.m, m)
	} else if !slices.Equal(got.m, start.m) {
		t.Error("sgd changed m")
	}
	compare("v", got.v, v)
	compare("norm", result[:1], []float64{norm})
	for i, g := range got.grad {
		if g != 0 {
			t.Fatalf("gradient %d is %v after the update", i, g)
		}
	}
}

func TestOptimizer(t *testing.T) {
	c := gputest.Open(t)
	for _, kind := range []string{"adam", "sgd"} {
		for _, n := range []int{1, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025, 30011} {
			t.Run(fmt.Sprintf("%s/n=%d", kind, n), func(t *testing.T) {
				h := hyper{lr: 0.01, momentum: 0.9, scale: 1, step: 1}
				start := randomState(n, 1)
				for _, grid := range []int{small, (n + optimizerThreads - 1) / optimizerThreads} {
					o := newOptimizer(t, c, start, h)
					o.update(kind, grid)
					check(t, kind, o, start, h)
				}
			})
		}
		for name, h := range map[string]hyper{
			"clipped":            {lr: 0.1, momentum: 0.5, clip: 0.25, scale: 1, step: 2},
			"clip not reached":   {lr: 0.1, momentum: 0.5, clip: 1e6, scale: 1, step: 3},
			"scaled":             {lr: 0.1, momentum: 0, clip: 0, scale: 1.0 / 64, step: 10},
			"scaled, clipped":    {lr: 0.1, momentum: 0.9, clip: 1, scale: -3, step: 1000},
			"a million steps":    {lr: 1e-4, momentum: 0.99, clip: 0, scale: 1, step: 1_000_000},
			"learning rate 0":    {lr: 0, momentum: 0.9, clip: 0, scale: 1, step: 7},
			"tiny learning rate": {lr: 1e-12, momentum: 0.9, clip: 5, scale: 1, step: 7},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				start := randomState(3000, 1)
				for _, grid := range []int{small, 3} { // fewer threads than parameters
					o := newOptimizer(t, c, start, h)
					o.update(kind, grid)
					check(t, kind, o, start, h)
				}
			})
		}
	}
}

// TestOptimizerHuge: finite gradients whose squares overflow float32 still have
// a norm and are clipped; tiny ones do no harm.
func TestOptimizerHuge(t *testing.T) {
	c := gputest.Open(t)
	for _, size := range []float64{1e-30, 1e13, 1e15, 1e30, 5e37} {
		h := hyper{lr: 0.1, momentum: 0.9, clip: 1, scale: 1, step: 1}
		start := randomState(2000, size)
		for i := range start.m {
			start.m[i], start.v[i] = 0, 0
		}
		for _, grid := range []int{small, 8} {
			o := newOptimizer(t, c, start, h)
			o.update("sgd", grid)
			got := o.found.Values()
			_, _, v, norm := wanted("sgd", start, h)
			if size == 1e-30 {
				norm = 0 // squares below the smallest float: nothing to clip
			}
			if norm > math.MaxFloat32 {
				norm = math.Inf(1)
			}
			if _, err := gputest.Near("norm", got[:1], []float64{norm}, 0, 2e-6); err != nil || got[kernels.ResultFinite] != 1 {
				t.Errorf("size %g, grid %d: %v, result %v", size, grid, err, got)
			}
			if _, err := gputest.Near("v", o.v.Values(), v, 1e-6, 0); err != nil && !math.IsInf(norm, 1) {
				t.Errorf("size %g, grid %d: %v", size, grid, err)
			}
		}
	}
}

// TestOptimizerNotFinite: one bad gradient anywhere, and nothing changes.
func TestOptimizerNotFinite(t *testing.T) {
	c := gputest.Open(t)
	for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
		for _, at := range []int{0, 999, 4999} {
			for i := range 4 {
				kind, grid := []string{"adam", "sgd"}[i/2], []int{small, 5}[i%2]
				h := hyper{lr: 0.1, momentum: 0.9, clip: 1, scale: 1, step: 1}
				start := randomState(5000, 1)
				start.grad[at] = bad
				o := newOptimizer(t, c, start.clone(), h)
				o.update(kind, grid)
				got, result := o.state(), o.found.Values()
				same := slices.Equal(got.w, start.w) && slices.Equal(got.m, start.m) && slices.Equal(got.v, start.v) &&
					slices.EqualFunc(got.grad, start.grad, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
				if !same || result[kernels.ResultFinite] != 0 || !(math.IsNaN(float64(result[0])) || math.IsInf(float64(result[0]), 1)) {
					t.Errorf("%s, grid %d, %v at %d: unchanged %v, result %v", kind, grid, bad, at, same, result)
				}
			}
		}
	}
}

// TestOptimizerRepeats: the same bits again, for any grid of the second kernel.
func TestOptimizerRepeats(t *testing.T) {
	c := gputest.Open(t)
	h := hyper{lr: 0.01, momentum: 0.9, clip: 0.5, scale: 0.125, step: 4}
	for _, kind := range []string{"adam", "sgd"} {
		var first state
		for _, grid := range []int{1, 3, 40, 40} {
			start := randomState(10007, 1)
			o := newOptimizer(t, c, start, h)
			o.update(kind, grid)
			got := o.state()
			if first.w == nil {
				first = got
			}
			if !slices.Equal(got.w, first.w) || !slices.Equal(got.v, first.v) || !slices.Equal(got.m, first.m) {
				t.Errorf("%s: a grid of %d blocks has other bits", kind, grid)
			}
		}
	}
}
