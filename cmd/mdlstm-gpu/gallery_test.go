package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine/enginetest/approx"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

func classModel(t *testing.T) *nn.Model {
	t.Helper()
	m, err := nn.New(nn.Config{Input: 1, Loss: nn.CrossEntropy,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"++"}}},
		Head:   nn.Head{Units: 3, Activation: nn.Softmax}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGallery: wrong samples come first, and take at most half of a full sheet.
func TestGallery(t *testing.T) {
	background := 2
	g := &gallery{model: classModel(t), spec: task.Spec{Classes: []string{"one", "two", "none"}, Background: &background}}
	outputs := []float32{0.9, 0.1, 0, 0.2, 0.1, 0.7}
	for i := range 2 * sheetItems {
		a := train.Answer{In: []int{1, 2}, Out: []int{1, 2}, X: []float32{0, 1}, Class: []int32{0, 2}, Outputs: outputs, Truth: 0, Label: 0}
		if i%3 == 2 {
			a.Class, a.Truth = []int32{1, 2}, 1
		}
		g.see(a)
	}
	s := g.sheet("test")
	wrong := 0
	for i, item := range s.Items {
		if item.Wrong {
			if wrong++; wrong <= i {
				t.Errorf("item %d is wrong, behind a right one", i)
			}
		}
	}
	if len(s.Items) != sheetItems || wrong != sheetItems/2 {
		t.Errorf("%d items, %d wrong, want %d and %d", len(s.Items), wrong, sheetItems, sheetItems/2)
	}
	if got := s.Items[0]; got.Caption != "two, predicted one" || got.Prediction.Class[1] != 2 || got.Truth.Class[0] != 1 || got.Input.Values[1] != 1 {
		t.Errorf("first item %+v", got)
	}
	if _, err := report.SheetPNG(*s); err != nil {
		t.Error(err)
	}
	labels, cells := g.confusions(train.Score{Cells: [][]int64{{1, 0, 0}, {1, 0, 0}, {0, 0, 2}}, Labels: [][]int64{{1, 0, 0}, {1, 0, 0}, {0, 0, 0}}}, "test")
	if len(labels.Classes) != 2 || len(cells.Classes) != 3 || labels.Counts[1][0] != 1 {
		t.Errorf("labels %+v, cells %+v: want the labels without background", labels, cells)
	}
}

// TestActivity: what a direction of the layer shows is what a model whose head
// hands it through puts out, so the whole model's outputs follow from it.
func TestActivity(t *testing.T) {
	t.Chdir(t.TempDir())
	trained(t, "run", func(o *trainOptions) {
		o.Size, o.Cell, o.Hidden, o.Directions, o.Steps = "5x4", "stable", 3, "++,-+", 2
	})
	v, err := readRun("run")
	if err != nil {
		t.Fatal(err)
	}
	data, err := dataOfRun(v.settings)
	if err != nil {
		t.Fatal(err)
	}
	split, err := data.open()
	if err != nil {
		t.Fatal(err)
	}
	c, err := defaultCompute().find(streams{io.Discard, io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	a, err := activity(c, split.Train, v.model, v.params, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Directions) != 2 || a.Directions[1].Signs != "-+" || len(a.Directions[0].H) != 5*4*3 {
		t.Fatalf("got %+v", a)
	}
	e, err := c.open(v.model)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	p, err := picture(e, split.Train, v.params, 2)
	if err != nil {
		t.Fatal(err)
	}
	weight, _ := v.model.Param("head.weight")
	bias, _ := v.model.Param("head.bias")
	var want []float32
	for cell := range 5 * 4 {
		z := float64(v.params[bias.Offset])
		for d := range 2 {
			for k := range 3 {
				z += float64(v.params[weight.Offset+3*d+k]) * float64(a.Directions[d].H[3*cell+k])
			}
		}
		want = append(want, float32(1/(1+math.Exp(-z))))
	}
	// Measured: 3e-8.
	if _, err := approx.Compare("outputs from the activity", []int{5, 4}, p.Prediction, want, approx.Tolerance{Abs: 2e-7}); err != nil {
		t.Error(err)
	}
	if grown, err := activity(c, split.Train, classModel(t), make([]float32, classModel(t).Size()), 0); err != nil || len(grown.Directions) != 1 {
		t.Errorf("another model: %+v, %v", grown, err)
	}
}

// TestEvalPictures: eval draws into a new folder, and into no other.
func TestEvalPictures(t *testing.T) {
	dir := digits(t)
	t.Chdir(t.TempDir())
	must(t, "train", "--task", "mnist", "--data", dir, "--split", "6/4/4", "--batch", "2", "--hidden", "3", "--steps", "3", "--device", "cpu", "--out", "run")
	for _, name := range []string{"confusion.png", "sheet.png", "activity.png", "validation.png", "valid.tsv", "best.safetensors"} {
		if _, err := os.Stat(filepath.Join("run", name)); err != nil {
			t.Error(err)
		}
	}
	with := must(t, "eval", "--model", "run", "--out", "pictures")
	if without := must(t, "eval", "--model", "run") + "pictures       pictures: cell_confusion.png, confusion.png, sheet.png\n"; with != without {
		t.Errorf("with --out %q, without %q", with, without)
	}
	for _, name := range []string{"confusion.png", "cell_confusion.png", "sheet.png"} {
		if got := read(t, "pictures", name); !strings.HasPrefix(got, "\x89PNG") {
			t.Errorf("%s is no PNG: %.8q", name, got)
		}
	}
	if r := do("eval", "--model", "run", "--out", "pictures"); r.code != exitFailed || !strings.Contains(r.err, "--out pictures") {
		t.Errorf("a folder that exists: exit code %d, %s", r.code, r.err)
	}
	trained(t, "generated", func(o *trainOptions) { o.Size, o.Channels = "3x3x3", 2 })
	if r := do("eval", "--model", "generated", "--task", "diagonal", "--size", "3x3x3", "--steps", "1", "--out", "none"); r.code != exitFailed || !strings.Contains(r.err, "nothing to draw") {
		t.Errorf("nothing to draw: exit code %d, %s", r.code, r.err)
	}
	if _, err := os.Stat("none"); err == nil {
		t.Error("a folder was made with nothing in it")
	}
}

// TestCompareUnlikeRuns: runs of other tasks, models and lengths go together.
func TestCompareUnlikeRuns(t *testing.T) {
	dir := digits(t)
	t.Chdir(t.TempDir())
	trained(t, "diagonal", nil)
	trained(t, "digits", func(o *trainOptions) { o.Task, o.Data, o.Split = taskMNIST, dir, "6/4/0" })
	must(t, "compare", "--device", "cpu", "--out", "both", "diagonal", "digits")
	page := read(t, "both", "report.html")
	for _, want := range []string{"diagonal 4x4", "mnist", "Wrong labels in validation"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
