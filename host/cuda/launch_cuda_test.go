//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

const faultThreads = 64 // kFaultThreads in kernels/testdata/faults.cu

// bench is what most tests here need: the test kernels and a stream.
type bench struct {
	*cuda.Context
	t testing.TB
	m *cuda.Module
	s *cuda.Stream
}

func newBench(t testing.TB, c *cuda.Context) *bench { return newBenchOf(t, c, "faults.75.ptx") }

// newBenchOf is newBench with the kernels of a file of kernels/testdata.
func newBenchOf(t testing.TB, c *cuda.Context, file string) *bench {
	t.Helper()
	ptx, err := os.ReadFile("../../kernels/testdata/" + file)
	must(t, err)
	m, err := c.Load("faults", string(ptx))
	must(t, err)
	s, err := c.NewStream()
	must(t, err)
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), m.Close()); err != nil && c.Lost() == nil {
			t.Error(err)
		}
	})
	return &bench{c, t, m, s}
}

func (b *bench) function(name, params string) *cuda.Function {
	b.t.Helper()
	f, err := b.m.Function(name, params)
	must(b.t, err)
	return f
}

func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%17) - 3
	}
	return x
}

func TestLaunch(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	sum := b.function("right_sum", "ppi")
	for _, n := range []int{1, 31, 32, 33, 63, 64, 65, 1000} {
		blocks := (n + faultThreads - 1) / faultThreads
		x, y := gputest.New(t, b.Context, "x", ramp(n)), gputest.New(t, b.Context, "y", gputest.NaNs(blocks))
		must(t, sum.Launch(b.s, cuda.Dim{X: blocks}, cuda.Dim{X: faultThreads}, 4*faultThreads, x.Argument(), y.Argument(), cuda.Int(int32(n))))
		want := make([]float32, blocks)
		for i, v := range ramp(n) {
			want[i/faultThreads] += v
		}
		if _, err := gputest.Near("sum", y.Values(), want, 1e-30, 0); err != nil {
			t.Errorf("n = %d: %v", n, err)
		}
		if _, err := gputest.Near("input", x.Values(), ramp(n), 1e-30, 0); err != nil {
			t.Errorf("n = %d: %v", n, err)
		}
	}
	must(t, sum.Launch(b.s, cuda.Dim{}, cuda.Dim{X: 1}, 0)) // an empty grid is no launch, whatever else is wrong
}

func TestWarps(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	y := gputest.New(t, b.Context, "y", make([]int32, 8*64))
	must(t, b.function("right_warps", "p").Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}, 0, y.Argument()))
	got := y.Values()
	var thirds [2]uint32
	for i := range 64 {
		if i%3 == 0 {
			thirds[i/32] |= 1 << (i % 32)
		}
	}
	for i := range 64 {
		lane, warp := i%32, i/32*32
		up, down := i-2, i+2
		if lane < 2 {
			up = i
		}
		if lane%16 >= 14 {
			down = i
		}
		half := int32(warp + 1) // lanes 0 … 15: lane 1's value
		if lane >= 16 {
			half = 1 // all of them hold t > 0
		}
		for row, want := range []int32{int32(warp + 5), int32(i ^ 3), int32(up), int32(down), int32(thirds[i/32]), int32(i / 32), 10, half} {
			if got[64*row+i] != want {
				t.Errorf("row %d, thread %d: got %d, want %d", row, i, got[64*row+i], want)
			}
		}
	}
}

// TestLanes: exchange through shared memory within a warp.
func TestLanes(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	x, y := gputest.New(t, b.Context, "x", ramp(64)), gputest.New(t, b.Context, "y", gputest.NaNs(64))
	must(t, b.function("right_lanes", "pp").Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}, 4*faultThreads, x.Argument(), y.Argument()))
	for i, v := range y.Values() {
		if v != 0 {
			t.Errorf("thread %d read another's value, off by %v", i, v)
		}
	}
}

func TestAtomics(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	y := gputest.New(t, b.Context, "y", make([]int32, 2))
	must(t, b.function("right_atomics", "p").Launch(b.s, cuda.Dim{X: 5, Y: 2}, cuda.Dim{X: faultThreads}, 0, y.Argument()))
	if got := y.Values(); got[0] != 640 || got[1] != 320 {
		t.Errorf("got %v, want [640 320]", got)
	}
}

func TestLaunchRefused(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	axpy := b.function("right_axpy", "ppif")
	x := gputest.New(t, b.Context, "x", ramp(64))
	good := []cuda.Argument{x.Argument(), x.Argument(), cuda.Int(0), cuda.Float(1)}
	one, block := cuda.Dim{X: 1}, cuda.Dim{X: faultThreads}
	for _, c := range []struct {
		name string
		err  error
		is   error
		want string
	}{
		{"too few arguments", axpy.Launch(b.s, one, block, 0, good[:3]...), cuda.ErrRange, "kernel right_axpy: got 3 arguments, want 4 (ppif)"},
		{"wrong argument", axpy.Launch(b.s, one, block, 0, good[0], good[1], cuda.Float(1), good[3]), cuda.ErrRange, "argument 2: got f, want i"},
		{"block too large", axpy.Launch(b.s, one, cuda.Dim{X: 65}, 0, good...), cuda.InvalidValue, "kernel right_axpy: CUDA_ERROR_INVALID_VALUE"},
		{"grid too large", axpy.Launch(b.s, cuda.Dim{X: 1, Y: 65536}, block, 0, good...), cuda.InvalidValue, "grid 1×65536×1"},
		{"too much shared memory", axpy.Launch(b.s, one, block, 48<<10+1, good...), cuda.InvalidValue, "49153 bytes of shared memory"},
		{"more shared memory than there is", axpy.SetDynamicShared(b.Device().SharedPerBlockOptin + 1), cuda.InvalidValue, "kernel right_axpy: cuFuncSetAttribute"},
		{"no such kernel", func() error { _, err := b.m.Function("absent", ""); return err }(), cuda.NotFound, "kernel absent of faults"},
	} {
		if !errors.Is(c.err, c.is) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, c.err, c.want)
		}
	}
	must(t, axpy.SetDynamicShared(60<<10))
	must(t, axpy.Launch(b.s, one, block, 60<<10, good...))
	must(t, b.s.Wait())
}

// TestClusters launches in clusters, alone and within a graph.
func TestClusters(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90")
	b := newBench(t, gputest.Open(t))
	if !b.Device().Clusters {
		t.Skipf("%s has no clusters", b.Device().Name)
	}
	atomics := b.function("right_atomics", "p")
	y := gputest.New(t, b.Context, "y", make([]int32, 2))
	launch := func(s *cuda.Stream) error {
		return atomics.LaunchCluster(s, cuda.Dim{X: 8, Y: 3}, cuda.Dim{X: faultThreads}, cuda.Dim{X: 4}, 0, y.Argument())
	}
	must(t, launch(b.s))
	g, err := b.Capture("clusters", b.s, launch)
	must(t, err)
	must(t, g.Launch(b.s))
	if got := y.Values(); got[0] != 2*24*faultThreads || got[1] != 8*faultThreads {
		t.Errorf("got %v, want [%d %d]", got, 2*24*faultThreads, 8*faultThreads)
	}
	must(t, g.Close())
	for _, c := range []struct {
		grid, cluster cuda.Dim
		want          string
	}{
		{cuda.Dim{X: 9}, cuda.Dim{X: 2}, "a grid of 9×1×1 blocks is no multiple of the cluster of 2×1×1"},
		{cuda.Dim{X: 8, Y: 3}, cuda.Dim{Y: 2}, "no multiple of the cluster of 1×2×1"},
		{cuda.Dim{X: 16}, cuda.Dim{X: 16}, "a cluster of 16×1×1 blocks, at most 8"},
		{cuda.Dim{X: 4, Y: 4}, cuda.Dim{X: 4, Y: 4}, "a cluster of 4×4×1 blocks, at most 8"},
	} {
		err := atomics.LaunchCluster(b.s, c.grid, cuda.Dim{X: 1}, c.cluster, 0, y.Argument())
		if !errors.Is(err, cuda.ErrRange) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("grid %v, cluster %v: got %v, want %q", c.grid, c.cluster, err, c.want)
		}
	}
	if err := atomics.LaunchCluster(b.s, cuda.Dim{X: 2}, cuda.Dim{X: 65}, cuda.Dim{X: 2}, 0, y.Argument()); !errors.Is(err, cuda.InvalidValue) {
		t.Errorf("a block too large: got %v", err)
	}
	must(t, b.s.Wait())
}

func TestClustersRefused(t *testing.T) {
	b := newBench(t, emulated(t)) // an sm_75
	y := gputest.New(t, b.Context, "y", make([]int32, 2))
	err := b.function("right_atomics", "p").LaunchCluster(b.s, cuda.Dim{X: 2}, cuda.Dim{X: 1}, cuda.Dim{X: 2}, 0, y.Argument())
	if !errors.Is(err, cuda.ErrRange) || !strings.Contains(err.Error(), "compute capability 9.0 is needed") {
		t.Errorf("got %v", err)
	}
}

func TestFunctionAttributes(t *testing.T) {
	b := newBench(t, gputest.Open(t))
	f := b.function("right_axpy", "ppif")
	a, err := f.Attributes()
	must(t, err)
	if a.MaxThreads != faultThreads || a.Shared != 0 || a.Local != 0 || a.Binary != b.Device().Capability {
		t.Errorf("got %+v", a)
	}
	many, err := f.Occupancy(faultThreads, 0)
	must(t, err)
	few, err := f.Occupancy(faultThreads, 30<<10)
	must(t, err)
	if many < 8 || few < 1 || few >= many {
		t.Errorf("occupancy: %d blocks without shared memory, %d with 30 KiB each", many, few)
	}
}

func TestLoadRefused(t *testing.T) {
	c := gputest.Open(t)
	ptx, err := os.ReadFile("../../kernels/testdata/faults.75.ptx")
	must(t, err)
	for _, k := range []struct {
		name, ptx string
		is        error
		want      string
	}{
		{"no PTX", "nonsense", cuda.InvalidPTX, "load PTX of x: cuModuleLoadDataEx: CUDA_ERROR_INVALID_PTX: "},
		{"empty", "", nil, "load PTX of x"},
		{"cut off", string(ptx[:len(ptx)/2]), cuda.InvalidPTX, "load PTX of x"},
		{"newer than the driver", strings.Replace(string(ptx), ".version 8.0", ".version 99.0", 1), cuda.UnsupportedPTXVersion,
			"its .version 99.0 is newer than the driver"},
		{"newer than the device", strings.Replace(string(ptx), ".target sm_75", ".target sm_999", 1), nil, "load PTX of x"},
	} {
		_, err := c.Load("x", k.ptx)
		if err == nil || k.is != nil && !errors.Is(err, k.is) || !strings.Contains(err.Error(), k.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", k.name, err, k.want)
		}
	}
	if c.Device().Emulated { // only it has a known, small capability
		_, err := c.Load("x", strings.Replace(string(ptx), ".target sm_75", ".target sm_90", 1))
		if err == nil || !strings.Contains(err.Error(), "its .target sm_90 is newer than the device, compute capability 7.5") {
			t.Errorf("got %v", err)
		}
	}
}
