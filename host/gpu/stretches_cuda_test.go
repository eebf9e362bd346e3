//go:build cuda

package gpu

import (
	"fmt"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// newRecomputing is newEngineOf with Recompute.
func newRecomputing(t testing.TB, c *cuda.Context, config nn.Config, kernels KernelFamily) *Engine {
	t.Helper()
	e := newEngineOf(t, c, config, kernels)
	e.options.Recompute = true // before any plan
	return e
}

// TestRecomputeGivesTheSameBits: a layer that computes its gates again has the
// loss and the gradients of one that kept them, in either family of kernels.
func TestRecomputeGivesTheSameBits(t *testing.T) {
	c := gputest.Open(t)
	for _, x := range []struct {
		name       string
		inputs     int
		hidden     int
		directions []string
		samples    []grid.Shape
		capacity   engine.Capacity
		stretches  int // at least
	}{
		{"one axis", 2, 5, []string{"+", "-"}, []grid.Shape{{70}, {7}, {1}}, engine.Capacity{}, 8},
		{"two axes", 1, 7, []string{"++", "+-"}, []grid.Shape{{19, 12}, {5, 7}, {9, 3}}, engine.Capacity{}, 8},
		{"weights' chains over stretches", 1, 2, []string{"-+"}, []grid.Shape{{40, 41}}, engine.Capacity{}, 10},
		{"room", 1, 3, []string{"--"}, []grid.Shape{{6, 5}}, engine.Capacity{Rows: 200, Wavefronts: 40, Samples: 4}, 8},
		{"one cell", 1, 3, []string{"++"}, []grid.Shape{{1, 1}}, engine.Capacity{}, 1},
		{"volumes", 2, 3, []string{"+++", "-+-"}, []grid.Shape{{5, 6, 4}, {2, 1, 3}}, engine.Capacity{}, 5},
	} {
		for _, cell := range nn.Cells {
			for _, family := range families(len(x.samples[0]), x.hidden) {
				t.Run(fmt.Sprintf("%s/%s/%s", x.name, cell, family), func(t *testing.T) {
					config := oneLayer(cell, x.inputs, x.hidden, x.directions...)
					keeps, again := newEngineOf(t, c, config, family), newRecomputing(t, c, config, family)
					b := randomBatch(t, keeps.model, 5, x.samples...)
					wantLoss, want := gradientsOf(t, keeps, planFor(t, keeps, x.capacity, x.samples...), b)
					p := planFor(t, again, x.capacity, x.samples...)
					if n := p.stages[0].(*recurrentStage).stretches(); n < x.stretches {
						t.Errorf("%d stretches, at least %d were meant", n, x.stretches)
					}
					for round := range 2 {
						loss, got := gradientsOf(t, again, p, b)
						if loss != wantLoss || !slices.Equal(got, want) {
							t.Errorf("round %d: loss %+v, want %+v, gradients equal: %v", round, loss, wantLoss, slices.Equal(got, want))
						}
					}
				})
			}
		}
	}
}

// TestRecomputeBytes: values that a row of a square grid takes on the device, of
// a layer alone and with all that its plan holds, and a grid of four times the
// cells within the memory of one that keeps its gates.
func TestRecomputeBytes(t *testing.T) {
	c := gputest.Open(t)
	for _, x := range []struct {
		cell         string
		directions   []string
		keeps, again float64 // values a row at 64×64, and at 128×128 with Recompute
	}{
		{nn.CellPlain, []string{"++", "+-", "-+", "--"}, 4 * 13 * 16, 0},
		{nn.CellLayerNorm, []string{"++", "+-", "-+", "--"}, 4 * (19*16 + 6), 0},
	} {
		t.Run(fmt.Sprintf("%s/%d", x.cell, len(x.directions)), func(t *testing.T) {
			config := oneLayer(x.cell, 1, 16, x.directions...)
			small, large := slices.Repeat([]grid.Shape{{64, 64}}, 4), slices.Repeat([]grid.Shape{{128, 128}}, 4)
			before := planFor(t, newEngine(t, c, config), engine.Capacity{}, small...)
			after := planFor(t, newRecomputing(t, c, config, KernelsAuto), engine.Capacity{}, large...)
			for _, p := range []struct {
				name string
				*plan
				want float64
			}{{"keeping", before, x.keeps}, {"again", after, x.again}} {
				got := float64(p.work.words) / float64(p.capacity.Rows)
				t.Logf("%s: %.1f values a row, %v stretches", p.name, got, p.stages[0].(*recurrentStage).shape.Stretch)
			}
			got, _ := after.Bytes()
			most, _ := before.Bytes()
			t.Logf("4 times the cells: %d bytes, of %d", got, most)
			if got > most {
				t.Errorf("4 times the cells take %d bytes, more than %d", got, most)
			}
		})
	}
}
