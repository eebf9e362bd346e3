package gpu

import (
	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// windowStage makes the cells of a window one cell.
type windowStage struct {
	finite
	p       *plan
	window  []int
	in, out *field
	maps    *grid.WindowMap
	cells   int   // of a window
	source  array // int32 [cells, C'] row that each offset of a new row reads
	target  array // int32 [C] new row that a row belongs to
	offset  array // int32 [C] its offset there
}

func newWindowStage(p *plan, window []int, in *field) *windowStage {
	s := &windowStage{p: p, window: window, in: in, cells: grid.Shape(window).Cells()}
	var shapes []grid.Shape
	for _, shape := range in.shapes {
		next := make(grid.Shape, len(shape))
		for d, n := range shape {
			next[d] = (n-1)/window[d] + 1
		}
		shapes = append(shapes, next)
	}
	s.out = p.newField(p.newLevel(in.axes, shapes), s.cells*in.width, in.back)
	s.source = p.inputs.take(s.cells, s.out.rows)
	s.target, s.offset = p.inputs.take(in.rows), p.inputs.take(in.rows)
	return s
}

func (s *windowStage) bind() (err error) {
	if s.maps, err = s.in.sched.Window(s.window); err == nil {
		s.out.sched = s.maps.Next
	}
	return err
}

func (s *windowStage) write(host []int32) {
	source := part(s.source, host)
	for o, rows := range s.maps.Source {
		s.in.lead(source[o*s.out.rows:], rows[:s.out.sched.Rows])
	}
	copy(part(s.target, host), s.maps.Target[:s.in.sched.Rows])
	copy(part(s.offset, host), s.maps.Offset)
}

func (s *windowStage) forward(q *cuda.Stream, _ bool) error {
	return s.p.e.kernels.Gather(q, GatherArgs{
		RowsArgs: s.out.args(), In: s.in.data.address(), Index: s.source.address(), Out: s.out.data.address(),
		Width: s.in.width, Parts: s.cells, IndexRows: s.out.rows,
	})
}

func (s *windowStage) backward(q *cuda.Stream) error {
	if !s.in.back {
		return nil
	}
	return s.p.e.kernels.GatherParts(q, GatherPartsArgs{
		RowsArgs: s.in.args(), In: s.out.grad.address(), Index: s.target.address(), Part: s.offset.address(),
		Out: s.in.grad.address(), Width: s.in.width, Parts: s.cells,
	})
}
