//go:build cuda && cgo

package gpu

import (
	"math"
	"testing"

	"mdlstm-gpu/host/cuda/gputest"
)

// TestOrders: in whatever order blocks and threads run, the bits are the same.
// On a real device this is that they repeat.
func TestOrders(t *testing.T) {
	var first []uint32
	for _, seed := range []string{"0", "1", "2", "3"} {
		t.Run("seed="+seed, func(t *testing.T) {
			t.Setenv("MDLSTM_EMU_SEED", seed) // read when the device is opened
			b := newBench(t)
			var bits []uint32
			keep := func(x []float32) {
				for _, v := range x {
					bits = append(bits, math.Float32bits(v))
				}
			}
			for _, kernel := range productKernels {
				out, _ := runProduct(b, productCase{rows: 130, capacity: 131, k: 17, n: 70, products: 2, segments: 1, width: 17, gathered: true, bias: true}, kernel)
				keep(out)
			}
			grads, _ := runOuter(b, outerCase{rows: 200, capacity: 201, directions: 2, k: 3, hidden: 20, axes: 2, n: 70, bias: true, gathered: true}, nil)
			for _, g := range grads {
				keep(g)
			}
			c := lossCase{rows: 600, units: 5, size: 3}
			r := newSource(1)
			m := runLoss(b, c, b.k.LossClasses, outputs(r, c), b.ints("class", r.rows(c.rows, c.units)...).Address(), nil, nil, true)
			keep([]float32{float32(m.sum)})
			keep(m.grad)
			m = runLoss(b, c, b.k.LossMSE, outputs(r, c), b.floats("target", outputs(r, c)).Address(), nil, []float32{}, true)
			keep([]float32{float32(m.sum)})
			in := b.floats("in", outputs(r, c))
			out := b.floats("out", gputest.NaNs(c.rows))
			args := RowsArgs{b.ints("rows", int32(c.rows)).Address(), c.rows}
			b.must(b.k.Combine(b.s, CombineArgs{args, in.Address(), out.Address(), 1, c.units, 0.2}))
			keep(out.Values())
			if first == nil {
				first = bits
			}
			for i, v := range bits {
				if v != first[i] {
					t.Fatalf("value %d of %d is %v, was %v", i, len(bits), math.Float32frombits(v), math.Float32frombits(first[i]))
				}
			}
		})
	}
}
