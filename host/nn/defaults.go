package nn

import (
	"encoding/json"
	"slices"
)

// WithDefaults returns a deep copy of c with every default filled in: view
// grid, combine concat, clip_error 1 for layernorm and 0 for the other cells,
// bias true. Windows of 1 on every axis become nil. It does not check c.
func (c Config) WithDefaults() Config {
	if c.View == "" {
		c.View = ViewGrid
	}
	layers := make([]Layer, len(c.Layers))
	for i, l := range c.Layers {
		layers[i] = l.withDefaults()
	}
	c.Layers = layers
	c.ClassWeights = slices.Clone(c.ClassWeights)
	c.IgnoreIndex = clone(c.IgnoreIndex)
	return c
}

func (l Layer) withDefaults() Layer {
	l.Directions = slices.Clone(l.Directions)
	l.Window = trimWindow(l.Window)
	l.ClipError, l.Bias, l.Axis = clone(l.ClipError), clone(l.Bias), clone(l.Axis)
	switch l.Type {
	case TypeMDLSTM:
		if l.Combine == "" {
			l.Combine = CombineConcat
		}
		if l.ClipError == nil {
			limit := 0.0
			if l.Cell == CellLayerNorm {
				limit = 1
			}
			l.ClipError = &limit
		}
	case TypeDense:
		if l.Bias == nil {
			bias := true
			l.Bias = &bias
		}
	}
	return l
}

// trimWindow copies a window; one that changes nothing becomes nil.
func trimWindow(window []int) []int {
	for _, cells := range window {
		if cells != 1 {
			return slices.Clone(window)
		}
	}
	return nil
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// JSON is the configuration with its defaults, as the model file stores it.
// Equal configurations give equal bytes, and [ParseConfig] reads them back as
// c.WithDefaults(). Errors are those of [Config.Validate].
func (c Config) JSON() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return json.Marshal(c.WithDefaults())
}
