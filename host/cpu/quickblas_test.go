//go:build openblas

package cpu

// #cgo LDFLAGS: -lopenblas
import "gonum.org/v1/netlib/blas/netlib"

func init() { benchBLAS = netlib.Implementation{} }
