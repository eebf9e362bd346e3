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

	Background *int // the class that is drawn in the neutral colour; nil = class 0

	// Relevant are the cells to mark in both panels; nil = none. With 3 axes or
	// more the slice of the first one is among those that are shown.
	Relevant []int32
}

// panel is one of the 2-D grids of a picture, as values or as classes.
type panel struct {
	heading    string
	rows, cols int
	value      []float64 // [rows, cols]; NaN and infinities are not finite
	class      []int     // [rows, cols] instead of value; classNone, classIgnored
	marks      [][2]int  // row, column of the cells to outline
}

const (
	classNone    = -1 // the prediction is not finite
	classIgnored = -2
)

// heatmap is panels on one scale, of one size, beside and below each other: a
// picture that was checked and cut down to what is drawn.
type heatmap struct {
	title, note string // note: which part is shown, "" = all
	outlined    string // what the marks are, "" = there are none
	panels      []panel
	across      int      // panels in a row
	rowNames    []string // above each row of panels; nil = none
	lo, hi      float64  // of the shared scale; equal when nothing is finite
	classes     int      // 0 for values
	background  *int     // the class in the neutral colour; nil = class 0
	alone       bool     // the note says all, without the size of a panel
}

// maxSlices bounds the slices of a volume that are drawn.
const maxSlices = 8

// newHeatmap checks p and takes what is to be drawn.
func newHeatmap(p Picture) (*heatmap, error) {
	units := max(p.Units, 1)
	if err := p.check(units); err != nil {
		return nil, fmt.Errorf("picture %q: %w", p.Title, err)
	}
	h := &heatmap{title: p.Title, across: 2}

	// The last two axes lie in the picture. Slices are taken along the first;
	// the axes between are fixed.
	rows, cols := 1, p.Shape[len(p.Shape)-1]
	var leading []int
	if len(p.Shape) > 1 {
		rows = p.Shape[len(p.Shape)-2]
		leading = p.Shape[:len(p.Shape)-2]
	}
	size := rows * cols
	slices := []int{0} // of the leading axes, row-major
	if len(leading) > 0 {
		fixed := 1 // slices of one index of the first axis
		for _, n := range leading[1:] {
			fixed *= n
		}
		at, must := middle(leading[1:]), -1
		if len(p.Relevant) > 0 {
			slice := int(p.Relevant[0]) / size
			must, at = slice/fixed, slice%fixed
		}
		slices = slices[:0]
		for _, z := range spread(leading[0], maxSlices, must) {
			slices = append(slices, z*fixed+at)
		}
		h.across = len(slices)
		h.rowNames = []string{"prediction", "truth"}
		h.note = sliceNote(leading, at, len(slices))
	}

	marks := 0
	truths := make([]panel, 0, len(slices))
	for _, slice := range slices {
		prediction, truth := panel{heading: "prediction", rows: rows, cols: cols}, panel{heading: "truth", rows: rows, cols: cols}
		if h.rowNames != nil {
			z := slice
			for _, n := range leading[1:] {
				z /= n
			}
			prediction.heading = fmt.Sprintf("z = %d", z)
			truth.heading = prediction.heading
		}
		first := slice * size
		for _, cell := range p.Relevant {
			if at := int(cell) - first; at >= 0 && at < size {
				prediction.marks = append(prediction.marks, [2]int{at / cols, at % cols})
				marks++
			}
		}
		truth.marks = prediction.marks
		for cell := first; cell < first+size; cell++ {
			if p.Class == nil {
				prediction.value = append(prediction.value, float64(p.Prediction[cell*units]))
				truth.value = append(truth.value, float64(p.Truth[cell*units]))
				continue
			}
			class := int(p.Class[cell])
			if p.Ignore != nil && class == *p.Ignore {
				class = classIgnored
			}
			truth.class = append(truth.class, class)
			prediction.class = append(prediction.class, argmax(p.Prediction[cell*units:(cell+1)*units]))
		}
		h.panels, truths = append(h.panels, prediction), append(truths, truth)
	}
	h.panels = append(h.panels, truths...)
	if p.Class != nil {
		h.classes, h.background = units, p.Background
	} else {
		h.lo, h.hi = sharedRange(h.panels)
	}
	if marks == 1 {
		h.outlined = "relevant cell outlined"
	} else if marks > 1 {
		h.outlined = fmt.Sprintf("%d relevant cells outlined", marks)
	}
	return h, nil
}

// spread picks at most so many of n indices, evenly from the first to the last;
// must is among them unless it is negative.
func spread(n, most, must int) []int {
	if n <= most {
		most = n
	}
	picked := make([]int, most)
	nearest := 0
	for i := range picked {
		if most > 1 {
			picked[i] = (2*i*(n-1) + most - 1) / (2 * (most - 1))
		}
		if must >= 0 && abs(picked[i]-must) < abs(picked[nearest]-must) {
			nearest = i
		}
	}
	if must >= 0 {
		picked[nearest] = must
	}
	return picked
}

func abs(n int) int { return max(n, -n) }

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

// sliceNote says which slices along the first of the leading axes are shown, and
// where the other leading axes are fixed.
func sliceNote(leading []int, fixed, shown int) string {
	note := counted(leading[0], "slice")
	if shown < leading[0] {
		note = fmt.Sprintf("%d of %d slices", shown, leading[0])
	}
	if len(leading) == 1 {
		return note
	}
	index := make([]string, len(leading))
	index[0] = "z"
	for axis := len(leading) - 1; axis > 0; axis-- {
		index[axis] = fmt.Sprint(fixed % leading[axis])
		fixed /= leading[axis]
	}
	return fmt.Sprintf("%s [%s, :, :]", note, strings.Join(index, ", "))
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

// sharedRange is the range of all finite values of the panels; a single value
// lies in the middle of it.
func sharedRange(panels []panel) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, p := range panels {
		for _, v := range p.value {
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
