package enginetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/ref"
)

// spread is how far parameters are moved from their initial values, so that
// norms, shifts and peepholes are not at the values that hide errors.
const spread = 0.15

// parameters are the model's initial ones, each moved by up to ±spread.
func parameters(m *nn.Model, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := m.Init(seed)
	for i := range p {
		p[i] += float32(spread * (2*rng.Float64() - 1))
	}
	return p
}

// data says what is special about a batch.
type data struct {
	relevant   bool    // mse: a relevant cell in every second sample
	nanTargets bool    // mse: a fifth of the targets is NaN
	ignored    bool    // cross_entropy: a fifth of the cells has ignore_index
	noTargets  bool    // neither Y nor Class
	first      int64   // number of the first sample
	scale      float64 // of x; 0 is 1
}

// makeBatch draws inputs of unit variance and targets that fit the model.
func makeBatch(m *nn.Model, shapes []grid.Shape, d data, rng *rand.Rand) (*engine.Batch, error) {
	if d.scale == 0 {
		d.scale = 1
	}
	b := &engine.Batch{First: d.first}
	out := 0 // output cells so far
	for n, shape := range shapes {
		b.Samples = append(b.Samples, slices.Clone(shape))
		for range cells(shape) * m.Config.Input {
			b.X = append(b.X, float32(d.scale*rng.NormFloat64()))
		}
		outShape, err := m.OutputShape(shape)
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", n, err)
		}
		count := cells(outShape)
		if d.relevant && n%2 == 0 {
			b.Relevant = append(b.Relevant, int32(out+rng.IntN(count)))
		}
		out += count
		for range count {
			addTarget(b, m.Config, d, rng)
		}
	}
	return b, nil
}

// addTarget draws the target of one output cell.
func addTarget(b *engine.Batch, c nn.Config, d data, rng *rand.Rand) {
	if d.noTargets {
		return
	}
	if c.Loss == nn.CrossEntropy {
		class := int32(rng.IntN(c.Head.Units))
		if d.ignored && rng.IntN(5) == 0 {
			class = int32(*c.IgnoreIndex)
		}
		b.Class = append(b.Class, class)
		return
	}
	for range c.Head.Units {
		y := float32(rng.Float64())
		if d.nanTargets && rng.IntN(5) == 0 {
			y = float32(math.NaN())
		}
		b.Y = append(b.Y, y)
	}
}

// cells is the number of cells of a shape.
func cells(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

// toRef translates a batch for host/ref.
func toRef(m *nn.Model, b *engine.Batch) (ref.Batch, error) {
	out := ref.Batch{First: b.First}
	x, y, class := widen(b.X), widen(b.Y), b.Class
	first := 0 // output cell of the batch
	for n, shape := range b.Samples {
		outShape, err := m.OutputShape(shape)
		if err != nil {
			return ref.Batch{}, fmt.Errorf("sample %d: %w", n, err)
		}
		count, s := cells(outShape), ref.Sample{Shape: shape}
		s.X, x = cut(x, cells(shape)*m.Config.Input)
		if b.Y != nil {
			s.Y, y = cut(y, count*m.Units())
		}
		if b.Class != nil {
			var of []int32
			of, class = cut(class, count)
			for _, c := range of {
				s.Class = append(s.Class, int(c))
			}
		}
		for _, cell := range b.Relevant {
			if at := int(cell) - first; at >= 0 && at < count {
				s.Relevant = append(s.Relevant, at)
			}
		}
		first += count
		out.Samples = append(out.Samples, s)
	}
	return out, nil
}

// cut takes n values off a list; fewer where it is shorter, for ref to refuse.
func cut[T any](v []T, n int) (head, tail []T) {
	n = min(n, len(v))
	return v[:n], v[n:]
}

func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// byName takes a flat arena apart into host/ref's tensors.
func byName(m *nn.Model, flat []float64) ref.Params {
	p := ref.Params{}
	for _, t := range m.Params {
		p[t.Name] = slices.Clone(flat[t.Offset : t.Offset+t.Size()])
	}
	return p
}

// flat is the inverse of byName.
func flat(m *nn.Model, p ref.Params) []float64 {
	out := make([]float64, m.Size())
	for _, t := range m.Params {
		copy(out[t.Offset:t.Offset+t.Size()], p[t.Name])
	}
	return out
}

// copyOf is a batch that shares nothing with b.
func copyOf(b *engine.Batch) *engine.Batch {
	c := *b
	c.Samples = nil
	for _, s := range b.Samples {
		c.Samples = append(c.Samples, slices.Clone(s))
	}
	c.X, c.Y, c.Class, c.Relevant = slices.Clone(b.X), slices.Clone(b.Y), slices.Clone(b.Class), slices.Clone(b.Relevant)
	return &c
}

// nans is a list that shows what was not written.
func nans(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return v
}
