package nonfinite_test

import (
	"math"
	"testing"

	"mdlstm-gpu/host/engine/nonfinite"
	"mdlstm-gpu/host/nn"
)

func model(t *testing.T) *nn.Model {
	t.Helper()
	layer := func(cell string) nn.Layer {
		return nn.Layer{Type: nn.TypeMDLSTM, Cell: cell, Hidden: 2, Directions: []string{"++", "-+"}}
	}
	m, err := nn.New(nn.Config{
		Input:  3,
		Layers: []nn.Layer{layer(nn.CellLayerNorm), {Type: nn.TypeDense, Units: 2, Activation: nn.Tanh}, layer(nn.CellGraves)},
		Head:   nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestIn(t *testing.T) {
	for _, c := range []struct {
		v    float64
		want bool
	}{{0, false}, {math.MaxFloat32, false}, {math.NaN(), true}, {math.Inf(1), true}, {math.Inf(-1), true}} {
		if got := nonfinite.In([]float32{1, float32(c.v), 2}); got != c.want {
			t.Errorf("%v: got %v, want %v", c.v, got, c.want)
		}
	}
}

// TestGradient: each tensor's gradient is named with its gate, where it has one.
func TestGradient(t *testing.T) {
	m := model(t)
	grads := make([]float32, m.Size())
	if got := nonfinite.Gradient(m, grads); got != "" {
		t.Errorf("all zero: %q", got)
	}
	for _, c := range []struct {
		tensor string
		at     []int
		want   string
	}{
		{"layers.0.weight_ih", []int{1, 3, 2}, " gate g"}, // [2 directions, 5·2, 3]
		{"layers.0.weight_hh", []int{1, 1, 7, 0}, " gate f_1"},
		{"layers.0.ln_gate.weight", []int{1, 4, 1}, " gate o"},
		{"layers.0.ln_gate.bias", []int{0, 2, 0}, " gate f_0"},
		{"layers.0.ln_cell.weight", []int{1, 0}, ""},
		{"layers.0.ln_cell.bias", []int{1, 0}, ""},
		{"layers.1.weight", []int{1, 0}, ""},
		{"layers.2.bias", []int{1, 1}, " gate i"},
		{"layers.2.peephole_i", []int{1, 1}, ""},
		{"head.bias", []int{0}, ""},
	} {
		p, ok := m.Param(c.tensor)
		if !ok {
			t.Fatal(c.tensor)
		}
		at := 0
		for d, i := range c.at {
			at = at*p.Shape[d] + i
		}
		grads[p.Offset+at] = float32(math.NaN())
		if got, want := nonfinite.Gradient(m, grads), "gradient of "+c.tensor+c.want; got != want {
			t.Errorf("%s%v: got %q, want %q", c.tensor, c.at, got, want)
		}
		grads[p.Offset+at] = 0
	}
	// The last layer's comes first: it spread from there.
	for _, name := range []string{"layers.0.weight_ih", "layers.2.weight_ih"} {
		p, _ := m.Param(name)
		grads[p.Offset] = float32(math.Inf(1))
	}
	if got, want := nonfinite.Gradient(m, grads), "gradient of layers.2.weight_ih gate i"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPlaces(t *testing.T) {
	m := model(t)
	for _, c := range []struct{ got, want string }{
		{nonfinite.Place(&m.Stages[0], 1, "cell"), "layer 0 cell, direction -+"},
		{nonfinite.Dense(&m.Stages[1]), "layer 1 output"},
		{nonfinite.Dense(&m.Stages[3]), "head"},
		{nonfinite.Gate(&m.Stages[2], 3), "f_1"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
