package gpu

import (
	"math"

	"mdlstm-gpu/host/cuda"
)

// StoreArgs are the arguments of [Kernels.Store] and [Kernels.Restore]: what a
// stretch of an mdlstm layer's wavefronts has between forward and backward, in
// bfloat16 but for the cells.
type StoreArgs struct {
	Saved cuda.Address // [R, Capacity, StoredWords] words of 32 bits

	// As in [RecurrentArgs]; the last three layernorm only.
	Wave, Gates, TanhCell, Cell, Hat, CellHat, Inverse cuda.Address

	Begin, End         int // wavefronts
	Capacity           int // C
	Room               int // rows of the arrays but Cell
	CellRows, CellFrom int // rows of Cell, and of those the stretch's first
	Directions, Hidden int
	GateCount          int // G
	LayerNorm          bool
}

// StoredWords is how many words of 32 bits a row has in Saved: each array begins
// with a new one.
func (a StoreArgs) StoredWords() int {
	pairs := func(n int) int { return (n + 1) / 2 }
	n := pairs(a.GateCount*a.Hidden) + pairs(a.Hidden) + a.Hidden
	if a.LayerNorm {
		n += pairs(a.GateCount*a.Hidden) + pairs(a.Hidden) + pairs(a.GateCount+1)
	}
	return n
}

// Store queues saved = arrays; Restore arrays = saved (kernels/store.cu).
func (k *Kernels) Store(s *cuda.Stream, a StoreArgs) error   { return k.store(s, "store_rows", a) }
func (k *Kernels) Restore(s *cuda.Stream, a StoreArgs) error { return k.store(s, "load_rows", a) }

func (k *Kernels) store(s *cuda.Stream, name string, a StoreArgs) error {
	c := checking(name).positive("Capacity", a.Capacity).positive("H", a.Hidden).positive("G", a.GateCount).
		within("R", a.Directions, 1, maxGridYZ).within("End", a.End, a.Begin, math.MaxInt32-1).within("Begin", a.Begin, 0, a.End).
		within("CellRows", a.CellRows, a.CellFrom+1, math.MaxInt32).positive("Room", a.Room).
		product("a row", a.StoredWords(), 1).
		present("Saved", a.Saved).present("Wave", a.Wave).present("Gates", a.Gates).present("TanhCell", a.TanhCell).present("Cell", a.Cell)
	if a.LayerNorm {
		c.present("Hat", a.Hat).present("CellHat", a.CellHat).present("Inverse", a.Inverse)
	} else {
		a.Hat, a.CellHat, a.Inverse = 0, 0, 0
	}
	if c.err != nil {
		return c.err
	}
	const blocks, each = 1024, 4 * 256 // words of a block of 256 threads, until the device is full
	grid := cuda.Dim{X: int(min(blocks, (int64(a.Room)*int64(a.StoredWords())+each-1)/each)), Y: 1, Z: a.Directions}
	return k.launch(s, name, grid, 0, ptr(a.Saved), ptr(a.Gates), ptr(a.TanhCell), ptr(a.Hat), ptr(a.CellHat), ptr(a.Inverse),
		ptr(a.Cell), ptr(a.Wave), i32(a.Begin), i32(a.End), i32(a.Capacity), i32(a.Room), i32(a.CellRows), i32(a.CellFrom),
		i32(a.Hidden), i32(a.GateCount))
}
