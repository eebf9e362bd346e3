//go:build cuda

package gpu_test

import (
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/nn"
)

func TestConformance(t *testing.T) { conformance(t, gpu.KernelsAuto) }

// TestConformanceWavefront is for the layers that take sweeps by themselves.
func TestConformanceWavefront(t *testing.T) {
	if testing.Short() && gputest.Open(t).Device().Emulated {
		t.Skip("left out: the suite with a launch a wavefront everywhere; TestRecurrent has both families of every layer")
	}
	conformance(t, gpu.KernelsWavefront)
}

func conformance(t *testing.T, kernels gpu.KernelFamily) {
	enginetest.RunChecks(t, func(t testing.TB, m *nn.Model) engine.Engine {
		e, err := gpu.New(m, gpu.Options{Context: gputest.Open(t), Kernels: kernels})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, chosen(t))
}

// chosen is the part of the suite that runs here: all of it, but on the emulator
// with -short, for builds of it that look at every access, about a fifth of the
// small cases.
func chosen(t *testing.T) []enginetest.Check {
	if !testing.Short() || !gputest.Open(t).Device().Emulated {
		return enginetest.Checks(false)
	}
	all := enginetest.Checks(true)
	var some []enginetest.Check
	for i, c := range all {
		often := strings.HasPrefix(c.Name, "model/stack/") || strings.HasPrefix(c.Name, "plan/")
		slow := strings.HasPrefix(c.Name, "training/") || strings.HasPrefix(c.Name, "model/stack/hierarchy") || c.Name == "plan/any number of cores"
		if (i%7 == 0 || often) && !slow {
			some = append(some, c)
		}
	}
	t.Logf("left out with -short: %d of %d small checks, and all large ones", len(all)-len(some), len(all))
	return some
}
