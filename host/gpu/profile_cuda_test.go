//go:build cuda && cgo

package gpu

import (
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// TestKernelTimes: a profiled engine lists the launches of the step that the others
// make as two graphs, and computes the same bits.
func TestKernelTimes(t *testing.T) {
	run := func(profile bool) (params []float32, times []cuda.KernelTime) {
		e := newEngineWith(t, oneLayer(nn.CellLayerNorm, 1, 16, "++"), Options{Context: gputest.Open(t), Kernels: KernelsWavefront, Profile: profile})
		b := randomBatch(t, e.model, 1, grid.Shape{8, 8}, grid.Shape{8, 8})
		p := planFor(t, e, engine.Capacity{}, b.Samples...)
		for range 2 {
			if _, err := e.KernelTimes(); err != nil { // those of the step before
				t.Fatal(err)
			}
			if err := step(e, p, b); err != nil {
				t.Fatal(err)
			}
		}
		times, err := e.KernelTimes()
		if err != nil {
			t.Fatal(err)
		}
		params = make([]float32, e.model.Size())
		if err := e.Parameters(params); err != nil {
			t.Fatal(err)
		}
		return params, times
	}
	want, none := run(false)
	got, times := run(true)
	if none != nil {
		t.Errorf("without a profile: %v", none)
	}
	if !slices.Equal(got, want) {
		t.Error("a profile changes the parameters")
	}
	var kernels []string
	launches := map[string]int{}
	for _, k := range times {
		kernels = append(kernels, k.Kernel)
		launches[k.Kernel] = k.Launches
	}
	order := []string{"rows_gemm_small", "wave_layernorm_forward", "head_step", "wave_layernorm_backward", "outer_80_64", "reduce_slots", "adam_small"}
	if !slices.Equal(kernels, order) || launches["wave_layernorm_forward"] != 15 || launches["wave_layernorm_backward"] != 15 || launches["adam_small"] != 1 {
		t.Errorf("got %v, want %v, 15 launches of a wave and one of the others", times, order)
	}
}
