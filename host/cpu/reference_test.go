package cpu

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// signs lists the first n directions of a number of axes.
func signs(axes, n int) (list []string) {
	for _, d := range grid.AllDirections(axes)[:n] {
		list = append(list, d.Signs(axes))
	}
	return list
}

// oneLayer is a model of one mdlstm layer with a sigmoid head of one unit. Its
// forget gates are half closed: with more, the cells of plain and graves grow
// beyond float32 on the larger grids here.
func oneLayer(cell string, inputs, hidden, axes, directions int) nn.Config {
	return nn.Config{
		Input:  inputs,
		Layers: []nn.Layer{{Type: "mdlstm", Cell: cell, Hidden: hidden, Directions: signs(axes, directions), ForgetBias: -1}},
		Head:   nn.Head{Units: 1, Activation: "sigmoid"},
		Loss:   "mse",
	}
}

// open makes an engine with parameters near their initial values.
func open(t testing.TB, c nn.Config, o Options) *Engine {
	t.Helper()
	m, err := nn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
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

// makeBatch makes uniform inputs and targets for a model that keeps the grid.
func makeBatch(inputs, units int, samples ...grid.Shape) *engine.Batch {
	r := rand.New(rand.NewPCG(3, 4))
	b := &engine.Batch{Samples: samples}
	for _, s := range samples {
		for range s.Cells() {
			for range inputs {
				b.X = append(b.X, r.Float32())
			}
			for range units {
				b.Y = append(b.Y, r.Float32())
			}
		}
	}
	return b
}

// gradients runs one step and returns its loss and gradients.
func gradients(t testing.TB, e *Engine, b *engine.Batch) (engine.Loss, []float32) {
	t.Helper()
	p, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Load(b); err != nil {
		t.Fatal(err)
	}
	if err := e.ZeroGradients(); err != nil {
		t.Fatal(err)
	}
	loss, err := p.Gradients(engine.Pass{Seed: 3, Step: 4})
	if err != nil {
		t.Fatal(err)
	}
	return loss, slices.Clone(e.grads)
}

// TestAgainstReference covers what the conformance suite's sizes do not reach:
// wavefronts that are cut into lanes, in lockstep and one after the other,
// groups of very unequal samples, and more than 4 axes.
func TestAgainstReference(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  nn.Config
		samples []grid.Shape
		within  float64 // of the tensor's largest
	}{
		// over 55 wavefronts its norms amplify float32 rounding to 4e-5
		{"layernorm 3-D", oneLayer("layernorm", 1, 16, 3, 1), []grid.Shape{{19, 20, 18}}, 2e-4},
		{"graves", oneLayer("graves", 2, 3, 2, 2), []grid.Shape{{140, 131}}, 2e-5},
		{"stable", oneLayer("stable", 1, 9, 2, 1), []grid.Shape{{150, 150}}, 2e-5},
		{"6 axes", oneLayer("leakylp", 1, 5, 6, 40), []grid.Shape{{2, 3, 2, 2, 3, 2}}, 2e-5},
		{"8 axes", oneLayer("graves", 1, 2, 8, 1), []grid.Shape{{2, 1, 2, 2, 3, 2, 2, 2}, {1, 2, 1, 2, 1, 2, 1, 2}}, 2e-5},
		{"large weights", oneLayer("layernorm", 2, 130, 2, 2), []grid.Shape{{9, 11}, {8, 21}}, 2e-5},
		{"large weights, 3-D", oneLayer("graves", 1, 66, 3, 1), []grid.Shape{{5, 6, 4}, {2, 3, 7}}, 2e-5},
		{"unequal groups", oneLayer("plain", 1, 4, 2, 1), []grid.Shape{{130, 130}, {1, 1}, {2, 300}, {3, 4}, {100, 101}}, 2e-5},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := open(t, c.config, Options{Threads: 3})
			b := makeBatch(c.config.Input, 1, c.samples...)
			loss, grads := gradients(t, e, b)
			s := e.plans[0].stacks[0].stages[0].(*recurrentStage)
			if s.cut.lanes < 2 && len(s.cut.strands) < 2 && s.Axes <= 4 && s.fused {
				t.Fatalf("%d strands of %d lanes: this case covers nothing", len(s.cut.strands), s.cut.lanes)
			}
			compareWithReference(t, e, b, loss, grads, c.within)
		})
	}
}

// TestManyRowsOfLargeWeights: blocks of weight gradients add up more tiles than
// meet the sums at once, and give what tile by tile gives.
func TestManyRowsOfLargeWeights(t *testing.T) {
	c := oneLayer("stable", 1, 90, 2, 1)
	b := makeBatch(1, 1, grid.Shape{67, 70})
	_, want := gradients(t, open(t, c, Options{Threads: 2, Recompute: true}), b)
	e := open(t, c, Options{Threads: 2})
	_, got := gradients(t, e, b)
	if s := e.plans[0].stacks[0].stages[0].(*recurrentStage); s.fused || s.sched.Rows <= blockTiles*tileRows {
		t.Fatalf("fused: %v, %d rows: this covers nothing", s.fused, s.sched.Rows)
	}
	for _, p := range e.model.Params {
		of := func(g []float32) []float32 { return g[p.Offset : p.Offset+p.Size()] }
		var wide []float64
		for _, v := range of(want) {
			wide = append(wide, float64(v))
		}
		if err := near(p.Name, of(got), wide, 0, 2e-5); err != nil {
			t.Error(err)
		}
	}
}

func compareWithReference(t *testing.T, e *Engine, b *engine.Batch, loss engine.Loss, grads []float32, within float64) {
	t.Helper()
	if err := referenceOf(t, e, b).match(e, loss, grads, within); err != nil {
		t.Error(err)
	}
}

// definition is what host/ref says about a step.
type definition struct {
	ref.Result
	gradients ref.Params
}

func referenceOf(t *testing.T, e *Engine, b *engine.Batch) definition {
	t.Helper()
	params := ref.Params{}
	for _, p := range e.model.Params {
		for _, v := range e.params[p.Offset : p.Offset+p.Size()] {
			params[p.Name] = append(params[p.Name], float64(v))
		}
	}
	result, grads, err := ref.Gradients(e.model.Config, params, referenceBatch(e, b), ref.Options{ClipErrors: true, Train: true, Seed: 3, Step: 4})
	if err != nil {
		t.Fatal(err)
	}
	return definition{result, grads}
}

// match says which tensors are not the definition's.
func (d definition) match(e *Engine, loss engine.Loss, grads []float32, within float64) error {
	var errs []error
	if math.Abs(loss.Sum-d.LossSum) > 1e-5*d.LossSum {
		errs = append(errs, fmt.Errorf("loss %v, want %v", loss.Sum, d.LossSum))
	}
	least := 0.0
	for _, g := range d.gradients {
		least = max(least, 1e-3*approx.Largest(g))
	}
	for _, p := range e.model.Params {
		errs = append(errs, near(p.Name, grads[p.Offset:p.Offset+p.Size()], d.gradients[p.Name], least, within))
	}
	return errors.Join(errs...)
}

// near allows a share of the tensor's largest value, or of least.
func near(name string, got []float32, want []float64, least, within float64) error {
	largest := max(approx.Largest(want), least)
	for i, v := range want {
		if d := math.Abs(float64(got[i]) - v); !(d <= within*largest) {
			return fmt.Errorf("%s[%d] = %v, want %v: off by %.2g of the largest", name, i, got[i], v, d/largest)
		}
	}
	return nil
}

func TestNear(t *testing.T) {
	for _, got := range [][]float32{{1, 2.001}, {float32(math.NaN()), 2}} {
		if near("x", got, []float64{1, 2}, 0, 2e-5) == nil {
			t.Errorf("%v passes for 1, 2", got)
		}
	}
}

func referenceBatch(e *Engine, b *engine.Batch) ref.Batch {
	var out ref.Batch
	x, y := 0, 0
	for _, shape := range b.Samples {
		s := ref.Sample{Shape: shape}
		for range shape.Cells() * e.model.Config.Input {
			s.X = append(s.X, float64(b.X[x]))
			x++
		}
		for range shape.Cells() * e.model.Units() {
			s.Y = append(s.Y, float64(b.Y[y]))
			y++
		}
		out.Samples = append(out.Samples, s)
	}
	return out
}
