package batch

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// Inputs writes x into dst [rows, width] in the order of rows: row r is packed
// cell s.Cell[r]. A value that is not finite is an error that wraps
// [engine.ErrData] and names its place; dst is then of no use.
func Inputs(dst []float32, b *engine.Batch, width int, s *grid.Schedule) error {
	if want := s.Rows * width; len(b.X) != want {
		return fmt.Errorf("%w: x has %d values, want %d (%d cells of %d channels)", engine.ErrShape, len(b.X), want, s.Rows, width)
	}
	var sum float32 // 0 exactly when all values are finite
	for r := range s.Rows {
		x, y := b.X[int(s.Cell[r])*width:][:width], dst[r*width:][:width]
		for i, v := range x {
			y[i] = v
			sum += v - v
		}
	}
	if sum == 0 {
		return nil
	}
	return BadInput(b, width)
}

// BadInput is the error of [Inputs] that names the first value of x that is not
// finite; nil when all are.
func BadInput(b *engine.Batch, width int) error {
	at := 0
	for n, shape := range b.Samples {
		for cell := range shape.Cells() {
			for channel := range width {
				if v := b.X[at]; v-v != 0 {
					return fmt.Errorf("%w: x is %v at sample %d, cell %v, channel %d: inputs must be finite",
						engine.ErrData, v, n, coordinates(cell, shape), channel)
				}
				at++
			}
		}
	}
	return nil
}

// coordinates of a cell in row-major order.
func coordinates(cell int, shape grid.Shape) []int {
	c := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		c[d] = cell % shape[d]
		cell /= shape[d]
	}
	return c
}
