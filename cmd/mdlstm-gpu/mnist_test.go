package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"mdlstm-gpu/host/train"
)

// digits is the absolute path of the fixture of package task, 300 images.
func digits(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../host/task/testdata/mnist")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// figure finds a line of eval and returns its value and what is behind it.
func figure(t *testing.T, out, name string) (value float64, counts string) {
	t.Helper()
	line := regexp.MustCompile(`(?m)^` + name + ` +(\S+)(?:  \((.*)\))?$`).FindStringSubmatch(out)
	if line == nil {
		t.Fatalf("no %s in %q", name, out)
	}
	value, err := strconv.ParseFloat(line[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return value, line[2]
}

// TestMNIST trains on digits, continues, and measures the run on its own split.
func TestMNIST(t *testing.T) {
	dir := digits(t)
	t.Chdir(t.TempDir())
	flags := []string{"train", "--task", "mnist", "--data", dir, "--split", "16/4/8", "--seed", "4", "--augment",
		"--batch", "4", "--hidden", "2", "--threads", "1"}
	must(t, append(flags, "--epochs", "2", "--out", "whole")...)
	must(t, append(flags, "--steps", "3", "--out", "parts")...)
	must(t, "train", "--resume", "parts", "--steps", "8")
	if read(t, "whole", modelFile) != read(t, "parts", modelFile) {
		t.Error("a resumed training ends with another model")
	}
	record, err := train.ReadRecord("whole")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(record.Settings.Data), "map[augment:true batch:4 data:"+dir+" seed:4 split:16/4/8]"; got != want {
		t.Errorf("recorded %s, want %s", got, want)
	}

	test := must(t, "eval", "--model", "whole")
	if _, counts := figure(t, test, "pixel_error"); !strings.HasSuffix(counts, " of 6272") {
		t.Errorf("pixels %q, want 8 · 28 · 28", counts)
	}
	if rate, counts := figure(t, test, "image_error"); counts != fmt.Sprintf("%.0f of 8", 8*rate) || rate < 0 || rate > 1 {
		t.Errorf("image_error %v (%s), want of 8", rate, counts)
	}
	if !strings.HasPrefix(test, "part           test, 8 images\n") {
		t.Errorf("got %q", test)
	}
	// Also by the model file, and with the run's own settings spelled out, from
	// a copy without the run around it.
	if err := os.WriteFile("alone.safetensors", []byte(read(t, "whole", modelFile)), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"--model", "whole/" + modelFile},
		{"--model", "whole", "--task", "mnist", "--part", "test"},
		{"--model", "alone.safetensors", "--task", "mnist", "--data", dir, "--split", "16/4/8", "--seed", "4"},
	} {
		if got := must(t, append([]string{"eval"}, args...)...); got != test {
			t.Errorf("%v: got %q, want %q", args, got, test)
		}
	}
	for _, other := range []string{"--warp", "--seed 5", "--part train", "--part valid"} {
		if got := must(t, append([]string{"eval", "--model", "whole"}, strings.Fields(other)...)...); got == test {
			t.Errorf("%s: the same figures as without", other)
		}
	}
	if a, b := must(t, "eval", "--model", "whole", "--warp"), must(t, "eval", "--model", "parts", "--warp"); a != b || !strings.Contains(a, "8 images, warped\n") {
		t.Errorf("warped: got %q, then %q", a, b)
	}
}

// TestMNISTOtherData: eval warns when the split is not that of the training.
func TestMNISTOtherData(t *testing.T) {
	dir := digits(t)
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) { o.Task, o.Data, o.Split = taskMNIST, dir, "4/2/2" })
	other := copyDigits(t, dir, nil)
	if r := do("eval", "--model", "run", "--data", other); r.code != exitDone || strings.Contains(r.err, "warning") {
		t.Errorf("a copy: exit code %d, %s", r.code, r.err)
	}
	if err := os.Rename(filepath.Join(other, "t10k-images-idx3-ubyte.gz"), filepath.Join(other, "train-images-idx3-ubyte.gz")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other, "t10k-labels-idx1-ubyte.gz"), filepath.Join(other, "train-labels-idx1-ubyte.gz")); err != nil {
		t.Fatal(err)
	}
	if r := do("eval", "--model", "run", "--data", other); r.code != exitDone || !strings.Contains(r.err, "warning: "+other+": not the data of the run's training") {
		t.Errorf("other data: exit code %d, %s", r.code, r.err)
	}
}

// copyDigits copies the fixture, its images changed.
func copyDigits(t *testing.T, dir string, change func(images []byte) []byte) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"} {
		data := []byte(read(t, dir, name))
		if change != nil && strings.Contains(name, "images") {
			data = change(data)
		}
		if err := os.WriteFile(filepath.Join(to, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestMNISTRefuses(t *testing.T) {
	dir := digits(t)
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) { o.Task, o.Data, o.Split = taskMNIST, dir, "4/2/0" })
	trained(t, "diagonal", nil)
	truncated := copyDigits(t, dir, func(images []byte) []byte { return images[:len(images)/2] })
	damaged := copyDigits(t, dir, func(images []byte) []byte {
		images = slices.Clone(images)
		images[len(images)/2] ^= 0x55
		return images
	})
	before := tree(t)
	for _, c := range []struct {
		args     string
		code     int
		fragment string
	}{
		{"train --task mnist --data " + t.TempDir(), exitFailed, "has no MNIST files: want train-images-idx3-ubyte"},
		{"train --task mnist --data nowhere", exitFailed, "--data nowhere: no such file"},
		{"train --task mnist --data " + truncated, exitFailed, "t10k-images-idx3-ubyte.gz: truncated: shape [300 28 28] wants 235200 values"},
		{"train --task mnist --data " + damaged, exitFailed, "t10k-images-idx3-ubyte.gz: the gzip data is damaged"},
		{"train --data " + dir, exitUsage, "--data goes with --task mnist"},
		{"train --task mnist --size 4x4 --data " + dir, exitUsage, "--size goes with"},
		{"train --task mnist --split 1/2 --data " + dir, exitUsage, `--split "1/2": want how many samples`},
		{"train --task mnist --split 200/100/1 --data " + dir, exitFailed, "split 200/100/1: 301 images in all, there are 300"},
		{"compare --task mnist", exitUsage, "--task mnist: compare trains on generated tasks"},
		{"eval --model run", exitUsage, "--part test: the split 4/2/0 leaves it without images"},
		{"eval --model run --part all", exitUsage, `--part "all": want train, valid, test`},
		{"eval --model run --steps 3", exitUsage, "--steps goes with a generated task"},
		{"eval --model run --task diagonal --warp", exitUsage, "--warp goes with --task mnist"},
		{"eval --model diagonal --task mnist", exitUsage, "--task mnist needs --data DIR"},
		{"eval --model diagonal --task mnist --data " + dir, exitFailed, "the loss cross_entropy, the model has mse"},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := do(strings.Fields(c.args)...)
			refused(t, r, c.code, c.fragment)
			if r.out != "" || strings.Count(r.err, "\n") != 1 {
				t.Errorf("got %q and %q, want one line", r.out, r.err)
			}
		})
	}
	if after := tree(t); !slices.Equal(after, before) {
		t.Errorf("files changed: got %q, want %q", after, before)
	}
}

// TestTaskNames: the names that the user types are those of the sources.
func TestTaskNames(t *testing.T) {
	for _, o := range []dataOptions{{Task: taskDiagonal}, {Task: taskFields}, {Task: taskMNIST, Data: digits(t)}} {
		o.Size, o.Batch, o.Channels = "4x4", 2, 1
		src, err := o.open()
		if err != nil {
			t.Fatal(err)
		}
		if src.Train.Name() != o.Task {
			t.Errorf("got %q, want %q", src.Train.Name(), o.Task)
		}
	}
}
