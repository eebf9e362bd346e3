package cpu

import (
	"testing"
)

// BenchmarkPeak measures how fast one core multiplies and adds when it does
// nothing else: what BenchmarkProducts is to be compared with.
func BenchmarkPeak(b *testing.B) {
	const rounds, sums = 1000, 12
	for _, set := range instructionSets() {
		run, lanes := peakAVX2, 8
		if set == avx512 {
			run, lanes = peakAVX512, 16
		}
		b.Run("products="+set, func(b *testing.B) {
			for b.Loop() {
				run(rounds)
			}
			b.ReportMetric(float64(b.N)*2*rounds*sums*float64(lanes)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
