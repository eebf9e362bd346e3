package mdlstm

import (
	"fmt"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Sample is one grid, with its targets where there are any. Arrays are in packed
// order: cells row-major, the channels of a cell side by side. Samples may have
// any sizes; all of one call have the same number of axes.
type Sample struct {
	Shape Shape     // cells on each axis
	X     []float32 // [cells, K], finite

	// Targets on the output grid, which [Model.OutputShape] gives: Y for mse,
	// where NaN is a target that is not known, and for binary_cross_entropy, 0 to
	// 1; Class for cross_entropy, where Config.IgnoreIndex is one that is not
	// known. Predict ignores them.
	Y     []float32 // [output cells, units]
	Class []int32   // [output cells]
}

// Output is what a model gives for one sample.
type Output struct {
	Shape Shape     // the output grid
	Units int       // values of a cell
	Y     []float32 // [cells, units] in packed order, after the head's activation
}

// Classes is the number of the largest value of each cell, the first of equal
// ones.
func (o Output) Classes() []int32 {
	classes := make([]int32, len(o.Y)/max(o.Units, 1))
	for cell := range classes {
		classes[cell] = largest(o.Y[cell*o.Units:][:o.Units])
	}
	return classes
}

func largest(values []float32) int32 {
	at := 0
	for u, v := range values {
		if v > values[at] {
			at = u
		}
	}
	return int32(at)
}

// Batch is what [Source] fills in: several samples end to end.
//
//	Samples []Shape     their shapes
//	X       []float32   [cells of all samples, K]
//	Y       []float32   [output cells of all samples, units], or
//	Class   []int32     [output cells of all samples]
//	First   int64       number of the first sample in the run; keys dropout
type Batch = engine.Batch

// Source makes batches: generated data, or data too large for memory. Package
// task has some; whether they fit the model is checked before the first batch.
type Source interface {
	// Batch overwrites all of b with batch t. It may reuse the slices that it left
	// in the same b before, and leaves them alone from then on until it gets this b
	// again: several batches exist at once, two more than goroutines make them, so
	// they cannot share memory that the next call writes to.
	//
	// It should be a function of t alone: then training can be repeated, and
	// continued after it was cancelled. Batches are made ahead of the steps that use
	// them, in the order of t, and some of a training that ends early are never
	// used.
	//
	// A call (TrainSource, EvaluateSource) has goroutines of its own for it, of which
	// one at a time calls Batch, and none while Progress runs, nor before the call
	// began or after it returned. Give a source to one call at a time, unless Batch
	// may run several times at once. Beside a GPU one goroutine may be too slow: see
	// [Forker]. Batch may use the model that it makes data for, but not in
	// EvaluateSource, which keeps an engine for itself: where Options.Engines is 1,
	// as on a GPU, both would wait for ever.
	Batch(t int64, b *Batch) error
}

// Forker is a source whose batches several goroutines can make at once, so that a
// GPU need not wait for them: one on each core but one, at most 16, or
// Options.Threads - 1; where the CPU computes, it is one goroutine. The sources of
// package task that are [task.Divisible] need no Forker.
type Forker interface {
	Source
	// Fork returns a source that makes the same batches to the bit and may be used
	// beside this one and its other forks: with memory of its own for all that Batch
	// changes. A source that changes nothing may return itself. A call forks its
	// source when it begins, and from then on uses the forks alone; a fork is called
	// by one goroutine.
	Fork() Source
}

// checkSamples refuses what the model cannot take, by the number of the sample.
func checkSamples(net *nn.Model, samples []Sample, targets bool) error {
	for i, s := range samples {
		err := checkInput(net, s)
		if err == nil && len(s.Shape) != len(samples[0].Shape) {
			err = fmt.Errorf("%w: %d axes, sample 0 has %d", ErrShape, len(s.Shape), len(samples[0].Shape))
		}
		if err == nil && targets {
			err = checkTargets(net, s)
		}
		if err != nil {
			return fmt.Errorf("sample %d: %w", i, err)
		}
	}
	return nil
}

func checkInput(net *nn.Model, s Sample) error {
	if _, err := net.OutputShape(s.Shape); err != nil {
		return fmt.Errorf("%w: %w", ErrShape, err)
	}
	cells, channels := s.Shape.Cells(), net.Config.Input
	if len(s.Shape) > grid.MaxAxes || cells > grid.MaxRows {
		return fmt.Errorf("%w: grid %s: want at most %d axes and %d cells", ErrShape, s.Shape, grid.MaxAxes, grid.MaxRows)
	}
	if got := len(s.X); got%channels != 0 || got/channels != cells {
		return fmt.Errorf("%w: X has %d values, want %d × %d (cells of grid %s, channels)", ErrShape, got, cells, channels, s.Shape)
	}
	for i, v := range s.X {
		if v-v != 0 {
			return fmt.Errorf("%w: X[%d] (cell %d, channel %d) is %v: inputs must be finite", ErrData, i, i/channels, i%channels, v)
		}
	}
	return nil
}

// checkTargets expects a sample that passed checkInput.
func checkTargets(net *nn.Model, s Sample) error {
	out, err := outputShape(net, s.Shape)
	if err != nil {
		return err
	}
	cells, units := out.Cells(), net.Units()
	if net.Config.Loss == nn.CrossEntropy {
		if len(s.Class) != cells || s.Y != nil {
			return fmt.Errorf("%w: targets of %d classes and %d values, want %d classes in Class and no Y (output grid %s, loss %s)",
				ErrShape, len(s.Class), len(s.Y), cells, out, net.Config.Loss)
		}
		ignore := net.Config.IgnoreIndex
		for i, c := range s.Class {
			if (c < 0 || int(c) >= units) && (ignore == nil || int(c) != *ignore) {
				return fmt.Errorf("%w: Class[%d] is %d: the model has classes 0 to %d", ErrData, i, c, units-1)
			}
		}
		return nil
	}
	if len(s.Y)%units != 0 || len(s.Y)/units != cells || s.Class != nil {
		return fmt.Errorf("%w: targets of %d values and %d classes, want %d × %d values in Y and no Class (cells of output grid %s, units, loss %s)",
			ErrShape, len(s.Y), len(s.Class), cells, units, out, net.Config.Loss)
	}
	for i, v := range s.Y {
		if net.Config.Loss == nn.BinaryCrossEntropy && !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: Y[%d] is %v: binary_cross_entropy wants 0 to 1", ErrData, i, v)
		}
		if v == v && v-v != 0 {
			return fmt.Errorf("%w: Y[%d] is %v: want a finite value, or NaN where no target is known", ErrData, i, v)
		}
	}
	return nil
}

func outputShape(net *nn.Model, in Shape) (Shape, error) {
	out, err := net.OutputShape(in)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrShape, err)
	}
	return out, nil
}

// pack overwrites b with samples end to end, with their targets or without.
func pack(b *Batch, samples []Sample, first int64, targets bool) {
	b.Samples, b.X, b.Y, b.Class, b.First = b.Samples[:0], b.X[:0], b.Y[:0], b.Class[:0], first
	for _, s := range samples {
		b.Samples = append(b.Samples, s.Shape)
		b.X = append(b.X, s.X...)
		if targets {
			b.Y = append(b.Y, s.Y...)
			b.Class = append(b.Class, s.Class...)
		}
	}
	if len(b.Y) == 0 { // nil is what says that there are none
		b.Y = nil
	}
	if len(b.Class) == 0 {
		b.Class = nil
	}
}
