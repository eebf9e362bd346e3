package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gates are the kernels of the cells' forward pass.
func (s isa) gates() {
	s.tileKernel("peepholes", "adds what gates see of the predecessors' cells", nil, walkParts{cells: true, body: func(k *walk) {
		pi := k.column("peepI")
		pf := GP64()
		LEAQ(k.column("peepF"), pf)
		i := k.load(k.i())
		k.each(func(a axis) {
			c, f := k.load(a.cell), k.load(a.forget)
			VFMADD231PS(pi, c, i)
			VFMADD231PS(Mem{Base: pf}, c, f)
			VMOVUPS(f, a.forget)
			ADDQ(k.n, pf)
		})
		VMOVUPS(i, k.i())
	}})
	s.tileKernel("outputPeephole", "adds what the output gate sees of the cell", []string{"c"}, walkParts{body: func(k *walk) {
		c, o := k.load(k.in("c")), k.load(k.output())
		VFMADD231PS(k.column("peepO"), c, o)
		VMOVUPS(o, k.output())
	}})
	s.tileKernel("additive", "computes c = i·g + Σ f_d·c_d", []string{"c"}, walkParts{cells: true, body: func(k *walk) {
		c := k.mul(k.load(k.i()), k.g())
		k.each(func(a axis) { VFMADD231PS(a.cell, k.load(a.forget), c) })
		VMOVUPS(c, k.in("c"))
	}})
	s.tileKernel("stable", "computes c = i·g + f·m", []string{"c"}, walkParts{cells: true, body: func(k *walk) {
		m := k.mix(false)
		c := k.mul(k.load(k.i()), k.g())
		VFMADD231PS(k.f(), m, c)
		VMOVUPS(c, k.in("c"))
	}})
	s.tileKernel("leaky", "computes c = (1-f)·g + f·m", []string{"c"}, walkParts{cells: true, body: func(k *walk) {
		m, c := k.mix(false), k.load(k.g())
		VSUBPS(c, m, m)
		VFMADD231PS(k.f(), m, c)
		VMOVUPS(c, k.in("c"))
	}})
	var f *tanh
	hidden, mixed := outputs{}, outputs{}
	s.tileKernel("hidden", "computes tc = tanh(weight·x + shift) and h = tc·o", []string{"x", "tc"}, walkParts{
		once: func(k *walk) { f = s.newTanh(); hidden.once(k) },
		row:  hidden.row,
		body: func(k *walk) {
			x, w := k.load(k.in("x")), k.load(k.column("weight"))
			VFMADD213PS(k.column("shift"), w, x)
			f.of(x)
			VMOVUPS(x, k.in("tc"))
			hidden.store(k, k.mul(x, k.output()))
		},
	})
	s.tileKernel("mixed", "computes h = tanh(o·c + i·m)", []string{"c", "tc"}, walkParts{
		cells: true,
		once:  func(k *walk) { f = s.newTanh(); mixed.once(k) },
		row:   mixed.row,
		body: func(k *walk) {
			h := k.mul(k.mix(false), k.i())
			VFMADD231PS(k.output(), k.load(k.in("c")), h)
			f.of(h)
			VMOVUPS(h, k.in("tc"))
			mixed.store(k, h)
		},
	})
}

// outputs writes to, or reads from, the rows of the layer's outputs, which have
// no padding: of the last vector only the columns that exist.
type outputs struct {
	index, h reg.GPVirtual
	left     reg.GPVirtual // columns from this vector on
}

func (h *outputs) once(k *walk) { h.index, h.h, h.left = k.base("row"), GP64(), GP64() }

func (h *outputs) row(k *walk) { h.find(k, "h") }

func (h *outputs) find(k *walk, field string) {
	MOVQ(k.r, h.left)
	MOVLQSX(Mem{Base: h.index, Index: h.left, Scale: 4}, h.h)
	IMULQ(k.mem("stride"), h.h)
	SHLQ(I8(2), h.h)
	b, err := k.tile.Field(field).Base().Resolve()
	if err != nil {
		panic(err)
	}
	ADDQ(b.Addr, h.h)
	Load(k.tile.Field("hidden"), h.left)
}

// vector calls whole where all columns of this vector exist, else part with
// those that do.
func (h *outputs) vector(k *walk, do func(c columns, m Mem)) {
	part, done := k.label("part"), k.label("whole")
	m := Mem{Base: h.h, Index: k.o, Scale: 1}
	SUBQ(I8(k.lanes), h.left)
	JLT(LabelRef(part))
	do(columns{isa: k.isa}, m)
	JMP(LabelRef(done))
	Label(part)
	ADDQ(I8(k.lanes), h.left)
	do(k.first(h.left), m)
	Label(done)
}

func (h *outputs) store(k *walk, v reg.VecVirtual) {
	h.vector(k, func(c columns, m Mem) { c.store(v, m) })
}
