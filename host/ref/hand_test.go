package ref

import (
	"math"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/nn"
)

// one is a model of one hidden unit, one channel and a linear head that passes
// h on, so that outputs are the cell's own.
func one(cell string, axes int, p Params) (nn.Config, Params) {
	c := lstm(cell, 1, 1, strings.Repeat("+", axes))
	c.Head = nn.Head{Units: 1, Activation: "linear"}
	full := Params{}
	ts, _ := Tensors(c, axes)
	for _, t := range ts {
		full[t.Name] = make([]float64, cells(t.Shape))
	}
	full["head.weight"][0] = 1
	for name, v := range p {
		full["layers.0."+name] = v
	}
	return c, full
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-14 }

// TestByHand follows the equations of design.md with numbers written out.
func TestByHand(t *testing.T) {
	const x0, x1 = 0.5, -0.25
	s := sigmoid
	tests := []struct {
		name   string
		cell   string
		axes   int
		p      Params
		bias   float64
		shape  []int
		x      []float64
		direct string // instead of all +
		want   func() []float64
	}{
		{
			name: "plain, gates in the order i g f o", cell: "plain", axes: 1, bias: 0.5, shape: []int{2}, x: []float64{x0, x1},
			p: Params{"weight_ih": {1, 2, 3, 4}, "weight_hh": {0.1, 0.2, 0.3, 0.4}, "bias": {0.01, 0.02, 0.03, 0.04}},
			want: func() []float64 {
				c0 := s(x0+0.01) * math.Tanh(2*x0+0.02)
				h0 := s(4*x0+0.04) * math.Tanh(c0)
				c1 := s(x1+0.1*h0+0.01)*math.Tanh(2*x1+0.2*h0+0.02) + s(3*x1+0.3*h0+0.03+0.5)*c0
				return []float64{h0, s(4*x1+0.4*h0+0.04) * math.Tanh(c1)}
			},
		},
		{
			name: "direction - scans from the end", cell: "plain", axes: 1, shape: []int{2}, x: []float64{x1, x0}, direct: "-",
			p: Params{"weight_ih": {1, 2, 3, 4}, "weight_hh": {0.1, 0.2, 0.3, 0.4}, "bias": {0, 0, 0, 0}},
			want: func() []float64 {
				c0 := s(x0) * math.Tanh(2*x0)
				h0 := s(4*x0) * math.Tanh(c0)
				c1 := s(x1+0.1*h0)*math.Tanh(2*x1+0.2*h0) + s(3*x1+0.3*h0)*c0
				return []float64{s(4*x1+0.4*h0) * math.Tanh(c1), h0}
			},
		},
		{
			name: "graves in 2-D: peepholes of each axis", cell: "graves", axes: 2, shape: []int{2, 2}, x: []float64{x0, 0, 0, x1},
			p: Params{
				"weight_ih": {0, 1, 0, 0, 0}, "weight_hh": make([]float64, 10), "bias": {0, 0, 0, 0, 0},
				"peephole_i": {0.7}, "peephole_f": {0.3, -0.4}, "peephole_o": {0.9},
			},
			want: func() []float64 {
				c00 := 0.5 * math.Tanh(x0)
				c01 := s(-0.4*c00) * c00 // left of it, axis 1
				c10 := s(0.3*c00) * c00  // above it, axis 0
				c11 := s(0.7*(c01+c10))*math.Tanh(x1) + s(0.3*c01)*c01 + s(-0.4*c10)*c10
				h := func(c float64) float64 { return s(0.9*c) * math.Tanh(c) }
				return []float64{h(c00), h(c01), h(c10), h(c11)}
			},
		},
		{
			name: "stable in 1-D has no stick to break", cell: "stable", axes: 1, bias: 1, shape: []int{2}, x: []float64{x0, x1},
			p: Params{"weight_ih": {1, 1, 1, 1}, "weight_hh": {0, 0, 0, 0}, "bias": {0, 0, 0, 0}},
			want: func() []float64 {
				c0 := s(x0) * math.Tanh(x0)
				c1 := s(x1)*math.Tanh(x1) + s(x1+1)*c0
				return []float64{s(x0) * math.Tanh(c0), s(x1) * math.Tanh(c1)}
			},
		},
		{
			name: "leakylp in 2-D: f_0 forgets, f_1 mixes, i is the second output gate", cell: "leakylp", axes: 2, bias: 0.5, shape: []int{1, 2}, x: []float64{x0, x1},
			p: Params{"weight_ih": {1, 2, 3, 4, 5}, "weight_hh": make([]float64, 10), "bias": {0, 0, 0, 0, 0}},
			want: func() []float64 {
				c0 := (1 - s(3*x0+0.5)) * math.Tanh(2*x0)
				m := (1 - s(4*x1)) * c0 // the last axis takes the rest
				c1 := (1-s(3*x1+0.5))*math.Tanh(2*x1) + s(3*x1+0.5)*m
				return []float64{math.Tanh(s(5*x0) * c0), math.Tanh(s(5*x1)*c1 + s(x1)*m)}
			},
		},
		{
			name: "layernorm of one unit sees only its shift", cell: "layernorm", axes: 1, bias: 0.5, shape: []int{2}, x: []float64{x0, x1},
			p: Params{"weight_ih": {1, 2, 3, 4}, "ln_gate.weight": {1, 1, 1, 1}, "ln_gate.bias": {0.1, 0.2, 0.3, 0.4},
				"ln_cell.weight": {1}, "ln_cell.bias": {0.6}},
			want: func() []float64 {
				h := s(0.4) * math.Tanh(0.6)
				return []float64{h, h}
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, p := one(tt.cell, tt.axes, tt.p)
			c.Layers[0].ForgetBias = tt.bias
			if tt.direct != "" {
				c.Layers[0].Directions = []string{tt.direct}
			}
			res, err := Forward(c, p, Batch{Samples: []Sample{{Shape: tt.shape, X: tt.x}}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range tt.want() {
				if !near(res.Outputs[0][i], want) {
					t.Errorf("cell %d: got %.17g, want %.17g", i, res.Outputs[0][i], want)
				}
			}
		})
	}
}

func TestWindowAndSum(t *testing.T) {
	in := field{shape: []int{3, 2}, k: 1, v: []float64{1, 2, 3, 4, 5, 6}}
	w, err := newWindow([]int{2, 2}, in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := w.forward(in).v, []float64{1, 2, 3, 4, 5, 6, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("window: got %v, want %v", got, want)
	}
	if got, want := w.backward([]float64{10, 20, 30, 40, 50, 60, 70, 80}), []float64{10, 20, 30, 40, 50, 60}; !slices.Equal(got, want) {
		t.Errorf("window backward: got %v, want %v", got, want)
	}
	for axis, want := range [][]float64{{9, 12}, {3, 7, 11}} {
		s := &sum{axis: axis}
		out, err := s.forward(in)
		if err != nil || !slices.Equal(out.v, want) {
			t.Errorf("sum over axis %d: got %v, want %v (error %v)", axis, out.v, want, err)
		}
	}
}

// TestViews: under rows and snake every sequence is what a 1-D model makes of it,
// and outputs lie on their own cells.
func TestViews(t *testing.T) {
	p1 := Params{"weight_ih": {1, 2, 3, 4}, "weight_hh": {0.1, 0.2, 0.3, 0.4}, "bias": {0, 0, 0, 0}}
	c, p := one("plain", 1, p1)
	x := []float64{1, -1, 0.5, 2, -0.5, 0.25}
	line := func(x ...float64) []float64 {
		res, err := Forward(c, p, Batch{Samples: []Sample{{Shape: []int{len(x)}, X: x}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		return res.Outputs[0]
	}
	want := map[string][]float64{
		"rows":  slices.Concat(line(1, -1, 0.5), line(2, -0.5, 0.25)),
		"snake": line(x...),
	}
	for view, want := range want {
		v := c
		v.View = view
		res, err := Forward(v, p, Batch{Samples: []Sample{{Shape: []int{2, 3}, X: x}}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(res.Outputs[0], want) || !slices.Equal(res.OutShapes[0], []int{2, 3}) {
			t.Errorf("%s: got %v of shape %v, want %v of [2 3]", view, res.Outputs[0], res.OutShapes[0], want)
		}
	}
}

func TestCombine(t *testing.T) {
	c, p := one("plain", 1, Params{
		"weight_ih": {1, 2, 3, 4, 2, 1, 0, 1}, "weight_hh": make([]float64, 8), "bias": make([]float64, 8),
	})
	c.Layers[0].Directions = []string{"+", "-"}
	c.Head.Units = 2
	p["head.weight"], p["head.bias"] = []float64{1, 0, 0, 1}, []float64{0, 0}
	b := Batch{Samples: []Sample{{Shape: []int{1}, X: []float64{1}}}}
	res, err := Forward(c, p, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := res.Outputs[0] // concat: first direction first
	if want := sigmoid(4) * math.Tanh(sigmoid(1)*math.Tanh(2)); !near(h[0], want) {
		t.Errorf("concat: got %v first, want %v", h[0], want)
	}
	c.Head.Units = 1
	p["head.weight"], p["head.bias"] = []float64{1}, []float64{0}
	for combine, want := range map[string]float64{"sum": h[0] + h[1], "mean": (h[0] + h[1]) / 2} {
		c.Layers[0].Combine = combine
		res, err := Forward(c, p, b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !near(res.Outputs[0][0], want) {
			t.Errorf("%s: got %v, want %v", combine, res.Outputs[0][0], want)
		}
	}
}

// bare is a model without layers: the head sees the input.
func bare(input int, head nn.Head, loss string) (nn.Config, Params) {
	p := Params{"head.weight": make([]float64, input*head.Units), "head.bias": make([]float64, head.Units)}
	for u := range min(input, head.Units) {
		p["head.weight"][u*input+u] = 1
	}
	return nn.Config{Input: input, Head: head, Loss: loss}, p
}

func TestLosses(t *testing.T) {
	nan := math.NaN()
	ln := math.Log
	tests := []struct {
		name         string
		head         nn.Head
		loss         string
		weights      []float64
		ignore       *int
		sample       Sample
		sum, weight  float64
		rel, relCell float64
	}{
		{name: "mse", head: nn.Head{Units: 2, Activation: "linear"}, loss: "mse",
			sample: Sample{Shape: []int{2}, X: []float64{1, 2, 3, 4}, Y: []float64{0, 2, nan, 1}, Relevant: []int{1, 0}},
			sum:    1 + 9, weight: 3, rel: 9 + 0.5, relCell: 2},
		{name: "mse, nothing counts", head: nn.Head{Units: 1, Activation: "linear"}, loss: "mse",
			sample: Sample{Shape: []int{1}, X: []float64{1}, Y: []float64{nan}, Relevant: []int{0}}},
		{name: "binary", head: nn.Head{Units: 1, Activation: "sigmoid"}, loss: "binary_cross_entropy",
			sample: Sample{Shape: []int{2}, X: []float64{0, ln(3)}, Y: []float64{1, 0}},
			sum:    ln(2) + ln(4), weight: 2},
		{name: "binary, huge logits stay finite", head: nn.Head{Units: 1, Activation: "sigmoid"}, loss: "binary_cross_entropy",
			sample: Sample{Shape: []int{2}, X: []float64{1e300, -1e300}, Y: []float64{1, 0}}, weight: 2},
		{name: "classes", head: nn.Head{Units: 2, Activation: "softmax"}, loss: "cross_entropy",
			sample: Sample{Shape: []int{2}, X: []float64{0, ln(3), 1e300, -1e300}, Class: []int{1, 0}},
			sum:    ln(4) - ln(3), weight: 2},
		{name: "class weights and ignored cells", head: nn.Head{Units: 2, Activation: "softmax"}, loss: "cross_entropy",
			weights: []float64{0.5, 2}, ignore: ptr(255),
			sample: Sample{Shape: []int{3}, X: []float64{0, ln(3), 0, 0, 0, 0}, Class: []int{1, 0, 255}},
			sum:    2*(ln(4)-ln(3)) + 0.5*ln(2), weight: 2.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, p := bare(tt.head.Units, tt.head, tt.loss)
			c.ClassWeights, c.IgnoreIndex = tt.weights, tt.ignore
			res, grads, err := Gradients(c, p, Batch{Samples: []Sample{tt.sample}}, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := []float64{res.LossSum, res.Weight, res.Relevant, res.RelevantCount}
			for i, want := range []float64{tt.sum, tt.weight, tt.rel, tt.relCell} {
				if !near(got[i], want) {
					t.Errorf("sum, weight, relevant, count: got %v, want %v", got, []float64{tt.sum, tt.weight, tt.rel, tt.relCell})
				}
			}
			for name, g := range grads {
				for i, v := range g {
					if math.IsNaN(v) || tt.weight == 0 && v != 0 {
						t.Errorf("gradient of %s[%d] = %v", name, i, v)
					}
				}
			}
		})
	}
}

// TestClipError: a bound far below every error turns a chain of cells into one
// where each sum is the bound; NaN passes.
func TestClipError(t *testing.T) {
	v := []float64{-3, 3, 0.5, math.NaN(), math.Inf(1)}
	clamp(v, 1)
	if v[0] != -1 || v[1] != 1 || v[2] != 0.5 || !math.IsNaN(v[3]) || v[4] != 1 {
		t.Errorf("clamp to 1: got %v", v)
	}

	// One cell, one unit: dh = 2·(h - y) is clamped to 0.01, then dc = dh·o·(1-tanh²) as usual.
	c, p := one("plain", 1, Params{"weight_ih": {1, 1, 1, 1}, "weight_hh": make([]float64, 4), "bias": make([]float64, 4)})
	b := Batch{Samples: []Sample{{Shape: []int{1}, X: []float64{1}, Y: []float64{-5}}}}
	cell := sigmoid(1) * math.Tanh(1)
	tc, o := math.Tanh(cell), sigmoid(1)
	for _, tt := range []struct {
		clip float64
		on   bool
		dh   float64
		dc   float64
	}{
		{0.01, true, 0.01, 0.01 * o * (1 - tc*tc)},
		{0.01, false, 2 * (o*tc + 5), 2 * (o*tc + 5) * o * (1 - tc*tc)},
		{0, true, 2 * (o*tc + 5), 2 * (o*tc + 5) * o * (1 - tc*tc)},
		{3, true, 3, 3 * o * (1 - tc*tc)},
	} {
		c.Layers[0].ClipError = ptr(tt.clip)
		_, g, err := Gradients(c, p, b, Options{ClipErrors: tt.on})
		if err != nil {
			t.Fatal(err)
		}
		wantO, wantG := tt.dh*tc*o*(1-o), tt.dc*sigmoid(1)*(1-math.Tanh(1)*math.Tanh(1))
		if got := g["layers.0.bias"]; !near(got[3], wantO) || !near(got[1], wantG) {
			t.Errorf("clip %v, on %v: dz_o %v, dz_g %v, want %v, %v", tt.clip, tt.on, got[3], got[1], wantO, wantG)
		}
	}
}

// TestZeroInput: the seed's cell explodes at zero without the clamp and stays
// finite with its default.
func TestZeroInput(t *testing.T) {
	c := lstm("layernorm", 1, 16, "++")
	p := Params{}
	ts, err := Tensors(c, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range ts {
		v := make([]float64, cells(tensor.Shape))
		for i := range v {
			v[i] = 0.5 * math.Sin(float64(7*i+1)) // any weights
			if strings.Contains(tensor.Name, "ln_") {
				v[i] = 0
				if strings.HasSuffix(tensor.Name, "weight") {
					v[i] = 1
				}
			}
		}
		p[tensor.Name] = v
	}
	b := Batch{Samples: []Sample{{Shape: []int{8, 8}, X: make([]float64, 64), Y: make([]float64, 128)}}}
	norm := func(o Options) float64 {
		_, g, err := Gradients(c, p, b, o)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for _, v := range g["layers.0.weight_hh"] {
			total += math.Abs(v)
		}
		for _, v := range g["layers.0.ln_gate.bias"] {
			total += math.Abs(v)
		}
		return total
	}
	if got := norm(Options{}); got < 1e20 {
		t.Errorf("without the clamp: %g, want an explosion", got)
	}
	if got := norm(Options{ClipErrors: true}); !(got < 1e6) {
		t.Errorf("with the clamp: %g, want less than 1e6", got)
	}
}

func TestDropout(t *testing.T) {
	c := lstm("plain", 8, 2, "+")
	c.View = "rows"
	c.Layers[0].Dropout = 0.5
	in := field{shape: []int{3}, k: 8, v: make([]float64, 24)}
	d := dropout{on: true, rate: 0.5, seed: 1, step: 2, layer: 0, sample: 3, firstCell: 3}
	mask := d.masks(in)
	want := make([]float32, 8)
	for cell := range 3 {
		nn.DropMask(nn.DropKey(1, 2, 0), 3, 3+cell, 0.5, want)
		for ch, w := range want {
			if mask[cell*8+ch] != float64(w) {
				t.Errorf("cell %d channel %d: factor %v, want %v", cell, ch, mask[cell*8+ch], w)
			}
		}
	}
	d.on = false
	if d.masks(in) != nil {
		t.Error("masks outside training")
	}
}

func TestErrors(t *testing.T) {
	good := func() (nn.Config, Params, Batch) {
		c, p := one("plain", 2, nil)
		return c, p, Batch{Samples: []Sample{{Shape: []int{1, 2}, X: []float64{1, 2}, Y: []float64{0, 0}}}}
	}
	tests := []struct {
		name string
		edit func(c *nn.Config, p Params, b *Batch)
		want string
	}{
		{"x too short", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].X = []float64{1} }, "x: 1 values, want 2"},
		{"y too long", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].Y = []float64{1, 2, 3} }, "y: 3 values, want 2"},
		{"no axes", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].Shape = nil }, "at least one axis"},
		{"empty axis", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].Shape = []int{0, 2} }, "at least one cell"},
		{"other axes", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].Shape = []int{2} }, "one sign for each of 1 axes"},
		{"missing tensor", func(_ *nn.Config, p Params, _ *Batch) { delete(p, "layers.0.bias") }, `"layers.0.bias": 0 values`},
		{"unknown cell", func(c *nn.Config, _ Params, _ *Batch) { c.Layers[0].Cell = "gru" }, `cell "gru"`},
		{"unknown view", func(c *nn.Config, _ Params, _ *Batch) { c.View = "spiral" }, `view "spiral"`},
		{"unknown layer", func(c *nn.Config, _ Params, _ *Batch) { c.Layers[0].Type = "conv" }, `type "conv"`},
		{"unknown loss", func(c *nn.Config, _ Params, _ *Batch) { c.Loss = "ctc" }, `loss "ctc"`},
		{"unknown sign", func(c *nn.Config, _ Params, _ *Batch) { c.Layers[0].Directions[0] = "+x" }, `direction "+x"`},
		{"unknown head", func(c *nn.Config, _ Params, _ *Batch) { c.Head.Activation = "relu" }, `"relu"`},
		{"window of other axes", func(c *nn.Config, _ Params, _ *Batch) { c.Layers[0].Window = []int{1} }, "window [1]"},
		{"softmax and mse", func(c *nn.Config, _ Params, _ *Batch) { c.Head.Activation = "softmax" }, "softmax"},
		{"relevant cell outside", func(_ *nn.Config, _ Params, b *Batch) { b.Samples[0].Relevant = []int{2} }, "relevant cell 2"},
		{"class outside", func(c *nn.Config, _ Params, b *Batch) {
			c.Loss, b.Samples[0].Y, b.Samples[0].Class = "cross_entropy", nil, []int{0, 1}
		}, "class[1] = 1"},
		{"no units", func(c *nn.Config, _ Params, _ *Batch) { c.Head.Units = 0 }, "head of 0 units"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, p, b := good()
			if _, err := Forward(c, p, b, Options{}); err != nil {
				t.Fatal(err)
			}
			tt.edit(&c, p, &b)
			_, _, err := Gradients(c, p, b, Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestOptimizers(t *testing.T) {
	// Two tensors whose gradients have the global norm 5.
	grads := Params{"a": {3}, "b": {4}}
	start := func() Params { return Params{"a": {1}, "b": {2}} }
	t.Run("sgd with momentum", func(t *testing.T) {
		p, o := start(), &Optimizer{Rule: "sgd", LR: 0.1, Momentum: 0.5}
		for range 2 {
			norm, finite, err := o.Update(p, grads)
			if err != nil || !finite || norm != 5 {
				t.Fatalf("norm %v, finite %v, error %v", norm, finite, err)
			}
		}
		if want := 1 - 0.1*3 - 0.1*(0.5*3+3); !near(p["a"][0], want) { // v = 3, then 4.5
			t.Errorf("got %v, want %v", p["a"][0], want)
		}
	})
	t.Run("clipped and scaled sgd", func(t *testing.T) {
		p, o := start(), &Optimizer{Rule: "sgd", LR: 1, Clip: 1, Scale: 2}
		norm, _, err := o.Update(p, grads)
		if err != nil || norm != 10 || !near(p["a"][0], 1-0.6) || !near(p["b"][0], 2-0.8) {
			t.Errorf("norm %v, p %v, error %v", norm, p, err)
		}
	})
	t.Run("adam", func(t *testing.T) {
		p, o := start(), &Optimizer{Rule: "adam", LR: 0.1}
		if _, _, err := o.Update(p, grads); err != nil {
			t.Fatal(err)
		}
		// The first step is lr·g/(|g| + ε), whatever the gradient's size.
		if want := 1 - 0.1*3/(3+1e-8); !near(p["a"][0], want) {
			t.Errorf("first step: got %v, want %v", p["a"][0], want)
		}
		if _, _, err := o.Update(p, Params{"a": {-3}, "b": {4}}); err != nil {
			t.Fatal(err)
		}
		m := (0.9*0.1*3 - 0.1*3) / (1 - 0.81)
		v := (0.999*0.001*9 + 0.001*9) / (1 - 0.999*0.999)
		if want := 1 - 0.1*3/(3+1e-8) - 0.1*m/(math.Sqrt(v)+1e-8); !near(p["a"][0], want) {
			t.Errorf("second step: got %v, want %v", p["a"][0], want)
		}
	})
	t.Run("a gradient that is not finite", func(t *testing.T) {
		p, o := start(), &Optimizer{Rule: "adam", LR: 0.1}
		_, finite, err := o.Update(p, Params{"a": {3}, "b": {math.Inf(1)}})
		if err != nil || finite || p["a"][0] != 1 || p["b"][0] != 2 || o.Updates != 0 {
			t.Errorf("finite %v, error %v, p %v, %d updates", finite, err, p, o.Updates)
		}
	})
	t.Run("unknown rule", func(t *testing.T) {
		if _, _, err := (&Optimizer{Rule: "lion"}).Update(start(), grads); err == nil {
			t.Error("no error")
		}
	})
}
