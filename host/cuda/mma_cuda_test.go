//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// mmaBench is a device with tensor cores and the kernels of
// kernels/testdata/mma.cu.
func mmaBench(t *testing.T) *bench {
	t.Helper()
	t.Setenv("MDLSTM_EMU_ARCH", "80")
	c := gputest.Open(t)
	if c.Device().Capability < 80 {
		t.Skipf("%s has no TF32 tensor cores", c.Device().Name)
	}
	return newBenchOf(t, c, "mma.80.ptx")
}

// TestRoundTF32: to nearest, ties away from zero; NaNs stay NaNs.
func TestRoundTF32(t *testing.T) {
	b := mmaBench(t)
	const ulp = 1.0 / 1024 // of TF32 at 1
	x := make([]float32, 32)
	want := make([]float32, 32)
	for i, c := range [][2]float64{
		{0, 0}, {1, 1}, {-1, -1}, {1 + ulp, 1 + ulp}, {1 + ulp/2, 1 + ulp}, {-1 - ulp/2, -1 - ulp}, {1 + ulp*0.4999, 1}, {1 + 1.5*ulp, 1 + 2*ulp},
		{2 - ulp/4, 2}, {math.Inf(1), math.Inf(1)}, {math.Inf(-1), math.Inf(-1)}, {math.MaxFloat32, math.Inf(1)}, {0x1p-140, 0}, {0x1p-136, 0x1p-136},
	} {
		x[i], want[i] = float32(c[0]), float32(c[1])
	}
	nans := []uint32{0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff}
	numbers := len(x) - len(nans)
	for i, bits := range nans {
		x[numbers+i] = math.Float32frombits(bits)
	}
	y := gputest.New(t, b.Context, "y", gputest.NaNs(32))
	must(t, b.function("mma_round", "pp").Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: 32}, 0, gputest.New(t, b.Context, "x", x).Argument(), y.Argument()))
	got := y.Values()
	for i := range numbers {
		if got[i] != want[i] {
			t.Errorf("%g becomes %g, want %g", x[i], got[i], want[i])
		}
	}
	for i, bits := range nans {
		if v := got[numbers+i]; v == v {
			t.Errorf("NaN %#x becomes %g", bits, v)
		}
	}
}

// TestMMA: [16, 8]·[8, 8] of small whole numbers is exact, whatever the order;
// bits beyond TF32 do not count; non-finite values come through.
func TestMMA(t *testing.T) {
	b := mmaBench(t)
	a, y, d, want := make([]float32, 128), make([]float32, 64), make([]float32, 128), make([]float32, 128)
	for i := range a {
		a[i], d[i] = float32(i%13-6), float32(i%7)
	}
	for i := range y {
		y[i] = float32(i%11 - 5)
	}
	copy(want, d)
	for i := range want {
		for k := range 8 {
			want[i] += a[i/8*8+k] * y[k*8+i%8]
		}
	}
	run := func(a, y, d []float32) []float32 {
		out := gputest.New(t, b.Context, "d", d)
		must(t, b.function("mma_once", "ppp").Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: 32}, 0,
			gputest.New(t, b.Context, "a", a).Argument(), gputest.New(t, b.Context, "b", y).Argument(), out.Argument()))
		return out.Values()
	}
	near := func(name string, got, want []float32) {
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: element %d: got %g, want %g", name, i, got[i], want[i])
			}
		}
	}
	near("whole numbers", run(a, y, d), want)

	fine := make([]float32, len(a))
	for i, v := range a { // a little larger, below what TF32 shows
		fine[i] = math.Float32frombits(math.Float32bits(v) | 0x1fff)
		if v == 0 {
			fine[i] = 0
		}
	}
	near("bits beyond TF32", run(fine, y, d), want)

	wild := append([]float32(nil), d...)
	wild[3] = float32(math.Inf(1))
	if got := run(a, y, wild); !math.IsInf(float64(got[3]), 1) || got[4] != want[4] {
		t.Errorf("an infinite sum: %g and %g", got[3], got[4])
	}

	if !b.Device().Emulated {
		return
	}
	// The model's own rounding: a sum is cut, not rounded.
	one, tiny := make([]float32, 128), make([]float32, 64)
	for i := range 16 {
		one[i*8] = 1
	}
	for i := range 8 {
		tiny[i] = 0x1.8p-24 // three quarters of the last bit of 1
	}
	ones := make([]float32, 128)
	for i := range ones {
		ones[i] = 1
	}
	near("cut", run(one, tiny, ones), ones)
}

// TestMMANeedsAllLanes: a warp that has lost a lane is an error that says so.
func TestMMANeedsAllLanes(t *testing.T) {
	b := mmaBench(t)
	if !b.Device().Emulated {
		t.Skip("on a real device it is undefined")
	}
	m, err := b.Alloc("d", 128)
	must(t, err)
	err = b.function("fault_mma", "p").Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: 32}, 0, cuda.Pointer(m.Address()))
	if err == nil {
		err = b.s.Wait()
	}
	const want = "tensor cores need all 32 lanes of a warp, 31 are here"
	if !errors.Is(err, cuda.LaunchFailed) || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
}
