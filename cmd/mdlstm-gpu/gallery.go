package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
	"mdlstm-gpu/host/report"
	"mdlstm-gpu/host/task"
	"mdlstm-gpu/host/train"
)

// sheetItems is how many samples a sheet shows.
const sheetItems = 24

// gallery gathers the pictures of an evaluation: of the first samples, and of
// the first that got a wrong label.
type gallery struct {
	model        *nn.Model
	spec         task.Spec
	right, wrong []report.SheetItem
	seen         int
}

// see keeps a sample for the sheet while there is room for it.
func (g *gallery) see(a train.Answer) {
	wrong := a.Truth >= 0 && a.Truth != a.Label
	kept := &g.right
	if wrong {
		kept = &g.wrong
	}
	if len(*kept) < sheetItems {
		if item, ok := g.item(a, g.seen); ok {
			item.Wrong = wrong
			*kept = append(*kept, item)
		}
	}
	g.seen++
}

// item draws a sample; false where nothing of it is a picture.
func (g *gallery) item(a train.Answer, number int) (report.SheetItem, bool) {
	units, ignore := g.model.Units(), g.model.Config.IgnoreIndex
	item := report.SheetItem{Caption: fmt.Sprintf("sample %d", number)}
	if k := g.model.Config.Input; len(a.In) == 2 && (k == 1 || k == 3) {
		item.Input = report.Tile{Rows: a.In[0], Cols: a.In[1], Values: slices.Clone(a.X), Channels: k}
	}
	flat := len(a.Out) == 2
	if a.Class != nil {
		answers, wrong, counted := make([]int32, len(a.Class)), 0, 0
		for i, class := range a.Class {
			answers[i] = int32(train.Largest(a.Outputs[i*units:][:units]))
			if ignore == nil || int(class) != *ignore {
				counted++
				if answers[i] != class {
					wrong++
				}
			}
		}
		if flat {
			item.Truth = report.Tile{Rows: a.Out[0], Cols: a.Out[1], Class: slices.Clone(a.Class), Ignore: ignore, Background: g.spec.Background}
			item.Prediction = report.Tile{Rows: a.Out[0], Cols: a.Out[1], Class: answers, Background: g.spec.Background}
		}
		switch {
		case a.Truth >= 0:
			item.Caption = fmt.Sprintf("%s, predicted %s", g.class(a.Truth), g.class(a.Label))
		case len(a.Class) == 1:
			item.Caption = fmt.Sprintf("%s, predicted %s", g.class(int(a.Class[0])), g.class(int(answers[0])))
		case counted > 0:
			item.Caption += fmt.Sprintf(", %.1f %% wrong", 100*float64(wrong)/float64(counted))
		}
	} else if flat && (units == 1 || units == 3) {
		item.Prediction = report.Tile{Rows: a.Out[0], Cols: a.Out[1], Values: slices.Clone(a.Outputs), Channels: units}
		if a.Y != nil {
			item.Truth = report.Tile{Rows: a.Out[0], Cols: a.Out[1], Values: slices.Clone(a.Y), Channels: units}
		}
	}
	return item, item.Input.Values != nil || item.Prediction.Values != nil || item.Prediction.Class != nil
}

// class names one.
func (g *gallery) class(number int) string {
	if number < len(g.spec.Classes) {
		return g.spec.Classes[number]
	}
	return strconv.Itoa(number)
}

// sheet is the page of samples, half of it wrong ones where there are so many;
// nil when no sample is a picture.
func (g *gallery) sheet(what string) *report.Sheet {
	wrong := g.wrong[:min(len(g.wrong), max(sheetItems/2, sheetItems-len(g.right)))]
	items := append(slices.Clone(wrong), g.right[:min(len(g.right), sheetItems-len(wrong))]...)
	if len(items) == 0 {
		return nil
	}
	title := "Samples of " + what
	if len(wrong) > 0 {
		title += ", wrong ones first"
	}
	return &report.Sheet{Title: title, Items: items, Classes: g.spec.Classes}
}

// confusions are the matrices of a score: of labels where samples have them, and
// of cells; nil where there are none, or more classes than a figure shows.
func (g *gallery) confusions(score train.Score, what string) (labels, cells *report.Confusion) {
	matrix := func(title, unit string, counts [][]int64, classes int) *report.Confusion {
		if classes > report.MaxConfusion {
			return nil
		}
		c := &report.Confusion{Title: title + " of " + what, Unit: unit}
		for class := range classes {
			c.Classes = append(c.Classes, g.class(class))
			c.Counts = append(c.Counts, counts[class][:classes])
		}
		return c
	}
	if score.Cells != nil {
		cells = matrix("Cells", "cells", score.Cells, len(score.Cells))
	}
	if n := len(score.Labels); n > 0 {
		// Background, the last class, is no label.
		if g.spec.Background != nil && *g.spec.Background == n-1 {
			n--
		}
		labels = matrix("Labels", "samples", score.Labels, n)
	}
	return labels, cells
}

// write draws the pictures into a new folder and names them.
func (g *gallery) write(dir string, score train.Score, what string) (names []string, err error) {
	pictures := map[string]func() ([]byte, error){}
	if sheet := g.sheet(what); sheet != nil {
		pictures["sheet.png"] = func() ([]byte, error) { return report.SheetPNG(*sheet) }
	}
	labels, cells := g.confusions(score, what)
	if labels != nil {
		pictures["confusion.png"] = func() ([]byte, error) { return report.ConfusionPNG(*labels) }
	}
	if cells != nil {
		name := "confusion.png"
		if labels != nil {
			name = "cell_" + name
		}
		pictures[name] = func() ([]byte, error) { return report.ConfusionPNG(*cells) }
	}
	if len(pictures) == 0 {
		return nil, fmt.Errorf("--out %s: nothing to draw: no classes, and no samples on a 2-D grid of 1 or 3 channels: leave --out out", dir)
	}
	return slices.Sorted(maps.Keys(pictures)), writePictures(dir, pictures)
}

// writePictures makes the folder when all is drawn, so that an error leaves
// nothing behind.
func writePictures(dir string, pictures map[string]func() ([]byte, error)) error {
	drawn := map[string][]byte{}
	for name, draw := range pictures {
		data, err := draw()
		if err != nil {
			return err
		}
		drawn[name] = data
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("--out %w", err)
	}
	for name, data := range drawn {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return errors.Join(fmt.Errorf("--out %w", err), os.RemoveAll(dir))
		}
	}
	return nil
}

// exhibit measures the engine's parameters on what validates a run, or on a
// batch of what it was trained on, and adds the pictures. Generated samples have
// the picture of an example only.
func exhibit(ctx context.Context, r *report.Run, e engine.Engine, data task.Split) error {
	src, steps, what := data.Valid, int64(1), "the validation"
	if src == nil {
		src, what = data.Train, "the training"
	} else {
		steps = src.Spec().Steps
	}
	if src.Spec().Samples == 0 {
		return nil
	}
	g := &gallery{model: e.Model(), spec: src.Spec()}
	score, err := train.EvaluateEach(ctx, e, src, 0, steps, g.see)
	if err != nil {
		return err
	}
	if r.Sheet = g.sheet(what); data.Valid == nil {
		return nil // a batch says too little for a matrix
	}
	labels, cells := g.confusions(score, what)
	if r.Confusion = labels; labels == nil {
		r.Confusion = cells
	}
	return nil
}

// maxActivitySide is the longest side of a grid whose wavefronts are shown.
const maxActivitySide = 64

// activity is what the first mdlstm layer puts out for an example, as the output
// of a model that ends behind this layer: its head hands the features through.
// nil where there is no such layer on a small 2-D grid.
func activity(c computer, src task.Source, m *nn.Model, params []float32, step int64) (*report.Activity, error) {
	var batch engine.Batch
	if err := src.Example(&batch); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(m.Config.Layers, func(l nn.Layer) bool { return l.Type == nn.TypeMDLSTM })
	in := batch.Samples[0]
	if at < 0 || m.Config.View != nn.ViewGrid || len(in) != 2 {
		return nil, nil
	}
	layer := m.Stages[at]
	features := len(layer.Directions) * layer.Hidden
	short := nn.Config{View: m.Config.View, Input: m.Config.Input, Loss: nn.MSE,
		Layers: slices.Clone(m.Config.Layers[:at+1]), Head: nn.Head{Units: features, Activation: nn.Linear}}
	short.Layers[at].Combine = nn.CombineConcat
	cut, err := nn.New(short)
	if err != nil {
		return nil, err
	}
	out, err := cut.OutputShape(in)
	if err != nil {
		return nil, err
	}
	if len(out) != 2 || slices.Max(out) > maxActivitySide {
		return nil, nil
	}
	begin := make([]float32, cut.Size())
	weight, _ := cut.Param("head.weight")
	copy(begin[:weight.Offset], params) // the layers' parameters come first, in the same order
	for i := range features {
		begin[weight.Offset+i*features+i] = 1
	}
	e, err := c.open(cut)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	if err := e.SetParameters(begin); err != nil {
		return nil, err
	}
	one := engine.Batch{Samples: batch.Samples[:1], X: batch.X[:in.Cells()*m.Config.Input]}
	outputs, _, err := train.Predict(e, &one)
	if err != nil {
		return nil, err
	}
	a := &report.Activity{Shape: out,
		Title: fmt.Sprintf("layer %d, %s, %s, after %s", at, layer.Cell, count(layer.Hidden, "unit"), count(step, "step"))}
	if k := m.Config.Input; (k == 1 || k == 3) && slices.Equal(out, in) {
		a.Input = report.Tile{Rows: in[0], Cols: in[1], Values: one.X, Channels: k}
	}
	for d, signs := range layer.Directions {
		h := make([]float32, 0, grid.Shape(out).Cells()*layer.Hidden)
		for cell := range grid.Shape(out).Cells() {
			h = append(h, outputs[cell*features+d*layer.Hidden:][:layer.Hidden]...)
		}
		a.Directions = append(a.Directions, report.ActivityDirection{Signs: signs, H: h})
	}
	return a, nil
}
