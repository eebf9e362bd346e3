package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is one vector instruction set: registers of lanes float32.
type isa struct {
	name   string
	lanes  int
	rows   int // of the largest tile of a product: as many row addresses fit beside the rest
	vector func() reg.VecVirtual
}

var (
	avx2   = isa{name: "AVX2", lanes: 8, rows: 6, vector: YMM}
	avx512 = isa{name: "AVX512", lanes: 16, rows: 8, vector: ZMM}
)

// bytes of a vector.
func (s isa) bytes() int { return 4 * s.lanes }

func (s isa) vectors(n int) []reg.VecVirtual {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = s.vector()
	}
	return v
}

func zero(v reg.VecVirtual) {
	if v.Size() == 64 {
		VPXORD(v, v, v)
		return
	}
	VXORPS(v, v, v)
}

// columns is how a kernel reaches the last columns of a matrix: all of a vector,
// or only the first of them, so that nothing beyond an array is touched.
type columns struct {
	isa
	mask reg.Register // nil: all
}

// firstColumns makes the mask for the parameter columns.
func (s isa) firstColumns() columns {
	n := Load(Param("columns"), GP64())
	if s.lanes == 16 {
		ones := GP32()
		MOVL(I32(-1), ones)
		BZHIL(n.(reg.GPVirtual).As32(), ones, ones)
		k := K()
		KMOVW(ones, k)
		return columns{s, k}
	}
	// masks is eight ones and eight zeros: the wanted mask starts 8-n ones in.
	at, table := GP64(), GP64()
	LEAQ(masks(), table)
	MOVQ(I32(s.lanes), at)
	SUBQ(n, at)
	m := YMM()
	VMOVUPS(Mem{Base: table, Index: at, Scale: 4}, m)
	return columns{s, m}
}

var maskTable *Mem

func masks() Mem {
	if maskTable == nil {
		m := GLOBL("masks", 8|16) // RODATA|NOPTR
		for i := range 16 {
			v := uint32(0)
			if i < 8 {
				v = 0xffffffff
			}
			DATA(4*i, U32(v))
		}
		maskTable = &m
	}
	return *maskTable
}

func (c columns) load(m Mem, v reg.VecVirtual) {
	switch {
	case c.mask == nil:
		VMOVUPS(m, v)
	case c.lanes == 16:
		VMOVUPS_Z(m, c.mask, v)
	default:
		VMASKMOVPS(m, c.mask, v)
	}
}

func (c columns) store(v reg.VecVirtual, m Mem) {
	switch {
	case c.mask == nil:
		VMOVUPS(v, m)
	case c.lanes == 16:
		VMOVUPS(v, c.mask, m)
	default:
		VMASKMOVPS(v, c.mask, m)
	}
}
