package task

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// ArraysOptions name the user's files and say how they become batches.
type ArraysOptions struct {
	// X is the path of the inputs [B, *grid, K], Y of the targets, Sizes of the
	// samples' sizes [B, D]; paths as [npy.Read] takes them. Y and Sizes may be
	// empty: no targets, and all samples as large as the array.
	X, Y, Sizes string
	// Axes of the grid, where X may also be one sample alone, [*grid, K] or, of one
	// channel, [*grid]; 0 for [B, *grid, K] only.
	Axes int
	// Mapped says that X may be larger than memory: it is mapped where that is
	// possible ([npy.Open]), and its samples may have any size. Hash does not hold
	// for it then; read it sample by sample (Sample), and Close it in the end.
	Mapped bool
	// Batch is how many samples a batch has, at least 1; the last one of an
	// epoch has what is left.
	Batch int
	// Shuffle draws another order for each epoch from Seed; otherwise batches
	// follow the file.
	Shuffle bool
	Seed    uint64
	// Bucket puts samples of nearly the same size into a batch (batches.go).
	Bucket bool
	// Loss is the loss that Spec shall name, empty for the one that Y suggests:
	// cross_entropy for integers, mse for floats.
	Loss string
	// IgnoreIndex is the class that Spec shall not count; nil for none.
	IgnoreIndex *int
}

// Arrays are the user's own samples and targets from .npy or .npz files.
//
// Targets are Y [B, *grid, units] for mse (NaN does not count) and
// binary_cross_entropy (values in [0, 1]), or integers Y [B, *grid] from 0 to
// units-1, or the model's ignore_index, for cross_entropy; here grid is what the
// model puts out for the inputs' grid, smaller where it has windows. A sample of
// a smaller size lies at the beginning of each axis of both arrays; what is
// beyond it is not read.
type Arrays struct {
	options ArraysOptions
	x, y    *npy.Array // y nil without targets
	shape   []int      // of x as the file has it
	single  bool       // x is one sample alone
	grid    grid.Shape // of x, the largest size
	sizes   []grid.Shape
	spec    Spec

	sizesHash [32]byte // zeros without sizes

	targets targets
	used    []int   // samples of this part of a split, in the order of the files
	batches batches // of used
	picked  []int   // scratch: the samples of a batch
}

var _ Divisible = (*Arrays)(nil)

// NewArrays reads the files and checks all that does not depend on a model.
// Errors are one line that begins with the path of the file at fault.
func NewArrays(o ArraysOptions) (*Arrays, error) {
	if o.Batch < 1 {
		return nil, fmt.Errorf("task arrays: got a batch of %d samples, want at least 1: set --batch", o.Batch)
	}
	a := &Arrays{options: o}
	if err := a.readInputs(); err != nil {
		return nil, err
	}
	if err := a.readRest(); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	a.use(all(len(a.sizes)))
	return a, nil
}

// readRest reads what belongs to the inputs, and checks both.
func (a *Arrays) readRest() error {
	if err := a.readSizes(); err != nil {
		return err
	}
	o := a.options
	if cells := cellsOf(largest(a.sizes, o.Batch)); cells > grid.MaxRows/a.spec.Input && !o.Mapped {
		return fmt.Errorf("%s: batches of up to %d cells with %d channels are more than %d values: set a smaller --batch", o.X, cells, a.spec.Input, grid.MaxRows)
	}
	if err := a.checkFinite(); err != nil {
		return err
	}
	return a.readTargets()
}

// use makes batches of these samples only.
func (a *Arrays) use(samples []int) {
	a.used = samples
	var bucket []grid.Shape
	if a.options.Bucket {
		bucket = a.usedSizes()
	}
	a.batches = newBatches(a.options.Batch, newOrder(len(samples), a.options.Shuffle, a.options.Seed), bucket)
	a.spec.Samples, a.spec.Steps = len(samples), int64(a.batches.steps())
}

func (a *Arrays) usedSizes() []grid.Shape {
	sizes := make([]grid.Shape, len(a.used))
	for i, b := range a.used {
		sizes[i] = a.sizes[b]
	}
	return sizes
}

func (a *Arrays) readInputs() error {
	read := npy.Read
	if a.options.Mapped {
		read = npy.Open
	}
	x, err := read(a.options.X)
	if err != nil {
		return err
	}
	a.x = x
	a.shape = x.Shape
	if err := a.takeSingle(); err != nil {
		return errors.Join(err, a.Close())
	}
	if err := a.checkInputs(); err != nil {
		return errors.Join(err, a.Close())
	}
	a.grid = grid.Shape(x.Shape[1 : len(x.Shape)-1])
	a.spec = Spec{Axes: len(a.grid), Input: x.Shape[len(x.Shape)-1]}
	return nil
}

// takeSingle gives a sample that stands alone the axes that it lacks.
func (a *Arrays) takeSingle() error {
	x, axes := a.x, a.options.Axes
	if axes == 0 {
		return nil
	}
	switch len(x.Shape) {
	case axes + 2:
		return nil
	case axes + 1:
		x.Shape = append([]int{1}, x.Shape...)
	case axes:
		x.Shape = append(append([]int{1}, x.Shape...), 1)
	default:
		return fmt.Errorf("%s: shape %v has %d axes: %s", a.options.X, x.Shape, len(x.Shape), ranks(axes))
	}
	a.single = true
	return nil
}

// ranks says what the number of axes of an array means where one sample may stand
// alone.
func ranks(axes int) string {
	grid := "grid …"
	if axes == volumeAxes {
		grid = "depth, height, width"
	}
	return fmt.Sprintf("%d axes are one sample of one channel [%s], %d one sample [%s, channels], %d several [samples, %s, channels]",
		axes, grid, axes+1, grid, axes+2, grid)
}

// Single says whether X is one sample alone.
func (a *Arrays) Single() bool { return a.single }

// checkInputs looks at the shape of the inputs.
func (a *Arrays) checkInputs() error {
	path, x := a.options.X, a.x
	switch axes := len(x.Shape); {
	case axes < 3:
		return fmt.Errorf("%s: shape %v has %d axes, want [samples, grid …, channels]: add a channel axis with x[..., None], a sample axis with x[None]", path, x.Shape, axes)
	case axes-2 > grid.MaxAxes:
		return fmt.Errorf("%s: shape %v has a grid of %d axes, want at most %d", path, x.Shape, axes-2, grid.MaxAxes)
	case slices.Contains(x.Shape, 0):
		return fmt.Errorf("%s: shape %v has no values: give at least one sample, cell and channel", path, a.shape)
	}
	return nil
}

func (a *Arrays) readSizes() error {
	samples, axes := a.x.Shape[0], len(a.grid)
	a.sizes = slices.Repeat([]grid.Shape{a.grid}, samples)
	if a.options.Sizes == "" {
		return nil
	}
	path := a.options.Sizes
	array, err := npy.Read(path)
	if err != nil {
		return err
	}
	if !slices.Equal(array.Shape, []int{samples, axes}) {
		return fmt.Errorf("%s: shape %v, want [%d %d], one size for each sample and axis of %s, whose shape is %v", path, array.Shape, samples, axes, a.options.X, a.x.Shape)
	}
	lengths, err := array.Ints()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	a.sizesHash = array.SHA256
	flat := make([]int, len(lengths))
	for i, length := range lengths {
		b, d := i/axes, i%axes
		if length < 1 || length > int64(a.grid[d]) {
			return fmt.Errorf("%s: sample %d has the size %d on axis %d, want 1 … %d, the length in %s", path, b, length, d, a.grid[d], a.options.X)
		}
		flat[i] = int(length)
	}
	for b := range a.sizes {
		a.sizes[b] = flat[b*axes:][:axes:axes]
	}
	return nil
}

// checkFinite refuses NaN and infinities in the inputs, inside the samples.
func (a *Arrays) checkFinite() error {
	channels := a.spec.Input
	sample := a.grid.Cells() * channels
	for b, size := range a.sizes {
		at, ok := 0, true
		eachRun(a.grid, size, func(start, cells int) {
			for i := start * channels; ok && i < (start+cells)*channels; i++ {
				v := a.x.Data[b*sample+i]
				at, ok = i, v-v == 0
			}
		})
		if !ok {
			return fmt.Errorf("%s: sample %d, cell %v, channel %d is %v as float32, want finite values: clean the data, or exclude the cell with --sizes",
				a.options.X, b, coordinates(at/channels, a.grid), at%channels, a.x.Data[b*sample+at])
		}
	}
	return nil
}

// Name returns "arrays".
func (a *Arrays) Name() string { return "arrays" }

// Spec is the head and loss that the targets suggest.
func (a *Arrays) Spec() Spec { return a.spec }

// Settings returns the paths, batch, shuffle, bucket and seed.
func (a *Arrays) Settings() map[string]string {
	return map[string]string{
		"x":       a.options.X,
		"y":       a.options.Y,
		"sizes":   a.options.Sizes,
		"batch":   strconv.Itoa(a.options.Batch),
		"shuffle": strconv.FormatBool(a.options.Shuffle),
		"bucket":  strconv.FormatBool(a.options.Bucket),
		"seed":    strconv.FormatUint(a.options.Seed, 10),
	}
}

// Hash is the SHA-256 of the SHA-256 of x, y and sizes as .npy files, 32 bytes
// each, zeros for one that is absent. It does not depend on their paths.
func (a *Arrays) Hash() string {
	var y [32]byte
	if a.y != nil {
		y = a.y.SHA256
	}
	return hashParts(a.x.SHA256, y, a.sizesHash)
}

// Largest returns the largest samples.
func (a *Arrays) Largest() []grid.Shape { return largest(a.usedSizes(), a.options.Batch) }

// largest are n of the shapes, those of most cells.
func largest(shapes []grid.Shape, n int) []grid.Shape {
	sorted := slices.Clone(shapes)
	slices.SortStableFunc(sorted, func(s, t grid.Shape) int { return cmp.Compare(t.Cells(), s.Cells()) })
	return sorted[:min(n, len(sorted))]
}

// Sizes are the sizes of all samples of the files, in their order; read only.
func (a *Arrays) Sizes() []grid.Shape { return a.sizes }

// Grid is the padded grid of the inputs; read only.
func (a *Arrays) Grid() grid.Shape { return a.grid }

// ClassCounts are how many cells of the samples in use have each class of the
// model that was checked last, without those that do not count; nil when the targets are no classes.
// Read only.
func (a *Arrays) ClassCounts() []int { return a.targets.counts }

// Check says whether a model fits the inputs and, where there are any, the
// targets, of which it looks at every value that will be used.
func (a *Arrays) Check(m *nn.Model) error { return a.check(fitOf(m)) }

// Batch makes batch t, t ≥ 0.
func (a *Arrays) Batch(t int64, dst *engine.Batch) error { return a.BatchPart(t, Part{}, dst) }

// BatchPart makes a part of batch t, t ≥ 0.
func (a *Arrays) BatchPart(t int64, p Part, dst *engine.Batch) error {
	if t < 0 {
		return fmt.Errorf("task arrays: got batch %d, want at least 0", t)
	}
	if a.y != nil && !a.targets.checked {
		return errUnchecked
	}
	_, first, samples := a.batches.partOf(t, p)
	a.picked = a.picked[:0]
	for _, i := range samples {
		a.picked = append(a.picked, a.used[i])
	}
	a.fill(dst, first, a.picked)
	return nil
}

// Fork shares the arrays, which the source that was opened closes.
func (a *Arrays) Fork() Divisible {
	fork := *a
	fork.batches, fork.picked = a.batches.fork(), nil
	return &fork
}

// Sample returns the inputs of a sample as they lie in the array, [*grid, K],
// read only, and its size, which is at most the grid.
func (a *Arrays) Sample(b int) (x []float32, size grid.Shape) {
	n := a.grid.Cells() * a.spec.Input
	return a.x.Data[b*n:][:n:n], a.sizes[b]
}

// Close gives back a mapped array; the source may not be used after.
func (a *Arrays) Close() error { return a.x.Close() }

// Example gives the first sample.
func (a *Arrays) Example(dst *engine.Batch) error {
	if a.y != nil && !a.targets.checked {
		return errUnchecked
	}
	a.fill(dst, 0, a.used[:1])
	return nil
}

// errUnchecked is a mistake of the program, not of the user: which targets a
// batch has depends on the model.
var errUnchecked = errors.New("task: Batch was called before Check")

// fill packs the named samples.
func (a *Arrays) fill(dst *engine.Batch, first int64, samples []int) {
	channels := a.spec.Input
	cells := 0
	for _, b := range samples {
		cells += a.sizes[b].Cells()
	}
	dst.Samples = resize(dst.Samples, len(samples))
	dst.X = resize(dst.X, cells*channels)
	dst.Relevant = nil
	dst.First = first
	at := 0
	for i, b := range samples {
		dst.Samples[i] = a.sizes[b]
		at += gather(dst.X[at:], a.x.Data, b, a.grid, a.sizes[b], channels)
	}
	a.targets.fill(dst, samples)
}

func cellsOf(shapes []grid.Shape) int {
	cells := 0
	for _, shape := range shapes {
		if cells += shape.Cells(); cells > math.MaxInt32 {
			break
		}
	}
	return cells
}
