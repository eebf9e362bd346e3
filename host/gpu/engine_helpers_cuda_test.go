//go:build cuda

package gpu

import (
	"math/rand/v2"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// emulated is a device whose faults and counters tests may use.
func emulated(t testing.TB) *cuda.Context {
	t.Helper()
	c := gputest.Open(t)
	if !c.Device().Emulated {
		t.Skipf("%s is a real device, this test needs the emulator (make test-emu)", c.Device().Name)
	}
	return c
}

// oneLayer is a model of one mdlstm layer with a sigmoid head and mse.
func oneLayer(cell string, inputs, hidden int, directions ...string) nn.Config {
	return nn.Config{
		Input:  inputs,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: directions}},
		Head:   nn.Head{Units: 1, Activation: nn.Sigmoid},
		Loss:   nn.MSE,
	}
}

// newEngine opens an engine with parameters near their initial values, closed at
// the end of the test.
func newEngine(t testing.TB, c *cuda.Context, config nn.Config) *Engine {
	t.Helper()
	return newEngineOf(t, c, config, KernelsAuto)
}

// newEngineOf is newEngine with a family of kernels.
func newEngineOf(t testing.TB, c *cuda.Context, config nn.Config, kernels KernelFamily) *Engine {
	t.Helper()
	return newEngineWith(t, config, Options{Context: c, Kernels: kernels})
}

// newEngineWith is newEngine with options, the context among them.
func newEngineWith(t testing.TB, config nn.Config, o Options) *Engine {
	t.Helper()
	m, err := nn.New(config)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil && o.Context.Lost() == nil {
			t.Errorf("close: %v", err)
		}
	})
	p := m.Init(1)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range p {
		p[i] += 0.2 * (r.Float32() - 0.5)
	}
	if err := e.SetParameters(p); err != nil {
		t.Fatal(err)
	}
	return e
}

// randomBatch makes uniform inputs and targets for a model with mse.
func randomBatch(t testing.TB, m *nn.Model, seed uint64, samples ...grid.Shape) *engine.Batch {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 4))
	b := &engine.Batch{Samples: samples}
	for _, s := range samples {
		for range s.Cells() * m.Config.Input {
			b.X = append(b.X, r.Float32())
		}
		out, err := m.OutputShape(s)
		if err != nil {
			t.Fatal(err)
		}
		for range grid.Shape(out).Cells() * m.Units() {
			b.Y = append(b.Y, r.Float32())
		}
	}
	return b
}

// planFor is a plan of an engine for samples.
func planFor(t testing.TB, e *Engine, capacity engine.Capacity, samples ...grid.Shape) *plan {
	t.Helper()
	p, err := e.Plan(samples, capacity)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*plan)
}

// gradientsOf loads a batch and returns its loss and gradients; the arena must
// be clear and is left so.
func gradientsOf(t testing.TB, e *Engine, p *plan, b *engine.Batch) (engine.Loss, []float32) {
	t.Helper()
	if _, err := p.Load(b); err != nil {
		t.Fatal(err)
	}
	loss, err := p.Gradients(engine.Pass{Seed: 1, Step: 2})
	if err != nil {
		t.Fatal(err)
	}
	g := make([]float32, e.model.Size())
	if err := e.Gradients(g); err != nil {
		t.Fatal(err)
	}
	if err := e.ZeroGradients(); err != nil {
		t.Fatal(err)
	}
	return loss, g
}

// step is a training step.
func step(e *Engine, p *plan, b *engine.Batch) error {
	if _, err := p.Load(b); err != nil {
		return err
	}
	if _, err := p.Gradients(engine.Pass{}); err != nil {
		return err
	}
	_, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01})
	return err
}
