package task

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// Source makes batches. A source is for one goroutine at a time.
type Source interface {
	// Name is the task's name: "diagonal", "fields", "arrays", "images",
	// "volumes", "mnist".
	Name() string
	// Spec says what a model for this task looks like.
	Spec() Spec
	// Settings are all that decides the data, as text, for config.json.
	Settings() map[string]string
	// Hash is the SHA-256 of the data in hex: of the content of the files, or of
	// a generator's name and settings.
	Hash() string

	// Check says whether a model fits the data: channels, axes, units, loss, and
	// targets of the shape that it puts out. Call it before the first Batch; it
	// may be called again with another model, whose targets Batch gives then.
	Check(m *nn.Model) error

	// Batch overwrites all of dst with batch t, reusing its slices: once dst has
	// held the largest batch, nothing is allocated. Shapes in dst.Samples are
	// shared: do not change them. Generators also make batches t < 0, which no
	// training step sees; arrays refuse them.
	Batch(t int64, dst *engine.Batch) error
	// Example overwrites dst with one sample that is always the same, for
	// pictures: a generator's is one that no training step sees, the arrays' is
	// the first.
	Example(dst *engine.Batch) error

	// Largest are the shapes of as many samples as a batch has, with at least as
	// many cells as any batch: plan these first and later batches fit, or nearly
	// (a long thin one may need more wavefronts).
	Largest() []grid.Shape
}

// Split is the data of a run: what a model is trained on, what decides when to
// stop and which model is the best, and what neither of them sees. Valid and Test
// may be nil.
type Split struct{ Train, Valid, Test Source }

// Hash is the SHA-256, in hex, of all that decides a run: that of the training
// data, or of both hashes where the validation data come from other files.
func (s Split) Hash() string {
	train := s.Train.Hash()
	if s.Valid == nil || s.Valid.Hash() == train {
		return train
	}
	sum := sha256.Sum256([]byte(train + " " + s.Valid.Hash()))
	return hex.EncodeToString(sum[:])
}

// Check says whether a model fits the parts that a run uses, see [Source.Check].
func (s Split) Check(m *nn.Model) error {
	if err := s.Train.Check(m); err != nil || s.Valid == nil {
		return err
	}
	if err := s.Valid.Check(m); err != nil {
		return fmt.Errorf("validation data: %w", err)
	}
	return nil
}

// Spec is what a model for a task looks like, and how long its epochs are.
type Spec struct {
	Axes  int // D of the input grid
	Input int // K, channels of a cell

	// Units, Activation and Loss are the head and the loss to use where the user
	// names none. Units is 0 and the others are empty without targets.
	Units      int
	Activation string
	Loss       string
	// Relevant says that batches name relevant cells.
	Relevant bool
	// IgnoreIndex is the class of cells that do not count; nil when all do.
	IgnoreIndex *int
	// Classes are the names of the classes for people; nil when they are just
	// numbers.
	Classes []string
	// Background is the class of cells that belong to no label, where a sample
	// has one label for all its other cells; nil otherwise.
	Background *int

	// Samples and Steps are how many samples and batches an epoch has; 0 for
	// generators, whose samples never repeat.
	Samples int
	Steps   int64
}

// fit is what a source must know about a model.
type fit struct {
	axes, input, units int // axes may be nn.AnyAxes
	loss               string
	ignore             *int
	output             func(grid.Shape) (grid.Shape, error)
}

func fitOf(m *nn.Model) fit {
	return fit{
		axes:   m.Axes(),
		input:  m.Config.Input,
		units:  m.Units(),
		loss:   m.Config.Loss,
		ignore: m.Config.IgnoreIndex,
		output: func(in grid.Shape) (grid.Shape, error) {
			out, err := m.OutputShape(in)
			return out, err
		},
	}
}

// checkInput compares what both kinds of sources have; what names the data, and
// cure says how to get other ones.
func (f fit) checkInput(what string, s Spec, cure string) error {
	if f.input != s.Input {
		return fmt.Errorf("%s has %d channels, the model wants %d: %s", what, s.Input, f.input, cure)
	}
	if f.axes != nn.AnyAxes && f.axes != s.Axes {
		return fmt.Errorf("%s has a grid of %d axes, the model wants %d: %s", what, s.Axes, f.axes, cure)
	}
	return nil
}

// hashSettings is the Hash of a generator.
func hashSettings(name string, settings map[string]string) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %d\n", name, streamVersion)
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(sum, "%q %q\n", key, settings[key])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// hashParts is the hash of several hashes; an absent one is zero.
func hashParts(parts ...[32]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(part[:])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// resize gives s the length n, keeping its memory where that is enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
