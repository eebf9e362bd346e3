package task

import (
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/nn"
)

// Diagonal is the seed's task: a grid of noise with two ones, x1 and, one step
// further on every axis, x2. The model shall put out the grid moved by one cell
// against the last axis, so at each cell it shall know the next one: it can only
// know where x2 comes by remembering x1 over the other axes. A model that reads
// single lines cannot.
//
//	input      . . . . .      target     . . . . .
//	           . 1 . . .                 1 . . . .
//	           . . 1 . .                 . R . . .
//	           . . . . .                 . . . . .
//
// Source: philipperemy/tensorflow-multi-dimensional-lstm. With axes of n_d
// cells, all n_d ≥ 3 and D ≥ 2:
//   - noise is uniform on [0, 0.1), drawn cell after cell, channel after channel;
//   - x1_d is uniform on 1 … n_d-2, drawn after the noise, axis after axis;
//     x2 = x1 + (1, …, 1); both are 1 on every channel;
//   - the target is channel 0 rolled by -1 on the last axis, wrapping;
//   - the relevant cell R, whose error is logged by itself, is the place of x2
//     in the target, x2 - (0, …, 0, 1).
//
// More than one channel is our addition: the others carry the same marks on
// noise of their own. Targets lie in [0, 1], so the head is a sigmoid.
type Diagonal struct{ generator }

var _ Divisible = (*Diagonal)(nil)

// NewDiagonal checks the settings. Errors name the flag to change.
func NewDiagonal(o Options) (*Diagonal, error) {
	g, err := newGenerator("diagonal", o, 2, 3)
	if err != nil {
		return nil, err
	}
	return &Diagonal{g}, nil
}

// Spec is a sigmoid head of one unit with loss mse, and relevant cells.
func (d *Diagonal) Spec() Spec {
	return Spec{
		Axes: len(d.options.Size), Input: d.options.Channels,
		Units: 1, Activation: "sigmoid", Loss: "mse", Relevant: true,
	}
}

// Hash is the hash of name and settings.
func (d *Diagonal) Hash() string { return hashSettings(d.name, d.Settings()) }

// Check says whether a model fits.
func (d *Diagonal) Check(m *nn.Model) error { return d.check(fitOf(m), d.Spec()) }

// Batch makes batch t; it returns no error.
func (d *Diagonal) Batch(t int64, dst *engine.Batch) error { return d.BatchPart(t, Part{}, dst) }

// BatchPart makes a part of batch t; it returns no error.
func (d *Diagonal) BatchPart(t int64, p Part, dst *engine.Batch) error {
	d.fillPart(dst, t, p, d.draw)
	return nil
}

// Fork shares nothing.
func (d *Diagonal) Fork() Divisible { return &Diagonal{d.generator} }

// Example makes sample -1; it returns no error.
func (d *Diagonal) Example(dst *engine.Batch) error {
	d.fill(dst, -1, 1, d.draw)
	return nil
}

func (d *Diagonal) draw(dst *engine.Batch, b int) {
	size, channels := d.options.Size, d.options.Channels
	x := dst.X[b*d.cells*channels:][:d.cells*channels]
	for i := range x {
		x[i] = d.random.uniform() * 0.1
	}
	x1, step := 0, 0 // packed cells
	for _, n := range size {
		x1 = x1*n + 1 + d.random.intN(n-2)
		step = step*n + 1
	}
	x2 := x1 + step
	for k := range channels {
		x[x1*channels+k], x[x2*channels+k] = 1, 1
	}
	roll(dst.Y[b*d.cells:][:d.cells], x, channels, size[len(size)-1], true)
	dst.Relevant = append(dst.Relevant, int32(b*d.cells+x2-1))
}

// roll writes channel 0 of x [cells, channels] into y [cells], moved by one cell
// against the last axis, of n cells. What enters at its end is the first cell
// when wrap is set, else 0.
func roll(y, x []float32, channels, n int, wrap bool) {
	for line := 0; line < len(y); line += n {
		for j := range n - 1 {
			y[line+j] = x[(line+j+1)*channels]
		}
		y[line+n-1] = 0
		if wrap {
			y[line+n-1] = x[line*channels]
		}
	}
}
