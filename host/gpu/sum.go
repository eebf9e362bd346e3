package gpu

import (
	"slices"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/grid"
)

// sumStage collapses an axis.
type sumStage struct {
	finite
	p       *plan
	axis    int
	in, out *field
	maps    *grid.SumMap
	start   array // int32 [C'+1] where the sources of a new row begin
	source  array // int32 [C]
	target  array // int32 [C] new row that a row is added to
}

func newSumStage(p *plan, axis int, in *field) *sumStage {
	s := &sumStage{p: p, axis: axis, in: in}
	var shapes []grid.Shape
	for _, shape := range in.shapes {
		shapes = append(shapes, slices.Delete(slices.Clone(shape), axis, axis+1))
	}
	s.out = p.newField(p.newLevel(in.axes-1, shapes), in.width, in.back)
	s.start = p.inputs.take(s.out.rows + 1)
	s.source, s.target = p.inputs.take(in.rows), p.inputs.take(in.rows)
	return s
}

func (s *sumStage) bind() (err error) {
	if s.maps, err = s.in.sched.Sum(s.axis); err == nil {
		s.out.sched = s.maps.Next
	}
	return err
}

func (s *sumStage) write(host []int32) {
	copy(part(s.start, host), s.maps.Start)
	copy(part(s.source, host), s.maps.Source)
	copy(part(s.target, host), s.maps.Target[:s.in.sched.Rows])
}

func (s *sumStage) forward(q *cuda.Stream, _ bool) error {
	return s.p.e.kernels.SumRows(q, SumRowsArgs{
		RowsArgs: s.out.args(), In: s.in.data.address(), Start: s.start.address(), Source: s.source.address(),
		Out: s.out.data.address(), Width: s.in.width,
	})
}

func (s *sumStage) backward(q *cuda.Stream) error {
	if !s.in.back {
		return nil
	}
	return s.p.e.kernels.Gather(q, GatherArgs{
		RowsArgs: s.in.args(), In: s.out.grad.address(), Index: s.target.address(), Out: s.in.grad.address(),
		Width: s.in.width, IndexRows: s.in.rows,
	})
}
