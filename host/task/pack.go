package task

import (
	"fmt"

	"mdlstm-gpu/host/grid"
)

// eachRun calls visit with the contiguous runs of cells that a sample of a size
// has in the padded grid, in row-major order: the first cell and the number of
// cells. Size is at most padded on every axis; without axes there is one cell.
func eachRun(padded, size grid.Shape, visit func(start, cells int)) {
	// The axes from d on, and a part of the axis before, are whole: one run.
	d, run := len(size), 1
	for d > 0 && size[d-1] == padded[d-1] {
		d--
		run *= size[d]
	}
	if d > 0 {
		d--
		run *= size[d]
	}
	lines, strides := 1, [grid.MaxAxes]int{}
	stride := 1
	for e := len(padded) - 1; e >= 0; e-- {
		strides[e] = stride
		stride *= padded[e]
		if e < d {
			lines *= size[e]
		}
	}
	for line := range lines {
		start, rest := 0, line
		for e := d - 1; e >= 0; e-- {
			start += rest % size[e] * strides[e]
			rest /= size[e]
		}
		visit(start, run)
	}
}

// gather packs sample b of src [B, *padded, width] into the beginning of dst
// [cells of size, width] and returns how many values these are.
func gather(dst, src []float32, b int, padded, size grid.Shape, width int) int {
	at := 0
	sample := src[b*padded.Cells()*width:]
	eachRun(padded, size, func(start, cells int) {
		at += copy(dst[at:], sample[start*width:(start+cells)*width])
	})
	return at
}

// Scatter writes what a model put out for samples of these output shapes, packed
// [cells, units], into dst [len(sizes), *padded, units], and 0 wherever a sample
// does not reach. Lengths that do not agree, and sizes beyond padded, are errors.
func Scatter(dst, packed []float32, sizes []grid.Shape, padded grid.Shape, units int) error {
	cells := 0
	for b, size := range sizes {
		if len(size) != len(padded) || len(size) > grid.MaxAxes {
			return fmt.Errorf("scatter: sample %d of size %v, want %d axes as in %v", b, size, len(padded), padded)
		}
		for d, n := range size {
			if n < 1 || n > padded[d] {
				return fmt.Errorf("scatter: sample %d has the size %d on axis %d, want 1 … %d", b, n, d, padded[d])
			}
		}
		cells += size.Cells()
	}
	if want := cells * units; len(packed) != want {
		return fmt.Errorf("scatter: got %d packed values, want %d for %d cells of %d units", len(packed), want, cells, units)
	}
	if want := len(sizes) * padded.Cells() * units; len(dst) != want {
		return fmt.Errorf("scatter: got room for %d values, want %d for %d samples of %v and %d units", len(dst), want, len(sizes), padded, units)
	}
	clear(dst)
	at := 0
	for b, size := range sizes {
		sample := dst[b*padded.Cells()*units:]
		eachRun(padded, size, func(start, n int) {
			at += copy(sample[start*units:(start+n)*units], packed[at:])
		})
	}
	return nil
}

// coordinates are those of a cell in row-major order.
func coordinates(cell int, in grid.Shape) []int {
	at := make([]int, len(in))
	for d := len(in) - 1; d >= 0; d-- {
		at[d] = cell % in[d]
		cell /= in[d]
	}
	return at
}
