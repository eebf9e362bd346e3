package task

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// writeInts writes an int64 array, which npy.Write does not.
func writeInts(t testing.TB, shape []int, data []int64) string {
	t.Helper()
	dims := ""
	for _, n := range shape {
		dims += fmt.Sprintf("%d,", n)
	}
	header := "{'descr': '<i8', 'fortran_order': False, 'shape': (" + dims + ")}"
	file := []byte("\x93NUMPY\x01\x00")
	file = append(file, byte(len(header)), byte(len(header)>>8))
	file = append(file, header...)
	for _, v := range data {
		for i := range 8 {
			file = append(file, byte(uint64(v)>>(8*i)))
		}
	}
	path := filepath.Join(t.TempDir(), "i.npy")
	if err := os.WriteFile(path, file, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, o ArraysOptions, m *nn.Model) *Arrays {
	t.Helper()
	a, err := NewArrays(o)
	if err != nil {
		t.Fatal(err)
	}
	if m != nil {
		if err := a.Check(m); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// TestArraysLayout is the drawing of the package comment, with two channels:
// cell i of the padded array of 3 × 2 × 3 holds 2i and 2i+1, its target is -i.
func TestArraysLayout(t *testing.T) {
	y := counting(18)
	for i := range y {
		y[i] *= -1
	}
	a := open(t, ArraysOptions{
		X:     write(t, []int{3, 2, 3, 2}, counting(36)),
		Y:     write(t, []int{3, 2, 3, 1}, y),
		Sizes: writeInts(t, []int{3, 2}, []int64{2, 3, 1, 2, 2, 1}),
		Batch: 2,
	}, model(t, 2, 1, "linear", "mse"))

	first := &engine.Batch{
		Samples: []grid.Shape{{2, 3}, {1, 2}},
		X:       []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
		Y:       []float32{float32(math.Copysign(0, -1)), -1, -2, -3, -4, -5, -6, -7},
	}
	second := &engine.Batch{
		Samples: []grid.Shape{{2, 1}},
		X:       []float32{24, 25, 30, 31},
		Y:       []float32{-12, -15},
		First:   2,
	}
	var got engine.Batch
	for _, step := range []int64{0, 1, 2, 5, 0} {
		want := cloneBatch([]*engine.Batch{first, second}[step%2])
		want.First += 3 * (step / 2)
		if err := a.Batch(step, &got); err != nil {
			t.Fatal(err)
		}
		if !sameBatch(&got, want) {
			t.Errorf("batch %d: got %+v, want %+v", step, got, *want)
		}
	}
	if err := a.Example(&got); err != nil || len(got.Samples) != 1 || !slices.Equal(got.X, first.X[:12]) {
		t.Errorf("example: got %+v, %v", got, err)
	}
	if want := []grid.Shape{{2, 3}, {1, 2}}; !slices.EqualFunc(a.Largest(), want, grid.Shape.Equal) {
		t.Errorf("largest: got %v, want %v", a.Largest(), want)
	}
	if want := (Spec{Axes: 2, Input: 2, Units: 1, Activation: "linear", Loss: "mse", Samples: 3, Steps: 2}); !reflect.DeepEqual(a.Spec(), want) {
		t.Errorf("spec: got %+v, want %+v", a.Spec(), want)
	}
	checkError(t, a.Batch(-1, &got), "at least 0")
}

// TestArraysWindow: a model with windows of 2 × 2 has targets on ⌈size/2⌉.
func TestArraysWindow(t *testing.T) {
	a := open(t, ArraysOptions{
		X:     write(t, []int{2, 3, 4, 1}, counting(24)),
		Y:     writeInts(t, []int{2, 2, 2}, []int64{0, 1, 2, 1, 2, 99, 0, 99}),
		Sizes: writeInts(t, []int{2, 2}, []int64{3, 4, 3, 1}),
		Batch: 2, Loss: "cross_entropy",
	}, model(t, 1, 3, "softmax", "cross_entropy", window(2, 2)))
	b := batchOf(t, a, 0)
	if want := []int32{0, 1, 2, 1, 2, 0}; !slices.Equal(b.Class, want) || b.Y != nil {
		t.Errorf("classes: got %v, want %v", b.Class, want)
	}
	if want := append(counting(12), 12, 16, 20); !slices.Equal(b.X, want) {
		t.Errorf("x: got %v, want %v", b.X, want)
	}
}

// TestArraysSum: a model that sums over all axes has one target a sample.
func TestArraysSum(t *testing.T) {
	axis := 0
	m := model(t, 1, 3, "softmax", "cross_entropy", func(c *nn.Config) {
		c.Layers = append(c.Layers, nn.Layer{Type: "sum", Axis: &axis}, nn.Layer{Type: "sum", Axis: &axis})
	})
	a := open(t, ArraysOptions{
		X: write(t, []int{3, 2, 2, 1}, counting(12)), Y: writeInts(t, []int{3}, []int64{2, 0, 1}), Batch: 2,
	}, m)
	if b := batchOf(t, a, 1); !slices.Equal(b.Class, []int32{1}) {
		t.Errorf("got %v, want [1]", b.Class)
	}
}

func TestArraysWithoutTargets(t *testing.T) {
	a := open(t, ArraysOptions{X: write(t, []int{1, 2, 1}, counting(2)), Batch: 8}, nil)
	b := batchOf(t, a, 0) // needs no Check
	if b.Y != nil || b.Class != nil || !slices.Equal(b.X, []float32{0, 1}) {
		t.Errorf("got %+v", b)
	}
	if a.Spec().Units != 0 || a.Spec().Loss != "" {
		t.Errorf("got the spec %+v", a.Spec())
	}
}

func TestArraysUnchecked(t *testing.T) {
	x := write(t, []int{1, 2, 1}, counting(2))
	a := open(t, ArraysOptions{X: x, Y: x, Batch: 1}, nil)
	checkError(t, a.Batch(0, &engine.Batch{}), "before Check")
	checkError(t, a.Example(&engine.Batch{}), "before Check")
}

func TestArraysSpec(t *testing.T) {
	x := write(t, []int{2, 3, 1}, counting(6))
	ints := writeInts(t, []int{2, 3}, []int64{0, 4, 1, 2, 255, 9})
	floats := write(t, []int{2, 3, 5}, make([]float32, 30))
	ignored := 255
	for _, test := range []struct {
		name    string
		options ArraysOptions
		units   int
		act     string
		loss    string
	}{
		{"integers", ArraysOptions{Y: ints}, 256, "softmax", "cross_entropy"},
		{"ignored", ArraysOptions{Y: ints, IgnoreIndex: &ignored}, 10, "softmax", "cross_entropy"},
		{"beyond the size", ArraysOptions{Y: ints, Sizes: writeInts(t, []int{2, 1}, []int64{3, 1})}, 5, "softmax", "cross_entropy"},
		{"one class", ArraysOptions{Y: writeInts(t, []int{2, 3}, make([]int64, 6))}, 2, "softmax", "cross_entropy"},
		{"floats", ArraysOptions{Y: floats}, 5, "linear", "mse"},
		{"integers as values", ArraysOptions{Y: ints, Loss: "mse"}, 3, "linear", "mse"},
		{"binary", ArraysOptions{Y: floats, Loss: "binary_cross_entropy"}, 5, "sigmoid", "binary_cross_entropy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.options
			o.X, o.Batch = x, 1
			s := open(t, o, nil).Spec()
			if s.Units != test.units || s.Activation != test.act || s.Loss != test.loss {
				t.Errorf("got %+v, want %d units, %s, %s", s, test.units, test.act, test.loss)
			}
		})
	}
}

func TestArraysClassCounts(t *testing.T) {
	x := write(t, []int{2, 3, 1}, counting(6))
	ints := writeInts(t, []int{2, 3}, []int64{0, 3, 1, 3, 255, 9})
	sizes := writeInts(t, []int{2, 1}, []int64{3, 2}) // the 9 lies beyond
	ignored := 255
	m, err := nn.New(nn.Config{View: nn.ViewGrid, Input: 1, Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"+"}}},
		Head: nn.Head{Units: 5, Activation: "softmax"}, Loss: "cross_entropy", IgnoreIndex: &ignored})
	if err != nil {
		t.Fatal(err)
	}
	a := open(t, ArraysOptions{X: x, Y: ints, Sizes: sizes, Batch: 1, IgnoreIndex: &ignored}, m)
	if got, want := a.ClassCounts(), []int{1, 1, 0, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := open(t, ArraysOptions{X: x, Y: x, Batch: 1}, model(t, 1, 1, "linear", "mse")).ClassCounts(); got != nil {
		t.Errorf("values: got %v, want none", got)
	}
}

func TestArraysSettings(t *testing.T) {
	x := write(t, []int{2, 3, 4, 1}, counting(24))
	sizes := writeInts(t, []int{2, 2}, []int64{3, 4, 1, 2})
	a := open(t, ArraysOptions{X: x, Sizes: sizes, Batch: 2, Shuffle: true, Seed: 8}, nil)
	want := map[string]string{"x": x, "y": "", "sizes": sizes, "batch": "2", "shuffle": "true", "bucket": "false", "seed": "8"}
	if got := a.Settings(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if a.Name() != "arrays" || !a.Grid().Equal(grid.Shape{3, 4}) || !slices.EqualFunc(a.Sizes(), []grid.Shape{{3, 4}, {1, 2}}, grid.Shape.Equal) {
		t.Errorf("got %s, grid %v, sizes %v", a.Name(), a.Grid(), a.Sizes())
	}
}

func TestArraysShuffle(t *testing.T) {
	const samples, batch = 10, 4
	x := write(t, []int{samples, 1, 1}, counting(samples))
	source := func(seed uint64) *Arrays {
		return open(t, ArraysOptions{X: x, Batch: batch, Shuffle: true, Seed: seed}, nil)
	}
	a := source(1)
	var orders [][]float32
	for epoch := range int64(4) {
		var order []float32
		for step := range a.Spec().Steps {
			b := batchOf(t, a, epoch*a.Spec().Steps+step)
			if want := epoch*samples + step*batch; b.First != want {
				t.Errorf("epoch %d, step %d: first is %d, want %d", epoch, step, b.First, want)
			}
			order = append(order, b.X...)
		}
		sorted := slices.Sorted(slices.Values(order))
		if !slices.Equal(sorted, counting(samples)) {
			t.Errorf("epoch %d is %v, want each sample once", epoch, order)
		}
		for _, other := range append(orders, counting(samples)) {
			if slices.Equal(order, other) {
				t.Errorf("epoch %d has the order of another: %v", epoch, order)
			}
		}
		orders = append(orders, order)
	}
	// Out of order, on another source: the same batches.
	again := source(1)
	for _, step := range []int64{11, 0, 7, 7, 2} {
		if !sameBatch(batchOf(t, a, step), batchOf(t, again, step)) {
			t.Errorf("batch %d differs", step)
		}
	}
	if sameBatch(batchOf(t, source(2), 0), batchOf(t, a, 0)) {
		t.Error("the seed does not matter")
	}
}

func TestArraysHash(t *testing.T) {
	x, other := write(t, []int{2, 1, 1}, counting(2)), write(t, []int{2, 1, 1}, make([]float32, 2))
	sizes := writeInts(t, []int{2, 1}, []int64{1, 1})
	hash := func(o ArraysOptions) string {
		o.Batch = 1
		return open(t, o, nil).Hash()
	}
	base := hash(ArraysOptions{X: x, Y: other})
	if len(base) != 64 || base != hash(ArraysOptions{X: write(t, []int{2, 1, 1}, counting(2)), Y: other}) {
		t.Errorf("the hash %s depends on the path", base)
	}
	for name, o := range map[string]ArraysOptions{
		"x": {X: other, Y: other}, "y": {X: x, Y: x}, "no y": {X: x}, "sizes": {X: x, Y: other, Sizes: sizes},
	} {
		if hash(o) == base {
			t.Errorf("%s does not matter", name)
		}
	}
}

func TestNewArraysRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	x := write(t, []int{2, 2, 2, 1}, counting(8))
	for _, test := range []struct {
		name    string
		options ArraysOptions
		want    string
	}{
		{"no batch", ArraysOptions{X: x, Batch: -1}, "--batch"},
		{"missing", ArraysOptions{X: "no/such.npy"}, "no/such.npy: no such file"},
		{"x without channels", ArraysOptions{X: write(t, []int{4, 2}, counting(8))}, "shape [4 2] has 2 axes, want [samples, grid …, channels]: add a channel axis"},
		{"x of too many axes", ArraysOptions{X: write(t, slices.Repeat([]int{1}, 11), counting(1))}, "grid of 9 axes"},
		{"x without samples", ArraysOptions{X: write(t, []int{0, 2, 1}, nil)}, "no values"},
		{"x NaN", ArraysOptions{X: write(t, []int{1, 2, 2, 2}, []float32{0, 0, 0, 0, 0, 0, 0, nan})}, "sample 0, cell [1 1], channel 1 is NaN as float32"},
		{"x infinite", ArraysOptions{X: write(t, []int{2, 2, 1}, []float32{0, 0, 0, inf})}, "sample 1, cell [1], channel 0 is +Inf"},
		{"sizes as floats", ArraysOptions{X: x, Sizes: write(t, []int{2, 2}, []float32{1, 1, 1, 1})}, "holds float32, want integers"},
		{"sizes of another shape", ArraysOptions{X: x, Sizes: writeInts(t, []int{2}, []int64{1, 1})}, "shape [2], want [2 2], one size for each sample and axis of " + x},
		{"size 0", ArraysOptions{X: x, Sizes: writeInts(t, []int{2, 2}, []int64{1, 1, 1, 0})}, "sample 1 has the size 0 on axis 1, want 1 … 2"},
		{"size beyond x", ArraysOptions{X: x, Sizes: writeInts(t, []int{2, 2}, []int64{1, 3, 1, 1})}, "sample 0 has the size 3 on axis 1, want 1 … 2"},
		{"size beyond int32", ArraysOptions{X: x, Sizes: writeInts(t, []int{2, 2}, []int64{1 << 40, 3, 1, 1})}, "size 1099511627776"},
		{"y of other samples", ArraysOptions{X: x, Y: write(t, []int{3, 2, 2, 1}, counting(12))}, "want 2 samples as in " + x + ", whose shape is [2 2 2 1]"},
		{"y a scalar", ArraysOptions{X: x, Y: write(t, nil, counting(1))}, "want 2 samples"},
		{"y without cells", ArraysOptions{X: x, Y: write(t, []int{2, 0}, nil)}, "no values"},
		{"y without units", ArraysOptions{X: x, Y: write(t, []int{2}, counting(2))}, "y[..., None]"},
		{"float classes", ArraysOptions{X: x, Y: write(t, []int{2, 2, 2}, counting(8)), Loss: "cross_entropy"}, "holds float32, want integers"},
		{"huge class", ArraysOptions{X: x, Y: writeInts(t, []int{2, 1, 1}, []int64{0, 1 << 33})}, "largest class is 8589934592"},
		{"loss", ArraysOptions{X: x, Y: x, Loss: "ctc"}, `loss "ctc"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.options
			if o.Batch == 0 {
				o.Batch = 1
			}
			_, err := NewArrays(o)
			checkError(t, err, test.want)
		})
	}
}

// TestArraysSingle: one sample alone, by the number of axes of the array.
func TestArraysSingle(t *testing.T) {
	one, two := model(t, 1, 1, "linear", "mse"), model(t, 2, 1, "linear", "mse")
	for _, c := range []struct {
		shape  []int
		model  *nn.Model
		single bool
		want   string // of an error
	}{
		{[]int{2, 3, 4}, one, true, ""},
		{[]int{2, 3, 4, 2}, two, true, ""},
		{[]int{2, 3, 4, 1, 1}, one, false, ""},
		{[]int{2, 3, 4}, two, true, "shape [2 3 4] has 1 channels, the model wants 2: 3 axes are one sample of one channel [depth, height, width], 4 one"},
		{[]int{2, 3, 4, 5}, one, true, "shape [2 3 4 5] has 5 channels, the model wants 1: 3 axes are"},
		{[]int{2, 3}, one, true, "shape [2 3] has 2 axes: 3 axes are one sample"},
		{[]int{1, 1, 1, 1, 1, 1}, one, true, "shape [1 1 1 1 1 1] has 6 axes: 3 axes are"},
		{[]int{2, 0, 4}, one, true, "shape [2 0 4] has no values"},
	} {
		cells := 1
		for _, n := range c.shape {
			cells *= n
		}
		a, err := NewArrays(ArraysOptions{X: write(t, c.shape, counting(cells)), Batch: 1, Axes: 3})
		if err == nil {
			err = a.Check(c.model)
		}
		if c.want != "" {
			checkError(t, err, c.want)
			continue
		}
		if err != nil || a.Single() != c.single || len(a.Grid()) != 3 {
			t.Errorf("%v: single %v, grid %v (error %v)", c.shape, a.Single(), a.Grid(), err)
			continue
		}
		if c.single {
			if x, size := a.Sample(0); len(x) != cells || !size.Equal(grid.Shape{2, 3, 4}) {
				t.Errorf("%v: a sample of %v, %d values", c.shape, size, len(x))
			}
		}
	}
}

func TestArraysCheckRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	x := write(t, []int{1, 2, 3, 1}, counting(6))
	values := func(v ...float32) string { return write(t, []int{1, 2, 3, 1}, v) }
	classes := func(c ...int64) string { return writeInts(t, []int{1, 2, 3}, c) }
	mse := model(t, 1, 1, "linear", "mse")
	binary := model(t, 1, 1, "sigmoid", "binary_cross_entropy")
	three := model(t, 1, 3, "softmax", "cross_entropy")
	small := writeInts(t, []int{1, 2}, []int64{1, 2})
	for _, test := range []struct {
		name    string
		options ArraysOptions
		model   *nn.Model
		want    string // empty: accepted
	}{
		{"mse", ArraysOptions{Y: values(1, 2, 3, 4, 5, 6)}, mse, ""},
		{"NaN for mse", ArraysOptions{Y: values(1, 2, nan, 4, 5, 6)}, mse, ""},
		{"only NaN for mse", ArraysOptions{Y: values(nan, nan, nan, nan, nan, nan)}, mse, "no target counts: each is NaN"},
		{"only NaN inside the size", ArraysOptions{Y: values(nan, nan, 1, 1, 1, 1), Sizes: small}, mse, "no target counts: each is NaN"},
		{"infinite", ArraysOptions{Y: values(1, 2, 3, 4, inf, 6)}, mse, "sample 0, cell [1 1] is -Inf"},
		{"infinite beyond the size", ArraysOptions{Y: values(1, 2, 3, 4, inf, 6), Sizes: small}, mse, ""},
		{"binary", ArraysOptions{Y: values(0, 1, 0, 1, 0.5, 0)}, binary, ""},
		{"binary NaN", ArraysOptions{Y: values(0, 1, nan, 1, 0, 0)}, binary, "cell [0 2] is NaN, want 0 … 1"},
		{"binary 2", ArraysOptions{Y: values(0, 2, 0, 1, 0, 0)}, binary, "cell [0 1] is 2, want 0 … 1"},
		{"classes", ArraysOptions{Y: classes(0, 1, 2, 0, 1, 2)}, three, ""},
		{"class too large", ArraysOptions{Y: classes(0, 1, 2, 3, 1, 2)}, three, "cell [1 0] is class 3, want 0 … 2: set"},
		{"class negative", ArraysOptions{Y: classes(0, 1, 2, 0, -1, 2)}, three, "class -1"},
		{"class ignored", ArraysOptions{Y: classes(0, 1, -1, 255, 1, 2)}, model(t, 1, 3, "softmax", "cross_entropy", ignore(255)), "class -1, want 0 … 2 or ignore_index 255"},
		{"all ignored", ArraysOptions{Y: classes(255, 255, 255, 255, 255, 255)}, model(t, 1, 3, "softmax", "cross_entropy", ignore(255)), "no target counts: each is the ignore_index 255"},
		{"some ignored", ArraysOptions{Y: classes(0, 255, 2, 255, 1, 2)}, model(t, 1, 3, "softmax", "cross_entropy", ignore(255)), ""},
		{"class beyond the size", ArraysOptions{Y: classes(0, 1, -7, -7, -7, -7), Sizes: small}, three, ""},
		{"float classes", ArraysOptions{Y: write(t, []int{1, 2, 3}, counting(6))}, three, "holds float32, want integers"},
		{"channels", ArraysOptions{}, model(t, 2, 1, "linear", "mse"), x + ": shape [1 2 3 1] has 1 channels, the model wants 2: give an array [samples, grid …, 2] for this model"},
		{"y of another grid", ArraysOptions{Y: write(t, []int{1, 3, 3, 1}, counting(9))}, mse, "shape [1 3 3 1], want [1 2 3 1] for mse"},
		{"window", ArraysOptions{Y: values(1, 2, 3, 4, 5, 6)}, model(t, 1, 1, "linear", "mse", window(2, 2)), "want [1 1 2 1] for mse"},
		{"units", ArraysOptions{Y: values(1, 2, 3, 4, 5, 6)}, model(t, 1, 4, "linear", "mse"), "give targets of 4 values a cell, or train another model"},
		{"unit axis, units from y", ArraysOptions{Y: write(t, []int{1, 2, 3}, counting(6))}, model(t, 1, 3, "linear", "mse"), "shape [1 2 3], want [1 2 3 units] for mse"},
		{"unit axis of another model", ArraysOptions{Y: write(t, []int{1, 2, 3}, counting(6))}, model(t, 1, 4, "linear", "mse"), "shape [1 2 3], want [1 2 3 4] for mse"},
		{"unit axis", ArraysOptions{Y: write(t, []int{1, 2, 3}, counting(6))}, mse, "y[..., None]"},
		{"unit axis of classes", ArraysOptions{Y: writeInts(t, []int{1, 2, 3, 1}, make([]int64, 6))}, three, "y[..., 0]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := test.options
			o.X, o.Batch = x, 1
			a, err := NewArrays(o)
			if err != nil {
				t.Fatal(err)
			}
			err = a.Check(test.model)
			if test.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				batchOf(t, a, 0)
				return
			}
			checkError(t, err, test.want)
			if !strings.HasPrefix(err.Error(), o.X) && !strings.HasPrefix(err.Error(), o.Y) {
				t.Errorf("%v does not begin with a path", err)
			}
		})
	}
}

// TestArraysForgottenChannels: images without a channel axis look like sequences
// of many channels; the targets give it away.
func TestArraysForgottenChannels(t *testing.T) {
	x := write(t, []int{2, 3, 4}, counting(24))
	const want = "if x lacks its channel axis, add it with x[..., None]"
	a := open(t, ArraysOptions{X: x, Y: writeInts(t, []int{2, 3, 4}, make([]int64, 24)), Batch: 1}, nil)
	checkError(t, a.Check(model(t, 4, 2, "softmax", "cross_entropy")), want)
	a = open(t, ArraysOptions{X: x, Y: write(t, []int{2, 3, 4, 1}, counting(24)), Batch: 1}, nil)
	checkError(t, a.Check(model(t, 4, 1, "linear", "mse")), want)
}

// TestArraysModelsInTurn: batches are those of the model that was checked last;
// one that does not fit changes nothing.
func TestArraysModelsInTurn(t *testing.T) {
	a := open(t, ArraysOptions{
		X: write(t, []int{1, 2, 1}, counting(2)), Y: writeInts(t, []int{1, 2}, []int64{0, 5}), Batch: 1,
	}, model(t, 1, 6, "softmax", "cross_entropy"))
	for _, test := range []struct {
		model *nn.Model
		want  string
	}{
		{model(t, 1, 7, "softmax", "cross_entropy"), ""},
		{model(t, 1, 5, "softmax", "cross_entropy"), "class 5"},
		{model(t, 1, 2, "linear", "mse"), "y[..., None]"},
	} {
		if err := a.Check(test.model); test.want != "" {
			checkError(t, err, test.want)
		} else if err != nil {
			t.Error(err)
		}
		if b := batchOf(t, a, 0); !slices.Equal(b.Class, []int32{0, 5}) || b.Y != nil {
			t.Errorf("got %+v", b)
		}
	}
}

func TestArraysDoNotAllocate(t *testing.T) {
	x := write(t, []int{7, 3, 4, 2}, counting(168))
	a := open(t, ArraysOptions{
		X: x, Y: write(t, []int{7, 3, 4, 1}, counting(84)), Batch: 3, Shuffle: true,
		Sizes: writeInts(t, []int{7, 2}, []int64{1, 1, 3, 4, 2, 2, 3, 1, 1, 4, 3, 3, 2, 3}),
	}, model(t, 2, 1, "linear", "mse"))
	b := engine.Batch{X: make([]float32, 0, 168), Y: make([]float32, 0, 84), Samples: make([]grid.Shape, 0, 3)}
	step := int64(0)
	if got := testing.AllocsPerRun(20, func() {
		if err := a.Batch(step, &b); err != nil {
			t.Fatal(err)
		}
		step++
	}); got != 0 {
		t.Errorf("%v allocations a batch, want 0", got)
	}
}

// TestArraysBucket: batches of similar sizes, each sample once an epoch.
func TestArraysBucket(t *testing.T) {
	const samples, batch = 96, 4
	x := write(t, []int{samples, 9, 1}, counting(samples*9))
	lengths := make([]int64, samples)
	for i := range lengths {
		lengths[i] = 1 + int64(i*7%9)
	}
	a := open(t, ArraysOptions{X: x, Sizes: writeInts(t, []int{samples, 1}, lengths), Batch: batch, Shuffle: true, Bucket: true, Seed: 4}, nil)
	var seen []int
	for step := range a.Spec().Steps {
		b := batchOf(t, a, step)
		shortest, longest, at := 9, 0, 0
		for _, s := range b.Samples {
			seen = append(seen, int(b.X[at])/9)
			shortest, longest, at = min(shortest, s[0]), max(longest, s[0]), at+s[0]
		}
		if longest-shortest > 1 {
			t.Errorf("batch %d has the sizes %v", step, b.Samples)
		}
	}
	slices.Sort(seen)
	if !slices.Equal(seen, all(samples)) {
		t.Errorf("an epoch has the samples %v", seen)
	}
}
