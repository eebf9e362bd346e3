package enginetest

import (
	"fmt"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// tileEdges are hidden sizes around the tiles of kernels and vector units.
var tileEdges = []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65}

// unequal are samples of different sizes for a number of axes, small enough for
// all cells and directions.
func unequal(axes int) []grid.Shape {
	return map[int][]grid.Shape{
		1: {{7}, {1}, {4}, {12}},
		2: {{3, 5}, {4, 4}, {1, 1}, {6, 1}},
		3: {{2, 3, 4}, {1, 1, 2}, {3, 2, 1}},
		4: {{2, 2, 3, 2}, {1, 2, 1, 1}},
	}[axes]
}

// corners are all directions of a number of axes.
func corners(axes int) []string {
	out := []string{""}
	for range axes {
		var next []string
		for _, d := range out {
			next = append(next, d+"+", d+"-")
		}
		out = next
	}
	return out
}

// model is one mdlstm layer with a sigmoid head and mse.
func model(cell string, input, hidden int, directions ...string) nn.Config {
	return nn.Config{
		Input:  input,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: directions}},
		Head:   nn.Head{Units: 2, Activation: nn.Sigmoid},
		Loss:   nn.MSE,
	}
}

func ptr[T any](v T) *T { return &v }

// table lists the models that are checked against host/ref.
func table(short bool) []testCase {
	cases := append(axesCases(), sizeCases(short)...)
	cases = append(cases, optionCases()...)
	cases = append(cases, stackCases()...)
	if !short {
		cases = append(cases, largeCases()...)
	}
	for i := range cases {
		cases[i].seed = uint64(i + 1)
	}
	return cases
}

// axesCases: every cell × 1 to 4 axes × one direction, its opposite, all.
func axesCases() []testCase {
	var cases []testCase
	hidden := []int{5, 8, 7, 9}
	for _, cell := range nn.Cells {
		for axes := 1; axes <= 4; axes++ {
			plus, minus := strings.Repeat("+", axes), strings.Repeat("-", axes)
			for name, directions := range map[string][]string{"one": {plus}, "from the end": {minus}, "all": corners(axes)} {
				cases = append(cases, testCase{
					name:   fmt.Sprintf("%s/%d-D/%s", cell, axes, name),
					config: model(cell, 2, hidden[axes-1], directions...),
					shapes: unequal(axes),
				})
			}
		}
	}
	slices.SortFunc(cases, func(a, b testCase) int { return strings.Compare(a.name, b.name) }) // maps have no order, seeds follow it
	return cases
}

// sizeCases: hidden sizes, inputs and heads around tile edges.
func sizeCases(short bool) []testCase {
	var cases []testCase
	for i, h := range tileEdges {
		for j, cell := range nn.Cells {
			if short && (i+j)%len(nn.Cells) != 0 {
				continue
			}
			c := model(cell, 1+(3*i+j)%5, h, "+-")
			c.Head.Units = 1 + (i+j)%3
			cases = append(cases, testCase{
				name: fmt.Sprintf("%s/hidden %d", cell, h), config: c, shapes: []grid.Shape{{4, 5}, {2, 7}, {3, 3}},
			})
		}
	}
	for _, n := range []int{7, 8, 9, 16, 17, 33} {
		c := model(nn.CellPlain, n, 6, "++", "--")
		c.Head.Units = n
		cases = append(cases, testCase{name: fmt.Sprintf("inputs and units %d", n), config: c, shapes: []grid.Shape{{2, 3}, {3, 1}}})
	}
	return cases
}

// optionCases: each option by itself, for every cell where cells differ in it.
func optionCases() []testCase {
	var cases []testCase
	add := func(name string, c nn.Config, edit func(c *nn.Config, t *testCase)) {
		t := testCase{name: name, shapes: []grid.Shape{{5, 4}, {3, 6}, {1, 2}}}
		c.Layers = slices.Clone(c.Layers) // edits are for this case alone
		edit(&c, &t)
		t.config = c
		cases = append(cases, t)
	}
	for _, cell := range nn.Cells {
		base := model(cell, 3, 8, "+-", "-+")
		one := func(cell string) nn.Config { return model(cell, 3, 8, "-") }
		layer := func(edit func(l *nn.Layer)) func(*nn.Config, *testCase) {
			return func(c *nn.Config, _ *testCase) { edit(&c.Layers[0]) }
		}
		add(cell+"/forget_bias", base, layer(func(l *nn.Layer) { l.ForgetBias = 0.75 }))
		add(cell+"/clip_error acts", base, layer(func(l *nn.Layer) { l.ClipError = ptr(1e-3) }))
		add(cell+"/clip_error off", base, layer(func(l *nn.Layer) { l.ClipError = ptr(0.0) }))
		add(cell+"/window", base, layer(func(l *nn.Layer) { l.Window = []int{2, 3} }))
		add(cell+"/dropout", base, func(c *nn.Config, t *testCase) {
			c.Layers[0].Dropout, c.Layers[0].Window = 0.3, []int{1, 2}
			t.pass, t.data.first = engine.Pass{Seed: 11, Step: 5}, 1<<33+7
		})
		for _, combine := range []string{nn.CombineConcat, nn.CombineSum, nn.CombineMean} {
			add(cell+"/combine "+combine, base, layer(func(l *nn.Layer) { l.Combine = combine }))
		}
		for _, view := range []string{nn.ViewRows, nn.ViewSnake} {
			add(cell+"/view "+view, one(cell), func(c *nn.Config, _ *testCase) { c.View = view })
		}
	}
	base := model(nn.CellPlain, 3, 8, "++")
	none := func(*nn.Config, *testCase) {}
	for _, head := range []string{nn.Sigmoid, nn.Tanh, nn.Linear} {
		add("mse/"+head, base, func(c *nn.Config, _ *testCase) { c.Head.Activation = head })
	}
	add("mse/relevant", base, func(c *nn.Config, t *testCase) { t.data.relevant = true })
	add("mse/NaN targets", base, func(c *nn.Config, t *testCase) { t.data.nanTargets, t.data.relevant = true, true })
	classes := func(c *nn.Config) {
		c.Head, c.Loss = nn.Head{Units: 5, Activation: nn.Softmax}, nn.CrossEntropy
	}
	add("cross_entropy", base, func(c *nn.Config, _ *testCase) { classes(c) })
	add("cross_entropy/class weights", base, func(c *nn.Config, _ *testCase) {
		classes(c)
		c.ClassWeights = []float64{1, 0.25, 3, 0, 2}
	})
	add("cross_entropy/ignore_index", base, func(c *nn.Config, t *testCase) {
		classes(c)
		c.IgnoreIndex, t.data.ignored = ptr(255), true
	})
	add("cross_entropy/ignore_index is a class", base, func(c *nn.Config, t *testCase) {
		classes(c)
		c.IgnoreIndex, c.ClassWeights = ptr(0), []float64{5, 1, 2, 1, 0.5}
	})
	add("cross_entropy/negative ignore_index", base, func(c *nn.Config, t *testCase) {
		classes(c)
		c.IgnoreIndex, t.data.ignored = ptr(-1), true
	})
	add("binary_cross_entropy", base, func(c *nn.Config, _ *testCase) { c.Loss = nn.BinaryCrossEntropy })
	add("normaliser", base, func(_ *nn.Config, t *testCase) { t.pass.Normaliser = 17.5 })
	add("all directions in other order", model(nn.CellGraves, 3, 8, "--", "+-", "++", "-+"), none)
	add("view rows in 3-D", model(nn.CellStable, 2, 5, "+", "-"), func(c *nn.Config, t *testCase) {
		c.View, t.shapes, t.data.relevant = nn.ViewRows, unequal(3), true
	})
	add("view snake in 1-D", model(nn.CellStable, 2, 5, "-"), func(c *nn.Config, t *testCase) {
		c.View, t.shapes = nn.ViewSnake, unequal(1)
	})
	add("view rows/dropout and two layers", model(nn.CellPlain, 6, 5, "+"), func(c *nn.Config, t *testCase) {
		c.View = nn.ViewRows
		c.Layers[0].Dropout = 0.5
		c.Layers = append(c.Layers, nn.Layer{Type: nn.TypeMDLSTM, Cell: nn.CellGraves, Hidden: 4, Directions: []string{"-"}, Dropout: 0.25})
		t.pass = engine.Pass{Seed: 3, Step: 1 << 40}
	})
	return cases
}

// stackCases: several layers, with every type behind every other.
func stackCases() []testCase {
	dense := func(units int, activation string, window ...int) nn.Layer {
		return nn.Layer{Type: nn.TypeDense, Units: units, Activation: activation, Window: window}
	}
	lstm := func(cell string, hidden int, window []int, directions ...string) nn.Layer {
		return nn.Layer{Type: nn.TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: directions, Window: window}
	}
	sum := func(axis int) nn.Layer { return nn.Layer{Type: nn.TypeSum, Axis: ptr(axis)} }
	unbiased := func(l nn.Layer) nn.Layer { l.Bias = ptr(false); return l }
	dropped := func(l nn.Layer, p float64) nn.Layer { l.Dropout = p; return l }
	stacks := []struct {
		name   string
		layers []nn.Layer
		shapes []grid.Shape
	}{
		{"mdlstm, mdlstm", []nn.Layer{lstm(nn.CellLayerNorm, 6, nil, "++"), lstm(nn.CellLeakyLP, 5, nil, "-+", "+-")}, unequal(2)},
		{"hierarchy with windows and sum", []nn.Layer{
			lstm(nn.CellGraves, 2, []int{3, 4}, corners(2)...), unbiased(dense(6, nn.Tanh)),
			lstm(nn.CellGraves, 5, []int{2, 2}, corners(2)...), unbiased(dense(7, nn.Tanh)),
			lstm(nn.CellGraves, 9, []int{2, 1}, corners(2)...), sum(0),
		}, []grid.Shape{{17, 23}, {12, 9}, {1, 1}}},
		{"mdlstm, dense, mdlstm, sum, mdlstm, dense", []nn.Layer{
			lstm(nn.CellStable, 4, []int{1, 2}, "+-"), dense(5, nn.Sigmoid, 2, 1), lstm(nn.CellPlain, 6, nil, "--", "++"),
			sum(1), lstm(nn.CellStable, 3, []int{2}, "+", "-"), dense(4, nn.Linear),
		}, []grid.Shape{{6, 7}, {3, 2}, {1, 9}}},
		{"summed to one cell", []nn.Layer{lstm(nn.CellLayerNorm, 5, nil, "+++"), sum(1), sum(0), sum(0), dense(3, nn.Tanh)}, unequal(3)},
		{"sum first", []nn.Layer{sum(0), lstm(nn.CellPlain, 4, nil, "+")}, unequal(2)},
		{"dense first, with a window", []nn.Layer{dense(5, nn.Tanh, 2, 2), lstm(nn.CellStable, 4, nil, "-+")}, unequal(2)},
		{"dense only", []nn.Layer{dense(5, nn.Tanh, 1, 3), dense(4, nn.Sigmoid)}, unequal(2)},
		{"head only", nil, unequal(2)},
		{"dropout on two layers", []nn.Layer{
			dropped(lstm(nn.CellStable, 8, []int{2, 1}, "++"), 0.2), dense(6, nn.Tanh, 1, 2), dropped(lstm(nn.CellLayerNorm, 7, nil, "+-"), 0.6),
		}, []grid.Shape{{5, 6}, {4, 4}, {1, 1}}},
		{"3-D windows", []nn.Layer{lstm(nn.CellLeakyLP, 4, []int{2, 1, 2}, "+-+"), dense(4, nn.Tanh, 1, 2, 1), lstm(nn.CellPlain, 3, nil, "---")}, unequal(3)},
		{"4-D to 2-D", []nn.Layer{lstm(nn.CellStable, 3, nil, "+-+-", "-+-+"), sum(3), sum(1), lstm(nn.CellGraves, 4, nil, "++")}, unequal(4)},
		{"window larger than every sample", []nn.Layer{lstm(nn.CellPlain, 4, []int{9, 9}, "++")}, unequal(2)},
	}
	var cases []testCase
	for i, st := range stacks {
		c := testCase{name: "stack/" + st.name, shapes: st.shapes, pass: engine.Pass{Seed: 4, Step: int64(i)}}
		c.config = nn.Config{Input: 2, Layers: st.layers, Head: nn.Head{Units: 3, Activation: nn.Softmax}, Loss: nn.CrossEntropy}
		cases = append(cases, c)
	}
	return cases
}

// largeCases: wavefronts of more than one tile, several groups of samples, and
// one large sample.
func largeCases() []testCase {
	var mixed, short []grid.Shape
	for i := range 40 {
		mixed = append(mixed, grid.Shape{5 + i%5, 6 + (i/2)%4})
	}
	for i := range 150 {
		short = append(short, grid.Shape{1 + i%9})
	}
	var cases []testCase
	for i, cell := range nn.Cells {
		large := model(cell, 1, 16-i, "+-")
		if cell == nn.CellPlain || cell == nn.CellGraves {
			large.Layers[0].ForgetBias = -1 // with 0, c grows beyond float32 in 79 wavefronts
		}
		cases = append(cases,
			testCase{name: cell + "/40 samples", config: model(cell, 2, 12+4*i, "++", "--"), shapes: mixed, data: data{relevant: true}},
			testCase{name: cell + "/one sample of 40x40", config: large, shapes: []grid.Shape{{40, 40}}},
			testCase{name: cell + "/150 sequences", config: model(cell, 3, 10, "-", "+"), shapes: short},
		)
	}
	volume := model(nn.CellStable, 1, 6, "+++", "--+")
	volume.Layers[0].Dropout = 0.1
	view := model(nn.CellLayerNorm, 2, 9, "+")
	view.View = nn.ViewRows
	return append(cases,
		testCase{name: "volumes of more than 128 rows a wavefront", config: volume, shapes: []grid.Shape{{9, 10, 8}, {7, 7, 7}, {12, 4, 9}}, pass: engine.Pass{Seed: 9}},
		testCase{name: "a long thin sample", config: model(nn.CellStable, 1, 8, "+-"), shapes: []grid.Shape{{2, 300}, {150, 1}}},
		testCase{name: "rows of 40 samples", config: view, shapes: mixed},
	)
}
