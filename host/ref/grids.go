package ref

import "fmt"

// field is values on a grid: [cells, k], cells in row-major order.
type field struct {
	shape []int
	k     int
	v     []float64
}

func (f field) at(cell int) []float64 { return f.v[cell*f.k : (cell+1)*f.k] }

// cells is the number of cells of a grid; no axes is one cell.
func cells(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// coordinates of a cell in row-major order.
func coordinates(cell int, shape []int) []int {
	p := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		p[d] = cell % shape[d]
		cell /= shape[d]
	}
	return p
}

// index is the inverse of coordinates.
func index(p, shape []int) int {
	cell := 0
	for d := range shape {
		cell = cell*shape[d] + p[d]
	}
	return cell
}

// piece is the part of a sample that is computed by itself: everything, or one
// sequence of a view. Its cells lie one behind the other in every case.
type piece struct {
	first int // its first cell in the sample
	shape []int
}

func isView(view string) bool { return view == "rows" || view == "snake" }

// viewPieces cuts a sample as a view reads it: "rows" into its lines along the
// last axis, "snake" into one sequence of all cells.
func viewPieces(view string, shape []int) ([]piece, error) {
	switch view {
	case "", "grid":
		return []piece{{0, shape}}, nil
	case "snake":
		return []piece{{0, []int{cells(shape)}}}, nil
	case "rows":
		n := shape[len(shape)-1]
		var out []piece
		for first := 0; first < cells(shape); first += n {
			out = append(out, piece{first, []int{n}})
		}
		return out, nil
	}
	return nil, fmt.Errorf("view %q: want grid, rows or snake", view)
}

// window makes blocks of w_0 × w_1 × … cells one cell: which cell and channel of
// the source each value comes from. Features are ordered offset on axis 0, …,
// offset on the last axis, channel; beyond the far edge they are zero.
type window struct {
	source field // shape and k only
	from   []int // [new cells, new k]: place in source.v, or -1
	out    field // shape and k only
}

func newWindow(w []int, in field) (*window, error) {
	if w != nil && len(w) != len(in.shape) {
		return nil, fmt.Errorf("window %v: want %d axes for grid %v", w, len(in.shape), in.shape)
	}
	if w == nil {
		w = make([]int, len(in.shape))
		for d := range w {
			w[d] = 1
		}
	}
	out := field{shape: make([]int, len(in.shape)), k: in.k * cells(w)}
	for d, n := range in.shape {
		if w[d] < 1 {
			return nil, fmt.Errorf("window %v: want at least 1 on every axis", w)
		}
		out.shape[d] = (n + w[d] - 1) / w[d]
	}
	win := &window{source: field{shape: in.shape, k: in.k}, out: out}
	for cell := range cells(out.shape) {
		corner := coordinates(cell, out.shape)
		for o := range cells(w) {
			offset := coordinates(o, w)
			at, inside := make([]int, len(w)), true
			for d := range w {
				at[d] = corner[d]*w[d] + offset[d]
				inside = inside && at[d] < in.shape[d]
			}
			for ch := range in.k {
				if inside {
					win.from = append(win.from, index(at, in.shape)*in.k+ch)
				} else {
					win.from = append(win.from, -1)
				}
			}
		}
	}
	return win, nil
}

func (w *window) forward(in field) field {
	out := w.out
	out.v = make([]float64, len(w.from))
	for i, from := range w.from {
		if from >= 0 {
			out.v[i] = in.v[from]
		}
	}
	return out
}

func (w *window) backward(dout []float64) []float64 {
	din := make([]float64, cells(w.source.shape)*w.source.k)
	for i, from := range w.from {
		if from >= 0 {
			din[from] += dout[i]
		}
	}
	return din
}

// sum adds all cells along one axis: out(p without p_axis) = Σ_{p_axis} in(p).
type sum struct {
	axis int
	in   field // shape and k only
}

func (s *sum) forward(in field) (field, error) {
	if s.axis < 0 || s.axis >= len(in.shape) {
		return field{}, fmt.Errorf("sum over axis %d: the grid has %d axes", s.axis, len(in.shape))
	}
	s.in = field{shape: in.shape, k: in.k}
	out := field{shape: s.rest(in.shape), k: in.k}
	out.v = make([]float64, cells(out.shape)*in.k)
	for cell := range cells(in.shape) {
		to := out.at(s.target(cell))
		for ch, v := range in.at(cell) {
			to[ch] += v
		}
	}
	return out, nil
}

func (s *sum) backward(dout []float64, _ Params) []float64 {
	din := field{shape: s.in.shape, k: s.in.k, v: make([]float64, cells(s.in.shape)*s.in.k)}
	for cell := range cells(s.in.shape) {
		t := s.target(cell)
		copy(din.at(cell), dout[t*s.in.k:(t+1)*s.in.k])
	}
	return din.v
}

// rest is a list of coordinates or sizes without the axis that is summed.
func (s *sum) rest(p []int) []int {
	return append(append([]int{}, p[:s.axis]...), p[s.axis+1:]...)
}

func (s *sum) target(cell int) int {
	return index(s.rest(coordinates(cell, s.in.shape)), s.rest(s.in.shape))
}
