package cpu

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// outputs predicts a batch with a plan of some capacity.
func outputs(t *testing.T, e *Engine, b *engine.Batch, capacity engine.Capacity) []float32 {
	t.Helper()
	p, err := e.Plan(b.Samples, capacity)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Load(b); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, p.(*plan).cells*e.model.Units())
	for i := range out {
		out[i] = float32(math.NaN())
	}
	if _, err := p.Predict(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPredictBeyondMemory: the bits in memory and in a file, of which no folder
// shows a trace, are those of a plan that could train, at any number of threads.
func TestPredictBeyondMemory(t *testing.T) {
	samples := []grid.Shape{{90, 70}, {1, 5}, {33, 64}}
	sum := oneLayer("layernorm", 2, 5, 2, 4)
	sum.Layers[0].Combine = "mean"
	snake := oneLayer("plain", 2, 5, 1, 2)
	snake.View = grid.ViewSnake
	for name, c := range map[string]nn.Config{
		"deep": deep("graves"), "mean": sum, "snake": snake,
		"stable": oneLayer("stable", 2, 9, 2, 1), "leakylp": oneLayer("leakylp", 2, 16, 2, 4), "layernorm": oneLayer("layernorm", 2, 17, 2, 2),
	} {
		t.Run(name, func(t *testing.T) {
			b := makeBatch(2, 0, samples...)
			ordinary := open(t, c, Options{})
			want := outputs(t, ordinary, b, engine.Capacity{})
			need := ordinary.estimate(samples, true, false)
			for _, threads := range []int{1, 3} {
				folder := t.TempDir()
				for what, o := range map[string]Options{
					"heap": {Threads: threads}, "file": {Threads: threads, Memory: need.tables + (need.data+need.stages)/2, Temp: folder},
				} {
					e := open(t, c, o)
					got := outputs(t, e, b, engine.Capacity{Predict: true})
					if err := approx.SameBits("outputs", got, want); err != nil {
						t.Errorf("%s, %d threads: %v", what, threads, err)
					}
					if inFile := e.plans[0].stacks[0].slabs[slabEven].file != nil; inFile != (what == "file") {
						t.Errorf("%s: in a file: %v", what, inFile)
					}
				}
				if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
					t.Errorf("the folder shows %v (error %v), want nothing", left, err)
				}
			}
		})
	}
}

// TestEstimateToPredict holds what is predicted against what a plan then holds,
// and both against a plan that can train.
func TestEstimateToPredict(t *testing.T) {
	for name, c := range map[string]struct {
		config  nn.Config
		samples []grid.Shape
		least   float64 // times smaller than a plan that can train
	}{
		"layernorm": {oneLayer("layernorm", 1, 16, 2, 1), slices.Repeat([]grid.Shape{{32, 32}}, 16), 5},
		"wide":      {oneLayer("plain", 3, 32, 2, 4), []grid.Shape{{200, 150}}, 7},
		"deep":      {deep("leakylp"), slices.Repeat([]grid.Shape{{40, 60}}, 8), 4},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t, c.config, Options{Threads: 1})
			want := e.estimate(c.samples, true, false).total()
			p, err := e.Plan(c.samples, engine.Capacity{Predict: true})
			if err != nil {
				t.Fatal(err)
			}
			got, perRow := p.Bytes()
			if share := float64(got) / float64(want); share < 0.7 || share > 1.25 {
				t.Errorf("the plan holds %d bytes, %.0f a row; estimated were %d", got, perRow, want)
			}
			train := e.estimate(c.samples, false, false).total()
			t.Logf("%.0f bytes a row to predict, %d times less than to train", perRow, train/got)
			if float64(train) < c.least*float64(got) {
				t.Errorf("%d bytes to predict, %d to train: want %v times less", got, train, c.least)
			}
		})
	}
}

func TestPredictRefuses(t *testing.T) {
	c, samples := oneLayer("plain", 1, 8, 2, 4), []grid.Shape{{300, 300}}
	for name, test := range map[string]struct {
		options Options
		text    string
	}{
		"tables too large": {Options{Memory: 1000}, "for the order of the cells and the weights alone, 0.0 MiB are free"},
		"no such folder":   {Options{Memory: 5_000_000, Temp: filepath.Join(t.TempDir(), "missing")}, "missing"},
	} {
		e := open(t, c, test.options)
		_, err := e.Plan(samples, engine.Capacity{Predict: true})
		if !errors.Is(err, engine.ErrMemory) || !strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), "tiles") {
			t.Errorf("%s: got %v, want one with %q", name, err, test.text)
		}
	}
	e := open(t, c, Options{})
	b := makeBatch(1, 1, grid.Shape{3, 3})
	p, err := e.Plan(b.Samples, engine.Capacity{Predict: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Load(b); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Gradients(engine.Pass{}); !errors.Is(err, engine.ErrShape) {
		t.Errorf("gradients: got %v, want a refusal", err)
	}
}

// TestPredictFindsNonFinite: also where gates are not kept.
func TestPredictFindsNonFinite(t *testing.T) {
	for tensor, want := range map[string]string{"layers.0.bias": "layer 0 gate i, direction ++", "layers.2.bias": "layer 2 gate i, direction ++", "head.bias": "head"} {
		e := open(t, deep("plain"), Options{Threads: 2})
		b := makeBatch(2, 0, grid.Shape{4, 6})
		outputs(t, e, b, engine.Capacity{Predict: true})
		if got, err := e.plans[0].FindNonFinite(); got != "" || err != nil {
			t.Errorf("all is finite, found %q, %v", got, err)
		}
		p, _ := e.model.Param(tensor)
		e.params[p.Offset] = float32(math.NaN())
		e.version++
		if got, err := e.plans[0].FindNonFinite(); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: found %q, %v, want %q", tensor, got, err, want)
		}
	}
}

// TestPredictAfterNoRoom: a batch that found no room on the disk asks nothing of
// the next one.
func TestPredictAfterNoRoom(t *testing.T) {
	c, folder := oneLayer("plain", 1, 8, 2, 4), filepath.Join(t.TempDir(), "gone")
	e := open(t, c, Options{Memory: 5_000_000, Temp: folder})
	p := e.newPlan(engine.Capacity{Rows: 1 << 20, Wavefronts: 1 << 12, Samples: 1, Predict: true}, true, place{together: true, inFile: true})
	t.Cleanup(p.free)
	if err := p.reserve([]grid.Shape{{300, 300}}); !errors.Is(err, engine.ErrMemory) {
		t.Fatalf("no folder: got %v, want ErrMemory", err)
	}
	if err := os.Mkdir(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := p.reserve([]grid.Shape{{3, 3}}); err != nil {
		t.Fatal(err)
	}
	if got, want := len(p.inputs.data), 10*c.Input; got != want {
		t.Errorf("the inputs' slab has %d values, want %d", got, want)
	}
}
