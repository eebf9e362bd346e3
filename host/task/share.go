package task

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// Part is one of Of parts of a batch, 0 … Of-1; the zero Part is the whole. Parts
// are contiguous and nearly equal: of fewer samples than parts some are empty.
type Part struct{ Index, Of int }

// of is which of n samples the part has.
func (p Part) of(n int) (from, to int) {
	if p.Of == 0 {
		return 0, n
	}
	return n * p.Index / p.Of, n * (p.Index + 1) / p.Of
}

// Divisible is a source whose batches can be divided: a batch among ranks, and
// the batches of a run among goroutines.
type Divisible interface {
	Source
	// BatchPart is Batch for the samples of a part: they are those of the whole
	// batch, and have the numbers that they have there. dst may have none.
	BatchPart(t int64, p Part, dst *engine.Batch) error
	// Fork returns a source that makes the same batches to the bit, for the model
	// that was checked last. It has memory of its own for all that making a batch
	// changes, and shares the data: another goroutine may use it meanwhile.
	Fork() Divisible
}

// Share is one rank's part of every batch of a source; the source itself with one
// rank.
func Share(src Source, rank, ranks int) (Source, error) {
	if ranks == 1 {
		return src, nil
	}
	d, ok := src.(Divisible)
	if !ok {
		return nil, fmt.Errorf("task %s: its batches cannot be divided among ranks", src.Name())
	}
	return &share{d, Part{rank, ranks}}, nil
}

type share struct {
	Divisible
	part Part
}

// Batch makes the part of batch t.
func (s *share) Batch(t int64, dst *engine.Batch) error { return s.BatchPart(t, s.part, dst) }

// Fork is a fork of the whole with the same part.
func (s *share) Fork() Divisible { return &share{s.Divisible.Fork(), s.part} }

// Largest are as many shapes as a part has at most, the largest ones: any of them
// may be in it.
func (s *share) Largest() []grid.Shape {
	all := s.Divisible.Largest()
	return largest(all, (len(all)-1)/s.part.Of+1)
}
