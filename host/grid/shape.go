package grid

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxAxes is the largest number of axes a grid may have.
	MaxAxes = 8
	// MaxRows is the largest number of cells in one batch: rows are int32, and
	// the row behind the last needs a number too.
	MaxRows = math.MaxInt32 - 1
)

// ErrShape is wrapped by every error about a shape, window or axis that no
// schedule can be made for.
var ErrShape = errors.New("bad shape")

// Shape is the size of one sample's grid, a number of at least 1 per axis. The
// shape without any axis is a single cell, which is what remains when the last
// axis has been summed.
type Shape []int

// Cells is the number of cells, the product of all sizes: 1 without axes, 0 if
// any size is below 1, math.MaxInt if the product is beyond an int.
func (s Shape) Cells() int {
	if slices.ContainsFunc(s, func(n int) bool { return n < 1 }) {
		return 0
	}
	cells := 1
	for _, n := range s {
		if cells > math.MaxInt/n {
			return math.MaxInt
		}
		cells *= n
	}
	return cells
}

// Equal says whether both have the same axes of the same sizes.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// String is the form that [ParseShape] reads, such as "32x256", and "1 cell" for
// the shape without axes.
func (s Shape) String() string {
	if len(s) == 0 {
		return "1 cell"
	}
	var b strings.Builder
	for d, n := range s {
		if d > 0 {
			b.WriteByte('x')
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// ParseShape reads sizes joined by x: "12", "8x8", "4x4x4", from the first
// (slowest) axis to the last. It takes 1 … [MaxAxes] axes and at most [MaxRows]
// cells; other text gives an error that wraps [ErrShape] and says what to write.
func ParseShape(text string) (Shape, error) {
	parts := strings.Split(text, "x")
	if len(parts) > MaxAxes {
		return nil, fmt.Errorf("%w %.40q: got %d axes, want at most %d", ErrShape, text, len(parts), MaxAxes)
	}
	s := make(Shape, len(parts))
	for d, part := range parts {
		// ParseUint, unlike Atoi, takes no sign.
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%w %.40q: axis %d is %.40q, want a whole number from 1 to %d: "+
				"write one size per axis joined by x, such as 8x8 or 32x256", ErrShape, text, d, part, MaxRows)
		}
		s[d] = int(n)
	}
	if cells := s.Cells(); cells > MaxRows {
		return nil, fmt.Errorf("%w %q: got more than %d cells: write smaller sizes", ErrShape, text, MaxRows)
	}
	return s, nil
}

// countRows is the number of cells of all samples, or why they cannot be one
// batch. It cannot overflow.
func countRows(samples []Shape) (int, error) {
	if len(samples) == 0 {
		return 0, fmt.Errorf("got 0 samples, want at least 1: %w", ErrShape)
	}
	axes := len(samples[0])
	if axes > MaxAxes {
		return 0, fmt.Errorf("sample 0: got %d axes, want at most %d: %w", axes, MaxAxes, ErrShape)
	}
	rows := 0
	for b, shape := range samples {
		if len(shape) != axes {
			return 0, fmt.Errorf("sample %d: got %d axes (%v), want %d as sample 0 has (%v): "+
				"give every sample of a batch the same number of axes: %w", b, len(shape), shape, axes, samples[0], ErrShape)
		}
		for d, n := range shape {
			if n < 1 {
				return 0, fmt.Errorf("sample %d: got size %d on axis %d (%v), want at least 1: "+
					"leave empty samples out: %w", b, n, d, shape, ErrShape)
			}
		}
		cells := shape.Cells()
		if cells > MaxRows-rows {
			return 0, fmt.Errorf("sample %d (%v): the batch has more than %d cells: "+
				"use fewer or smaller samples: %w", b, shape, MaxRows, ErrShape)
		}
		rows += cells
	}
	return rows, nil
}

// cloneShapes copies a list of shapes so that nothing the caller does later
// reaches it. All copies share one backing array.
func cloneShapes(samples []Shape) []Shape {
	total := 0
	for _, shape := range samples {
		total += len(shape)
	}
	flat := make([]int, 0, total)
	shapes := make([]Shape, len(samples))
	for b, shape := range samples {
		from := len(flat)
		flat = append(flat, shape...)
		shapes[b] = flat[from:len(flat):len(flat)]
	}
	return shapes
}
