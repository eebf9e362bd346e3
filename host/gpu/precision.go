package gpu

import (
	"fmt"
	"slices"
)

// Precision says how the products of large mdlstm layers are computed and what
// is kept of them. Layers of fewer than 64 hidden units are float32 whatever it
// is: there the tensor cores have too little to do.
type Precision string

// The precisions. Sums, cell states, gradients and parameters are float32 in all.
const (
	Float32 Precision = "float32" // fused multiply-adds; the zero value means it too
	// TF32x3 splits each factor into two TF32 parts and adds three products of
	// them on tensor cores: errors near those of float32.
	TF32x3 Precision = "tf32x3"
	// TF32 rounds each factor to TF32, 11 significant bits, to nearest.
	TF32 Precision = "tf32"
	// BF16 is TF32 with what forward keeps for backward in bfloat16, of 8 significant
	// bits, in layers of any size (kernels/store.cu): three products would be lost on
	// what is stored so. Outputs and loss are those of TF32, and with
	// [Options.Recompute], which keeps nothing, gradients, too.
	BF16 Precision = "bf16"
)

// Precisions are all, from the most exact to the least.
var Precisions = []Precision{Float32, TF32x3, TF32, BF16}

// tensorCapability is the compute capability from which on devices have TF32
// tensor cores.
const tensorCapability = 80

// tensor says whether products are computed on tensor cores.
func (p Precision) tensor() bool { return p != "" && p != Float32 }

// tensorHidden is the least hidden size that pays on tensor cores.
const tensorHidden = 64

// of is the precision of a layer of so many hidden units.
func (p Precision) of(hidden int) Precision {
	if p.tensor() && hidden >= tensorHidden {
		return p
	}
	return Float32
}

// Usable says why a device of a compute capability, 75 for 7.5, does not have the
// precision, or that it is unknown.
func (p Precision) Usable(capability int) error {
	switch {
	case p == "" || p == Float32:
		return nil
	case !slices.Contains(Precisions, p):
		return fmt.Errorf("want one of %v", Precisions)
	case capability < tensorCapability:
		return fmt.Errorf("the GPU has compute capability %d.%d, and TF32 tensor cores are in 8.0 and newer: use float32", capability/10, capability%10)
	}
	return nil
}

// suffix is that of the kernels of a precision on tensor cores.
func (p Precision) suffix() string {
	if p == TF32x3 {
		return "_tf32x3"
	}
	return "_tf32"
}

// Sizes that kernels/mma_tile.cuh has too.
const (
	mmaRows    = 64 // of a block's tile in wave_mma.cu and gemm_mma.cu
	mmaColumns = 128
	mmaDepth   = 16
)

// mmaShared is the bytes of two buffers of a tile whose left side lies row by
// row, or input by input.
func mmaShared(rows, columns int, byRow bool) int {
	left := mmaDepth * (rows + 8)
	if byRow {
		left = rows * mmaDepth
	}
	return 4 * 2 * (left + mmaDepth*(columns+8))
}
