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

func TestConformance(t *testing.T) { conformance(t, gpu.Options{}, chosen(t)) }

// TestConformanceWavefront is for the layers that take sweeps by themselves.
func TestConformanceWavefront(t *testing.T) {
	if testing.Short() && gputest.Open(t).Device().Emulated {
		t.Skip("left out: the suite with a launch a wavefront everywhere; TestRecurrent has both families of every layer")
	}
	conformance(t, gpu.Options{Kernels: gpu.KernelsWavefront}, chosen(t))
}

// TestConformanceRecompute is a sixth of the suite: TestRecomputeGivesTheSameBits
// has the rest.
func TestConformanceRecompute(t *testing.T) {
	if testing.Short() && gputest.Open(t).Device().Emulated {
		t.Skip("left out: layers that compute their gates again; TestRecomputeGivesTheSameBits has them")
	}
	var some []enginetest.Check
	for i, c := range chosen(t) {
		if i%6 == 0 || strings.Contains(c.Name, "non-finite") {
			some = append(some, c)
		}
	}
	conformance(t, gpu.Options{Recompute: true}, some)
}

func conformance(t *testing.T, o gpu.Options, checks []enginetest.Check) {
	enginetest.RunChecks(t, func(t testing.TB, m *nn.Model) engine.Engine {
		e, err := gpu.New(m, gpu.Options{Context: gputest.Open(t), Kernels: o.Kernels, Recompute: o.Recompute})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}, checks)
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
