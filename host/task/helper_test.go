package task

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// model makes a dense model: what a source checks does not depend on its layers
// but for window and sum.
func model(t testing.TB, input, units int, activation, loss string, edit ...func(*nn.Config)) *nn.Model {
	t.Helper()
	c := nn.Config{
		Input:  input,
		Layers: []nn.Layer{{Type: "dense", Units: 2, Activation: "tanh"}},
		Head:   nn.Head{Units: units, Activation: activation},
		Loss:   loss,
	}
	for _, e := range edit {
		e(&c)
	}
	m, err := nn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func window(w ...int) func(*nn.Config) {
	return func(c *nn.Config) { c.Layers[0].Window = w }
}

func ignore(class int) func(*nn.Config) {
	return func(c *nn.Config) { c.IgnoreIndex = &class }
}

func batchOf(t testing.TB, s Source, step int64) *engine.Batch {
	t.Helper()
	b := &engine.Batch{}
	if err := s.Batch(step, b); err != nil {
		t.Fatal(err)
	}
	return b
}

// sameBatch compares all of two batches, floats as bits.
func sameBatch(a, b *engine.Batch) bool {
	floats := func(x, y []float32) bool {
		return slices.EqualFunc(x, y, func(v, w float32) bool { return math.Float32bits(v) == math.Float32bits(w) })
	}
	return slices.EqualFunc(a.Samples, b.Samples, grid.Shape.Equal) && floats(a.X, b.X) && floats(a.Y, b.Y) &&
		(a.Y == nil) == (b.Y == nil) && (a.Class == nil) == (b.Class == nil) &&
		slices.Equal(a.Class, b.Class) && slices.Equal(a.Relevant, b.Relevant) && a.First == b.First
}

func cloneBatch(b *engine.Batch) *engine.Batch {
	c := *b
	c.Samples, c.X, c.Y = slices.Clone(b.Samples), slices.Clone(b.X), slices.Clone(b.Y)
	c.Class, c.Relevant = slices.Clone(b.Class), slices.Clone(b.Relevant)
	return &c
}

func TestSameBatch(t *testing.T) {
	full := &engine.Batch{
		Samples: []grid.Shape{{1, 2}}, X: []float32{1, 2}, Y: []float32{3, 4},
		Class: []int32{1, 0}, Relevant: []int32{1}, First: 5,
	}
	if !sameBatch(full, cloneBatch(full)) {
		t.Error("a batch differs from its copy")
	}
	for name, edit := range map[string]func(*engine.Batch){
		"samples":  func(b *engine.Batch) { b.Samples = []grid.Shape{{2, 1}} },
		"x":        func(b *engine.Batch) { b.X[1] = 0 },
		"y":        func(b *engine.Batch) { b.Y[1] = 0 },
		"no y":     func(b *engine.Batch) { b.Y = nil },
		"class":    func(b *engine.Batch) { b.Class[1] = 7 },
		"relevant": func(b *engine.Batch) { b.Relevant = nil },
		"first":    func(b *engine.Batch) { b.First = 0 },
	} {
		b := cloneBatch(full)
		edit(b)
		if sameBatch(full, b) {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// write writes a float32 array and returns its path.
func write(t testing.TB, shape []int, data []float32) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.npy")
	if err := npy.Write(path, shape, data); err != nil {
		t.Fatal(err)
	}
	return path
}

func counting(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(i)
	}
	return out
}

// checkError wants an error of one line with the text.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got error %v, want one line with %q", err, want)
	}
}

// within is |got-want| ≤ tolerance; NaN fails.
func within(got, want, tolerance float64) bool { return math.Abs(got-want) <= tolerance }

func TestWithin(t *testing.T) {
	for _, wrong := range []float64{1.2, 0.8, math.NaN(), math.Inf(1)} {
		if within(wrong, 1, 0.1) {
			t.Errorf("%v counts as 1 ± 0.1", wrong)
		}
	}
	if !within(1.05, 1, 0.1) {
		t.Error("1.05 does not count as 1 ± 0.1")
	}
}
