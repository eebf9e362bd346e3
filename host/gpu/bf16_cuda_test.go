//go:build cuda && cgo

package gpu

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// newHalving is newEngineOf with what waits for the backward pass in bfloat16.
func newHalving(t testing.TB, c *cuda.Context, config nn.Config, kernels KernelFamily) *Engine {
	t.Helper()
	e := newEngineOf(t, c, config, kernels)
	e.options.Precision = BF16 // before any plan, and on devices without tensor cores, too
	if err := e.kernels.Load("store"); err != nil {
		t.Fatal(err)
	}
	return e
}

// exactGradients is the gradient of a batch in float64.
func exactGradients(t testing.TB, e *Engine, b *engine.Batch) []float64 {
	t.Helper()
	values := make([]float32, e.model.Size())
	if err := e.Parameters(values); err != nil {
		t.Fatal(err)
	}
	params, batch := ref.Params{}, ref.Batch{}
	for _, p := range e.model.Params {
		for _, v := range values[p.Offset:][:p.Size()] {
			params[p.Name] = append(params[p.Name], float64(v))
		}
	}
	at := 0
	wide := func(x []float32) (out []float64) {
		for _, v := range x {
			out = append(out, float64(v))
		}
		return out
	}
	for _, shape := range b.Samples {
		n, in, out := shape.Cells(), e.model.Config.Input, e.model.Units()
		batch.Samples = append(batch.Samples, ref.Sample{Shape: shape, X: wide(b.X[at*in:][:n*in]), Y: wide(b.Y[at*out:][:n*out])})
		at += n
	}
	_, grads, err := ref.Gradients(e.model.Config, params, batch, ref.Options{ClipErrors: true})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, e.model.Size())
	for _, p := range e.model.Params {
		copy(want[p.Offset:], grads[p.Name])
	}
	return want
}

// gradientError is the largest error of any tensor's gradients, of the largest
// gradient of that tensor; tensors of gradients far below all others' are
// measured by a tenth of the largest of all.
func gradientError(m *nn.Model, got []float32, want []float64) (worst float64) {
	floor := largest(want) / 10
	for _, p := range m.Params {
		unit := max(largest(want[p.Offset:][:p.Size()]), floor)
		for i := p.Offset; i < p.Offset+p.Size(); i++ {
			worst = max(worst, math.Abs(float64(got[i])-want[i])/unit)
		}
	}
	return worst
}

// bf16Tolerance is what a gradient of a cell may be off, of the largest of its
// tensor: less than 4 times the errors measured on the emulator.
func bf16Tolerance(cell string) float64 {
	if cell == nn.CellLayerNorm {
		return 3e-2 // 1.2e-2: its gradients are small differences of large terms
	}
	return 1e-2 // 2.9e-3
}

// TestBF16: saved gates of 8 significant bits change no output, and gradients as
// little as stated in kernels/README.md; the same bits whatever the plan's room
// and its stretches.
func TestBF16(t *testing.T) {
	c := gputest.Open(t)
	samples := []grid.Shape{{9, 11}, {4, 6}, {1, 1}}
	for _, cell := range someCells() {
		for _, family := range families(2, 6) {
			t.Run(fmt.Sprintf("%s/%s", cell, family), func(t *testing.T) {
				config := oneLayer(cell, 2, 6, "++", "-+")
				keeps, halves := newEngineOf(t, c, config, family), newHalving(t, c, config, family)
				b := randomBatch(t, keeps.model, 5, samples...)
				wantLoss, full := gradientsOf(t, keeps, planFor(t, keeps, engine.Capacity{}, samples...), b)
				loss, got := gradientsOf(t, halves, planFor(t, halves, engine.Capacity{}, samples...), b)
				if loss != wantLoss {
					t.Errorf("loss %+v, want %+v", loss, wantLoss)
				}
				want := exactGradients(t, halves, b)
				exact, rounded := gradientError(keeps.model, full, want), gradientError(keeps.model, got, want)
				t.Logf("errors: float32 %.2g, bf16 %.2g", exact, rounded)
				tolerance := bf16Tolerance(cell)
				if rounded > tolerance || exact > tolerance/1000 {
					t.Errorf("errors: float32 %.2g, bf16 %.2g, tolerance %g", exact, rounded, tolerance)
				}
				if slices.Equal(got, full) {
					t.Error("gradients are those of float32: nothing was rounded")
				}
				wider := newHalving(t, c, config, family)
				room := engine.Capacity{Rows: 300, Wavefronts: 60, Samples: 5}
				if _, again := gradientsOf(t, wider, planFor(t, wider, room, samples...), b); !slices.Equal(again, got) {
					t.Error("a plan with more room, so with other stretches, has other gradients")
				}
				// With nothing kept there is nothing to round.
				both := newHalving(t, c, config, family)
				both.options.Recompute = true
				if _, again := gradientsOf(t, both, planFor(t, both, engine.Capacity{}, samples...), b); !slices.Equal(again, full) {
					t.Error("recomputed gates: gradients are not those of float32")
				}
				worse := slices.Clone(got)
				for i := range worse {
					worse[i] *= float32(1 + 3*tolerance)
				}
				if gradientError(keeps.model, worse, want) <= tolerance {
					t.Errorf("gradients off by three times %g are within the tolerance", tolerance)
				}
			})
		}
	}
}
