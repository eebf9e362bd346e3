package ref

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"mdlstm-gpu/host/nn"
)

var allCells = []string{"layernorm", "plain", "graves", "stable", "leakylp"}

func ptr[T any](v T) *T { return &v }

// lstm is one mdlstm layer with a sigmoid head and mse.
func lstm(cell string, input, hidden int, directions ...string) nn.Config {
	return nn.Config{
		Input:  input,
		Layers: []nn.Layer{{Type: "mdlstm", Cell: cell, Hidden: hidden, Directions: directions}},
		Head:   nn.Head{Units: 2, Activation: "sigmoid"},
		Loss:   "mse",
	}
}

// corners are all directions of a number of axes.
func corners(axes int) []string {
	out := []string{""}
	for range axes {
		var next []string
		for _, s := range out {
			next = append(next, s+"+", s+"-")
		}
		out = next
	}
	return out
}

type gradientCase struct {
	name   string
	config nn.Config
	shapes [][]int
	opt    Options
	edit   func(b *Batch)
}

func gradientCases() []gradientCase {
	sizes := map[int][][]int{
		1: {{4}, {1}, {3}},
		2: {{3, 2}, {1, 3}},
		3: {{2, 2, 2}, {1, 3, 1}},
		4: {{2, 1, 2, 2}},
	}
	var cases []gradientCase
	for _, cell := range allCells {
		for axes := 1; axes <= 4; axes++ {
			mixed := strings.Repeat("-+", 2)[:axes]
			cases = append(cases, gradientCase{name: fmt.Sprintf("%s/%d-D/one", cell, axes),
				config: lstm(cell, 2, 3, mixed), shapes: sizes[axes]})
		}
		for axes := 1; axes <= 3; axes++ {
			cases = append(cases, gradientCase{name: fmt.Sprintf("%s/%d-D/all", cell, axes),
				config: lstm(cell, 1, 2, corners(axes)...), shapes: sizes[axes][:1]})
		}
		c := lstm(cell, 2, 3, "+-")
		c.Layers[0].ForgetBias = 0.7
		c.Layers[0].Window = []int{2, 2}
		cases = append(cases, gradientCase{name: cell + "/window and forget bias", config: c, shapes: [][]int{{3, 4}, {1, 1}}})
	}
	add := func(name string, shapes [][]int, edit func(c *nn.Config), more ...func(*gradientCase)) {
		g := gradientCase{name: name, config: lstm("plain", 2, 3, "+-", "-+"), shapes: shapes}
		edit(&g.config)
		for _, m := range more {
			m(&g)
		}
		cases = append(cases, g)
	}
	small := [][]int{{2, 3}, {3, 1}}
	for _, h := range []string{"sigmoid", "linear", "tanh"} {
		add("mse/"+h, small, func(c *nn.Config) { c.Head.Activation = h })
	}
	classes := func(c *nn.Config) {
		c.Head, c.Loss = nn.Head{Units: 3, Activation: "softmax"}, "cross_entropy"
	}
	add("cross_entropy", small, classes)
	add("cross_entropy/class weights and ignore_index", small, func(c *nn.Config) {
		classes(c)
		c.ClassWeights, c.IgnoreIndex = []float64{0.5, 2, 0}, ptr(9)
	}, func(g *gradientCase) {
		g.edit = func(b *Batch) { b.Samples[0].Class[1], b.Samples[1].Class[0] = 9, 9 }
	})
	add("binary_cross_entropy", small, func(c *nn.Config) { c.Loss = "binary_cross_entropy" })
	add("NaN targets", small, func(*nn.Config) {}, func(g *gradientCase) {
		g.edit = func(b *Batch) { b.Samples[0].Y[1], b.Samples[1].Y[0] = math.NaN(), math.NaN() }
	})
	add("normaliser", small, func(*nn.Config) {}, func(g *gradientCase) { g.opt.Normaliser = 3.5 })
	for _, combine := range []string{"sum", "mean", "concat"} {
		add("combine "+combine, small, func(c *nn.Config) { c.Layers[0].Combine = combine })
	}
	for _, view := range []string{"rows", "snake"} {
		add("view "+view, [][]int{{2, 3}, {3, 1}}, func(c *nn.Config) {
			c.View = view
			c.Layers[0].Directions = []string{"+", "-"}
		})
	}
	stack := func(c *nn.Config) {
		c.Layers = []nn.Layer{
			{Type: "mdlstm", Cell: "stable", Hidden: 2, Directions: []string{"++", "--"}, Window: []int{1, 2}},
			{Type: "dense", Units: 3, Activation: "tanh", Bias: ptr(false), Window: []int{2, 1}},
			{Type: "mdlstm", Cell: "layernorm", Hidden: 3, Directions: []string{"-+"}},
			{Type: "dense", Units: 2, Activation: "sigmoid"},
			{Type: "sum", Axis: ptr(0)},
			{Type: "mdlstm", Cell: "graves", Hidden: 2, Directions: []string{"-"}, Window: []int{2}},
		}
	}
	add("stack", [][]int{{4, 5}, {1, 2}}, stack)
	add("stack/summed to one cell", [][]int{{2, 3}, {1, 2}}, func(c *nn.Config) {
		stack(c)
		c.Layers = append(c.Layers, nn.Layer{Type: "sum", Axis: ptr(0)}, nn.Layer{Type: "dense", Units: 2, Activation: "linear"})
	})
	dropped := func(g *gradientCase) { g.opt.Train, g.opt.Seed, g.opt.Step = true, 7, 3 }
	add("dropout", [][]int{{3, 4}, {2, 2}}, func(c *nn.Config) {
		stack(c)
		c.Layers[0].Dropout, c.Layers[2].Dropout = 0.4, 0.2
	}, dropped)
	add("dropout/rows", [][]int{{3, 4}}, func(c *nn.Config) {
		c.View = "rows"
		c.Layers[0].Directions = []string{"-"}
		c.Layers[0].Dropout = 0.3
	}, dropped)
	return cases
}

func TestGradientsAgainstDifferences(t *testing.T) {
	for _, g := range gradientCases() {
		t.Run(g.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			p, err := randomParams(g.config, len(g.shapes[0]), rng)
			if err != nil {
				t.Fatal(err)
			}
			b, err := randomBatch(g.config, p, g.shapes, rng)
			if err != nil {
				t.Fatal(err)
			}
			if g.edit != nil {
				g.edit(&b)
			}
			_, got, err := Gradients(g.config, p, b, g.opt)
			if err != nil {
				t.Fatal(err)
			}
			want, err := differences(g.config, p, b, g.opt)
			if err != nil {
				t.Fatal(err)
			}
			share, where, err := worst(got, want)
			if err != nil || share > gradientTolerance {
				t.Errorf("gradients: %.1e of the largest at %s, want at most %.0e (error %v)", share, where, gradientTolerance, err)
			}
			t.Logf("worst %.1e of the largest: %s", share, where)
		})
	}
}

// TestCheckerSeesWrongGradients feeds the checker what it must refuse.
func TestCheckerSeesWrongGradients(t *testing.T) {
	c := lstm("graves", 2, 3, "+-")
	rng := rand.New(rand.NewPCG(3, 4))
	p, err := randomParams(c, 2, rng)
	if err != nil {
		t.Fatal(err)
	}
	b, err := randomBatch(c, p, [][]int{{3, 3}}, rng)
	if err != nil {
		t.Fatal(err)
	}
	want, err := differences(c, p, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names(p) {
		_, got, err := Gradients(c, p, b, Options{})
		if err != nil {
			t.Fatal(err)
		}
		largest := 0
		for i, v := range got[name] {
			if math.Abs(v) > math.Abs(got[name][largest]) {
				largest = i
			}
		}
		got[name][largest] *= 1 + 1e-4
		if share, _, err := worst(got, want); err != nil || share <= gradientTolerance {
			t.Errorf("%s: an element off by 1e-4 passes with %.1e (error %v)", name, share, err)
		}
		got[name][largest] = math.NaN()
		if _, _, err := worst(got, want); err == nil {
			t.Errorf("%s: NaN passes", name)
		}
		got[name] = got[name][1:]
		if _, _, err := worst(got, want); err == nil {
			t.Errorf("%s: a tensor that is too short passes", name)
		}
	}
}
