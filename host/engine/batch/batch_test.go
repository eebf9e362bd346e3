package batch_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"mdlstm-gpu/host/engine"
	"mdlstm-gpu/host/engine/batch"
	"mdlstm-gpu/host/grid"
	"mdlstm-gpu/host/nn"
)

// model has a layer on a 2-D grid, or on the sequences of a view.
func model(t *testing.T, view, loss string) *nn.Model {
	t.Helper()
	c := nn.Config{
		View: view, Input: 2, Loss: loss,
		Layers: []nn.Layer{{Type: nn.TypeMDLSTM, Cell: nn.CellPlain, Hidden: 1, Directions: []string{"++"}}},
		Head:   nn.Head{Units: 3, Activation: nn.Sigmoid},
	}
	if view != nn.ViewGrid {
		c.Layers[0].Directions = []string{"+"}
	}
	if loss == nn.CrossEntropy {
		ignore := 7
		c.Head.Activation, c.IgnoreIndex, c.ClassWeights = nn.Softmax, &ignore, []float64{1, 0.5, 0}
	}
	m, err := nn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wants says whether an error wraps a sentinel and has all texts in it.
func wants(t *testing.T, err, sentinel error, texts ...string) {
	t.Helper()
	if !errors.Is(err, sentinel) {
		t.Fatalf("got error %v, want one that wraps %q", err, sentinel)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q: want %q in it", err, text)
		}
	}
}

func TestNeeds(t *testing.T) {
	samples := []grid.Shape{{3, 4}, {1, 7}, {2, 1}}
	for _, c := range []struct {
		view string
		want engine.Capacity
	}{
		{nn.ViewGrid, engine.Capacity{Rows: 21, Wavefronts: 7, Samples: 3}},
		{nn.ViewRows, engine.Capacity{Rows: 21, Wavefronts: 7, Samples: 6}},
		{nn.ViewSnake, engine.Capacity{Rows: 21, Wavefronts: 12, Samples: 3}},
	} {
		got, err := batch.Needs(model(t, c.view, nn.MSE), samples)
		if err != nil || got != c.want {
			t.Errorf("%s: got %+v (error %v), want %+v", c.view, got, err, c.want)
		}
		viewed, err := grid.View(c.view, samples)
		if err != nil {
			t.Fatal(err)
		}
		s, err := grid.New(viewed)
		if err != nil || s.Rows != got.Rows || s.Wavefronts != got.Wavefronts || s.Samples != got.Samples {
			t.Errorf("%s: the schedule has %d rows, %d wavefronts, %d samples", c.view, s.Rows, s.Wavefronts, s.Samples)
		}
	}
	for name, bad := range map[string][]grid.Shape{
		"none": {}, "other axes than the model": {{3}}, "other axes": {{2, 2}, {3}}, "no cells": {{2, 2}, {0, 2}},
		"negative": {{2, 2}, {-1, 2}}, "too many": {{2, 2}, {1 << 40, 1 << 40}}, "too many together": {{1 << 15, 1 << 15}, {1 << 15, 1 << 15}},
	} {
		_, err := batch.Needs(model(t, nn.ViewGrid, nn.MSE), bad)
		if !errors.Is(err, engine.ErrShape) {
			t.Errorf("%s: got error %v, want ErrShape", name, err)
		}
	}
}

func TestWithin(t *testing.T) {
	room := engine.Capacity{Rows: 5, Wavefronts: 4, Samples: 3}
	if err := batch.Within(room, room); err != nil {
		t.Error(err)
	}
	for _, need := range []engine.Capacity{{Rows: 6}, {Wavefronts: 5}, {Samples: 4}} {
		wants(t, batch.Within(need, room), engine.ErrShape, "room for 5, 4, 3")
	}
}

// schedule of two samples whose rows are not in packed order.
func schedule(t *testing.T) (*grid.Schedule, []grid.Shape) {
	t.Helper()
	shapes := []grid.Shape{{2, 2}, {1, 3}}
	s, err := grid.New(shapes)
	if err != nil {
		t.Fatal(err)
	}
	return s, shapes
}

func TestInputs(t *testing.T) {
	s, shapes := schedule(t)
	b := &engine.Batch{Samples: shapes}
	for i := range 14 {
		b.X = append(b.X, float32(i))
	}
	dst := make([]float32, 16) // more room than rows
	if err := batch.Inputs(dst, b, 2, s); err != nil {
		t.Fatal(err)
	}
	for r := range s.Rows {
		if c := float32(s.Cell[r]); dst[2*r] != 2*c || dst[2*r+1] != 2*c+1 {
			t.Errorf("row %d: got %v, want cell %v", r, dst[2*r:2*r+2], c)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		b.X[11] = float32(v) // sample 1, cell 0,1, channel 1
		wants(t, batch.Inputs(dst, b, 2, s), engine.ErrData, "sample 1, cell [0 1], channel 1")
	}
	b.X = b.X[:13]
	wants(t, batch.Inputs(dst, b, 2, s), engine.ErrShape, "13", "14 (7 cells of 2 channels)")
}

// load checks and loads all targets of a batch.
func load(dst *batch.Targets, m *nn.Model, b *engine.Batch, s *grid.Schedule) (float64, error) {
	if err := batch.CheckTargets(m, b, s.Rows); err != nil {
		return 0, err
	}
	return dst.Load(m, b, s, 0)
}

func TestValues(t *testing.T) {
	s, shapes := schedule(t)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	b := &engine.Batch{Samples: shapes, Y: make([]float32, 21), Relevant: []int32{2, 6}}
	b.Y[4] = nan
	dst := batch.Targets{Y: make([]float32, 21)}
	weight, err := load(&dst, model(t, nn.ViewGrid, nn.MSE), b, s)
	if err != nil || weight != 20 {
		t.Errorf("weight %v (error %v), want 20: a NaN does not count", weight, err)
	}
	if want := []int32{s.Row[2], s.Row[6]}; !slices.Equal(dst.Relevant, want) {
		t.Errorf("relevant rows %v, want %v", dst.Relevant, want)
	}
	if v := dst.Y[3*int(s.Row[1])+1]; v == v {
		t.Errorf("the NaN of cell 1, unit 1 lies elsewhere: %v", dst.Y)
	}
	mse, bce := model(t, nn.ViewGrid, nn.MSE), model(t, nn.ViewGrid, nn.BinaryCrossEntropy)
	for _, c := range []struct {
		name  string
		m     *nn.Model
		edit  func(b *engine.Batch)
		want  error
		texts []string
	}{
		{"infinite", mse, func(b *engine.Batch) { b.Y[9] = inf }, engine.ErrData, []string{"output cell 3, unit 0"}},
		{"NaN for bce", bce, func(b *engine.Batch) { b.Relevant = nil }, engine.ErrData, []string{"NaN", "output cell 1, unit 1"}},
		{"beyond 1 for bce", bce, func(b *engine.Batch) { b.Y[4], b.Y[0], b.Relevant = 0, 1.5, nil }, engine.ErrData, []string{"1.5"}},
		{"short", mse, func(b *engine.Batch) { b.Y = b.Y[:20] }, engine.ErrShape, []string{"20", "21"}},
		{"classes", mse, func(b *engine.Batch) { b.Class = make([]int32, 7) }, engine.ErrData, []string{"mse"}},
		{"relevant outside", mse, func(b *engine.Batch) { b.Relevant = []int32{7} }, engine.ErrShape, []string{"7 of 7"}},
		{"relevant for bce", bce, func(b *engine.Batch) { b.Y[4] = 0 }, engine.ErrData, []string{"binary_cross_entropy"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := *b
			bad.Y = slices.Clone(b.Y)
			c.edit(&bad)
			_, err := load(&dst, c.m, &bad, s)
			wants(t, err, c.want, c.texts...)
		})
	}
}

// TestPart loads the second sample of a batch alone.
func TestPart(t *testing.T) {
	shapes := []grid.Shape{{2, 2}, {1, 3}}
	s, err := grid.New(shapes[1:])
	if err != nil {
		t.Fatal(err)
	}
	b := &engine.Batch{Samples: shapes, Y: make([]float32, 21), Relevant: []int32{6, 1, 4}}
	for i := range b.Y {
		b.Y[i] = float32(i)
	}
	dst := batch.Targets{Y: make([]float32, 9)}
	weight, err := dst.Load(model(t, nn.ViewGrid, nn.MSE), b, s, 4)
	if err != nil || weight != 9 {
		t.Errorf("weight %v (error %v), want 9", weight, err)
	}
	if want := []float32{12, 13, 14, 15, 16, 17, 18, 19, 20}; !slices.Equal(dst.Y, want) {
		t.Errorf("values %v, want %v", dst.Y, want)
	}
	if want := []int32{2, 0}; !slices.Equal(dst.Relevant, want) {
		t.Errorf("relevant rows %v, want %v", dst.Relevant, want)
	}
	b.Y[16] = float32(math.Inf(1))
	_, err = dst.Load(model(t, nn.ViewGrid, nn.MSE), b, s, 4)
	wants(t, err, engine.ErrData, "output cell 5, unit 1")
}

func TestClasses(t *testing.T) {
	s, shapes := schedule(t)
	m := model(t, nn.ViewGrid, nn.CrossEntropy)
	b := &engine.Batch{Samples: shapes, Class: []int32{0, 1, 2, 7, 1, 1, 0}}
	dst := batch.Targets{Class: make([]int32, 7)}
	weight, err := load(&dst, m, b, s)
	if err != nil || weight != 3.5 { // 1 + 0.5 + 0 + ignored + 0.5 + 0.5 + 1
		t.Errorf("weight %v (error %v), want 3.5", weight, err)
	}
	if got := dst.Class[s.Row[3]]; got != -1 {
		t.Errorf("the ignored class became %d, want -1", got)
	}
	for _, class := range []int32{-1, 3} {
		bad := *b
		bad.Class = slices.Clone(b.Class)
		bad.Class[5] = class
		_, err := load(&dst, m, &bad, s)
		wants(t, err, engine.ErrData, "output cell 5", "classes 0 to 2")
	}
	_, err = load(&dst, m, &engine.Batch{Samples: shapes, Class: b.Class[:6]}, s)
	wants(t, err, engine.ErrShape, "6", "7")
	_, err = load(&dst, m, &engine.Batch{Samples: shapes, Class: b.Class, Y: make([]float32, 21)}, s)
	wants(t, err, engine.ErrData, "cross_entropy")
	if weight, err = load(&dst, m, &engine.Batch{Samples: shapes}, s); weight != 0 || err != nil {
		t.Errorf("no targets: weight %v, error %v", weight, err)
	}
}
