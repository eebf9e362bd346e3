//go:build openblas && cgo

package openblas

// #cgo LDFLAGS: -lopenblas
// void openblas_set_num_threads(int);
// char *openblas_get_config(void);
import "C"

import (
	"gonum.org/v1/netlib/blas/netlib"

	"mdlstm-gpu/host/cpu"
)

// Implementation is OpenBLAS on one thread: the engine cuts the work itself,
// and OpenBLAS's own threads made every shape we measured slower. The name says
// which version and kernels it is.
func Implementation() (blas cpu.BLAS, name string, ok bool) {
	C.openblas_set_num_threads(1)
	return netlib.Implementation{}, C.GoString(C.openblas_get_config()), true
}
