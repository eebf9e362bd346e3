package train

import (
	"math"
	"slices"
	"testing"
)

func TestScoreCount(t *testing.T) {
	outputs := []float32{
		0.1, 0.7, 0.2,
		0.5, 0.5, 0,
		0.2, 0.1, 0.7,
	}
	zero, two, mark := 0, 2, 9
	none := math.NaN()
	for _, c := range []struct {
		name               string
		classes            []int32
		ignore, background *int
		cells, label       float64 // errors
	}{
		{"all right", []int32{1, 0, 2}, nil, nil, 0, none},
		{"all wrong", []int32{0, 1, 1}, nil, nil, 1, none},
		{"a mark", []int32{1, 9, 0}, &mark, nil, 0.5, none},
		{"a class is ignored", []int32{1, 0, 2}, &zero, nil, 0, none},
		{"no cells", nil, nil, nil, none, none},
		// Sums are 0.8, 1.3, 0.9: without class 2 the answer is 1.
		{"the label is right", []int32{2, 1, 2}, nil, &two, 2. / 3, 0},
		{"the label is wrong", []int32{2, 0, 2}, nil, &two, 1. / 3, 1},
		{"only background", []int32{2, 2, 2}, nil, &two, 2. / 3, none},
		// Without class 0 the answer is 1 still; without class 1 it would be 2.
		{"another background", []int32{1, 0, 0}, nil, &zero, 1. / 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Score{Cells: square(3), Labels: square(3)}
			s.count(outputs, c.classes, c.ignore, c.background)
			for what, pair := range map[string][2]float64{"cells": {s.CellError(), c.cells}, "label": {s.LabelError(), c.label}} {
				if got, want := pair[0], pair[1]; !(math.Abs(got-want) < 1e-12) && !(got != got && want != want) {
					t.Errorf("%s: error %v, want %v", what, got, want)
				}
			}
		})
	}
	s := Score{Cells: square(3)}
	s.count(outputs, []int32{1, 1, 0}, nil, nil)
	want := [][]int64{{0, 0, 1}, {1, 1, 0}, {0, 0, 0}}
	if !slices.EqualFunc(s.Cells, want, slices.Equal[[]int64]) {
		t.Errorf("confusion %v, want %v", s.Cells, want)
	}
}

func TestIoU(t *testing.T) {
	// Class 2 neither occurs nor is answered; class 3 only is answered.
	s := Score{Cells: [][]int64{{6, 2, 0, 0}, {1, 3, 0, 1}, {0, 0, 0, 0}, {0, 0, 0, 0}}}
	none := math.NaN()
	want := []float64{6. / 9, 3. / 7, none, 0, (6./9 + 3./7) / 3}
	got := []float64{s.IoU(0), s.IoU(1), s.IoU(2), s.IoU(3), s.MeanIoU()}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) < 1e-12) && !(got[i] != got[i] && want[i] != want[i]) {
			t.Errorf("got %v, want %v", got, want)
			break
		}
	}
	if got := (Score{Cells: square(3)}).MeanIoU(); got == got {
		t.Errorf("the mean of nothing is %v, want NaN", got)
	}
}
