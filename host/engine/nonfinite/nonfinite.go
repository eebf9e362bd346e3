// Package nonfinite names the places where a value is not finite, the same for
// every engine: "layer 0 gate f_1", "gradient of layers.0.weight_hh gate i".
package nonfinite

import (
	"fmt"
	"strings"

	"mdlstm-gpu/host/nn"
)

// In says whether a value is NaN or infinite.
func In(x []float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return true
		}
	}
	return false
}

// Gate is the name of gate g of a stage: i, g, f_0 …, o.
func Gate(st *nn.Stage, g int) string {
	switch g {
	case 0:
		return "i"
	case 1:
		return "g"
	case st.Gates - 1:
		return "o"
	}
	return fmt.Sprintf("f_%d", g-2)
}

// Place is a part ("gate f_0", "cell", "output") of direction q of an mdlstm
// layer.
func Place(st *nn.Stage, q int, part string) string {
	where := fmt.Sprintf("layer %d %s", st.Layer, part)
	if len(st.Directions) > 1 {
		where += ", direction " + st.Directions[q]
	}
	return where
}

// Dense is the output of a dense layer or the head.
func Dense(st *nn.Stage) string {
	if st.Head {
		return "head"
	}
	return fmt.Sprintf("layer %d output", st.Layer)
}

// Gradient names the first gradient in a model's arena that is not finite, from
// the last layer to the first: the order in which it spread. "" when all are
// finite.
func Gradient(m *nn.Model, grads []float32) string {
	for i := len(m.Stages) - 1; i >= 0; i-- {
		for _, p := range m.Params {
			if p.Stage != i {
				continue
			}
			for at, v := range grads[p.Offset : p.Offset+p.Size()] {
				if v-v != 0 {
					return "gradient of " + p.Name + gateOf(&m.Stages[i], p, at)
				}
			}
		}
	}
	return ""
}

// gateOf says which gate element at of a tensor belongs to, where it has gates.
func gateOf(st *nn.Stage, p nn.Param, at int) string {
	if st.Type != nn.TypeMDLSTM {
		return ""
	}
	inner := 1 // elements of one unit
	switch {
	case strings.HasSuffix(p.Name, ".weight_ih"), strings.HasSuffix(p.Name, ".weight_hh"):
		inner = p.Shape[len(p.Shape)-1]
	case strings.HasSuffix(p.Name, ".bias") && !strings.Contains(p.Name, ".ln_cell"), strings.HasSuffix(p.Name, ".ln_gate.weight"):
	default:
		return ""
	}
	return " gate " + Gate(st, at/inner/st.Hidden%st.Gates)
}
