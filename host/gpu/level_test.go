package gpu

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"mdlstm-gpu/host/grid"
)

// TestLargestWave: no batch within a plan's room has a wavefront of more rows
// than the arrays have that are sized by it, and batches of equal sides have as
// many.
func TestLargestWave(t *testing.T) {
	for axes := 1; axes <= waveMaxAxes; axes++ {
		t.Run(fmt.Sprint(axes), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, uint64(axes)))
			side := max(2, 40>>axes)
			for range 200 {
				samples := make([]grid.Shape, 1+rng.IntN(3))
				for i := range samples {
					for range axes {
						samples[i] = append(samples[i], 1+rng.IntN(side))
					}
				}
				s, err := grid.New(samples)
				if err != nil {
					t.Fatal(err)
				}
				if got, most := waveOf(s), roomOf(s).largestWave(axes); got > most {
					t.Fatalf("%v: a wavefront of %d rows, room for %d", samples, got, most)
				}
			}
		})
	}
	equal, err := grid.New([]grid.Shape{{7, 7}, {7, 7}, {7, 7}})
	if err != nil {
		t.Fatal(err)
	}
	if got, most := waveOf(equal), roomOf(equal).largestWave(2); got != 21 || most != 21 {
		t.Errorf("3 samples of 7×7: a wavefront of %d rows, room for %d, want 21", got, most)
	}
}
