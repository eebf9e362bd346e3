//go:build cuda

package gpu_test

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/gpu"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// TestAgreesWithCPU: the seed's experiment on the GPU and on the CPU, step by
// step: overall loss within 2e-6, relevant loss within 1e-5. The first 5 steps,
// 3 of small batches with -short, all 50 with MDLSTM_CONFORMANCE=all; the seed's
// models run for longer in the tests of the commands.
func TestAgreesWithCPU(t *testing.T) {
	steps, samples := 5, 16
	switch {
	case os.Getenv("MDLSTM_CONFORMANCE") == "all":
		steps = 50
	case testing.Short():
		steps, samples = 3, 2
	}
	m, err := nn.New(nn.Config{
		Input:  1,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellLayerNorm, Hidden: 16, Directions: []string{"++"}}},
		Head:   nn.Head{Units: 1, Activation: nn.Sigmoid}, Loss: nn.MSE,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range []engine.Update{{Optimizer: engine.Adam, LR: 0.01}, {Optimizer: engine.SGD, LR: 0.01, Momentum: 0.9}} {
		t.Run(string(u.Optimizer), func(t *testing.T) {
			device, err := gpu.New(m, gpu.Options{Context: gputest.Open(t)})
			if err != nil {
				t.Fatal(err)
			}
			processor, err := cpu.New(m, cpu.Options{})
			if err != nil {
				t.Fatal(err)
			}
			engines := []engine.Engine{device, processor}
			for _, e := range engines {
				defer func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				}()
				if err := e.SetParameters(m.Init(1)); err != nil {
					t.Fatal(err)
				}
			}
			rng := rand.New(rand.NewPCG(30, 31))
			for i := range steps {
				b := diagonal(samples, 8, rng)
				var losses [2]engine.Loss
				for n, e := range engines {
					losses[n] = trainStep(t, e, b, u)
				}
				got, want := losses[0], losses[1]
				if d := math.Abs(got.Sum/got.Weight - want.Sum/want.Weight); !(d <= 2e-6) {
					t.Errorf("step %d: overall loss off by %g", i, d)
				}
				if d := math.Abs(got.Relevant/got.RelevantCount - want.Relevant/want.RelevantCount); !(d <= 1e-5) {
					t.Errorf("step %d: relevant loss off by %g", i, d)
				}
			}
		})
	}
}

// trainStep is one training step; the loss is that before the update.
func trainStep(t *testing.T, e engine.Engine, b *engine.Batch, u engine.Update) engine.Loss {
	t.Helper()
	p, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Load(b); err != nil {
		t.Fatal(err)
	}
	loss, err := p.Gradients(engine.Pass{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := e.Update(u); err != nil || !r.Finite {
		t.Fatal(r, err)
	}
	return loss
}

// diagonal is a batch of the seed's task: uniform in [0, 0.1), ones at a cell and
// its neighbour along the diagonal, the target rolled by -1 along the last axis.
func diagonal(samples, n int, rng *rand.Rand) *engine.Batch {
	b := &engine.Batch{}
	for range samples {
		b.Samples = append(b.Samples, grid.Shape{n, n})
		x := make([]float32, n*n)
		for i := range x {
			x[i] = 0.1 * rng.Float32()
		}
		r, c := 1+rng.IntN(n-2), 1+rng.IntN(n-2)
		x[r*n+c], x[(r+1)*n+c+1] = 1, 1
		b.Relevant = append(b.Relevant, int32(len(b.X)+(r+1)*n+c))
		for i := range x {
			b.Y = append(b.Y, x[i/n*n+(i%n+1)%n])
		}
		b.X = append(b.X, x...)
	}
	return b
}
