package cpu

import (
	"fmt"
	"testing"
)

// BenchmarkKernels measures every kernel on a full tile with two axes on one
// core, in ns a row. Gates and gradients are made anew for each run, because a
// kernel run over its own results ends in zeros: nothing is what that takes.
func BenchmarkKernels(b *testing.B) {
	const n, axes, gates = tileRows, 2, 5
	for _, hidden := range []int{16, 32, 64} {
		for _, k := range allKernels() {
			a := newArrays(1)
			t := randomTile(a, n, hidden, hidden, axes, true)
			t.stride = 2 * hidden // as a layer of two directions has
			fresh, freshDH := a.values(len(t.gates), 0, 1), a.values(len(t.dh), -1, 1)
			hat, inverse := a.values(len(t.gates), -1, 1), a.values(n*(gates+1), 0, 1)
			weight, sums := a.values(gates*hidden, -1, 1), a.values(2*gates*hidden, -1, 1)
			table := newTable(gates * hidden)
			for j := range gates * hidden {
				table.setSigmoid(j, 1, 0)
			}
			run := func(name string, f func()) {
				b.Run(fmt.Sprintf("%s/H=%d/kernels=%s", name, hidden, k.name), func(b *testing.B) {
					for b.Loop() {
						copy(t.gates, fresh)
						copy(t.dh, freshDH)
						f()
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
				})
			}
			run("nothing", func() {})
			run("activate", func() { k.activate(t.gates, t.gates, n, gates*hidden, table) })
			run("normalise", func() { k.normalise(hat, t.gates, inverse, gates+1, n, gates, hidden, hidden) })
			run("denormalise", func() {
				k.denormalise(t.gates, hat, weight, inverse, gates+1, n, gates, hidden, hidden, sums[:gates*hidden], sums[gates*hidden:])
			})
			for _, s := range steps(k) {
				run(s.name, func() { s.run(t) })
			}
		}
	}
}
