package task

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image/color"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn/tensorfile"
)

// sample is a file and its mask.
type sample struct {
	name       string // of both files, without extension
	path, mask string
	size       grid.Shape
	stamps     [2]stamp // of both files when they were read first
	counted    int64    // cells of the mask that count

	// x [*size, channels] and values [*size] of the mask; nil where the memory
	// for kept samples was used up: then they are read again when needed.
	x      []float32
	values []int32
}

// stamp tells a file from what it was before.
type stamp struct {
	length   int64
	modified time.Time
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, fmt.Errorf("load %s: %w", path, tensorfile.Reason(err))
	}
	return stamp{info.Size(), info.ModTime()}, nil
}

// folder is what lies in a folder of samples and one of masks.
type folder struct {
	format   format
	masks    string // the folder of the masks
	samples  []sample
	channels int
	counts   map[int32]int64 // cells of each value, without the ignored one
	ignored  int64           // cells of the ignored value
	palette  color.Palette   // of the masks, the longest one; nil where they are grey
	hash     string
	skipped  []error  // why each bad sample was left out
	unused   []string // masks without a sample
}

// reading says how a folder is read.
type reading struct {
	format  format
	classes Classes // whose values the masks may have; nil for any
	ignore  *int
	skip    bool // leave bad samples out
	memory  *budget
	flags   string                           // what the names of the folders' flags begin with: "" or "valid-"
	say     func(folder string, samples int) // may be nil
}

// read reads every file once, on all cores: what is wrong with one is found
// before the training, not in the middle of it, and a step takes longer than
// reading its samples. As many samples stay in memory as the budget allows: an
// epoch needs each once, so one is as good as another.
func (r reading) read(inputs, masks string) (*folder, error) {
	f := &folder{format: r.format, masks: masks, counts: map[int32]int64{}}
	pairs, err := r.pair(f, inputs, masks)
	if err != nil {
		return nil, err
	}
	if r.say != nil {
		r.say(inputs, len(pairs))
	}
	results := make([]result, len(pairs))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(pairs)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(pairs)); i = next.Add(1) - 1 {
				results[i] = r.one(pairs[i])
			}
		})
	}
	wait.Wait()
	return f, r.gather(f, inputs, results)
}

// pair finds the mask of every sample by its name.
func (r reading) pair(f *folder, inputs, masks string) ([]sample, error) {
	names, err := r.format.list(inputs)
	if err != nil {
		return nil, fmt.Errorf("--%s%s: %w", r.flags, r.format.task(), err)
	}
	maskNames, err := r.format.list(masks)
	if err != nil {
		return nil, fmt.Errorf("--%smasks: %w", r.flags, err)
	}
	maskOf := map[string]string{}
	for _, name := range maskNames {
		base := stem(name)
		if before := maskOf[base]; before != "" {
			return nil, fmt.Errorf("load %s: %s and %s are both masks of %q: keep one of them", masks, before, name, base)
		}
		maskOf[base] = name
	}
	var pairs []sample
	inputOf := map[string]string{}
	for _, name := range names {
		base := stem(name)
		if before := inputOf[base]; before != "" {
			return nil, fmt.Errorf("load %s: %s and %s would have one mask: rename one of them and its mask", inputs, before, name)
		}
		inputOf[base] = name
		s := sample{name: base, path: filepath.Join(inputs, name)}
		if maskOf[base] != "" {
			s.mask = filepath.Join(masks, maskOf[base])
			delete(maskOf, base)
		} else {
			s.mask = filepath.Join(masks, base+filepath.Ext(maskNames[0]))
		}
		pairs = append(pairs, s)
	}
	f.unused = slices.Sorted(maps.Values(maskOf))
	return pairs, nil
}

func stem(name string) string { return strings.TrimSuffix(name, filepath.Ext(name)) }

// result is one sample as it was read, or why it is bad.
type result struct {
	sample   sample
	channels int
	hashes   [2][32]byte
	palette  color.Palette
	counts   map[int32]int64
	ignored  int64
	err      error
}

// one reads a sample and its mask.
func (r reading) one(s sample) (got result) {
	got.sample = s
	in, m, err := s.read(r.format)
	if err != nil {
		got.err = err
		return got
	}
	got.channels, got.hashes = in.channels, [2][32]byte{in.hash, m.hash}
	got.sample.size, got.palette = in.size, m.palette
	for i, path := range []string{s.path, s.mask} {
		if got.hashes[i] == [32]byte{} { // only here, not when it is read again
			if got.hashes[i], got.err = hashFile(path); got.err != nil {
				return got
			}
		}
		if got.sample.stamps[i], got.err = stampOf(path); got.err != nil {
			return got
		}
	}
	if got.err = r.count(&got, m); got.err != nil {
		return got
	}
	got.sample.counted = int64(len(m.values)) - got.ignored
	if r.memory.take(4 * int64(len(in.x)+len(m.values))) {
		got.sample.x, got.sample.values = in.x, m.values
	}
	return got
}

// read reads both files.
func (s *sample) read(f format) (input, mask, error) {
	in, err := f.input(s.path)
	if err != nil {
		return in, mask{}, err
	}
	m, err := f.mask(s.mask)
	if errors.Is(err, fs.ErrNotExist) {
		return in, m, fmt.Errorf("load %s: it has no mask %s: add the mask, or take the file away", s.path, s.mask)
	}
	if err == nil && !m.size.Equal(in.size) {
		err = fmt.Errorf("load %s: the mask has the size %v, want %v as %s has: give the mask of this file", s.mask, m.size, in.size, s.path)
	}
	return in, m, err
}

// count counts the values of a mask and refuses those of no class.
func (r reading) count(got *result, m mask) error {
	numbers := r.classes.numbers()
	got.counts = map[int32]int64{}
	for start := 0; start < len(m.values); {
		value, end := m.values[start], start+1
		for end < len(m.values) && m.values[end] == value { // values come in runs
			end++
		}
		_, known := numbers[value]
		switch {
		case r.ignore != nil && int(value) == *r.ignore:
			got.ignored += int64(end - start)
		case known || r.classes == nil:
			got.counts[value] += int64(end - start)
		default:
			return fmt.Errorf("load %s: cell %v has the value %d, which is no class: want %s: correct the mask, name the class with --classes, or the value with --ignore-index",
				got.sample.mask, coordinates(start, m.size), value, wanted(r.classes))
		}
		if len(got.counts) > maxClasses {
			return fmt.Errorf("load %s: more than %d values: want class numbers", got.sample.mask, maxClasses)
		}
		start = end
	}
	return nil
}

// wanted lists the values of classes.
func wanted(c Classes) string {
	const most = 8
	var values []string
	for i, class := range c {
		if i == most {
			return strings.Join(values, ", ") + " …"
		}
		values = append(values, fmt.Sprint(class.Value))
	}
	return strings.Join(values, ", ")
}

// gather puts what was read together, in the order of the names.
func (r reading) gather(f *folder, inputs string, results []result) error {
	sum := sha256.New()
	first := "" // good sample, whose channels all must have
	for _, got := range results {
		switch {
		case got.err != nil:
		case first == "":
			first, f.channels = got.sample.path, got.channels
		case got.channels != f.channels:
			got.err = fmt.Errorf("load %s: %d channels, want %d as %s has: give all files the same channels", got.sample.path, got.channels, f.channels, first)
		}
		if got.err != nil {
			f.skipped = append(f.skipped, got.err)
			continue
		}
		f.samples = append(f.samples, got.sample)
		for value, n := range got.counts {
			f.counts[value] += n
		}
		f.ignored += got.ignored
		if len(got.palette) > len(f.palette) {
			f.palette = got.palette
		}
		fmt.Fprintf(sum, "%q %x %x\n", got.sample.name, got.hashes[0], got.hashes[1])
	}
	f.hash = hex.EncodeToString(sum.Sum(nil))
	switch bad := len(f.skipped); {
	case bad == 0:
	case len(f.samples) == 0:
		return fmt.Errorf("%w; no sample of %s can be used, this is the first of %d", f.skipped[0], inputs, bad)
	case !r.skip && bad == 1:
		return fmt.Errorf("%w; it is the only bad one of %d samples: --skip-bad leaves it out", f.skipped[0], len(results))
	case !r.skip:
		return fmt.Errorf("%w; %d of %d samples are bad: --skip-bad lists them and leaves them out", f.skipped[0], bad, len(results))
	}
	return nil
}

// load gives a sample's values, from memory or from its files. These must be
// what they were when they were read first.
func (s *sample) load(f format) (x []float32, values []int32, err error) {
	if s.x != nil {
		return s.x, s.values, nil
	}
	for i, path := range []string{s.path, s.mask} {
		now, err := stampOf(path)
		if err != nil {
			return nil, nil, err
		}
		if now.length != s.stamps[i].length || !now.modified.Equal(s.stamps[i].modified) {
			return nil, nil, fmt.Errorf("load %s: the file has changed since the beginning: put it back and begin again, or continue with --resume", path)
		}
	}
	in, m, err := s.read(f)
	if err == nil && !in.size.Equal(s.size) {
		err = fmt.Errorf("load %s: the file has changed since the beginning", s.path)
	}
	return in.x, m.values, err
}

// budget is memory that several goroutines share, in bytes.
type budget struct{ left atomic.Int64 }

// keepShare is the part of the free memory that samples may be kept in; the
// others belong to batches, the model and the system.
const keepShare = 4

func newBudget() *budget {
	b := &budget{}
	b.left.Store(machine.FreeMemory() / keepShare) // none where nobody knows
	return b
}

// take says whether so much is left, and then it is taken.
func (b *budget) take(bytes int64) bool {
	if b.left.Add(-bytes) >= 0 {
		return true
	}
	b.left.Add(bytes)
	return false
}
