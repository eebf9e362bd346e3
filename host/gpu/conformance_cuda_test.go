//go:build cuda

package gpu_test

import (
	"os"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/grid"
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

// TestConformanceCluster runs a part of the small checks, of those models whose
// every mdlstm layer can run cluster kernels, in plans that they fit.
func TestConformanceCluster(t *testing.T) {
	t.Setenv("MDLSTM_EMU_ARCH", "90")
	if d := gputest.Open(t).Device(); !d.Clusters {
		t.Skipf("%s has no clusters", d.Name)
	}
	enginetest.RunChecks(t, func(t testing.TB, m *nn.Model) engine.Engine {
		for _, s := range m.Stages {
			if s.Type == nn.TypeMDLSTM && !(s.Axes == 2 && s.Hidden <= 32 || s.Axes == 3 && s.Hidden <= 16) {
				t.Skip("no cluster kernels for this model")
			}
		}
		return fitting{newEngine(t, m, gpu.Options{Kernels: gpu.KernelsCluster}), t}
	}, part(5))
}

// fitting leaves out a check whose plan is beyond the shared memory of clusters.
type fitting struct {
	engine.Engine
	t testing.TB
}

func (e fitting) Plan(samples []grid.Shape, c engine.Capacity) (engine.Plan, error) {
	p, err := e.Engine.Plan(samples, c)
	if err != nil && strings.Contains(err.Error(), "cluster kernels need") {
		e.t.Skip(err)
	}
	return p, err
}

// TestConformanceRecompute is the checks of plans' rooms and a sixth of the suite,
// of which a quarter unless all is asked for: TestRecomputeGivesTheSameBits has the
// rest.
func TestConformanceRecompute(t *testing.T) {
	if testing.Short() && gputest.Open(t).Device().Emulated {
		t.Skip("left out: layers that compute their gates again; TestRecomputeGivesTheSameBits has them")
	}
	every := 24
	if os.Getenv("MDLSTM_CONFORMANCE") == "all" {
		every = 6
	}
	var some []enginetest.Check
	for i, c := range chosen(t) {
		if i%every == 0 || strings.HasPrefix(c.Name, "plan/") || strings.Contains(c.Name, "non-finite") {
			some = append(some, c)
		}
	}
	conformance(t, gpu.Options{Recompute: true}, some)
}

func newEngine(t testing.TB, m *nn.Model, o gpu.Options) engine.Engine {
	o.Context = gputest.Open(t)
	e, err := gpu.New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func conformance(t *testing.T, o gpu.Options, checks []enginetest.Check) {
	enginetest.RunChecks(t, func(t testing.TB, m *nn.Model) engine.Engine { return newEngine(t, m, o) }, checks)
}

// chosen is the part of the suite that runs here: all of it, but on the emulator
// with -short, for builds of it that look at every access, about a fifth of the
// small cases.
func chosen(t *testing.T) []enginetest.Check {
	if !testing.Short() || !gputest.Open(t).Device().Emulated {
		return enginetest.Checks(false)
	}
	some := part(7)
	t.Logf("left out with -short: all but %d of %d small checks, and all large ones", len(some), len(enginetest.Checks(true)))
	return some
}

// part is one small check in n, and those that are worth more.
func part(n int) (some []enginetest.Check) {
	for i, c := range enginetest.Checks(true) {
		often := strings.HasPrefix(c.Name, "model/stack/") || strings.HasPrefix(c.Name, "plan/")
		slow := strings.HasPrefix(c.Name, "training/") || strings.HasPrefix(c.Name, "model/stack/hierarchy") || c.Name == "plan/any number of cores"
		if (i%n == 0 || often) && !slow {
			some = append(some, c)
		}
	}
	return some
}
