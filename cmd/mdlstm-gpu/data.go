package main

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// The tasks that exist.
const (
	taskDiagonal = "diagonal"
	taskFields   = "fields"
	taskArrays   = "arrays"
	taskMNIST    = "mnist"
	taskImages   = "images"
	taskVolumes  = "volumes"
)

var tasks = []string{taskDiagonal, taskFields, taskArrays, taskMNIST, taskImages, taskVolumes}

// dataOptions say which data a model sees.
type dataOptions struct {
	Task        string `toml:"task"`
	Size        string `toml:"size"`
	Batch       int    `toml:"batch"`
	Channels    int    `toml:"channels"`
	Seed        uint64 `toml:"seed"`
	Anisotropic bool   `toml:"anisotropic"`

	X           string `toml:"x"`
	Y           string `toml:"y"`
	Sizes       string `toml:"sizes"`
	Valid       string `toml:"valid"`
	ValidX      string `toml:"valid-x"`
	ValidY      string `toml:"valid-y"`
	ValidSizes  string `toml:"valid-sizes"`
	Shuffle     bool   `toml:"shuffle"`
	Loss        string `toml:"loss"`
	IgnoreIndex *int   `toml:"ignore-index"`

	Data    string `toml:"data"`
	Split   string `toml:"split"`
	Augment bool   `toml:"augment"`

	folderOptions
	Bucket string `toml:"bucket"`
}

func defaultData() dataOptions {
	return dataOptions{Task: taskDiagonal, Size: "8x8", Batch: 16, Channels: 1}
}

func (d *dataOptions) options() []option {
	list := []option{
		{name: "task", arg: "NAME", group: "Data", usage: "diagonal (the seed's), fields (Gaussian random fields), mnist (digits, see --data), images and volumes (with masks, see --images) or arrays (your own, see --x)", dest: &d.Task},
		{name: "size", arg: "8x8", group: "Data", usage: "cells of a generated sample, an axis each, rows first; 1 to 8 axes", dest: &d.Size},
		{name: "batch", arg: "N", group: "Data", usage: "samples of a step", dest: &d.Batch},
		{name: "channels", arg: "N", group: "Data", usage: "values of a generated cell, or of a pixel: 1 or 3", dest: &d.Channels},
		{name: "seed", arg: "N", group: "Data", usage: "decides the data and the first parameters", dest: &d.Seed},
		{name: "anisotropic", group: "Data", usage: "fields: only waves along the axes", dest: &d.Anisotropic},
		{name: "x", arg: "X.npy", group: "Data", usage: "arrays: inputs [samples, grid …, channels], .npy or .npz", dest: &d.X},
		{name: "y", arg: "Y.npy", group: "Data", usage: "arrays: targets [samples, grid …, units], or class numbers [samples, grid …]", dest: &d.Y},
		{name: "sizes", arg: "S.npy", group: "Data", usage: "arrays: the true size of every sample [samples, axes], where they differ", dest: &d.Sizes},
		{name: "data", arg: "DIR", group: "Data", usage: "mnist: folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, those of t10k, or both, plain or .gz", dest: &d.Data},
		{name: "split", arg: "N/N/N", group: "Data", usage: "mnist: how many images to train, validate and test on, drawn by --seed; without it t10k is the test, or 10 % where there is one pair of files", dest: &d.Split},
	}
	return append(list, d.folderOptions.options()...)
}

// taskFlags are the flags that not every task has.
var taskFlags = map[string][]string{
	"size": {taskDiagonal, taskFields}, "channels": {taskDiagonal, taskFields, taskImages},
	"anisotropic": {taskFields},
	"x":           {taskArrays}, "y": {taskArrays}, "sizes": {taskArrays}, "shuffle": {taskArrays, taskMNIST, taskImages, taskVolumes},
	"valid": {taskArrays, taskImages, taskVolumes}, "valid-x": {taskArrays}, "valid-y": {taskArrays}, "valid-sizes": {taskArrays},
	"loss": {taskArrays}, "ignore-index": {taskArrays, taskImages, taskVolumes},
	"data": {taskMNIST}, "split": {taskMNIST}, "augment": {taskMNIST}, "warp": {taskMNIST}, "part": {taskMNIST, taskImages, taskVolumes},
	"images": {taskImages}, "volumes": {taskVolumes}, "masks": {taskImages, taskVolumes},
	"valid-images": {taskImages}, "valid-volumes": {taskVolumes}, "valid-masks": {taskImages, taskVolumes},
	"classes": {taskImages, taskVolumes}, "skip-bad": {taskImages, taskVolumes},
	"flip": {taskImages, taskVolumes}, "crop": {taskImages, taskVolumes}, "bucket": {taskArrays, taskImages, taskVolumes},
}

// check refuses unknown tasks and flags that mean nothing to the task. Without
// --task, --x means arrays, --images images and --volumes volumes.
func (d *dataOptions) check(set given) error {
	switch {
	case set["task"]:
	case set["x"]:
		d.Task = taskArrays
	case set["images"]:
		d.Task = taskImages
	case set["volumes"]:
		d.Task = taskVolumes
	}
	if err := oneOf("task", d.Task, tasks); err != nil {
		return err
	}
	for _, flag := range slices.Sorted(maps.Keys(set)) {
		if of := taskFlags[flag]; of != nil && !slices.Contains(of, d.Task) {
			return usagef("--%s goes with --task %s, the task is %s", flag, strings.Join(of, " or "), d.Task)
		}
	}
	if d.Batch < 1 {
		return usagef("--batch %d: must be at least 1 sample", d.Batch)
	}
	if d.Channels < 1 {
		return usagef("--channels %d: must be at least 1", d.Channels)
	}
	if d.Task == taskImages && d.Channels != 1 && d.Channels != 3 {
		return usagef("--channels %d: pictures have 1 (grey) or 3 (RGB)", d.Channels)
	}
	if d.Task == taskArrays && d.X == "" {
		return usagef("--task arrays needs --x X.npy")
	}
	switch {
	case d.Valid != "" && !isPart(d.Valid):
		return usagef("--valid %.40q: want a share of the samples above 0 and below 1, such as 0.1, or a number of them", d.Valid)
	case d.ValidX != "" && d.Valid != "":
		return usagef("--valid and --valid-x both say what to validate on: give one")
	case d.ValidX != "" && d.ValidY == "":
		return usagef("--valid-x needs --valid-y, the targets to compare with")
	case d.ValidX == "" && (d.ValidY != "" || d.ValidSizes != ""):
		return usagef("--valid-y and --valid-sizes go with --valid-x")
	}
	if d.Task == taskMNIST && d.Data == "" {
		return usagef("--task mnist needs --data DIR, the folder of its files")
	}
	if err := d.folderOptions.check(d.Task); err != nil {
		return err
	}
	if d.Bucket != "" {
		if err := oneOf("bucket", d.Bucket, []string{"on", "off"}); err != nil {
			return err
		}
	}
	if d.Task == taskArrays && d.bucketed() && (d.Sizes == "" || !d.Shuffle) {
		return usagef("--bucket on goes with --shuffle and --sizes: arrays without them keep their order, or have one size")
	}
	if d.Loss != "" {
		return oneOf("loss", d.Loss, []string{nn.MSE, nn.CrossEntropy, nn.BinaryCrossEntropy})
	}
	return nil
}

// isPart says whether text is a share or a number of samples.
func isPart(text string) bool {
	v, err := parseFinite(text)
	return err == nil && v > 0 && (v < 1 || v == math.Trunc(v))
}

// bucketed says whether batches are made of samples of nearly the same size.
func (d *dataOptions) bucketed() bool {
	return d.Bucket == "on" || d.Bucket == "" && ofFolders(d.Task)
}

// open makes the parts of the data; only files have one for validation. Settings
// of a generator that do not fit are usage errors, files that do not fit are not.
func (d dataOptions) open() (task.Split, error) {
	switch d.Task {
	case taskArrays:
		return task.OpenArrays(task.ArraysOptions{
			X: d.X, Y: d.Y, Sizes: d.Sizes, Batch: d.Batch, Shuffle: d.Shuffle, Bucket: d.bucketed(), Seed: d.Seed,
			Loss: d.Loss, IgnoreIndex: d.IgnoreIndex,
		}, task.ArraysValid{X: d.ValidX, Y: d.ValidY, Sizes: d.ValidSizes, Part: d.Valid})
	case taskMNIST:
		return d.openMNIST()
	case taskImages, taskVolumes:
		return d.openFolders()
	}
	src, err := d.generator()
	return task.Split{Train: src}, err
}

// generator makes the source of samples that are invented.
func (d dataOptions) generator() (task.Source, error) {
	size, err := grid.ParseShape(d.Size)
	if err != nil {
		return nil, usagef("--size: %w", err)
	}
	if err := listFits(d.Batch); err != nil {
		return nil, err
	}
	o := task.Options{Size: size, Batch: d.Batch, Channels: d.Channels, Seed: d.Seed}
	var src task.Source
	if d.Task == taskFields {
		src, err = task.NewFields(o, d.Anisotropic)
	} else {
		src, err = task.NewDiagonal(o)
	}
	if err != nil {
		return nil, usagef("%w", err)
	}
	return src, nil
}

// sameSize are the shapes of so many samples of one size.
func sameSize(size grid.Shape, samples int) ([]grid.Shape, error) {
	if err := listFits(samples); err != nil {
		return nil, err
	}
	return slices.Repeat([]grid.Shape{size}, samples), nil
}

// listFits refuses so many samples of a cell or a few that the list of their
// shapes does not fit into memory, before an engine can say it of their values.
func listFits(samples int) error {
	const shape = 24 // bytes of a slice
	if err := machine.Fits(shape * int64(samples)); err != nil {
		return fmt.Errorf("--batch %d: %w: choose a smaller one", samples, err)
	}
	return nil
}

// openMNIST reads the digits and splits them.
func (d dataOptions) openMNIST() (task.Split, error) {
	o := task.MNISTOptions{Dir: d.Data, Batch: d.Batch, Seed: d.Seed, Augment: d.Augment}
	if d.Split != "" {
		var err error
		if o.Counts, err = task.ParseCounts(d.Split); err != nil {
			return task.Split{}, usagef("--split %w", err)
		}
	}
	return task.OpenMNIST(o)
}

// recorded are the data's settings for a run's record, from which
// [dataOfRun] makes it again from any folder: paths are absolute.
func recorded(data task.Split) (map[string]string, error) {
	settings := data.Settings()
	for _, key := range append([]string{"x", "y", "sizes", "valid-x", "valid-y", "valid-sizes", "data"}, folderPaths...) {
		if settings[key] == "" {
			continue
		}
		path, err := filepath.Abs(settings[key])
		if err != nil {
			return nil, err
		}
		settings[key] = path
	}
	return settings, nil
}

// dataOfRun is the inverse of recorded.
func dataOfRun(s train.Settings) (dataOptions, error) {
	d := defaultData()
	d.Task = s.Task
	d.X, d.Y, d.Sizes = s.Data["x"], s.Data["y"], s.Data["sizes"]
	d.Valid, d.ValidX, d.ValidY, d.ValidSizes = s.Data["valid"], s.Data["valid-x"], s.Data["valid-y"], s.Data["valid-sizes"]
	d.Data, d.Split = s.Data["data"], s.Data["split"]
	if size := s.Data["size"]; size != "" {
		d.Size = size
	}
	d.Loss, d.IgnoreIndex = s.Model.Loss, s.Model.IgnoreIndex
	if s.Task != taskArrays {
		d.Loss = ""
	}
	if err := d.foldersOfRun(s); err != nil {
		return d, err
	}
	for key, read := range map[string]func(text string) error{
		"batch":       func(text string) (err error) { d.Batch, err = strconv.Atoi(text); return err },
		"channels":    func(text string) (err error) { d.Channels, err = strconv.Atoi(text); return err },
		"seed":        func(text string) (err error) { d.Seed, err = strconv.ParseUint(text, 10, 64); return err },
		"shuffle":     func(text string) (err error) { d.Shuffle, err = strconv.ParseBool(text); return err },
		"anisotropic": func(text string) (err error) { d.Anisotropic, err = strconv.ParseBool(text); return err },
		"bucket": func(text string) error {
			on, err := strconv.ParseBool(text)
			if d.Bucket = "off"; on {
				d.Bucket = "on"
			}
			return err
		},
		"augment": func(text string) (err error) { d.Augment, err = strconv.ParseBool(text); return err },
	} {
		if text, ok := s.Data[key]; ok {
			if err := read(text); err != nil {
				return d, fmt.Errorf("the run's data settings: %s %q: %w", key, text, err)
			}
		}
	}
	return d, d.check(nil)
}
