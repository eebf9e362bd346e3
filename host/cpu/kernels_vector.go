//go:build goexperiment.simd && amd64

package cpu

import (
	"simd/archsimd"
	"unsafe"
)

// lanes is how many float32 a vector holds. 256 bits: with 512 the compiler
// spills, and it was slower wherever we tried.
const lanes = 8

type (
	vec = archsimd.Float32x8
	ptr = unsafe.Pointer
)

// vectorKernels is the AVX2 and FMA set; nil on processors without them.
// Lengths that tiles bring are multiples of 8 by the engine's padding.
func vectorKernels() *kernels {
	if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
		return nil
	}
	return &kernels{
		name:           "avx2+fma",
		width:          lanes,
		activate:       activateVector,
		normalise:      normaliseVector,
		denormalise:    denormaliseVector,
		peepholes:      peepholesVector,
		outputPeephole: outputPeepholeVector,
		additive:       additiveVector,
		stable:         stableVector,
		leaky:          leakyVector,
		hidden:         hiddenVector,
		mixed:          mixedVector,
		output:         outputVector,
		additiveBack:   additiveBackVector,
		stableBack:     stableBackVector,
		leakyBack:      leakyBackVector,
		add:            addVector,
		clamp:          clampVector,
		dot:            dotVector,
		axpy:           axpyVector,
		adam:           adamVector,
	}
}

// Pointers never move past an array's end, not even unused: the collector
// would take them for another object's. Loops count offsets instead.

func base(s []float32) ptr { return ptr(unsafe.SliceData(s)) }
func load(p ptr, off uintptr) vec {
	return archsimd.LoadFloat32x8((*[lanes]float32)(unsafe.Add(p, off)))
}
func store(v vec, p ptr, off uintptr) { v.Store((*[lanes]float32)(unsafe.Add(p, off))) }
func spread(x float32) vec            { return archsimd.BroadcastFloat32x8(x) }
func limitTo(x vec, hi, lo vec) vec   { x = hi.Merge(x, x.Greater(hi)); return lo.Merge(x, x.Less(lo)) } // NaN stays: Min and Max would swallow it

// total puts the sum of all lanes into every lane.
func total(x vec) vec {
	x = x.Add(x.Select128FromPair(1, 0, x))
	x = x.AddPairsGrouped(x)
	return x.AddPairsGrouped(x)
}

func first(x vec) float32 { return x.GetLo().GetElem(0) }

// tanhVector is tanh32 on eight values.
func tanhVector(x vec) vec {
	x = limitTo(x, spread(tanhLimit), spread(-tanhLimit))
	u := x.Mul(x)
	one := spread(1)
	p := u.MulAdd(spread(tanhP4), spread(tanhP3)).MulAdd(u, spread(tanhP2)).MulAdd(u, spread(tanhP1)).MulAdd(u, one)
	q := u.MulAdd(spread(tanhQ4), spread(tanhQ3)).MulAdd(u, spread(tanhQ2)).MulAdd(u, spread(tanhQ1)).MulAdd(u, one)
	return x.Mul(p).Div(q)
}

func activateVector(dst, src []float32, rows, stride int, t table) {
	if rows == 0 {
		return
	}
	hi, lo, one := spread(tanhLimit), spread(-tanhLimit), spread(1)
	p4, p3, p2, p1 := spread(tanhP4), spread(tanhP3), spread(tanhP2), spread(tanhP1)
	q4, q3, q2, q1 := spread(tanhQ4), spread(tanhQ3), spread(tanhQ2), spread(tanhQ1)
	in, out := base(src), base(dst)
	weight, shift, scale, offset := base(t.weight), base(t.shift), base(t.scale), base(t.offset)
	n, step := uintptr(len(t.weight))*4, uintptr(stride)*4
	for r := range uintptr(rows) {
		for o := uintptr(0); o < n; o += 4 * lanes {
			at := r*step + o
			x := limitTo(load(in, at).MulAdd(load(weight, o), load(shift, o)), hi, lo)
			u := x.Mul(x)
			p := u.MulAdd(p4, p3).MulAdd(u, p2).MulAdd(u, p1).MulAdd(u, one)
			q := u.MulAdd(q4, q3).MulAdd(u, q2).MulAdd(u, q1).MulAdd(u, one)
			store(x.Mul(p).Div(q).MulAdd(load(scale, o), load(offset, o)), out, at)
		}
	}
}

// partial has ones in the lanes that exist of a group's last vector.
func partial(p, hidden int) vec {
	var m [lanes]float32
	for i := range m {
		if p-lanes+i < hidden {
			m[i] = 1
		}
	}
	return archsimd.LoadFloat32x8(&m)
}

func normaliseVector(dst, src []float32, inverse []float32, stride, rows, groups, p, hidden int) {
	in, out := base(src), base(dst)
	mask, inv, one, eps := partial(p, hidden), spread(1/float32(hidden)), spread(1), spread(normEpsilon)
	n := uintptr(p) * 4
	last := n - 4*lanes
	at := uintptr(0) // of the group
	for r := range rows {
		inverse := inverse[r*stride:][:groups]
		for g := range inverse {
			if last == 4*lanes { // 16 units: everything stays in registers
				a, b := load(in, at), load(in, at+last)
				mean := total(a.Add(b)).Mul(inv)
				a, b = a.Sub(mean), b.Sub(mean).Mul(mask)
				s := one.Div(total(a.MulAdd(a, b.Mul(b))).MulAdd(inv, eps).Sqrt())
				store(a.Mul(s), out, at)
				store(b.Mul(s), out, at+last)
				inverse[g] = first(s)
				at += n
				continue
			}
			var sum vec
			for o := uintptr(0); o < n; o += 4 * lanes {
				sum = sum.Add(load(in, at+o))
			}
			mean := total(sum).Mul(inv)
			sum = vec{}
			for o := uintptr(0); o < n; o += 4 * lanes {
				d := load(in, at+o).Sub(mean)
				if o == last {
					d = d.Mul(mask)
				}
				sum = d.MulAdd(d, sum)
				store(d, out, at+o)
			}
			s := one.Div(total(sum).MulAdd(inv, eps).Sqrt())
			for o := uintptr(0); o < n; o += 4 * lanes {
				store(load(out, at+o).Mul(s), out, at+o)
			}
			inverse[g] = first(s)
			at += n
		}
	}
}

func denormaliseVector(d, hat, weight, inverse []float32, stride, rows, groups, p, hidden int, dWeight, dBias []float32) {
	dy, x := base(d), base(hat)
	w, dw, db := base(weight), base(dWeight), base(dBias)
	inv := spread(1 / float32(hidden))
	n := uintptr(p) * 4
	at := uintptr(0) // of the group; its column begins at gate
	for r := range rows {
		gate := uintptr(0)
		for _, s := range inverse[r*stride:][:groups] {
			var mean, slope vec
			for o := uintptr(0); o < n; o += 4 * lanes {
				v, h := load(dy, at+o), load(x, at+o)
				store(v.MulAdd(h, load(dw, gate+o)), dw, gate+o)
				store(v.Add(load(db, gate+o)), db, gate+o)
				v = v.Mul(load(w, gate+o))
				store(v, dy, at+o)
				mean = mean.Add(v)
				slope = v.MulAdd(h, slope)
			}
			mean, slope = total(mean).Mul(inv), total(slope).Mul(inv)
			scale := spread(s)
			for o := uintptr(0); o < n; o += 4 * lanes {
				v := load(dy, at+o).Sub(mean).Sub(load(x, at+o).Mul(slope))
				store(v.Mul(scale), dy, at+o)
			}
			at += n
			gate += n
		}
	}
}

// cursor points at one row of a tile: its gates and its predecessors' cells.
type cursor struct {
	gates ptr
	cells [maxAxes]ptr
}

func (t *tile) at(r int) (c cursor) {
	c.gates = base(t.gates[r*(t.axes+3)*t.p:])
	for d, pred := range t.pred {
		c.cells[d] = base(t.cells[int(pred[r])*t.p:])
	}
	return c
}

// bytes is the length of one gate, row the offset of row r of an [n, P] array.
func (t *tile) bytes() uintptr { return uintptr(t.p) * 4 }

func peepholesVector(t *tile) {
	n := t.bytes()
	pi, pf := base(t.peepI), base(t.peepF)
	for r := range t.n {
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			i := load(c.gates, o)
			for d := range uintptr(t.axes) {
				v, f := load(c.cells[d], o), o+(2+d)*n
				i = v.MulAdd(load(pi, o), i)
				store(v.MulAdd(load(pf, o+d*n), load(c.gates, f)), c.gates, f)
			}
			store(i, c.gates, o)
		}
	}
}

func outputPeepholeVector(t *tile) {
	n := t.bytes()
	cell, po := base(t.c), base(t.peepO)
	for r := range t.n {
		row := uintptr(r) * n
		gate := base(t.gate(r, 2+t.axes))
		for o := uintptr(0); o < n; o += 4 * lanes {
			store(load(cell, row+o).MulAdd(load(po, o), load(gate, o)), gate, o)
		}
	}
}

func additiveVector(t *tile) {
	n, axes := t.bytes(), uintptr(t.axes)
	cell := base(t.c)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			x := load(c.gates, o).Mul(load(c.gates, o+n))
			for d := range axes {
				x = load(c.gates, o+(2+d)*n).MulAdd(load(c.cells[d], o), x)
			}
			store(x, cell, row+o)
		}
	}
}

// mix is tile.mix on eight columns at offset o.
func (c *cursor) mix(axes int, n, o uintptr) vec {
	m := load(c.cells[axes-1], o)
	for d := axes - 2; d >= 0; d-- {
		m = load(c.gates, o+uintptr(3+d)*n).MulAdd(load(c.cells[d], o).Sub(m), m)
	}
	return m
}

func stableVector(t *tile) {
	n := t.bytes()
	cell := base(t.c)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			x := load(c.gates, o).Mul(load(c.gates, o+n))
			store(load(c.gates, o+2*n).MulAdd(c.mix(t.axes, n, o), x), cell, row+o)
		}
	}
}

func leakyVector(t *tile) {
	n := t.bytes()
	cell := base(t.c)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			g, f := load(c.gates, o+n), load(c.gates, o+2*n)
			store(f.MulAdd(c.mix(t.axes, n, o).Sub(g), g), cell, row+o)
		}
	}
}

func hiddenVector(t *tile) {
	n := t.bytes()
	tc, h := base(t.tc), base(t.h)
	for r := range t.n {
		row := uintptr(r) * n
		gate := base(t.gate(r, 2+t.axes))
		for o := uintptr(0); o < n; o += 4 * lanes {
			store(load(tc, row+o).Mul(load(gate, o)), h, row+o)
		}
	}
}

func mixedVector(t *tile) {
	n := t.bytes()
	cell, tc, h := base(t.c), base(t.tc), base(t.h)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		out := unsafe.Add(c.gates, uintptr(2+t.axes)*n)
		for o := uintptr(0); o < n; o += 4 * lanes {
			y := tanhVector(load(out, o).MulAdd(load(cell, row+o), load(c.gates, o).Mul(c.mix(t.axes, n, o))))
			store(y, tc, row+o)
			store(y, h, row+o)
		}
	}
}

func outputVector(t *tile) {
	n, one := t.bytes(), spread(1)
	tc, dh := base(t.tc), base(t.dh)
	for r := range t.n {
		row := uintptr(r) * n
		gate := base(t.gate(r, 2+t.axes))
		for o := uintptr(0); o < n; o += 4 * lanes {
			v, g := load(tc, row+o), load(gate, o)
			x := load(dh, row+o).Mul(g)
			store(x.Mul(v).Mul(one.Sub(g)), gate, o)
			store(x.Mul(one.Sub(v.Mul(v))), dh, row+o)
		}
	}
}

func additiveBackVector(t *tile) {
	n, axes, one := t.bytes(), uintptr(t.axes), spread(1)
	hi, lo := spread(t.clip), spread(-t.clip)
	dh, dcs, dcp, cell := base(t.dh), base(t.dcs), base(t.dcp), base(t.c)
	peep := t.peepO != nil
	pi, po, pf := base(t.peepI), base(t.peepO), base(t.peepF)
	dpi, dpo, dpf := base(t.dPeepI), base(t.dPeepO), base(t.dPeepF)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			dc := load(dh, row+o).Add(load(dcs, row+o))
			if peep {
				out := load(c.gates, o+(2+axes)*n)
				dc = out.MulAdd(load(po, o), dc)
				store(out.MulAdd(load(cell, row+o), load(dpo, o)), dpo, o)
			}
			dc = limitTo(dc, hi, lo)
			i, g := load(c.gates, o), load(c.gates, o+n)
			di := dc.Mul(i)
			store(di.Mul(one.Sub(g.Mul(g))), c.gates, o+n)
			di = di.Mul(g).Mul(one.Sub(i))
			store(di, c.gates, o)
			for d := range axes {
				at := o + (2+d)*n
				f, cp := load(c.gates, at), load(c.cells[d], o)
				back := dc.Mul(f)
				df := back.Mul(cp).Mul(one.Sub(f))
				store(df, c.gates, at)
				if peep {
					store(di.MulAdd(cp, load(dpi, o)), dpi, o)
					store(df.MulAdd(cp, load(dpf, o+d*n)), dpf, o+d*n)
					back = di.MulAdd(load(pi, o), back)
					back = df.MulAdd(load(pf, o+d*n), back)
				}
				store(back, dcp, row*axes+o+d*n)
			}
		}
	}
}

// mixBack is tile.mixBack on eight columns at offset o.
func (c *cursor) mixBack(dcp ptr, axes int, n, o uintptr, dm vec) {
	one := spread(1)
	last := axes - 1
	if last == 1 { // two axes: nothing to remember
		v, c0, c1 := load(c.gates, o+3*n), load(c.cells[0], o), load(c.cells[1], o)
		back := dm.Mul(v)
		store(back, dcp, o)
		store(back.Mul(one.Sub(v)).Mul(c0.Sub(c1)), c.gates, o+3*n)
		store(dm.Sub(back), dcp, o+n)
		return
	}
	var rest [maxAxes]vec
	m := load(c.cells[last], o)
	for d := last - 1; d >= 0; d-- {
		rest[d] = m
		m = load(c.gates, o+uintptr(3+d)*n).MulAdd(load(c.cells[d], o).Sub(m), m)
	}
	for d := range last {
		at := o + uintptr(3+d)*n
		v := load(c.gates, at)
		back := dm.Mul(v)
		store(back, dcp, o+uintptr(d)*n)
		dm = dm.Sub(back)
		store(v.Mul(dm).Mul(load(c.cells[d], o).Sub(rest[d])), c.gates, at)
	}
	store(dm, dcp, o+uintptr(last)*n)
}

func stableBackVector(t *tile) {
	n, one := t.bytes(), spread(1)
	hi, lo := spread(t.clip), spread(-t.clip)
	dh, dcs, dcp := base(t.dh), base(t.dcs), base(t.dcp)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		for o := uintptr(0); o < n; o += 4 * lanes {
			dc := limitTo(load(dh, row+o).Add(load(dcs, row+o)), hi, lo)
			i, g, f := load(c.gates, o), load(c.gates, o+n), load(c.gates, o+2*n)
			di := dc.Mul(i)
			store(di.Mul(one.Sub(g.Mul(g))), c.gates, o+n)
			store(di.Mul(g).Mul(one.Sub(i)), c.gates, o)
			dm := dc.Mul(f)
			store(dm.Mul(c.mix(t.axes, n, o)).Mul(one.Sub(f)), c.gates, o+2*n)
			c.mixBack(unsafe.Add(dcp, row*uintptr(t.axes)), t.axes, n, o, dm)
		}
	}
}

func leakyBackVector(t *tile) {
	n, one := t.bytes(), spread(1)
	hi, lo := spread(t.clip), spread(-t.clip)
	dh, dcs, dcp, cell, tc := base(t.dh), base(t.dcs), base(t.dcp), base(t.c), base(t.tc)
	for r := range t.n {
		row := uintptr(r) * n
		c := t.at(r)
		out := unsafe.Add(c.gates, uintptr(2+t.axes)*n)
		for o := uintptr(0); o < n; o += 4 * lanes {
			m, h := c.mix(t.axes, n, o), load(tc, row+o)
			u := load(dh, row+o).Mul(one.Sub(h.Mul(h)))
			i, g, f, og := load(c.gates, o), load(c.gates, o+n), load(c.gates, o+2*n), load(out, o)
			dc := limitTo(u.MulAdd(og, load(dcs, row+o)), hi, lo)
			dm := dc.Mul(f).Add(u.Mul(i))
			store(u.Mul(load(cell, row+o)).Mul(og).Mul(one.Sub(og)), out, o)
			store(u.Mul(m).Mul(i).Mul(one.Sub(i)), c.gates, o)
			keep := dc.Mul(one.Sub(f))
			store(keep.Mul(f).Mul(m.Sub(g)), c.gates, o+2*n)
			store(keep.Mul(one.Sub(g.Mul(g))), c.gates, o+n)
			c.mixBack(unsafe.Add(dcp, row*uintptr(t.axes)), t.axes, n, o, dm)
		}
	}
}

// whole is how many bytes of a slice full vectors cover, and where its rest
// begins.
func whole(n int) (bytes uintptr, rest int) {
	rest = n / lanes * lanes
	return uintptr(rest) * 4, rest
}

func addVector(dst, src []float32) {
	d, s := base(dst), base(src)
	n, rest := whole(len(src))
	for o := uintptr(0); o < n; o += 4 * lanes {
		store(load(d, o).Add(load(s, o)), d, o)
	}
	addScalar(dst[rest:], src[rest:])
}

func clampVector(x []float32, limit float32) {
	hi, lo, p := spread(limit), spread(-limit), base(x)
	n, rest := whole(len(x))
	for o := uintptr(0); o < n; o += 4 * lanes {
		store(limitTo(load(p, o), hi, lo), p, o)
	}
	clampScalar(x[rest:], limit)
}

func dotVector(x, y []float32) float32 {
	a, b := base(x), base(y)
	n, rest := whole(len(x))
	var sum vec
	for o := uintptr(0); o < n; o += 4 * lanes {
		sum = load(a, o).MulAdd(load(b, o), sum)
	}
	return first(total(sum)) + dotScalar(x[rest:], y[rest:])
}

func axpyVector(a float32, x, y []float32) {
	s, p, q := spread(a), base(x), base(y)
	n, rest := whole(len(x))
	for o := uintptr(0); o < n; o += 4 * lanes {
		store(s.MulAdd(load(p, o), load(q, o)), q, o)
	}
	axpyScalar(a, x[rest:], y[rest:])
}

func adamVector(w, g, m, v []float32, s *adamStep) {
	pw, pg, pm, pv := base(w), base(g), base(m), base(v)
	scale, rate, eps := spread(s.scale), spread(s.rate), spread(adamEpsilon)
	c1, c2, b1, b2, a1, a2 := spread(s.correct1), spread(s.correct2), spread(beta1), spread(beta2), spread(1-beta1), spread(1-beta2)
	n, rest := whole(len(w))
	for o := uintptr(0); o < n; o += 4 * lanes {
		x := load(pg, o).Mul(scale)
		first := b1.MulAdd(load(pm, o), a1.Mul(x))
		second := b2.MulAdd(load(pv, o), a2.Mul(x).Mul(x))
		store(first, pm, o)
		store(second, pv, o)
		step := rate.Mul(first.Mul(c1)).Div(second.Mul(c2).Sqrt().Add(eps))
		store(load(pw, o).Sub(step), pw, o)
	}
	adamScalar(w[rest:], g[rest:], m[rest:], v[rest:], s)
}
