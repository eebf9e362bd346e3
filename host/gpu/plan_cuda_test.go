//go:build cuda

package gpu

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// windowed has a deeper grid, and an option of every kind that depends on the
// batch.
func windowed() nn.Config {
	c := oneLayer(nn.CellPlain, 2, 4, "+-", "-+")
	c.Layers[0].Window = []int{2, 3}
	c.Layers[0].Dropout = 0.3
	c.Layers[0].Combine = nn.CombineMean
	return c
}

// TestRecordings: 200 batches of random sizes are computed by one plan, which
// records its gradients once.
func TestRecordings(t *testing.T) {
	e := newEngine(t, gputest.Open(t), oneLayer(nn.CellPlain, 1, 2, "++"))
	capacity := engine.Capacity{Rows: 60, Wavefronts: 9, Samples: 4}
	p := planFor(t, e, capacity, grid.Shape{3, 4})
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var samples []grid.Shape
		for range 1 + r.IntN(3) {
			samples = append(samples, grid.Shape{1 + r.IntN(4), 1 + r.IntN(5)})
		}
		if again := planFor(t, e, engine.Capacity{}, samples...); again != p {
			t.Fatalf("%v: another plan", samples)
		}
		if _, err := p.Load(randomBatch(t, e.model, r.Uint64(), samples...)); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Gradients(engine.Pass{}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Update(engine.Update{Optimizer: engine.SGD, LR: 0.01}); err != nil {
			t.Fatal(err)
		}
	}
	if len(e.plans) != 1 || len(p.graphs) != 1 || len(e.graphs) != 1 {
		t.Errorf("%d plans, %d recordings of the first and %d of the update, want 1 of each", len(e.plans), len(p.graphs), len(e.graphs))
	}
	if n, ok := e.c.Counters(); ok && !e.c.Sync() && (n.Captures != 2 || n.GraphLaunches != 400) {
		t.Errorf("the driver recorded %d graphs and launched %d, want 2 and 400", n.Captures, n.GraphLaunches)
	}
}

// TestDeeperGrids: windows make as many cells of thin samples as there were, and
// far fewer of square ones, for which the plan was made. It grows, to the bits
// of a plan of its own, and serves square samples again.
func TestDeeperGrids(t *testing.T) {
	square, thin := []grid.Shape{{6, 6}}, []grid.Shape{{1, 7}, {5, 1}, {1, 1}, {1, 1}, {1, 1}, {2, 2}}
	capacity := engine.Capacity{Rows: 36, Wavefronts: 11, Samples: 6}
	e := newEngine(t, gputest.Open(t), windowed())
	p := planFor(t, e, capacity, square...)
	small := p.levels[1].rows
	for round, samples := range [][]grid.Shape{square, thin, square, thin} {
		b := randomBatch(t, e.model, 3, samples...)
		loss, grads := gradientsOf(t, e, p, b)
		own := newEngine(t, gputest.Open(t), windowed())
		wantLoss, want := gradientsOf(t, own, planFor(t, own, engine.Capacity{}, samples...), b)
		if loss != wantLoss || !slices.Equal(grads, want) {
			t.Errorf("round %d, %v: a plan of its own gives %+v, this one %+v, or other gradients", round, samples, wantLoss, loss)
		}
	}
	if p.levels[1].rows <= small || p.capacity != capacity {
		t.Errorf("room for %d rows behind the window, %d before: this test grows nothing", p.levels[1].rows, small)
	}
}

// TestLoadAhead: the next batch may be loaded while the backward pass of the one
// before still runs.
func TestLoadAhead(t *testing.T) {
	step := engine.Update{Optimizer: engine.Adam, LR: 0.01}
	train := func(ahead bool) []float32 {
		e := newEngine(t, gputest.Open(t), windowed())
		var batches []*engine.Batch
		for i := range 5 {
			batches = append(batches, randomBatch(t, e.model, uint64(i), grid.Shape{3 + i%2, 5}, grid.Shape{2, 1 + i}))
		}
		p := planFor(t, e, engine.Capacity{Rows: 40, Wavefronts: 9, Samples: 2}, batches[0].Samples...)
		for i, b := range batches {
			if !ahead || i == 0 {
				if _, err := p.Load(b); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := p.Gradients(engine.Pass{Seed: 7, Step: int64(i)}); err != nil {
				t.Fatal(err)
			}
			if ahead && i+1 < len(batches) {
				if _, err := p.Load(batches[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if r, err := e.Update(step); err != nil || !r.Finite {
				t.Fatal(r, err)
			}
		}
		params := make([]float32, e.model.Size())
		if err := e.Parameters(params); err != nil {
			t.Fatal(err)
		}
		return params
	}
	if !slices.Equal(train(true), train(false)) {
		t.Error("parameters differ from those of batches loaded one after the other")
	}
}

// TestOverlap: the loss is back before the backward pass has run, and the next
// batch arrives in the second buffer meanwhile. The emulator runs only what
// somebody waits for, so what has run by then is what had to.
func TestOverlap(t *testing.T) {
	t.Setenv("MDLSTM_SYNC", "0")
	c := emulated(t)
	e := newEngine(t, c, oneLayer(nn.CellPlain, 1, 4, "++"))
	first, second := randomBatch(t, e.model, 1, grid.Shape{3, 4}), randomBatch(t, e.model, 2, grid.Shape{3, 4})
	p := planFor(t, e, engine.Capacity{}, first.Samples...)
	ran := func(what string, step func() error, launches, uploads bool) {
		t.Helper()
		before, _ := c.Counters()
		if err := step(); err != nil {
			t.Fatal(err)
		}
		after, _ := c.Counters()
		if got := after.Launches > before.Launches; got != launches {
			t.Errorf("%s: %d kernels ran", what, after.Launches-before.Launches)
		}
		if got := after.UploadBytes > before.UploadBytes; got != uploads {
			t.Errorf("%s: %d bytes were uploaded", what, after.UploadBytes-before.UploadBytes)
		}
	}
	load := func(b *engine.Batch) error {
		_, err := p.Load(b)
		return err
	}
	gradients := func() error {
		_, err := p.Gradients(engine.Pass{})
		return err
	}
	ran("load", func() error { return errors.Join(load(first), e.copies.Wait()) }, false, true)
	ran("gradients", gradients, true, true) // the scalars of a pass
	ran("load the next", func() error { return errors.Join(load(second), e.copies.Wait()) }, false, true)
	ran("backward", e.stream.Wait, true, false)
}

// TestLoadedTwice: a batch that no step took leaves nothing out of the one after,
// though both have the same tables.
func TestLoadedTwice(t *testing.T) {
	a, b := []grid.Shape{{3, 4}, {2, 2}}, []grid.Shape{{4, 3}, {1, 4}}
	capacity := engine.Capacity{Rows: 16, Wavefronts: 6, Samples: 2}
	e, own := newEngine(t, gputest.Open(t), windowed()), newEngine(t, gputest.Open(t), windowed())
	p := planFor(t, e, capacity, a...)
	gradientsOf(t, e, p, randomBatch(t, e.model, 1, a...))
	if _, err := p.Load(randomBatch(t, e.model, 2, b...)); err != nil {
		t.Fatal(err)
	}
	last := randomBatch(t, e.model, 3, b...)
	loss, got := gradientsOf(t, e, p, last)
	wantLoss, want := gradientsOf(t, own, planFor(t, own, capacity, b...), last)
	if loss != wantLoss || !slices.Equal(got, want) {
		t.Errorf("loss %+v, in a plan of its own %+v, or other gradients", loss, wantLoss)
	}
}

// TestSameBits: neither the order of blocks, nor recorded graphs, nor two
// engines on one device change a bit.
func TestSameBits(t *testing.T) {
	samples := []grid.Shape{{5, 4}, {3, 7}, {1, 1}}
	config := windowed()
	config.Layers = append(config.Layers, nn.Layer{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: 5, Directions: []string{"++", "--"}})
	var first []float32
	for _, mode := range [][2]string{{"MDLSTM_EMU_SEED", "0"}, {"MDLSTM_EMU_SEED", "1"}, {"MDLSTM_EMU_SEED", "2"}, {"MDLSTM_SYNC", "1"}} {
		t.Run(mode[0]+"="+mode[1], func(t *testing.T) {
			t.Setenv(mode[0], mode[1])
			c := gputest.Open(t)
			other := newEngine(t, c, config)
			e := newEngine(t, c, config)
			b := randomBatch(t, e.model, 9, samples...)
			gradientsOf(t, other, planFor(t, other, engine.Capacity{}, samples...), b)
			_, got := gradientsOf(t, e, planFor(t, e, engine.Capacity{}, samples...), b)
			if first == nil {
				first = got
			}
			if !slices.Equal(got, first) {
				t.Error("other gradients")
			}
		})
	}
}

// TestFamilies: each batch runs the kernels that suit it, whatever room the plan
// has, and gives the bits of a plan of its own: sweeps while a sample's
// wavefronts fit the shared memory of a block.
func TestFamilies(t *testing.T) {
	config := oneLayer(nn.CellGraves, 1, 3, "++")
	// A wavefront takes 264 bytes of a sweep of this layer.
	length := gputest.Open(t).Device().SharedPerBlockOptin / 200
	small, long := []grid.Shape{{4, 5}, {2, 2}}, []grid.Shape{{1, length}}
	const waves, sweeps = "wave_graves_backward wave_graves_forward", "sweep_graves_backward_2_16 sweep_graves_forward_2_16"
	for _, k := range []struct {
		asked    KernelFamily
		capacity engine.Capacity
		batches  [][]grid.Shape
		ran      []string
	}{
		{KernelsAuto, engine.Capacity{Rows: length, Wavefronts: length, Samples: 2}, [][]grid.Shape{small, long, small}, []string{sweeps, waves, sweeps}},
		{KernelsWavefront, engine.Capacity{Rows: 30, Wavefronts: 12, Samples: 3}, [][]grid.Shape{small}, []string{waves}},
		{KernelsSweep, engine.Capacity{Rows: 30, Wavefronts: 12, Samples: 3}, [][]grid.Shape{small}, []string{sweeps}},
	} {
		e := newEngineOf(t, gputest.Open(t), config, k.asked)
		p := planFor(t, e, k.capacity, small...)
		for round, samples := range k.batches {
			b := randomBatch(t, e.model, 3, samples...)
			_, got := gradientsOf(t, e, p, b)
			own := newEngineOf(t, gputest.Open(t), config, k.asked)
			_, want := gradientsOf(t, own, planFor(t, own, engine.Capacity{}, samples...), b)
			if !slices.Equal(got, want) {
				t.Errorf("%q, round %d: other gradients than in a plan of its own", k.asked, round)
			}
			if ran := e.Info().Settings["layers.0 kernels"]; ran != k.ran[round] {
				t.Errorf("%q, round %d: ran %q, want %q", k.asked, round, ran, k.ran[round])
			}
		}
	}
}

// TestSweepsRefused: sweeps that were asked for where they cannot run are an
// error that names the layer and the reason.
func TestSweepsRefused(t *testing.T) {
	for _, k := range []struct {
		direction string
		sample    grid.Shape
		want      string
	}{
		{"+++", grid.Shape{2, 2, 2}, "at most 2 axes"},
		{"++", grid.Shape{1, 1500}, "of shared memory for 1500 wavefronts"},
	} {
		e := newEngineOf(t, gputest.Open(t), oneLayer(nn.CellGraves, 1, 3, k.direction), KernelsSweep)
		_, err := e.Plan([]grid.Shape{k.sample}, engine.Capacity{})
		if !errors.Is(err, engine.ErrShape) || !strings.Contains(err.Error(), "layers.0: ") || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%v: got %v, want an error that wraps ErrShape and has %q", k.sample, err, k.want)
		}
	}
}
