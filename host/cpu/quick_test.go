package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

func TestQuick(t *testing.T) {
	for _, cell := range nn.Cells {
		for _, axes := range []int{1, 2, 3} {
			for _, h := range []int{3, 16} {
				t.Run(fmt.Sprint(cell, axes, h), func(t *testing.T) { quick(t, cell, axes, h) })
			}
		}
	}
}

func quick(t *testing.T, cell string, axes, h int) {
	var dirs []string
	for _, d := range grid.AllDirections(axes) {
		dirs = append(dirs, d.Signs(axes))
	}
	c := nn.Config{Input: 2, Layers: []nn.Layer{
		{Type: "mdlstm", Cell: cell, Hidden: h, Directions: dirs},
		{Type: "dense", Units: 9, Activation: "tanh"},
		{Type: "mdlstm", Cell: cell, Hidden: 4, Directions: dirs[:1], Dropout: 0.3},
	}, Head: nn.Head{Units: 2, Activation: "sigmoid"}, Loss: "mse"}
	m, err := nn.New(c.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	p := m.Init(1)
	for i := range p {
		p[i] += 0.1 * (r.Float32() - .5)
	}
	e, err := New(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	e.SetParameters(p)
	var b engine.Batch
	rb := ref.Batch{}
	for s := range 3 {
		shape := grid.Shape{}
		for d := range axes {
			shape = append(shape, 3+(s+d)%3)
		}
		b.Samples = append(b.Samples, shape)
		sm := ref.Sample{Shape: shape}
		for range shape.Cells() {
			for range 2 {
				x, y := r.Float32(), r.Float32()
				b.X, b.Y = append(b.X, x), append(b.Y, y)
				sm.X, sm.Y = append(sm.X, float64(x)), append(sm.Y, float64(y))
			}
		}
		rb.Samples = append(rb.Samples, sm)
	}
	pl, err := e.Plan(b.Samples, engine.Capacity{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pl.Load(&b); err != nil {
		t.Fatal(err)
	}
	l, err := pl.Gradients(engine.Pass{Seed: 3, Step: 4})
	if err != nil {
		t.Fatal(err)
	}
	rp := ref.Params{}
	for _, q := range m.Params {
		for _, v := range p[q.Offset : q.Offset+q.Size()] {
			rp[q.Name] = append(rp[q.Name], float64(v))
		}
	}
	res, rg, err := ref.Gradients(m.Config, rp, rb, ref.Options{ClipErrors: true, Train: true, Seed: 3, Step: 4})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(l.Sum-res.LossSum) > 1e-4 {
		t.Errorf("loss %v want %v", l.Sum, res.LossSum)
	}
	for _, q := range m.Params {
		big, worst := 0., 0.
		for i, v := range e.grads[q.Offset : q.Offset+q.Size()] {
			big = max(big, math.Abs(rg[q.Name][i]))
			worst = max(worst, math.Abs(rg[q.Name][i]-float64(v)))
		}
		if worst > 2e-5*max(big, 0.05) {
			t.Errorf("%s: worst %g of %g", q.Name, worst, big)
		}
	}
}

type benchCase struct {
	name, cell       string
	size             grid.Shape
	batch, k, h, dir int
}

func BenchmarkStep(b *testing.B) {
	for _, c := range []benchCase{
		{"1", "layernorm", grid.Shape{8, 8}, 16, 1, 16, 1},
		{"2", "layernorm", grid.Shape{32, 32}, 16, 1, 16, 1},
		{"3", "plain", grid.Shape{28, 28}, 64, 1, 32, 4},
		{"4", "stable", grid.Shape{32, 256}, 16, 16, 16, 4},
	} {
		b.Run(c.name, func(b *testing.B) {
			var dirs []string
			for _, d := range grid.AllDirections(2)[:c.dir] {
				dirs = append(dirs, d.Signs(2))
			}
			cfg := nn.Config{Input: c.k, Layers: []nn.Layer{{Type: "mdlstm", Cell: c.cell, Hidden: c.h, Directions: dirs}},
				Head: nn.Head{Units: 1, Activation: "sigmoid"}, Loss: "mse"}
			m, err := nn.New(cfg.WithDefaults())
			if err != nil {
				b.Fatal(err)
			}
			e, _ := New(m, Options{BLAS: benchBLAS})
			e.SetParameters(m.Init(1))
			var bt engine.Batch
			r := rand.New(rand.NewPCG(1, 2))
			for range c.batch {
				bt.Samples = append(bt.Samples, c.size)
			}
			n := c.batch * c.size.Cells()
			for range n * c.k {
				bt.X = append(bt.X, r.Float32())
			}
			for range n {
				bt.Y = append(bt.Y, r.Float32())
			}
			p, err := e.Plan(bt.Samples, engine.Capacity{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			step := func() {
				p.Load(&bt)
				p.Gradients(engine.Pass{})
				e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01})
			}
			step()
			for b.Loop() {
				step()
			}
		})
	}
}

var benchBLAS BLAS
