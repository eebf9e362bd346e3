package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

type predictOptions struct {
	computeOptions
	model, in, sizes, out string
	batch                 int
	overwrite             bool
}

func predictCommand(s streams) *cli.Command {
	o := predictOptions{computeOptions: defaultCompute(), batch: 16}
	options := append([]option{
		{name: "model", arg: "MODEL", usage: "model file, or the folder of a run (its best model where it was validated, else the newest)", dest: &o.model},
		{name: "in", arg: "X.npy", usage: "inputs [samples, grid …, channels], .npy or .npz (file.npz:name for one of several)", dest: &o.in},
		{name: "sizes", arg: "S.npy", usage: "true size of every sample [samples, axes], where they differ", dest: &o.sizes},
		{name: "out", arg: "Y.npy", usage: "outputs [samples, grid …, units], float32; 0 beyond a sample's size", dest: &o.out},
		{name: "overwrite", usage: "replace --out when it exists", dest: &o.overwrite},
		{name: "batch", arg: "N", usage: "samples computed at once; takes memory, changes no result beyond rounding", dest: &o.batch},
	}, o.computeOptions.options()...)
	return command(spec{
		name: "predict", brief: "run a model on arrays",
		about: "Computes a model's outputs, after the head's activation, for NumPy arrays.",
		examples: []string{
			"predict --model runs/mine/model.safetensors --in X.npy --out Y.npy",
			"predict --model runs/mine --in a.npz:x --sizes a.npz:s --out Y.npy",
		},
	}, options, func(ctx *cli.Context, set given) error { return runPredict(ctx.Context, o, set, s) })
}

// runPredict computes all batches and writes the outputs as a whole.
func runPredict(ctx context.Context, o predictOptions, set given, s streams) error {
	for _, flag := range []string{"model", "in", "out"} {
		if !set[flag] {
			return usagef("--%s is missing", flag)
		}
	}
	if o.batch < 1 {
		return usagef("--batch %d: must be at least 1 sample", o.batch)
	}
	if err := o.computeOptions.check(); err != nil {
		return err
	}
	if err := checkOut(o.out, o.overwrite); err != nil {
		return err
	}
	m, params, err := loadModel(o.model)
	if err != nil {
		return err
	}
	src, err := task.NewArrays(task.ArraysOptions{X: o.in, Sizes: o.sizes, Batch: o.batch})
	if err != nil {
		return err
	}
	if err := src.Check(m); err != nil {
		return err
	}
	computer, err := o.computeOptions.find(s)
	if err != nil {
		return err
	}
	e, err := computer.open(m)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.SetParameters(params); err != nil {
		return err
	}
	padded, err := m.OutputShape(src.Grid())
	if err != nil {
		return err
	}
	samples, units := src.Spec().Samples, m.Units()
	perSample := grid.Shape(padded).Cells() * units
	shape := append(append([]int{samples}, padded...), units)
	// In float64, which no product here overflows.
	if err := machine.Fits(int64(min(4*float64(samples)*float64(perSample), 1<<62))); err != nil {
		return fmt.Errorf("--out %s: shape %s: %w: give fewer samples at once", o.out, shapeText(shape), err)
	}
	out := make([]float32, samples*perSample)
	if err := predictAll(ctx, e, src, out, padded); err != nil {
		return err
	}
	if err := npy.Write(o.out, shape, out); err != nil {
		return err
	}
	p := &printer{w: s.out}
	p.line("%s: %s of %s", o.out, shapeText(shape), count(samples, "sample"))
	return p.err
}

// predictAll fills out [samples, *padded, units].
func predictAll(ctx context.Context, e engine.Engine, src *task.Arrays, out []float32, padded []int) error {
	var batch engine.Batch
	units := e.Model().Units()
	perSample := grid.Shape(padded).Cells() * units
	for t := range src.Spec().Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := src.Batch(t, &batch); err != nil {
			return err
		}
		packed, _, err := train.Predict(e, &batch)
		if err != nil {
			return err
		}
		sizes, err := outputShapes(e.Model(), batch.Samples)
		if err != nil {
			return err
		}
		n := len(batch.Samples) * perSample
		if err := task.Scatter(out[:n], packed, sizes, padded, units); err != nil {
			return err
		}
		out = out[n:]
	}
	return nil
}

func outputShapes(m *nn.Model, samples []grid.Shape) ([]grid.Shape, error) {
	shapes := make([]grid.Shape, len(samples))
	for i, sample := range samples {
		shape, err := m.OutputShape(sample)
		if err != nil {
			return nil, err
		}
		shapes[i] = shape
	}
	return shapes, nil
}

// checkOut refuses a file that cannot or must not be written, before any work.
func checkOut(path string, overwrite bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("--out: %w", err)
	case info.IsDir():
		return fmt.Errorf("--out %s: it is a folder: name a file in it", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("--out %s: it is not a regular file: name another", path)
	case !overwrite:
		return fmt.Errorf("--out %s: it exists: choose another name, or give --overwrite", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("--out %s: its folder: %w", path, err)
	}
	return nil
}
