package nn

import (
	"strings"
	"testing"
)

func TestGrowthWarnings(t *testing.T) {
	for _, test := range []struct {
		name  string
		cell  string
		signs string
		bias  float64
		want  string // "" = no warning
	}{
		{"one axis", CellPlain, "+", 5, ""},
		{"two axes, no bias: exactly 1", CellPlain, "++", 0, ""},
		{"two axes, bias 1", CellPlain, "++", 1, "layers[1]: plain cell on 2 axes with forget_bias 1: its state can grow 1.46 times every wavefront: lower forget_bias to 0 or less, or use cell stable or leakylp"},
		{"graves on three axes", CellGraves, "+-+", 0, "layers[1]: graves cell on 3 axes with forget_bias 0: its state can grow 1.5 times every wavefront: lower forget_bias to -0.7 or less"},
		{"three axes, as advised", CellGraves, "+-+", -0.7, ""},
		{"four axes, as advised", CellPlain, "++++", -1.1, ""},
		{"layernorm", CellLayerNorm, "++", 1, ""},
		{"stable", CellStable, "++", 1, ""},
		{"leakylp", CellLeakyLP, "++", 1, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := Layer{Type: TypeMDLSTM, Cell: test.cell, Hidden: 2, Directions: []string{test.signs}, ForgetBias: test.bias}
			c := Config{Input: 1, Layers: []Layer{{Type: TypeDense, Units: 1, Activation: Tanh}, l}}
			got := c.GrowthWarnings()
			switch {
			case test.want == "" && len(got) > 0:
				t.Errorf("got %q, want none", got)
			case test.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], test.want)):
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
