package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
)

// classArrays writes X.npy, values of n samples of 3×3 cells, and Y.npy, the
// class of each cell, here.
func classArrays(t *testing.T, n int) {
	t.Helper()
	array(t, "X.npy", n, 3, 3, 1)
	classes := make([]int64, 9*n)
	for i := range classes {
		classes[i] = int64(i % 17 / 6)
	}
	integers(t, "Y.npy", classes, n, 3, 3)
}

// TestEvalWithoutTargets: nothing to measure is an error, not NaN.
func TestEvalWithoutTargets(t *testing.T) {
	t.Chdir(t.TempDir())
	saved(t, "m.safetensors", nn.Config{Input: 1, Loss: nn.CrossEntropy, ClassWeights: []float64{0, 1}, IgnoreIndex: ptr(2),
		Head: nn.Head{Units: 2, Activation: nn.Softmax}, Layers: []nn.Layer{{Type: nn.TypeDense, Units: 2, Activation: nn.Tanh}}})
	array(t, "x.npy", 1, 2, 2, 1)
	for class, want := range map[int64]string{0: "arrays: no target counts: the model gives the weight 0", 2: "y.npy: no target counts: each is the ignore_index 2"} {
		integers(t, "y.npy", []int64{class, class, class, class}, 1, 2, 2)
		refused(t, do("eval", "--model", "m.safetensors", "--x", "x.npy", "--y", "y.npy", "--device", "cpu"), exitFailed, want)
	}
}

func TestTrainValidates(t *testing.T) {
	t.Chdir(t.TempDir())
	classArrays(t, 20)
	out := must(t, "train", "--x", "X.npy", "--y", "Y.npy", "--valid", "0.2", "--batch", "4", "--steps", "10", "--hidden", "3",
		"--device", "cpu", "--out", "run")
	for _, want := range []string{"best           loss", "cell error", filepath.Join("run", bestFile)} {
		if !strings.Contains(out, want) {
			t.Errorf("the results lack %q:\n%s", want, out)
		}
	}
	valid, err := report.ReadValidLog(filepath.Join("run", validFile))
	if err != nil || !slices.Equal(valid.Steps, []int64{4, 8, 10}) {
		t.Errorf("validations after steps %v, want those of epochs of 4 steps, and the end; error %v", valid.Steps, err)
	}

	// A folder stands for its best model.
	for _, model := range []string{"run", filepath.Join("run", bestFile)} {
		must(t, "predict", "--model", model, "--in", "X.npy", "--out", filepath.Base(model)+".npy", "--device", "cpu")
	}
	if read(t, "run.npy") != read(t, bestFile+".npy") {
		t.Error("the folder's predictions are not those of its best model")
	}

	// It goes on as if it had been longer from the start.
	must(t, "train", "--resume", "run", "--steps", "16")
	must(t, "train", "--x", "X.npy", "--y", "Y.npy", "--valid", "4", "--batch", "4", "--steps", "16", "--hidden", "3",
		"--device", "cpu", "--out", "long")
	if read(t, "run", modelFile) != read(t, "long", modelFile) {
		t.Error("another model after --resume")
	}
}

func TestTrainStopsEarly(t *testing.T) {
	t.Chdir(t.TempDir())
	classArrays(t, 6)
	// At this rate the loss cannot keep falling.
	r := do("train", "--x", "X.npy", "--y", "Y.npy", "--valid-x", "X.npy", "--valid-y", "Y.npy", "--batch", "6", "--steps", "300", "--hidden", "2",
		"--lr", "0.9", "--valid-every", "1", "--patience", "2", "--device", "cpu", "--out", "run")
	if r.code != exitDone || !strings.Contains(r.out, "stopped early") || !strings.Contains(r.out, "--patience 4") {
		t.Fatalf("%+v", r)
	}
	valid, err := report.ReadValidLog(filepath.Join("run", validFile))
	if err != nil || valid.Len() == 300 {
		t.Fatalf("%d validations, error %v", valid.Len(), err)
	}
	if page := read(t, "run", reportFile); strings.Contains(page, "not finished") || !strings.Contains(page, "Patience") {
		t.Error("the report does not know that the run is done")
	}
	if err := os.Remove(filepath.Join("run", reportFile)); err != nil {
		t.Fatal(err)
	}
	r = do("train", "--resume", "run")
	if r.code != exitDone || !strings.Contains(r.err, "larger --patience") {
		t.Errorf("%+v", r)
	}
	if page := read(t, "run", reportFile); strings.Contains(page, "not finished") {
		t.Error("the report that was written anew does not know that the run is done")
	}
	must(t, "train", "--resume", "run", "--patience", "3")
	if longer, err := report.ReadValidLog(filepath.Join("run", validFile)); err != nil || longer.Len() <= valid.Len() {
		t.Errorf("%d validations after %d, error %v", longer.Len(), valid.Len(), err)
	}
}

func TestValidationFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	classArrays(t, 4)
	array(t, "other.npy", 4, 3, 3, 2)
	for _, c := range []struct{ args, want string }{
		{"--valid 0.1", "--valid goes with --task arrays"},
		{"--patience 3", "--patience needs data to validate on"},
		{"--valid-every 3", "--valid-every needs data"},
		{"--x X.npy --y Y.npy --valid 1.5", "--valid \"1.5\": want a share"},
		{"--x X.npy --y Y.npy --valid 4", "both parts need 1 or more"},
		{"--x X.npy --y Y.npy --valid 1 --valid-x X.npy", "give one"},
		{"--x X.npy --y Y.npy --valid-x X.npy", "--valid-x needs --valid-y"},
		{"--x X.npy --y Y.npy --valid-y X.npy", "go with --valid-x"},
		{"--x X.npy --y Y.npy --valid-x other.npy --valid-y Y.npy", "validation data: other.npy"},
		{"--x X.npy --y Y.npy --valid 1 --patience -1", "--patience -1"},
		{"--x X.npy --y Y.npy --valid 1 --valid-every -1", "--valid-every -1"},
		{"--x X.npy --y Y.npy --valid-x gone.npy --valid-y Y.npy", "gone.npy"},
	} {
		r := do(append([]string{"train", "--device", "cpu", "--out", "run"}, strings.Fields(c.args)...)...)
		if r.code == exitDone || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: code %d, %q, want %q", c.args, r.code, r.err, c.want)
		}
	}
	if _, err := os.Stat("run"); err == nil {
		t.Error("a folder was left")
	}
	must(t, "train", "--steps", "1", "--device", "cpu", "--out", "plain")
	if r := do("train", "--resume", "plain", "--patience", "3"); r.code != exitUsage || !strings.Contains(r.err, "no data to validate on") {
		t.Errorf("%+v", r)
	}
}

// TestValidManyClasses: a validated run and eval have no confusion matrix of more
// classes than a figure shows, but all else.
func TestValidManyClasses(t *testing.T) {
	t.Chdir(t.TempDir())
	array(t, "x.npy", 4, 2, 1, 1)
	integers(t, "y.npy", []int64{0, 1, 2, 3000, 4, 5, 6, 7}, 4, 2, 1)
	must(t, "train", "--x", "x.npy", "--y", "y.npy", "--valid", "1", "--steps", "1", "--hidden", "1", "--out", "run")
	must(t, "eval", "--model", "run", "--x", "x.npy", "--y", "y.npy", "--out", "seen")
	if got := files(t, "seen"); !slices.Equal(got, []string{"sheet.png"}) {
		t.Errorf("eval drew %v, want the sheet alone", got)
	}
}
