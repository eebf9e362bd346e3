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
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
)

type predictOptions struct {
	computeOptions
	model, in, sizes, out string
	batch                 int // 0: see samplesAtOnce
	overwrite             bool
	tile                  string
	overlap               int
	overlay               string
	skipBad               bool
}

func predictCommand(s streams) *cli.Command {
	o := predictOptions{computeOptions: defaultCompute()}
	options := append([]option{
		{name: "model", arg: "MODEL", usage: "model file, or the folder of a run (its best model where it was validated, else the newest)", dest: &o.model},
		{name: "in", arg: "X", usage: "inputs: an array [samples, grid …, channels], .npy or .npz (file.npz:name for one of several), a picture, a volume [depth, height, width] or [depth, height, width, channels], or a folder of pictures or volumes", dest: &o.in},
		{name: "sizes", arg: "S.npy", usage: "true size of every sample [samples, axes], where they differ", dest: &o.sizes},
		{name: "out", arg: "Y", usage: "outputs: an array [samples, grid …, units], float32, 0 beyond a sample's size; a .png file of a picture; of a volume a mask [depth, height, width] for classes, else [depth, height, width, units]; or a folder", dest: &o.out},
		{name: "overwrite", usage: "replace files that exist", dest: &o.overwrite},
		{name: "batch", arg: "N", usage: "samples of an array computed at once; takes memory, changes no result beyond rounding; 16, or fewer of large ones, by default", dest: &o.batch},
		{name: "overlay", arg: "DIR", group: "Pictures", usage: "also write every picture with its classes' colours laid over it", dest: &o.overlay},
		{name: "skip-bad", group: "Pictures", usage: "of folders: go on after a picture or volume that cannot be read, and count it", dest: &o.skipBad},
		{name: "temp", arg: "DIR", group: "Large inputs", usage: "folder of the temporary file that takes what memory does not hold (CPU; else TMPDIR)", dest: &o.temp},
		{name: "tile", arg: "256x256", group: "Large inputs", usage: "an approximation: predict tiles of this size, each by itself", dest: &o.tile},
		{name: "overlap", arg: "N", group: "Large inputs", usage: "cells around a tile that it sees beside its own", dest: &o.overlap},
	}, o.computeOptions.options()...)
	return command(spec{
		name: "predict", brief: "run a model on arrays, pictures or volumes",
		about: "Computes a model's outputs, after the head's activation, for NumPy arrays, PNG and JPEG pictures, and volumes in .npy files.\n\n" +
			"Of a picture in 0..1, grey or RGB as the model wants, it writes a PNG: for classes the largest one of each pixel; one unit becomes grey, three RGB. " +
			"The model of a run writes classes as the values that its training masks have, with their palette if they have one; a model file alone writes their numbers, as indices of a palette. Volumes are the same in .npy files, for a model of three axes.\n\n" +
			"Results are exact, whatever the size: what does not fit into memory lies in a temporary file. --tile is faster then, but no tile sees beyond its overlap.",
		examples: []string{
			"predict --model runs/mine/model.safetensors --in X.npy --out Y.npy",
			"predict --model runs/mine --in a.npz:x --sizes a.npz:s --out Y.npy",
			"predict --model runs/mine --in photos/ --out masks/ --overlay seen/",
			"predict --model runs/scans --in scans/ --out masks/",
		},
	}, options, func(ctx *cli.Context, set given) error { return runPredict(ctx.Context, o, set, s) })
}

// check refuses what makes no sense with any input.
func (o *predictOptions) check(set given) error {
	for _, flag := range []string{"model", "in", "out"} {
		if !set[flag] {
			return usagef("--%s is missing", flag)
		}
	}
	if set["batch"] && o.batch < 1 {
		return usagef("--batch %d: must be at least 1 sample", o.batch)
	}
	if set["overlap"] && !set["tile"] {
		return usagef("--overlap goes with --tile")
	}
	return o.computeOptions.check()
}

// checkSingle refuses flags of arrays with many samples for files with one.
func (o *predictOptions) checkSingle(set given) error {
	for _, flag := range []string{"sizes", "batch"} {
		if set[flag] {
			return usagef("--%s goes with arrays of several samples, --in %s is none", flag, o.in)
		}
	}
	return nil
}

// runPredict predicts arrays, pictures or volumes.
func runPredict(ctx context.Context, o predictOptions, set given, s streams) error {
	info, err := os.Stat(o.in)
	folder := err == nil && info.IsDir()
	array := !folder && !imagefile.Named(o.in)
	if err := o.check(set); err != nil {
		return err
	}
	if set["skip-bad"] && array {
		return usagef("--skip-bad goes with pictures and folders, --in %s is none", o.in)
	}
	if array {
		if err := checkOut(o.out, o.overwrite); err != nil {
			return err
		}
	}
	j := prediction{predictOptions: o, folder: folder, s: s}
	if j.m, j.params, err = loadModel(o.model); err != nil {
		return err
	}
	if j.form, err = maskFormOf(o.model, j.m); err != nil {
		return fmt.Errorf("--model %s: %w", o.model, err)
	}
	if set["tile"] {
		if j.tiles, err = newTiling(j.m, o.tile, o.overlap); err != nil {
			return err
		}
	}
	volumes := folder && j.takesVolumes()
	if set["overlay"] && (array || volumes) {
		return usagef("--overlay goes with pictures, --in %s is none, nor a folder of them", o.in)
	}
	if array {
		return j.array(ctx, set)
	}
	if err := o.checkSingle(set); err != nil {
		return err
	}
	if volumes {
		return j.volumes(ctx)
	}
	return j.pictures(ctx)
}

// prediction is what is to be predicted, and with which model.
type prediction struct {
	predictOptions
	folder bool // --in is one
	m      *nn.Model
	params []float32
	tiles  *tiling  // nil: exact
	form   maskForm // of predicted masks
	s      streams
}

// array writes the outputs of all samples of an array as one array; where the model
// takes three axes the array may be one volume alone.
func (j *prediction) array(ctx context.Context, set given) (err error) {
	options := task.ArraysOptions{X: j.in, Sizes: j.sizes, Batch: max(j.batch, 1), Mapped: true}
	if j.m.Axes() == volumeAxes {
		options.Axes = volumeAxes
	}
	src, err := task.NewArrays(options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	if src.Single() {
		if err := j.checkSingle(set); err != nil {
			return err
		}
	}
	if err := src.Check(j.m); err != nil {
		return err
	}
	if err := j.tiles.fits(len(src.Grid()), j.in); err != nil {
		return err
	}
	p, err := j.open()
	if err != nil {
		return err
	}
	defer p.close()
	w := &printer{w: j.s.out}
	if src.Single() {
		shape, err := p.volume(ctx, src, j.in, j.out)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s: %s of 1 volume", j.out, shapeText(shape))
		if j.m.Config.Loss == nn.CrossEntropy {
			text += " with " + p.form.String()
		}
		w.line("%s", text)
		return w.err
	}
	padded, err := j.m.OutputShape(src.Grid())
	if err != nil {
		return err
	}
	shape := append(append([]int{src.Spec().Samples}, padded...), j.m.Units())
	err = npy.Create(j.out, shape, func(out []float32) error {
		return p.array(ctx, src, j.predictOptions, out, padded)
	})
	if err != nil {
		return err
	}
	w.line("%s: %s of %s", j.out, shapeText(shape), count(shape[0], "sample"))
	return w.err
}

// samplesAtOnce is how many samples of an array are computed together where
// --batch does not say: it depends on their size alone, never on the machine.
func samplesAtOnce(cells int) int { return max(1, min(16, (1<<20)/cells)) }

// array fills out [samples, *padded, units], which holds zeros.
func (p *predictor) array(ctx context.Context, src *task.Arrays, o predictOptions, out []float32, padded []int) error {
	sizes, in := src.Sizes(), src.Grid()
	perSample := product(padded) * p.units
	atOnce := o.batch
	if atOnce == 0 {
		atOnce = samplesAtOnce(in.Cells())
	}
	for from := 0; from < len(sizes); from += atOnce {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := min(from+atOnce, len(sizes))
		err := p.samples(ctx, src, from, to, in, padded, out[from*perSample:to*perSample])
		if err != nil {
			return fmt.Errorf("%s: %w", samplesText(o.in, from, to), err)
		}
	}
	return nil
}

func samplesText(path string, from, to int) string {
	if to == from+1 {
		return fmt.Sprintf("%s: sample %d", path, from)
	}
	return fmt.Sprintf("%s: samples %d to %d", path, from, to-1)
}

// samples predicts some samples of an array. One that fills its grid is computed
// where it lies.
func (p *predictor) samples(ctx context.Context, src *task.Arrays, from, to int, in, padded []int, out []float32) error {
	if p.tiles != nil {
		for b := from; b < to; b++ {
			x, size := src.Sample(b)
			n := len(out) / (to - from)
			if err := p.tiled(ctx, x, in, size, out[(b-from)*n:][:n], padded); err != nil {
				return err
			}
		}
		return nil
	}
	if x, size := src.Sample(from); to == from+1 && size.Equal(in) {
		return p.run([]grid.Shape{size}, x, out)
	}
	k := p.e.Model().Config.Input
	p.x = p.x[:0]
	var shapes, results []grid.Shape
	cells := 0
	for b := from; b < to; b++ {
		x, size := src.Sample(b)
		at := len(p.x)
		p.x = append(p.x, make([]float32, size.Cells()*k)...)
		copyBox(box{p.x[at:], size, nil}, box{x, in, nil}, size, k)
		result, err := p.e.Model().OutputShape(size)
		if err != nil {
			return err
		}
		shapes, results = append(shapes, size), append(results, result)
		cells += product(result)
	}
	packed := make([]float32, cells*p.units)
	if err := p.run(shapes, p.x, packed); err != nil {
		return err
	}
	perSample := len(out) / (to - from)
	for i, result := range results {
		copyBox(box{out[i*perSample:][:perSample], padded, nil}, box{packed, result, nil}, result, p.units)
		packed = packed[product(result)*p.units:]
	}
	return nil
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

// predictor is an engine with a model that predicts.
type predictor struct {
	e        engine.Engine
	units    int
	tiles    *tiling // nil: exact
	form     maskForm
	computer computer
	said     bool
	x        []float32 // packed inputs
	packed   []float32 // of a tile
	batch    engine.Batch
}

func (j *prediction) open() (*predictor, error) {
	c, err := j.computeOptions.find(j.s)
	if err != nil {
		return nil, err
	}
	e, err := c.open(j.m)
	if err != nil {
		return nil, err
	}
	if err := e.SetParameters(j.params); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	if j.tiles != nil {
		j.s.note("note: tiles are an approximation: each sees %s around it and nothing beyond\n", count(j.tiles.overlap, "cell"))
	}
	return &predictor{e: e, units: j.m.Units(), tiles: j.tiles, form: j.form, computer: c}, nil
}

func (p *predictor) close() { _ = p.e.Close() }

// run computes packed samples.
func (p *predictor) run(samples []grid.Shape, x, out []float32) error {
	var free int64
	if p.computer.GPU == nil {
		free = machine.FreeMemory()
	}
	plan, err := p.e.Plan(samples, engine.Capacity{Predict: true})
	if errors.Is(err, engine.ErrShape) && tooManyCells(samples) {
		return fmt.Errorf("%w: predict it in tiles (--tile)", err)
	}
	if err != nil {
		return err
	}
	if bytes, _ := plan.Bytes(); free > 0 && bytes > free && !p.said {
		p.said = true
		p.computer.s.note("note: %s do not fit into the %s of memory that are free: computing in a temporary file, which takes longer\n", machine.Size(bytes), machine.Size(free))
	}
	p.batch = engine.Batch{Samples: samples, X: x}
	if _, err := plan.Load(&p.batch); err != nil {
		return err
	}
	_, err = plan.Predict(out)
	return err
}

func tooManyCells(samples []grid.Shape) bool {
	cells := 0.0
	for _, s := range samples {
		n := 1.0
		for _, length := range s {
			n *= float64(length)
		}
		cells += n
	}
	return cells > grid.MaxRows
}

func product(shape []int) int {
	n := 1
	for _, length := range shape {
		n *= length
	}
	return n
}
