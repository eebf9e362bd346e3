package grid

import (
	"fmt"
	"math"
)

// WindowMap makes one cell of each window of w_0 × w_1 × … cells: the rows of a
// schedule s and those of the coarser schedule Next. It is read-only.
type WindowMap struct {
	Window []int
	Next   *Schedule

	// Source [prod(Window)][Next.Rows+1] is the row of s that offset o of a new
	// cell reads: s.Rows, the row of zeros, beyond the far edge of the sample
	// and for row Next.Rows. Offsets are row-major in the window, axis 0 slowest.
	Source [][]int32

	// Target [s.Rows+1] is the new row that a row of s belongs to, and Offset
	// [s.Rows] its offset there: Source[Offset[r]][Target[r]] = r. Entry s.Rows
	// of Target is Next.Rows.
	Target, Offset []int32
}

// Window gives the map to cells of window[d] cells along each axis d; a sample
// of size n becomes ⌈n/w⌉. It is built at the first call and shared by all later
// ones; several goroutines may call Window. A window of ones leads to s itself.
// Errors wrap [ErrShape]: not one size of at least 1 per axis, or a window so
// large that its table has more than 2^31-1 entries.
func (s *Schedule) Window(window []int) (*WindowMap, error) {
	if len(window) != s.Axes {
		return nil, fmt.Errorf("window %v: got %d sizes, want %d: write one size per axis: %w",
			window, len(window), s.Axes, ErrShape)
	}
	var key [MaxAxes]int
	for d, w := range window {
		if w < 1 {
			return nil, fmt.Errorf("window %v: got size %d on axis %d, want at least 1 (1 joins nothing): %w",
				window, w, d, ErrShape)
		}
		key[d] = w
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.windows[key]; ok {
		return m, nil
	}
	m, err := s.newWindow(window)
	if err != nil {
		return nil, err
	}
	if s.windows == nil {
		s.windows = make(map[[MaxAxes]int]*WindowMap)
	}
	s.windows[key] = m
	return m, nil
}

// newWindow builds the map of a window that has one size ≥ 1 per axis.
func (s *Schedule) newWindow(window []int) (*WindowMap, error) {
	next := s
	offsets := Shape(window).Cells()
	if offsets > 1 {
		shapes := cloneShapes(s.Shapes)
		for _, shape := range shapes {
			for d, w := range window {
				shape[d] = (shape[d]-1)/w + 1 // n + w - 1 might overflow
			}
		}
		var err error
		if next, err = New(shapes); err != nil {
			return nil, fmt.Errorf("window %v: %w", window, err)
		}
	}
	if offsets > math.MaxInt32/(next.Rows+1) {
		return nil, fmt.Errorf("window %v: %d new cells of that size are more than %d entries: "+
			"use a smaller window: %w", window, next.Rows, math.MaxInt32, ErrShape)
	}

	m := &WindowMap{
		Window: append([]int{}, window...),
		Next:   next,
		Source: make([][]int32, offsets),
		Target: filled(s.Rows+1, next.Rows),
		Offset: make([]int32, s.Rows),
	}
	for o := range m.Source {
		m.Source[o] = filled(next.Rows+1, s.Rows)
	}
	for l := range s.lines {
		// The new cell and the offset that the line's first cell goes to.
		cell, stride := int(next.First[l.sample]), 1
		offset, offsetStride := 0, 1
		shape := next.Shapes[l.sample]
		for d := s.Axes - 1; d >= 0; d-- {
			cell += l.at[d] / window[d] * stride
			stride *= shape[d]
			offset += l.at[d] % window[d] * offsetStride
			offsetStride *= window[d]
		}
		last := 1
		if s.Axes > 0 {
			last = window[s.Axes-1]
		}
		for j := range l.n {
			from, to, o := s.Row[l.cell+j], next.Row[cell+j/last], offset+j%last
			m.Source[o][to] = from
			m.Target[from] = to
			m.Offset[from] = int32(o)
		}
	}
	return m, nil
}
