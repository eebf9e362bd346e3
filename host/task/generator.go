package task

import (
	"fmt"
	"slices"
	"strconv"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
)

// Options are the settings of a generator.
type Options struct {
	// Size is the grid of every sample, rows × columns in 2-D.
	Size grid.Shape
	// Batch is how many samples a batch has, Channels how many values a cell
	// has; both at least 1.
	Batch, Channels int
	// Seed decides all samples.
	Seed uint64
}

// generator is what Diagonal and Fields share: samples of one size with one
// target value for every cell.
type generator struct {
	name    string
	options Options
	cells   int // of a sample
	random  stream
}

func newGenerator(name string, o Options, minAxes, minSize int) (generator, error) {
	size := o.Size
	switch {
	case len(size) < minAxes:
		return generator{}, fmt.Errorf("task %s: size %v has %d axes, want at least %d: set --size to something like 8x8", name, size, len(size), minAxes)
	case len(size) > grid.MaxAxes:
		return generator{}, fmt.Errorf("task %s: size %v has %d axes, want at most %d: set another --size", name, size, len(size), grid.MaxAxes)
	case slices.Min(size) < minSize:
		return generator{}, fmt.Errorf("task %s: size %v has an axis of %d cells, want at least %d on every axis: set a larger --size", name, size, slices.Min(size), minSize)
	case o.Channels < 1:
		return generator{}, fmt.Errorf("task %s: got %d channels, want at least 1: set --channels", name, o.Channels)
	case o.Batch < 1:
		return generator{}, fmt.Errorf("task %s: got a batch of %d samples, want at least 1: set --batch", name, o.Batch)
	case size.Cells() > grid.MaxRows/o.Batch/o.Channels:
		return generator{}, fmt.Errorf("task %s: %d samples of %v cells and %d channels are more than %d values: set a smaller --size, --batch or --channels",
			name, o.Batch, size, o.Channels, grid.MaxRows)
	}
	o.Size = slices.Clone(size)
	return generator{name: name, options: o, cells: size.Cells()}, nil
}

// Name returns the task's name.
func (g *generator) Name() string { return g.name }

// Settings returns size, batch, channels and seed.
func (g *generator) Settings() map[string]string {
	return map[string]string{
		"size":     g.options.Size.String(),
		"batch":    strconv.Itoa(g.options.Batch),
		"channels": strconv.Itoa(g.options.Channels),
		"seed":     strconv.FormatUint(g.options.Seed, 10),
	}
}

// Largest returns the shapes of any batch.
func (g *generator) Largest() []grid.Shape {
	return slices.Repeat([]grid.Shape{g.options.Size}, g.options.Batch)
}

// check is Check: one target for every cell of the input grid, loss mse.
func (g *generator) check(f fit, s Spec) error {
	const cure = "set --size and --channels as it was trained with, or give --x and --y for your own arrays"
	if err := f.checkInput("task "+g.name, s, cure); err != nil {
		return err
	}
	out, err := f.output(g.options.Size)
	switch {
	case err != nil:
		return fmt.Errorf("task %s: %w", g.name, err)
	case !out.Equal(g.options.Size):
		return fmt.Errorf("task %s has a target for every cell of %v, the model puts out %v: use a model without windows and sum", g.name, g.options.Size, out)
	case f.units != s.Units:
		return fmt.Errorf("task %s has targets of 1 unit, the model's head has %d: set the head's units to 1", g.name, f.units)
	case f.loss != s.Loss:
		return fmt.Errorf("task %s is trained with the loss %s, the model has %s: set the model's loss to %s", g.name, s.Loss, f.loss, s.Loss)
	}
	return nil
}

// fillPart makes a part of batch t, see fill.
func (g *generator) fillPart(dst *engine.Batch, t int64, p Part, draw func(dst *engine.Batch, b int)) {
	from, to := p.of(g.options.Batch)
	g.fill(dst, t*int64(g.options.Batch)+int64(from), to-from, draw)
}

// fill makes the samples first … first+count-1. draw makes the one sample at
// place b of dst from g.random, which is at the beginning of its stream.
func (g *generator) fill(dst *engine.Batch, first int64, count int, draw func(dst *engine.Batch, b int)) {
	dst.Samples = resize(dst.Samples, count)
	dst.X = resize(dst.X, count*g.cells*g.options.Channels)
	dst.Y = resize(dst.Y, count*g.cells)
	dst.Class, dst.Relevant = nil, dst.Relevant[:0]
	dst.First = first
	for b := range count {
		dst.Samples[b] = g.options.Size
		g.random.start(g.options.Seed, g.name, first+int64(b))
		draw(dst, b)
	}
}
