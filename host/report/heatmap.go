package report

import (
	"fmt"
	"math"
	"strings"
)

// Picture is one sample's prediction beside its truth. Cells are in packed
// order: row-major over Shape.
type Picture struct {
	Title string // says what is shown: "step 1000, sample 0"

	Shape []int // of the output grid; 1 axis or more
	Units int   // values of a cell of Prediction; 0 means 1

	Prediction []float32 // [cells, Units]

	// The truth is Truth [cells, Units], of which the first unit is drawn beside
	// the first unit of Prediction, or Class [cells], drawn beside the unit with
	// the greatest value.
	Truth  []float32
	Class  []int32
	Ignore *int // the class whose cells do not count; nil = none

	// Relevant are the cells to mark in both panels; nil = none. With 3 axes or
	// more the first one says which slice is shown.
	Relevant []int32
}

// panel is one of the two 2-D grids of a picture, as values or as classes.
type panel struct {
	rows, cols int
	value      []float64 // [rows, cols]; NaN and infinities are not finite
	class      []int     // [rows, cols] instead of value; classNone, classIgnored
}

const (
	classNone    = -1 // the prediction is not finite
	classIgnored = -2
)

// heatmap is a picture that was checked and cut down to what is drawn.
type heatmap struct {
	title             string
	slice             string // which slice of more axes, "" when all is shown
	prediction, truth panel
	marks             [][2]int // row, column
	lo, hi            float64  // of the shared scale; equal when nothing is finite
	classes           int      // 0 for values
}

// newHeatmap checks p and takes what is to be drawn.
func newHeatmap(p Picture) (*heatmap, error) {
	units := max(p.Units, 1)
	if err := p.check(units); err != nil {
		return nil, fmt.Errorf("picture %q: %w", p.Title, err)
	}
	h := &heatmap{title: p.Title}

	// The last two axes lie in the picture, the leading ones are fixed.
	rows, cols := 1, p.Shape[len(p.Shape)-1]
	var leading []int
	if len(p.Shape) > 1 {
		rows = p.Shape[len(p.Shape)-2]
		leading = p.Shape[:len(p.Shape)-2]
	}
	size := rows * cols
	first := 0 // cell that the slice begins with
	if len(leading) > 0 {
		at := middle(leading)
		if len(p.Relevant) > 0 {
			at = int(p.Relevant[0]) / size
		}
		first = at * size
		h.slice = sliceName(leading, at)
	}
	for _, cell := range p.Relevant {
		if at := int(cell) - first; at >= 0 && at < size {
			h.marks = append(h.marks, [2]int{at / cols, at % cols})
		}
	}

	h.prediction, h.truth = panel{rows: rows, cols: cols}, panel{rows: rows, cols: cols}
	if p.Class != nil {
		h.classes = units
		h.truth.class, h.prediction.class = make([]int, 0, size), make([]int, 0, size)
		for cell := first; cell < first+size; cell++ {
			truth := int(p.Class[cell])
			if p.Ignore != nil && truth == *p.Ignore {
				truth = classIgnored
			}
			h.truth.class = append(h.truth.class, truth)
			h.prediction.class = append(h.prediction.class, argmax(p.Prediction[cell*units:(cell+1)*units]))
		}
		return h, nil
	}
	h.truth.value, h.prediction.value = make([]float64, 0, size), make([]float64, 0, size)
	for cell := first; cell < first+size; cell++ {
		h.prediction.value = append(h.prediction.value, float64(p.Prediction[cell*units]))
		h.truth.value = append(h.truth.value, float64(p.Truth[cell*units]))
	}
	h.lo, h.hi = sharedRange(h.prediction.value, h.truth.value)
	return h, nil
}

// check compares all lengths and values with the shape.
func (p Picture) check(units int) error {
	if len(p.Shape) == 0 {
		return fmt.Errorf("no axes, want 1 or more")
	}
	cells := 1
	for axis, n := range p.Shape {
		if n < 1 {
			return fmt.Errorf("shape %v: axis %d has %d cells, want 1 or more", p.Shape, axis, n)
		}
		if cells > len(p.Prediction)/n { // the product is compared before it can overflow
			return fmt.Errorf("shape %v has more cells than the prediction has values, %d", p.Shape, len(p.Prediction))
		}
		cells *= n
	}
	if len(p.Prediction)%units != 0 || len(p.Prediction)/units != cells {
		return fmt.Errorf("shape %v with %d units: prediction has %d values, want %d × %d", p.Shape, units, len(p.Prediction), cells, units)
	}
	switch {
	case p.Class != nil && p.Truth != nil:
		return fmt.Errorf("truth and classes are both given, want one")
	case p.Class != nil && len(p.Class) != cells:
		return fmt.Errorf("shape %v: %d classes, want %d", p.Shape, len(p.Class), cells)
	case p.Class == nil && len(p.Truth) != len(p.Prediction):
		return fmt.Errorf("truth has %d values, want %d as the prediction", len(p.Truth), len(p.Prediction))
	}
	for cell, class := range p.Class {
		if (class < 0 || int(class) >= units) && (p.Ignore == nil || int(class) != *p.Ignore) {
			return fmt.Errorf("class %d at cell %d, want 0 … %d", class, cell, units-1)
		}
	}
	for _, cell := range p.Relevant {
		if cell < 0 || int(cell) >= cells {
			return fmt.Errorf("relevant cell %d, want 0 … %d", cell, cells-1)
		}
	}
	return nil
}

// middle is the index of the middle of a grid, in row-major order.
func middle(shape []int) (at int) {
	for _, n := range shape {
		at = at*n + n/2
	}
	return at
}

// sliceName writes the place of a slice as an index with the last two axes open.
func sliceName(leading []int, at int) string {
	index := make([]string, len(leading))
	for axis := len(leading) - 1; axis >= 0; axis-- {
		index[axis] = fmt.Sprint(at % leading[axis])
		at /= leading[axis]
	}
	var size []string
	for _, n := range leading {
		size = append(size, fmt.Sprint(n))
	}
	return fmt.Sprintf("slice [%s, :, :] of %s", strings.Join(index, ", "), strings.Join(size, " × "))
}

// argmax is the first greatest value's index, classNone when a value is NaN.
func argmax(values []float32) int {
	best := 0
	for i, v := range values {
		if v != v {
			return classNone
		}
		if v > values[best] {
			best = i
		}
	}
	return best
}

// sharedRange is the range of all finite values of both panels; a single value
// lies in the middle of it.
func sharedRange(panels ...[]float64) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, values := range panels {
		for _, v := range values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	switch {
	case lo > hi:
		return 0, 0
	case lo == 0 && hi == 0:
		return -1, 1
	case lo == hi:
		return lo - math.Abs(lo)/2, hi + math.Abs(hi)/2
	}
	return lo, hi
}
