package main

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/imagefile"
	"mdlstm-gpu/host/train"
)

// pictures makes folders of n pictures of unequal sizes and their masks, values 0
// and 255: a bright square on dark ground.
func pictures(t *testing.T, images, masks string, n int) {
	t.Helper()
	for _, dir := range []string{images, masks} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		bounds := image.Rect(0, 0, 6+i%5, 5+i%4)
		picture, mask := image.NewGray(bounds), image.NewGray(bounds)
		for y := range 3 {
			for x := range 3 {
				picture.SetGray(i%3+x, 1+y, color.Gray{Y: 200})
				mask.SetGray(i%3+x, 1+y, color.Gray{Y: 255})
			}
		}
		name := fmt.Sprintf("%02d.png", i)
		save(t, filepath.Join(images, name), picture)
		save(t, filepath.Join(masks, name), mask)
	}
}

func save(t *testing.T, path string, m image.Image) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
}

// TestImages trains on a folder, continues to the same bits, and measures the run
// on its own valid part and on other folders.
func TestImages(t *testing.T) {
	t.Chdir(t.TempDir())
	pictures(t, "photos", "labels", 12)
	flags := []string{"train", "--images", "photos", "--masks", "labels", "--valid", "0.25", "--flip", "all", "--crop", "5x5",
		"--classes", "dark=0,bright=255", "--cell", "stable", "--directions", "all", "--hidden", "2", "--batch", "4", "--seed", "2", "--threads", "1"}
	must(t, append(flags, "--epochs", "2", "--out", "whole")...)
	must(t, append(flags, "--steps", "4", "--out", "parts")...)
	must(t, "train", "--resume", "parts", "--steps", "6")
	if read(t, "whole", modelFile) != read(t, "parts", modelFile) {
		t.Error("a resumed training ends with another model")
	}
	record, err := train.ReadRecord("whole")
	if err != nil {
		t.Fatal(err)
	}
	photos := abs(t, "photos")
	data := record.Settings.Data
	if data["images"] != photos || data["classes"] != "dark=0,bright=255" || data["valid"] != "0.25" || data["crop"] != "5x5" || data["flip"] != "0,1" {
		t.Errorf("recorded %v", data)
	}

	own := must(t, "eval", "--model", "whole")
	if !strings.HasPrefix(own, "part           valid, 3 samples\n") {
		t.Errorf("got %q", own)
	}
	pictures(t, "photos2", "labels2", 4)
	other := must(t, "eval", "--model", "whole", "--images", "photos2", "--masks", "labels2", "--batch", "3")
	accuracy, _ := figure(t, other, "accuracy")
	mean, _ := figure(t, other, "mean_iou")
	dark, _ := figure(t, other, "iou dark")
	bright, _ := figure(t, other, "iou bright")
	if !(accuracy > 0 && accuracy <= 1) || !within(mean, (dark+bright)/2) {
		t.Errorf("accuracy %v, IoU %v and %v, mean %v", accuracy, dark, bright, mean)
	}
	// A model without its run does not know which values are which classes.
	if err := os.WriteFile("alone.safetensors", []byte(read(t, "whole", bestFile)), 0o666); err != nil {
		t.Fatal(err)
	}
	alone := []string{"eval", "--model", "alone.safetensors", "--images", "photos2", "--masks", "labels2", "--batch", "3"}
	refused(t, do(alone...), exitFailed, "has the value 255, which is no class: want 0, 1")
	if got := must(t, append(alone, "--classes", "dark=0,bright=255")...); got != other {
		t.Errorf("got %q, want %q", got, other)
	}
	refused(t, do("eval", "--model", "whole", "--part", "test"), exitUsage, "its run has no test part")
	refused(t, do(append(alone, "--part", "valid")...), exitUsage, "--part goes with a run's own data")
	refused(t, do("eval", "--model", "whole", "--steps", "3"), exitUsage, "measured as a whole")

	// One bad file of many.
	if err := os.WriteFile("photos/07.png", []byte("\x89PNG\r\n\x1a\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	refused(t, do(append(flags, "--out", "bad")...), exitFailed, "photos/07.png: ")
	skipped := do(append(flags, "--steps", "1", "--out", "bad", "--skip-bad")...)
	if skipped.code != exitDone || !strings.Contains(skipped.err, "warning: load photos/07.png: ") ||
		!strings.Contains(skipped.err, "warning: skipped 1 sample that") {
		t.Errorf("exit code %d: %s", skipped.code, skipped.err)
	}
	refused(t, do("train", "--resume", "whole", "--steps", "9"), exitFailed, "photos/07.png: ")
}

func abs(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func within(a, b float64) bool { return a-b < 1e-5 && b-a < 1e-5 }

// TestNextCommandsOfImages: what a training prints works as it is.
func TestNextCommandsOfImages(t *testing.T) {
	t.Chdir(t.TempDir())
	pictures(t, "my photos", "labels", 4)
	flags := []string{"train", "--images", "my photos", "--masks", "labels", "--hidden", "2", "--batch", "2", "--steps", "2"}
	for name, c := range map[string]struct {
		flags []string
		part  string
	}{
		"alone":          {nil, "train, 4 samples"},
		"with valid":     {[]string{"--valid", "1"}, "valid, 1 sample"},
		"with own valid": {[]string{"--valid-images", "my photos", "--valid-masks", "labels"}, "valid, 4 samples"},
	} {
		outputs := mustNext(t, must(t, append(append(slices.Clone(flags), c.flags...), "--out", name)...))
		if !strings.HasPrefix(outputs[0], "part           "+c.part+"\n") {
			t.Errorf("%s: eval said %q, want the part %s", name, outputs[0], c.part)
		}
		if got := files(t, filepath.Join(name, "predicted")); len(got) != 4 {
			t.Errorf("%s: predicted %v", name, got)
		}
	}
	writeFile(t, "my photos/bad.png", nil)
	mustNext(t, must(t, append(flags, "--skip-bad", "--out", "skips")...))
}

// TestMasksAsTrained: a run's predicted masks have the values and the palette of the
// masks that it was trained on, a bare model's the numbers of the classes.
func TestMasksAsTrained(t *testing.T) {
	t.Chdir(t.TempDir())
	pictures(t, "photos", "grey", 4)
	if err := os.Mkdir("coloured", 0o777); err != nil {
		t.Fatal(err)
	}
	red := color.RGBA{255, 0, 0, 255}
	colours := color.Palette{color.Black, color.White, color.White, red}
	for _, name := range files(t, "grey") {
		mask, err := imagefile.DecodeMask(filepath.Join("grey", name), imagefile.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range mask.Values {
			mask.Values[i] = min(1+mask.Values[i], 3)
		}
		mask.Palette = colours
		if err := imagefile.WriteMask(filepath.Join("coloured", name), mask); err != nil {
			t.Fatal(err)
		}
	}
	for masks, c := range map[string]struct {
		values  []int32
		palette color.Palette
		said    string
	}{
		"grey":     {[]int32{0, 255}, nil, "the values of the training masks, 0, 255"},
		"coloured": {[]int32{1, 3}, color.Palette{color.RGBA{A: 255}, color.RGBA{255, 255, 255, 255}, color.RGBA{A: 255}, red}, "the values of the training masks, 1, 3"},
	} {
		t.Run(masks, func(t *testing.T) {
			must(t, "train", "--images", "photos", "--masks", masks, "--cell", "stable", "--hidden", "4", "--directions", "all", "--batch", "4", "--epochs", "60", "--lr", "0.05", "--out", "run-"+masks)
			out := must(t, "predict", "--model", "run-"+masks, "--in", "photos", "--out", "out-"+masks)
			if want := "out-" + masks + ": 4 predictions of photos with " + c.said + "\n"; out != want {
				t.Errorf("it said %q, want %q", out, want)
			}
			found := map[int32]bool{}
			for _, name := range files(t, "photos") {
				got, err := imagefile.DecodeMask(filepath.Join("out-"+masks, name), imagefile.Limits{})
				if err != nil || !slices.Equal(got.Palette, c.palette) {
					t.Errorf("%s: got the palette %v (error %v), want %v", name, got.Palette, err, c.palette)
				}
				for _, v := range got.Values {
					found[v] = true
				}
			}
			if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, c.values) {
				t.Errorf("got the values %v, want %v", got, c.values)
			}
			writeFile(t, "alone.safetensors", []byte(read(t, "run-"+masks, modelFile)))
			if out := must(t, "predict", "--model", "alone.safetensors", "--in", "photos/00.png", "--out", "alone.png", "--overwrite"); !strings.HasSuffix(out, "with class numbers 0 to 1\n") {
				t.Errorf("a bare model: it said %q", out)
			}
		})
	}
}

// TestFoldersNameTheirFlags: a folder that cannot be listed.
func TestFoldersNameTheirFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	pictures(t, "photos", "labels", 3)
	for line, want := range map[string]string{
		"--images nope --masks labels":                                            "--images: load nope: no such file",
		"--images photos --masks nope":                                            "--masks: load nope: no such file",
		"--images photos --masks labels --valid-images nope --valid-masks labels": "--valid-images: load nope: no such file",
		"--images photos --masks labels --valid-images photos --valid-masks nope": "--valid-masks: load nope: no such file",
	} {
		refused(t, do(append([]string{"train"}, strings.Fields(line)...)...), exitFailed, want)
	}
}

// TestImagesFromModel: --init brings channels, and the ignored value unless it is
// given.
func TestImagesFromModel(t *testing.T) {
	t.Chdir(t.TempDir())
	pictures(t, "photos", "labels", 3)
	flags := []string{"train", "--images", "photos", "--masks", "labels", "--classes", "bg=7,bright=255", "--steps", "1", "--threads", "1", "--batch", "2"}
	must(t, append(flags, "--ignore-index", "0", "--channels", "3", "--hidden", "2", "--out", "a")...)
	// The value 0 is the number of a class, so the model ignores 2.
	refused(t, do(append(flags, "--init", "a/"+modelFile, "--out", "b")...), exitFailed, "has the value 0, which is no class")
	must(t, append(flags, "--init", "a/"+modelFile, "--ignore-index", "0", "--out", "b")...)
}

// TestVolumes trains on volumes of unequal sizes and measures the model.
func TestVolumes(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"scans", "labels"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		depth, cells := 2+i%2, (2+i%2)*3*4
		array(t, fmt.Sprintf("scans/%d.npy", i), depth, 3, 4)
		classes := make([]int64, cells)
		for j := range classes {
			classes[j] = int64(10 * (j % 3))
		}
		integers(t, fmt.Sprintf("labels/%d.npy", i), classes, depth, 3, 4)
	}
	outputs := mustNext(t, must(t, "train", "--volumes", "scans", "--masks", "labels", "--valid", "1", "--flip", "0,2", "--crop", "2x3x3", "--ignore-index", "20",
		"--hidden", "2", "--batch", "2", "--steps", "3", "--threads", "1", "--out", "run"))
	if !strings.HasSuffix(outputs[1], "/predicted: 4 predictions of "+abs(t, "scans")+" with the values of the training masks, 0, 10\n") {
		t.Errorf("it said %q", outputs[1])
	}
	for _, name := range files(t, "scans") {
		values, err := loaded(t, filepath.Join("run/predicted", name)).Ints()
		if err != nil || len(values) != len(loaded(t, filepath.Join("scans", name)).Data) || slices.ContainsFunc(values, func(v int64) bool { return v != 0 && v != 10 }) {
			t.Errorf("%s: got %v (error %v), want 0 or 10 for each cell", name, values, err)
		}
	}
	// A ready configuration of arrays takes the folders of the command line.
	must(t, "train", "--config", "volume-3d", "--volumes", "scans", "--masks", "labels", "--dry-run")
	if r := do("train", "--config", "volume-3d", "--masks", "labels"); r.code != exitUsage || !strings.Contains(r.err, "--masks goes with --task images or volumes") {
		t.Errorf("%+v", r)
	}
	out := must(t, "eval", "--model", "run", "--volumes", "scans", "--masks", "labels")
	if weight, _ := figure(t, out, "weight"); weight != 2*(16+24) {
		t.Errorf("weight %v, want the 80 cells of classes 0 and 1", weight)
	}
}
