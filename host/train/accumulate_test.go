package train_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/cpu"
	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// unequalArrays are 6 samples of unequal sizes, of which some cells have no
// target, in batches of so many.
func unequalArrays(t *testing.T, batch int) *task.Arrays {
	t.Helper()
	dir := t.TempDir()
	x, y := make([]float32, 6*4*5*2), make([]float32, 6*4*5)
	for i := range x {
		x[i] = float32(math.Sin(float64(7 * i)))
	}
	for i := range y {
		y[i] = float32(math.Cos(float64(3*i))) / 2
		if i%5 == 0 {
			y[i] = float32(math.NaN())
		}
	}
	write := func(name string, shape []int, data []float32) string {
		path := filepath.Join(dir, name)
		if err := npy.Write(path, shape, data); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sizes := "\x93NUMPY\x01\x00\x39\x00{'descr': '|u1', 'fortran_order': False, 'shape': (6,2)}\n" + "\x04\x05\x01\x02\x03\x03\x02\x05\x04\x01\x03\x04"
	s := filepath.Join(dir, "s.npy")
	if err := os.WriteFile(s, []byte(sizes), 0o666); err != nil {
		t.Fatal(err)
	}
	a, err := task.NewArrays(task.ArraysOptions{
		X: write("x.npy", []int{6, 4, 5, 2}, x), Y: write("y.npy", []int{6, 4, 5, 1}, y), Sizes: s, Batch: batch,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// trainAccumulated trains 3 steps and returns parameters and the log.
func trainAccumulated(t *testing.T, config string, batch, accumulate int) (params []float32, log []string) {
	t.Helper()
	s := train.DefaultSettings()
	var err error
	if s.Model, err = nn.ParseConfig([]byte(config)); err != nil {
		t.Fatal(err)
	}
	// Adam's first steps are the signs of gradients, however small.
	s.Name, s.Task, s.Steps, s.Batch, s.Accumulate, s.Optimizer, s.LR, s.Momentum = "TEST", "arrays", 3, batch, accumulate, engine.SGD, 0.3, 0.5
	data := unequalArrays(t, batch)
	m, err := nn.New(s.Model)
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Check(m); err != nil {
		t.Fatal(err)
	}
	e, err := cpu.New(m, cpu.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r := createReal(t, s, realRun{e, data})
	if err := r.Train(context.Background(), e, task.Split{Train: data}, train.Observer{}); err != nil {
		t.Fatal(err)
	}
	return r.Params(), lossColumns(t, r.Dir())
}

// TestAccumulatedIsOneLargeBatch: with weights that differ from batch to batch,
// errors that are clipped inside the model, and dropout.
func TestAccumulatedIsOneLargeBatch(t *testing.T) {
	const config = `{"input": 2, "layers": [
		{"type": "mdlstm", "cell": "stable", "hidden": 4, "directions": ["++", "--"], "clip_error": 0.002, "dropout": 0.2}],
		"head": {"units": 1, "activation": "linear"}, "loss": "mse"}`
	want, log := trainAccumulated(t, config, 6, 1)
	// Measured: 3.7e-9.
	tolerance := approx.Tolerance{Abs: 3e-8}
	for _, c := range []struct{ batch, accumulate int }{{3, 2}, {2, 3}, {1, 6}} {
		got, accumulated := trainAccumulated(t, config, c.batch, c.accumulate)
		report, err := approx.Compare("parameters", []int{len(want)}, got, want, tolerance)
		t.Logf("%d times %d: %v", c.accumulate, c.batch, report)
		if err != nil {
			t.Error(err)
		}
		if len(accumulated) != len(log) {
			t.Errorf("%d lines of log, want %d", len(accumulated), len(log))
		}
	}
	unclipped, _ := trainAccumulated(t, strings.Replace(config, "0.002", "0", 1), 6, 1)
	if _, err := approx.Compare("parameters", []int{len(want)}, unclipped, want, tolerance); err == nil {
		t.Error("no error was clipped: lower clip_error")
	}
	wrong, _ := trainAccumulated(t, config, 3, 1)
	if _, err := approx.Compare("parameters", []int{len(want)}, wrong, want, tolerance); err == nil {
		t.Error("half of the samples make no difference")
	}
}
