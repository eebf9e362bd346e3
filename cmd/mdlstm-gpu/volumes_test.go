package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/compute"
	"mdlstm-gpu/host/machine"
	"mdlstm-gpu/host/nn"
)

// volumeModel saves a model of volumes.
func volumeModel(t *testing.T, path string, channels, units int, loss string) {
	t.Helper()
	activation := nn.Linear
	if loss == nn.CrossEntropy {
		activation = nn.Softmax
	}
	saved(t, path, nn.Config{
		Input: channels, Head: nn.Head{Units: units, Activation: activation}, Loss: loss,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellStable, Hidden: 3, Directions: []string{"+++", "-+-"}, Window: []int{1, 2, 1}}},
	})
}

// TestPredictVolume: one volume alone, of which classes become a mask, agrees with
// the same one as an array of samples, whole and in tiles; so does a folder.
func TestPredictVolume(t *testing.T) {
	t.Chdir(t.TempDir())
	volumeModel(t, "values.safetensors", 2, 2, nn.MSE)
	volumeModel(t, "classes.safetensors", 1, 3, nn.CrossEntropy)
	for _, dir := range []string{"one", "two"} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	predict := func(model, in, out string, more ...string) string {
		return must(t, append([]string{"predict", "--device", "cpu", "--blas", "gonum", "--model", model + ".safetensors", "--in", in, "--out", out}, more...)...)
	}
	for i, size := range [][]int{{2, 5, 3}, {3, 2, 4}} {
		array(t, fmt.Sprintf("one/%d.npy", i), size...)
		array(t, fmt.Sprintf("one/several%d", i), append([]int{1}, append(slices.Clone(size), 1)...)...)
		array(t, fmt.Sprintf("two/%d.npy", i), append(slices.Clone(size), 2)...)
		array(t, fmt.Sprintf("two/several%d", i), append([]int{1}, append(slices.Clone(size), 2)...)...)
	}
	if out := predict("values", "two", "values"); out != "values: 2 predictions of two\n" {
		t.Errorf("it said %q", out)
	}
	if out := predict("classes", "one", "classes"); out != "classes: 2 predictions of one with class numbers 0 to 2\n" {
		t.Errorf("it said %q", out)
	}
	predict("classes", "one", "tiles", "--tile", "9x8x9")
	for i, size := range []string{"[2, 3, 3", "[3, 1, 4"} {
		name := fmt.Sprintf("%d.npy", i)
		predict("values", fmt.Sprintf("two/several%d", i), "w"+name)
		want := loaded(t, "w"+name)
		if out := predict("values", "two/"+name, "v"+name); out != "v"+name+": "+size+", 2] of 1 volume\n" {
			t.Errorf("it said %q", out)
		}
		for _, path := range []string{"v" + name, "values/" + name} {
			if got := loaded(t, path); !slices.Equal(got.Shape, want.Shape[1:]) || !slices.Equal(got.Data, want.Data) {
				t.Errorf("%s: %v of shape %v, want %v of %v", path, got.Data, got.Shape, want.Data, want.Shape[1:])
			}
		}
		predict("classes", fmt.Sprintf("one/several%d", i), "s"+name)
		shares := loaded(t, "s"+name)
		if out := predict("classes", "one/"+name, "c"+name); out != "c"+name+": "+size+"] of 1 volume with class numbers 0 to 2\n" {
			t.Errorf("it said %q", out)
		}
		for _, path := range []string{"c" + name, "classes/" + name, "tiles/" + name} {
			got, err := loaded(t, path).Ints()
			if err != nil {
				t.Fatal(err)
			}
			for cell, class := range got {
				of := shares.Data[3*cell:][:3]
				if want := slices.Index(of, slices.Max(of)); int(class) != want {
					t.Errorf("%s: cell %d is of class %d, want %d", path, cell, class, want)
				}
			}
		}
	}
}

// TestPredictVolumesRefused: wrong ranks say what each rank means; a bad volume of a
// folder is named, or skipped.
func TestPredictVolumesRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	volumeModel(t, "m.safetensors", 1, 2, nn.CrossEntropy)
	array(t, "v.npy", 2, 3, 2)
	array(t, "flat.npy", 2, 3)
	array(t, "two.npy", 2, 3, 2, 2)
	integers(t, "s.npy", []int64{1, 1, 1}, 1, 3)
	if err := os.Mkdir("scans", 0o777); err != nil {
		t.Fatal(err)
	}
	array(t, "scans/a.npy", 2, 3, 2)
	array(t, "scans/b.npy", 1, 2, 3, 2, 1)
	array(t, "scans/c.npy", 2, 3, 2, 2)
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"--in flat.npy --out o.npy", exitFailed, "flat.npy: shape [2 3] has 2 axes: 3 axes are one sample of one channel [depth, height, width], 4 one sample [depth, height, width, channels], 5 several [samples, depth, height, width, channels]"},
		{"--in two.npy --out o.npy", exitFailed, "two.npy: shape [2 3 2 2] has 2 channels, the model wants 1: 3 axes are"},
		{"--in v.npy --out o.npy --sizes s.npy", exitUsage, "--sizes goes with arrays of several samples"},
		{"--in v.npy --out o.npy --batch 2", exitUsage, "--batch goes with arrays of several samples"},
		{"--in v.npy --out o.npy --tile 2x2", exitUsage, "--tile 2x2: the model takes 3 axes"},
		{"--in scans --out o --batch 2", exitUsage, "--batch goes with arrays of several samples"},
		{"--in scans --out o --overlay seen", exitUsage, "--overlay goes with pictures"},
		{"--in scans --out o", exitFailed, "scans/b.npy: it has 5 axes, so it is an array of several samples"},
		{"--in . --out v.npy", exitFailed, "--out v.npy: it is a file, want a folder"},
	} {
		refused(t, do(append([]string{"predict", "--device", "cpu", "--model", "m.safetensors"}, strings.Fields(c.line)...)...), c.code, c.want)
	}
	for _, name := range []string{"o.npy", "seen"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s was left behind", name)
		}
	}
	r := do("predict", "--device", "cpu", "--model", "m.safetensors", "--in", "scans", "--out", "o", "--overwrite", "--skip-bad")
	if r.code != exitDone || r.out != "o: 1 prediction of scans with class numbers 0 to 1, 2 skipped\n" || strings.Count(r.err, "skipped: scans/") != 2 {
		t.Errorf("%+v", r)
	}
	if got := files(t, "o"); !slices.Equal(got, []string{"a.npy"}) {
		t.Errorf("o holds %v", got)
	}
}

// TestRoomBeyondEverything: outputs that neither memory nor disk holds are refused.
func TestRoomBeyondEverything(t *testing.T) {
	if machine.FreeMemory() == 0 {
		t.Skip("this system does not say how much memory is free")
	}
	p := &predictor{computer: computer{Machine: compute.Machine{Options: compute.Options{Temp: t.TempDir()}}}}
	if _, _, err := p.room(1 << 50); err == nil {
		t.Error("there is room for 4 PiB")
	}
	data, release, err := p.room(6)
	if err != nil || len(data) != 6 {
		t.Fatalf("got %d values (error %v), want 6", len(data), err)
	}
	release()
}
