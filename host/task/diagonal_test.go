package task

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

func TestDiagonalLayout(t *testing.T) {
	for _, size := range []grid.Shape{{3, 3}, {8, 8}, {3, 17}, {5, 4, 3}, {3, 3, 4, 5}} {
		for _, channels := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v channels %d", size, channels), func(t *testing.T) {
				d, err := NewDiagonal(Options{Size: size, Batch: 20, Channels: channels, Seed: 7})
				if err != nil {
					t.Fatal(err)
				}
				b := batchOf(t, d, 3)
				cells := size.Cells()
				if len(b.Samples) != 20 || len(b.X) != 20*cells*channels || len(b.Y) != 20*cells ||
					len(b.Relevant) != 20 || b.Class != nil || b.First != 60 {
					t.Fatalf("got %d samples, %d x, %d y, %d relevant, first %d", len(b.Samples), len(b.X), len(b.Y), len(b.Relevant), b.First)
				}
				for s := range 20 {
					checkDiagonal(t, size, channels, s, b)
				}
			})
		}
	}
}

// checkDiagonal checks sample s by coordinates, as the task is defined.
func checkDiagonal(t *testing.T, size grid.Shape, channels, s int, b *engine.Batch) {
	t.Helper()
	cells := size.Cells()
	x, y := b.X[s*cells*channels:][:cells*channels], b.Y[s*cells:][:cells]
	var marks [][]int
	for cell := range cells {
		at := coordinates(cell, size)
		ones := 0
		for _, v := range x[cell*channels:][:channels] {
			if v == 1 {
				ones++
			} else if v < 0 || v >= 0.1 {
				t.Errorf("sample %d, cell %v: noise %v", s, at, v)
			}
		}
		if ones == channels {
			marks = append(marks, slices.Clone(at))
		} else if ones != 0 {
			t.Errorf("sample %d, cell %v: %d of %d channels marked", s, at, ones, channels)
		}
		// The target here is the input one cell further on the last axis.
		last := len(size) - 1
		at[last] = (at[last] + 1) % size[last]
		from := 0
		for i, n := range size {
			from = from*n + at[i]
		}
		if y[cell] != x[from*channels] {
			t.Errorf("sample %d, cell %d: target %v, want %v", s, cell, y[cell], x[from*channels])
		}
	}
	if len(marks) != 2 {
		t.Fatalf("sample %d: %d marks", s, len(marks))
	}
	for i, n := range size {
		if marks[0][i] < 1 || marks[0][i] > n-2 || marks[1][i] != marks[0][i]+1 {
			t.Errorf("sample %d: marks at %v and %v", s, marks[0], marks[1])
		}
	}
	want := slices.Clone(marks[1])
	want[len(size)-1]--
	relevant := int(b.Relevant[s]) - s*cells
	if !slices.Equal(coordinates(relevant, size), want) || y[relevant] != 1 {
		t.Errorf("sample %d: relevant cell %v, want %v", s, coordinates(relevant, size), want)
	}
}

// TestDiagonalPositions wants x1 uniform on 1 … n_d-2 and independent on each
// axis: all (n_0-2)(n_1-2) places equally often.
func TestDiagonalPositions(t *testing.T) {
	const batch, batches = 100, 60
	d, err := NewDiagonal(Options{Size: grid.Shape{5, 6}, Batch: batch, Channels: 1, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[[2]int]int{}
	for step := range int64(batches) {
		b := batchOf(t, d, step)
		for s, relevant := range b.Relevant {
			cell := int(relevant) - s*30
			counts[[2]int{cell/6 - 1, cell % 6}]++ // x1 lies one row above
		}
	}
	if len(counts) != 12 {
		t.Errorf("x1 takes %d places, want 12: %v", len(counts), counts)
	}
	n := float64(batch * batches)
	chi := 0.0
	for at, count := range counts {
		if at[0] < 1 || at[0] > 3 || at[1] < 1 || at[1] > 4 {
			t.Errorf("x1 at %v", at)
		}
		chi += math.Pow(float64(count)-n/12, 2) / (n / 12)
	}
	// 99.99 % of samples of χ² with 11 degrees of freedom lie below 37.4.
	if !(chi < 37.4) {
		t.Errorf("χ² of the places of x1 is %v, want below 37.4", chi)
	}
}

func TestNewDiagonalRefuses(t *testing.T) {
	good := Options{Size: grid.Shape{8, 8}, Batch: 1, Channels: 1}
	for _, test := range []struct {
		name string
		edit func(*Options)
		want string
	}{
		{"no axes", func(o *Options) { o.Size = nil }, "--size"},
		{"one axis", func(o *Options) { o.Size = grid.Shape{8} }, "size 8 has 1 axes, want at least 2: set --size"},
		{"two cells", func(o *Options) { o.Size = grid.Shape{8, 2} }, "size 8x2 has an axis of 2 cells, want at least 3 on every axis: set a larger --size"},
		{"negative", func(o *Options) { o.Size = grid.Shape{-8, 8} }, "--size"},
		{"too many axes", func(o *Options) { o.Size = slices.Repeat(grid.Shape{3}, 9) }, "at most 8"},
		{"too many cells", func(o *Options) { o.Size = grid.Shape{1 << 20, 1 << 20} }, "smaller --size"},
		{"cells overflow", func(o *Options) { o.Size = grid.Shape{1 << 40, 1 << 40} }, "smaller --size"},
		{"batch too large", func(o *Options) { o.Batch = 1 << 40 }, "--batch"},
		{"no batch", func(o *Options) { o.Batch = 0 }, "--batch"},
		{"no channels", func(o *Options) { o.Channels = 0 }, "--channels"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := good
			test.edit(&o)
			_, err := NewDiagonal(o)
			checkError(t, err, test.want)
		})
	}
}

// generators are all of them, in several settings.
func generators(t testing.TB, seed uint64) map[string]Source {
	t.Helper()
	sources := map[string]Source{}
	add := func(name string, s Source, err error) {
		if err != nil {
			t.Fatal(err)
		}
		sources[name] = s
	}
	diagonal, err := NewDiagonal(Options{Size: grid.Shape{4, 5}, Batch: 3, Channels: 1, Seed: seed})
	add("diagonal", diagonal, err)
	diagonal, err = NewDiagonal(Options{Size: grid.Shape{3, 3, 3}, Batch: 2, Channels: 2, Seed: seed})
	add("diagonal 3-D", diagonal, err)
	fields, err := NewFields(Options{Size: grid.Shape{4, 5}, Batch: 3, Channels: 2, Seed: seed}, false)
	add("fields", fields, err)
	fields, err = NewFields(Options{Size: grid.Shape{4, 5}, Batch: 3, Channels: 2, Seed: seed}, true)
	add("fields anisotropic", fields, err)
	return sources
}

func TestGeneratorsArePure(t *testing.T) {
	again, otherSeed := generators(t, 1), generators(t, 2)
	for name, s := range generators(t, 1) {
		t.Run(name, func(t *testing.T) {
			first := map[int64]*engine.Batch{}
			for _, step := range []int64{0, 1, 2, 1000000, -1} {
				first[step] = batchOf(t, s, step)
			}
			reused := &engine.Batch{Class: []int32{1}, Relevant: []int32{9}}
			for _, step := range []int64{-1, 2, 1000000, 2, 0, 1} {
				for _, source := range []Source{s, again[name]} {
					if err := source.Batch(step, reused); err != nil {
						t.Fatal(err)
					}
					if !sameBatch(reused, first[step]) {
						t.Errorf("batch %d differs when asked again", step)
					}
				}
			}
			if slices.Equal(first[0].X, first[1].X) || slices.Equal(first[0].X, batchOf(t, otherSeed[name], 0).X) {
				t.Error("step or seed does not matter")
			}
			if s.Hash() != again[name].Hash() || s.Hash() == otherSeed[name].Hash() {
				t.Error("hash does not follow the settings")
			}
			var example engine.Batch
			if err := s.Example(&example); err != nil {
				t.Fatal(err)
			}
			if n := len(first[-1].X) / len(first[-1].Samples); !slices.Equal(example.X, first[-1].X[len(first[-1].X)-n:]) || len(example.Samples) != 1 {
				t.Error("the example is not sample -1")
			}
		})
	}
}

// TestGeneratorsBySample wants the same samples whatever the batch size.
func TestGeneratorsBySample(t *testing.T) {
	for _, batch := range []int{1, 2, 3, 6} {
		d, err := NewDiagonal(Options{Size: grid.Shape{4, 4}, Batch: batch, Channels: 1, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		var x []float32
		for step := range int64(6 / batch) {
			x = append(x, batchOf(t, d, step).X...)
		}
		whole, err := NewDiagonal(Options{Size: grid.Shape{4, 4}, Batch: 6, Channels: 1, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x, batchOf(t, whole, 0).X) {
			t.Errorf("batches of %d give other samples", batch)
		}
	}
}

func TestGeneratorsCheck(t *testing.T) {
	d, err := NewDiagonal(Options{Size: grid.Shape{4, 6}, Batch: 1, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewFields(Options{Size: grid.Shape{4, 6}, Batch: 1, Channels: 2}, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		source Source
		model  *nn.Model
		want   string // empty: accepted
	}{
		{"diagonal", d, model(t, 2, 1, "sigmoid", "mse"), ""},
		{"diagonal, rows", d, model(t, 2, 1, "sigmoid", "mse", func(c *nn.Config) { c.View = "rows" }), ""},
		{"fields", f, model(t, 2, 1, "linear", "mse"), ""},
		{"channels", d, model(t, 1, 1, "sigmoid", "mse"), "task diagonal has 2 channels, the model wants 1"},
		{"units", d, model(t, 2, 3, "sigmoid", "mse"), "head has 3"},
		{"loss", d, model(t, 2, 1, "sigmoid", "binary_cross_entropy"), "loss mse"},
		{"classes", f, model(t, 2, 2, "softmax", "cross_entropy"), "set the head's units to 1"},
		{"window", f, model(t, 2, 1, "linear", "mse", window(2, 2)), "puts out 2x3: use a model without windows"},
		{"axes", d, model(t, 2, 1, "sigmoid", "mse", func(c *nn.Config) {
			c.Layers = []nn.Layer{{Type: "mdlstm", Cell: "plain", Hidden: 2, Directions: []string{"+++"}}}
		}), "grid of 2 axes, the model wants 3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := test.source.Check(test.model)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			checkError(t, err, test.want)
		})
	}
}

func TestSpecs(t *testing.T) {
	for name, want := range map[string]Spec{
		"diagonal 3-D": {Axes: 3, Input: 2, Units: 1, Activation: "sigmoid", Loss: "mse", Relevant: true},
		"fields":       {Axes: 2, Input: 2, Units: 1, Activation: "linear", Loss: "mse"},
	} {
		s := generators(t, 1)[name]
		if got := s.Spec(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if b := batchOf(t, s, 0); !slices.EqualFunc(s.Largest(), b.Samples, grid.Shape.Equal) {
			t.Errorf("%s: largest %v, batches have %v", name, s.Largest(), b.Samples)
		}
	}
	settings := generators(t, 9)["fields anisotropic"].Settings()
	for key, want := range map[string]string{"size": "4x5", "batch": "3", "channels": "2", "seed": "9", "anisotropic": "true"} {
		if settings[key] != want {
			t.Errorf("setting %s is %q, want %q", key, settings[key], want)
		}
	}
}

func TestGeneratorsDoNotAllocate(t *testing.T) {
	for name, s := range generators(t, 1) {
		var b engine.Batch
		step := int64(0)
		if got := testing.AllocsPerRun(20, func() {
			if err := s.Batch(step, &b); err != nil {
				t.Fatal(err)
			}
			step++
		}); got != 0 {
			t.Errorf("%s: %v allocations a batch, want 0", name, got)
		}
	}
}
