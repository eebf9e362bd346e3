package cpu

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// deep is a stack with everything in it.
func deep(cell string) nn.Config {
	return nn.Config{
		Input: 2,
		Layers: []nn.Layer{
			{Type: "mdlstm", Cell: cell, Hidden: 5, Directions: signs(2, 4), Window: []int{2, 1}, Dropout: 0.2},
			{Type: "dense", Units: 11, Activation: "tanh", Window: []int{1, 2}},
			{Type: "mdlstm", Cell: cell, Hidden: 8, Directions: signs(2, 2), Combine: "mean"},
			{Type: "sum", Axis: new(int)},
		},
		Head: nn.Head{Units: 2, Activation: "sigmoid"},
		Loss: "mse",
	}
}

// TestSameBitsAtAnyThreads is the promise of doc.go: the bits of the gradients
// follow from the problem, not from the workers, nor from GOMAXPROCS.
func TestSameBitsAtAnyThreads(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  nn.Config
		samples []grid.Shape
	}{
		{"strands", oneLayer("layernorm", 1, 16, 2, 4), slices.Repeat([]grid.Shape{{9, 12}, {5, 7}}, 20)},
		{"lanes", oneLayer("graves", 1, 6, 2, 1), []grid.Shape{{100, 140}}},
		{"large weights", oneLayer("graves", 1, 90, 2, 2), []grid.Shape{{40, 50}, {7, 12}}},
		{"one small sample", oneLayer("stable", 1, 3, 3, 2), []grid.Shape{{3, 4, 5}}},
		{"layernorm lanes", oneLayer("layernorm", 1, 6, 2, 1), []grid.Shape{{150, 150}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := makeBatch(1, 1, c.samples...)
			_, want := gradients(t, open(t, c.config, Options{Threads: 1}), b)
			for _, threads := range []int{2, 3, 7} {
				if _, got := gradients(t, open(t, c.config, Options{Threads: threads}), b); !slices.Equal(got, want) {
					t.Errorf("%d threads give other bits than 1", threads)
				}
			}
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			if _, got := gradients(t, open(t, c.config, Options{Threads: 3}), b); !slices.Equal(got, want) {
				t.Error("GOMAXPROCS=1 gives other bits")
			}
		})
	}
}

// TestSteadyStepAllocatesNothing: after the first step, batches of a shape that
// was seen before leave nothing for the collector, whether gradients of weights are
// fused or not.
func TestSteadyStepAllocatesNothing(t *testing.T) {
	small := makeBatch(2, 0, slices.Repeat([]grid.Shape{{8, 6}}, 12)...)
	small.Y = make([]float32, 12*3*2)
	for _, cell := range nn.Cells {
		for _, o := range []Options{{Threads: 1}, {Threads: 2}, {Threads: 2, part: 1}} {
			t.Run(fmt.Sprintf("%s/threads=%d/part=%d", cell, o.Threads, o.part), func(t *testing.T) {
				allocatesNothing(t, open(t, deep(cell), o), small)
			})
		}
	}
	t.Run("large weights", func(t *testing.T) {
		e := open(t, oneLayer("graves", 1, 90, 2, 2), Options{Threads: 2, part: 1})
		allocatesNothing(t, e, makeBatch(1, 1, slices.Repeat([]grid.Shape{{3, 4}}, 4)...))
		if e.plans[0].stacks[0].stages[0].(*recurrentStage).fused {
			t.Error("fused: this covers nothing")
		}
	})
}

func allocatesNothing(t *testing.T, e *Engine, b *engine.Batch) {
	t.Helper()
	step := func() {
		p, err := e.Plan(b.Samples, engine.Capacity{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Load(b); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Gradients(engine.Pass{}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		step()
	}
	// Many steps: a worker that gets its first part late still makes room.
	if n := testing.AllocsPerRun(100, step); n >= 1 {
		t.Errorf("%v allocations a step, want 0", n)
	}
}

func TestCutCoversEveryRowOnce(t *testing.T) {
	for _, c := range []struct {
		directions int
		samples    []grid.Shape
	}{
		{1, []grid.Shape{{1, 1}}},
		{4, slices.Repeat([]grid.Shape{{28, 28}}, 64)},
		{1, []grid.Shape{{256, 256}}},
		{2, []grid.Shape{{90, 90}, {1, 1}, {2, 300}, {3, 4}, {60, 61}}},
		{16, slices.Repeat([]grid.Shape{{3, 3, 3, 3}}, 50)},
	} {
		s, err := grid.New(c.samples)
		if err != nil {
			t.Fatal(err)
		}
		var k cut
		k.set(s, c.directions, 4, 2)
		stage := recurrentStage{sched: s, cut: k}
		seen := make([][]int, c.directions)
		for q := range seen {
			seen[q] = make([]int, s.Rows)
		}
		for i := range k.strands {
			st := &k.strands[i]
			for t := range s.Wavefronts {
				for lane := range k.lanes {
					from, to := stage.lane(st, lane, t)
					for r := from; r < to; r++ {
						seen[st.direction][r]++
					}
				}
			}
		}
		for q := range seen {
			if i := slices.IndexFunc(seen[q], func(n int) bool { return n != 1 }); i >= 0 {
				t.Errorf("%v, direction %d: row %d is computed %d times", c.samples, q, i, seen[q][i])
			}
		}
		if n := len(k.strands); n > maxStrands+c.directions {
			t.Errorf("%v: %d strands", c.samples, n)
		}
	}
}
