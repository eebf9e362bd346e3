package cpu

import "math"

// scalarKernels is the portable set, and the meaning of the others.
func scalarKernels() *kernels {
	return &kernels{
		name:           "scalar",
		width:          1,
		activate:       activateScalar,
		normalise:      normaliseScalar,
		denormalise:    denormaliseScalar,
		peepholes:      peepholesScalar,
		outputPeephole: outputPeepholeScalar,
		additive:       additiveScalar,
		stable:         stableScalar,
		leaky:          leakyScalar,
		hidden:         hiddenScalar,
		mixed:          mixedScalar,
		collect:        collectScalar,
		output:         outputScalar,
		normedBack:     normedBackScalar,
		additiveBack:   func(t *tile) { outputScalar(t); normedBackScalar(t) },
		peepholesBack:  func(t *tile) { outputScalar(t); normedBackScalar(t) },
		stableBack:     func(t *tile) { outputScalar(t); stableBackScalar(t) },
		leakyBack:      leakyBackScalar,
		add:            addScalar,
		axpy:           axpyScalar,
		adam:           adamScalar,
	}
}

func activateScalar(dst, src []float32, rows, stride int, t table) {
	n := len(t.weight)
	w, b, s, o := t.weight, t.shift[:n], t.scale[:n], t.offset[:n]
	for r := range rows {
		x, y := src[r*stride:][:n], dst[r*stride:][:n]
		for j, v := range x {
			y[j] = s[j]*tanh32(w[j]*v+b[j]) + o[j]
		}
	}
}

func normaliseScalar(dst, src []float32, inverse []float32, stride, rows, groups, p, hidden int) {
	for r := range rows {
		for g := range groups {
			at := (r*groups + g) * p
			x, y := src[at:at+hidden], dst[at:][:hidden]
			var sum float32
			for _, v := range x {
				sum += v
			}
			mean := sum / float32(hidden)
			sum = 0
			for _, v := range x {
				sum += (v - mean) * (v - mean)
			}
			inv := 1 / float32(math.Sqrt(float64(sum/float32(hidden)+normEpsilon)))
			for j, v := range x {
				y[j] = (v - mean) * inv
			}
			inverse[r*stride+g] = inv
		}
	}
}

func denormaliseScalar(d, hat, weight, inverse []float32, stride, rows, groups, p, hidden int, dWeight, dBias []float32) {
	for r := range rows {
		for g := range groups {
			at := (r*groups + g) * p
			dy, x := d[at:at+hidden], hat[at:][:hidden]
			w, dw, db := weight[g*p:][:hidden], dWeight[g*p:][:hidden], dBias[g*p:][:hidden]
			var mean, slope float32
			for j, v := range dy {
				dw[j] += v * x[j]
				db[j] += v
				v *= w[j]
				mean += v
				slope += v * x[j]
			}
			mean /= float32(hidden)
			slope /= float32(hidden)
			inv := inverse[r*stride+g]
			for j, v := range dy {
				dy[j] = inv * (v*w[j] - mean - x[j]*slope)
			}
		}
	}
}

// gate returns gate g of row r.
func (t *tile) gate(r, g int) []float32 {
	at := (r*(t.axes+3) + g) * t.p
	return t.gates[at : at+t.p]
}

// outputs returns row r of the layer's outputs, or of their gradients.
func (t *tile) outputs(of []float32, r int) []float32 { return of[int(t.row[r])*t.stride:][:t.hidden] }

// cell returns the cell of the predecessor of row r along axis d.
func (t *tile) cell(r, d int) []float32 {
	at := int(t.pred[d][r]) * t.p
	return t.cells[at : at+t.p]
}

func peepholesScalar(t *tile) {
	for r := range t.n {
		i := t.gate(r, 0)
		for d := range t.axes {
			f, cp, pf := t.gate(r, 2+d), t.cell(r, d), t.peepF[d*t.p:][:t.p]
			for j, v := range cp {
				i[j] += t.peepI[j] * v
				f[j] += pf[j] * v
			}
		}
	}
}

func outputPeepholeScalar(t *tile) {
	for r := range t.n {
		o, c := t.gate(r, 2+t.axes), t.c[r*t.p:][:t.p]
		for j, v := range c {
			o[j] += t.peepO[j] * v
		}
	}
}

func additiveScalar(t *tile) {
	for r := range t.n {
		i, g, c := t.gate(r, 0), t.gate(r, 1), t.c[r*t.p:][:t.p]
		for j, v := range i {
			c[j] = v * g[j]
		}
		for d := range t.axes {
			f, cp := t.gate(r, 2+d), t.cell(r, d)
			for j, v := range f {
				c[j] += v * cp[j]
			}
		}
	}
}

// mix returns m = Σ_d λ_d c_d by stick-breaking, from the last axis to the
// first: m = v_1 c_0 + (1-v_1)·(v_2 c_1 + (1-v_2)·(… c_{D-1})).
func (t *tile) mix(r, j int) float32 {
	last := t.axes - 1
	m := t.cells[int(t.pred[last][r])*t.p+j]
	for d := last - 1; d >= 0; d-- {
		v := t.gates[(r*(t.axes+3)+3+d)*t.p+j]
		m += v * (t.cells[int(t.pred[d][r])*t.p+j] - m)
	}
	return m
}

func stableScalar(t *tile) {
	for r := range t.n {
		i, g, f, c := t.gate(r, 0), t.gate(r, 1), t.gate(r, 2), t.c[r*t.p:][:t.p]
		for j, v := range i {
			c[j] = v*g[j] + f[j]*t.mix(r, j)
		}
	}
}

func leakyScalar(t *tile) {
	for r := range t.n {
		g, f, c := t.gate(r, 1), t.gate(r, 2), t.c[r*t.p:][:t.p]
		for j, v := range g {
			c[j] = (1-f[j])*v + f[j]*t.mix(r, j)
		}
	}
}

func hiddenScalar(t *tile) {
	for r := range t.n {
		o, tc, h := t.gate(r, 2+t.axes), t.tc[r*t.p:][:t.p], t.outputs(t.h, r)
		for j, v := range t.x[r*t.p:][:t.p] {
			tc[j] = tanh32(t.weight[j]*v + t.shift[j])
		}
		for j := range h {
			h[j] = tc[j] * o[j]
		}
	}
}

func mixedScalar(t *tile) {
	for r := range t.n {
		i, o, c := t.gate(r, 0), t.gate(r, 2+t.axes), t.c[r*t.p:][:t.p]
		tc := t.tc[r*t.p:][:t.p]
		for j, v := range c {
			tc[j] = tanh32(o[j]*v + i[j]*t.mix(r, j))
		}
		copy(t.outputs(t.h, r), tc)
	}
}

func collectScalar(t *tile) {
	for r := range t.n {
		dh, dc := t.dh[r*t.p:][:t.p], t.dcs[r*t.p:][:t.p]
		clear(dh[copy(dh, t.outputs(t.grad, r)):])
		clear(dc)
		for d, succ := range t.succ {
			if row := int(succ[r]); row != t.none {
				at := ((row-t.behind)*t.axes + d) * t.p
				addScalar(dh, t.laterH[at:][:t.p])
				addScalar(dc, t.laterC[at:][:t.p])
			}
		}
	}
	for j, v := range t.dh {
		t.dh[j] = clampTo(v, t.clip)
	}
}

func outputScalar(t *tile) {
	for r := range t.n {
		o, tc, dh := t.gate(r, 2+t.axes), t.tc[r*t.p:][:t.p], t.dh[r*t.p:][:t.p]
		for j, v := range tc {
			x := dh[j] * o[j]
			o[j] = x * v * (1 - o[j])
			dh[j] = x * (1 - v*v)
		}
	}
}

// clampTo limits x to ±limit; NaN stays NaN.
func clampTo(x, limit float32) float32 {
	if x > limit {
		return limit
	}
	if x < -limit {
		return -limit
	}
	return x
}

// normedBackScalar also knows peepholes.
func normedBackScalar(t *tile) {
	peep := t.peepO != nil
	for r := range t.n {
		i, g, o := t.gate(r, 0), t.gate(r, 1), t.gate(r, 2+t.axes)
		dh, dcs, c := t.dh[r*t.p:][:t.p], t.dcs[r*t.p:][:t.p], t.c[r*t.p:][:t.p]
		dcp := t.dcp[r*t.axes*t.p:][:t.axes*t.p]
		for j := range i {
			dc := dh[j] + dcs[j]
			if peep {
				dc += o[j] * t.peepO[j]
				t.dPeepO[j] += o[j] * c[j]
			}
			dc = clampTo(dc, t.clip)
			di := dc * g[j] * i[j] * (1 - i[j])
			g[j] = dc * i[j] * (1 - g[j]*g[j])
			i[j] = di
			for d := range t.axes {
				f := &t.gates[(r*(t.axes+3)+2+d)*t.p+j]
				cp := t.cells[int(t.pred[d][r])*t.p+j]
				back := dc * *f
				*f = back * cp * (1 - *f)
				if peep {
					t.dPeepI[j] += di * cp
					t.dPeepF[d*t.p+j] += *f * cp
					back += di*t.peepI[j] + *f*t.peepF[d*t.p+j]
				}
				dcp[d*t.p+j] = back
			}
		}
	}
}

// mixBack is the backward of mix: dm = ∂/∂m becomes the dz of the forget gates
// f_1 … and, along each axis, the gradient of the predecessor's cell.
//
//	m_d = v_{d+1} c_d + (1-v_{d+1}) m_{d+1},  m_{D-1} = c_{D-1},  m = m_0
//	∂m/∂v_{d+1} = ρ_d (c_d - m_{d+1}),  ∂m/∂c_d = ρ_d v_{d+1},  ρ_{d+1} = ρ_d (1-v_{d+1})
func (t *tile) mixBack(r, j int, dm float32) {
	last := t.axes - 1
	var rest [maxAxes]float32 // m_{d+1}
	m := t.cells[int(t.pred[last][r])*t.p+j]
	for d := last - 1; d >= 0; d-- {
		rest[d] = m
		m += t.gates[(r*(t.axes+3)+3+d)*t.p+j] * (t.cells[int(t.pred[d][r])*t.p+j] - m)
	}
	for d := range last {
		v := &t.gates[(r*(t.axes+3)+3+d)*t.p+j]
		back := dm * *v
		t.dcp[(r*t.axes+d)*t.p+j] = back
		dm -= back // ρ_{d+1} = ρ_d (1-v)
		// dz = ρ_d (c_d - m_{d+1}) · v (1-v), of which dm now holds ρ_d (1-v)
		*v *= dm * (t.cells[int(t.pred[d][r])*t.p+j] - rest[d])
	}
	t.dcp[(r*t.axes+last)*t.p+j] = dm
}

func stableBackScalar(t *tile) {
	for r := range t.n {
		i, g, f := t.gate(r, 0), t.gate(r, 1), t.gate(r, 2)
		dh, dcs := t.dh[r*t.p:][:t.p], t.dcs[r*t.p:][:t.p]
		for j := range i {
			dc := clampTo(dh[j]+dcs[j], t.clip)
			m := t.mix(r, j)
			di := dc * g[j] * i[j] * (1 - i[j])
			g[j] = dc * i[j] * (1 - g[j]*g[j])
			i[j] = di
			dm := dc * f[j]
			f[j] = dm * m * (1 - f[j])
			t.mixBack(r, j, dm)
		}
	}
}

func leakyBackScalar(t *tile) {
	for r := range t.n {
		i, g, f, o := t.gate(r, 0), t.gate(r, 1), t.gate(r, 2), t.gate(r, 2+t.axes)
		dh, dcs, c, h := t.dh[r*t.p:][:t.p], t.dcs[r*t.p:][:t.p], t.c[r*t.p:][:t.p], t.tc[r*t.p:][:t.p]
		for j := range i {
			m := t.mix(r, j)
			u := dh[j] * (1 - h[j]*h[j]) // ∂/∂(o·c + i·m)
			dc := clampTo(u*o[j]+dcs[j], t.clip)
			dm := dc*f[j] + u*i[j]
			o[j] = u * c[j] * o[j] * (1 - o[j])
			i[j] = u * m * i[j] * (1 - i[j])
			df := dc * (m - g[j]) * f[j] * (1 - f[j])
			g[j] = dc * (1 - f[j]) * (1 - g[j]*g[j])
			f[j] = df
			t.mixBack(r, j, dm)
		}
	}
}

func addScalar(dst, src []float32) {
	dst = dst[:len(src)]
	for j, v := range src {
		dst[j] += v
	}
}

func axpyScalar(a float32, x, y []float32) {
	y = y[:len(x)]
	for j, v := range x {
		y[j] += a * v
	}
}

func adamScalar(w, g, m, v []float32, s *adamStep) {
	m, v, g = m[:len(w)], v[:len(w)], g[:len(w)]
	for i := range w {
		x := g[i] * s.scale
		m[i] = beta1*m[i] + (1-beta1)*x
		v[i] = beta2*v[i] + (1-beta2)*x*x
		w[i] -= s.rate * (m[i] * s.correct1) / (float32(math.Sqrt(float64(v[i]*s.correct2))) + adamEpsilon)
	}
}
