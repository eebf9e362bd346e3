package cpu

import (
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// dropoutStage scales each input of a layer by 0 or 1/(1-rate) in training, and
// is not there otherwise: then out shares in's memory. The mask follows from
// (seed, step, sample, cell, channel, layer) alone and is made again for the
// backward pass rather than kept.
type dropoutStage struct {
	stack   *stack
	layer   int
	rate    float64
	in, out *field
	kept    []float32 // out's own memory
	sched   *grid.Schedule
	cells   []int32 // [samples+1] of the batch before the view: where each sample begins
	owner   []int32 // [packed cell] its sample
	key     uint64
	first   int64
	masks   [][]float32 // of each worker

	forwardJob, backwardJob func(task, worker int)
}

func newDropoutStage(k *stack, layer int, rate float64, in *field) *dropoutStage {
	s := &dropoutStage{stack: k, layer: layer, rate: rate, in: in, out: &field{width: in.width, back: in.back}}
	s.masks = make([][]float32, k.pool.workers)
	for w := range s.masks {
		s.masks[w] = make([]float32, in.width)
	}
	s.forwardJob, s.backwardJob = s.forwardChunk, s.backwardChunk
	return s
}

func (s *dropoutStage) bind(in *grid.Schedule) (*grid.Schedule, error) {
	s.sched = in
	n := (in.Rows + 1) * s.in.width
	s.kept = grow(s.kept, n)
	clear(s.kept[in.Rows*s.in.width:])
	if s.in.back {
		s.out.grad = grow(s.out.grad, n)
		clear(s.out.grad[in.Rows*s.in.width:])
	}
	return in, nil
}

// number tells which packed cell belongs to which sample of the batch. A view
// changes what a sequence is, but neither the packed order nor the samples that
// masks are keyed by.
func (s *dropoutStage) number(samplesBegin []int32) {
	s.cells = samplesBegin
	s.owner = grow(s.owner, int(samplesBegin[len(samplesBegin)-1]))
	for b := range len(samplesBegin) - 1 {
		part := s.owner[samplesBegin[b]:samplesBegin[b+1]]
		for i := range part {
			part[i] = int32(b)
		}
	}
}

func (s *dropoutStage) forward(p *pass) {
	if !p.train {
		s.out.data = s.in.data
		return
	}
	s.out.data = s.kept
	s.key, s.first = nn.DropKey(p.seed, p.step, s.layer), p.first
	s.stack.pool.run(chunks(s.sched.Rows), s.forwardJob)
}

func (s *dropoutStage) forwardChunk(task, worker int)  { s.scale(task, worker, s.out.data, s.in.data) }
func (s *dropoutStage) backwardChunk(task, worker int) { s.scale(task, worker, s.in.grad, s.out.grad) }

func (s *dropoutStage) scale(task, worker int, dst, src []float32) {
	from, to := chunk(task, s.sched.Rows)
	w, mask := s.in.width, s.masks[worker]
	for r := from; r < to; r++ {
		cell := s.sched.Cell[r]
		b := s.owner[cell]
		nn.DropMask(s.key, s.first+int64(b), int(cell-s.cells[b]), s.rate, mask)
		x, y := src[r*w:(r+1)*w], dst[r*w:(r+1)*w]
		for j, m := range mask {
			y[j] = x[j] * m
		}
	}
}

func (s *dropoutStage) backward(*pass) {
	if s.in.back {
		s.stack.pool.run(chunks(s.sched.Rows), s.backwardJob)
	}
}

func (s *dropoutStage) bytes() int64  { return 4 * int64(cap(s.kept)+cap(s.out.grad)+cap(s.owner)) }
func (s *dropoutStage) check() string { return "" } // scales only
