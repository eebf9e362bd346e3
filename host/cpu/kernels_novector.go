//go:build !(goexperiment.simd && amd64)

package cpu

// vectorKernels is nil: this build has no vector unit.
func vectorKernels() *kernels { return nil }
