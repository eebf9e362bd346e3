package mdlstm

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// inOrder cuts samples into batches of a size; the last may be smaller.
type inOrder struct {
	samples []Sample
	size    int
}

// batches is how many there are.
func (d inOrder) batches() int64 { return int64((len(d.samples) + d.size - 1) / d.size) }

func (d inOrder) Batch(t int64, b *Batch) error {
	from := int(t % d.batches() * int64(d.size))
	pack(b, d.samples[from:min(from+d.size, len(d.samples))], t*int64(d.size), true)
	return nil
}

// shuffled is inOrder with another order in every epoch, which follows from the
// seed and the number of the epoch.
type shuffled struct {
	inOrder
	seed  uint64
	epoch int64 // whose order the samples are in; -1 = none yet
	given []Sample
}

func newShuffled(samples []Sample, size int, seed uint64) *shuffled {
	return &shuffled{inOrder: inOrder{samples: slices.Clone(samples), size: size}, seed: seed, epoch: -1, given: samples}
}

func (d *shuffled) Batch(t int64, b *Batch) error {
	if epoch := t / d.batches(); epoch != d.epoch {
		copy(d.samples, d.given)
		random := rand.New(rand.NewPCG(d.seed, uint64(epoch)))
		random.Shuffle(len(d.samples), func(i, j int) { d.samples[i], d.samples[j] = d.samples[j], d.samples[i] })
		d.epoch = epoch
	}
	return d.inOrder.Batch(t, b)
}

// largestShapes are the shapes of the n samples with the most cells.
func largestShapes(samples []Sample, n int) []Shape {
	shapes := make([]Shape, len(samples))
	for i, s := range samples {
		shapes[i] = s.Shape
	}
	slices.SortStableFunc(shapes, func(a, b Shape) int { return cmp.Compare(b.Cells(), a.Cells()) })
	return shapes[:min(n, len(shapes))]
}
