package ref

import (
	"fmt"

	"mdlstm-gpu/host/nn"
)

// mdlstm is a window, dropout, one scan for each direction, and their
// combination.
type mdlstm struct {
	name string
	conf nn.Layer
	p    Params
	drop dropout
	clip float64

	win   *window
	x     field // after window and dropout
	mask  []float64
	scans []*scan
}

func (l *mdlstm) forward(in field) (field, error) {
	var err error
	l.win, err = newWindow(l.conf.Window, in)
	if err != nil {
		return field{}, err
	}
	l.x = l.win.forward(in)
	l.mask = l.drop.masks(l.x)
	for i, m := range l.mask {
		l.x.v[i] *= m
	}
	h, count := l.conf.Hidden, len(l.conf.Directions)
	out := field{shape: l.x.shape, k: h}
	if l.concat() {
		out.k = count * h
	}
	out.v = make([]float64, cells(out.shape)*out.k)
	for q, direction := range l.conf.Directions {
		s, err := newScan(l, q, direction)
		if err != nil {
			return field{}, err
		}
		s.forward()
		for _, c := range s.cells {
			to := l.share(out, c.cell, q)
			for k, v := range c.h {
				to[k] += v * l.factor()
			}
		}
		l.scans = append(l.scans, s)
	}
	return out, nil
}

func (l *mdlstm) backward(dout []float64, grads Params) []float64 {
	d := field{shape: l.x.shape, k: len(dout) / cells(l.x.shape), v: dout}
	dx := field{shape: l.x.shape, k: l.x.k, v: make([]float64, len(l.x.v))}
	for q, s := range l.scans {
		for _, c := range s.cells {
			for k, v := range l.share(d, c.cell, q) {
				c.dh[k] = v * l.factor()
			}
		}
		s.backward(directionWeights(grads, l.name, q, len(l.scans)), dx)
	}
	for i, m := range l.mask {
		dx.v[i] *= m
	}
	return l.win.backward(dx.v)
}

func (l *mdlstm) concat() bool { return l.conf.Combine == "" || l.conf.Combine == "concat" }

// share is the part of a cell of the layer's output that belongs to direction q:
// its own H channels for concat, all of them for sum and mean.
func (l *mdlstm) share(f field, cell, q int) []float64 {
	if l.concat() {
		return f.at(cell)[q*l.conf.Hidden : (q+1)*l.conf.Hidden]
	}
	return f.at(cell)
}

// factor is what a direction's output is multiplied by.
func (l *mdlstm) factor() float64 {
	if l.conf.Combine == "mean" {
		return 1 / float64(len(l.conf.Directions))
	}
	return 1
}

// scan is one direction of one layer: the cells in the order of the scan.
type scan struct {
	axes, hidden int
	x            field
	w, dw        weights
	forgetBias   float64
	clip         float64
	kind         kind
	cells        []*state // row-major in the scan's own coordinates
}

// kind is the equations of one of the five cells.
type kind interface {
	// forward takes c.z, what the predecessors left and the weights, and fills
	// in c.c, c.h and what backward needs.
	forward(s *scan, c *state)
	// backward takes c.dh (clamped, all of it) and what the successors sent to
	// c.dc; it fills in c.dz, adds to the predecessors' dc and to the gradients
	// in s.dw of the weights that only its kind has.
	backward(s *scan, c *state)
}

// state is one cell of one direction. Vectors are [H] unless said otherwise.
type state struct {
	cell int       // where its data lie: row-major in the grid
	pred []*state  // one step back on each axis, nil outside the sample
	z    []float64 // [G, H] W_ih x + Σ_d W_hh[d] h_d + bias
	act  []float64 // [G, H] σ or tanh of each gate
	c, h []float64
	tc   []float64 // tanh of what the output gate multiplies

	m      []float64 // stable, leakylp: Σ_d λ_d c_d
	lambda []float64 // stable, leakylp: [D, H]
	gateLN []norm    // layernorm: [G]
	cellLN norm      // layernorm

	dh, dc []float64 // errors arriving
	dz     []float64 // [G, H]
}

// gate is gate g's part of a [G, H] vector.
func gate(v []float64, g, h int) []float64 { return v[g*h : (g+1)*h] }

// predC is the state along axis d, zero outside the sample.
func (c *state) predC(d, k int) float64 {
	if c.pred[d] == nil {
		return 0
	}
	return c.pred[d].c[k]
}

// sendC adds to the error of the predecessor's c; outside the sample it is lost.
func (c *state) sendC(d, k int, v float64) {
	if c.pred[d] != nil {
		c.pred[d].dc[k] += v
	}
}

func newKind(cell string) (kind, error) {
	switch cell {
	case "layernorm":
		return layerNormCell{}, nil
	case "plain":
		return plainCell{}, nil
	case "graves":
		return plainCell{peepholes: true}, nil
	case "stable":
		return stableCell{}, nil
	case "leakylp":
		return leakyCell{}, nil
	}
	return nil, fmt.Errorf("cell %q: want layernorm, plain, graves, stable or leakylp", cell)
}

func newScan(l *mdlstm, q int, direction string) (*scan, error) {
	shape := l.x.shape
	k, err := newKind(l.conf.Cell)
	if err != nil {
		return nil, err
	}
	for _, sign := range direction {
		if sign != '+' && sign != '-' {
			return nil, fmt.Errorf("direction %q: want + or - for each axis", direction)
		}
	}
	if len(direction) != len(shape) {
		return nil, fmt.Errorf("direction %q: want one sign for each of %d axes", direction, len(shape))
	}
	s := &scan{
		axes: len(shape), hidden: l.conf.Hidden, x: l.x, kind: k,
		w:          directionWeights(l.p, l.name, q, len(l.conf.Directions)),
		forgetBias: l.conf.ForgetBias, clip: l.clip,
	}
	h, g := s.hidden, s.axes+3
	for n := range cells(shape) {
		p := coordinates(n, shape) // in the scan's own coordinates
		c := &state{
			pred: make([]*state, s.axes), z: make([]float64, g*h), act: make([]float64, g*h), dz: make([]float64, g*h),
			c: make([]float64, h), h: make([]float64, h), tc: make([]float64, h),
			dh: make([]float64, h), dc: make([]float64, h),
		}
		data := make([]int, s.axes)
		for d := range p {
			data[d] = p[d]
			if direction[d] == '-' { // scan from the end: mirrored
				data[d] = shape[d] - 1 - p[d]
			}
			if p[d] > 0 {
				p[d]--
				c.pred[d] = s.cells[index(p, shape)]
				p[d]++
			}
		}
		c.cell = index(data, shape)
		s.cells = append(s.cells, c)
	}
	return s, nil
}

// forward: z = W_ih x + Σ_d W_hh[d] h_d + bias, then the kind's equations.
// Row-major order has every predecessor before its cell.
func (s *scan) forward() {
	rows, h := (s.axes+3)*s.hidden, s.hidden
	for _, c := range s.cells {
		x := s.x.at(c.cell)
		copy(c.z, s.w.bias) // none for layernorm
		for j := range rows {
			c.z[j] += dot(s.w.ih[j*s.x.k:(j+1)*s.x.k], x)
			for d, pred := range c.pred {
				if pred != nil {
					at := (d*rows + j) * h
					c.z[j] += dot(s.w.hh[at:at+h], pred.h)
				}
			}
		}
		s.kind.forward(s, c)
	}
}

// backward takes every cell's dh from the layer above, adds the weights'
// gradients to dw and the inputs' errors to dx. In reverse order every
// successor has sent its share when a cell's turn comes.
func (s *scan) backward(dw weights, dx field) {
	s.dw = dw
	rows, h := (s.axes+3)*s.hidden, s.hidden
	for n := len(s.cells) - 1; n >= 0; n-- {
		c := s.cells[n]
		clamp(c.dh, s.clip)
		s.kind.backward(s, c)
		x, to := s.x.at(c.cell), dx.at(c.cell)
		for j, dz := range c.dz {
			if len(dw.bias) > 0 {
				dw.bias[j] += dz // ∂z_j/∂bias_j = 1
			}
			addScaled(dw.ih[j*s.x.k:(j+1)*s.x.k], dz, x) // ∂z_j/∂W_ih[j,k] = x_k
			addScaled(to, dz, s.w.ih[j*s.x.k:(j+1)*s.x.k])
			for d, pred := range c.pred {
				if pred != nil {
					at := (d*rows + j) * h
					addScaled(dw.hh[at:at+h], dz, pred.h)   // ∂z_j/∂W_hh[d,j,k] = h_d,k
					addScaled(pred.dh, dz, s.w.hh[at:at+h]) // dh_d = Σ W_hh[d]ᵀ dz
				}
			}
		}
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

// addScaled is to += f·v.
func addScaled(to []float64, f float64, v []float64) {
	for i := range to {
		to[i] += f * v[i]
	}
}

// clamp bounds every value to ±bound; 0 is no bound, NaN stays NaN.
func clamp(v []float64, bound float64) {
	if bound == 0 {
		return
	}
	for i := range v {
		if v[i] > bound {
			v[i] = bound
		} else if v[i] < -bound {
			v[i] = -bound
		}
	}
}
