package task

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/npy"
)

// maxClasses bounds the units that class numbers may suggest: a larger number is
// a label of another kind, and would ask for a head of that many units.
const maxClasses = 1 << 16

// targets are the targets as the model that was checked last wants them.
type targets struct {
	checked bool
	grid    grid.Shape   // padded, of the output
	sizes   []grid.Shape // of each sample, on the output grid
	units   int          // values of a cell in y

	// y are values [B, *grid, units], or class numbers [B, *grid]; nil without
	// targets. Parts of a split share it.
	y       *npy.Array
	classes bool

	counts []int // [units of the model] cells of each class; nil without classes
}

// fill packs the targets of the named samples.
func (t *targets) fill(dst *engine.Batch, samples []int) {
	cells := 0
	if t.y != nil {
		for _, b := range samples {
			cells += t.sizes[b].Cells()
		}
	}
	at := 0
	switch {
	case t.y == nil:
		dst.Y, dst.Class = nil, nil
	case t.classes:
		dst.Y, dst.Class = nil, resize(dst.Class, cells)
		for _, b := range samples {
			t.eachValue(b, func(i int) {
				dst.Class[at] = int32(t.y.Int(i))
				at++
			})
		}
	default:
		dst.Y, dst.Class = resize(dst.Y, cells*t.units), nil
		for _, b := range samples {
			at += gather(dst.Y[at:], t.y.Data, b, t.grid, t.sizes[b], t.units)
		}
	}
}

// eachValue calls visit with the index in y of every value of sample b.
func (t *targets) eachValue(b int, visit func(i int)) {
	first := b * t.grid.Cells()
	eachRun(t.grid, t.sizes[b], func(start, cells int) {
		for i := (first + start) * t.units; i < (first+start+cells)*t.units; i++ {
			visit(i)
		}
	})
}

// readTargets reads y and sets the part of the spec that follows from it.
func (a *Arrays) readTargets() error {
	path := a.options.Y
	if path == "" {
		return nil
	}
	y, err := npy.Read(path)
	if err != nil {
		return err
	}
	switch {
	case len(y.Shape) < 1 || y.Shape[0] != a.x.Shape[0]:
		return fmt.Errorf("%s: shape %v, want %d samples as in %s, whose shape is %v", path, y.Shape, a.x.Shape[0], a.options.X, a.x.Shape)
	case slices.Contains(y.Shape, 0):
		return fmt.Errorf("%s: shape %v has no values: give at least one cell and unit, or leave --y out", path, y.Shape)
	}
	a.y = y
	loss := a.options.Loss
	if loss == "" {
		loss = "mse"
		if y.Kind == npy.Int {
			loss = "cross_entropy"
		}
	}
	a.spec.Loss, a.spec.IgnoreIndex = loss, a.options.IgnoreIndex
	switch loss {
	case "cross_entropy":
		a.spec.Activation = "softmax"
		a.spec.Units, err = a.countClasses()
		return err
	case "mse":
		a.spec.Activation = "linear"
	case "binary_cross_entropy":
		a.spec.Activation = "sigmoid"
	default:
		return fmt.Errorf("task arrays: got the loss %q, want mse, cross_entropy or binary_cross_entropy: set another --loss", loss)
	}
	if len(y.Shape) < 2 {
		return fmt.Errorf("%s: shape %v, want [samples, grid …, units] for %s: add a unit axis with y[..., None]", path, y.Shape, loss)
	}
	a.spec.Units = y.Shape[len(y.Shape)-1]
	return nil
}

// countClasses is one more than the largest class in use. Which cells beyond a
// sample's size are unused is only known when y has the grid of x; else all
// count, so padding should be 0 or the ignored class.
func (a *Arrays) countClasses() (int, error) {
	if err := a.y.CheckInts(); err != nil {
		return 0, fmt.Errorf("%s: class numbers for cross_entropy: %w", a.options.Y, err)
	}
	shape := grid.Shape(a.y.Shape[1:])
	cells := shape.Cells()
	largest := int64(0)
	for b, size := range a.sizes {
		if !shape.Equal(a.grid) {
			size = shape
		}
		eachRun(shape, size, func(start, n int) {
			for i := b*cells + start; i < b*cells+start+n; i++ {
				class := a.y.Int(i)
				if a.options.IgnoreIndex == nil || class != int64(*a.options.IgnoreIndex) {
					largest = max(largest, class)
				}
			}
		})
	}
	if largest >= maxClasses {
		return 0, fmt.Errorf("%s: the largest class is %d, want less than %d: number classes from 0, or add a unit axis for values with y[..., None]", a.options.Y, largest, maxClasses)
	}
	// Softmax over one unit has nothing to learn.
	return max(2, int(largest)+1), nil
}

// check is Check.
func (a *Arrays) check(f fit) error {
	cure := fmt.Sprintf("give an array [samples, grid …, %d] for this model, or train one for this array", f.input)
	if a.options.Axes > 0 {
		cure = ranks(a.options.Axes)
	}
	if err := f.checkInput(fmt.Sprintf("%s: shape %v", a.options.X, a.shape), a.spec, cure); err != nil {
		return err
	}
	out, err := f.output(a.grid)
	if err != nil {
		return fmt.Errorf("%s: %w", a.options.X, err)
	}
	t := targets{checked: true, grid: out, y: a.y}
	if a.y != nil {
		if err := a.checkShape(f, out); err != nil {
			return err
		}
		if t.sizes, err = a.outputSizes(f, out); err != nil {
			return err
		}
		if f.loss == "cross_entropy" {
			t.units, t.classes = 1, true
			t.counts, err = a.checkClasses(f, t)
		} else {
			t.units = f.units
			err = a.checkValues(f, t)
		}
		if err != nil {
			return err
		}
	}
	a.targets = t
	return nil
}

// checkShape compares y's shape with what the model puts out.
func (a *Arrays) checkShape(f fit, out grid.Shape) error {
	want := append([]int{a.x.Shape[0]}, out...)
	form := "class numbers of each cell"
	if f.loss != "cross_entropy" {
		want = append(want, f.units)
		form = "the units of each cell"
	}
	got := a.y.Shape
	if slices.Equal(got, want) {
		return nil
	}
	hint, wanted := "", fmt.Sprint(want)
	switch {
	case f.loss == "cross_entropy" && slices.Equal(got, append(slices.Clone(want), 1)):
		hint = "; drop the last axis with y[..., 0]"
	case f.loss == "cross_entropy" && slices.Equal(got, a.x.Shape),
		f.loss != "cross_entropy" && slices.Equal(got[:len(got)-1], a.x.Shape):
		hint = "; if x lacks its channel axis, add it with x[..., None]"
	case slices.Equal(append(slices.Clone(got), f.units), want):
		hint = "; add a unit axis with y[..., None]"
		if f.units == got[len(got)-1] {
			// The head has its units from y's last axis, which is one of the grid.
			wanted = strings.TrimSuffix(fmt.Sprint(got), "]") + " units]"
		}
	case len(out) > 0 && f.loss == "cross_entropy" && len(got) == 1,
		len(out) > 0 && f.loss != "cross_entropy" && len(got) == 2 && got[1] == f.units:
		hint = `; for one target a sample the model must end with sums over all axes: train it with --layers "mdlstm:stable:16:all sum"`
	case f.loss != "cross_entropy" && slices.Equal(got[:len(got)-1], want[:len(want)-1]):
		hint = fmt.Sprintf("; give targets of %d values a cell, or train another model on these", f.units)
	}
	return fmt.Errorf("%s: shape %v, want %s for %s, %s that the model puts out for %s of shape %v%s",
		a.options.Y, got, wanted, f.loss, form, a.options.X, a.x.Shape, hint)
}

// outputSizes are the samples' sizes on the output grid. Samples of one size
// share one shape.
func (a *Arrays) outputSizes(f fit, padded grid.Shape) ([]grid.Shape, error) {
	sizes := make([]grid.Shape, len(a.sizes))
	for b, size := range a.sizes {
		if b > 0 && size.Equal(a.sizes[b-1]) {
			sizes[b] = sizes[b-1]
			continue
		}
		out, err := f.output(size)
		if err != nil {
			return nil, fmt.Errorf("%s: sample %d of size %v: %w", a.options.X, b, size, err)
		}
		for d := range out {
			if len(out) != len(padded) || out[d] > padded[d] {
				return nil, fmt.Errorf("%s: sample %d of size %v becomes %v, beyond the output grid %v", a.options.X, b, size, out, padded)
			}
		}
		sizes[b] = out
	}
	return sizes, nil
}

// checkClasses returns how many cells of the samples in use have each class, of
// which one at least must count, after a look at every class of all samples.
func (a *Arrays) checkClasses(f fit, t targets) (counts []int, err error) {
	if err := a.y.CheckInts(); err != nil {
		return nil, fmt.Errorf("%s: class numbers for cross_entropy: %w", a.options.Y, err)
	}
	ignored := func(class int64) bool { return f.ignore != nil && class == int64(*f.ignore) }
	err = a.eachTarget(t, func(i int) string {
		class := a.y.Int(i)
		if ignored(class) || class >= 0 && class < int64(f.units) {
			return ""
		}
		or := ""
		if f.ignore != nil {
			or = fmt.Sprintf(" or ignore_index %d", *f.ignore)
		}
		return fmt.Sprintf("is class %d, want 0 … %d%s: set the head's units or the model's ignore_index", class, f.units-1, or)
	})
	if err != nil {
		return nil, err
	}
	counts = make([]int, f.units)
	some := false
	for _, b := range a.used {
		t.eachValue(b, func(i int) {
			if class := a.y.Int(i); !ignored(class) {
				counts[class]++
				some = true
			}
		})
	}
	if !some {
		return nil, a.nothingCounts(fmt.Sprintf("the ignore_index %d: give classes for some cells", *f.ignore))
	}
	return counts, nil
}

// checkValues looks at every target value of all samples, and wants one at least
// that counts in those in use.
func (a *Arrays) checkValues(f fit, t targets) error {
	err := a.eachTarget(t, func(i int) string {
		v := a.y.Data[i]
		switch {
		case f.loss == "binary_cross_entropy" && !(v >= 0 && v <= 1):
			return fmt.Sprintf("is %v, want 0 … 1 for binary_cross_entropy", v)
		case math.IsInf(float64(v), 0):
			return fmt.Sprintf("is %v, want finite values, or NaN where there is no target", v)
		}
		return ""
	})
	if err != nil {
		return err
	}
	some := false
	for _, b := range a.used {
		t.eachValue(b, func(i int) { some = some || a.y.Data[i] == a.y.Data[i] })
	}
	if !some {
		return a.nothingCounts("NaN: give values for some cells")
	}
	return nil
}

// nothingCounts is the error of samples in use whose targets are all of one kind.
func (a *Arrays) nothingCounts(each string) error {
	if len(a.used) == len(a.sizes) {
		return fmt.Errorf("%s: no target counts: each is %s", a.options.Y, each)
	}
	return fmt.Errorf("%s: no target of the %d samples of this part counts: each is %s, or draw another part with --seed or --valid", a.options.Y, len(a.used), each)
}

// eachTarget calls look with the index in y of every value inside a sample and
// turns the first objection into an error that says where.
func (a *Arrays) eachTarget(t targets, look func(i int) (objection string)) error {
	sample := t.grid.Cells() * t.units
	for b, size := range t.sizes {
		at, objection := 0, ""
		eachRun(t.grid, size, func(start, cells int) {
			for i := start * t.units; objection == "" && i < (start+cells)*t.units; i++ {
				at, objection = i, look(b*sample+i)
			}
		})
		if objection != "" {
			unit := ""
			if !t.classes && t.units > 1 {
				unit = fmt.Sprintf(", unit %d", at%t.units)
			}
			return fmt.Errorf("%s: sample %d, cell %v%s %s", a.options.Y, b, coordinates(at/t.units, t.grid), unit, objection)
		}
	}
	return nil
}
