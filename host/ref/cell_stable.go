package ref

import "math"

// mix fills in λ and m = Σ_d λ_d c_d: with s_d = σ(z_{f_d}) for d ≥ 1,
//
//	λ_0 = s_1,  λ_1 = (1-s_1)·s_2,  …,  λ_{D-1} = (1-s_1)·…·(1-s_{D-1})
func mix(s *scan, c *state) {
	h := s.hidden
	c.m, c.lambda = make([]float64, h), make([]float64, s.axes*h)
	for k := range h {
		rest := 1.0 // of the stick
		for d := range s.axes {
			share := rest
			if d+1 < s.axes {
				cut := sigmoid(gate(c.z, gateF+d+1, h)[k])
				gate(c.act, gateF+d+1, h)[k] = cut
				share = rest * cut
				rest *= 1 - cut
			}
			c.lambda[d*h+k] = share
			c.m[k] += share * c.predC(d, k)
		}
	}
}

// mixBackward takes the error dm at unit k of the mix:
//
//	c_d:      dc_d += dm·λ_d
//	s_{d+1}:  λ_d = rest_d·s_{d+1} and all later ones have the factor (1-s_{d+1}), so with
//	          later_d = the mix of what is left behind cut d, weights summing to one,
//	          ∂m/∂s_{d+1} = rest_d·(c_d - later_d)
func mixBackward(s *scan, c *state, k int, dm float64) {
	h := s.hidden
	for d := range s.axes {
		c.sendC(d, k, dm*c.lambda[d*h+k])
	}
	later := c.predC(s.axes-1, k)
	for d := s.axes - 2; d >= 0; d-- {
		cut := gate(c.act, gateF+d+1, h)[k]
		rest := 1.0
		for e := range d {
			rest *= 1 - gate(c.act, gateF+e+1, h)[k]
		}
		gate(c.dz, gateF+d+1, h)[k] = dm * rest * (c.predC(d, k) - later) * cut * (1 - cut)
		later = cut*c.predC(d, k) + (1-cut)*later
	}
}

// stableCell is Leifert et al. 2016, Stable:
//
//	i = σ(z_i)   g = tanh(z_g)   f = σ(z_{f_0} + b)   o = σ(z_o)
//	c = i·g + f·m        h = o·tanh(c)
type stableCell struct{}

func (stableCell) forward(s *scan, c *state) {
	h := s.hidden
	mix(s, c)
	for k := range h {
		i, g := sigmoid(c.z[k]), math.Tanh(gate(c.z, gateG, h)[k])
		f, o := sigmoid(gate(c.z, gateF, h)[k]+s.forgetBias), sigmoid(gate(c.z, gateF+s.axes, h)[k])
		gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k] = i, g
		gate(c.act, gateF, h)[k], gate(c.act, gateF+s.axes, h)[k] = f, o
		c.c[k] = i*g + f*c.m[k]
		c.tc[k] = math.Tanh(c.c[k])
		c.h[k] = o * c.tc[k]
	}
}

func (stableCell) backward(s *scan, c *state) {
	h := s.hidden
	for k := range h {
		o := gate(c.act, gateF+s.axes, h)[k]
		// h = o·tanh(c):  dz_o = dh·tanh(c)·o(1-o),  dc += dh·o·(1 - tanh²(c))
		gate(c.dz, gateF+s.axes, h)[k] = c.dh[k] * c.tc[k] * o * (1 - o)
		c.dc[k] += c.dh[k] * o * (1 - c.tc[k]*c.tc[k])
	}
	clamp(c.dc, s.clip)
	for k := range h {
		dc, i, g, f := c.dc[k], gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k], gate(c.act, gateF, h)[k]
		// c = i·g + f·m:  dz_i = dc·g·i(1-i),  dz_g = dc·i·(1-g²),  dz_f = dc·m·f(1-f),  dm = dc·f
		gate(c.dz, gateI, h)[k] = dc * g * i * (1 - i)
		gate(c.dz, gateG, h)[k] = dc * i * (1 - g*g)
		gate(c.dz, gateF, h)[k] = dc * c.m[k] * f * (1 - f)
		mixBackward(s, c, k, dc*f)
	}
}

// leakyCell is Leifert et al. 2016, LeakyLP; the slot of the input gate holds
// the second output gate:
//
//	p = σ(z_i)   g = tanh(z_g)   f = σ(z_{f_0} + b)   o = σ(z_o)
//	c = (1-f)·g + f·m        h = tanh(o·c + p·m)
type leakyCell struct{}

func (leakyCell) forward(s *scan, c *state) {
	h := s.hidden
	mix(s, c)
	for k := range h {
		p, g := sigmoid(c.z[k]), math.Tanh(gate(c.z, gateG, h)[k])
		f, o := sigmoid(gate(c.z, gateF, h)[k]+s.forgetBias), sigmoid(gate(c.z, gateF+s.axes, h)[k])
		gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k] = p, g
		gate(c.act, gateF, h)[k], gate(c.act, gateF+s.axes, h)[k] = f, o
		c.c[k] = (1-f)*g + f*c.m[k]
		c.h[k] = math.Tanh(o*c.c[k] + p*c.m[k])
	}
}

func (leakyCell) backward(s *scan, c *state) {
	h := s.hidden
	du := make([]float64, h)
	for k := range h {
		p, o := gate(c.act, gateI, h)[k], gate(c.act, gateF+s.axes, h)[k]
		// h = tanh(u), u = o·c + p·m:  du = dh·(1-h²)
		du[k] = c.dh[k] * (1 - c.h[k]*c.h[k])
		// dz_o = du·c·o(1-o),  dz_p = du·m·p(1-p),  dc += du·o
		gate(c.dz, gateF+s.axes, h)[k] = du[k] * c.c[k] * o * (1 - o)
		gate(c.dz, gateI, h)[k] = du[k] * c.m[k] * p * (1 - p)
		c.dc[k] += du[k] * o
	}
	clamp(c.dc, s.clip)
	for k := range h {
		dc, p, g, f := c.dc[k], gate(c.act, gateI, h)[k], gate(c.act, gateG, h)[k], gate(c.act, gateF, h)[k]
		// c = (1-f)·g + f·m:  dz_g = dc·(1-f)(1-g²),  dz_f = dc·(m-g)·f(1-f),  dm = dc·f + du·p
		gate(c.dz, gateG, h)[k] = dc * (1 - f) * (1 - g*g)
		gate(c.dz, gateF, h)[k] = dc * (c.m[k] - g) * f * (1 - f)
		mixBackward(s, c, k, dc*f+du[k]*p)
	}
}
