package ref

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"mdlstm-gpu/host/nn"
)

// differenceStep and gradientTolerance: central differences of a float64 loss
// of order 1 are good to about 1e-10 with this step; the worst error measured
// over the whole table is 1.0e-7 of a tensor's largest element (a stack that
// has a layernorm whose inputs are nearly all dropped).
const (
	differenceStep    = 3e-6
	gradientTolerance = 1e-6
)

// randomParams draws every tensor so that nothing is small by accident: norm
// weights around 1, all else within ±0.6.
func randomParams(c nn.Config, axes int, rng *rand.Rand) (Params, error) {
	ts, err := Tensors(c, axes)
	if err != nil {
		return nil, err
	}
	p := Params{}
	for _, t := range ts {
		v := make([]float64, cells(t.Shape))
		for i := range v {
			v[i] = 1.2*rng.Float64() - 0.6
			if strings.Contains(t.Name, ".ln_") && strings.HasSuffix(t.Name, ".weight") {
				v[i]++
			}
		}
		p[t.Name] = v
	}
	return p, nil
}

// randomBatch draws inputs and targets that fit the model.
func randomBatch(c nn.Config, p Params, shapes [][]int, rng *rand.Rand) (Batch, error) {
	b := Batch{First: 5}
	for _, shape := range shapes {
		s := Sample{Shape: shape, X: make([]float64, cells(shape)*c.Input)}
		for i := range s.X {
			s.X[i] = rng.NormFloat64()
		}
		res, err := Forward(c, p, Batch{Samples: []Sample{s}}, Options{})
		if err != nil {
			return Batch{}, err
		}
		n := cells(res.OutShapes[0])
		switch c.Loss {
		case "cross_entropy":
			for range n {
				s.Class = append(s.Class, rng.IntN(c.Head.Units))
			}
		default:
			for range n * c.Head.Units {
				s.Y = append(s.Y, rng.Float64())
			}
		}
		b.Samples = append(b.Samples, s)
	}
	return b, nil
}

// differences are the central differences of the normalised loss.
func differences(c nn.Config, p Params, b Batch, o Options) (Params, error) {
	out := ZeroLike(p)
	loss := func() (float64, error) {
		r, err := Forward(c, p, b, o)
		norm := o.Normaliser
		if norm == 0 {
			norm = r.Weight
		}
		return r.LossSum / norm, err
	}
	for name, v := range p {
		for i, at := range v {
			v[i] = at + differenceStep
			above, err := loss()
			if err != nil {
				return nil, err
			}
			v[i] = at - differenceStep
			below, err := loss()
			if err != nil {
				return nil, err
			}
			v[i] = at
			out[name][i] = (above - below) / (2 * differenceStep)
		}
	}
	return out, nil
}

// worst compares two sets of tensors: the largest |got - want| as a share of
// the tensor's largest |want| (floor 1e-3), and where. NaN or another length is
// an error.
func worst(got, want Params) (share float64, where string, err error) {
	for _, name := range Names(want) {
		if len(got[name]) != len(want[name]) {
			return 0, "", fmt.Errorf("tensor %q: %d values, want %d", name, len(got[name]), len(want[name]))
		}
		largest := 1e-3
		for _, w := range want[name] {
			largest = math.Max(largest, math.Abs(w))
		}
		for i, w := range want[name] {
			e := math.Abs(got[name][i]-w) / largest
			if math.IsNaN(e) {
				return 0, "", fmt.Errorf("tensor %q [%d]: got %v, want %v", name, i, got[name][i], w)
			}
			if e > share {
				share, where = e, fmt.Sprintf("%s[%d]: got %g, want %g", name, i, got[name][i], w)
			}
		}
	}
	return share, where, nil
}
