package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/train"
)

func TestCompare(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, "compare", "--steps", "4", "--size", "4x4", "--batch", "2", "--hidden", "3", "--seed", "5", "--out", "c")
	want := append([]string{"loss.png", "relevant_loss.png", "report.html"}, models...)
	slices.Sort(want)
	if got := files(t, "c"); !slices.Equal(got, want) {
		t.Errorf("got files %q, want %q", got, want)
	}
	page := read(t, "c", reportFile)
	for where, text := range map[string]string{"table": out, "page": page} {
		if !strings.Contains(text, "osses: means of the last 4 steps") {
			t.Errorf("the %s does not say of how many steps its losses are means", where)
		}
	}
	for _, model := range models {
		if !strings.Contains(out, "\n"+model+" ") {
			t.Errorf("the table %q lacks %s", out, model)
		}
		if got := strings.Count(read(t, "c", model, logFile), "\n"); got != 5 {
			t.Errorf("%s: the log has %d lines, want 5", model, got)
		}
	}
	if strings.Contains(page, "TensorFlow") {
		t.Error("the seed's figures stand beside another experiment")
	}
	// One seed: the models see the same data, as training one of them does.
	must(t, quick("--model", "SNAKE_SD_LSTM", "--seed", "5", "--steps", "4", "--out", "alone")...)
	if logWithoutTime(t, "alone") != logWithoutTime(t, filepath.Join("c", modelSnake)) {
		t.Error("a model trained by compare differs from one trained alone")
	}

	out = must(t, "compare", "--out", "d", "alone", filepath.Join("c", modelSnake), filepath.Join("c", modelMD))
	for _, name := range []string{"SNAKE_SD_LSTM alone ", "SNAKE_SD_LSTM SNAKE_SD_LSTM ", "MD_LSTM "} {
		if !strings.Contains(out, "\n"+name) {
			t.Errorf("the table %q lacks %q", out, name)
		}
	}
}

// TestCompareInterrupted: what an interrupted comparison prints finishes it.
func TestCompareInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, stop := context.WithCancel(t.Context())
	stop()
	flags := "--task fields --size 4x4 --batch 2 --anisotropic --hidden 3 --steps 4 --lr 1e-05"
	r := doContext(ctx, append([]string{"compare", "--out", "c d"}, strings.Fields(flags)...)...)
	refused(t, r, exitInterrupted, "interrupted after 0 of 4 steps")
	if !strings.Contains(r.err, "not trained: HORIZONTAL_SD_LSTM, SNAKE_SD_LSTM\n") {
		t.Errorf("got %q, want the models that were not trained", r.err)
	}
	ran := 0
	for line := range strings.Lines(r.err) {
		if !strings.HasPrefix(strings.TrimSpace(line), program+" ") {
			continue
		}
		ran++
		must(t, words(t, line)...)
	}
	if ran != 4 {
		t.Errorf("got %d commands, want 4: %q", ran, r.err)
	}
	if got := files(t, "c d-whole"); !slices.Contains(got, reportFile) {
		t.Errorf("got files %q, want a report", got)
	}
	for _, model := range models {
		record, err := train.ReadRecord(filepath.Join("c d", model))
		if err != nil {
			t.Fatal(err)
		}
		if s := record.Settings; s.LR != 1e-5 || s.Data["anisotropic"] != "true" || s.Steps != 4 {
			t.Errorf("%s: got %+v, want the flags of the comparison", model, s)
		}
	}
}

// TestCompareWithoutData: runs whose data are gone are drawn without pictures.
func TestCompareWithoutData(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 2, 3, 3, 1)
	must(t, "train", "--x", "x.npy", "--y", "x.npy", "--steps", "2", "--hidden", "2", "--out", "run")
	array(t, "x.npy", 2, 3, 3, 2)
	r := do("compare", "--out", "c", "run")
	if r.code != exitDone || !strings.Contains(r.err, "warning: run: no pictures") {
		t.Errorf("got %+v, want a warning and a report", r)
	}
}

func TestSeedFiguresStandBesideTheSeedsExperimentOnly(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*trainOptions)
		want   bool
	}{
		{"default", func(*trainOptions) {}, true},
		{"another seed", func(o *trainOptions) { o.Seed = 3 }, true},
		{"fewer steps", func(o *trainOptions) { o.Steps = 100 }, false},
		{"larger", func(o *trainOptions) { o.Size = "9x9" }, false},
		{"hidden", func(o *trainOptions) { o.Hidden = 8 }, false},
		{"fields", func(o *trainOptions) { o.Task = taskFields }, false},
		{"clip", func(o *trainOptions) { o.Clip = 1 }, false},
	} {
		o := defaultTrain()
		c.change(&o)
		p, err := prepare(o, given{})
		if err != nil {
			t.Fatal(err)
		}
		if got := isSeedExperiment([]*prepared{p}); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
