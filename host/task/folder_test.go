package task

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// dirs are new folders of samples and masks.
type dirs struct{ inputs, masks string }

func newDirs(t *testing.T) dirs {
	t.Helper()
	root := t.TempDir()
	d := dirs{filepath.Join(root, "images"), filepath.Join(root, "masks")}
	for _, dir := range []string{d.inputs, d.masks} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func store(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// grey is a picture whose pixel i of height × width has the value f(i).
func grey(height, width int, f func(i int) byte) *image.Gray {
	m := image.NewGray(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = f(i)
	}
	return m
}

func number(i int) byte { return byte(i) }

func classes(n int) func(i int) byte { return func(i int) byte { return byte(i % n) } }

// pair stores a picture with values 0, 1, 2 … and its mask of classes 0 … n-1.
func (d dirs) pair(t *testing.T, name string, height, width, n int) {
	t.Helper()
	store(t, d.inputs, name+".png", pngOf(t, grey(height, width, number)))
	store(t, d.masks, name+".png", pngOf(t, grey(height, width, classes(n))))
}

// several are pictures of unequal sizes with 3 classes.
func several(t *testing.T, n int) dirs {
	t.Helper()
	d := newDirs(t)
	for i := range n {
		d.pair(t, fmt.Sprintf("%02d", i), 2+i%3, 3+i%4, 3)
	}
	return d
}

func (d dirs) options() FolderOptions {
	return FolderOptions{Inputs: d.inputs, Masks: d.masks, Channels: 1, Batch: 2, Seed: 3}
}

// images opens the training part and checks it with a model of so many units.
func images(t *testing.T, o FolderOptions, units int, edit ...func(*nn.Config)) *Folder {
	t.Helper()
	s, err := OpenImages(o)
	if err != nil {
		t.Fatal(err)
	}
	f := s.Train.(*Folder)
	if err := f.Check(model(t, o.Channels, units, "softmax", "cross_entropy", edit...)); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestImageKinds: all kinds of files in one batch, each of its own size.
func TestImageKinds(t *testing.T) {
	d := newDirs(t)
	palette := color.Palette{color.Black, color.White, color.RGBA{200, 0, 0, 255}}
	indexed := func(height, width int) *image.Paletted {
		m := image.NewPaletted(image.Rect(0, 0, width, height), palette)
		for i := range m.Pix {
			m.Pix[i] = byte(i % 3)
		}
		return m
	}
	deep := image.NewGray16(image.Rect(0, 0, 2, 2))
	deep.SetGray16(1, 1, color.Gray16{Y: 257*7 + 1})
	store(t, d.inputs, "a.png", pngOf(t, deep))
	store(t, d.masks, "a.png", pngOf(t, indexed(2, 2)))
	store(t, d.inputs, "b.PNG", pngOf(t, indexed(1, 3)))
	store(t, d.masks, "b.png", pngOf(t, grey(1, 3, classes(2))))
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, grey(2, 3, func(int) byte { return 51 }), nil); err != nil {
		t.Fatal(err)
	}
	store(t, d.inputs, "c.jpeg", photo.Bytes())
	deepMask := image.NewGray16(image.Rect(0, 0, 3, 2))
	deepMask.SetGray16(2, 1, color.Gray16{Y: 40000})
	store(t, d.masks, "c.png", pngOf(t, deepMask))
	store(t, d.masks, "stray.png", pngOf(t, deepMask))
	store(t, d.inputs, "readme.txt", []byte("not a picture"))

	o := d.options()
	o.Batch = 3
	f := images(t, o, 4)
	if got := f.Classes().String(); got != "0=0,1=1,2=2,40000=40000" {
		t.Errorf("found the classes %s", got)
	}
	if got := f.ClassCounts(); !slices.Equal(got, []int64{9, 2, 1, 1}) {
		t.Errorf("cells of classes %v", got)
	}
	if got := f.Unused(); !slices.Equal(got, []string{"stray.png"}) {
		t.Errorf("unused masks %v", got)
	}
	m, err := f.Measured()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(model(t, 1, 4, "softmax", "cross_entropy")); err != nil {
		t.Fatal(err)
	}
	b := batchOf(t, m, 0)
	if want := []grid.Shape{{2, 2}, {1, 3}, {2, 3}}; !slices.EqualFunc(b.Samples, want, grid.Shape.Equal) {
		t.Fatalf("sizes %v, want %v", b.Samples, want)
	}
	if want := []int32{0, 1, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3}; !slices.Equal(b.Class, want) {
		t.Errorf("classes %v, want %v", b.Class, want)
	}
	red := float32((19595*200*257+1<<15)>>16) / 65535 // ITU-R BT.601, in 16 bits
	for i, want := range []float32{0, 0, 0, 1800. / 65535, 0, 1, red, .2, .2, .2, .2, .2, .2} {
		if !within(float64(b.X[i]), float64(want), 1e-7) {
			t.Errorf("value %d is %v, want %v", i, b.X[i], want)
		}
	}

	o.Channels = 3
	rgb := batchOf(t, images(t, o, 4), 0)
	if len(rgb.X) != 3*len(b.X) {
		t.Errorf("%d values in 3 channels, want %d", len(rgb.X), 3*len(b.X))
	}
}

// TestFolderSpec: what a run records makes the same data again.
func TestFolderSpec(t *testing.T) {
	d := several(t, 10)
	o := d.options()
	o.Valid, o.Flip, o.Crop, o.Bucket, o.SkipBad = "0.3", []int{0, 1}, grid.Shape{3, 3}, true, true
	ignored := 2
	o.IgnoreIndex = &ignored
	s, err := OpenImages(o)
	if err != nil {
		t.Fatal(err)
	}
	f, valid := s.Train.(*Folder), s.Valid.(*Folder)
	spec := f.Spec()
	if spec.Axes != 2 || spec.Input != 1 || spec.Units != 2 || spec.Activation != "softmax" || spec.Loss != "cross_entropy" ||
		*spec.IgnoreIndex != 2 || !slices.Equal(spec.Classes, []string{"0", "1"}) || spec.Samples != 7 || spec.Steps != 4 {
		t.Errorf("got %+v", spec)
	}
	want := map[string]string{"images": d.inputs, "masks": d.masks, "classes": "2", "batch": "2", "seed": "3", "channels": "1",
		"valid": "0.3", "ignore-index": "2", "flip": "0,1", "crop": "3x3", "bucket": "true", "skip-bad": "true"}
	if got := f.Settings(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("settings %v, want %v", got, want)
	}
	if f.Name() != "images" || f.Hash() != valid.Hash() || valid.Spec().Samples != 3 {
		t.Errorf("%s, hashes %s and %s, %d samples to validate on", f.Name(), f.Hash(), valid.Hash(), valid.Spec().Samples)
	}
	both := slices.Concat(f.members, valid.members)
	slices.Sort(both)
	if !slices.Equal(both, all(10)) {
		t.Errorf("the parts are %v and %v", f.members, valid.members)
	}
	for i, size := range f.Sizes() {
		if full := f.sample(i).size; size[0] != min(3, full[0]) || size[1] != min(3, full[1]) {
			t.Errorf("sample %d of %v is cropped to %v", i, full, size)
		}
	}
	for i, size := range valid.Sizes() {
		if !size.Equal(valid.sample(i).size) {
			t.Errorf("a sample to validate on is cropped to %v", size)
		}
	}
	d.pair(t, "10", 2, 2, 3)
	again, err := OpenImages(o)
	if err != nil {
		t.Fatal(err)
	}
	if again.Train.Hash() == f.Hash() {
		t.Error("another sample, the same hash")
	}
}

// TestFolderBatches: batches are pure, also from files that memory did not keep,
// epochs are partitions, and targets follow their inputs.
func TestFolderBatches(t *testing.T) {
	d := several(t, 9)
	o := d.options()
	o.Flip, o.Crop, o.Bucket = []int{0, 1}, grid.Shape{3, 4}, true
	f, again := images(t, o, 3), images(t, o, 3)
	for i := range again.files.samples {
		again.files.samples[i].x, again.files.samples[i].values = nil, nil
	}
	steps := f.Spec().Steps
	var got []*engine.Batch
	changed := false
	for step := range 2 * steps {
		b := batchOf(t, f, step)
		got = append(got, b)
		changed = changed || step >= steps && !slices.Equal(b.X, got[step-steps].X)
		at := 0
		for _, s := range b.Samples {
			// The value of a pixel is its number in the file, whose class is that modulo 3.
			for i, x := range b.X[at:][:s.Cells()] {
				if want := int32(x*255+.5) % 3; b.Class[at+i] != want {
					t.Fatalf("batch %d: value %v has class %d, want %d", step, x, b.Class[at+i], want)
				}
			}
			at += s.Cells()
		}
	}
	if !changed {
		t.Error("two epochs are the same")
	}
	var reused engine.Batch
	for step := 2*steps - 1; step >= 0; step-- {
		if err := again.Batch(step, &reused); err != nil {
			t.Fatal(err)
		}
		if !sameBatch(&reused, got[step]) {
			t.Errorf("batch %d differs when asked for in another order and read from the files", step)
		}
	}
	checkError(t, f.Batch(-1, &reused), "want at least 0")

	example := &engine.Batch{}
	if err := f.Example(example); err != nil {
		t.Fatal(err)
	}
	if len(example.Samples) != 1 || !example.Samples[0].Equal(f.Sizes()[0]) {
		t.Errorf("the example has the sizes %v", example.Samples)
	}
	cells := 0
	for _, s := range f.Largest() {
		cells += s.Cells()
	}
	for i, b := range got {
		if n := len(b.Class); n > cells {
			t.Errorf("batch %d has %d cells, Largest %d", i, n, cells)
		}
	}
}

func TestFolderWindow(t *testing.T) {
	d := newDirs(t)
	store(t, d.inputs, "a.png", pngOf(t, grey(3, 4, number)))
	store(t, d.masks, "a.png", pngOf(t, grey(3, 4, func(i int) byte { return []byte{7, 7, 5, 9, 7, 5, 5, 5, 9, 9, 5, 7}[i] })))
	o := d.options()
	nine := 9
	o.IgnoreIndex = &nine
	b := batchOf(t, images(t, o, 2, window(2, 2), ignore(9)), 0)
	if want := []int32{1, 0, 9, 0}; !slices.Equal(b.Class, want) {
		t.Errorf("classes %v, want %v", b.Class, want)
	}
}

func TestFolderCheck(t *testing.T) {
	d := several(t, 3)
	o := d.options()
	ignored := 2
	o.IgnoreIndex = &ignored
	s, err := OpenImages(o)
	if err != nil {
		t.Fatal(err)
	}
	f := s.Train
	checkError(t, f.Batch(0, &engine.Batch{}), "before Check")
	sum := func(c *nn.Config) {
		axis := 0
		c.Layers = append(c.Layers, nn.Layer{Type: "sum", Axis: &axis})
	}
	for name, test := range map[string]struct {
		model *nn.Model
		want  string
	}{
		"channels": {model(t, 3, 2, "softmax", "cross_entropy"), "has 1 channels, the model wants 3: set --channels"},
		"axes":     {model(t, 1, 2, "softmax", "cross_entropy", window(2, 1, 1)), "grid of 2 axes, the model wants 3"},
		"loss":     {model(t, 1, 2, "linear", "mse"), "loss cross_entropy, the model has mse"},
		"sum":      {model(t, 1, 2, "softmax", "cross_entropy", sum), "sums axes up"},
		"classes":  {model(t, 1, 5, "softmax", "cross_entropy"), "2 classes, the model's head has 5 units"},
		"ignored":  {model(t, 1, 2, "softmax", "cross_entropy"), "the model has no ignore_index"},
	} {
		t.Run(name, func(t *testing.T) { checkError(t, f.Check(test.model), test.want) })
	}
}

// TestIgnoredValueAsClass: a value that some class's number is does not meet it.
func TestIgnoredValueAsClass(t *testing.T) {
	o := several(t, 2).options()
	zero := 0
	o.IgnoreIndex = &zero
	s, err := OpenImages(o)
	if err != nil {
		t.Fatal(err)
	}
	if spec := s.Train.Spec(); spec.Units != 2 || *spec.IgnoreIndex != 2 {
		t.Fatalf("%d classes, ignored %d, want 2 and 2", spec.Units, *spec.IgnoreIndex)
	}
	b := batchOf(t, images(t, o, 2, ignore(2)), 0)
	if !slices.Contains(b.Class, 2) || !slices.Contains(b.Class, 0) {
		t.Errorf("classes %v", b.Class)
	}
}

// TestIgnoredListedClass: a value that is ignored does not count, also where
// --classes lists it.
func TestIgnoredListedClass(t *testing.T) {
	o := several(t, 2).options()
	zero := 0
	o.IgnoreIndex = &zero
	var err error
	if o.Classes, err = ParseClasses("3"); err != nil {
		t.Fatal(err)
	}
	f := images(t, o, 3, ignore(3))
	if index := *f.Spec().IgnoreIndex; index != 3 {
		t.Fatalf("ignored %d, want 3", index)
	}
	for step := range f.Spec().Steps {
		if b := batchOf(t, f, step); slices.Contains(b.Class, 0) || !slices.Contains(b.Class, 3) {
			t.Errorf("batch %d: classes %v, want 3 in place of 0", step, b.Class)
		}
	}
}

// TestFolderRefuses: the file's name and what to do.
func TestFolderRefuses(t *testing.T) {
	truncated := func(t *testing.T) []byte {
		whole := pngOf(t, grey(40, 40, func(i int) byte { return byte(i * i >> 3) }))
		return whole[:len(whole)/2]
	}
	tests := map[string]struct {
		spoil func(t *testing.T, d dirs, o *FolderOptions)
		want  string
	}{
		"no folder":    {func(t *testing.T, d dirs, o *FolderOptions) { o.Inputs += "x" }, "imagesx: no such file"},
		"empty folder": {func(t *testing.T, d dirs, o *FolderOptions) { o.Masks = t.TempDir() }, "no picture in the folder"},
		"no mask":      {func(t *testing.T, d dirs, o *FolderOptions) { os.Remove(filepath.Join(d.masks, "01.png")) }, "01.png: it has no mask"},
		"mask's size": {func(t *testing.T, d dirs, o *FolderOptions) {
			store(t, d.masks, "01.png", pngOf(t, grey(2, 9, classes(2))))
		}, "masks/01.png: the mask has the size 2x9, want 3x4 as"},
		"no class":        {func(t *testing.T, d dirs, o *FolderOptions) { o.Classes, _ = ParseClasses("a,b") }, "00.png: cell [0 2] has the value 2, which is no class: want 0, 1: correct the mask"},
		"corrupt picture": {func(t *testing.T, d dirs, o *FolderOptions) { store(t, d.inputs, "01.png", truncated(t)) }, "images/01.png: the file is damaged"},
		"corrupt mask":    {func(t *testing.T, d dirs, o *FolderOptions) { store(t, d.masks, "02.png", truncated(t)) }, "masks/02.png: the file is damaged"},
		"huge":            {func(t *testing.T, d dirs, o *FolderOptions) { store(t, d.inputs, "01.png", hugePNG()) }, "01.png: 65535×65535 pixels"},
		"two masks":       {func(t *testing.T, d dirs, o *FolderOptions) { store(t, d.masks, "01.jpg", nil) }, "01.jpg and 01.png are both masks"},
		"two pictures":    {func(t *testing.T, d dirs, o *FolderOptions) { store(t, d.inputs, "01.jpg", nil) }, "01.jpg and 01.png would have one mask"},
		"one value": {func(t *testing.T, d dirs, o *FolderOptions) {
			one, two := 1, newDirs(t)
			two.pair(t, "a", 2, 2, 2)
			*o = two.options()
			o.IgnoreIndex = &one
		}, "the only value is 0"},
		"nothing counts": {func(t *testing.T, d dirs, o *FolderOptions) {
			zero, one := 0, newDirs(t)
			one.pair(t, "a", 2, 2, 1)
			*o = one.options()
			o.IgnoreIndex = &zero
			o.Classes, _ = ParseClasses("5")
		}, "all are the ignored value 0"},
		"all are bad":  {func(t *testing.T, d dirs, o *FolderOptions) { o.Classes, _ = ParseClasses("a=7,b=8"); o.SkipBad = true }, "can be used, this is the first of"},
		"batch":        {func(t *testing.T, d dirs, o *FolderOptions) { o.Batch = 0 }, "set --batch"},
		"channels":     {func(t *testing.T, d dirs, o *FolderOptions) { o.Channels = 2 }, "set --channels"},
		"crop":         {func(t *testing.T, d dirs, o *FolderOptions) { o.Crop = grid.Shape{4} }, "set another --crop"},
		"flip":         {func(t *testing.T, d dirs, o *FolderOptions) { o.Flip = []int{2} }, "set another --flip"},
		"flip twice":   {func(t *testing.T, d dirs, o *FolderOptions) { o.Flip = []int{1, 1} }, "set another --flip"},
		"valid":        {func(t *testing.T, d dirs, o *FolderOptions) { o.Valid = "4" }, "both parts need 1"},
		"valid folder": {func(t *testing.T, d dirs, o *FolderOptions) { o.ValidInputs, o.ValidMasks = d.masks+"x", d.masks }, "masksx: no such file"},
		"class of another": {func(t *testing.T, d dirs, o *FolderOptions) {
			v := newDirs(t)
			v.pair(t, "v", 2, 3, 4)
			o.ValidInputs, o.ValidMasks = v.inputs, v.masks
		}, "v.png: cell [1 0] has the value 3"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := several(t, 4)
			o := d.options()
			test.spoil(t, d, &o)
			_, err := OpenImages(o)
			checkError(t, err, test.want)
		})
	}
}

// hugePNG is the beginning of a file that says it has 2^32 pixels.
func hugePNG() []byte {
	header := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xff\xff\x00\x00\xff\xff\x08\x00\x00\x00\x00")
	return binary.BigEndian.AppendUint32(header, crc32.ChecksumIEEE(header[12:]))
}

// TestSkipBad: bad samples are counted, each with its reason, and left out; what
// is left is what there would be without them.
func TestSkipBad(t *testing.T) {
	d := several(t, 8)
	clean := newDirs(t)
	for _, i := range []int{0, 2, 4, 6, 7} {
		clean.pair(t, fmt.Sprintf("%02d", i), 2+i%3, 3+i%4, 3)
	}
	store(t, d.inputs, "01.png", []byte("\x89PNG\r\n\x1a\nrest"))
	store(t, d.masks, "03.png", pngOf(t, grey(9, 9, classes(3))))
	os.Remove(filepath.Join(d.masks, "05.png"))
	_, err := OpenImages(d.options())
	checkError(t, err, "01.png: ")
	checkError(t, err, "3 of 8 samples are bad: --skip-bad")
	o := d.options()
	o.SkipBad = true
	f, want := images(t, o, 3), images(t, clean.options(), 3)
	var reasons []string
	for _, err := range f.Skipped() {
		reasons = append(reasons, err.Error())
	}
	if text := strings.Join(reasons, "\n"); len(reasons) != 3 || !strings.Contains(reasons[0], "images/01.png") ||
		!strings.Contains(reasons[1], "masks/03.png") || !strings.Contains(reasons[2], "05.png: it has no mask") {
		t.Errorf("reasons:\n%s", text)
	}
	if f.Spec().Samples != 5 || f.Hash() != want.Hash() || !sameBatch(batchOf(t, f, 1), batchOf(t, want, 1)) {
		t.Errorf("%d samples, not those of a folder without the bad ones", f.Spec().Samples)
	}
}

// TestFolderChanged: a file that is another one in the middle of a training.
func TestFolderChanged(t *testing.T) {
	for name, test := range map[string]struct {
		change func(t *testing.T, d dirs)
		want   string
	}{
		"gone":    {func(t *testing.T, d dirs) { os.Remove(filepath.Join(d.inputs, "00.png")) }, "00.png: no such file"},
		"changed": {func(t *testing.T, d dirs) { d.pair(t, "00", 7, 7, 3) }, "00.png: the file has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := several(t, 1)
			f := images(t, d.options(), 3)
			f.files.samples[0].x = nil
			test.change(t, d)
			checkError(t, f.Batch(0, &engine.Batch{}), test.want)
		})
	}
}

// TestPartWithoutClasses: samples whose cells are all ignored are no part.
func TestPartWithoutClasses(t *testing.T) {
	ignored := 9
	fill := func(t *testing.T, counts func(i int) bool) FolderOptions {
		d := newDirs(t)
		for i := range 6 {
			d.pair(t, fmt.Sprint(i), 3, 3, 2)
			if !counts(i) {
				store(t, d.masks, fmt.Sprint(i)+".png", pngOf(t, grey(3, 3, func(int) byte { return 9 })))
			}
		}
		o := d.options()
		o.Valid, o.IgnoreIndex = "2", &ignored
		return o
	}
	s, err := OpenImages(fill(t, func(int) bool { return true }))
	if err != nil {
		t.Fatal(err)
	}
	in := func(i int) bool { return slices.Contains(s.Valid.(*Folder).members, i) }
	_, err = OpenImages(fill(t, in))
	checkError(t, err, "no cell of the 4 masks of this part has a class, all are the ignored value 9")
	_, err = OpenImages(fill(t, func(i int) bool { return !in(i) }))
	checkError(t, err, "validation data: load ")
}

// TestPaletteOfMasks: the colours of the classes are kept, those of the longest
// palette where masks have several.
func TestPaletteOfMasks(t *testing.T) {
	d := several(t, 2)
	paletted := func(colours color.Palette, values ...uint8) []byte {
		m := image.NewPaletted(image.Rect(0, 0, 3, 2), colours)
		copy(m.Pix, values)
		return pngOf(t, m)
	}
	d.pair(t, "00", 2, 3, 2)
	d.pair(t, "01", 2, 3, 2)
	red, green, blue := color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}
	store(t, d.masks, "00.png", paletted(color.Palette{red, green}, 0, 1, 0, 1))
	store(t, d.masks, "01.png", paletted(color.Palette{red, green, blue}, 2, 2))
	o := d.options()
	o.Classes = Classes{{"a", 0}, {"c", 2}, {"b", 1}, {"d", 9}}
	ours := imagefile.Palette(4)[3].(color.RGBA)
	want := fmt.Sprintf("ff0000,0000ff,00ff00,%02x%02x%02x", ours.R, ours.G, ours.B)
	text := images(t, o, 4).Settings()["palette"]
	if text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if got, err := ParseColours(text); err != nil || !slices.Equal(got, color.Palette{red, blue, green, ours}) {
		t.Errorf("read as %v (error %v)", got, err)
	}
	for _, bad := range []string{"", "ff00", "ff0000,", "red"} {
		if _, err := ParseColours(bad); err == nil {
			t.Errorf("%q counts as colours", bad)
		}
	}
}

// TestReadAgain: a picture that is not kept gives the same values again, and its
// file is hashed the first time only.
func TestReadAgain(t *testing.T) {
	d := several(t, 1)
	f := images(t, d.options(), 3)
	s := &f.files.samples[0]
	in, m, err := s.read(f.files.format)
	if err != nil || in.hash != [32]byte{} || m.hash != [32]byte{} {
		t.Errorf("hashed again: %x, %x (error %v)", in.hash, m.hash, err)
	}
	if !slices.Equal(in.x, s.x) || !slices.Equal(m.values, s.values) {
		t.Error("other values the second time")
	}
}

// TestBudget: what does not fit is not kept, and works all the same.
func TestBudget(t *testing.T) {
	var b budget
	b.left.Store(10)
	if !b.take(6) || b.take(5) || !b.take(4) || b.take(1) {
		t.Error("10 bytes are 6 and 4, no more")
	}
	r := reading{format: pictures(1), memory: &budget{}}
	d := several(t, 3)
	files, err := r.read(d.inputs, d.masks)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range files.samples {
		if s.x != nil {
			t.Errorf("%s is kept", s.name)
		}
	}
}

// volume writes a .npy file of values 0, 1, 2 …
func volume(t *testing.T, dir, name string, shape ...int) {
	t.Helper()
	if err := npy.Write(filepath.Join(dir, name), shape, counting(grid.Shape(shape).Cells())); err != nil {
		t.Fatal(err)
	}
}

// integerFile copies integers, as a mask of a volume, into a folder.
func integerFile(t *testing.T, dir, name string, shape []int, f func(i int) int64) {
	t.Helper()
	values := make([]int64, grid.Shape(shape).Cells())
	for i := range values {
		values[i] = f(i)
	}
	data, err := os.ReadFile(writeInts(t, shape, values))
	if err != nil {
		t.Fatal(err)
	}
	store(t, dir, name, data)
}

func TestVolumes(t *testing.T) {
	d := newDirs(t)
	third := func(i int) int64 { return int64(i%3) - 1 }
	volume(t, d.inputs, "a.npy", 2, 3, 4, 2)
	integerFile(t, d.masks, "a.npy", []int{2, 3, 4}, third)
	volume(t, d.inputs, "b.npy", 3, 2, 2, 2)
	integerFile(t, d.masks, "b.npy", []int{3, 2, 2}, third)
	o := d.options()
	o.Flip, o.Crop, o.Bucket = []int{0, 1, 2}, grid.Shape{2, 2, 3}, true
	minus := -1
	o.IgnoreIndex = &minus
	s, err := OpenVolumes(o)
	if err != nil {
		t.Fatal(err)
	}
	f := s.Train.(*Folder)
	if err := f.Check(model(t, 2, 2, "softmax", "cross_entropy", ignore(-1))); err != nil {
		t.Fatal(err)
	}
	if spec := f.Spec(); f.Name() != "volumes" || spec.Axes != 3 || spec.Input != 2 || f.Settings()["volumes"] != d.inputs {
		t.Errorf("%s: %+v, settings %v", f.Name(), spec, f.Settings())
	}
	for step := range int64(4) {
		b := batchOf(t, f, step)
		for i, class := range b.Class {
			// Channel 0 of a cell is twice its number, whose class is that modulo 3, less 1.
			if cell := int(b.X[2*i]) / 2; int(class) != cell%3-1 || b.X[2*i+1] != b.X[2*i]+1 {
				t.Fatalf("batch %d: cell %d has class %d, channels %v", step, cell, class, b.X[2*i:][:2])
			}
		}
	}
}

func TestVolumesRefuse(t *testing.T) {
	good := func(i int) int64 { return int64(i % 2) }
	tests := map[string]struct {
		spoil func(t *testing.T, d dirs)
		want  string
	}{
		"two axes":     {func(t *testing.T, d dirs) { volume(t, d.inputs, "a.npy", 4, 3) }, "a.npy: shape [4 3], want [depth, height, width]"},
		"no values":    {func(t *testing.T, d dirs) { volume(t, d.inputs, "a.npy", 2, 2, 2, 0) }, "has no values"},
		"channels":     {func(t *testing.T, d dirs) { volume(t, d.inputs, "b.npy", 2, 2, 2, 3) }, "b.npy: 3 channels, want 1 as"},
		"float mask":   {func(t *testing.T, d dirs) { volume(t, d.masks, "a.npy", 2, 2, 2) }, "masks/a.npy: class numbers"},
		"mask's shape": {func(t *testing.T, d dirs) { integerFile(t, d.masks, "a.npy", []int{8}, good) }, "shape [8], want [depth"},
		"mask's size":  {func(t *testing.T, d dirs) { integerFile(t, d.masks, "a.npy", []int{2, 4, 1}, good) }, "the mask has the size 2x4x1, want 2x2x2"},
		"wide numbers": {func(t *testing.T, d dirs) {
			integerFile(t, d.masks, "a.npy", []int{2, 2, 2}, func(int) int64 { return 1 << 40 })
		}, "within 32 bits"},
		"truncated":    {func(t *testing.T, d dirs) { store(t, d.inputs, "a.npy", []byte("\x93NUMPY\x01\x00")) }, "a.npy: truncated"},
		"empty folder": {func(t *testing.T, d dirs) { os.RemoveAll(d.masks); os.Mkdir(d.masks, 0o777) }, "no volume in the folder"},
		"NaN": {func(t *testing.T, d dirs) {
			nan := counting(8)
			nan[5] /= 0 * nan[1]
			if err := npy.Write(filepath.Join(d.inputs, "a.npy"), []int{2, 2, 2}, nan); err != nil {
				t.Fatal(err)
			}
		}, "a.npy: cell [1 0 1], channel 0 is +Inf"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := newDirs(t)
			for _, file := range []string{"a.npy", "b.npy"} {
				volume(t, d.inputs, file, 2, 2, 2)
				integerFile(t, d.masks, file, []int{2, 2, 2}, good)
			}
			test.spoil(t, d)
			_, err := OpenVolumes(d.options())
			checkError(t, err, test.want)
		})
	}
}
