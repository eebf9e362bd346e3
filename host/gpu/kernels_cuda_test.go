//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/kernels"
)

// bench is a device with its kernels and a stream.
type bench struct {
	*testing.T
	c *cuda.Context
	k *Kernels
	s *cuda.Stream
}

func newBench(t *testing.T) *bench {
	t.Helper()
	c := gputest.Open(t)
	s, err := c.NewStream()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t, c, NewKernels(c), s}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), b.k.Close()); err != nil && c.Lost() == nil {
			t.Error(err)
		}
	})
	return b
}

// with is the same device for a subtest.
func (b *bench) with(t *testing.T) *bench { return &bench{t, b.c, b.k, b.s} }

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) floats(name string, x []float32) *gputest.Buffer[float32] {
	b.Helper()
	return gputest.New(b.T, b.c, name, x)
}

func (b *bench) ints(name string, x ...int32) *gputest.Buffer[int32] {
	b.Helper()
	return gputest.New(b.T, b.c, name, x)
}

// jobs uploads a table of jobs.
func (b *bench) jobs(table []uint64, j Jobs, err error) Jobs {
	b.Helper()
	b.must(err)
	m, err := b.c.Alloc("jobs", int64(8*len(table)))
	b.must(err)
	b.Cleanup(func() {
		if err := m.Free(); err != nil {
			b.Error(err)
		}
	})
	b.must(cuda.Upload(m, 0, table))
	j.Table = m.Address()
	return j
}

// near fails the test when got is not near want, and logs how near it is.
func near[W ~float32 | ~float64](b *bench, name string, got []float32, want []W, atol, rtol float64) {
	b.Helper()
	share, err := gputest.Near(name, got, want, atol, rtol)
	if err != nil {
		b.Error(err)
	}
	b.Logf("%s: %.2f of the tolerance", name, share)
}

// source makes numbers for tests, the same for the same seed.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(20, seed))} }

func (r source) floats(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// rows are n rows below limit, any of which may come again.
func (r source) rows(n, limit int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(r.IntN(limit))
	}
	return x
}

// untouched checks that the rows of an output behind the first T kept the NaN
// they began with.
func (b *bench) untouched(name string, out []float32, rows, width int) {
	b.Helper()
	for i, v := range out[rows*width:] {
		if v == v {
			b.Errorf("%s: row %d of %d rows was written", name, rows+i/width, rows)
			return
		}
	}
}

func TestUntouched(t *testing.T) {
	inner := &testing.T{}
	b := &bench{T: inner}
	b.untouched("right", gputest.NaNs(6), 1, 2)
	if inner.Failed() {
		t.Error("rows left alone were called written")
	}
	out := gputest.NaNs(6)
	out[2] = 0
	b.untouched("wrong", out, 1, 2)
	if !inner.Failed() {
		t.Error("a written row was not seen")
	}
}

// TestLaunchChecks: what no kernel can work with is refused before the launch,
// by name.
func TestLaunchChecks(t *testing.T) {
	b := newBench(t)
	x := b.floats("x", make([]float32, 64))
	rows := b.ints("rows", 1)
	good := GatherArgs{RowsArgs: RowsArgs{rows.Address(), 4}, In: x.Address(), Out: x.Address(), Width: 4}
	for _, c := range []struct {
		name   string
		change func(a *GatherArgs)
		want   string
	}{
		{"no capacity", func(a *GatherArgs) { a.Capacity = 0 }, "Capacity is 0, want 1 to 2147483647"},
		{"no rows", func(a *GatherArgs) { a.Rows = 0 }, "no array Rows"},
		{"no input", func(a *GatherArgs) { a.In = 0 }, "no array In"},
		{"width", func(a *GatherArgs) { a.Width = -1 }, "width is -1"},
		{"parts without index", func(a *GatherArgs) { a.Parts = 2 }, "no array Index"},
		{"short index", func(a *GatherArgs) { a.Index, a.IndexRows = rows.Address(), 3 }, "IndexRows is 3, want 4 to"},
		{"row too wide", func(a *GatherArgs) { a.Width, a.Parts, a.Index = 1<<20, 1<<11, rows.Address() }, "is the product of [1048576 2048]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := good
			c.change(&a)
			err := b.k.Gather(b.s, a)
			if !errors.Is(err, ErrShape) || !contains(err, "kernel gather_rows: ", c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if err := b.k.launch(b.s, "absent", cuda.Dim{X: 1}, 0); !contains(err, "kernel absent") {
		t.Errorf("got %v", err)
	}
	if err := b.k.launch(b.s, "gather_rows", cuda.Dim{X: 1, Y: 65536}, 0); !errors.Is(err, ErrShape) {
		t.Errorf("got %v", err)
	}
	if err := b.k.launch(b.s, "gather_rows", cuda.Dim{X: 1}, 1<<20); !errors.Is(err, ErrShape) {
		t.Errorf("got %v", err)
	}
	b.must(b.k.launch(b.s, "gather_rows", cuda.Dim{}, 0))
	if v := b.k.Variants(); v["rows"] != 75 && b.c.Device().Emulated {
		t.Errorf("variants %v", v)
	}
}

// TestLoad: every module that the device can run compiles, again costs nothing.
func TestLoad(t *testing.T) {
	for _, arch := range []string{"75", "80", "90"} {
		t.Run(arch, func(t *testing.T) {
			t.Setenv("MDLSTM_EMU_ARCH", arch)
			testLoad(newBench(t))
		})
	}
}

func testLoad(b *bench) {
	b.must(b.k.Load("rows", "arena"))
	if v := b.k.Variants(); len(v) != 2 {
		b.Errorf("variants %v", v)
	}
	b.must(b.k.Load())
	b.must(b.k.Load())
	v := b.k.Variants()
	for _, file := range kernels.Files() {
		if least := kernels.Variants(file)[0]; (v[file] != 0) != (least <= b.c.Device().Capability) {
			b.Errorf("%s, from compute capability %d on: loaded %d", file, least, v[file])
		}
	}
	if err := b.k.Load("absent"); !contains(err, "absent") {
		b.Errorf("got %v", err)
	}
}

func contains(err error, parts ...string) bool {
	for _, p := range parts {
		if err == nil || !strings.Contains(err.Error(), p) {
			return false
		}
	}
	return true
}

// TestOptimizerWrappers runs one update through the wrappers; the kernels' own
// tests are in package kernels.
func TestOptimizerWrappers(t *testing.T) {
	b := newBench(t)
	for i := range 4 {
		adam, n := i%2 == 0, []int{1300, 8*1024 + 1}[i/2] // in one block, in several
		t.Run(fmt.Sprintf("adam=%v, n=%d", adam, n), func(t *testing.T) {
			b := b.with(t)
			r := newSource(1)
			grad, w, v := r.floats(n), r.floats(n), make([]float32, n)
			gradient, weights := b.floats("grad", grad), b.floats("w", w)
			result := b.floats("result", gputest.NaNs(2))
			a := OptimizerArgs{
				Grad: gradient.Address(), Partial: b.floats("partial", gputest.NaNs(kernels.PartialRows*kernels.NormBlocks(n))).Address(),
				Hyper: b.floats("hyper", []float32{0.5, 0.9, 0, 2}).Address(), Step: b.ints("step", 1).Address(),
				W: weights.Address(), M: b.floats("m", v).Address(), V: b.floats("v", v).Address(), Result: result.Address(), N: n,
			}
			want := make([]float64, n)
			if adam {
				b.must(b.k.Adam(b.s, a))
				for i, g := range grad { // the first step goes by the sign alone
					want[i] = float64(w[i]) - 0.5*sign(g)
				}
				near(b, "w", weights.Values(), want, 1e-5, 0)
				return
			}
			b.must(b.k.SGD(b.s, a))
			for i, g := range grad {
				want[i] = float64(w[i]) - float64(g)
			}
			near(b, "w", weights.Values(), want, 1e-6, 0)
		})
	}
	if err := b.k.SGD(b.s, OptimizerArgs{N: 1, Packed: 4, Partial: 4, Hyper: 4, Grad: 4, W: 4, V: 4, Result: 4}); !contains(err, "no array Places") {
		t.Errorf("got %v", err)
	}
	if err := b.k.Adam(b.s, OptimizerArgs{N: 1}); !errors.Is(err, ErrShape) {
		t.Errorf("got %v", err)
	}
}

func sign(g float32) float64 {
	if g < 0 {
		return -1
	}
	return 1
}

// TestPlaces: an update leaves the packed copies as packing would.
func TestPlaces(t *testing.T) {
	b := newBench(t)
	const r, d, n, h, k = 2, 2, 15, 3, 4
	const ih, hh = r * n * k, r * d * n * h
	const all = ih + hh + 7 // and some that are not packed
	source := newSource(4)
	w, grad := b.floats("w", source.floats(all)), source.floats(all)
	packed, again := b.floats("packed", gputest.NaNs(ih+2*hh)), b.floats("again", gputest.NaNs(ih+2*hh))
	jobs := func(to cuda.Address) []PackJob {
		return []PackJob{
			PackInputs(w.Address(), to, r, n, k),
			PackForward(w.Address()+4*ih, to+4*ih, r, d, n, h),
			PackBackward(w.Address()+4*ih, to+4*(ih+hh), r, d, n, h),
		}
	}
	places, base, err := Places(jobs(packed.Address()), w.Address(), all)
	b.must(err)
	zeros := func(name string) cuda.Address { return b.floats(name, make([]float32, all)).Address() }
	for _, rule := range []func(*cuda.Stream, OptimizerArgs) error{b.k.Adam, b.k.SGD} {
		a := OptimizerArgs{
			Grad: b.floats("grad", grad).Address(), Partial: b.floats("partial", gputest.NaNs(3)).Address(),
			Hyper: b.floats("hyper", []float32{0.1, 0, 0, 1}).Address(), Step: b.ints("step", 1).Address(), W: w.Address(),
			M: zeros("m"), V: zeros("v"), Packed: base, Places: b.ints("places", places...).Address(),
			Result: b.floats("result", gputest.NaNs(2)).Address(), N: all,
		}
		b.must(rule(b.s, a))
		b.must(b.k.Pack(b.s, b.jobs(PackTable(jobs(again.Address())))))
		b.equal("packed", packed, again.Values(), 1, ih+2*hh)
	}
	twice := append(jobs(packed.Address()), PackInputs(w.Address()+4*ih, packed.Address(), 1, 1, 1))
	if _, _, err := Places(twice, w.Address(), all); !errors.Is(err, ErrShape) || !contains(err, "more than two copies") {
		t.Errorf("got %v", err)
	}
	if _, _, err := Places(jobs(packed.Address()), w.Address(), ih); !errors.Is(err, ErrShape) {
		t.Errorf("got %v", err)
	}
}
