// Package selfcheck measures the numerics of an engine on the machine it runs
// on: outputs and gradients of every cell against the float64 definition in
// host/ref, and that definition's gradients against central differences. It is
// what `mdlstm-gpu check` runs; the tests of the engines have a larger suite of
// their own.
package selfcheck

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// What is tolerated. Outputs and gradients are float32 against float64; the
// errors are shares of the tensor's largest value, which counts as at least
// GradientFloor of the model's largest gradient. Differences are float64
// against float64, whose step is chosen for errors of a few 1e-8.
const (
	OutputTolerance     = 2e-5
	GradientTolerance   = 2e-5
	GradientFloor       = 0.02
	DifferenceTolerance = 2e-6
)

const (
	differenceStep  = 1e-4
	differencesEach = 4 // values looked at in each tensor
)

// Row is what was found for one cell on grids of so many axes. Errors are the
// worst ones, as shares of the largest value.
type Row struct {
	Cell        string
	Axes        int
	Engine      string
	Output      float64 // engine against ref
	Gradient    float64 // engine against ref
	Difference  float64 // ref against central differences
	Peer        float64 // engine against the other engine, outputs and gradients; 0 without one
	WorstTensor string  // where the engine's gradient is worst
}

// OK says whether all errors are within the tolerances. NaN is not.
func (r Row) OK() bool {
	return r.Output <= OutputTolerance && r.Gradient <= GradientTolerance && r.Difference <= DifferenceTolerance && r.Peer <= GradientTolerance
}

// MaxAxes is the largest number of axes that is checked.
const MaxAxes = 4

// samples are grids of different sizes for 1 to MaxAxes axes.
var samples = [MaxAxes][]grid.Shape{
	{{9}, {1}, {4}},
	{{3, 5}, {4, 4}, {1, 2}},
	{{2, 3, 3}, {1, 2, 1}},
	{{2, 2, 2, 2}, {1, 2, 1, 2}},
}

// Open makes the engine of a model.
type Open func(*nn.Model) (engine.Engine, error)

// Run checks every cell on 1 to MaxAxes axes, scanned from the first corner and
// from the last, and calls see after each. Open makes the engine under check,
// peer another one that it is compared with, nil for none; Run closes them. An
// error means that something could not be computed at all.
func Run(ctx context.Context, open, peer Open, see func(Row)) error {
	for _, cell := range nn.Cells {
		for axes := 1; axes <= MaxAxes; axes++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			row, err := check(cell, axes, open, peer)
			if err != nil {
				return fmt.Errorf("check of %s on %d axes: %w", cell, axes, err)
			}
			see(row)
		}
	}
	return nil
}

func check(cell string, axes int, open, peer Open) (row Row, err error) {
	m, err := nn.New(nn.Config{
		Input: 2,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: cell, Hidden: 9,
			Directions: []string{strings.Repeat("+", axes), strings.Repeat("-", axes)}}},
		Head: nn.Head{Units: 2, Activation: nn.Sigmoid}, Loss: nn.MSE,
	})
	if err != nil {
		return row, err
	}
	e, err := open(m)
	if err != nil {
		return row, err
	}
	defer e.Close()
	row = Row{Cell: cell, Axes: axes, Engine: e.Info().Engine}

	rng := rand.New(rand.NewPCG(uint64(axes), 1))
	params, batch := parameters(m, rng), makeBatch(m, samples[axes-1], rng)
	outputs, gradients, err := compute(e, params, batch)
	if err != nil {
		return row, err
	}
	d := definition{model: m, params: byName(m, params), batch: toRef(batch, m)}
	want, wantGradients, err := ref.Gradients(m.Config, d.params, d.batch, ref.Options{ClipErrors: true})
	if err != nil {
		return row, err
	}
	row.Output = worstOutput(outputs, slices.Concat(want.Outputs...))
	row.Gradient, row.WorstTensor = worstGradient(m, gradients, wantGradients)
	if row.Difference, err = d.worstDifference(); err != nil || peer == nil {
		return row, err
	}
	row.Peer, err = worstOfPeer(m, peer, params, batch, outputs, gradients)
	return row, err
}

// worstOfPeer is the largest share by which outputs or gradients differ from
// those of another engine.
func worstOfPeer(m *nn.Model, peer Open, params []float32, batch *engine.Batch, outputs, gradients []float32) (float64, error) {
	e, err := peer(m)
	if err != nil {
		return 0, err
	}
	defer e.Close()
	wantOutputs, wantGradients, err := compute(e, params, batch)
	if err != nil {
		return 0, err
	}
	share, _ := worstGradient(m, gradients, byName(m, wantGradients))
	return math.Max(share, worstOutput(outputs, widen(wantOutputs))), nil
}

// compute runs a batch through the engine.
func compute(e engine.Engine, params []float32, batch *engine.Batch) (outputs, gradients []float32, err error) {
	if err := e.SetParameters(params); err != nil {
		return nil, nil, err
	}
	plan, err := e.Plan(batch.Samples, engine.Capacity{})
	if err != nil {
		return nil, nil, err
	}
	if _, err := plan.Load(batch); err != nil {
		return nil, nil, err
	}
	if _, err := plan.Gradients(engine.Pass{}); err != nil {
		return nil, nil, err
	}
	gradients = make([]float32, len(params))
	if err := e.Gradients(gradients); err != nil {
		return nil, nil, err
	}
	outputs = make([]float32, len(batch.Y))
	_, err = plan.Predict(outputs)
	return outputs, gradients, err
}

// worstOutput is the largest error, as a share of the largest value.
func worstOutput(got []float32, want []float64) float64 {
	return worst(got, want, math.Max(approx.Largest(want), 1))
}

// worstGradient is the largest error of any tensor, as a share of its largest
// value, and its name.
func worstGradient(m *nn.Model, got []float32, want ref.Params) (share float64, tensor string) {
	largest := 0.0
	for _, p := range m.Params {
		largest = math.Max(largest, approx.Largest(want[p.Name]))
	}
	for _, p := range m.Params {
		scale := math.Max(approx.Largest(want[p.Name]), GradientFloor*largest)
		if w := worst(got[p.Offset:p.Offset+p.Size()], want[p.Name], scale); !(w <= share) {
			share, tensor = w, p.Name
		}
	}
	return share, tensor
}

// worst is the largest |got - want| / scale; infinite where the two cannot be
// compared.
func worst(got []float32, want []float64, scale float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	largest := 0.0
	for i := range got {
		d := math.Abs(float64(got[i])-want[i]) / scale
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		largest = math.Max(largest, d)
	}
	return largest
}

// definition is host/ref with a batch.
type definition struct {
	model  *nn.Model
	params ref.Params
	batch  ref.Batch
}

// worstDifference compares true gradients, errors not clipped, with central
// differences, at some values of every tensor.
func (d definition) worstDifference() (float64, error) {
	_, gradients, err := ref.Gradients(d.model.Config, d.params, d.batch, ref.Options{})
	if err != nil {
		return 0, err
	}
	largest := 0.0
	for _, g := range gradients {
		largest = math.Max(largest, approx.Largest(g))
	}
	share := 0.0
	for _, p := range d.model.Params {
		for k := range min(differencesEach, p.Size()) {
			i := k * (p.Size() - 1) / max(1, min(differencesEach, p.Size())-1)
			slope, err := d.slope(p.Name, i)
			if err != nil {
				return 0, err
			}
			if w := math.Abs(slope-gradients[p.Name][i]) / largest; !(w <= share) {
				share = w
			}
		}
	}
	return share, nil
}

// slope is the central difference of the mean loss at one value.
func (d definition) slope(tensor string, i int) (float64, error) {
	value := &d.params[tensor][i]
	at := *value
	defer func() { *value = at }()
	var loss [2]float64
	for k, x := range []float64{at - differenceStep, at + differenceStep} {
		*value = x
		r, err := ref.Forward(d.model.Config, d.params, d.batch, ref.Options{})
		if err != nil {
			return 0, err
		}
		loss[k] = r.LossSum / r.Weight
	}
	return (loss[1] - loss[0]) / (2 * differenceStep), nil
}

// parameters are the first ones, each moved a little: at their first values
// norms and biases hide errors.
func parameters(m *nn.Model, rng *rand.Rand) []float32 {
	p := m.Init(1)
	for i := range p {
		p[i] += float32(0.3*rng.Float64() - 0.15)
	}
	return p
}

// makeBatch draws inputs and targets.
func makeBatch(m *nn.Model, shapes []grid.Shape, rng *rand.Rand) *engine.Batch {
	b := &engine.Batch{Samples: shapes}
	for _, shape := range shapes {
		for range shape.Cells() * m.Config.Input {
			b.X = append(b.X, float32(rng.NormFloat64()))
		}
		for range shape.Cells() * m.Units() {
			b.Y = append(b.Y, rng.Float32())
		}
	}
	return b
}

func toRef(b *engine.Batch, m *nn.Model) ref.Batch {
	var r ref.Batch
	x, y := widen(b.X), widen(b.Y)
	for _, shape := range b.Samples {
		nx, ny := shape.Cells()*m.Config.Input, shape.Cells()*m.Units()
		r.Samples = append(r.Samples, ref.Sample{Shape: shape, X: x[:nx], Y: y[:ny]})
		x, y = x[nx:], y[ny:]
	}
	return r
}

func byName(m *nn.Model, flat []float32) ref.Params {
	p := ref.Params{}
	for _, t := range m.Params {
		p[t.Name] = widen(flat[t.Offset : t.Offset+t.Size()])
	}
	return p
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
