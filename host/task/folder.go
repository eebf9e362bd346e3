package task

import (
	"fmt"
	"image/color"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
)

// FolderOptions name the user's folders and say how they become batches.
type FolderOptions struct {
	// Inputs is the folder of the samples, Masks that of their masks, which have
	// the same names but for the extension.
	Inputs, Masks string
	// ValidInputs and ValidMasks are the folders of the validation samples; both
	// or none. Without them Valid says how many of the samples are drawn by the
	// seed, "200", or which share, "0.1"; empty for no validation.
	ValidInputs, ValidMasks string
	Valid                   string

	// Channels of pictures: 1 makes them grey, 3 RGB. Volumes have their own.
	Channels int
	// Classes of the masks; nil for a class for each value that occurs.
	Classes Classes
	// IgnoreIndex is the value in the masks of cells that do not count; nil for
	// none.
	IgnoreIndex *int
	// SkipBad leaves out samples that cannot be used, instead of refusing all.
	SkipBad bool

	// Batch is how many samples a batch has, at least 1; the last one of an
	// epoch has what is left.
	Batch int
	// Seed decides the split, the order of each epoch and the augmentation.
	Seed uint64
	// Flip are the axes that a training sample is mirrored along with a chance
	// of one half each.
	Flip []int
	// Crop is the size of the part of a sample that a step sees, another one in
	// every epoch; a shorter axis stays whole. nil for whole samples.
	Crop grid.Shape
	// Bucket puts samples of nearly the same size into a batch (batches.go).
	Bucket bool

	// Reading is told of each folder how many samples are about to be read, which
	// may take a while; nil for nobody.
	Reading func(folder string, samples int)
}

// Folder are the user's files, a sample each, of any sizes: pictures or volumes,
// with masks that have a class for each cell.
//
// Where the model has windows, a cell of its output has the class that most cells
// of its window have; of equally many the smaller one. Cells that do not count
// have the class that the model ignores.
//
// Sample s of an epoch e is augmented by what its stream e·(number of samples) + s
// of the task draws: per axis the beginning of the crop, then per axis whether it
// is flipped.
type Folder struct {
	options FolderOptions
	files   *folder
	classes Classes
	numbers map[int32]int32 // classes by value, without the ignored one
	members []int           // samples of this part, in the order of their names
	sizes   []grid.Shape    // of the members as a step sees them
	batches batches
	train   bool // augmented
	spec    Spec

	// Of the model that was checked last.
	checked bool
	ignore  int32
	vote    *mostFrequent // nil when it puts out a cell for each cell

	random stream
	values []int32 // scratch: the mask of a sample as a step sees it
}

var _ Divisible = (*Folder)(nil)

// OpenImages reads PNG and JPEG files of any sizes, whose values become 0..1, and
// their masks: PNG files of class numbers, the grey value as stored or the index
// of a palette. Every file is read once, to find its size and the classes and
// what may be wrong with it; what free memory cannot keep is read again for each
// batch. Errors are one line with the path of the file at fault.
func OpenImages(o FolderOptions) (Split, error) {
	if o.Channels != 1 && o.Channels != 3 {
		return Split{}, fmt.Errorf("task images: got %d channels, want 1 (grey) or 3 (RGB): set --channels", o.Channels)
	}
	return openFolders(pictures(o.Channels), o)
}

// OpenVolumes reads .npy files [depth, height, width] or [depth, height, width,
// channels] of any sizes, whose values stay as they are, and their masks, .npy
// files of integers [depth, height, width]. The rest is as in [OpenImages].
func OpenVolumes(o FolderOptions) (Split, error) { return openFolders(volumes{}, o) }

func openFolders(f format, o FolderOptions) (Split, error) {
	switch {
	case o.Batch < 1:
		return Split{}, fmt.Errorf("task %s: got a batch of %d samples, want at least 1: set --batch", f.task(), o.Batch)
	case o.Valid != "" && o.ValidInputs != "":
		return Split{}, fmt.Errorf("task %s: validation on %s and on the part %s of the samples: give one", f.task(), o.ValidInputs, o.Valid)
	case o.Crop != nil && (len(o.Crop) != f.axes() || o.Crop.Cells() < 1):
		return Split{}, fmt.Errorf("task %s: got the crop %v, want %d lengths of at least 1: set another --crop", f.task(), o.Crop, f.axes())
	}
	for i, axis := range o.Flip {
		if axis < 0 || axis >= f.axes() || slices.Contains(o.Flip[:i], axis) {
			return Split{}, fmt.Errorf("task %s: got axis %d to flip, want each of 0 … %d at most once: set another --flip", f.task(), axis, f.axes()-1)
		}
	}
	r := reading{format: f, classes: o.Classes, ignore: o.IgnoreIndex, skip: o.SkipBad, memory: newBudget(), say: o.Reading}
	files, err := r.read(o.Inputs, o.Masks)
	if err != nil {
		return Split{}, err
	}
	if o.Classes == nil {
		if o.Classes, err = classesOf(files.counts); err != nil {
			return Split{}, fmt.Errorf("load %s: %w", o.Masks, err)
		}
	}
	if len(files.counts) == 0 {
		return Split{}, fmt.Errorf("load %s: no cell has a class: all are the ignored value %d: give masks with classes", o.Masks, *o.IgnoreIndex)
	}
	train, valid := all(len(files.samples)), []int(nil)
	if o.Valid != "" {
		if train, valid, err = divide(len(files.samples), o.Valid, o.Seed); err != nil {
			return Split{}, fmt.Errorf("load %s: %w", o.Inputs, err)
		}
	}
	s := Split{}
	if s.Train, err = newFolder(files, o, train, true); err != nil {
		return Split{}, err
	}
	if o.ValidInputs != "" {
		r.classes, r.flags = o.Classes, "valid-"
		if files, err = r.read(o.ValidInputs, o.ValidMasks); err != nil {
			return Split{}, err
		}
		valid = all(len(files.samples))
	}
	if len(valid) > 0 {
		part, err := newFolder(files, o, valid, false)
		if err != nil {
			return Split{}, fmt.Errorf("validation data: %w", err)
		}
		s.Valid = part
	}
	return s, nil
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// newFolder makes one part, for training or to be measured.
func newFolder(files *folder, o FolderOptions, members []int, train bool) (*Folder, error) {
	f := &Folder{options: o, files: files, classes: o.Classes, numbers: o.Classes.numbers(), members: members, train: train}
	if o.IgnoreIndex != nil { // --classes may list it
		maps.DeleteFunc(f.numbers, func(value, _ int32) bool { return int(value) == *o.IgnoreIndex })
	}
	f.sizes = make([]grid.Shape, len(members))
	counted := int64(0)
	for i, member := range members {
		counted += files.samples[member].counted
		size := files.samples[member].size
		if train && o.Crop != nil {
			size = slices.Clone(size)
			for d := range size {
				size[d] = min(size[d], o.Crop[d])
			}
		}
		f.sizes[i] = size
	}
	if counted == 0 {
		return nil, fmt.Errorf("load %s: no cell of the %d masks of this part has a class, all are the ignored value %d: draw another part with --seed or --valid, or give masks with classes",
			files.masks, len(members), *o.IgnoreIndex)
	}
	var bucket []grid.Shape
	if o.Bucket {
		bucket = f.sizes
	}
	f.batches = newBatches(o.Batch, newOrder(len(members), train, o.Seed), bucket)
	f.spec = Spec{
		Axes: files.format.axes(), Input: files.channels,
		Units: len(f.classes), Activation: "softmax", Loss: nn.CrossEntropy,
		Classes: f.classes.Names(), IgnoreIndex: f.ignoreIndex(),
		Samples: len(members), Steps: int64(f.batches.steps()),
	}
	if cells := cellsOf(f.Largest()); cells > grid.MaxRows/files.channels {
		return nil, fmt.Errorf("load %s: batches of up to %d cells with %d channels are more than %d values: set a smaller --batch, or a --crop", o.Inputs, cells, files.channels, grid.MaxRows)
	}
	return f, nil
}

// ignoreIndex is the class number for the model of cells that do not count: their
// value in the masks, or the first number behind the classes if a class has it.
func (f *Folder) ignoreIndex() *int {
	if f.options.IgnoreIndex == nil {
		return nil
	}
	index := *f.options.IgnoreIndex
	if index >= 0 && index < len(f.classes) {
		index = len(f.classes)
	}
	return &index
}

// Measured returns the same samples whole, without augmentation and in one order.
func (f *Folder) Measured() (*Folder, error) { return newFolder(f.files, f.options, f.members, false) }

// Name returns "images" or "volumes".
func (f *Folder) Name() string { return f.files.format.task() }

// Spec is a softmax head with a unit for each class and the loss cross_entropy.
func (f *Folder) Spec() Spec { return f.spec }

// Settings returns the folders and all options in use, the classes that were
// found too, and where the masks have a palette their colours; options that are off
// are missing.
func (f *Folder) Settings() map[string]string {
	o := f.options
	settings := map[string]string{
		f.Name():  o.Inputs,
		"masks":   o.Masks,
		"classes": f.classes.String(),
		"batch":   strconv.Itoa(o.Batch),
		"seed":    strconv.FormatUint(o.Seed, 10),
		"bucket":  strconv.FormatBool(o.Bucket),
	}
	if f.Name() == "images" {
		settings["channels"] = strconv.Itoa(o.Channels)
	}
	if f.files.palette != nil {
		settings["palette"] = f.colours()
	}
	if o.ValidInputs != "" {
		settings["valid-"+f.Name()], settings["valid-masks"] = o.ValidInputs, o.ValidMasks
	} else if o.Valid != "" {
		settings["valid"] = o.Valid
	}
	if o.IgnoreIndex != nil {
		settings["ignore-index"] = strconv.Itoa(*o.IgnoreIndex)
	}
	if o.Flip != nil {
		settings["flip"] = strings.Trim(strings.Join(strings.Fields(fmt.Sprint(o.Flip)), ","), "[]")
	}
	if o.Crop != nil {
		settings["crop"] = o.Crop.String()
	}
	if o.SkipBad {
		settings["skip-bad"] = "true"
	}
	return settings
}

// colours are those that the masks have for the classes, as [ParseColours] reads
// them; a value that no mask has may be beyond their palette, and gets one of ours.
func (f *Folder) colours() string {
	parts, ours := make([]string, len(f.classes)), imagefile.Palette(len(f.classes))
	for i, class := range f.classes {
		c := ours[i]
		if class.Value >= 0 && int(class.Value) < len(f.files.palette) {
			c = f.files.palette[class.Value]
		}
		rgb := color.NRGBAModel.Convert(c).(color.NRGBA)
		parts[i] = fmt.Sprintf("%02x%02x%02x", rgb.R, rgb.G, rgb.B)
	}
	return strings.Join(parts, ",")
}

// Hash is the SHA-256 of the names of all samples of the folders, this part's or
// not, and the SHA-256 of their files and masks. It does not depend on their
// paths, nor on samples that were left out.
func (f *Folder) Hash() string { return f.files.hash }

// Largest returns the samples of most cells.
func (f *Folder) Largest() []grid.Shape { return largest(f.sizes, f.options.Batch) }

// Sizes are those of the samples of this part as a step sees them; read only.
func (f *Folder) Sizes() []grid.Shape { return f.sizes }

// Skipped says, in the order of their names, why each bad sample of the folders
// was left out.
func (f *Folder) Skipped() []error { return f.files.skipped }

// Unused names the masks that belong to no sample.
func (f *Folder) Unused() []string { return f.files.unused }

// Classes are the classes of the masks, listed or found.
func (f *Folder) Classes() Classes { return f.classes }

// ClassCounts are how many cells of all samples of the folders have each class.
func (f *Folder) ClassCounts() []int64 {
	counts := make([]int64, len(f.classes))
	for i, c := range f.classes {
		counts[i] = f.files.counts[c.Value]
	}
	return counts
}

// Check says whether a model fits: as many classes, and a cell of output for
// each cell, or each window of cells.
func (f *Folder) Check(m *nn.Model) error {
	fit, name := fitOf(m), "task "+f.Name()
	cure := fmt.Sprintf("give a model that was trained on %s like these, or train one", f.Name())
	if f.Name() == "images" && fit.input != f.spec.Input {
		cure = "set --channels to 1 or 3 as it was trained with"
	}
	if err := fit.checkInput(fmt.Sprintf("%s: %s", name, f.options.Inputs), f.spec, cure); err != nil {
		return err
	}
	out, err := fit.output(f.sizes[0])
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case fit.loss != f.spec.Loss:
		return fmt.Errorf("%s is trained with the loss %s, the model has %s: %s", name, f.spec.Loss, fit.loss, cure)
	case len(out) != f.spec.Axes:
		return fmt.Errorf("%s has a class for each cell of %d axes, the model sums axes up and puts out %d: %s", name, f.spec.Axes, len(out), cure)
	case fit.units != f.spec.Units:
		return fmt.Errorf("%s: %s: %d classes, the model's head has %d units: set --classes as it was trained with", name, f.options.Masks, f.spec.Units, fit.units)
	case f.files.ignored > 0 && fit.ignore == nil:
		return fmt.Errorf("%s: %s: %d cells have the ignored value %d, the model has no ignore_index: leave --ignore-index out, or train another model",
			name, f.options.Masks, f.files.ignored, *f.options.IgnoreIndex)
	}
	f.checked, f.ignore, f.vote = true, -1, nil // -1: no cell is ignored
	if fit.ignore != nil {
		f.ignore = int32(*fit.ignore)
	}
	if block := m.Windows(f.spec.Axes); slices.Max(block) > 1 {
		f.vote = &mostFrequent{block: block, votes: make([]int, fit.units)}
	}
	return nil
}

// Batch makes batch t, t ≥ 0.
func (f *Folder) Batch(t int64, dst *engine.Batch) error { return f.BatchPart(t, Part{}, dst) }

// BatchPart makes a part of batch t, t ≥ 0, and reads no file of the rest.
func (f *Folder) BatchPart(t int64, p Part, dst *engine.Batch) error {
	if t < 0 {
		return fmt.Errorf("task %s: got batch %d, want at least 0", f.Name(), t)
	}
	epoch, first, members := f.batches.partOf(t, p)
	return f.fill(dst, first, members, func(i int) view {
		full := f.sample(i).size
		if !f.train {
			return view{size: full}
		}
		f.random.start(f.options.Seed, f.Name(), epoch*int64(len(f.members))+int64(i))
		return randomView(&f.random, full, f.sizes[i], f.options.Flip)
	})
}

// Fork shares what is kept of the samples, and reads the others for itself.
func (f *Folder) Fork() Divisible {
	fork := *f
	fork.batches, fork.values = f.batches.fork(), nil
	if f.vote != nil {
		fork.vote = &mostFrequent{block: f.vote.block, votes: make([]int, len(f.vote.votes))}
	}
	return &fork
}

// Example gives the first sample of this part, without augmentation; of one that
// is cropped the middle.
func (f *Folder) Example(dst *engine.Batch) error {
	return f.fill(dst, 0, []int{0}, func(i int) view { return middle(f.sample(i).size, f.sizes[i]) })
}

// sample is member i of this part.
func (f *Folder) sample(i int) *sample { return &f.files.samples[f.members[i]] }

// fill packs the views of some members.
func (f *Folder) fill(dst *engine.Batch, first int64, members []int, look func(member int) view) error {
	if !f.checked {
		return errUnchecked
	}
	cells, outCells := 0, 0
	dst.Samples = resize(dst.Samples, len(members))
	for b, i := range members {
		dst.Samples[b] = f.sizes[i]
		cells += f.sizes[i].Cells()
		outCells += f.outCells(f.sizes[i])
	}
	channels := f.spec.Input
	dst.X, dst.Class = resize(dst.X, cells*channels), resize(dst.Class, outCells)
	dst.Y, dst.Relevant, dst.First = nil, nil, first
	x, class := dst.X, dst.Class
	for _, i := range members {
		s, v := f.sample(i), look(i)
		values, maskValues, err := s.load(f.files.format)
		if err != nil {
			return err
		}
		n := v.size.Cells()
		copyView(x, values, s.size, v, channels)
		f.values = resize(f.values, n)
		copyView(f.values, maskValues, s.size, v, 1)
		f.number(f.values)
		out := f.outCells(v.size)
		if f.vote == nil {
			copy(class, f.values)
		} else {
			f.vote.fill(class[:out], f.values, v.size, f.ignore)
		}
		x, class = x[n*channels:], class[out:]
	}
	return nil
}

// number replaces values of masks by the numbers of their classes.
func (f *Folder) number(values []int32) {
	for i := 0; i < len(values); {
		value := values[i]
		number, known := f.numbers[value]
		if !known { // only the ignored value: all others were refused
			number = f.ignore
		}
		for ; i < len(values) && values[i] == value; i++ {
			values[i] = number
		}
	}
}

// outCells is how many cells the model puts out for a size.
func (f *Folder) outCells(size grid.Shape) int {
	if f.vote == nil {
		return size.Cells()
	}
	cells := 1
	for d, n := range size {
		cells *= (n-1)/f.vote.block[d] + 1
	}
	return cells
}
