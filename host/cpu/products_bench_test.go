package cpu

import (
	"fmt"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"
)

// BenchmarkProducts measures the products of a layer with two axes on one core:
// rows as in the forward pass, back as in the backward pass, outer as for the
// weight gradients.
func BenchmarkProducts(b *testing.B) {
	sets := map[string]products{"gonum": &blasProducts{blas: gonum.Implementation{}, serial: true}}
	for _, set := range instructionSets() {
		sets[set] = newTiledProducts(set)
	}
	const m = tileRows
	for _, hidden := range []int{8, 16, 32, 128, 512} {
		n := 5 * hidden
		x, h, z := make([]float32, 4*m), make([]float32, m*hidden), make([]float32, m*n)
		w, out := make([]float32, (1+2*hidden)*n), make([]float32, max(m, 2+2*hidden)*n)
		index := make([]int32, m)
		for i := range index {
			index[i] = int32((i * 7) % m)
		}
		for _, s := range [][]float32{x, h, z, w} {
			for i := range s {
				s[i] = float32(i%7) - 3.5
			}
		}
		left := []segment{{data: x, stride: 1, width: 1, index: index}, {data: h, stride: hidden, width: hidden, index: index}, {data: h, stride: hidden, width: hidden, index: index}}
		run := func(name, set string, flops int, f func()) {
			b.Run(fmt.Sprintf("%s/H=%d/products=%s", name, hidden, set), func(b *testing.B) {
				for b.Loop() {
					f()
				}
				b.ReportMetric(float64(b.N)*float64(flops)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		}
		for set, p := range sets {
			forward, backward := p.factor(1+2*hidden, n), p.factor(n, 2*hidden)
			copy(forward.data, w)
			copy(backward.data, w)
			run("rows", set, 2*m*n*(1+2*hidden), func() { p.rows(left, m, forward, n, out[:m*n]) })
			run("back", set, 2*m*n*2*hidden, func() {
				p.rows([]segment{{data: z, stride: n, width: n}}, m, backward, 2*hidden, out)
			})
			if hidden == 512 { // its weight gradients are made in blocks
				continue
			}
			run("outer", set, 2*m*n*(1+2*hidden), func() { clear(out); p.outer(left, m, z, n, n, out) })
		}
	}
}
