package ref

import "math"

// normEps stands inside the root of every layer norm.
const normEps = 1e-5

// norm is a layer norm's x̂ = (x - mean)/√(var + eps), var biased, and
// 1/√(var + eps), kept for its backward pass.
type norm struct {
	hat  []float64
	rstd float64
}

func newNorm(x []float64) norm {
	n := float64(len(x))
	mean, variance := 0.0, 0.0
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / n
	}
	out := norm{hat: make([]float64, len(x)), rstd: 1 / math.Sqrt(variance+normEps)}
	for k, v := range x {
		out.hat[k] = (v - mean) * out.rstd
	}
	return out
}

// backward of y = x̂·w + b:  dw += dy·x̂,  db += dy,  and with dx̂ = dy·w
//
//	dx = rstd·(dx̂ - mean(dx̂) - x̂·mean(dx̂·x̂))
//
// which it adds to dx.
func (n norm) backward(dy, w, dw, db, dx []float64) {
	size := float64(len(dy))
	mean, along := 0.0, 0.0
	for k := range dy {
		dw[k] += dy[k] * n.hat[k]
		db[k] += dy[k]
		mean += dy[k] * w[k] / size
		along += dy[k] * w[k] * n.hat[k] / size
	}
	for k := range dy {
		dx[k] += n.rstd * (dy[k]*w[k] - mean - n.hat[k]*along)
	}
}

// layerNormCell is the seed's cell, with n_q = LN(z_q)·w_q + b_q:
//
//	i = σ(n_i)   g = tanh(n_g)   f_d = σ(n_{f_d} + b)   o = σ(n_o)
//	c = i·g + Σ_d f_d·c_d        h = o·tanh(LN(c)·w_c + b_c)
type layerNormCell struct{}

func (layerNormCell) forward(s *scan, c *state) {
	h, gates := s.hidden, s.axes+3
	for q := range gates {
		n := newNorm(gate(c.z, q, h))
		c.gateLN = append(c.gateLN, n)
		w, b, act := gate(s.w.lnGateW, q, h), gate(s.w.lnGateB, q, h), gate(c.act, q, h)
		for k := range h {
			y := n.hat[k]*w[k] + b[k]
			switch {
			case q == gateG:
				act[k] = math.Tanh(y)
			case q >= gateF && q < gateF+s.axes:
				act[k] = sigmoid(y + s.forgetBias)
			default:
				act[k] = sigmoid(y)
			}
		}
	}
	for k := range h {
		c.c[k] = gate(c.act, gateI, h)[k] * gate(c.act, gateG, h)[k]
		for d := range c.pred {
			c.c[k] += gate(c.act, gateF+d, h)[k] * c.predC(d, k)
		}
	}
	c.cellLN = newNorm(c.c)
	for k := range h {
		c.tc[k] = math.Tanh(c.cellLN.hat[k]*s.w.lnCellW[k] + s.w.lnCellB[k])
		c.h[k] = gate(c.act, gateF+s.axes, h)[k] * c.tc[k]
	}
}

func (layerNormCell) backward(s *scan, c *state) {
	h, gates := s.hidden, s.axes+3
	dn := make([]float64, gates*h) // errors at n_q, behind the gates' activations
	dnc := make([]float64, h)      // error at LN(c)·w_c + b_c
	for k := range h {
		o := gate(c.act, gateF+s.axes, h)[k]
		// h = o·tanh(n_c):  dn_o = dh·tanh(n_c)·o(1-o),  dn_c = dh·o·(1 - tanh²(n_c))
		gate(dn, gateF+s.axes, h)[k] = c.dh[k] * c.tc[k] * o * (1 - o)
		dnc[k] = c.dh[k] * o * (1 - c.tc[k]*c.tc[k])
	}
	c.cellLN.backward(dnc, s.w.lnCellW, s.dw.lnCellW, s.dw.lnCellB, c.dc) // dc += …
	clamp(c.dc, s.clip)
	for k := range h {
		dc, i, g := c.dc[k], gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k]
		// c = i·g + …:  dn_i = dc·g·i(1-i),  dn_g = dc·i·(1-g²)
		gate(dn, gateI, h)[k] = dc * g * i * (1 - i)
		gate(dn, gateG, h)[k] = dc * i * (1 - g*g)
		for d := range c.pred {
			f := gate(c.act, gateF+d, h)[k]
			// c = … + f_d·c_d:  dn_{f_d} = dc·c_d·f_d(1-f_d),  dc_d += dc·f_d
			gate(dn, gateF+d, h)[k] = dc * c.predC(d, k) * f * (1 - f)
			c.sendC(d, k, dc*f)
		}
	}
	for q := range gates {
		c.gateLN[q].backward(gate(dn, q, h), gate(s.w.lnGateW, q, h),
			gate(s.dw.lnGateW, q, h), gate(s.dw.lnGateB, q, h), gate(c.dz, q, h))
	}
}
