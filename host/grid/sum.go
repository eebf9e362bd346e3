package grid

import (
	"fmt"
	"slices"
)

// SumMap collapses one axis: which rows of a schedule s add up to a row of the
// schedule Next, which has one axis less. It is read-only.
type SumMap struct {
	Axis int
	Next *Schedule

	// Start [Next.Rows+1] and Source [s.Rows]: new row r is the sum of the rows
	// Source[Start[r]:Start[r+1]] of s, in ascending order along the axis.
	Start, Source []int32

	// Target [s.Rows+1] is the new row that a row of s is added to; entry s.Rows
	// is Next.Rows.
	Target []int32
}

// Sum gives the map that collapses an axis; samples of 1 axis become samples of
// none, which are one cell each. It is built at the first call and shared by all
// later ones; several goroutines may call Sum. An axis that the grid does not
// have gives an error that wraps [ErrShape].
func (s *Schedule) Sum(axis int) (*SumMap, error) {
	if axis < 0 || axis >= s.Axes {
		if s.Axes == 0 {
			return nil, fmt.Errorf("sum over axis %d: the grid has no axis left: remove this sum: %w", axis, ErrShape)
		}
		return nil, fmt.Errorf("sum over axis %d: want an axis from 0 to %d: %w", axis, s.Axes-1, ErrShape)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.sums[axis]; ok {
		return m, nil
	}
	m, err := s.newSum(axis)
	if err != nil {
		return nil, err
	}
	if s.sums == nil {
		s.sums = make(map[int]*SumMap)
	}
	s.sums[axis] = m
	return m, nil
}

// newSum builds the map of an axis that exists.
func (s *Schedule) newSum(axis int) (*SumMap, error) {
	shapes := cloneShapes(s.Shapes)
	for b := range shapes {
		shapes[b] = slices.Delete(shapes[b], axis, axis+1)
	}
	next, err := New(shapes)
	if err != nil {
		return nil, fmt.Errorf("sum over axis %d: %w", axis, err)
	}

	m := &SumMap{
		Axis:   axis,
		Next:   next,
		Start:  make([]int32, next.Rows+1),
		Source: make([]int32, s.Rows),
		Target: filled(s.Rows+1, next.Rows),
	}
	for b, shape := range s.Shapes {
		for _, to := range next.Row[next.First[b]:next.First[b+1]] {
			m.Start[to+1] = int32(shape[axis])
		}
	}
	for r := range next.Rows {
		m.Start[r+1] += m.Start[r]
	}
	for l := range s.lines {
		// Without the axis, packed cells keep their order: what lies before it
		// counts blocks of its stride, what lies behind it stays.
		stride, n := l.stride[axis], s.Shapes[l.sample][axis]
		for j := range l.n {
			cell := l.cell + j - int(s.First[l.sample])
			index := cell / stride % n
			to := next.Row[int(next.First[l.sample])+cell/(stride*n)*stride+cell%stride]
			from := s.Row[l.cell+j]
			m.Source[int(m.Start[to])+index] = from
			m.Target[from] = to
		}
	}
	return m, nil
}
