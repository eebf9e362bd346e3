//go:build cuda

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
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

// someCells are those that differ in what lies between two stretches; all of them
// without -short.
func someCells() []string {
	if testing.Short() {
		return []string{nn.CellLayerNorm, nn.CellGraves}
	}
	return nn.Cells
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
		for _, cell := range someCells() {
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

// TestStretchesInClusters: a sample's blocks walk stretches to the bits of a
// layer that keeps its gates, and with bfloat16 to those of another family and
// another number of blocks: each block finds in memory what the others left of the
// wavefront before. 35 rows are more than a turn.
func TestStretchesInClusters(t *testing.T) {
	c := clustered(t)
	for _, x := range []struct {
		name       string
		hidden     int
		directions []string
		samples    []grid.Shape
		other      KernelFamily
	}{
		{"clusters of 4", 3, []string{"+-"}, []grid.Shape{{35, 36}}, KernelsSweep},
		{"clusters of 2", 20, []string{"++"}, []grid.Shape{{19, 12}, {3, 5}}, KernelsSweep},
		{"more samples than multiprocessors", 5, []string{"--", "-+"}, []grid.Shape{{9, 12}, {1, 1}, {4, 3}}, KernelsSweep},
		{"volumes", 3, []string{"-+-"}, []grid.Shape{{5, 6, 4}}, KernelsCluster},
	} {
		for _, cell := range someCells() {
			t.Run(x.name+"/"+cell, func(t *testing.T) {
				config := oneLayer(cell, 1, x.hidden, x.directions...)
				gradients := func(open func(testing.TB, *cuda.Context, nn.Config, KernelFamily) *Engine, family KernelFamily) []float32 {
					e := open(t, c, config, family)
					p := planFor(t, e, engine.Capacity{}, x.samples...)
					_, g := gradientsOf(t, e, p, randomBatch(t, e.model, 5, x.samples...))
					if s := p.stages[0].(*recurrentStage); family == KernelsCluster && (s.chosen.family() != KernelsCluster || e.inStretches() && s.stretches() < 4) {
						t.Errorf("%d stretches of %v, at least 4 in clusters were meant", s.stretches(), s.chosen.Kernels())
					}
					return g
				}
				want := gradients(newEngineOf, x.other)
				if got := gradients(newRecomputing, KernelsCluster); !slices.Equal(got, want) {
					t.Errorf("recomputed: other gradients than a %s that keeps its gates", x.other)
				}
				if testing.Short() && x.hidden != 3 {
					return
				}
				other := x.other
				if len(x.samples[0]) > sweepMaxAxes {
					other = KernelsWavefront
				}
				halves, rounded := gradients(newHalving, KernelsCluster), gradients(newHalving, other)
				if slices.Equal(halves, want) {
					t.Error("bfloat16: the gradients of float32")
				}
				if other == KernelsSweep && !slices.Equal(halves, rounded) {
					t.Error("bfloat16: other gradients than a sweep's")
				}
				if _, err := gputest.Near("gradients", halves, rounded, 2e-2*float64(max(slices.Max(rounded), -slices.Min(rounded))), 0); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestRecomputeOnTensorCores: the same bits there, with weight gradients of more
// rows than a chain, projections and gradients of inputs, all on tensor cores.
func TestRecomputeOnTensorCores(t *testing.T) {
	if testing.Short() {
		t.Skip("left out: slow on the emulator")
	}
	c := tensorDevice(t)
	config := oneLayer(nn.CellPlain, 1, tensorHidden, "+-")
	config.Layers = append(config.Layers, nn.Layer{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: tensorHidden + 1, Directions: []string{"-+"}})
	samples := []grid.Shape{{23, 24}}
	gradients := func(precision Precision, recompute bool) (engine.Loss, []float32) {
		e := newEngineWith(t, config, Options{Context: c, Precision: precision, Recompute: recompute})
		return gradientsOf(t, e, planFor(t, e, engine.Capacity{}, samples...), randomBatch(t, e.model, 5, samples...))
	}
	wantLoss, want := gradients(TF32, false)
	for _, precision := range []Precision{TF32, BF16} {
		if loss, got := gradients(precision, true); loss != wantLoss || !slices.Equal(got, want) {
			t.Errorf("%s, recomputed: loss %+v, want %+v, gradients equal: %v", precision, loss, wantLoss, slices.Equal(got, want))
		}
	}
	if loss, got := gradients(BF16, false); loss != wantLoss || slices.Equal(got, want) {
		t.Errorf("bf16: loss %+v, want %+v, gradients equal: %v", loss, wantLoss, slices.Equal(got, want))
	}
}

// TestStretchBytes holds what a row of a square grid takes on the device in the
// arrays of a plan to kernels/README.md: with everything kept, as sweeps and in
// launches of wavefronts, recomputed and in bfloat16. With layer norm and several
// directions four times the cells fit the memory of a plan that keeps its gates.
func TestStretchBytes(t *testing.T) {
	c := gputest.Open(t)
	all := []string{"++", "+-", "-+", "--"}
	for _, x := range []struct {
		cell                 string
		directions           []string
		keeps, again, halves float64 // values of 4 bytes a row: at 64×64, and at 128×128
		times                float64 // how many times the bytes a row, tables and all
	}{
		{nn.CellPlain, all[:1], 187.8, 59.1, 123.1, 2.7},
		{nn.CellPlain, all, 748, 233.3, 489.3, 3},
		{nn.CellLayerNorm, all[:1], 288.6, 64.6, 179.6, 3.7},
		{nn.CellLayerNorm, all, 1151.2, 255.4, 715.4, 4.2},
	} {
		t.Run(fmt.Sprintf("%s/%d", x.cell, len(x.directions)), func(t *testing.T) {
			config := oneLayer(x.cell, 1, 16, x.directions...)
			small, large := slices.Repeat([]grid.Shape{{64, 64}}, 4), slices.Repeat([]grid.Shape{{128, 128}}, 4)
			before := planFor(t, newEngine(t, c, config), engine.Capacity{}, small...)
			waves := planFor(t, newEngineOf(t, c, config, KernelsWavefront), engine.Capacity{}, small...)
			const left = 4 * 16 * 2 / 64 // of a direction: 4·H·D·L/T
			after := planFor(t, newRecomputing(t, c, config, KernelsAuto), engine.Capacity{}, large...)
			halves := planFor(t, newHalving(t, c, config, KernelsAuto), engine.Capacity{}, large...)
			for _, p := range []struct {
				name string
				*plan
				want float64
			}{{"kept", before, x.keeps}, {"kept, wavefronts", waves, x.keeps + float64(left*len(x.directions))}, {"recomputed", after, x.again}, {"bfloat16", halves, x.halves}} {
				if got := float64(p.work.words) / float64(p.capacity.Rows); got < p.want*0.995 || got > p.want*1.005 {
					t.Errorf("%s: %.1f values a row, want %.1f", p.name, got, p.want)
				}
			}
			total, less := before.Bytes()
			fits, least := after.Bytes()
			if less < x.times*least {
				t.Errorf("%.0f bytes a row and %.0f (%d, %d in all): want %g times less", less, least, total, fits, x.times)
			}
		})
	}
}

// TestStretchCost: what a training step asks of the driver, exactly. Each
// stretch adds the launches of kernels/README.md.
func TestStretchCost(t *testing.T) {
	const (
		waves = 15 // of 8×8
		plain = 5  // stretches of 3
		norm  = 8  // stretches of 2, the last of 1
		rest  = 3  // head with loss, reduction, update
	)
	for _, x := range []struct {
		name     string
		cell     string
		kernels  KernelFamily
		open     func(testing.TB, *cuda.Context, nn.Config, KernelFamily) *Engine
		launches int
	}{
		{"recompute, sweep", nn.CellPlain, KernelsSweep, newRecomputing, 2*plain + 2*(plain-1) + 2*plain + rest},
		{"recompute, wavefront", nn.CellLayerNorm, KernelsWavefront, newRecomputing, norm + waves + norm - 1 + waves - 1 + waves + norm + rest},
		{"bf16, sweep", nn.CellPlain, KernelsSweep, newHalving, 3*plain + 3*plain + rest},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Setenv("MDLSTM_SYNC", "0")
			c := emulated(t)
			e := x.open(t, c, oneLayer(x.cell, 1, 16, "++"), x.kernels)
			b := randomBatch(t, e.model, 1, grid.Shape{8, 8}, grid.Shape{8, 8})
			p := planFor(t, e, engine.Capacity{}, b.Samples...)
			step := func() cuda.Counters {
				gradientsOf(t, e, p, b)
				if _, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01}); err != nil {
					t.Fatal(err)
				}
				n, _ := c.Counters()
				return n
			}
			before := step()
			after := step()
			launches, graphs, nodes := after.Launches-before.Launches, after.GraphLaunches-before.GraphLaunches, after.GraphNodes-before.GraphNodes
			if want := uint64(x.launches); launches != want || graphs != 2 || nodes != want+1 {
				t.Errorf("%d launches, %d nodes of %d graphs, want %d, %d of 2", launches, nodes, graphs, want, want+1)
			}
		})
	}
}

// TestRecomputeDeep: layers that hand a gradient down add it up stretch by
// stretch and direction by direction, so the last bits of the layers below
// differ, and only theirs; with one direction nobody's.
func TestRecomputeDeep(t *testing.T) {
	c := gputest.Open(t)
	samples := []grid.Shape{{9, 8}, {4, 6}}
	for _, directions := range [][]string{{"+-"}, {"++", "--"}} {
		for _, cell := range someCells() {
			t.Run(fmt.Sprintf("%s/%d", cell, len(directions)), func(t *testing.T) {
				config := oneLayer(cell, 2, 5, directions...)
				config.Layers = append(config.Layers, nn.Layer{Type: nn.TypeMDLSTM, Cell: cell, Hidden: 4, Directions: directions, Combine: nn.CombineMean})
				keeps, again := newEngine(t, c, config), newRecomputing(t, c, config, KernelsAuto)
				b := randomBatch(t, keeps.model, 5, samples...)
				wantLoss, want := gradientsOf(t, keeps, planFor(t, keeps, engine.Capacity{}, samples...), b)
				loss, got := gradientsOf(t, again, planFor(t, again, engine.Capacity{}, samples...), b)
				if loss != wantLoss {
					t.Errorf("loss %+v, want %+v", loss, wantLoss)
				}
				for _, p := range keeps.model.Params {
					g, w := got[p.Offset:][:p.Size()], want[p.Offset:][:p.Size()]
					if p.Stage > 0 || len(directions) == 1 {
						if !slices.Equal(g, w) {
							t.Errorf("%s: other bits", p.Name)
						}
						continue
					}
					if _, err := gputest.Near(p.Name, g, w, 2e-5*float64(max(slices.Max(w), -slices.Min(w))), 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// TestRecomputeGrows: a batch with a larger wavefront than the plan has room for
// has it built anew, to the bits of a plan of its own.
func TestRecomputeGrows(t *testing.T) {
	c := gputest.Open(t)
	config := oneLayer(nn.CellLayerNorm, 1, 4, "++", "--")
	thin, square := []grid.Shape{{2, 18}}, []grid.Shape{{6, 6}}
	e := newRecomputing(t, c, config, KernelsAuto)
	p := planFor(t, e, engine.Capacity{Rows: 36, Wavefronts: 19, Samples: 1}, thin...)
	line := p.levels[0].line
	for round, samples := range [][]grid.Shape{thin, square, thin} {
		b := randomBatch(t, e.model, 3, samples...)
		_, got := gradientsOf(t, e, p, b)
		own := newEngine(t, c, config)
		if _, want := gradientsOf(t, own, planFor(t, own, engine.Capacity{}, samples...), b); !slices.Equal(got, want) {
			t.Errorf("round %d: other gradients than in a plan of its own that keeps its gates", round)
		}
	}
	if p.levels[0].line <= line {
		t.Errorf("room for wavefronts of %d rows, %d before: this test grows nothing", p.levels[0].line, line)
	}
}

// TestRecomputeFits: what is refused for its memory, before anything runs, may
// fit when gates are not kept.
func TestRecomputeFits(t *testing.T) {
	t.Setenv("MDLSTM_EMU_MEMORY", fmt.Sprint(8<<20))
	c := emulated(t)
	config, samples := oneLayer(nn.CellStable, 1, 16, "++", "--"), []grid.Shape{{80, 80}}
	if _, err := newEngine(t, c, config).Plan(samples, engine.Capacity{}); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("gates kept: got %v, want an error that wraps ErrMemory", err)
	}
	e := newRecomputing(t, c, config, KernelsAuto)
	gradientsOf(t, e, planFor(t, e, engine.Capacity{}, samples...), randomBatch(t, e.model, 1, samples...))
	if _, err := e.Plan([]grid.Shape{{300, 300}}, engine.Capacity{}); !errors.Is(err, engine.ErrMemory) {
		t.Errorf("too large all the same: got %v, want an error that wraps ErrMemory", err)
	}
}

// TestNonFiniteInStretches: a gate that is not finite is found where it is,
// though no stretch but the last is in memory.
func TestNonFiniteInStretches(t *testing.T) {
	c := gputest.Open(t)
	for name, open := range map[string]func(testing.TB, *cuda.Context, nn.Config, KernelFamily) *Engine{"recompute": newRecomputing, "bf16": newHalving, "kept": newEngineOf} {
		t.Run(name, func(t *testing.T) {
			e := open(t, c, oneLayer(nn.CellPlain, 1, 4, "++", "--"), KernelsAuto)
			samples := []grid.Shape{{9, 8}}
			b := randomBatch(t, e.model, 1, samples...)
			p := planFor(t, e, engine.Capacity{}, samples...)
			gradientsOf(t, e, p, b)
			if where, err := p.FindNonFinite(); where != "" || err != nil {
				t.Errorf("all is finite: %q, %v", where, err)
			}
			params := make([]float32, e.model.Size())
			if err := e.Parameters(params); err != nil {
				t.Fatal(err)
			}
			for _, x := range e.model.Params {
				if x.Name == "layers.0.weight_ih" { // gate f_0 of direction 1, unit 2
					params[x.Offset+5*4+2*4+2] = float32(math.Inf(1))
				}
			}
			for i := range b.X {
				b.X[i] = 1 // and a gate of σ(∞), 1
			}
			b.X[3*8+4] = 0 // a cell in the middle: 0·∞
			if err := e.SetParameters(params); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Load(b); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Gradients(engine.Pass{}); err != nil {
				t.Fatal(err)
			}
			where, err := p.FindNonFinite()
			if !strings.Contains(where, "gate f_0") || err != nil {
				t.Errorf("got %q (%v), want gate f_0", where, err)
			}
		})
	}
}
