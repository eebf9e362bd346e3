package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/nn"
)

// dropoutStage scales each input of a layer by 0 or 1/(1-rate) in training, and
// is not there otherwise: then out reads in's memory. The mask is made again for
// the backward pass rather than kept.
type dropoutStage struct {
	finite
	p            *plan
	layer        int
	rate         float64
	in, out      *field
	kept         array // out's own memory
	cell, sample array // int32 [C] what a row is: a packed cell of its sample, before the view
	key          array // uint32 [4] of this layer's masks in this pass
}

func newDropoutStage(p *plan, layer int, rate float64, in *field) *dropoutStage {
	s := &dropoutStage{p: p, layer: layer, rate: rate, in: in, out: p.newField(in.level, in.width, in.back)}
	s.kept = s.out.data
	s.cell, s.sample = p.inputs.take(in.rows), p.inputs.take(in.rows)
	s.key = p.scalars.take(4)
	return s
}

func (s *dropoutStage) bind() error { return nil }

// write says which sample and cell each row is. A view changes what a sequence
// is, but neither the packed order nor the samples that masks are keyed by.
func (s *dropoutStage) write(host []int32) {
	begin := s.in.sched.First
	if s.p.begin != nil {
		begin = s.p.begin
	}
	cell, sample := part(s.cell, host), part(s.sample, host)
	for b := range len(begin) - 1 {
		for c := begin[b]; c < begin[b+1]; c++ {
			row := s.in.sched.Row[c]
			cell[row], sample[row] = c-begin[b], int32(b)
		}
	}
}

// setKey writes the key of a pass into the host's copy of the scalars.
func (s *dropoutStage) setKey(host []uint32, seed uint64, step, first int64) {
	key := nn.DropKey(seed, step, s.layer)
	copy(part(s.key, host), []uint32{uint32(key), uint32(key >> 32), uint32(first), uint32(uint64(first) >> 32)})
}

// in a pass without training, out is in.
func (s *dropoutStage) choose(train bool) {
	s.out.data = s.in.data
	if train {
		s.out.data = s.kept
	}
}

func (s *dropoutStage) forward(q *cuda.Stream, train bool) error {
	if !train {
		return nil
	}
	return s.scale(q, s.in.data, s.kept)
}

func (s *dropoutStage) backward(q *cuda.Stream) error {
	if !s.in.back {
		return nil
	}
	return s.scale(q, s.out.grad, s.in.grad)
}

func (s *dropoutStage) scale(q *cuda.Stream, from, to array) error {
	return s.p.e.kernels.Dropout(q, DropoutArgs{
		RowsArgs: s.in.args(), In: from.address(), Out: to.address(), Cell: s.cell.address(), Sample: s.sample.address(),
		Pass: s.key.address(), Width: s.in.width, Threshold: nn.DropThreshold(s.rate), Keep: float32(1 / (1 - s.rate)),
	})
}
