package grid

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// batches draws 1 … 4 samples of any sizes on 0 … 4 axes. Draws lean to small
// sizes and equal samples, where the edges are; TestLargerBatches has the others.
func batches(t *rapid.T) []Shape {
	axes := rapid.IntRange(0, 4).Draw(t, "axes")
	largest := []int{1, 20, 7, 4, 3}[axes]
	shape := rapid.SliceOfN(rapid.IntRange(1, largest), axes, axes)
	return rapid.SliceOfN(rapid.Map(shape, func(s []int) Shape { return s }), 1, 4).Draw(t, "samples")
}

func newSchedule(t interface{ Fatalf(string, ...any) }, samples ...Shape) *Schedule {
	s, err := New(samples)
	if err != nil {
		t.Fatalf("New(%v): %v", samples, err)
	}
	return s
}

// TestLargerBatches puts every check to hundreds of rows of unequal samples.
func TestLargerBatches(t *testing.T) {
	tests := []struct {
		samples []Shape
		window  []int
	}{
		{[]Shape{{230}, {1}, {64}, {101}}, []int{7}},
		{[]Shape{{17, 13}, {5, 31}, {1, 1}, {20, 2}}, []int{3, 4}},
		{[]Shape{{7, 6, 5}, {1, 1, 29}, {3, 8, 2}}, []int{2, 1, 5}},
		{[]Shape{{4, 5, 3, 4}, {2, 2, 7, 2}, {1, 6, 1, 1}}, []int{3, 2, 2, 1}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.samples), func(t *testing.T) {
			s := newSchedule(t, tt.samples...)
			if err := checkSchedule(s, tt.samples); err != nil {
				t.Fatal(err)
			}
			for _, direction := range AllDirections(s.Axes) {
				if err := checkInput(s, direction, s.Input(direction)); err != nil {
					t.Errorf("direction %q: %v", direction.Signs(s.Axes), err)
				}
			}
			w, err := s.Window(tt.window)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkWindow(s, w, tt.window); err != nil {
				t.Errorf("window %v: %v", tt.window, err)
			}
			for axis := range s.Axes {
				m, err := s.Sum(axis)
				if err != nil {
					t.Fatal(err)
				}
				if err := checkSum(s, m, axis); err != nil {
					t.Errorf("sum over axis %d: %v", axis, err)
				}
			}
		})
	}
}

func TestPropertySchedule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := batches(t)
		s := newSchedule(t, samples...)
		if err := checkSchedule(s, samples); err != nil {
			t.Fatal(err)
		}
		for _, direction := range AllDirections(s.Axes) {
			if err := checkInput(s, direction, s.Input(direction)); err != nil {
				t.Fatalf("direction %q: %v", direction.Signs(s.Axes), err)
			}
		}
	})
}

func TestPropertyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSchedule(t, batches(t)...)
		window := rapid.SliceOfN(rapid.IntRange(1, 4), s.Axes, s.Axes).Draw(t, "window")
		m, err := s.Window(window)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkWindow(s, m, window); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPropertySum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSchedule(t, batches(t)...)
		for s.Axes > 0 { // down to single cells
			axis := rapid.IntRange(0, s.Axes-1).Draw(t, "axis")
			m, err := s.Sum(axis)
			if err != nil {
				t.Fatal(err)
			}
			if err := checkSum(s, m, axis); err != nil {
				t.Fatal(err)
			}
			s = m.Next
		}
	})
}

// TestPropertyView follows every packed cell through the views: its sequence
// must have as many cells before and behind it as its line or sample has.
func TestPropertyView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := batches(t)
		all := places(samples)
		for _, view := range []string{ViewGrid, ViewRows, ViewSnake} {
			viewed, err := View(view, samples)
			if err != nil {
				t.Fatal(err)
			}
			sequences := places(viewed)
			if len(sequences) != len(all) {
				t.Fatalf("%s: %d packed cells, want %d", view, len(sequences), len(all))
			}
			if view == ViewGrid {
				continue
			}
			for cell, p := range sequences {
				if len(p.at) != 1 {
					t.Fatalf("%s: cell %d has %d axes, want 1", view, cell, len(p.at))
				}
				// A new sequence begins where a sample does, and in view rows also
				// where the last coordinate is 0.
				q := all[cell]
				begins := total(q.at) == 0 || view == ViewRows && q.at[len(q.at)-1] == 0
				if (p.at[0] == 0) != begins {
					t.Fatalf("%s: cell %d, sample %d %v, is step %d of its sequence", view, cell, q.sample, q.at, p.at[0])
				}
			}
		}
	})
}
