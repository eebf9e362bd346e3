package ref

import (
	"fmt"
	"math"

	"mdlstm-gpu/host/nn"
)

// addLoss applies the head's activation to one sample's logits [cells, units],
// adds its losses to r, and returns the outputs and ∂LossSum/∂logits (zero
// without targets).
func (r *Result) addLoss(c nn.Config, s Sample, logits []float64) (outputs, dz []float64, err error) {
	units := c.Head.Units
	outputs, dz = make([]float64, len(logits)), make([]float64, len(logits))
	for first := 0; first < len(logits); first += units {
		err := head(c.Head.Activation, logits[first:first+units], outputs[first:first+units])
		if err != nil {
			return nil, nil, err
		}
	}
	cellCount := len(logits) / units
	if s.Y != nil && len(s.Y) != len(logits) {
		return nil, nil, fmt.Errorf("y: %d values, want %d for %d cells of %d units", len(s.Y), len(logits), cellCount, units)
	}
	if s.Class != nil && len(s.Class) != cellCount {
		return nil, nil, fmt.Errorf("class: %d values, want %d", len(s.Class), cellCount)
	}
	switch c.Loss {
	case "mse":
		err = r.addSquares(c, s, outputs, dz)
	case "binary_cross_entropy":
		err = r.addBinary(s, logits, dz)
	case "cross_entropy":
		err = r.addClasses(c, s, logits, dz)
	default:
		err = fmt.Errorf("loss %q: want mse, cross_entropy or binary_cross_entropy", c.Loss)
	}
	return outputs, dz, err
}

// head is the head's activation of one cell.
func head(name string, z, y []float64) error {
	if name == "softmax" {
		lse := logSumExp(z)
		for u := range z {
			y[u] = math.Exp(z[u] - lse)
		}
		return nil
	}
	for u := range z {
		var err error
		y[u], err = activate(name, z[u])
		if err != nil {
			return fmt.Errorf("head: %w", err)
		}
	}
	return nil
}

// addSquares is L = Σ (y - target)², over pairs whose target is not NaN;
// ∂L/∂z = 2 (y - target)·act'(z).
func (r *Result) addSquares(c nn.Config, s Sample, y, dz []float64) error {
	if s.Y == nil {
		return nil
	}
	if c.Head.Activation == "softmax" {
		return fmt.Errorf("loss mse: not with a softmax head")
	}
	for i, want := range s.Y {
		if math.IsNaN(want) {
			continue
		}
		e := y[i] - want
		r.LossSum += e * e
		r.Weight++
		dz[i] = 2 * e * slope(c.Head.Activation, y[i])
	}
	units := c.Head.Units
	for _, cell := range s.Relevant {
		if cell < 0 || (cell+1)*units > len(y) {
			return fmt.Errorf("relevant cell %d: the output grid has %d", cell, len(y)/units)
		}
		total, count := 0.0, 0.0
		for i := cell * units; i < (cell+1)*units; i++ {
			if e := y[i] - s.Y[i]; !math.IsNaN(s.Y[i]) {
				total += e * e
				count++
			}
		}
		if count > 0 {
			r.Relevant += total / count
			r.RelevantCount++
		}
	}
	return nil
}

// addBinary is L = -Σ [t log σ(z) + (1-t) log(1-σ(z))], written as
// max(z, 0) - z·t + log(1 + e^-|z|) so that no z overflows; ∂L/∂z = σ(z) - t.
func (r *Result) addBinary(s Sample, z, dz []float64) error {
	for i, t := range s.Y {
		if math.IsNaN(t) {
			return fmt.Errorf("y[%d]: NaN is no target for binary_cross_entropy", i)
		}
		r.LossSum += math.Max(z[i], 0) - z[i]*t + math.Log1p(math.Exp(-math.Abs(z[i])))
		r.Weight++
		dz[i] = sigmoid(z[i]) - t
	}
	return nil
}

// addClasses is L = Σ w_t·(log Σ_u e^z_u - z_t) over cells whose class t is not
// ignored; ∂L/∂z_u = w_t·(softmax_u - [u = t]).
func (r *Result) addClasses(c nn.Config, s Sample, z, dz []float64) error {
	units := c.Head.Units
	if c.ClassWeights != nil && len(c.ClassWeights) != units {
		return fmt.Errorf("class_weights: %d values, want %d", len(c.ClassWeights), units)
	}
	for cell, t := range s.Class {
		if c.IgnoreIndex != nil && t == *c.IgnoreIndex {
			continue
		}
		if t < 0 || t >= units {
			return fmt.Errorf("class[%d] = %d: want 0 … %d", cell, t, units-1)
		}
		w := 1.0
		if c.ClassWeights != nil {
			w = c.ClassWeights[t]
		}
		zc, dzc := z[cell*units:(cell+1)*units], dz[cell*units:(cell+1)*units]
		lse := logSumExp(zc)
		r.LossSum += w * (lse - zc[t])
		r.Weight += w
		for u := range zc {
			dzc[u] = w * math.Exp(zc[u]-lse)
		}
		dzc[t] -= w
	}
	return nil
}

// logSumExp is log Σ e^z, shifted by the largest z.
func logSumExp(z []float64) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = math.Max(top, v)
	}
	total := 0.0
	for _, v := range z {
		total += math.Exp(v - top)
	}
	return top + math.Log(total)
}
