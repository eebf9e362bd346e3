package cpu

import (
	"fmt"
	"slices"
	"testing"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// TestRecomputeGivesTheSameBits: a layer that computes its gates again has the
// loss and the gradients of one that kept them, whatever the walk looks like.
func TestRecomputeGivesTheSameBits(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  func(cell string) nn.Config
		samples []grid.Shape
		part    int64
	}{
		{"strands", func(cell string) nn.Config { return oneLayer(cell, 1, 6, 2, 4) }, slices.Repeat([]grid.Shape{{19, 12}, {5, 7}}, 10), 0},
		{"parts", func(cell string) nn.Config { return oneLayer(cell, 1, 6, 2, 4) }, slices.Repeat([]grid.Shape{{19, 12}, {5, 7}}, 10), 100_000},
		{"lanes", func(cell string) nn.Config { return oneLayer(cell, 2, 6, 2, 1) }, []grid.Shape{{90, 110}}, 0},
		{"one cell", func(cell string) nn.Config { return oneLayer(cell, 1, 3, 2, 2) }, []grid.Shape{{1, 1}}, 0},
		{"one axis", func(cell string) nn.Config { return oneLayer(cell, 1, 9, 1, 2) }, []grid.Shape{{130}, {7}}, 0},
		{"volumes", func(cell string) nn.Config { return oneLayer(cell, 1, 3, 3, 8) }, []grid.Shape{{7, 9, 5}, {2, 1, 3}}, 0},
	} {
		for _, cell := range nn.Cells {
			t.Run(c.name+"/"+cell, func(t *testing.T) {
				b := makeBatch(c.config(cell).Input, 1, c.samples...)
				wantLoss, want := gradients(t, open(t, c.config(cell), Options{Threads: 2, part: c.part}), b)
				for _, threads := range []int{1, 2, 5} {
					loss, got := gradients(t, open(t, c.config(cell), Options{Threads: threads, Recompute: true, part: c.part}), b)
					if loss != wantLoss || !slices.Equal(got, want) {
						t.Errorf("%d threads: loss %v, want %v, gradients equal: %v", threads, loss, wantLoss, slices.Equal(got, want))
					}
				}
			})
		}
	}
}

// TestRecomputeDeep: layers that hand a gradient down add it up direction by
// direction, so the last bits differ.
func TestRecomputeDeep(t *testing.T) {
	for _, cell := range nn.Cells {
		t.Run(cell, func(t *testing.T) {
			samples := slices.Repeat([]grid.Shape{{8, 6}}, 12)
			b := makeBatch(2, 0, samples...)
			b.Y = make([]float32, 12*3*2)
			_, want := gradients(t, open(t, deep(cell), Options{Threads: 2}), b)
			var first []float32
			for _, threads := range []int{1, 2, 3} {
				_, got := gradients(t, open(t, deep(cell), Options{Threads: threads, Recompute: true}), b)
				if i := farApart(got, want); i >= 0 {
					t.Errorf("%d threads: gradient %d is %v, want %v", threads, i, got[i], want[i])
				}
				if first == nil {
					first = slices.Clone(got)
				}
				if !slices.Equal(got, first) {
					t.Errorf("%d threads give other bits than 1", threads)
				}
			}
		})
	}
}

func TestStretches(t *testing.T) {
	for _, c := range []struct{ waves, gates, want int }{{1, 5, 1}, {15, 5, 1}, {63, 5, 3}, {2047, 5, 17}, {30, 4, 2}} {
		if got := stretchOf(c.waves, c.gates); got != c.want {
			t.Errorf("%d wavefronts, %d gates: stretches of %d, want %d", c.waves, c.gates, got, c.want)
		}
	}
	for waves := 1; waves < 40; waves++ {
		for stretch := 1; stretch <= waves; stretch++ {
			s := recurrentStage{stretch: stretch, sched: &grid.Schedule{Wavefronts: waves}}
			s.routeStretches()
			seen := fmt.Sprint(s.homeward)
			done, computed := waves, map[int]bool{}
			for _, m := range s.homeward {
				switch m.do {
				case again:
					computed[m.wave] = true
				case back:
					if done--; m.wave != done || !computed[m.wave] {
						t.Fatalf("%d wavefronts in stretches of %d: %s", waves, stretch, seen)
					}
				}
			}
			if done != 0 {
				t.Fatalf("%d wavefronts in stretches of %d: %d left", waves, stretch, done)
			}
		}
	}
}
