package main

import (
	"fmt"
	"math"

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
	return s.first(Load(Param("columns"), GP64()).(reg.GPVirtual))
}

// first is the first n columns of a vector; n is between 0 and its lanes.
func (s isa) first(n reg.GPVirtual) columns {
	if s.lanes == 16 {
		ones := GP32()
		MOVL(I32(-1), ones)
		BZHIL(n.As32(), ones, ones)
		k := K()
		KMOVW(ones, k)
		return columns{s, k}
	}
	return columns{s, s.mask(n, 0)}
}

// mask is a vector of n+more ones (all bits set), at most 16, then zeros.
func (s isa) mask(n reg.GPVirtual, more int) reg.VecVirtual {
	// masks is 16 ones and 16 zeros: the wanted mask starts 16-n-more ones in.
	table, at := GP64(), GP64()
	LEAQ(masks(), table)
	MOVQ(n, at)
	NEGQ(at)
	m := s.vector()
	VMOVUPS(Mem{Base: table, Index: at, Scale: 4, Disp: 4 * (16 - more)}, m)
	return m
}

var maskTable *Mem

func masks() Mem {
	if maskTable == nil {
		m := GLOBL("masks", 8|16) // RODATA|NOPTR
		for i := range 32 {
			v := uint32(0)
			if i < 16 {
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

// constants are float32 in memory, each once, by their bits: avo rounds floats.
var constants = map[float32]Mem{}

// spread is a constant in all lanes of a register.
func (s isa) spread(x float32) reg.VecVirtual {
	m, ok := constants[x]
	if !ok {
		m = ConstData(fmt.Sprintf("float%08x", math.Float32bits(x)), U32(math.Float32bits(x)))
		constants[x] = m
	}
	v := s.vector()
	VBROADCASTSS(m, v)
	return v
}

// load is what lies at m.
func (s isa) load(m Op) reg.VecVirtual {
	v := s.vector()
	VMOVUPS(m, v)
	return v
}

// copy is a register of the same value, to be overwritten.
func (s isa) copy(x reg.VecVirtual) reg.VecVirtual {
	v := s.vector()
	VMOVAPS(x, v)
	return v
}

// The sums, products and so on of two vectors; y may be memory.
func (s isa) add(x reg.VecVirtual, y Op) reg.VecVirtual { v := s.vector(); VADDPS(y, x, v); return v }
func (s isa) sub(x reg.VecVirtual, y Op) reg.VecVirtual { v := s.vector(); VSUBPS(y, x, v); return v }
func (s isa) mul(x reg.VecVirtual, y Op) reg.VecVirtual { v := s.vector(); VMULPS(y, x, v); return v }
func (s isa) div(x reg.VecVirtual, y Op) reg.VecVirtual { v := s.vector(); VDIVPS(y, x, v); return v }

// clamp limits x to lo … hi. NaN stays: the instructions return their second
// source, Go's first operand, where either is one.
func (s isa) clamp(x, lo, hi reg.VecVirtual) {
	VMINPS(x, hi, x)
	VMAXPS(x, lo, x)
}

// total puts the sum of all lanes of x into every lane.
func (s isa) total(x reg.VecVirtual) {
	t := s.vector()
	if s.lanes == 16 {
		VSHUFF32X4(U8(0b01_00_11_10), x, x, t)
		VADDPS(t, x, x)
		VSHUFF32X4(U8(0b10_11_00_01), x, x, t)
	} else {
		VPERM2F128(U8(1), x, x, t)
	}
	VADDPS(t, x, x)
	VPERMILPS(U8(0b01_00_11_10), x, t)
	VADDPS(t, x, x)
	VPERMILPS(U8(0b10_11_00_01), x, t)
	VADDPS(t, x, x)
}
