//go:build cuda && cgo

package gpu

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/cuda"
	"mdlstm-gpu/host/cuda/gputest"
)

type headCase struct {
	rows, k, units int
	loss           HeadLoss
	activation     Activation
	weights        bool // of classes
	relevant, noDX bool
}

func (c headCase) String() string {
	return fmt.Sprintf("T=%d,K=%d,U=%d,loss=%d,activation=%d,weights=%v,relevant=%v,noDX=%v", c.rows, c.k, c.units, c.loss, c.activation,
		c.weights, c.relevant, c.noDX)
}

// headResult is all that a head leaves behind.
type headResult[T float32 | float64] struct {
	out, dx, weight, bias []T
	loss, relevant        float64
}

// headBatch is the input of a case.
type headBatch struct {
	x, w, bias, y, classWeight []float32
	class, relevant            []int32
}

func newHeadBatch(c headCase) headBatch {
	r := newSource(uint64(c.rows + c.units))
	b := headBatch{
		x: r.floats(c.rows * c.k), w: r.floats(c.units * c.k), bias: r.floats(c.units), y: r.floats(c.rows*c.units + 1),
		class: r.rows(c.rows+1, c.units), relevant: r.rows(c.rows+1, 3),
	}
	for i := range b.y {
		switch {
		case c.loss == HeadBinary:
			b.y[i] = float32(i%3) / 2
		case i%5 == 2:
			b.y[i] = float32(math.NaN())
		}
	}
	for i := range b.class {
		if i%4 == 1 {
			b.class[i] = -1
		}
	}
	if c.weights {
		for u := range c.units {
			b.classWeight = append(b.classWeight, float32(u%3))
		}
	}
	return b
}

// headScale is 1/normaliser in these tests.
const headScale = 0.125

// wantedHead is the head in float64.
func wantedHead(c headCase, b headBatch) headResult[float64] {
	m := headResult[float64]{
		out: make([]float64, c.rows*c.units), dx: make([]float64, c.rows*c.k),
		weight: make([]float64, c.units*c.k), bias: make([]float64, c.units),
	}
	z, dz := make([]float64, c.units), make([]float64, c.units)
	for row := range c.rows {
		x := b.x[row*c.k : (row+1)*c.k]
		out := m.out[row*c.units : (row+1)*c.units]
		total := 0.0
		for u := range z {
			z[u] = float64(b.bias[u])
			for k, v := range x {
				z[u] += float64(v) * float64(b.w[u*c.k+k])
			}
			total += math.Exp(z[u])
		}
		squares, n := 0.0, 0.0
		for u := range z {
			y := float64(b.y[row*c.units+u])
			switch c.loss {
			case HeadMSE:
				out[u] = activated(z[u], c.activation)
				slope := map[Activation]float64{Linear: 1, Tanh: 1 - out[u]*out[u], Sigmoid: out[u] * (1 - out[u])}[c.activation]
				dz[u] = 0
				if y == y {
					m.loss += (out[u] - y) * (out[u] - y)
					dz[u] = 2 * headScale * (out[u] - y) * slope
					squares += (out[u] - y) * (out[u] - y)
					n++
				}
			case HeadBinary:
				out[u] = 1 / (1 + math.Exp(-z[u]))
				m.loss += math.Max(z[u], 0) - z[u]*y + math.Log1p(math.Exp(-math.Abs(z[u])))
				dz[u] = headScale * (out[u] - y)
			case HeadClasses:
				t, w := int(b.class[row]), 0.0
				if t >= 0 {
					w = 1
				}
				if t >= 0 && b.classWeight != nil {
					w = float64(b.classWeight[t])
				}
				out[u] = math.Exp(z[u]) / total
				dz[u] = headScale * w * out[u]
				if u == t {
					dz[u] = headScale * w * (out[u] - 1)
					m.loss -= w * math.Log(out[u])
				}
			}
		}
		if c.relevant {
			m.relevant += float64(b.relevant[row]) * squares / max(1, n)
		}
		for u, d := range dz {
			m.bias[u] += d
			for k, v := range x {
				m.weight[u*c.k+k] += d * float64(v)
				m.dx[row*c.k+k] += d * float64(b.w[u*c.k+k])
			}
		}
	}
	return m
}

// runHead computes a case in a plan with more room than it needs.
func runHead(b *bench, c headCase, batch headBatch, room int, targets int32) headResult[float32] {
	b.Helper()
	capacity := c.rows + room
	args := HeadArgs{
		RowsArgs: RowsArgs{b.ints("rows", int32(c.rows)).Address(), capacity}, K: c.k, Units: c.units, Loss: c.loss, Activation: c.activation,
		X: b.floats("x", append(slices.Clone(batch.x), gputest.NaNs(room*c.k)...)).Address(), Weight: b.floats("weight", batch.w).Address(),
		Bias: b.floats("bias", batch.bias).Address(), Target: b.floats("y", batch.y).Address(), Control: b.ints("control", targets, 0).Address(),
		Scale: b.floats("scale", []float32{headScale}).Address(),
	}
	if c.loss == HeadClasses {
		args.Target = b.ints("class", batch.class...).Address()
	}
	if c.weights {
		args.Classes = b.floats("classes", batch.classWeight).Address()
	}
	if c.relevant {
		args.Relevant = b.ints("relevant", batch.relevant...).Address()
	}
	out, dx := b.floats("out", gputest.NaNs(capacity*c.units)), b.floats("dx", gputest.NaNs(capacity*c.k))
	sums := b.floats("sums", gputest.NaNs(2*args.Blocks()))
	args.Out, args.Sums = out.Address(), sums.Address()
	args.Partial = b.floats("partial", gputest.NaNs(args.Blocks()*c.units*(c.k+1))).Address()
	if !c.noDX {
		args.DX = dx.Address()
	}
	weight, bias := b.floats("dW", make([]float32, c.units*c.k)), b.floats("db", make([]float32, c.units))
	b.must(b.k.Head(b.s, args))
	b.must(b.k.Reduce(b.s, b.jobs(ReduceTable(args.ReduceJobs(weight.Address(), bias.Address())))))
	m := headResult[float32]{out: out.Values(), dx: dx.Values(), weight: weight.Values(), bias: bias.Values()}
	for i, v := range sums.Values() {
		if i < args.Blocks() {
			m.loss += float64(v)
		} else {
			m.relevant += float64(v)
		}
	}
	written := c.rows
	if c.noDX {
		written = 0
	}
	b.untouched("out", m.out, c.rows, c.units)
	b.untouched("dx", m.dx, written, c.k)
	m.out, m.dx = m.out[:c.rows*c.units], m.dx[:written*c.k]
	return m
}

func TestHead(t *testing.T) {
	b := newBench(t)
	var cases []headCase
	for _, rows := range []int{0, 1, 63, 64, 65, 200} {
		for _, loss := range []HeadLoss{HeadMSE, HeadClasses, HeadBinary} {
			cases = append(cases, headCase{rows: rows, k: 16, units: 3, loss: loss, relevant: loss == HeadMSE})
		}
	}
	cases = append(cases,
		headCase{rows: 70, k: 1, units: 1, relevant: true}, headCase{rows: 70, k: 33, units: 1, activation: Sigmoid, relevant: true},
		headCase{rows: 70, k: 127, units: 2, activation: Tanh}, headCase{rows: 70, k: 300, units: 1, noDX: true},
		headCase{rows: 90, k: 20, units: 16, loss: HeadClasses, weights: true}, headCase{rows: 20, k: 5, units: 1, loss: HeadClasses},
		headCase{rows: 90, k: 63, units: 16, loss: HeadBinary},
		headCase{rows: headBlocks*headRows + 70, k: 2, units: 1}) // two tiles for a block
	for _, c := range cases {
		t.Run(c.String(), func(t *testing.T) {
			b := b.with(t)
			batch := newHeadBatch(c)
			want := wantedHead(c, batch)
			got := runHead(b, c, batch, 5, 1)
			root := math.Sqrt(float64(c.k) + 1)
			near(b, "out", got.out, want.out, 1e-6*root, 1e-5)
			if !c.noDX {
				near(b, "dx", got.dx, want.dx, 1e-6*root, 1e-5)
			}
			near(b, "weight", got.weight, want.weight, 1e-6*root*math.Sqrt(float64(c.rows)+1), 1e-5)
			near(b, "bias", got.bias, want.bias, 1e-6*root*math.Sqrt(float64(c.rows)+1), 1e-5)
			nearSum(b, "loss", got.loss, want.loss)
			nearSum(b, "relevant", got.relevant, want.relevant)

			more := runHead(b, c, batch, 3000, 1)
			if !slices.Equal(got.out, more.out) || !slices.Equal(got.dx, more.dx) || !slices.Equal(got.weight, more.weight) ||
				!slices.Equal(got.bias, more.bias) || got.loss != more.loss || got.relevant != more.relevant {
				t.Error("other bits in a plan with more room")
			}

			none := runHead(b, c, batch, 5, 0)
			zero := func(x float32) bool { return x == 0 }
			all := append(append(none.dx, none.weight...), none.bias...)
			if !slices.Equal(none.out, got.out) || none.loss != 0 || none.relevant != 0 || slices.IndexFunc(all, func(x float32) bool { return !zero(x) }) >= 0 {
				t.Errorf("without targets: loss %v, relevant %v, or other outputs, or a gradient", none.loss, none.relevant)
			}
		})
	}
}

// TestHeadNaN: one input that is no number makes the loss none.
func TestHeadNaN(t *testing.T) {
	b := newBench(t)
	for _, loss := range []HeadLoss{HeadMSE, HeadClasses, HeadBinary} {
		c := headCase{rows: 3, k: 2, units: 2, loss: loss}
		batch := newHeadBatch(c)
		batch.x[0] = float32(math.NaN()) // row 0 counts in all losses
		if got := runHead(b, c, batch, 0, 1); got.loss == got.loss {
			t.Errorf("loss %d is %v", loss, got.loss)
		}
	}
}

func TestHeadFits(t *testing.T) {
	for _, c := range []struct {
		units, k int
		want     bool
	}{{1, 16, true}, {16, 63, true}, {16, 64, false}, {17, 1, false}, {1, 1023, true}, {1, 1024, false}} {
		if got := HeadFits(c.units, c.k); got != c.want {
			t.Errorf("%d units on %d inputs: %v", c.units, c.k, got)
		}
	}
	b := newBench(t)
	x := b.ints("x", 1).Address()
	a := HeadArgs{RowsArgs: RowsArgs{x, 1}, K: 64, Units: 16, X: x, Weight: x, Bias: x, Out: x, Target: x, Control: x, Scale: x, Partial: x, Sums: x}
	if err := b.k.Head(b.s, a); !errors.Is(err, ErrShape) || !contains(err, "weights is 1040, want 1 to 1024") {
		t.Errorf("got %v", err)
	}
	a.K, a.Partial = 1, cuda.Address(0)
	if err := b.k.Head(b.s, a); !contains(err, "no array Partial") {
		t.Errorf("got %v", err)
	}
}
