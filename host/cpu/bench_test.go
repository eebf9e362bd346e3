package cpu_test

import (
	"fmt"
	"testing"

	"math/rand/v2"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/cpu/openblas"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// BenchmarkStep is one training step (load, forward, backward, Adam) of the
// four cases of bench/, on as many threads as -cpu says.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct {
		cell                              string
		size                              grid.Shape
		batch, inputs, hidden, directions int
	}{
		{"layernorm", grid.Shape{8, 8}, 16, 1, 16, 1},
		{"layernorm", grid.Shape{32, 32}, 16, 1, 16, 1},
		{"plain", grid.Shape{28, 28}, 64, 1, 32, 4},
		{"stable", grid.Shape{32, 256}, 16, 16, 16, 4},
	} {
		name := fmt.Sprintf("cell=%s/size=%s/B=%d/K=%d/H=%d/R=%d", c.cell, c.size, c.batch, c.inputs, c.hidden, c.directions)
		run := func(blas string, o cpu.Options) {
			b.Run("blas="+blas+"/"+name, func(b *testing.B) {
				benchmarkStep(b, o, c.cell, c.size, c.batch, c.inputs, c.hidden, c.directions)
			})
		}
		if cpu.BuiltIn() != "" {
			run("builtin", cpu.Options{})
		}
		portable, version := cpu.Gonum()
		run("gonum", cpu.Options{BLAS: portable, BLASName: version})
		if blas, version, ok := openblas.Implementation(); ok {
			run("openblas", cpu.Options{BLAS: blas, BLASName: version})
		}
	}
}

func benchmarkStep(b *testing.B, o cpu.Options, cell string, size grid.Shape, samples, inputs, hidden, directions int) {
	var signs []string
	for _, d := range grid.AllDirections(len(size))[:directions] {
		signs = append(signs, d.Signs(len(size)))
	}
	m, err := nn.New(nn.Config{
		Input:  inputs,
		Layers: []nn.Layer{{Type: "mdlstm", Cell: cell, Hidden: hidden, Directions: signs}},
		Head:   nn.Head{Units: 1, Activation: "sigmoid"},
		Loss:   "mse",
	})
	if err != nil {
		b.Fatal(err)
	}
	e, err := cpu.New(m, o)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := e.SetParameters(m.Init(1)); err != nil {
		b.Fatal(err)
	}
	var batch engine.Batch
	r := rand.New(rand.NewPCG(1, 2))
	for range samples {
		batch.Samples = append(batch.Samples, size)
	}
	cells := samples * size.Cells()
	for range cells * inputs {
		batch.X = append(batch.X, r.Float32())
	}
	for range cells {
		batch.Y = append(batch.Y, r.Float32())
	}
	plan, err := e.Plan(batch.Samples, engine.Capacity{})
	if err != nil {
		b.Fatal(err)
	}
	step := func() {
		if _, err := plan.Load(&batch); err != nil {
			b.Fatal(err)
		}
		if _, err := plan.Gradients(engine.Pass{}); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Update(engine.Update{Optimizer: engine.Adam, LR: 0.01}); err != nil {
			b.Fatal(err)
		}
	}
	step() // takes the memory and fills the caches
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		step()
		n++
	}
	b.ReportMetric(float64(cells*n)/b.Elapsed().Seconds(), "cells/s")
}
