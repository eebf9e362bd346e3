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
	// BF16 is TF32 with the gates that forward keeps for backward in bfloat16, of 8
	// significant bits: three products would be lost on what is stored so.
	BF16 Precision = "bf16"
)

// Precisions are all, from the most exact to the least.
var Precisions = []Precision{Float32, TF32x3, TF32, BF16}

// tensorCapability is the compute capability from which on devices have TF32
// tensor cores.
const tensorCapability = 80

// tensor says whether layers of so many hidden units run on tensor cores.
func (p Precision) tensor(hidden int) bool { return p != "" && p != Float32 && hidden >= tensorHidden }

// tensorHidden is the least hidden size that pays on tensor cores.
const tensorHidden = 64

// usable refuses a precision that is unknown or that a device does not have.
func (p Precision) usable(capability int) error {
	switch {
	case p == "" || p == Float32:
		return nil
	case !slices.Contains(Precisions, p):
		return fmt.Errorf("precision %q: want one of %v", string(p), Precisions)
	case capability < tensorCapability:
		return fmt.Errorf("precision %s: the GPU has compute capability %d.%d, and TF32 tensor cores are in 8.0 and newer: use float32", p, capability/10, capability%10)
	case p == BF16:
		return fmt.Errorf("precision %s: gates cannot be kept in bfloat16 yet: use %s", p, TF32)
	}
	return fmt.Errorf("precision %s: no kernel computes it yet: use float32", p)
}
