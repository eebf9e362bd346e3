//go:build cuda && cgo

package gpu

import (
	"fmt"
	"math"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

// lossCase is a batch of head outputs and targets.
type lossCase struct {
	rows, room, units int
	size              float64 // of the outputs
	weights           bool
	relevant          int
	activation        Activation
}

func (c lossCase) String() string {
	return fmt.Sprintf("T=%d,U=%d,size=%g,weights=%v,relevant=%d,activation=%d", c.rows, c.units, c.size, c.weights, c.relevant, c.activation)
}

// measured is what a loss kernel left behind.
type measured struct {
	sum, relevant float64
	out, grad     []float32
}

// runLoss runs a loss on the device. Relevant rows are loss_mse's; has says
// whether the batch has targets.
func runLoss(b *bench, c lossCase, launch func(*cuda.Stream, LossArgs) error, out []float32, target cuda.Address, weight, relevant []float32, has bool) measured {
	b.Helper()
	args := LossArgs{
		RowsArgs: RowsArgs{b.ints("rows", int32(c.rows)).Address(), c.rows + c.room}, Units: c.units, Target: target,
		Scale: b.floats("scale", []float32{0.125}).Address(), Activation: c.activation,
	}
	if relevant != nil { // room for more than there are
		args.RelevantCapacity = c.relevant + 3
	}
	room := (c.rows + c.room) * c.units
	values, grad := b.floats("out", append(out[:len(out):len(out)], gputest.NaNs(room-len(out))...)), b.floats("grad", gputest.NaNs(room))
	list := make([]int32, len(relevant)+3)
	for i, v := range relevant {
		list[i] = int32(v)
	}
	control := []int32{0, int32(c.relevant)}
	if has {
		control[0] = 1
	}
	args.Out, args.Grad = values.Address(), grad.Address()
	args.Relevant, args.Control = b.ints("relevant", list...).Address(), b.ints("control", control...).Address()
	if weight != nil {
		args.Weight = b.floats("weight", weight).Address()
	}
	sums := b.floats("sums", gputest.NaNs(args.SumBlocks()+args.RelevantBlocks()))
	args.Sums = sums.Address()
	b.must(launch(b.s, args))
	m := measured{out: values.Values(), grad: grad.Values()}
	all := sums.Values()
	for i, v := range all {
		if i < args.SumBlocks() {
			m.sum += float64(v)
		} else {
			m.relevant += float64(v)
		}
	}
	b.untouched("gradient", m.grad, c.rows, c.units)
	b.untouched("outputs", m.out, c.rows, c.units)
	m.out, m.grad = m.out[:c.rows*c.units], m.grad[:c.rows*c.units]
	return m
}

// nearSum compares a loss with float64: 2e-6 is what engines must agree to, and
// the largest error measured here is below 2e-7.
func nearSum(b *bench, name string, got, want float64) {
	b.Helper()
	near(b, name, []float32{float32(got - want)}, []float64{0}, 1e-6*math.Abs(want)+1e-30, 0)
}

func outputs(r source, c lossCase) []float32 {
	x := r.floats(c.rows * c.units)
	for i := range x {
		x[i] *= float32(c.size)
	}
	return x
}

func TestLossMSE(t *testing.T) {
	b := newBench(t)
	for _, c := range []lossCase{
		{rows: 0, room: 1, units: 2, size: 1}, {rows: 1, units: 1, size: 1, relevant: 1}, {rows: 255, room: 2, units: 1, size: 1e-4, relevant: 3},
		{rows: 256, units: 3, size: 1, relevant: 256}, {rows: 257, room: 600, units: 2, size: 1, activation: Tanh},
		{rows: 700, units: 5, size: 1, activation: Sigmoid, relevant: 300}, {rows: 40, units: 1, size: 1e15},
	} {
		t.Run(c.String(), func(t *testing.T) {
			b := b.with(t)
			r := newSource(uint64(c.rows))
			out, target := outputs(r, c), outputs(r, c)
			relevant := make([]float32, c.relevant)
			for i := range relevant {
				relevant[i] = float32(r.IntN(c.rows))
			}
			for i := range target {
				if i%7 == 3 {
					target[i] = float32(math.NaN())
				}
			}
			var sum, relevantSum float64
			grad := make([]float64, len(out))
			for i, v := range out {
				if e := float64(v) - float64(target[i]); e == e {
					sum += e * e
					grad[i] = 0.25 * e
					switch c.activation {
					case Tanh:
						grad[i] *= 1 - float64(v)*float64(v)
					case Sigmoid:
						grad[i] *= float64(v) * (1 - float64(v))
					}
				}
			}
			for _, row := range relevant {
				var squares, n float64
				for u := range c.units {
					if e := float64(out[int(row)*c.units+u]) - float64(target[int(row)*c.units+u]); e == e {
						squares += e * e
						n++
					}
				}
				relevantSum += squares / max(1, n)
			}
			targets := b.floats("target", append(target, gputest.NaNs(1)...)).Address()
			m := runLoss(b, c, b.k.LossMSE, out, targets, nil, relevant, true)
			nearSum(b, "loss", m.sum, sum)
			nearSum(b, "relevant", m.relevant, relevantSum)
			near(b, "gradient", m.grad, grad, 1e-7*c.size, 1e-6)
			if m = runLoss(b, c, b.k.LossMSE, out, targets, nil, relevant, false); m.sum != 0 || m.relevant != 0 {
				t.Errorf("without targets: loss %v, relevant %v", m.sum, m.relevant)
			}
		})
	}
}

func TestLossBinary(t *testing.T) {
	b := newBench(t)
	for _, c := range []lossCase{
		{rows: 0, room: 1, units: 2, size: 1}, {rows: 1, units: 1, size: 1}, {rows: 255, room: 2, units: 1, size: 1e-4}, {rows: 256, units: 3, size: 10},
		{rows: 257, room: 600, units: 2, size: 3}, {rows: 300, units: 1, size: 100}, {rows: 30, units: 1, size: 1e30},
	} {
		t.Run(c.String(), func(t *testing.T) {
			b := b.with(t)
			r := newSource(uint64(c.rows))
			z, target := outputs(r, c), make([]float32, c.rows*c.units+1)
			var sum float64
			p, grad := make([]float64, len(z)), make([]float64, len(z))
			for i, v := range z {
				z := float64(v)
				switch target[i] = float32(r.IntN(2)); i % 5 {
				case 0:
					target[i] = float32(r.Float64())
				case 1: // right, and almost sure of it
					target[i] = 0
					if v > 0 {
						target[i] = 1
					}
				}
				y := float64(target[i])
				sum += math.Max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))
				p[i] = 1 / (1 + math.Exp(-z))
				grad[i] = 0.125 * (p[i] - y)
				if z > 0 {
					rest := math.Exp(-z) / (1 + math.Exp(-z))
					grad[i] = 0.125 * ((1 - y) - rest)
				}
			}
			targets := b.floats("target", target).Address()
			m := runLoss(b, c, b.k.LossBinary, z, targets, nil, nil, true)
			nearSum(b, "loss", m.sum, sum)
			near(b, "outputs", m.out, p, 1e-37, 1e-6)
			near(b, "gradient", m.grad, grad, 5e-8, 1e-6)
			m = runLoss(b, c, b.k.LossBinary, z, targets, nil, nil, false)
			if m.sum != 0 {
				t.Errorf("without targets: loss %v", m.sum)
			}
			near(b, "outputs", m.out, p, 1e-37, 1e-6)
		})
	}
}

func TestLossClasses(t *testing.T) {
	b := newBench(t)
	for _, c := range []lossCase{
		{rows: 0, room: 1, units: 2, size: 1}, {rows: 1, units: 1, size: 1}, {rows: 255, room: 2, units: 2, size: 1}, {rows: 256, units: 31, size: 5, weights: true},
		{rows: 257, room: 600, units: 32, size: 1}, {rows: 20, units: 33, size: 10, weights: true}, {rows: 9, units: 100, size: 30},
		{rows: 30, units: 5, size: 1e30},
	} {
		t.Run(c.String(), func(t *testing.T) {
			b := b.with(t)
			r := newSource(uint64(c.rows))
			z, class := outputs(r, c), r.rows(c.rows+1, c.units)
			var weight []float32
			if c.weights {
				for u := range c.units {
					weight = append(weight, float32(u%3))
				}
			}
			var sum float64
			p, grad := make([]float64, len(z)), make([]float64, len(z))
			for row := range c.rows {
				logits := z[row*c.units : (row+1)*c.units]
				top := 0
				for u, v := range logits {
					if v > logits[top] {
						top = u
					}
				}
				switch row % 4 {
				case 0:
					class[row] = -1 // ignored
				case 1:
					class[row] = int32(top) // right: the loss is small
				}
				var rest float64
				for u, v := range logits {
					if u != top {
						rest += math.Exp(float64(v) - float64(logits[top]))
					}
				}
				t, w := int(class[row]), 1.0
				if t < 0 {
					w = 0
				} else if weight != nil {
					w = float64(weight[t])
				}
				if w > 0 {
					sum += w * (float64(logits[top]) - float64(logits[t]) + math.Log1p(rest))
				}
				for u, v := range logits {
					p[row*c.units+u] = math.Exp(float64(v)-float64(logits[top])) / (1 + rest)
					e := p[row*c.units+u]
					if u == t && u == top {
						e = -rest / (1 + rest)
					} else if u == t {
						e--
					}
					grad[row*c.units+u] = 0.125 * w * e
				}
			}
			targets := b.ints("class", class...).Address()
			m := runLoss(b, c, b.k.LossClasses, z, targets, weight, nil, true)
			nearSum(b, "loss", m.sum, sum)
			near(b, "outputs", m.out, p, 1e-37, 1e-5)
			near(b, "gradient", m.grad, grad, 1e-37, 1e-5)
			m = runLoss(b, c, b.k.LossClasses, z, targets, weight, nil, false)
			if m.sum != 0 {
				t.Errorf("without targets: loss %v", m.sum)
			}
			near(b, "outputs", m.out, p, 1e-37, 1e-5)
		})
	}
}

// TestLossNaN: one output that is no number makes the loss none, whatever the
// kernel's way of finding the largest.
func TestLossNaN(t *testing.T) {
	b := newBench(t)
	for _, units := range []int{1, 2, 33, 70} {
		for _, at := range []int{0, units - 1} {
			z := make([]float32, 3*units)
			z[units+at] = float32(math.NaN())
			c := lossCase{rows: 3, units: units}
			if m := runLoss(b, c, b.k.LossClasses, z, b.ints("class", 0, 0, 0).Address(), nil, nil, true); m.sum == m.sum {
				t.Errorf("classes: %d units, NaN at %d: loss %v", units, at, m.sum)
			}
			for name, launch := range map[string]func(*cuda.Stream, LossArgs) error{"mse": b.k.LossMSE, "binary": b.k.LossBinary} {
				if m := runLoss(b, c, launch, z, b.floats("target", make([]float32, 3*units)).Address(), nil, nil, true); m.sum == m.sum {
					t.Errorf("%s: %d units, NaN at %d: loss %v", name, units, at, m.sum)
				}
			}
		}
	}
}

func TestSlope(t *testing.T) {
	b := newBench(t)
	for _, rows := range []int{0, 1, 100, 1025} {
		for _, activation := range []Activation{Linear, Tanh, Sigmoid} {
			r := newSource(uint64(rows))
			const units = 3
			args := b.rowsArgs(rows)
			y, d := r.floats(args.Capacity*units), r.floats(args.Capacity*units)
			want := make([]float64, len(d))
			for i := range want {
				want[i] = float64(d[i])
				if v := float64(y[i]); i < rows*units && activation == Tanh {
					want[i] *= 1 - v*v
				} else if i < rows*units && activation == Sigmoid {
					want[i] *= v * (1 - v)
				}
			}
			grad := b.floats("grad", d)
			b.must(b.k.Slope(b.s, SlopeArgs{args, grad.Address(), b.floats("y", y).Address(), units, activation}))
			near(b, fmt.Sprintf("%d rows, activation %d", rows, activation), grad.Values(), want, 1e-6, 1e-6)
		}
	}
}
