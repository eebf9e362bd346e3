package cpu

import (
	"context"
	"fmt"
	"math"

	"mdlstm-gpu/host/engine"
)

// Adam's constants (Kingma and Ba 2015).
const (
	beta1       = 0.9
	beta2       = 0.999
	adamEpsilon = 1e-8
)

// updateValues is how many parameters one task updates.
const updateValues = 1 << 14

// adamStep is what one update is the same for all parameters.
type adamStep struct {
	optimizer          engine.Optimizer
	rate, momentum     float32
	scale              float32 // of the gradients: Scale times clipping
	correct1, correct2 float32 // 1/(1-β^t)
}

// Update applies the arena's gradients. The norm is summed in float64 in ranges
// of fixed length.
func (e *Engine) Update(u engine.Update) (engine.UpdateResult, error) {
	if u.Optimizer != engine.Adam && u.Optimizer != engine.SGD {
		return engine.UpdateResult{}, fmt.Errorf("optimizer %q: want %q or %q", u.Optimizer, engine.Adam, engine.SGD)
	}
	if u.Scale == 0 {
		u.Scale = 1
	}
	e.pool.run(len(e.norms), e.normJob)
	var squares float64
	for _, s := range e.norms {
		squares += s
	}
	result := engine.UpdateResult{Norm: math.Sqrt(squares) * math.Abs(u.Scale)}
	result.Finite = !math.IsNaN(result.Norm) && !math.IsInf(result.Norm, 0)
	if !result.Finite {
		return result, nil
	}
	scale := u.Scale
	if u.Clip > 0 && result.Norm > u.Clip {
		scale *= u.Clip / result.Norm
	}
	e.updates++
	t := float64(e.updates)
	e.adam = adamStep{
		optimizer: u.Optimizer, rate: float32(u.LR), momentum: float32(u.Momentum), scale: float32(scale),
		correct1: float32(1 / (1 - math.Pow(beta1, t))), correct2: float32(1 / (1 - math.Pow(beta2, t))),
	}
	e.pool.run(len(e.norms), e.updateJob)
	e.version++
	return result, nil
}

// normRange sums the squares of one range. A float32 gradient squared fits a
// float64, so the sum is finite exactly when every gradient is.
func (e *Engine) normRange(task, _ int) {
	var sum float64
	for _, g := range e.grads[task*updateValues : min((task+1)*updateValues, len(e.grads))] {
		sum += float64(g) * float64(g)
	}
	e.norms[task] = sum
}

func (e *Engine) updateRange(task, _ int) {
	from, to := task*updateValues, min((task+1)*updateValues, len(e.grads))
	s := &e.adam
	w, g, m, v := e.params[from:to], e.grads[from:to], e.moment[from:to], e.square[from:to]
	if s.optimizer == engine.SGD {
		for i := range w {
			v[i] = s.momentum*v[i] + g[i]*s.scale
			w[i] -= s.rate * v[i]
		}
	} else {
		e.kernels.adam(w, g, m, v, s)
	}
	clear(g)
}

func ready(context.Context) error { return nil }
