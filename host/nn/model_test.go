package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

// mdlstm is a layer on two axes in one direction.
func mdlstm(cell string, hidden int) Layer {
	return Layer{Type: TypeMDLSTM, Cell: cell, Hidden: hidden, Directions: []string{"++"}}
}

// small is a model of one layer in two directions: 3 inputs, 4 hidden, 2 units.
func small(cell string) Config {
	l := mdlstm(cell, 4)
	l.Directions = []string{"++", "--"}
	return Config{Input: 3, Layers: []Layer{l}, Head: Head{Units: 2, Activation: Linear}, Loss: MSE}
}

// hierarchy is the handwriting network of Graves and Schmidhuber 2008.
func hierarchy() Config {
	corners := []string{"++", "+-", "-+", "--"}
	lstm := func(hidden int, window []int) Layer {
		return Layer{Type: TypeMDLSTM, Cell: CellGraves, Hidden: hidden, Directions: corners, Window: window}
	}
	dense := func(units int, window []int) Layer {
		return Layer{Type: TypeDense, Units: units, Activation: Tanh, Bias: ptr(false), Window: window}
	}
	return Config{
		Input: 1,
		Layers: []Layer{
			lstm(2, []int{4, 3}), dense(6, []int{4, 3}),
			lstm(10, nil), dense(20, []int{4, 2}),
			lstm(50, nil), {Type: TypeSum, Axis: ptr(0)},
		},
		Head: Head{Units: 121, Activation: Softmax},
		Loss: CrossEntropy,
	}
}

func newModel(t *testing.T, c Config) *Model {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPublishedCount holds the parameters against a number in print: 159,369
// weights (Graves and Schmidhuber 2008, Offline Handwriting Recognition with
// Multidimensional Recurrent Neural Networks).
func TestPublishedCount(t *testing.T) {
	m := newModel(t, hierarchy())
	if got, want := m.Size(), 159369; got != want {
		t.Errorf("got %d parameters, want %d", got, want)
	}
	out, err := m.OutputShape([]int{100, 1000})
	if err != nil {
		t.Fatal(err)
	}
	// 1000 columns in threes, then threes, then twos, each rounded up
	if want := []int{56}; !cmp.Equal(out, want) {
		t.Errorf("got output %v, want %v", out, want)
	}
}

// TestParams are the tensors of the model file, in its order.
func TestParams(t *testing.T) {
	head := "head.weight [2 8]\nhead.bias [2]"
	weights := "layers.0.weight_ih [2 20 3]\nlayers.0.weight_hh [2 2 20 4]\n"
	bias := weights + "layers.0.bias [2 20]\n"
	three := small(CellGraves)
	three.Layers[0].Directions = []string{"+-+"}
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{"layernorm", small(CellLayerNorm), weights +
			"layers.0.ln_gate.weight [2 5 4]\nlayers.0.ln_gate.bias [2 5 4]\n" +
			"layers.0.ln_cell.weight [2 4]\nlayers.0.ln_cell.bias [2 4]\n" + head},
		{"plain", small(CellPlain), bias + head},
		{"stable", small(CellStable), bias + head},
		{"leakylp", small(CellLeakyLP), bias + head},
		{"graves", small(CellGraves), bias +
			"layers.0.peephole_f [2 2 4]\nlayers.0.peephole_i [2 4]\nlayers.0.peephole_o [2 4]\n" + head},
		{"graves on three axes", three, "layers.0.weight_ih [1 24 3]\nlayers.0.weight_hh [1 3 24 4]\nlayers.0.bias [1 24]\n" +
			"layers.0.peephole_f [1 3 4]\nlayers.0.peephole_i [1 4]\nlayers.0.peephole_o [1 4]\n" +
			"head.weight [2 4]\nhead.bias [2]"},
		{"head only", Config{Input: 5, Head: Head{Units: 2, Activation: Tanh}, Loss: MSE}, "head.weight [2 5]\nhead.bias [2]"},
		{"dense and sum", Config{
			Input: 3,
			Layers: []Layer{
				{Type: TypeDense, Units: 4, Activation: Tanh, Window: []int{2, 3}},
				{Type: TypeSum, Axis: ptr(1)},
				{Type: TypeDense, Units: 5, Activation: Linear, Bias: ptr(false)},
			},
			Head: Head{Units: 2, Activation: Sigmoid}, Loss: BinaryCrossEntropy,
		}, "layers.0.weight [4 18]\nlayers.0.bias [4]\nlayers.2.weight [5 4]\nhead.weight [2 5]\nhead.bias [2]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t, test.config)
			var lines []string
			offset := 0
			for _, p := range m.Params {
				lines = append(lines, fmt.Sprintf("%s %v", p.Name, p.Shape))
				if p.Offset != offset {
					t.Errorf("%s: got offset %d, want %d", p.Name, p.Offset, offset)
				}
				if !strings.HasPrefix(p.Name, m.Stages[p.Stage].Name+".") {
					t.Errorf("%s: got stage %d, which is %s", p.Name, p.Stage, m.Stages[p.Stage].Name)
				}
				offset += p.Size()
			}
			if diff := cmp.Diff(strings.Join(lines, "\n"), test.want); diff != "" {
				t.Errorf("got (-) and want (+):\n%s", diff)
			}
			if m.Size() != offset {
				t.Errorf("got size %d, want %d", m.Size(), offset)
			}
		})
	}
}

func TestStages(t *testing.T) {
	c := small(CellLayerNorm)
	c.Layers[0].Window = []int{2, 1}
	c.Layers[0].Dropout = 0.5
	c.Layers[0].ForgetBias = 1
	c.Layers = append(c.Layers,
		Layer{Type: TypeSum, Axis: ptr(1)},
		Layer{Type: TypeDense, Units: 7, Activation: Tanh, Window: []int{3}})
	want := []Stage{
		{
			Layer: 0, Type: TypeMDLSTM, Name: "layers.0", Axes: 2, Features: 3, In: 6, Out: 8, Window: []int{2, 1},
			Cell: CellLayerNorm, Hidden: 4, Gates: 5, Directions: []string{"++", "--"}, Combine: CombineConcat,
			ForgetBias: 1, ClipError: 1, Dropout: 0.5,
		},
		{Layer: 1, Type: TypeSum, Name: "layers.1", Axes: 2, Features: 8, In: 8, Out: 8, Axis: 1},
		{
			Layer: 2, Type: TypeDense, Name: "layers.2", Axes: 1, Features: 8, In: 24, Out: 7, Window: []int{3},
			Activation: Tanh, Bias: true,
		},
		{Layer: 3, Type: TypeDense, Head: true, Name: "head", Axes: 1, Features: 7, In: 7, Out: 2, Activation: Linear, Bias: true},
	}
	if diff := cmp.Diff(newModel(t, c).Stages, want); diff != "" {
		t.Errorf("got (-) and want (+):\n%s", diff)
	}
	for _, combine := range []string{CombineSum, CombineMean} {
		c.Layers[0].Combine = combine
		if got := newModel(t, c).Stages[0].Out; got != 4 {
			t.Errorf("combine %s: got %d features, want 4", combine, got)
		}
	}
}

func TestLookup(t *testing.T) {
	m := newModel(t, small(CellPlain))
	byName, ok := m.Param("layers.0.weight_hh")
	bySuffix, ok2 := m.StageParam(0, "weight_hh")
	if !ok || !ok2 || byName.Offset != 120 || !cmp.Equal(byName, bySuffix) {
		t.Errorf("got %v %t and %v %t, want one tensor at 120", byName, ok, bySuffix, ok2)
	}
	if head, ok := m.StageParam(1, "bias"); !ok || head.Name != "head.bias" {
		t.Errorf("got %v %t, want head.bias", head, ok)
	}
	for _, missing := range []struct {
		stage  int
		suffix string
	}{{0, "peephole_i"}, {1, "weight_ih"}, {-1, "bias"}, {2, "bias"}} {
		if p, ok := m.StageParam(missing.stage, missing.suffix); ok {
			t.Errorf("stage %d %s: got %v, want none", missing.stage, missing.suffix, p)
		}
	}
	if m.Units() != 2 {
		t.Errorf("got %d units, want 2", m.Units())
	}
}

// TestModelKeepsItsConfig changes the caller's slices and pointers after New.
func TestModelKeepsItsConfig(t *testing.T) {
	c := hierarchy()
	c.ClassWeights = make([]float64, 121)
	c.ClassWeights[0] = 1
	m := newModel(t, c)
	c.Layers[0].Directions[0], c.Layers[0].Window[0] = "x", 9
	*c.Layers[5].Axis, *c.Layers[1].Bias, c.ClassWeights[0] = 1, true, -1
	c.Layers[3].Units = 0
	want := hierarchy()
	want.ClassWeights = make([]float64, 121)
	want.ClassWeights[0] = 1
	if diff := cmp.Diff(m.Config, want.WithDefaults()); diff != "" {
		t.Errorf("got (-) and want (+):\n%s", diff)
	}
	if got := m.Stages[0]; got.Directions[0] != "++" || got.Window[0] != 4 {
		t.Errorf("stage 0 changed: %v %v", got.Directions, got.Window)
	}
}

func TestAxesAndOutputShape(t *testing.T) {
	dense := Layer{Type: TypeDense, Units: 2, Activation: Tanh}
	sum := func(axis int) Layer { return Layer{Type: TypeSum, Axis: ptr(axis)} }
	window := func(w ...int) Layer { d := dense; d.Window = w; return d }
	line := Layer{Type: TypeMDLSTM, Cell: CellPlain, Hidden: 2, Directions: []string{"+"}}
	for _, test := range []struct {
		name   string
		view   string
		layers []Layer
		axes   int
		in     []int
		want   []int
		err    string
	}{
		{name: "two axes", layers: []Layer{mdlstm(CellPlain, 2)}, axes: 2, in: []int{5, 7}, want: []int{5, 7}},
		{name: "another number of axes", layers: []Layer{mdlstm(CellPlain, 2)}, axes: 2, in: []int{5, 7, 9}, err: "grid [5 7 9]: got 3 axes, the model takes 2"},
		{name: "no axes", layers: nil, axes: AnyAxes, in: []int{}, err: "got 0 axes"},
		{name: "empty axis", layers: []Layer{mdlstm(CellPlain, 2)}, axes: 2, in: []int{5, 0}, err: "got length 0 on axis 1"},
		{name: "nothing fixes", layers: []Layer{dense}, axes: AnyAxes, in: []int{5, 6, 7, 8}, want: []int{5, 6, 7, 8}},
		{name: "window of 1 fixes nothing", layers: []Layer{window(1, 1)}, axes: AnyAxes, in: []int{5}, want: []int{5}},
		{name: "window fixes and rounds up", layers: []Layer{window(2, 3)}, axes: 2, in: []int{4, 7}, want: []int{2, 3}},
		{name: "window larger than the grid", layers: []Layer{window(9, 9)}, axes: 2, in: []int{1, 8}, want: []int{1, 1}},
		{name: "sum before the layer that fixes", layers: []Layer{sum(0), mdlstm(CellPlain, 2)}, axes: 3, in: []int{4, 5, 6}, want: []int{5, 6}},
		{name: "sum of an inner axis", layers: []Layer{mdlstm(CellPlain, 2), sum(1), line}, axes: 2, in: []int{4, 5}, want: []int{4}},
		{name: "everything summed", layers: []Layer{line, sum(0)}, axes: 1, in: []int{4}, want: []int{}},
		{name: "sum with no fixed axes", layers: []Layer{sum(1)}, axes: AnyAxes, in: []int{4, 5, 6}, want: []int{4, 6}},
		{name: "sum beyond the given axes", layers: []Layer{sum(1)}, axes: AnyAxes, in: []int{4}, err: "layers.0 sums over axis 1 of 1"},
		{name: "rows", view: ViewRows, layers: []Layer{line}, axes: AnyAxes, in: []int{4, 5}, want: []int{4, 5}},
		{name: "snake", view: ViewSnake, layers: []Layer{line, dense}, axes: AnyAxes, in: []int{4, 5, 6}, want: []int{4, 5, 6}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t, Config{View: test.view, Input: 1, Layers: test.layers, Head: Head{Units: 1, Activation: Linear}, Loss: MSE})
			if got := m.Axes(); got != test.axes {
				t.Errorf("got %d axes, want %d", got, test.axes)
			}
			in := append([]int{}, test.in...)
			got, err := m.OutputShape(in)
			if !cmp.Equal(in, test.in) {
				t.Errorf("the input became %v", in)
			}
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !cmp.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestStageAxes follows the number of axes through views and sums.
func TestStageAxes(t *testing.T) {
	line := Layer{Type: TypeMDLSTM, Cell: CellPlain, Hidden: 2, Directions: []string{"+"}}
	for _, test := range []struct {
		name   string
		view   string
		layers []Layer
		want   []int
	}{
		{"view", ViewRows, []Layer{line}, []int{1, 1}},
		{"sums", ViewGrid, []Layer{{Type: TypeSum, Axis: ptr(2)}, mdlstm(CellPlain, 2), {Type: TypeSum, Axis: ptr(0)}, {Type: TypeSum, Axis: ptr(0)}}, []int{3, 2, 2, 1, 0}},
		{"free", ViewGrid, []Layer{{Type: TypeSum, Axis: ptr(0)}}, []int{AnyAxes, AnyAxes}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newModel(t, Config{View: test.view, Input: 1, Layers: test.layers, Head: Head{Units: 1, Activation: Linear}, Loss: MSE})
			var got []int
			for _, s := range m.Stages {
				got = append(got, s.Axes)
			}
			if !cmp.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// TestWindows: the product of all layers' windows, which cannot overflow.
func TestWindows(t *testing.T) {
	layer := func(window ...int) Layer {
		return Layer{Type: TypeMDLSTM, Cell: CellPlain, Hidden: 1, Directions: []string{"++"}, Window: window}
	}
	for name, test := range map[string]struct {
		layers []Layer
		want   []int
	}{
		"none":    {[]Layer{layer()}, []int{1, 1}},
		"product": {[]Layer{layer(2, 3), layer(1, 4)}, []int{2, 12}},
		"huge":    {[]Layer{layer(1<<16, 1), layer(1<<16, 1), layer(1<<16, 2), layer(1<<16, 1)}, []int{math.MaxInt32, 2}},
	} {
		m, err := New(Config{Input: 1, Layers: test.layers, Head: Head{Units: 1, Activation: Linear}, Loss: MSE})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Windows(2); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
