package task

import (
	"cmp"
	"slices"

	"mdlstm-gpu/host/grid"
)

// batches cuts every epoch into batches, each sample in one of them.
//
// Unequal samples can be bucketed: a batch then has samples of nearly the same
// size. A step of the engines computes the cells of one wavefront at a time, of
// all samples of the batch together, so what a long sample has beyond the others
// is computed in wavefronts of few cells, which keep neither cores nor a GPU
// busy. No cell is ever padded, bucketed or not.
//
// An epoch is shuffled and cut into pools of about bucketBatches batches; a pool
// is sorted by the number of wavefronts, then of cells, and cut into batches; the
// batches of all pools are shuffled. Without shuffling there is one pool and no
// second shuffle: every epoch goes from the smallest samples to the largest.
type batches struct {
	size   int          // samples of a batch; the last one has what is left
	bucket []grid.Shape // sizes to bucket by; nil for the order as it is
	order  order

	epoch  int64 // whose batches are in pooled and turns; -1 for none
	pooled []int // samples, batch after batch
	turns  []int // which batch when
	random stream
}

// bucketBatches is how many batches are sorted together: the more, the more
// equal are the samples of a batch, and the fewer are the batches that a sample
// can be in. With 32 the sizes in a batch span 3 % of the ranks.
const bucketBatches = 32

func newBatches(size int, o order, bucket []grid.Shape) batches {
	return batches{size: size, bucket: bucket, order: o, epoch: -1}
}

// fork makes the same batches, with memory of its own for the order of an epoch.
func (b *batches) fork() batches {
	return newBatches(b.size, newOrder(len(b.order.samples), b.order.shuffle, b.order.seed), b.bucket)
}

// steps is how many batches an epoch has.
func (b *batches) steps() int { return (len(b.order.samples)-1)/b.size + 1 }

// of is batch t, t ≥ 0: its epoch, its samples, valid until the next call, and
// the first of the numbers in the run that these have for themselves.
func (b *batches) of(t int64) (epoch, first int64, samples []int) {
	steps := b.steps()
	epoch = t / int64(steps)
	step := int(t % int64(steps))
	list := b.order.of(epoch)
	if b.bucket != nil {
		b.arrange(epoch, list)
		list, step = b.pooled, b.turns[step]
	}
	from := step * b.size
	return epoch, epoch*int64(len(list)) + int64(from), list[from:min(from+b.size, len(list))]
}

// partOf is of for a part of batch t: its samples and the number of the first.
func (b *batches) partOf(t int64, p Part) (epoch, first int64, samples []int) {
	epoch, first, samples = b.of(t)
	from, to := p.of(len(samples))
	return epoch, first + int64(from), samples[from:to]
}

// arrange fills pooled and turns from the order of an epoch.
func (b *batches) arrange(epoch int64, list []int) {
	if b.epoch == epoch || b.epoch >= 0 && !b.order.shuffle {
		return
	}
	b.epoch = epoch
	b.pooled = append(b.pooled[:0], list...)
	steps, pools := b.steps(), 1
	if b.order.shuffle {
		pools = (steps-1)/bucketBatches + 1
	}
	for i := range pools {
		// Pools of whole batches and of nearly equal length.
		from, to := i*steps/pools*b.size, (i+1)*steps/pools*b.size
		slices.SortStableFunc(b.pooled[from:min(to, len(list))], b.compare)
	}
	b.turns = resize(b.turns, steps)
	for i := range b.turns {
		b.turns[i] = i
	}
	if b.order.shuffle {
		b.random.start(b.order.seed, "batches", epoch)
		permute(b.turns, &b.random)
	}
}

// compare orders samples by their wavefronts, whose number is the sum of all
// lengths less a constant, then by their cells.
func (b *batches) compare(i, j int) int {
	s, t := b.bucket[i], b.bucket[j]
	return cmp.Or(cmp.Compare(total(s), total(t)), cmp.Compare(s.Cells(), t.Cells()))
}

func total(s grid.Shape) int {
	sum := 0
	for _, n := range s {
		sum += n
	}
	return sum
}
