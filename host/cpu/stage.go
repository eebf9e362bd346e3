package cpu

import "mdlstm-gpu/host/grid"

// stage is one step of the computation of a plan. bind sets its schedule and
// makes room; forward and backward work on the rows bound last.
type stage interface {
	bind(in *grid.Schedule) (out *grid.Schedule, err error)
	forward(p *pass)
	backward(p *pass)
	// bytes is the memory held, without parameters.
	bytes() int64
	// check looks for the first value that is not finite, in the order of
	// computation; "" when there is none.
	check() string
}

// pass is what is the same for all stages in one forward or backward run.
type pass struct {
	train bool
	seed  uint64 // seed, step and the number of the first sample key dropout
	step  int64
	first int64
}

// windowStage makes the cells of a window one cell.
type windowStage struct {
	stack   *stack
	window  []int
	in, out *field
	maps    *grid.WindowMap
	rows    int // arriving

	forwardJob, backwardJob func(task, worker int)
}

func newWindowStage(k *stack, window []int, in *field) *windowStage {
	cells := 1
	for _, w := range window {
		cells *= w
	}
	s := &windowStage{stack: k, window: window, in: in, out: k.field(cells * in.width)}
	s.out.back = in.back
	s.forwardJob, s.backwardJob = s.forwardChunk, s.backwardChunk
	return s
}

func (s *windowStage) bind(in *grid.Schedule) (*grid.Schedule, error) {
	maps, err := in.Window(s.window)
	if err != nil {
		return nil, err
	}
	s.maps, s.rows = maps, in.Rows
	s.out.resize(maps.Next.Rows)
	return maps.Next, nil
}

func (s *windowStage) forward(*pass) {
	s.out.zero()
	s.stack.pool.run(chunks(s.maps.Next.Rows), s.forwardJob)
}

func (s *windowStage) forwardChunk(task, _ int) {
	from, to := chunk(task, s.maps.Next.Rows)
	w := s.in.width
	for o, source := range s.maps.Source {
		for r := from; r < to; r++ {
			copy(s.out.data[r*s.out.width+o*w:][:w], s.in.data[int(source[r])*w:])
		}
	}
}

func (s *windowStage) backward(*pass) {
	if s.in.back {
		s.stack.pool.run(chunks(s.rows), s.backwardJob)
	}
}

func (s *windowStage) backwardChunk(task, _ int) {
	from, to := chunk(task, s.rows)
	w := s.in.width
	for r := from; r < to; r++ {
		at := int(s.maps.Target[r])*s.out.width + int(s.maps.Offset[r])*w
		copy(s.in.grad[r*w:(r+1)*w], s.out.grad[at:])
	}
}

func (s *windowStage) bytes() int64  { return s.out.bytes() }
func (s *windowStage) check() string { return "" } // copies only

// sumStage collapses an axis.
type sumStage struct {
	stack   *stack
	name    string
	axis    int
	in, out *field
	maps    *grid.SumMap
	rows    int

	forwardJob, backwardJob func(task, worker int)
}

func newSumStage(k *stack, name string, axis int, in *field) *sumStage {
	s := &sumStage{stack: k, name: name, axis: axis, in: in, out: k.field(in.width)}
	s.out.back = in.back
	s.forwardJob, s.backwardJob = s.forwardChunk, s.backwardChunk
	return s
}

func (s *sumStage) bind(in *grid.Schedule) (*grid.Schedule, error) {
	maps, err := in.Sum(s.axis)
	if err != nil {
		return nil, err
	}
	s.maps, s.rows = maps, in.Rows
	s.out.resize(maps.Next.Rows)
	return maps.Next, nil
}

func (s *sumStage) forward(*pass) {
	s.out.zero()
	s.stack.pool.run(chunks(s.maps.Next.Rows), s.forwardJob)
}

func (s *sumStage) forwardChunk(task, _ int) {
	from, to := chunk(task, s.maps.Next.Rows)
	w := s.out.width
	for r := from; r < to; r++ {
		dst := s.out.data[r*w : (r+1)*w]
		clear(dst)
		for _, source := range s.maps.Source[s.maps.Start[r]:s.maps.Start[r+1]] {
			s.stack.e.kernels.add(dst, s.in.data[int(source)*w:][:w])
		}
	}
}

func (s *sumStage) backward(*pass) {
	if s.in.back {
		s.stack.pool.run(chunks(s.rows), s.backwardJob)
	}
}

func (s *sumStage) backwardChunk(task, _ int) {
	from, to := chunk(task, s.rows)
	w := s.out.width
	for r := from; r < to; r++ {
		copy(s.in.grad[r*w:(r+1)*w], s.out.grad[int(s.maps.Target[r])*w:])
	}
}

func (s *sumStage) bytes() int64  { return s.out.bytes() }
func (s *sumStage) check() string { return "" } // adds what was checked; an overflow shows in the next stage

func (f *field) bytes() int64 {
	if f.slab != nil { // the stack counts its slabs
		return 0
	}
	return 4 * int64(cap(f.data)+cap(f.grad))
}
