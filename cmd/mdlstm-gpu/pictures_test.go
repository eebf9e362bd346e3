package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/npy"
)

// pictureModel saves a model of pictures.
func pictureModel(t *testing.T, path string, channels, units int, loss string) {
	t.Helper()
	activation := nn.Sigmoid
	if loss == nn.CrossEntropy {
		activation = nn.Softmax
	}
	saved(t, path, nn.Config{
		Input: channels, Head: nn.Head{Units: units, Activation: activation}, Loss: loss,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellStable, Hidden: 3, Directions: []string{"++", "--"}, Window: []int{2, 2}}},
	})
}

// photo writes a picture and returns its values as the model sees them.
func photo(t *testing.T, path string, height, width, channels, bits int) []float32 {
	t.Helper()
	m := &imagefile.Image{Height: height, Width: width, Channels: channels, Bits: bits, Pix: make([]float32, height*width*channels)}
	for i := range m.Pix {
		m.Pix[i] = float32(i*7%23) / 23
	}
	if err := imagefile.Write(path, m); err != nil {
		t.Fatal(err)
	}
	m, err := imagefile.Decode(path, channels, imagefile.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Pix
}

// TestPredictPictureAgreesWithArray: a picture's prediction is that of the same
// values as an array.
func TestPredictPictureAgreesWithArray(t *testing.T) {
	t.Chdir(t.TempDir())
	const height, width = 7, 9
	for name, c := range map[string]struct {
		channels, units, bits int
		loss                  string
	}{
		"classes": {3, 4, 8, nn.CrossEntropy}, "many classes": {1, 300, 8, nn.CrossEntropy},
		"grey": {1, 1, 16, nn.MSE}, "colours": {3, 3, 8, nn.MSE}, "bits": {3, 1, 8, nn.BinaryCrossEntropy},
	} {
		t.Run(name, func(t *testing.T) {
			pictureModel(t, "m.safetensors", c.channels, c.units, c.loss)
			x := photo(t, "in.png", height, width, c.channels, c.bits)
			if err := npy.Write("x.npy", []int{1, height, width, c.channels}, x); err != nil {
				t.Fatal(err)
			}
			must(t, "predict", "--device", "cpu", "--model", "m.safetensors", "--in", "x.npy", "--out", "y.npy", "--overwrite")
			out := must(t, "predict", "--device", "cpu", "--model", "m.safetensors", "--in", "in.png", "--out", "out.png", "--overwrite")
			want := "out.png: 1 prediction of in.png\n"
			if c.loss == nn.CrossEntropy {
				want = fmt.Sprintf("out.png: 1 prediction of in.png with class numbers 0 to %d\n", c.units-1)
			}
			if out != want {
				t.Errorf("it said %q, want %q", out, want)
			}
			y := loaded(t, "y.npy").Data
			if c.loss != nn.CrossEntropy {
				got, err := imagefile.Decode("out.png", c.units, imagefile.Limits{})
				if err != nil || got.Height != 4 || got.Width != 5 || got.Bits != c.bits {
					t.Fatalf("got %+v (error %v), want 4×5 pixels of %d bits", got, err, c.bits)
				}
				half := 0.5/255 + 1e-6
				if c.bits == 16 {
					half = 0.5/65535 + 1e-6
				}
				if _, err := approx.Compare("picture", nil, got.Pix, y, approx.Tolerance{Abs: half}); err != nil {
					t.Error(err)
				}
				return
			}
			got, err := imagefile.DecodeMask("out.png", imagefile.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for i, class := range got.Values {
				shares := y[i*c.units:][:c.units]
				if want := slices.Index(shares, slices.Max(shares)); int(class) != want {
					t.Errorf("pixel %d is of class %d, want %d", i, class, want)
				}
			}
		})
	}
}

// TestPredictFolder: every picture, its overlay, and tiles that are exact.
func TestPredictFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	pictureModel(t, "m.safetensors", 3, 4, nn.CrossEntropy)
	if err := os.Mkdir("photos", 0o777); err != nil {
		t.Fatal(err)
	}
	photo(t, "photos/a.png", 6, 8, 3, 8)
	photo(t, "photos/b.PNG", 5, 3, 1, 8)
	var b bytes.Buffer
	img := image.NewRGBA(image.Rect(0, 0, 9, 4))
	img.Set(2, 2, color.RGBA{255, 0, 0, 255})
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, "photos/c.jpg", b.Bytes())
	writeFile(t, "photos/notes.txt", []byte("not a picture"))
	args := []string{"predict", "--device", "cpu", "--model", "m.safetensors", "--in", "photos"}
	if out := must(t, append(args, "--out", "masks", "--overlay", "seen/")...); out != "masks: 3 predictions of photos with class numbers 0 to 3\nseen/: 3 overlays\n" {
		t.Errorf("it said %q", out)
	}
	want := []string{"a.png", "b.png", "c.png"}
	if got := files(t, "masks"); !slices.Equal(got, want) {
		t.Errorf("masks holds %v, want %v", got, want)
	}
	if got := files(t, "seen"); !slices.Equal(got, want) {
		t.Errorf("seen holds %v, want %v", got, want)
	}
	if size, err := imagefile.Stat("seen/a.png", imagefile.Limits{}); err != nil || size != (imagefile.Size{Height: 6, Width: 8}) {
		t.Errorf("the overlay has %v pixels (error %v), want the picture's", size, err)
	}
	must(t, append(args, "--out", "tiles", "--tile", "8x10")...)
	for _, name := range want {
		if read(t, "tiles", name) != read(t, "masks", name) {
			t.Errorf("%s: a tile as large as the picture gives another mask", name)
		}
	}
	refused(t, do(append(args, "--out", "masks")...), exitFailed, "it exists")
	must(t, append(args, "--out", "masks", "--overwrite")...)
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestPredictBadPictures: bad files are named; one among many ends the command
// before anything is written, or is skipped and counted.
func TestPredictBadPictures(t *testing.T) {
	t.Chdir(t.TempDir())
	pictureModel(t, "m.safetensors", 3, 4, nn.CrossEntropy)
	photo(t, "good.png", 6, 8, 3, 8)
	good := []byte(read(t, "good.png"))
	huge := slices.Clone(good)
	copy(huge[16:], "\x7f\xff\xff\xff\x7f\xff\xff\xff")
	args := []string{"predict", "--device", "cpu", "--model", "m.safetensors"}
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"truncated.png": {good[:len(good)-20], "truncated"}, "empty.png": {nil, "empty"}, "huge.png": {huge, ""},
		"text.jpg": {[]byte("hello"), "neither a PNG nor a JPEG"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := strings.TrimSuffix(name, filepath.Ext(name))
			if err := os.Mkdir(folder, 0o777); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(folder, "a.png"), good)
			writeFile(t, filepath.Join(folder, name), c.data)
			writeFile(t, filepath.Join(folder, "z.png"), good)
			refused(t, do(append(args, "--in", filepath.Join(folder, name), "--out", "one.png")...), exitFailed, "load "+filepath.Join(folder, name)+": ")
			out := folder + "-masks"
			r := do(append(args, "--in", folder, "--out", out)...)
			refused(t, r, exitFailed, "load "+filepath.Join(folder, name)+": ")
			if !strings.Contains(r.err, c.want) {
				t.Errorf("it said %q, want %q in it", r.err, c.want)
			}
			r = do(append(args, "--in", folder, "--out", out, "--skip-bad", "--overwrite")...)
			if want := out + ": 2 predictions of " + folder + " with class numbers 0 to 3, 1 skipped\n"; r.code != exitDone || r.out != want || !strings.Contains(r.err, "skipped: load "+filepath.Join(folder, name)) {
				t.Errorf("exit code %d, %q, %q, want %q and the file's name", r.code, r.out, r.err, want)
			}
			if got := files(t, out); !slices.Equal(got, []string{"a.png", "z.png"}) {
				t.Errorf("%s holds %v", out, got)
			}
		})
	}
}

// TestPredictSkipsNoWrites: a prediction that cannot be written is no bad picture.
func TestPredictSkipsNoWrites(t *testing.T) {
	t.Chdir(t.TempDir())
	pictureModel(t, "m.safetensors", 3, 4, nn.CrossEntropy)
	if err := os.Mkdir("in", 0o777); err != nil {
		t.Fatal(err)
	}
	photo(t, "in/a.png", 4, 4, 3, 8)
	if err := os.Symlink("nowhere", "out"); err != nil {
		t.Fatal(err)
	}
	r := do("predict", "--model", "m.safetensors", "--in", "in", "--out", "out", "--skip-bad")
	refused(t, r, exitFailed, "write out/a.png: ")
	if strings.Contains(r.err, "skipped") {
		t.Errorf("it said %q", r.err)
	}
}

func TestPredictPicturesRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	pictureModel(t, "m.safetensors", 3, 4, nn.CrossEntropy)
	pictureModel(t, "grey.safetensors", 1, 1, nn.MSE)
	pictureModel(t, "two.safetensors", 2, 1, nn.MSE)
	pictureModel(t, "five.safetensors", 1, 5, nn.MSE)
	saved(t, "sum.safetensors", nn.Config{Input: 1, Head: nn.Head{Units: 4, Activation: nn.Softmax}, Loss: nn.CrossEntropy, Layers: []nn.Layer{
		{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 2, Directions: []string{"++"}}, {Type: nn.TypeSum, Axis: new(int)},
	}})
	saved(t, "dense.safetensors", nn.Config{Input: 3, Head: nn.Head{Units: 1, Activation: nn.Linear}, Loss: nn.MSE,
		Layers: []nn.Layer{{Type: nn.TypeDense, Units: 2, Activation: nn.Tanh}}})
	photo(t, "a.png", 4, 4, 3, 8)
	array(t, "x.npy", 1, 4, 4, 3)
	for _, dir := range []string{"none", "twins", "broken"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	photo(t, "twins/a.png", 4, 4, 3, 8)
	writeFile(t, "twins/a.jpg", []byte(read(t, "a.png")))
	writeFile(t, "broken/a.png", nil)
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"--model m.safetensors --in none --out masks", exitFailed, "load none: no picture in the folder"},
		{"--model m.safetensors --in twins --out masks", exitFailed, "would both be written to masks/a.png"},
		{"--model m.safetensors --in broken --out masks --skip-bad", exitFailed, "broken: no picture could be read"},
		{"--model m.safetensors --in broken --out masks", exitFailed, ": --skip-bad leaves it out"},
		{"--model m.safetensors --in missing.png --out o.png", exitFailed, "load missing.png: no such file"},
		{"--model m.safetensors --in a.png --out o.npy", exitUsage, "--out o.npy: a picture's prediction is a PNG"},
		{"--model m.safetensors --in a.png --out a.png --overwrite", exitFailed, "it is the picture itself"},
		{"--model m.safetensors --in twins --out twins --overwrite", exitFailed, "it is the picture itself"},
		{"--model m.safetensors --in a.png --out no/where.png", exitFailed, "--out no/where.png"},
		{"--model m.safetensors --in twins --out no/where", exitFailed, "--out no/where: its folder"},
		{"--model m.safetensors --in twins --out a.png", exitFailed, "--out a.png: it is a file, want a folder"},
		{"--model m.safetensors --in a.png --out o.png --batch 2", exitUsage, "--batch goes with arrays"},
		{"--model m.safetensors --in x.npy --out o.npy --skip-bad", exitUsage, "--skip-bad goes with pictures"},
		{"--model grey.safetensors --in a.png --out o.png --overlay seen", exitUsage, "no classes to lay over"},
		{"--model m.safetensors --in a.png --out o.png --tile 4", exitUsage, "--tile 4: the model takes 2 axes: give a size for each"},
		{"--model dense.safetensors --in a.png --out o.png --tile 4x4x4", exitUsage, "--tile 4x4x4: a picture has 2 axes: give a size for each"},
		{"--model dense.safetensors --in x.npy --out o.npy --tile 4", exitUsage, "--tile 4: x.npy has 2 axes: give a size for each"},
		{"--model two.safetensors --in a.png --out o.png", exitFailed, "--model two.safetensors: it takes 2 channels"},
		{"--model five.safetensors --in a.png --out o.png", exitFailed, "it puts out 5 values"},
		{"--model sum.safetensors --in a.png --out o.png", exitFailed, "its output is no picture"},
	} {
		refused(t, do(append([]string{"predict", "--device", "cpu"}, strings.Fields(c.line)...)...), c.code, c.want)
	}
	for _, name := range []string{"masks", "o.png", "o.npy", "seen"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was left behind", name)
		}
	}
}
