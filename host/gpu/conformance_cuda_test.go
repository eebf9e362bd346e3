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
	"mdlstm-gpu/host/nn"
)

func TestConformance(t *testing.T) { conformance(t, gpu.KernelsAuto) }

// TestConformanceWavefront is for the layers that take sweeps by themselves;
// TestRecurrent has both families of every layer in any case.
func TestConformanceWavefront(t *testing.T) {
	if !everything(t) {
		t.Skip("left out: the suite with a launch a wavefront everywhere: MDLSTM_CONFORMANCE=all runs it")
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

// everything says whether this is a real GPU, or the emulator has the time.
func everything(t *testing.T) bool {
	return os.Getenv("MDLSTM_CONFORMANCE") == "all" || !gputest.Open(t).Device().Emulated
}

// chosen is the part of the suite that runs here. Everything runs on a real GPU
// and with MDLSTM_CONFORMANCE=all (eight minutes on the emulator, with both families of kernels). Otherwise the
// emulator runs the small cases but for the one about the host's cores, and with
// -short, for builds of it that look at every access, about a fifth of those.
func chosen(t *testing.T) []enginetest.Check {
	if everything(t) {
		return enginetest.Checks(false)
	}
	all := enginetest.Checks(true)
	var some []enginetest.Check
	for i, c := range all {
		kept := c.Name != "plan/any number of cores"
		if testing.Short() {
			often := strings.HasPrefix(c.Name, "model/stack/") || strings.HasPrefix(c.Name, "plan/")
			slow := strings.HasPrefix(c.Name, "training/") || strings.HasPrefix(c.Name, "model/stack/hierarchy")
			kept = kept && (i%7 == 0 || often) && !slow
		}
		if kept {
			some = append(some, c)
		}
	}
	t.Logf("left out: %d of %d small checks, and all large ones: MDLSTM_CONFORMANCE=all runs everything", len(all)-len(some), len(all))
	return some
}
