package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// drawLarge draws a model whose first layer has more weights than are fused, of
// sizes that fill no vector, panel or block, and samples for it.
func drawLarge(r *rand.Rand) (nn.Config, []grid.Shape) {
	for {
		axes := 1 + r.IntN(3)
		c := nn.Config{
			Input: pick(r, 1, 2, 3, 65, 1000, 1031),
			Head:  nn.Head{Units: pick(r, 1, 2, 17), Activation: "sigmoid"},
			Loss:  "mse",
		}
		cells := nn.Cells
		for range 1 + r.IntN(2) {
			all := signs(axes, 1<<axes)
			r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			c.Layers = append(c.Layers, nn.Layer{
				Type: "mdlstm", Cell: pick(r, cells...), Hidden: pick(r, 7, 9, 17, 33, 63, 65, 81, 130), ForgetBias: -1,
				Directions: all[:1+r.IntN(2)], Combine: pick(r, "concat", "sum", "mean"),
			})
			cells = nn.Cells[1:] // layer norms upon each other are ill-conditioned
		}
		shape := func() (s grid.Shape) {
			for range axes {
				s = append(s, 1+r.IntN([]int{30, 6, 4}[axes-1]))
			}
			return s
		}
		samples := []grid.Shape{shape(), shape(), shape()}
		m, err := nn.New(c)
		if err != nil {
			panic(err)
		}
		e := Engine{sets: kernelSets()}
		total := 0
		for _, s := range samples {
			total += s.Cells()
		}
		if !e.fuses(&m.Stages[0]) && total*m.Size() < 12e6 {
			return c, samples
		}
	}
}

// TestRandomLargeLayers holds layers with many weights, which the conformance suite
// leaves out for their time, against the definition: with all products, in parts, and
// recomputed. Two gradients that have changed places must not pass.
func TestRandomLargeLayers(t *testing.T) {
	portable, name := Gonum()
	engines := map[string]Options{
		"default": {Threads: 2}, "gonum": {Threads: 2, BLAS: portable, BLASName: name},
		"parts": {Threads: 2, part: 1}, "recompute": {Threads: 2, Recompute: true},
	}
	for _, set := range instructionSets()[min(1, len(instructionSets())):] {
		engines[set] = Options{Threads: 2, set: set}
	}
	const within = 1e-4 // worst measured: 6e-5, of a layer norm over 1000 inputs
	for seed := range uint64(16) {
		c, samples := drawLarge(rand.New(rand.NewPCG(seed, 8)))
		text, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			b := makeBatch(c.Input, c.Head.Units, samples...)
			for i := range b.X {
				b.X[i] /= float32(math.Sqrt(float64(c.Input)))
			}
			var want definition
			for what, o := range engines {
				e := open(t, c, o)
				if want.gradients == nil {
					want = referenceOf(t, e, b)
				}
				loss, grads := gradients(t, e, b)
				if err := want.match(e, loss, grads, within); err != nil {
					t.Errorf("%s: %v of %s, %v", what, err, text, samples)
				}
				p, _ := e.model.StageParam(0, "weight_hh")
				last := p.Offset + p.Size() - 1
				grads[last], grads[last-1] = grads[last-1], grads[last]
				if want.match(e, loss, grads, within) == nil {
					t.Errorf("%s: two gradients that have changed places pass", what)
				}
			}
		})
	}
}
