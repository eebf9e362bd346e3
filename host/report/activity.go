package report

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Activity is what the cells of one recurrent layer put out for one sample, for
// people who learn the model: the page shows how each direction's wavefront
// crosses the grid.
type Activity struct {
	Title string // "layer 0, plain, 16 units, after step 1000"
	Shape []int  // of the layer's grid; 1 axis or more

	// Directions in the order of the layer, each with the same units.
	Directions []ActivityDirection

	Units []int // which units the page offers; nil = the six that vary most
	Input Tile  // what the layer reads, shown beside it; may be empty
}

// ActivityDirection is the output of one direction.
type ActivityDirection struct {
	// Signs has one sign an axis: + scans from index 0 up, - from the end. The
	// wavefront of a cell is the sum of its coordinates, each counted from where
	// the direction begins.
	Signs string

	H []float32 // [cells, hidden] in packed order; NaN and infinities are not finite
}

// Bounds of what the page holds of an activity.
const (
	maxActivitySide       = 64
	maxActivityUnits      = 6
	maxActivityDirections = 16 // all of 4 axes
)

// check compares signs and lengths with the shape, and returns the number of
// hidden units.
func (a Activity) check() (hidden int, err error) {
	cells := 1
	for axis, n := range a.Shape {
		if n < 1 || cells > math.MaxInt32/n {
			return 0, fmt.Errorf("shape %v: axis %d has %d cells, want 1 or more and fewer than 2^31 in all", a.Shape, axis, n)
		}
		cells *= n
	}
	if len(a.Shape) == 0 || len(a.Directions) == 0 {
		return 0, fmt.Errorf("%d axes and %d directions, want 1 or more of both", len(a.Shape), len(a.Directions))
	}
	hidden = len(a.Directions[0].H) / cells
	for _, d := range a.Directions {
		if len(d.Signs) != len(a.Shape) {
			return 0, fmt.Errorf("direction %q has %d signs, want %d, one an axis", d.Signs, len(d.Signs), len(a.Shape))
		}
		for _, sign := range d.Signs {
			if sign != '+' && sign != '-' {
				return 0, fmt.Errorf("direction %q, want signs + and - only", d.Signs)
			}
		}
		if hidden < 1 || len(d.H) != cells*hidden {
			return 0, fmt.Errorf("direction %q has %d values, want %d cells × the same 1 or more units", d.Signs, len(d.H), cells)
		}
	}
	for _, unit := range a.Units {
		if unit < 0 || unit >= hidden {
			return 0, fmt.Errorf("unit %d, want 0 … %d", unit, hidden-1)
		}
	}
	if !a.Input.empty() {
		if err := a.Input.check(); err != nil {
			return 0, fmt.Errorf("input: %w", err)
		}
	}
	return hidden, nil
}

// wave is an activity cut down to what is shown: two axes, at most 64 × 64
// cells, a few units.
type wave struct {
	Rows       int             `json:"rows"`
	Cols       int             `json:"cols"`
	Maps       []string        `json:"maps"` // names: mean |h|, units
	Ranges     [][2]string     `json:"ranges"`
	Directions []waveDirection `json:"directions"`
	Colours    string          `json:"colours"` // base64 of 256 × red, green, blue

	note  string
	means []panel // mean |h| of each direction
}

// waveDirection is a direction of a wave. The wavefront of a cell is Offset plus
// its row and its column, each times its sign.
type waveDirection struct {
	Name   string   `json:"name"`
	Offset int      `json:"offset"`
	Row    int      `json:"row"` // 1 or -1
	Col    int      `json:"col"`
	Values []string `json:"values"` // for each map base64 of [rows, cols] bytes, 0 … 254 over its range, 255 = not finite
}

// newWave checks a and takes what is shown.
func newWave(a Activity) (*wave, error) {
	hidden, err := a.check()
	if err != nil {
		return nil, fmt.Errorf("activity %q: %w", a.Title, err)
	}
	rows, cols := 1, a.Shape[len(a.Shape)-1]
	var leading []int
	if len(a.Shape) > 1 {
		rows, leading = a.Shape[len(a.Shape)-2], a.Shape[:len(a.Shape)-2]
	}
	first := middle(leading) * rows * cols
	w := &wave{Rows: min(rows, maxActivitySide), Cols: min(cols, maxActivitySide)}
	switch {
	case w.Rows < rows || w.Cols < cols:
		w.note = fmt.Sprintf("the first %d × %d of %d × %d cells", w.Rows, w.Cols, rows, cols)
	case rows == 1:
		w.note = counted(cols, "cell")
	default:
		w.note = fmt.Sprintf("%d × %d cells", rows, cols)
	}
	if len(leading) > 0 {
		w.note += fmt.Sprintf(", the middle slice of %v", a.Shape)
	}

	directions := a.Directions
	if len(directions) > maxActivityDirections {
		directions = directions[:maxActivityDirections]
		w.note += fmt.Sprintf(", the first %d of %d directions", maxActivityDirections, len(a.Directions))
	}

	// at is the value of a map (0: mean |h|, then units) in a shown cell.
	units := a.Units
	if units == nil {
		units = a.liveliest(hidden)
	}
	units = units[:min(len(units), maxActivityUnits)]
	at := func(d ActivityDirection, i, row, col int) float64 {
		h := d.H[(first+row*cols+col)*hidden:][:hidden]
		if i > 0 {
			return float64(h[units[i-1]])
		}
		sum := 0.0
		for _, v := range h {
			sum += math.Abs(float64(v))
		}
		return sum / float64(hidden)
	}
	maps := make([][]panel, 1+len(units)) // of each direction
	for i := range maps {
		name := "mean |h| of all units"
		if i > 0 {
			name = fmt.Sprintf("h of unit %d", units[i-1])
		}
		for _, d := range directions {
			p := panel{heading: d.Signs, rows: w.Rows, cols: w.Cols}
			for row := range w.Rows {
				for col := range w.Cols {
					p.value = append(p.value, at(d, i, row, col))
				}
			}
			maps[i] = append(maps[i], p)
		}
		lo, hi := sharedRange(maps[i])
		if i == 0 && lo < hi {
			lo = 0 // a mean of magnitudes is read from 0
		}
		w.Maps = append(w.Maps, name)
		w.Ranges = append(w.Ranges, [2]string{formatLoss(lo), formatLoss(hi)})
		for j, d := range directions {
			if i == 0 {
				w.Directions = append(w.Directions, newWaveDirection(d.Signs, a.Shape))
			}
			w.Directions[j].Values = append(w.Directions[j].Values, quantised(maps[i][j].value, lo, hi))
		}
	}
	w.means = maps[0]
	var colours []byte
	for _, c := range scaleColours {
		colours = append(colours, c.R, c.G, c.B)
	}
	w.Colours = base64.StdEncoding.EncodeToString(colours)
	return w, nil
}

// newWaveDirection places the wavefronts of a direction over the shown slice.
func newWaveDirection(signs string, shape []int) waveDirection {
	d := waveDirection{Name: signs, Row: 1, Col: 1}
	last := len(shape) - 1
	for axis, sign := range signs {
		from := 0
		if sign == '-' {
			from = shape[axis] - 1
		}
		switch {
		case axis < last-1: // fixed in the middle
			d.Offset += max(from-shape[axis]/2, shape[axis]/2-from)
		case sign == '-':
			d.Offset += from
			if axis == last {
				d.Col = -1
			} else {
				d.Row = -1
			}
		}
	}
	return d
}

// quantised is base64 of values in 255 steps from lo to hi.
func quantised(values []float64, lo, hi float64) string {
	steps := make([]byte, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			steps[i] = 255
		default:
			steps[i] = uint8(math.Round(254 * min(max((v-lo)/(hi-lo), 0), 1)))
		}
	}
	return base64.StdEncoding.EncodeToString(steps)
}

// liveliest are the units whose values vary most over all directions, in rising
// order.
func (a Activity) liveliest(hidden int) []int {
	variance := make([]float64, hidden)
	for unit := range variance {
		var sum, squares, n float64
		for _, d := range a.Directions {
			for i := unit; i < len(d.H); i += hidden {
				if v := float64(d.H[i]); !math.IsNaN(v) && !math.IsInf(v, 0) {
					sum, squares, n = sum+v, squares+v*v, n+1
				}
			}
		}
		if n > 0 {
			variance[unit] = squares/n - sum/n*(sum/n)
		}
	}
	units := make([]int, hidden)
	for i := range units {
		units[i] = i
	}
	slices.SortStableFunc(units, func(x, y int) int { return cmp.Compare(variance[y], variance[x]) })
	units = units[:min(hidden, maxActivityUnits)]
	slices.Sort(units)
	return units
}

// json is the wave as the page's script reads it.
func (w *wave) json() (string, error) {
	data, err := json.Marshal(w)
	return string(data), err
}

// png draws the mean magnitude of all cells, each direction beside the next: the
// last state of the animation.
func (w *wave) png(title string) ([]byte, error) {
	h := &heatmap{title: title, note: w.note + ", mean |h| of each direction", panels: w.means, across: min(len(w.means), 4), alone: true}
	h.lo, h.hi = sharedRange(h.panels)
	if h.lo < h.hi {
		h.lo = 0
	}
	return h.png()
}
