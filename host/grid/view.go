package grid

import "fmt"

// Views say how a model reads the input grid before its first layer.
const (
	ViewGrid  = "grid"  // as it is
	ViewRows  = "rows"  // every line along the last axis is a sequence
	ViewSnake = "snake" // all cells of a sample, in row-major order, are a sequence
)

// View gives the samples that a view makes of a batch: the same ones, a 1-D
// sample for every line along the last axis, or a 1-D sample for every sample. A
// sample without axes is one line of one cell. Packed order stays the same, so
// data need not move. The result may share memory with samples and within
// itself: read it only. Samples that [New] would refuse give an error that wraps
// [ErrShape]; an unknown view gives an error that names the known ones.
func View(view string, samples []Shape) ([]Shape, error) {
	switch view {
	case ViewGrid, ViewRows, ViewSnake:
	default:
		return nil, fmt.Errorf("view %.40q: want %q, %q or %q", view, ViewGrid, ViewRows, ViewSnake)
	}
	if _, err := countRows(samples); err != nil {
		return nil, fmt.Errorf("view %q: %w", view, err)
	}
	if view == ViewGrid {
		return samples, nil
	}
	var viewed []Shape
	for _, shape := range samples {
		cells := shape.Cells()
		length := cells
		if view == ViewRows {
			length = 1
			if len(shape) > 0 {
				length = shape[len(shape)-1]
			}
		}
		sequence := Shape{length}
		for range cells / length {
			viewed = append(viewed, sequence)
		}
	}
	return viewed, nil
}
