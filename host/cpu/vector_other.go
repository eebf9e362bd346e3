//go:build !amd64

package cpu

// vectorKernels is empty: there is no assembly for this processor family.
func vectorKernels() []*kernels { return nil }
