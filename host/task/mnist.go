package task

import (
	"fmt"
	"slices"
	"strconv"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// background is the class of pixels without ink, one more than the last digit.
const background = 10

// MNISTOptions name the user's folder and say how it becomes batches.
type MNISTOptions struct {
	// Dir has the files by their standard names, plain or compressed with gzip:
	// train-images-idx3-ubyte and train-labels-idx1-ubyte, those of t10k, or all.
	Dir string
	// Counts is how many images each part has; the zero value for all of them in
	// the usual proportion (see [OpenMNIST]).
	Counts Counts
	// Batch is how many images a batch has, at least 1; the last one of an epoch
	// has what is left.
	Batch int
	// Seed decides the split, the order of each epoch and the augmentation.
	Seed uint64
	// Augment deforms each training image in another way in each epoch.
	Augment bool
}

// MNIST are images of handwritten digits (LeCun, Cortes and Burges) labelled as
// in Graves 2007: each pixel with ink, a value above 0, has the class of its
// digit, each other one the class 10, background. Inputs are values / 255.
//
// Sample s, an image's number over both pairs of files, is deformed in epoch e by
// what its stream e·(number of images) + s of the task "mnist" draws: strength,
// angle and scale, then displacements (warp.go). A warped image draws those from
// stream s of the task "warp".
type MNIST struct {
	options MNISTOptions // with the Counts in use
	digits  *digits
	size    grid.Shape
	images  []int // of this part, in the order of the files
	batches batches
	warped  bool
	spec    Spec

	warper *warper // made for the first image that is deformed
	pixels []byte  // [rows, cols] scratch: that image
	random stream
}

var _ Divisible = (*MNIST)(nil)

// OpenMNIST reads the files of a folder and splits their images by the seed.
// With both pairs of files the test is that of t10k, and 1/12 of the others is
// for validation; with one pair, 10 % of it are for each. The training part is
// shuffled for every epoch, the others are in the order of the files. Parts
// without images are nil. Errors are one line that begins with the path of the
// file at fault, or with the flag.
func OpenMNIST(o MNISTOptions) (Split, error) {
	if o.Batch < 1 {
		return Split{}, fmt.Errorf("task mnist: got a batch of %d images, want at least 1: set --batch", o.Batch)
	}
	d, err := readDigits(o.Dir)
	if err != nil {
		return Split{}, err
	}
	if d.rows*d.cols > grid.MaxRows/o.Batch {
		return Split{}, fmt.Errorf("%s: %d images of %d × %d pixels are more than %d: set a smaller --batch", o.Dir, o.Batch, d.rows, d.cols, grid.MaxRows)
	}
	if o.Counts == (Counts{}) {
		o.Counts = d.defaultCounts()
	}
	train, valid, test, err := d.split(o.Counts, o.Seed)
	if err != nil {
		return Split{}, fmt.Errorf("%s: %w: set another --split", o.Dir, err)
	}
	s := Split{Train: newMNIST(o, d, train, true)}
	o.Augment = false
	if len(valid) > 0 {
		s.Valid = newMNIST(o, d, valid, false)
	}
	if len(test) > 0 {
		s.Test = newMNIST(o, d, test, false)
	}
	return s, nil
}

func newMNIST(o MNISTOptions, d *digits, images []int, shuffle bool) *MNIST {
	class := background
	names := make([]string, background+1)
	for i := range background {
		names[i] = strconv.Itoa(i)
	}
	names[background] = "background"
	b := newBatches(o.Batch, newOrder(len(images), shuffle, o.Seed), nil)
	return &MNIST{
		options: o, digits: d, size: grid.Shape{d.rows, d.cols}, images: images, batches: b,
		spec: Spec{
			Axes: 2, Input: 1, Units: background + 1, Activation: "softmax", Loss: nn.CrossEntropy,
			Classes: names, Background: &class,
			Samples: len(images), Steps: int64(b.steps()),
		},
	}
}

// Measured returns the same images in the order of the files and without
// augmentation, or each with an elastic deformation of its own that is always
// the same.
func (m *MNIST) Measured(warped bool) *MNIST {
	o := m.options
	o.Augment = false
	measured := newMNIST(o, m.digits, m.images, false)
	measured.warped = warped
	return measured
}

// Name returns "mnist".
func (m *MNIST) Name() string { return "mnist" }

// Spec is a softmax head of 11 units with loss cross_entropy.
func (m *MNIST) Spec() Spec { return m.spec }

// Settings returns folder, split, batch, seed and whether there is augmentation.
func (m *MNIST) Settings() map[string]string {
	return map[string]string{
		"data":    m.options.Dir,
		"split":   m.options.Counts.String(),
		"batch":   strconv.Itoa(m.options.Batch),
		"seed":    strconv.FormatUint(m.options.Seed, 10),
		"augment": strconv.FormatBool(m.options.Augment),
	}
}

// Hash is the SHA-256 of the SHA-256 of the training images and labels and of
// the test images and labels, decompressed, 32 bytes each, zeros for those that
// are absent. It does not depend on their paths.
func (m *MNIST) Hash() string { return m.digits.hash }

// Largest returns the shapes of a full batch.
func (m *MNIST) Largest() []grid.Shape {
	return slices.Repeat([]grid.Shape{m.size}, min(m.options.Batch, len(m.images)))
}

// Check says whether a model fits: a class for each pixel.
func (m *MNIST) Check(model *nn.Model) error {
	f := fitOf(model)
	if err := f.checkInput("task mnist", m.spec, "give a model that was trained on mnist, or train one"); err != nil {
		return err
	}
	out, err := f.output(m.size)
	switch {
	case err != nil:
		return fmt.Errorf("task mnist: %w", err)
	case !out.Equal(m.size):
		return fmt.Errorf("task mnist has a class for each pixel of %v, the model puts out %v: use a model without windows and sum", m.size, out)
	case f.loss != m.spec.Loss:
		return fmt.Errorf("task mnist is trained with the loss %s, the model has %s: give a model that was trained on mnist, or train one", m.spec.Loss, f.loss)
	case f.units != m.spec.Units:
		return fmt.Errorf("task mnist has %d classes, the model's head %d units: give a model that was trained on mnist, or train one", m.spec.Units, f.units)
	}
	return nil
}

// Batch makes batch t, t ≥ 0: batch t mod Spec().Steps of its epoch.
func (m *MNIST) Batch(t int64, dst *engine.Batch) error { return m.BatchPart(t, Part{}, dst) }

// BatchPart makes a part of batch t, t ≥ 0.
func (m *MNIST) BatchPart(t int64, p Part, dst *engine.Batch) error {
	if t < 0 {
		return fmt.Errorf("task mnist: got batch %d, want at least 0", t)
	}
	epoch, first, samples := m.batches.partOf(t, p)
	m.begin(dst, first, len(samples))
	for b, i := range samples {
		m.fill(dst, b, m.image(m.images[i], epoch), m.digits.labels[m.images[i]])
	}
	return nil
}

// Fork shares the images.
func (m *MNIST) Fork() Divisible {
	fork := *m
	fork.batches, fork.warper, fork.pixels = m.batches.fork(), nil, nil
	return &fork
}

// Example gives the first image of this part, without augmentation.
func (m *MNIST) Example(dst *engine.Batch) error {
	i := m.images[0]
	m.begin(dst, 0, 1)
	m.fill(dst, 0, m.digits.image(i), m.digits.labels[i])
	return nil
}

// begin makes room for so many images.
func (m *MNIST) begin(dst *engine.Batch, first int64, count int) {
	cells := m.size.Cells()
	dst.X, dst.Class = resize(dst.X, count*cells), resize(dst.Class, count*cells)
	dst.Y, dst.Relevant = nil, nil
	dst.First = first
	dst.Samples = resize(dst.Samples, count)
	for b := range dst.Samples {
		dst.Samples[b] = m.size
	}
}

// image is what image i of the files looks like in an epoch.
func (m *MNIST) image(i int, epoch int64) []byte {
	pixels := m.digits.image(i)
	if !m.options.Augment && !m.warped {
		return pixels
	}
	if m.warper == nil {
		m.warper = newWarper(m.digits.rows, m.digits.cols)
		m.pixels = make([]byte, len(pixels))
	}
	d := elastic
	if m.warped {
		m.random.start(m.options.Seed, "warp", int64(i))
	} else {
		m.random.start(m.options.Seed, "mnist", epoch*int64(m.digits.count())+int64(i))
		d = randomDeformation(&m.random)
	}
	m.warper.warp(m.pixels, pixels, &m.random, d)
	return m.pixels
}

// fill makes image b of a batch and its classes.
func (m *MNIST) fill(dst *engine.Batch, b int, pixels []byte, label byte) {
	x, class := dst.X[b*len(pixels):], dst.Class[b*len(pixels):]
	for i, v := range pixels {
		x[i] = float32(v) / 255
		class[i] = background
		if v > 0 {
			class[i] = int32(label)
		}
	}
}
