package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// gatesBack are the kernels of the cells' backward pass.
func (s isa) gatesBack() {
	s.collect()
	s.outputBack()
	s.additiveBack("normedBack", false, false)
	s.additiveBack("additiveBack", true, false)
	s.additiveBack("peepholesBack", true, true)
	s.stableBack()
	s.leakyBack()
}

// limits holds what gradients are clamped to, and a one.
type limits struct{ lo, hi, one reg.VecVirtual }

func (l *limits) once(k *walk) {
	l.hi, l.one = k.broadcast("clip"), k.spread(1)
	l.lo = k.vector()
	zero(l.lo)
	VSUBPS(l.hi, l.lo, l.lo)
}

// notOne is 1-x.
func (l *limits) notOne(k *walk, x reg.VecVirtual) reg.VecVirtual { return k.sub(l.one, x) }

// bend is 1-x².
func (l *limits) bend(k *walk, x reg.VecVirtual) reg.VecVirtual {
	y := k.copy(l.one)
	VFNMADD231PS(x, x, y)
	return y
}

func (s isa) collect() {
	var h outputs
	var l limits
	var offsets Mem // [maxAxes] of the successors' gradients, -1: none
	s.tileKernel("collect", "adds up what arrives at h and c", []string{"dh", "dcs"}, walkParts{
		once: func(k *walk) { offsets = AllocLocal(8 * maxAxes); l.once(k); h.once(k) },
		row: func(k *walk) {
			h.find(k, "grad")
			succ, r, d, at := k.base("succ"), GP64(), GP64(), GP64()
			MOVQ(k.r, r)
			XORQ(d, d)
			Label("find")
			MOVQ(Mem{Base: succ}, at)
			MOVLQSX(Mem{Base: at, Index: r, Scale: 4}, at)
			CMPQ(at, k.mem("none"))
			JNE(LabelRef("some"))
			MOVQ(I32(-1), at)
			JMP(LabelRef("next"))
			Label("some")
			SUBQ(k.mem("behind"), at)
			IMULQ(k.mem("axes"), at)
			ADDQ(d, at)
			IMULQ(k.n, at)
			Label("next")
			MOVQ(at, offsets.Idx(d, 8))
			ADDQ(I8(24), succ)
			INCQ(d)
			CMPQ(d, k.mem("axes"))
			JNE(LabelRef("find"))
		},
		body: func(k *walk) {
			dh, dc := k.vector(), k.vector()
			h.vector(k, func(c columns, m Mem) { c.load(m, dh) })
			zero(dc)
			laterH, laterC := k.base("laterH"), k.base("laterC")
			d, at := GP64(), GP64()
			XORQ(d, d)
			Label("axis")
			MOVQ(offsets.Idx(d, 8), at)
			TESTQ(at, at)
			JLT(LabelRef("skip"))
			ADDQ(k.o, at)
			VADDPS(Mem{Base: laterH, Index: at, Scale: 1}, dh, dh)
			VADDPS(Mem{Base: laterC, Index: at, Scale: 1}, dc, dc)
			Label("skip")
			INCQ(d)
			CMPQ(d, k.mem("axes"))
			JNE(LabelRef("axis"))
			k.clamp(dh, l.lo, l.hi)
			VMOVUPS(dh, k.in("dh"))
			VMOVUPS(dc, k.in("dcs"))
		},
	})
}

func (s isa) outputBack() {
	var l limits
	s.tileKernel("output", "is the backward of hidden", []string{"tc", "dh"}, walkParts{once: l.once, body: func(k *walk) {
		_, dc := k.outputBack(&l)
		VMOVUPS(dc, k.in("dh"))
	}})
}

// outputBack turns o into its gradient, and returns it and ∂/∂(argument of tanh).
func (k *walk) outputBack(l *limits) (do, dc reg.VecVirtual) {
	tc, o := k.load(k.in("tc")), k.load(k.output())
	x := k.mul(k.load(k.in("dh")), o)
	do = k.mul(k.mul(x, tc), l.notOne(k, o))
	VMOVUPS(do, k.output())
	return do, k.mul(x, l.bend(k, tc))
}

// inputsBack turns i and g into their gradients and returns that of i.
func (k *walk) inputsBack(l *limits, dc reg.VecVirtual) reg.VecVirtual {
	i, g := k.load(k.i()), k.load(k.g())
	di := k.mul(dc, i)
	VMOVUPS(k.mul(di, l.bend(k, g)), k.g())
	VMULPS(g, di, di)
	VMULPS(l.notOne(k, i), di, di)
	VMOVUPS(di, k.i())
	return di
}

// additiveBack has output's backward in it, unless a norm's comes between.
func (s isa) additiveBack(name string, output, peepholes bool) {
	var l limits
	arrays := []string{"dh", "dcs"}
	if peepholes { // as many registers as there are, without
		arrays = nil
	}
	s.tileKernel(name, "is the backward of additive", arrays, walkParts{cells: true, dcp: true, once: l.once, body: func(k *walk) {
		var do, dc reg.VecVirtual
		if output {
			do, dc = k.outputBack(&l)
		} else {
			dc = k.load(k.in("dh"))
		}
		VADDPS(k.in("dcs"), dc, dc)
		if peepholes {
			sum := k.column("dPeepO")
			VFMADD231PS(k.column("peepO"), do, dc)
			d := k.load(sum)
			VFMADD231PS(k.in("c"), do, d)
			VMOVUPS(d, sum)
		}
		k.clamp(dc, l.lo, l.hi)
		di := k.inputsBack(&l, dc)
		dcp := GP64()
		MOVQ(k.dcp, dcp)
		var skip reg.GPVirtual // to the column of peepF and dPeepF
		if peepholes {
			skip = GP64()
			MOVQ(k.o, skip)
		}
		k.each(func(a axis) {
			f, c := k.load(a.forget), k.load(a.cell)
			back := k.mul(dc, f)
			df := k.mul(k.mul(back, c), l.notOne(k, f))
			VMOVUPS(df, a.forget)
			if peepholes {
				sum := k.column("dPeepI")
				d := k.load(sum)
				VFMADD231PS(di, c, d)
				VMOVUPS(d, sum)
				sum = Mem{Base: k.base("dPeepF"), Index: skip, Scale: 1}
				d = k.load(sum)
				VFMADD231PS(df, c, d)
				VMOVUPS(d, sum)
				VFMADD231PS(k.column("peepI"), di, back)
				VFMADD231PS(Mem{Base: k.base("peepF"), Index: skip, Scale: 1}, df, back)
				ADDQ(k.n, skip)
			}
			VMOVUPS(back, Mem{Base: dcp})
			ADDQ(k.n, dcp)
		})
	}})
}

func (s isa) stableBack() {
	var l limits
	s.tileKernel("stableBack", "is the backward of stable and hidden", nil, walkParts{
		cells: true, rest: true, dcp: true, once: l.once,
		body: func(k *walk) {
			_, dc := k.outputBack(&l)
			VADDPS(k.in("dcs"), dc, dc)
			k.clamp(dc, l.lo, l.hi)
			k.inputsBack(&l, dc)
			m, f := k.mix(true), k.load(k.f())
			VMULPS(f, dc, dc) // dm
			VMULPS(dc, m, m)
			VMULPS(l.notOne(k, f), m, m)
			VMOVUPS(m, k.f())
			k.mixBack(dc)
		},
	})
}

func (s isa) leakyBack() {
	var l limits
	s.tileKernel("leakyBack", "is the backward of leaky and mixed", nil, walkParts{
		cells: true, rest: true, dcp: true, once: l.once,
		body: func(k *walk) {
			m := k.mix(true)
			u := k.mul(l.bend(k, k.load(k.in("tc"))), k.in("dh"))
			o, dc := k.load(k.output()), k.load(k.in("dcs"))
			VFMADD231PS(u, o, dc)
			k.clamp(dc, l.lo, l.hi)
			do := k.mul(k.mul(k.mul(u, k.in("c")), o), l.notOne(k, o))
			VMOVUPS(do, k.output())
			i, f, g := k.load(k.i()), k.load(k.f()), k.load(k.g())
			dm := k.mul(u, i)
			VFMADD231PS(dc, f, dm)
			VMULPS(m, u, u)
			VMULPS(i, u, u)
			VMULPS(l.notOne(k, i), u, u)
			VMOVUPS(u, k.i())
			VMULPS(l.notOne(k, f), dc, dc)
			VSUBPS(g, m, m)
			VMULPS(f, m, m)
			VMULPS(dc, m, m)
			VMOVUPS(m, k.f())
			VMULPS(l.bend(k, g), dc, dc)
			VMOVUPS(dc, k.g())
			k.mixBack(dm)
		},
	})
}
