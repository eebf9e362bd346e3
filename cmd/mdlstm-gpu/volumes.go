package main

import (
	"context"
	"errors"
	"fmt"

	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/mapped"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
	"mdlstm-gpu/host/task"
)

// volumeAxes are those of a volume: depth, height and width.
const volumeAxes = 3

// takesVolumes says whether a folder to predict is one of volumes: for a model of
// three axes, and for one of any number where no picture is in it.
func (j *prediction) takesVolumes() bool {
	if axes := j.m.Axes(); axes != nn.AnyAxes {
		return axes == volumeAxes
	}
	if _, err := imagefile.List(j.in); err == nil {
		return false
	}
	_, err := task.ListVolumes(j.in)
	return err == nil
}

// volumes writes a .npy file for each volume of a folder.
func (j *prediction) volumes(ctx context.Context) error {
	if err := j.tiles.fits(volumeAxes, "a volume"); err != nil {
		return err
	}
	return j.files(ctx, fileKind{
		noun: "volume", ending: ".npy", list: task.ListVolumes,
		predict: func(ctx context.Context, p *predictor, f predictedFile) (err error) {
			src, err := task.NewArrays(task.ArraysOptions{X: f.in, Batch: 1, Axes: volumeAxes, Mapped: true})
			if err != nil {
				return &inputError{err}
			}
			defer func() { err = errors.Join(err, src.Close()) }()
			if !src.Single() {
				return &inputError{fmt.Errorf("%s: it has %d axes, so it is an array of several samples: give it by itself, as --in %s", f.in, volumeAxes+2, f.in)}
			}
			if err := src.Check(j.m); err != nil {
				return &inputError{err}
			}
			_, err = p.volume(ctx, src, f.in, f.out)
			return err
		},
	})
}

// volume predicts one volume and returns the shape of what it writes: of classes
// the largest one of each cell [*out], else the outputs [*out, units].
func (p *predictor) volume(ctx context.Context, src *task.Arrays, in, out string) (shape []int, err error) {
	m := p.e.Model()
	result, err := m.OutputShape(src.Grid())
	if err != nil {
		return nil, &inputError{fmt.Errorf("%s: %w", in, err)}
	}
	compute := func(outputs []float32) error {
		if err := p.samples(ctx, src, 0, 1, src.Grid(), result, outputs); err != nil {
			return &inputError{fmt.Errorf("%s: %w", in, err)}
		}
		return nil
	}
	if m.Config.Loss != nn.CrossEntropy {
		shape = append(append(shape, result...), p.units)
		return shape, npy.Create(out, shape, compute)
	}
	outputs, release, err := p.room(int64(product(result)) * int64(p.units))
	if err != nil {
		return nil, &inputError{fmt.Errorf("%s: %w", in, err)}
	}
	defer release()
	if err := compute(outputs); err != nil {
		return nil, err
	}
	numbers, err := nn.LargestClasses(outputs, result, p.units)
	if err != nil {
		return nil, &inputError{fmt.Errorf("%s: %w", in, err)}
	}
	return result, npy.WriteInts(out, result, p.form.values(numbers))
}

// room is memory for values, zeros; in a temporary file where they do not fit.
// What release gives back may not be used after.
func (p *predictor) room(values int64) (data []float32, release func(), err error) {
	tooLarge := machine.Fits(4 * values)
	if tooLarge == nil {
		return make([]float32, values), func() {}, nil
	}
	file, err := mapped.Temp(p.computer.Temp, values)
	if errors.Is(err, mapped.ErrUnsupported) {
		return nil, nil, tooLarge
	}
	if err != nil {
		return nil, nil, err
	}
	return file.Data, func() { _ = file.Close() }, nil
}
