// Command gen writes the assembly of package cpu: the micro-kernels of its
// matrix products and the element-wise kernels, for AVX2 with FMA and for
// AVX-512. It is a module of its own, so that the program does not
// depend on the generator:
//
//	cd host/cpu/gen && go run . -out ../kernels_amd64.s -stubs ../kernels_stubs_amd64.go -pkg cpu
package main

import (
	. "github.com/mmcloughlin/avo/build"
)

func main() {
	Package("mdlstm-gpu/host/cpu/gen")
	ConstraintExpr("amd64")
	for _, s := range []isa{avx2, avx512} {
		s.products()
		s.peak()
		s.activate()
		s.norms()
		s.gates()
		s.gatesBack()
		s.anyLength()
	}
	Generate()
}
