package ref

import (
	"fmt"
	"math"
)

// Optimizer is an update rule and its state. Its zero moments are those of a
// fresh run.
//
//	adam: m = 0.9·m + 0.1·g   v = 0.999·v + 0.001·g²
//	      w -= lr·m̂/(√v̂ + 1e-8),  m̂ = m/(1-0.9ᵗ),  v̂ = v/(1-0.999ᵗ),  t from 1
//	sgd:  v = μ·v + g   w -= lr·v
//
// g is the gradient after Scale and after clipping, which multiplies all
// tensors by min(1, Clip/norm), norm their global L2 norm after Scale.
type Optimizer struct {
	Rule     string // "adam" or "sgd"
	LR       float64
	Momentum float64 // μ
	Clip     float64 // 0 = off
	Scale    float64 // 0 = 1

	M, V    Params // Adam's moments; SGD has its velocity in V
	Updates int64
}

// Update changes p in place. A gradient that is not finite changes nothing and
// makes finite false.
func (o *Optimizer) Update(p, grads Params) (norm float64, finite bool, err error) {
	if o.Rule != "adam" && o.Rule != "sgd" {
		return 0, false, fmt.Errorf("optimizer %q: want adam or sgd", o.Rule)
	}
	scale := o.Scale
	if scale == 0 {
		scale = 1
	}
	for _, name := range Names(grads) {
		for _, g := range grads[name] {
			if math.IsNaN(g) || math.IsInf(g, 0) {
				return math.NaN(), false, nil
			}
			norm += g * scale * g * scale
		}
	}
	norm = math.Sqrt(norm)
	if o.Clip > 0 && norm > o.Clip {
		scale *= o.Clip / norm
	}
	if o.V == nil {
		o.M, o.V = ZeroLike(p), ZeroLike(p)
	}
	o.Updates++
	t := float64(o.Updates)
	for name, w := range p {
		m, v := o.M[name], o.V[name]
		for i := range w {
			g := grads[name][i] * scale
			if o.Rule == "sgd" {
				v[i] = o.Momentum*v[i] + g
				w[i] -= o.LR * v[i]
				continue
			}
			m[i] = 0.9*m[i] + 0.1*g
			v[i] = 0.999*v[i] + 0.001*g*g
			mHat, vHat := m[i]/(1-math.Pow(0.9, t)), v[i]/(1-math.Pow(0.999, t))
			w[i] -= o.LR * mHat / (math.Sqrt(vHat) + 1e-8)
		}
	}
	return norm, true, nil
}
