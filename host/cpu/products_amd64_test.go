package cpu

import (
	"slices"
	"testing"
)

// TestOperandsEnd: the pointer to the operands' end must be a pointer into them.
func TestOperandsEnd(t *testing.T) {
	for n := range 9 {
		p := newTiledProducts(avx2).(*tiledProducts)
		p.gather(slices.Repeat([]segment{{ones: true}}, n), 1)
		if len(p.operands) != n || cap(p.operands) == n {
			t.Errorf("%d segments: %d operands in room for %d, want more room", n, len(p.operands), cap(p.operands))
		}
	}
}
