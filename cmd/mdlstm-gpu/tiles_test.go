package main

import (
	"slices"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// windowed saves a model of two windows, 2×1 and 1×3, on 2 channels; more are
// layers behind them.
func windowed(t *testing.T, path string, more ...nn.Layer) {
	t.Helper()
	saved(t, path, nn.Config{
		Input: 2, Head: nn.Head{Units: 2, Activation: nn.Sigmoid}, Loss: nn.MSE,
		Layers: append([]nn.Layer{
			{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 3, Directions: []string{"++", "-+"}, Window: []int{2, 1}},
			{Type: nn.TypeDense, Units: 2, Activation: nn.Tanh, Window: []int{1, 3}},
		}, more...),
	})
}

// saved writes a model with its first parameters.
func saved(t *testing.T, path string, c nn.Config) {
	t.Helper()
	m, err := nn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.SaveModel(path, m, m.Init(3)); err != nil {
		t.Fatal(err)
	}
}

func loaded(t *testing.T, path string) *npy.Array {
	t.Helper()
	a, err := npy.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTiles: tiles as large as the samples are exact, smaller ones with an
// overlap that reaches everywhere too; without overlap they are close, not
// equal, and end at the samples' edges.
func TestTiles(t *testing.T) {
	t.Chdir(t.TempDir())
	windowed(t, "m.safetensors")
	array(t, "x.npy", 3, 11, 10, 2)
	integers(t, "s.npy", []int64{11, 10, 5, 10, 8, 1}, 3, 2)
	// OpenBLAS may round a row otherwise among other rows; gonum's products do not.
	predict := func(out string, more ...string) *npy.Array {
		must(t, append([]string{"predict", "--device", "cpu", "--blas", "gonum", "--model", "m.safetensors", "--in", "x.npy", "--sizes", "s.npy", "--out", out}, more...)...)
		return loaded(t, out)
	}
	want := predict("exact.npy")
	if !slices.Equal(want.Shape, []int{3, 6, 4, 2}) {
		t.Fatalf("shape %v", want.Shape)
	}
	for name, more := range map[string][]string{
		"whole":      {"--tile", "12x12"},
		"all seen":   {"--tile", "4x3", "--overlap", "12"},
		"one by one": {"--batch", "1"},
	} {
		if _, err := approx.Compare(name, want.Shape, predict(name+".npy", more...).Data, want.Data, approx.Tolerance{}); err != nil {
			t.Error(err)
		}
	}
	got := predict("tiles.npy", "--tile", "4x3")
	if _, err := approx.Compare("tiles", want.Shape, got.Data, want.Data, approx.Tolerance{Abs: 0.2}); err != nil {
		t.Error(err)
	}
	if slices.Equal(got.Data, want.Data) {
		t.Error("tiles that see nothing of each other give the exact result")
	}
	for i, v := range want.Data {
		if (v == 0) != (got.Data[i] == 0) {
			t.Errorf("value %d is %v, exactly %v: tiles reach over the samples' edges", i, got.Data[i], v)
		}
	}
	r := do("predict", "--device", "cpu", "--model", "m.safetensors", "--in", "x.npy", "--out", "said.npy", "--tile", "4x3", "--overlap", "6")
	if want := "note: tiles are an approximation: each sees 6 cells around it and nothing beyond\n"; r.err != want {
		t.Errorf("it said %q, want %q", r.err, want)
	}
}

func TestTilesRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	windowed(t, "m.safetensors")
	windowed(t, "sum.safetensors", nn.Layer{Type: nn.TypeSum, Axis: new(int)})
	trained(t, "snake", func(o *trainOptions) { o.Model = "SNAKE_SD_LSTM" })
	array(t, "x.npy", 1, 4, 4, 2)
	for _, c := range []struct {
		model string
		flags []string
		want  string
	}{
		{"m.safetensors", []string{"--tile", "3x3"}, "windows make 2 cells of axis 0 one: give multiples of 2"},
		{"m.safetensors", []string{"--tile", "4x6", "--overlap", "4"}, "windows make 3 cells of axis 1 one: give multiples of 3"},
		{"m.safetensors", []string{"--tile", "4"}, "--tile 4: the model takes 2 axes"},
		{"m.safetensors", []string{"--tile", "4x"}, "--tile"},
		{"m.safetensors", []string{"--tile", "4x6", "--overlap", "-1"}, "--overlap -1"},
		{"m.safetensors", []string{"--overlap", "3"}, "--overlap goes with --tile"},
		{"sum.safetensors", []string{"--tile", "4x6"}, "sums over an axis"},
		{"snake", []string{"--tile", "4x6"}, "view snake"},
	} {
		args := append([]string{"predict", "--device", "cpu", "--model", c.model, "--in", "x.npy", "--out", "y.npy"}, c.flags...)
		refused(t, do(args...), exitUsage, c.want)
	}
}

func TestCopyBox(t *testing.T) {
	src := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11} // [2, 3, 2 values]
	dst := make([]float32, 4)
	copyBox(box{dst, []int{2, 1}, nil}, box{src, []int{2, 3}, []int{0, 1}}, []int{2, 1}, 2)
	if want := []float32{2, 3, 8, 9}; !slices.Equal(dst, want) {
		t.Errorf("got %v, want %v", dst, want)
	}
	copyBox(box{src, []int{2, 3}, []int{1, 2}}, box{dst, []int{2, 1}, nil}, []int{1, 1}, 2)
	if want := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3}; !slices.Equal(src, want) {
		t.Errorf("got %v, want %v", src, want)
	}
}
