package task

import (
	"fmt"
	"testing"

	"mdlstm-gpu/host/engine"
)

// shared are sources of every kind; batches of some have 5 samples, the last of
// an epoch fewer.
func shared(t *testing.T) map[string]Source {
	t.Helper()
	sources := generators(t, 1)
	folder := several(t, 7)
	o := folder.options()
	o.Batch, o.Flip = 5, []int{0, 1}
	sources["images"] = images(t, o, 3)
	sizes := make([]int64, 0, 2*7)
	for i := range int64(7) {
		sizes = append(sizes, 1+i%3, 1+i%2)
	}
	sources["arrays"] = open(t, ArraysOptions{X: write(t, []int{7, 3, 2, 1}, counting(42)), Y: write(t, []int{7, 3, 2, 1}, counting(42)),
		Sizes: writeInts(t, []int{7, 2}, sizes), Batch: 5, Shuffle: true, Seed: 9}, model(t, 1, 1, "linear", "mse"))
	mnist := openFixture(t, func(o *MNISTOptions) { o.Batch, o.Augment = 5, true })
	sources["mnist"] = mnist.Train
	return sources
}

// TestShare: the shares of all ranks behind each other are the batch, and each
// fits into what was planned for the largest.
func TestShare(t *testing.T) {
	for name, src := range shared(t) {
		for _, ranks := range []int{1, 2, 3, 4, 8} {
			t.Run(fmt.Sprintf("%s/ranks=%d", name, ranks), func(t *testing.T) {
				for step := range int64(4) {
					want := batchOf(t, src, step)
					got := &engine.Batch{First: want.First}
					if want.Y != nil {
						got.Y = []float32{}
					}
					if want.Class != nil {
						got.Class = []int32{}
					}
					cells := 0
					for rank := range ranks {
						share, err := Share(src, rank, ranks)
						if err != nil {
							t.Fatal(err)
						}
						part := batchOf(t, share, step)
						if n := len(part.Samples); n > 0 && part.First != want.First+int64(len(got.Samples)) {
							t.Errorf("step %d, rank %d: first sample %d, want %d", step, rank, part.First, want.First+int64(len(got.Samples)))
						}
						if len(part.Samples) > len(share.Largest()) || cellsOf(part.Samples) > cellsOf(share.Largest()) {
							t.Errorf("step %d, rank %d: samples %v, the largest batch is said to be %v", step, rank, part.Samples, share.Largest())
						}
						for _, cell := range part.Relevant {
							got.Relevant = append(got.Relevant, cell+int32(cells))
						}
						cells += cellsOf(part.Samples)
						got.Samples = append(got.Samples, part.Samples...)
						got.X, got.Y, got.Class = append(got.X, part.X...), append(got.Y, part.Y...), append(got.Class, part.Class...)
					}
					if !sameBatch(got, want) {
						t.Errorf("step %d: the shares have %+v, the batch %+v", step, got, want)
					}
				}
			})
		}
	}
}

// TestShareRefused: a source that cannot make parts is refused, unless there is
// one rank.
func TestShareRefused(t *testing.T) {
	whole := struct{ Source }{generators(t, 1)["fields"]}
	if s, err := Share(whole, 0, 1); err != nil || s != Source(whole) {
		t.Errorf("one rank: %v, %v, want the source itself", s, err)
	}
	_, err := Share(whole, 0, 2)
	checkError(t, err, "task fields: its batches cannot be divided among ranks")
}

func TestPart(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 5, 16, 17} {
		for _, of := range []int{1, 2, 3, 5} {
			at := 0
			for i := range of {
				from, to := Part{i, of}.of(n)
				if from != at || to < from || to-from > (n+of-1)/of {
					t.Errorf("part %d of %d of %d samples: %d to %d", i, of, n, from, to)
				}
				at = to
			}
			if at != n {
				t.Errorf("%d parts of %d samples end at %d", of, n, at)
			}
		}
	}
	if from, to := (Part{}).of(5); from != 0 || to != 5 {
		t.Errorf("the zero part: %d to %d", from, to)
	}
}
