package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/gotypes"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maxAxes is package cpu's.
const maxAxes = 8

// walk is a kernel of a tile, a function that goes over its rows and, in each,
// over the columns, a vector at a time. Axes are counted at run time, which
// keeps the code small: a kernel takes 3 to 15 ns a row of 16 units.
type walk struct {
	isa
	tile gotypes.Component
	n    reg.GPVirtual // bytes of a gate, 4·P
	out  reg.GPVirtual // bytes from a row's first gate to its output gate
	gate reg.GPVirtual // the first gate at this vector
	at   reg.GPVirtual // bytes to this vector in an array [n, P]
	o    reg.GPVirtual // bytes to this vector in a row
	dcp  reg.GPVirtual // dcp at this vector, of kernels that write it

	r     Mem                      // row
	cells Mem                      // [maxAxes] the row's predecessors' cells
	rest  Mem                      // [maxAxes-1] vectors: see mix
	array map[string]reg.GPVirtual // bases of arrays [n, P]
	loops int
}

// tileKernel makes a function of a tile that applies body to every vector of
// columns, after once in the beginning and row at each row. arrays are fields
// [n, P] whose bases stay in registers; of others they are loaded at each use.
func (s isa) tileKernel(name, what string, arrays []string, parts walkParts) {
	TEXT(name+s.name, 4, "func(t *tile)") // NOSPLIT
	Doc(fmt.Sprintf("%s%s %s: see kernels.", name, s.name, what))
	Pragma("noescape")
	k := &walk{isa: s, array: map[string]reg.GPVirtual{}, r: AllocLocal(8)}
	k.tile = Dereference(Param("t"))
	CMPQ(k.mem("n"), I8(0))
	JE(LabelRef("done"))
	k.n = k.value("p")
	SHLQ(I8(2), k.n)
	k.out = k.value("axes")
	ADDQ(I8(2), k.out)
	IMULQ(k.n, k.out)
	k.gate = k.base("gates")
	k.at, k.o = GP64(), GP64()
	XORQ(k.at, k.at)
	MOVQ(k.at, k.r)
	for _, a := range arrays {
		k.array[a] = k.base(a)
	}
	if parts.cells {
		k.cells = AllocLocal(8 * maxAxes)
	}
	if parts.rest {
		k.rest = AllocLocal((maxAxes - 1) * s.bytes())
	}
	if parts.dcp {
		k.dcp = k.base("dcp")
	}
	if parts.once != nil {
		parts.once(k)
	}

	Label("row")
	if parts.cells {
		k.findCells()
	}
	if parts.row != nil {
		parts.row(k)
	}
	XORQ(k.o, k.o)
	Label("columns")
	parts.body(k)
	for _, r := range []reg.GPVirtual{k.gate, k.at, k.o} {
		ADDQ(I8(s.bytes()), r)
	}
	if parts.dcp {
		ADDQ(I8(s.bytes()), k.dcp)
	}
	CMPQ(k.o, k.n)
	JNE(LabelRef("columns"))
	ADDQ(k.out, k.gate)
	if parts.dcp { // (axes-1) gates further
		ADDQ(k.out, k.dcp)
		for range 3 {
			SUBQ(k.n, k.dcp)
		}
	}
	r := GP64()
	MOVQ(k.r, r)
	INCQ(r)
	MOVQ(r, k.r)
	CMPQ(r, k.mem("n"))
	JNE(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}

// walkParts are what a kernel of a tile does, and what it needs.
type walkParts struct {
	cells     bool // the predecessors' cells
	rest      bool // memory for mix
	dcp       bool
	once, row func(k *walk)
	body      func(k *walk)
}

// mem is where a number of the tile lies, value and base load it or a slice's
// base.
func (k *walk) mem(field string) Mem {
	b, err := k.tile.Field(field).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

func (k *walk) value(field string) reg.GPVirtual {
	return Load(k.tile.Field(field), GP64()).(reg.GPVirtual)
}

func (k *walk) base(field string) reg.GPVirtual {
	return Load(k.tile.Field(field).Base(), GP64()).(reg.GPVirtual)
}

// in is this vector of an array [n, P].
func (k *walk) in(array string) Mem {
	base, ok := k.array[array]
	if !ok {
		base = k.base(array)
	}
	return Mem{Base: base, Index: k.at, Scale: 1}
}

// column is this vector of an array [P], whose base is loaded anew.
func (k *walk) column(field string) Mem { return Mem{Base: k.base(field), Index: k.o, Scale: 1} }

// The gates at this vector: the first three, and the output gate.
func (k *walk) i() Mem      { return Mem{Base: k.gate} }
func (k *walk) g() Mem      { return Mem{Base: k.gate, Index: k.n, Scale: 1} }
func (k *walk) f() Mem      { return Mem{Base: k.gate, Index: k.n, Scale: 2} }
func (k *walk) output() Mem { return Mem{Base: k.gate, Index: k.out, Scale: 1} }

func (k *walk) label(name string) string {
	k.loops++
	return fmt.Sprintf("%s%d", name, k.loops)
}

// broadcast is a number of the tile in all lanes.
func (k *walk) broadcast(field string) reg.VecVirtual {
	v := k.vector()
	VBROADCASTSS(k.mem(field), v)
	return v
}

// findCells looks the row's predecessors up.
func (k *walk) findCells() {
	pred, cells, r, d, row := k.base("pred"), k.base("cells"), GP64(), GP64(), GP64()
	MOVQ(k.r, r)
	XORQ(d, d)
	Label("find")
	MOVQ(Mem{Base: pred}, row)
	MOVLQSX(Mem{Base: row, Index: r, Scale: 4}, row)
	IMULQ(k.n, row)
	ADDQ(cells, row)
	MOVQ(row, k.cells.Idx(d, 8))
	ADDQ(I8(24), pred) // a slice
	INCQ(d)
	CMPQ(d, k.mem("axes"))
	JNE(LabelRef("find"))
}

// axis is one turn of a loop over axes.
type axis struct {
	d      reg.GPVirtual
	forget Mem // the axis's gate at this vector
	cell   Mem // the predecessor's cell
}

// each repeats body for every axis, the first first, with the gate of axis d
// being gate 2+d.
func (k *walk) each(body func(a axis)) {
	d, gate, cell := GP64(), GP64(), GP64()
	axis := k.label("axis")
	XORQ(d, d)
	LEAQ(k.f(), gate)
	Label(axis)
	MOVQ(k.cells.Idx(d, 8), cell)
	body(newAxis(k, d, gate, cell))
	ADDQ(k.n, gate)
	INCQ(d)
	CMPQ(d, k.mem("axes"))
	JNE(LabelRef(axis))
}

func newAxis(k *walk, d, gate, cell reg.GPVirtual) axis {
	return axis{d, Mem{Base: gate}, Mem{Base: cell, Index: k.o, Scale: 1}}
}

// mix is package cpu's tile.mix. With rest it keeps the partial results for
// mixBack.
func (k *walk) mix(keep bool) reg.VecVirtual {
	d, gate, cell := GP64(), GP64(), GP64()
	axis, done := k.label("mix"), k.label("mixed")
	Load(k.tile.Field("axes"), d)
	LEAQ(k.output(), gate)
	MOVQ(k.cells.Offset(-8).Idx(d, 8), cell)
	m := k.load(Mem{Base: cell, Index: k.o, Scale: 1})
	DECQ(d)
	JZ(LabelRef(done))
	Label(axis)
	SUBQ(k.n, gate)
	if keep {
		VMOVUPS(m, k.restOf(d).Offset(-k.bytes()))
	}
	MOVQ(k.cells.Offset(-8).Idx(d, 8), cell)
	c := k.load(Mem{Base: cell, Index: k.o, Scale: 1})
	VSUBPS(m, c, c)
	VFMADD231PS(Mem{Base: gate}, c, m)
	DECQ(d)
	JNZ(LabelRef(axis))
	Label(done)
	return m
}

// restOf is the vector of axis d.
func (k *walk) restOf(d reg.GPVirtual) Mem {
	at := GP64()
	MOVQ(d, at)
	SHLQ(I8(bits.TrailingZeros(uint(k.bytes()))), at)
	return k.rest.Idx(at, 1)
}

// mixBack is package cpu's tile.mixBack; dm is used up.
func (k *walk) mixBack(dm reg.VecVirtual) {
	d, gate, cell, dcp := GP64(), GP64(), GP64(), GP64()
	axis, last := k.label("back"), k.label("last")
	XORQ(d, d)
	LEAQ(k.f(), gate)
	MOVQ(k.dcp, dcp)
	one := GP64()
	MOVQ(k.mem("axes"), one)
	DECQ(one)
	JZ(LabelRef(last))
	Label(axis)
	ADDQ(k.n, gate)
	MOVQ(k.cells.Idx(d, 8), cell)
	v := k.load(Mem{Base: gate})
	back := k.mul(dm, v)
	VMOVUPS(back, Mem{Base: dcp})
	VSUBPS(back, dm, dm)
	c := k.load(Mem{Base: cell, Index: k.o, Scale: 1})
	VSUBPS(k.restOf(d), c, c)
	VMULPS(dm, v, v)
	VMULPS(c, v, v)
	VMOVUPS(v, Mem{Base: gate})
	ADDQ(k.n, dcp)
	INCQ(d)
	CMPQ(d, one)
	JNE(LabelRef(axis))
	Label(last)
	VMOVUPS(dm, Mem{Base: dcp})
}
