package task

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// fixture has 300 images, whose first labels are 7, 2, 1, 0, 4 (testdata/README.md).
const fixture = "testdata/mnist"

func openFixture(t testing.TB, edit func(*MNISTOptions)) Split {
	t.Helper()
	o := MNISTOptions{Dir: fixture, Batch: 16}
	if edit != nil {
		edit(&o)
	}
	s, err := OpenMNIST(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// imagesOf are the numbers of a part's images in the files.
func imagesOf(s Source) []int {
	if s == nil {
		return nil
	}
	return s.(*MNIST).images
}

// writeDigits writes a pair of files with images of 2 × 3 pixels, the i-th of
// which has the value i+first everywhere.
func writeDigits(t testing.TB, dir, name string, first int, labels []byte) {
	t.Helper()
	var pixels []byte
	for i := range labels {
		pixels = append(pixels, slices.Repeat([]byte{byte(i + first)}, 6)...)
	}
	for file, data := range map[string][]byte{
		"-images-idx3-ubyte":    encodeIDX(pixels, len(labels), 2, 3),
		"-labels.idx1-ubyte.gz": gzipped(t, encodeIDX(labels, len(labels))),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+file), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMNISTLabels: each pixel with ink has its digit, each other one the
// background.
func TestMNISTLabels(t *testing.T) {
	whole := openFixture(t, func(o *MNISTOptions) { o.Counts = Counts{Train: 300} })
	if whole.Valid != nil || whole.Test != nil {
		t.Error("parts without images are not nil")
	}
	src := whole.Train.(*MNIST).Measured(false)
	b := batchOf(t, src, 0)
	if len(b.Samples) != 16 || !b.Samples[15].Equal(grid.Shape{28, 28}) || len(b.X) != 16*784 || b.Y != nil || b.Relevant != nil {
		t.Fatalf("batch of %d samples %v, %d values", len(b.Samples), b.Samples[15], len(b.X))
	}
	for i, digit := range []int32{7, 2, 1, 0, 4, 1, 4, 9, 5, 9} {
		for p := range 784 {
			x, class := b.X[i*784+p], b.Class[i*784+p]
			if want := map[bool]int32{true: digit, false: background}[x > 0]; class != want || !(x >= 0 && x <= 1) {
				t.Fatalf("image %d, pixel %d: %v has class %d, want %d", i, p, x, class, want)
			}
		}
	}
	ink, brightest := 0, float32(0)
	for _, x := range b.X[:784] {
		brightest = max(brightest, x)
		if x > 0 {
			ink++
		}
	}
	if ink != 116 || brightest != 1 { // counted from the original file
		t.Errorf("image 0 has %d pixels of ink up to %v, want 116 up to 1", ink, brightest)
	}
	if last := batchOf(t, src, 18); len(last.Samples) != 12 || last.First != 288 || len(last.Class) != 12*784 {
		t.Errorf("last batch: %d samples from %d, want 12 from 288", len(last.Samples), last.First)
	}
	s := src.Spec()
	if s.Samples != 300 || s.Steps != 19 || s.Units != 11 || *s.Background != 10 || len(s.Classes) != 11 || s.Loss != nn.CrossEntropy {
		t.Errorf("spec %+v", s)
	}
}

// TestMNISTSplit: the parts share no image, the seed decides them, and they are
// in the order of the files.
func TestMNISTSplit(t *testing.T) {
	s := openFixture(t, func(o *MNISTOptions) { o.Seed = 5 })
	train, valid, test := imagesOf(s.Train), imagesOf(s.Valid), imagesOf(s.Test)
	if len(train) != 240 || len(valid) != 30 || len(test) != 30 {
		t.Fatalf("parts of %d, %d, %d images, want 240, 30, 30", len(train), len(valid), len(test))
	}
	all := slices.Concat(train, valid, test)
	slices.Sort(all)
	for i, image := range all {
		if image != i {
			t.Fatalf("image %d is in no part or in two", i)
		}
	}
	for _, part := range [][]int{train, valid, test} {
		if !slices.IsSorted(part) {
			t.Errorf("not in the order of the files: %v", part)
		}
	}
	if want := []int{2, 3, 12}; !slices.Equal(test[:3], want) {
		t.Errorf("the test begins with %v, want %v: the same seed splits as ever", test[:3], want)
	}
	if other := openFixture(t, func(o *MNISTOptions) { o.Seed = 6 }); slices.Equal(imagesOf(other.Test), test) {
		t.Error("another seed gives the same split")
	}
	few := openFixture(t, func(o *MNISTOptions) { o.Seed, o.Counts = 5, Counts{100, 20, 30} })
	if n := []int{len(imagesOf(few.Train)), len(imagesOf(few.Valid)), len(imagesOf(few.Test))}; !slices.Equal(n, []int{100, 20, 30}) {
		t.Errorf("parts of %v images, want 100, 20, 30", n)
	}
	if got := s.Train.Settings()["split"]; got != "240/30/30" {
		t.Errorf("split %q", got)
	}
}

// TestMNISTBothPairs: the test comes from t10k alone.
func TestMNISTBothPairs(t *testing.T) {
	dir := t.TempDir()
	writeDigits(t, dir, "train", 1, make([]byte, 24))
	writeDigits(t, dir, "t10k", 101, []byte{1, 2, 3})
	s, err := OpenMNIST(MNISTOptions{Dir: dir, Batch: 4})
	if err != nil {
		t.Fatal(err)
	}
	if n := []int{len(imagesOf(s.Train)), len(imagesOf(s.Valid))}; !slices.Equal(n, []int{22, 2}) {
		t.Errorf("%v images to train and validate, want 22 and 2", n)
	}
	b := batchOf(t, s.Test, 0)
	if want := []int32{1, 2, 3}; len(b.Class) != 18 || b.Class[0] != want[0] || b.Class[6] != want[1] || b.Class[12] != want[2] ||
		math.Float32bits(b.X[6]) != math.Float32bits(float32(102)/255) {
		t.Errorf("test %v of %v", b.Class, b.X)
	}
	// A part of the test comes from t10k too.
	if s, err = OpenMNIST(MNISTOptions{Dir: dir, Batch: 4, Counts: Counts{5, 1, 2}}); err != nil {
		t.Fatal(err)
	}
	for _, i := range imagesOf(s.Test) {
		if i < 24 {
			t.Errorf("image %d of the training files is in the test", i)
		}
	}
	_, err = OpenMNIST(MNISTOptions{Dir: dir, Batch: 4, Counts: Counts{24, 1, 2}})
	checkError(t, err, "25 images to train and validate on, there are 24: set another --split")
	_, err = OpenMNIST(MNISTOptions{Dir: dir, Batch: 4, Counts: Counts{20, 1, 4}})
	checkError(t, err, "4 images to test on, there are 3")
}

// TestMNISTEpochs: each epoch has every image once, in another order; batch t is
// the same whatever was asked before.
func TestMNISTEpochs(t *testing.T) {
	edit := func(o *MNISTOptions) { o.Augment, o.Seed = true, 3 }
	src := openFixture(t, edit).Train
	steps := src.Spec().Steps
	second := cloneBatch(batchOf(t, src, steps))
	if sameBatch(second, batchOf(t, src, 0)) {
		t.Error("two epochs begin with the same batch")
	}
	for name, s := range map[string]Source{"again": src, "after a restart": openFixture(t, edit).Train} {
		if !sameBatch(second, batchOf(t, s, steps)) {
			t.Errorf("%s: another batch %d", name, steps)
		}
	}
	m := src.(*MNIST)
	order := slices.Clone(m.batches.order.of(1))
	slices.Sort(order)
	for i, v := range order {
		if v != i {
			t.Fatalf("epoch 1 leaves out sample %d", i)
		}
	}
	checkError(t, src.Batch(-1, &engine.Batch{}), "want at least 0")
}

// TestMNISTAugment: an image differs between epochs and images, is never lost,
// and has about as much ink as it had; the example and the other parts are as in
// the files.
func TestMNISTAugment(t *testing.T) {
	s := openFixture(t, func(o *MNISTOptions) { o.Augment = true })
	src := s.Train.(*MNIST)
	sum := func(pixels []byte) (sum float64) {
		for _, v := range pixels {
			sum += float64(v)
		}
		return sum
	}
	before, after := 0.0, 0.0
	for _, i := range src.images[:100] {
		original := src.digits.image(i)
		first := slices.Clone(src.image(i, 0))
		if slices.Equal(first, original) || slices.Equal(first, src.image(i, 1)) {
			t.Errorf("image %d does not change", i)
		}
		if !slices.Equal(first, src.image(i, 0)) {
			t.Errorf("image %d changes in its epoch", i)
		}
		if ratio := sum(first) / sum(original); ratio < 0.5 || ratio > 1.6 {
			t.Errorf("image %d has %.2f times its ink", i, ratio)
		}
		before, after = before+sum(original), after+sum(first)
	}
	// Areas grow by scale² = 1 + 0.1²/3 on average.
	if !within(after/before, 1, 0.03) {
		t.Errorf("images have %.3f times their ink, want about 1", after/before)
	}
	b := &engine.Batch{}
	if err := src.Example(b); err != nil {
		t.Fatal(err)
	}
	plain := batchOf(t, src.Measured(false), 0)
	if !slices.Equal(b.X, plain.X[:784]) || !slices.Equal(b.Class, plain.Class[:784]) {
		t.Error("the example is augmented")
	}
	unaugmented := openFixture(t, nil)
	if !sameBatch(batchOf(t, s.Valid, 0), batchOf(t, unaugmented.Valid, 0)) || !sameBatch(batchOf(t, s.Test, 0), batchOf(t, unaugmented.Test, 0)) {
		t.Error("validation or test is augmented")
	}
}

// TestMNISTWarped: always the same deformation, also in another epoch.
func TestMNISTWarped(t *testing.T) {
	src := openFixture(t, nil).Test.(*MNIST)
	warped := src.Measured(true)
	b := cloneBatch(batchOf(t, warped, 0))
	later := batchOf(t, warped, warped.Spec().Steps)
	if !slices.Equal(b.X, later.X) || !slices.Equal(b.Class, later.Class) {
		t.Error("a warped image changes from epoch to epoch")
	}
	if slices.Equal(b.X, batchOf(t, src, 0).X) {
		t.Error("nothing is warped")
	}
	for i, x := range b.X {
		if (x > 0) != (b.Class[i] != background) {
			t.Fatalf("pixel %d: %v has class %d", i, x, b.Class[i])
		}
	}
}

// TestMNISTAllocations: once a batch has its memory, none is taken.
func TestMNISTAllocations(t *testing.T) {
	src := openFixture(t, func(o *MNISTOptions) { o.Augment = true }).Train
	b := batchOf(t, src, 0)
	step := int64(0)
	if n := testing.AllocsPerRun(20, func() {
		step++
		if err := src.Batch(step, b); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func TestMNISTHash(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	writeDigits(t, dir, "train", 1, []byte{1, 2, 3})
	writeDigits(t, other, "t10k", 1, []byte{1, 2, 3})
	hash := func(dir string) string {
		s, err := OpenMNIST(MNISTOptions{Dir: dir, Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		return s.Train.Hash()
	}
	before := hash(dir)
	if before == hash(other) {
		t.Error("training and test files have the same hash")
	}
	writeDigits(t, dir, "train", 1, []byte{1, 2, 4})
	if before == hash(dir) {
		t.Error("other labels have the same hash")
	}
}

func TestMNISTCheck(t *testing.T) {
	src := openFixture(t, nil).Train
	if err := src.Check(model(t, 1, 11, "softmax", "cross_entropy")); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		model *nn.Model
		want  string
	}{
		"channels": {model(t, 2, 11, "softmax", "cross_entropy"), "has 1 channels, the model wants 2"},
		"units":    {model(t, 1, 10, "softmax", "cross_entropy"), "11 classes, the model's head 10 units"},
		"loss":     {model(t, 1, 11, "linear", "mse"), "the loss cross_entropy, the model has mse"},
		"window":   {model(t, 1, 11, "softmax", "cross_entropy", window(2, 2)), "puts out 14x14"},
	} {
		t.Run(name, func(t *testing.T) { checkError(t, src.Check(c.model), c.want) })
	}
}

func TestOpenMNISTRefuses(t *testing.T) {
	digits := func(t *testing.T) string {
		dir := t.TempDir()
		writeDigits(t, dir, "train", 1, make([]byte, 20))
		return dir
	}
	remove := func(t *testing.T, dir, file string) {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
	}
	put := func(t *testing.T, dir, file string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		edit func(t *testing.T, dir string)
		o    MNISTOptions
		want string
	}{
		{"empty folder", func(t *testing.T, dir string) {
			remove(t, dir, "train-images-idx3-ubyte")
			remove(t, dir, "train-labels.idx1-ubyte.gz")
		}, MNISTOptions{}, "has no MNIST files: want train-images-idx3-ubyte and"},
		{"no labels", func(t *testing.T, dir string) { remove(t, dir, "train-labels.idx1-ubyte.gz") },
			MNISTOptions{}, "train-images-idx3-ubyte: has no labels beside it: put train-labels-idx1-ubyte"},
		{"no images", func(t *testing.T, dir string) { remove(t, dir, "train-images-idx3-ubyte") },
			MNISTOptions{}, "has no images beside it: put train-images-idx3-ubyte"},
		{"counts", func(t *testing.T, dir string) {
			put(t, dir, "train-labels-idx1-ubyte", encodeIDX(make([]byte, 19), 19))
		}, MNISTOptions{}, "train-labels-idx1-ubyte: has 19 labels for the 20 images of "},
		{"no digit", func(t *testing.T, dir string) {
			put(t, dir, "train-labels-idx1-ubyte", encodeIDX(append(make([]byte, 19), 10), 20))
		}, MNISTOptions{}, "label 19 is 10, want a digit"},
		{"sizes", func(t *testing.T, dir string) {
			put(t, dir, "t10k-labels-idx1-ubyte", encodeIDX([]byte{1}, 1))
			put(t, dir, "t10k-images-idx3-ubyte", encodeIDX([]byte{1, 2}, 1, 1, 2))
		}, MNISTOptions{}, "the images of train have 2 × 3 pixels, those of t10k 1 × 2"},
		{"exchanged", func(t *testing.T, dir string) {
			put(t, dir, "train-labels-idx1-ubyte", encodeIDX(make([]byte, 6), 1, 2, 3))
		}, MNISTOptions{}, "3 axes, want 1"},
		{"batch", nil, MNISTOptions{Batch: -1}, "set --batch"},
		{"huge batch", nil, MNISTOptions{Batch: math.MaxInt32}, "set a smaller --batch"},
		{"split", nil, MNISTOptions{Counts: Counts{19, 1, 1}}, "split 19/1/1: 21 images in all, there are 20: set another --split"},
		{"nothing to train on", nil, MNISTOptions{Counts: Counts{0, 1, 1}}, "at least 1 image to train on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Dir = digits(t)
			if c.edit != nil {
				c.edit(t, c.o.Dir)
			}
			if c.o.Batch == 0 {
				c.o.Batch = 2
			}
			_, err := OpenMNIST(c.o)
			checkError(t, err, c.want)
		})
	}
	_, err := OpenMNIST(MNISTOptions{Dir: "nowhere", Batch: 1})
	checkError(t, err, "--data nowhere: no such file")
	_, err = OpenMNIST(MNISTOptions{Dir: "mnist_test.go", Batch: 1})
	checkError(t, err, "--data mnist_test.go: is a file: give the folder")
}

func TestParseCounts(t *testing.T) {
	c, err := ParseCounts("8000/1000/0")
	if err != nil || c != (Counts{8000, 1000, 0}) || c.String() != "8000/1000/0" {
		t.Errorf("got %v, %v", c, err)
	}
	for _, text := range []string{"", "8000", "1/2", "1/2/3/4", "-1/2/3", "1/2/x", "1/ 2/3", "1/2/99999999999"} {
		_, err := ParseCounts(text)
		checkError(t, err, "such as 8000/1000/1000")
	}
}
