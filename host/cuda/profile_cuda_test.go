//go:build cuda && cgo

package cuda_test

import (
	"errors"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// TestProfile times kernels by themselves and in a graph, which is taken apart.
func TestProfile(t *testing.T) {
	c := gputest.Open(t)
	b := newBench(t, c)
	const n = 64
	axpy, sum := b.function("right_axpy", "ppif"), b.function("right_sum", "ppi")
	x, y := gputest.New(t, c, "x", ramp(n)), gputest.New(t, c, "y", ramp(n))
	one := cuda.Dim{X: 1}
	add := func(s *cuda.Stream) error {
		return axpy.Launch(s, one, cuda.Dim{X: n}, 0, x.Argument(), y.Argument(), cuda.Int(n), cuda.Float(0))
	}
	total := func(s *cuda.Stream) error {
		return sum.Launch(s, one, cuda.Dim{X: faultThreads}, 4*faultThreads, x.Argument(), y.Argument(), cuda.Int(n))
	}
	must(t, add(b.s)) // before anybody asked
	g, err := c.Capture("both", b.s, func(s *cuda.Stream) error { return errors.Join(total(s), add(s), add(s)) })
	must(t, err)
	defer func() { must(t, g.Close()) }()

	p := c.Profile()
	if again := c.Profile(); again != p {
		t.Error("a context has two profiles")
	}
	if times, err := p.Take(); err != nil || len(times) != 0 {
		t.Errorf("before any launch: %v, error %v", times, err)
	}
	for round := range 3 {
		must(t, add(b.s))
		must(t, g.Launch(b.s))
		times, err := p.Take()
		must(t, err)
		if len(times) != 2 || times[0].Kernel != "right_axpy" || times[0].Launches != 3 || times[1].Kernel != "right_sum" || times[1].Launches != 1 {
			t.Fatalf("round %d: got %v, want three launches of right_axpy, one of right_sum", round, times)
		}
		for _, k := range times {
			if !(k.Milliseconds >= 0 && k.Milliseconds < 60_000) {
				t.Errorf("round %d: %s took %v ms", round, k.Kernel, k.Milliseconds)
			}
		}
	}
}

// TestProfileFails: errors of a launch stay what they are, and those of events name
// the call.
func TestProfileFails(t *testing.T) {
	for _, test := range []struct{ fail, want string }{
		{"cuLaunchKernel=1", "cuLaunchKernel: kernel right_axpy: CUDA_ERROR_INVALID_VALUE"},
		{"cuEventCreate=2", "cuEventCreate: CUDA_ERROR_OUT_OF_MEMORY"},
		{"cuEventRecord=400", "cuEventRecord: CUDA_ERROR_INVALID_HANDLE"},
	} {
		t.Run(test.fail, func(t *testing.T) {
			c := gputest.Open(t)
			if !c.Device().Emulated {
				t.Skip("a GPU fails when it wants to")
			}
			b := newBench(t, c)
			axpy := b.function("right_axpy", "ppif")
			x := gputest.New(t, c, "x", ramp(8))
			p := c.Profile()
			t.Setenv("MDLSTM_EMU_FAIL", test.fail)
			err := axpy.Launch(b.s, cuda.Dim{X: 1}, cuda.Dim{X: 8}, 0, x.Argument(), x.Argument(), cuda.Int(8), cuda.Float(0))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			t.Setenv("MDLSTM_EMU_FAIL", "")
			if times, err := p.Take(); err != nil || len(times) != 0 {
				t.Errorf("after that: %v, error %v", times, err)
			}
		})
	}
}
