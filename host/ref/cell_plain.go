package ref

import "math"

// Gates in their order; gate f_d is gateF + d, and gate o follows the last.
const (
	gateI = 0
	gateG = 1
	gateF = 2
)

// plainCell is Graves, Fernández, Schmidhuber 2007, without peepholes (plain) or
// with them (graves):
//
//	i = σ(z_i + P_i·Σ_d c_d)     g = tanh(z_g)     f_d = σ(z_{f_d} + P_f[d]·c_d + b)
//	c = i·g + Σ_d f_d·c_d        o = σ(z_o + P_o·c)        h = o·tanh(c)
type plainCell struct{ peepholes bool }

func (p plainCell) forward(s *scan, c *state) {
	h := s.hidden
	for k := range h {
		zi, zo := c.z[k], gate(c.z, gateF+s.axes, h)[k]
		if p.peepholes {
			for d := range c.pred {
				zi += s.w.peepI[k] * c.predC(d, k)
			}
		}
		i, g := sigmoid(zi), math.Tanh(gate(c.z, gateG, h)[k])
		gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k] = i, g
		cell := i * g
		for d := range c.pred {
			zf := gate(c.z, gateF+d, h)[k] + s.forgetBias
			if p.peepholes {
				zf += s.w.peepF[d*h+k] * c.predC(d, k)
			}
			f := sigmoid(zf)
			gate(c.act, gateF+d, h)[k] = f
			cell += f * c.predC(d, k)
		}
		if p.peepholes {
			zo += s.w.peepO[k] * cell
		}
		o := sigmoid(zo)
		gate(c.act, gateF+s.axes, h)[k] = o
		c.c[k], c.tc[k] = cell, math.Tanh(cell)
		c.h[k] = o * c.tc[k]
	}
}

func (p plainCell) backward(s *scan, c *state) {
	h := s.hidden
	dzo, o := gate(c.dz, gateF+s.axes, h), gate(c.act, gateF+s.axes, h)
	for k := range h {
		// h = o·tanh(c):  dz_o = dh·tanh(c)·o(1-o)
		dzo[k] = c.dh[k] * c.tc[k] * o[k] * (1 - o[k])
		// dc += dh·o·(1 - tanh²(c))
		c.dc[k] += c.dh[k] * o[k] * (1 - c.tc[k]*c.tc[k])
		if p.peepholes {
			c.dc[k] += dzo[k] * s.w.peepO[k] // o sees P_o·c
			s.dw.peepO[k] += dzo[k] * c.c[k]
		}
	}
	clamp(c.dc, s.clip)
	for k := range h {
		dc, i, g := c.dc[k], gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k]
		// c = i·g + …:  dz_i = dc·g·i(1-i),  dz_g = dc·i·(1-g²)
		dzi := dc * g * i * (1 - i)
		gate(c.dz, gateI, h)[k] = dzi
		gate(c.dz, gateG, h)[k] = dc * i * (1 - g*g)
		for d := range c.pred {
			f := gate(c.act, gateF+d, h)[k]
			// c = … + f_d·c_d:  dz_{f_d} = dc·c_d·f_d(1-f_d),  dc_d += dc·f_d
			dzf := dc * c.predC(d, k) * f * (1 - f)
			gate(c.dz, gateF+d, h)[k] = dzf
			c.sendC(d, k, dc*f)
			if p.peepholes {
				// i sees P_i·c_d, f_d sees P_f[d]·c_d
				c.sendC(d, k, dzi*s.w.peepI[k]+dzf*s.w.peepF[d*h+k])
				s.dw.peepI[k] += dzi * c.predC(d, k)
				s.dw.peepF[d*h+k] += dzf * c.predC(d, k)
			}
		}
	}
}
