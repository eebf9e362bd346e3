package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

const normEpsilon = 1e-5

// norms are the kernels of layer normalisation. Groups of a few vectors, which
// layers of up to 64 units have, stay in registers.
func (s isa) norms() {
	s.normalise()
	s.denormalise()
}

// norm is what both have: groups of n bytes, in rows of groups.
type norm struct {
	isa
	n       reg.GPVirtual
	inverse reg.VecVirtual // 1/hidden in every lane
	mask    reg.VecVirtual // the columns of a group's last vector that exist
	half    reg.VecVirtual // the same for the last 8 columns
}

func (s isa) newNorm(masked bool) *norm {
	k := &norm{isa: s, n: Load(Param("p"), GP64()).(reg.GPVirtual)}
	hidden := Load(Param("hidden"), GP64()).(reg.GPVirtual)
	h, one := s.vector(), s.spread(1)
	VCVTSI2SSQ(hidden, one.AsX(), h.AsX())
	VBROADCASTSS(h.AsX(), h)
	k.inverse = s.div(one, h)
	if masked {
		SUBQ(k.n, hidden)
		ADDQ(I8(s.lanes), hidden)
		k.mask, k.half = s.mask(hidden, 0), avx2.mask(hidden, avx2.lanes-s.lanes)
	}
	SHLQ(I8(2), k.n)
	return k
}

// block is the code for groups of v vectors, in halves of one vector of 16: more
// ports of the processor take them.
func (k *norm) block(v int) (*norm, int) {
	if k.lanes == 8 || v > 1 {
		return k, v
	}
	return &norm{isa: avx2, n: k.n, inverse: k.inverse.AsY().(reg.VecVirtual), mask: k.half}, 2
}

// mean is the sum of all lanes of x over the number of units.
func (k *norm) mean(x reg.VecVirtual) {
	k.total(x)
	VMULPS(k.inverse, x, x)
}

// choose jumps to the code for groups of v vectors for each v that has such.
func (k *norm) choose(sizes []int) {
	for _, v := range sizes {
		CMPQ(k.n, U32(v*k.bytes()))
		JE(LabelRef(fmt.Sprintf("of%d", v)))
	}
}

func baseOf(slice string) reg.GPVirtual { return Load(Param(slice).Base(), GP64()).(reg.GPVirtual) }

func (s isa) normalise() {
	TEXT("normalise"+s.name, 4, "func(dst, src []float32, inverse []float32, stride, rows, groups, p, hidden int)")
	Doc("normalise" + s.name + " makes groups zero-mean and unit-variance: see kernels.")
	Pragma("noescape")
	rows := Load(Param("rows"), GP64())
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	k := s.newNorm(true)
	dst, src, inverse, stride := baseOf("dst"), baseOf("src"), baseOf("inverse"), Load(Param("stride"), GP64())
	group, o := GP64(), GP64()
	one, epsilon := s.spread(1), s.spread(normEpsilon)

	// scale makes 1/deviation of the sum of squares and keeps it. Roots and
	// quotients of a whole vector take a multiple of the time.
	scale := func(k *norm, sum reg.VecVirtual) {
		k.total(sum)
		x := sum.AsX()
		VFMADD213SS(epsilon.AsX(), k.inverse.AsX(), x)
		VSQRTSS(x, x, x)
		VDIVSS(x, one.AsX(), x)
		VMOVSS(x, Mem{Base: inverse, Index: group, Scale: 4})
		VBROADCASTSS(x, sum)
	}
	loops := func(name string, body func()) {
		Label(name)
		XORQ(group, group)
		Label(name + "group")
		body()
		ADDQ(k.n, src)
		ADDQ(k.n, dst)
		INCQ(group)
		CMPQ(group, paramMem("groups"))
		JNE(LabelRef(name + "group"))
		LEAQ(Mem{Base: inverse, Index: stride, Scale: 4}, inverse)
		DECQ(rows)
		JNZ(LabelRef(name))
		JMP(LabelRef("done"))
	}
	sizes := []int{1, 2, 4}
	k.choose(sizes)
	loops("any", func() {
		sum, square := s.vector(), s.vector()
		zero(sum)
		zero(square)
		XORQ(o, o)
		Label("sum")
		VADDPS(Mem{Base: src, Index: o, Scale: 1}, sum, sum)
		ADDQ(I8(s.bytes()), o)
		CMPQ(o, k.n)
		JNE(LabelRef("sum"))
		k.mean(sum)
		XORQ(o, o)
		last := GP64()
		MOVQ(k.n, last)
		SUBQ(I8(s.bytes()), last)
		Label("square")
		x := s.load(Mem{Base: src, Index: o, Scale: 1})
		VSUBPS(sum, x, x)
		CMPQ(o, last)
		JNE(LabelRef("whole"))
		VANDPS(k.mask, x, x)
		Label("whole")
		VFMADD231PS(x, x, square)
		VMOVUPS(x, Mem{Base: dst, Index: o, Scale: 1})
		ADDQ(I8(s.bytes()), o)
		CMPQ(o, k.n)
		JNE(LabelRef("square"))
		scale(k, square)
		XORQ(o, o)
		Label("scale")
		VMOVUPS(s.mul(square, Mem{Base: dst, Index: o, Scale: 1}), Mem{Base: dst, Index: o, Scale: 1})
		ADDQ(I8(s.bytes()), o)
		CMPQ(o, k.n)
		JNE(LabelRef("scale"))
	})
	for _, v := range sizes {
		name := fmt.Sprintf("of%d", v)
		k, v := k.block(v)
		s := k.isa
		loops(name, func() {
			x := make([]reg.VecVirtual, v)
			for i := range x {
				x[i] = s.load(Mem{Base: src, Disp: i * s.bytes()})
			}
			sum := s.copy(x[0])
			for _, x := range x[1:] {
				VADDPS(x, sum, sum)
			}
			k.mean(sum)
			for _, x := range x {
				VSUBPS(sum, x, x)
			}
			VANDPS(k.mask, x[v-1], x[v-1])
			square := s.mul(x[0], x[0])
			for _, x := range x[1:] {
				VFMADD231PS(x, x, square)
			}
			scale(k, square)
			for i, x := range x {
				VMULPS(square, x, x)
				VMOVUPS(x, Mem{Base: dst, Disp: i * s.bytes()})
			}
		})
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// denormalise goes over the rows of one group after another, so that sums over
// rows stay in registers too.
func (s isa) denormalise() {
	TEXT("denormalise"+s.name, 4, "func(d, hat, weight, inverse []float32, stride, rows, groups, p, hidden int, dWeight, dBias []float32)")
	Doc("denormalise" + s.name + " is the backward of normalise: see kernels.")
	Pragma("noescape")
	rows := Load(Param("rows"), GP64()).(reg.GPVirtual)
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	k := s.newNorm(false)
	dGroup, hatGroup, weight, inverse := baseOf("d"), baseOf("hat"), baseOf("weight"), baseOf("inverse")
	dWeight, dBias := baseOf("dWeight"), baseOf("dBias")
	groups := AllocLocal(8)
	g := Load(Param("groups"), GP64()).(reg.GPVirtual)
	MOVQ(g, groups)
	step := g // from row to row
	IMULQ(k.n, step)
	at, scale, row := GP64(), GP64(), GP64()

	loops := func(name string, before, body, after func()) {
		Label(name)
		XORQ(at, at) // of the row
		MOVQ(inverse, scale)
		Load(Param("rows"), row)
		before()
		Label(name + "row")
		body()
		ADDQ(step, at)
		t := GP64()
		Load(Param("stride"), t)
		LEAQ(Mem{Base: scale, Index: t, Scale: 4}, scale)
		DECQ(row)
		JNZ(LabelRef(name + "row"))
		after()
		for _, p := range []reg.GPVirtual{dGroup, hatGroup, weight, dWeight, dBias} {
			ADDQ(k.n, p)
		}
		ADDQ(I8(4), inverse)
		DECQ(groups)
		JNZ(LabelRef(name))
		JMP(LabelRef("done"))
	}
	back := func(dy, x, mean, slope, factor reg.VecVirtual) {
		VSUBPS(mean, dy, dy)
		VFNMADD231PS(slope, x, dy)
		VMULPS(factor, dy, dy)
	}
	factor := func(s isa) reg.VecVirtual {
		v := s.vector()
		VBROADCASTSS(Mem{Base: scale}, v)
		return v
	}
	sizes := []int{1, 2}
	if s.lanes == 16 {
		sizes = append(sizes, 4) // there are twice as many registers, too
	}
	k.choose(sizes)
	nothing := func() {}
	loops("any", nothing, func() {
		mean, slope := s.vector(), s.vector()
		zero(mean)
		zero(slope)
		d, hat, o := GP64(), GP64(), GP64()
		LEAQ(Mem{Base: dGroup, Index: at, Scale: 1}, d)
		LEAQ(Mem{Base: hatGroup, Index: at, Scale: 1}, hat)
		in := func(base reg.GPVirtual) Mem { return Mem{Base: base, Index: o, Scale: 1} }
		XORQ(o, o)
		Label("sum")
		dy, x := s.load(in(d)), s.load(in(hat))
		sum := s.load(in(dWeight))
		VFMADD231PS(dy, x, sum)
		VMOVUPS(sum, in(dWeight))
		VMOVUPS(s.add(dy, in(dBias)), in(dBias))
		VMULPS(in(weight), dy, dy)
		VADDPS(dy, mean, mean)
		VFMADD231PS(dy, x, slope)
		VMOVUPS(dy, in(d))
		ADDQ(I8(s.bytes()), o)
		CMPQ(o, k.n)
		JNE(LabelRef("sum"))
		k.mean(mean)
		k.mean(slope)
		f := factor(s)
		XORQ(o, o)
		Label("scale")
		dy = s.load(in(d))
		back(dy, s.load(in(hat)), mean, slope, f)
		VMOVUPS(dy, in(d))
		ADDQ(I8(s.bytes()), o)
		CMPQ(o, k.n)
		JNE(LabelRef("scale"))
	}, nothing)
	for _, v := range sizes {
		name := fmt.Sprintf("of%d", v)
		k, v := k.block(v)
		s := k.isa
		part := func(base reg.GPVirtual, i int) Mem { return Mem{Base: base, Disp: i * s.bytes()} }
		var w, dw, db []reg.VecVirtual
		loops(name, func() {
			for i := range v {
				w, dw, db = append(w, s.load(part(weight, i))), append(dw, s.load(part(dWeight, i))), append(db, s.load(part(dBias, i)))
			}
		}, func() {
			d := func(i int) Mem { return Mem{Base: dGroup, Index: at, Scale: 1, Disp: i * s.bytes()} }
			hat := func(i int) Mem { return Mem{Base: hatGroup, Index: at, Scale: 1, Disp: i * s.bytes()} }
			var dy, x []reg.VecVirtual
			var mean, slope reg.VecVirtual
			for i := range v {
				y, h := s.load(d(i)), s.load(hat(i))
				VFMADD231PS(y, h, dw[i])
				VADDPS(y, db[i], db[i])
				VMULPS(w[i], y, y)
				if i == 0 {
					mean, slope = s.copy(y), s.mul(y, h)
				} else {
					VADDPS(y, mean, mean)
					VFMADD231PS(y, h, slope)
				}
				dy, x = append(dy, y), append(x, h)
			}
			k.mean(mean)
			k.mean(slope)
			f := factor(s)
			for i := range v {
				back(dy[i], x[i], mean, slope, f)
				VMOVUPS(dy[i], d(i))
			}
		}, func() {
			for i := range v {
				VMOVUPS(dw[i], part(dWeight, i))
				VMOVUPS(db[i], part(dBias, i))
			}
		})
	}
	Label("done")
	VZEROUPPER()
	RET()
}
