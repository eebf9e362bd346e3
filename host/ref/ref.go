package ref

import (
	"fmt"

	"mdlstm-gpu/host/nn"
)

// Sample is one grid with its targets. Cells are in row-major order.
type Sample struct {
	Shape []int     // cells on each axis, before the model's view
	X     []float64 // [cells, K]

	// Targets on the output grid: Y for mse (NaN does not count) and
	// binary_cross_entropy, Class for cross_entropy. Both nil when there are none.
	Y     []float64 // [output cells, units]
	Class []int     // [output cells]

	// Relevant lists output cells whose squared error is summed by itself.
	Relevant []int
}

// Batch is a list of samples of any sizes. First numbers the first of them in
// the run, for dropout.
type Batch struct {
	Samples []Sample
	First   int64
}

// Options say how a batch is to be computed. The zero value is the plain
// forward pass and its true gradient.
type Options struct {
	Normaliser float64 // divides the loss sum before it is differentiated; 0 = the batch's own weight
	ClipErrors bool    // clamp errors to each layer's clip_error; off for central differences
	Train      bool    // dropout on
	Seed       uint64  // keys dropout
	Step       int64   // keys dropout
}

// Result is what a forward pass gives.
type Result struct {
	Outputs   [][]float64 // of each sample [output cells, units], after the head's activation
	OutShapes [][]int     // output grid of each sample; empty when all axes were summed
	LossSum   float64     // LossSum/Weight is the mean loss
	Weight    float64     // see "Losses" in the package comment

	Relevant      float64 // sum over relevant cells of the mean squared error of the units that count
	RelevantCount float64 // relevant cells with at least one such unit
}

// Forward computes a batch. Without targets the losses are zero. Errors name the
// sample, layer or tensor that does not fit.
func Forward(c nn.Config, p Params, b Batch, o Options) (Result, error) {
	res, _, err := forward(c, p, b, o)
	return res, err
}

// Gradients computes a batch and ∂(LossSum/Normaliser)/∂parameter for every
// parameter. When nothing counts (Weight 0) and Normaliser is 0, the gradients
// are zero.
func Gradients(c nn.Config, p Params, b Batch, o Options) (Result, Params, error) {
	res, runs, err := forward(c, p, b, o)
	if err != nil {
		return Result{}, nil, err
	}
	grads := ZeroLike(p)
	norm := o.Normaliser
	if norm == 0 {
		norm = res.Weight
	}
	if norm == 0 {
		return res, grads, nil
	}
	for _, r := range runs {
		r.backward(grads, 1/norm)
	}
	return res, grads, nil
}

// run is one forward pass of one sequence of one sample (of the whole sample
// unless there is a view), kept for the backward pass.
type run struct {
	layers []layer
	dz     []float64 // ∂LossSum/∂(head before its activation), [cells, units]
}

// layer is one layer of one run: forward keeps what backward needs.
type layer interface {
	forward(in field) (field, error)
	// backward takes the error at the output, adds the parameters' gradients
	// to grads and returns the error at the input.
	backward(dout []float64, grads Params) []float64
}

func (r *run) backward(grads Params, scale float64) {
	d := make([]float64, len(r.dz))
	for i, v := range r.dz {
		d[i] = v * scale
	}
	for l := len(r.layers) - 1; l >= 0; l-- {
		d = r.layers[l].backward(d, grads)
	}
}

func forward(c nn.Config, p Params, b Batch, o Options) (Result, []*run, error) {
	var res Result
	var runs []*run
	for n, s := range b.Samples {
		err := checkSample(c, p, s)
		if err != nil {
			return Result{}, nil, fmt.Errorf("sample %d: %w", n, err)
		}
		pieces, err := viewPieces(c.View, s.Shape)
		if err != nil {
			return Result{}, nil, fmt.Errorf("sample %d: %w", n, err)
		}
		var logits []float64
		var outShape []int
		first := len(runs)
		for _, piece := range pieces {
			r := &run{}
			in := field{shape: piece.shape, k: c.Input, v: s.X[piece.first*c.Input : (piece.first+cells(piece.shape))*c.Input]}
			drop := dropout{on: o.Train, seed: o.Seed, step: o.Step, sample: b.First + int64(n), firstCell: piece.first}
			out, err := r.forward(c, p, in, drop, o.ClipErrors)
			if err != nil {
				return Result{}, nil, fmt.Errorf("sample %d: %w", n, err)
			}
			r.dz = make([]float64, len(out.v))
			logits = append(logits, out.v...)
			outShape = out.shape
			runs = append(runs, r)
		}
		if isView(c.View) {
			outShape = s.Shape // cells of a view go back to where they were
		}
		outputs, dz, err := res.addLoss(c, s, logits)
		if err != nil {
			return Result{}, nil, fmt.Errorf("sample %d: %w", n, err)
		}
		for _, r := range runs[first:] {
			dz = dz[copy(r.dz, dz):]
		}
		res.Outputs = append(res.Outputs, outputs)
		res.OutShapes = append(res.OutShapes, append([]int{}, outShape...))
	}
	return res, runs, nil
}

// forward runs one sequence or grid through all layers and the head, which it
// leaves before its activation.
func (r *run) forward(c nn.Config, p Params, in field, drop dropout, clipErrors bool) (field, error) {
	for l, conf := range c.Layers {
		lay, err := newLayer(l, conf, p, drop, clipErrors)
		if err != nil {
			return field{}, fmt.Errorf("layer %d: %w", l, err)
		}
		in, err = lay.forward(in)
		if err != nil {
			return field{}, fmt.Errorf("layer %d: %w", l, err)
		}
		r.layers = append(r.layers, lay)
	}
	head := &dense{name: "head", units: c.Head.Units, activation: "linear", bias: true, p: p}
	out, err := head.forward(in)
	if err != nil {
		return field{}, fmt.Errorf("head: %w", err)
	}
	r.layers = append(r.layers, head)
	return out, nil
}

func newLayer(l int, conf nn.Layer, p Params, drop dropout, clipErrors bool) (layer, error) {
	name := fmt.Sprintf("layers.%d", l)
	switch conf.Type {
	case "mdlstm":
		drop.layer, drop.rate = l, conf.Dropout
		return &mdlstm{name: name, conf: conf, p: p, drop: drop, clip: clipOf(conf, clipErrors)}, nil
	case "dense":
		return &dense{
			name: name, units: conf.Units, activation: conf.Activation, window: conf.Window,
			bias: conf.Bias == nil || *conf.Bias, p: p,
		}, nil
	case "sum":
		if conf.Axis == nil {
			return nil, fmt.Errorf("sum: no axis")
		}
		return &sum{axis: *conf.Axis}, nil
	}
	return nil, fmt.Errorf("type %q: want mdlstm, dense or sum", conf.Type)
}

// clipOf is the bound of a layer's errors, 0 for none.
func clipOf(conf nn.Layer, on bool) float64 {
	switch {
	case !on:
		return 0
	case conf.ClipError != nil:
		return *conf.ClipError
	case conf.Cell == "layernorm":
		return 1
	}
	return 0
}

func checkSample(c nn.Config, p Params, s Sample) error {
	if len(s.Shape) == 0 {
		return fmt.Errorf("shape %v: want at least one axis", s.Shape)
	}
	for _, n := range s.Shape {
		if n < 1 {
			return fmt.Errorf("shape %v: want at least one cell on every axis", s.Shape)
		}
	}
	if want := cells(s.Shape) * c.Input; len(s.X) != want {
		return fmt.Errorf("x: %d values, want %d for shape %v of %d channels", len(s.X), want, s.Shape, c.Input)
	}
	axes := len(s.Shape)
	tensors, err := Tensors(c, axes)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if got := len(p[t.Name]); got != cells(t.Shape) {
			return fmt.Errorf("tensor %q: %d values, want %d for shape %v", t.Name, got, cells(t.Shape), t.Shape)
		}
	}
	return nil
}
