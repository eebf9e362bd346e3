//go:build !(openblas && cgo)

package openblas

import "mdlstm-gpu/host/cpu"

// Implementation says that this build has no OpenBLAS.
func Implementation() (blas cpu.BLAS, name string, ok bool) { return nil, "", false }
