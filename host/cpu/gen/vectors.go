package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Adam's constants.
const (
	beta1       = 0.9
	beta2       = 0.999
	adamEpsilon = 1e-8
)

// anyLength are the kernels of arrays of any length.
func (s isa) anyLength() {
	var x, y reg.GPVirtual
	s.vectorKernel("add", "func(dst, src []float32)", "computes dst += src", "src", func() {
		x, y = baseOf("src"), baseOf("dst")
	}, func(c columns, o reg.GPVirtual) {
		a, b := c.read(x, o), c.read(y, o)
		VADDPS(a, b, b)
		c.write(b, y, o)
	})

	var factor reg.VecVirtual
	s.vectorKernel("axpy", "func(a float32, x, y []float32)", "computes y += a·x", "x", func() {
		x, y, factor = baseOf("x"), baseOf("y"), s.vector()
		VBROADCASTSS(paramMem("a"), factor)
	}, func(c columns, o reg.GPVirtual) {
		b := c.read(y, o)
		VFMADD231PS(c.read(x, o), factor, b)
		c.write(b, y, o)
	})

	s.adam()
}

// read is the columns at base + o, write stores them.
func (c columns) read(base, o reg.GPVirtual) reg.VecVirtual {
	v := c.vector()
	c.load(Mem{Base: base, Index: o, Scale: 1}, v)
	return v
}

func (c columns) write(v reg.VecVirtual, base, o reg.GPVirtual) {
	c.store(v, Mem{Base: base, Index: o, Scale: 1})
}

// vectorKernel makes a function that applies body to every vector of arrays as
// long as the slice length, the last vector with the columns that are left.
func (s isa) vectorKernel(name, signature, what, length string, once func(), body func(c columns, o reg.GPVirtual)) {
	TEXT(name+s.name, 4, signature)
	Doc(name + s.name + " " + what + ": see kernels.")
	Pragma("noescape")
	n, o := Load(Param(length).Len(), GP64()).(reg.GPVirtual), GP64()
	once()
	XORQ(o, o)
	SUBQ(I8(s.lanes), n)
	JLT(LabelRef("rest"))
	Label("vector")
	body(columns{isa: s}, o)
	ADDQ(I8(s.bytes()), o)
	SUBQ(I8(s.lanes), n)
	JGE(LabelRef("vector"))
	Label("rest")
	ADDQ(I8(s.lanes), n)
	JZ(LabelRef("done"))
	body(s.first(n), o)
	Label("done")
	VZEROUPPER()
	RET()
}

func (s isa) adam() {
	var w, g, m, v reg.GPVirtual
	spread := map[string]reg.VecVirtual{}
	var b1, b2, a1, a2, epsilon reg.VecVirtual
	s.vectorKernel("adam", "func(w, g, m, v []float32, s *adamStep)", "is one update of parameters", "w", func() {
		w, g, m, v = baseOf("w"), baseOf("g"), baseOf("m"), baseOf("v")
		step := Dereference(Param("s"))
		for _, f := range []string{"rate", "scale", "correct1", "correct2"} {
			b, err := step.Field(f).Resolve()
			if err != nil {
				panic(err)
			}
			spread[f] = s.vector()
			VBROADCASTSS(b.Addr, spread[f])
		}
		b1, b2, a1, a2, epsilon = s.spread(beta1), s.spread(beta2), s.spread(1-beta1), s.spread(1-beta2), s.spread(adamEpsilon)
	}, func(c columns, o reg.GPVirtual) {
		x := c.read(g, o)
		VMULPS(spread["scale"], x, x)
		first := s.mul(a1, x)
		VFMADD231PS(c.read(m, o), b1, first)
		c.write(first, m, o)
		second := s.mul(a2, x)
		VMULPS(x, second, second)
		VFMADD231PS(c.read(v, o), b2, second)
		c.write(second, v, o)
		VMULPS(spread["correct2"], second, second)
		VSQRTPS(second, second)
		VADDPS(epsilon, second, second)
		VMULPS(spread["correct1"], first, first)
		VMULPS(spread["rate"], first, first)
		VDIVPS(second, first, first)
		p := c.read(w, o)
		VSUBPS(first, p, p)
		c.write(p, w, o)
	})
}
