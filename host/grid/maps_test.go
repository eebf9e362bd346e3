package grid

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tablesOf keeps what can be compared of a map by itself.
type tablesOf struct {
	Shapes                []Shape
	Sources               [][]int32
	Start, Target, Offset []int32
}

func TestWindowByHand(t *testing.T) {
	tests := []struct {
		name    string
		samples []Shape
		window  []int
		want    tablesOf
	}{
		{"2x2 and 1x3 by 2x2", twoSamples, []int{2, 2}, tablesOf{
			Shapes:  []Shape{{1, 1}, {1, 2}},
			Sources: [][]int32{{0, 1, 6, 7}, {2, 4, 7, 7}, {3, 7, 7, 7}, {5, 7, 7, 7}},
			Target:  []int32{0, 1, 0, 0, 1, 0, 2, 3},
			Offset:  []int32{0, 0, 1, 2, 1, 3, 0},
		}},
		{"one cell wide, axis 0 only", twoSamples, []int{2, 1}, tablesOf{
			Shapes:  []Shape{{1, 2}, {1, 3}},
			Sources: [][]int32{{0, 1, 2, 4, 6, 7}, {3, 7, 5, 7, 7, 7}},
			Target:  []int32{0, 1, 2, 0, 3, 2, 4, 5},
			Offset:  []int32{0, 0, 0, 1, 0, 1, 0},
		}},
		{"larger than the sample", []Shape{{2}}, []int{3}, tablesOf{
			Shapes:  []Shape{{1}},
			Sources: [][]int32{{0, 2}, {1, 2}, {2, 2}},
			Target:  []int32{0, 0, 1},
			Offset:  []int32{0, 1},
		}},
		{"no axes", []Shape{{}, {}}, []int{}, tablesOf{
			Shapes:  []Shape{{}, {}},
			Sources: [][]int32{{0, 1, 2}},
			Target:  []int32{0, 1, 2},
			Offset:  []int32{0, 0},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, tt.samples...)
			m, err := s.Window(tt.window)
			if err != nil {
				t.Fatal(err)
			}
			got := tablesOf{Shapes: m.Next.Shapes, Sources: m.Source, Target: m.Target, Offset: m.Offset}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestWindowOfOnesLeadsBack(t *testing.T) {
	s := newSchedule(t, twoSamples...)
	m, err := s.Window([]int{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	if m.Next != s {
		t.Error("another schedule was made")
	}
	if err := checkWindow(s, m, []int{1, 1}); err != nil {
		t.Error(err)
	}
}

func TestWindowIsKept(t *testing.T) {
	s := newSchedule(t, twoSamples...)
	window := []int{2, 2}
	first, err := s.Window(window)
	if err != nil {
		t.Fatal(err)
	}
	window[0] = 1 // the map must have a copy
	if _, err := s.Window(window); err != nil {
		t.Fatal(err)
	}
	window[0] = 2
	if again, _ := s.Window(window); again != first || first.Window[0] != 2 {
		t.Error("an equal window gave another map")
	}
	if n := testing.AllocsPerRun(10, func() { _, _ = s.Window(window) }); n != 0 {
		t.Errorf("%v allocations to find a map, want 0", n)
	}
}

func TestWindowRefuses(t *testing.T) {
	tests := []struct {
		name   string
		window []int
		want   string
	}{
		{"nil", nil, "got 0 sizes, want 2"},
		{"too few", []int{2}, "got 1 sizes, want 2"},
		{"too many", []int{2, 2, 2}, "got 3 sizes, want 2"},
		{"zero", []int{2, 0}, "got size 0 on axis 1"},
		{"negative", []int{-1, 2}, "got size -1 on axis 0"},
		{"huge", []int{math.MaxInt32, 2}, "use a smaller window"},
		{"product beyond int", []int{math.MaxInt, math.MaxInt}, "use a smaller window"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := newSchedule(t, twoSamples...).Window(tt.window)
			if m != nil || !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an ErrShape with %q", err, tt.want)
			}
		})
	}
}

func TestSumByHand(t *testing.T) {
	tests := []struct {
		name    string
		samples []Shape
		axis    int
		want    tablesOf
	}{
		{"axis 0 of 2x2 and 1x3", twoSamples, 0, tablesOf{
			Shapes:  []Shape{{2}, {3}},
			Sources: [][]int32{{0, 3, 1, 2, 5, 4, 6}},
			Start:   []int32{0, 2, 3, 5, 6, 7},
			Target:  []int32{0, 1, 2, 0, 3, 2, 4, 5},
		}},
		{"axis 1 of 2x2 and 1x3", twoSamples, 1, tablesOf{
			Shapes:  []Shape{{2}, {1}},
			Sources: [][]int32{{0, 2, 1, 4, 6, 3, 5}},
			Start:   []int32{0, 2, 5, 7},
			Target:  []int32{0, 1, 0, 2, 1, 2, 1, 3},
		}},
		{"the last axis", []Shape{{1}, {2}}, 0, tablesOf{
			Shapes:  []Shape{{}, {}},
			Sources: [][]int32{{0, 1, 2}},
			Start:   []int32{0, 1, 3},
			Target:  []int32{0, 1, 1, 2},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, tt.samples...)
			m, err := s.Sum(tt.axis)
			if err != nil {
				t.Fatal(err)
			}
			got := tablesOf{Shapes: m.Next.Shapes, Sources: [][]int32{m.Source}, Start: m.Start, Target: m.Target}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
			if again, _ := s.Sum(tt.axis); again != m {
				t.Error("a second call gave another map")
			}
		})
	}
}

func TestSumRefuses(t *testing.T) {
	tests := []struct {
		name   string
		sample Shape
		axis   int
		want   string
	}{
		{"no axis left", Shape{}, 0, "no axis left"},
		{"too large", Shape{2, 2}, 2, "want an axis from 0 to 1"},
		{"negative", Shape{2, 2}, -1, "want an axis from 0 to 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := newSchedule(t, tt.sample).Sum(tt.axis)
			if m != nil || !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an ErrShape with %q", err, tt.want)
			}
		})
	}
}

func TestView(t *testing.T) {
	tests := []struct {
		name, view string
		samples    []Shape
		want       []Shape
	}{
		{"grid", ViewGrid, twoSamples, twoSamples},
		{"rows", ViewRows, twoSamples, []Shape{{2}, {2}, {3}}},
		{"snake", ViewSnake, twoSamples, []Shape{{4}, {3}}},
		{"rows of a volume", ViewRows, []Shape{{2, 2, 3}}, []Shape{{3}, {3}, {3}, {3}}},
		{"rows of sequences", ViewRows, []Shape{{5}, {1}}, []Shape{{5}, {1}}},
		{"rows without axes", ViewRows, []Shape{{}, {}}, []Shape{{1}, {1}}},
		{"snake without axes", ViewSnake, []Shape{{}}, []Shape{{1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := View(tt.view, tt.samples)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestViewRefuses(t *testing.T) {
	tests := []struct {
		name, view string
		samples    []Shape
		want       string
		shape      bool // the error is about shapes
	}{
		{"unknown", "columns", twoSamples, `view "columns": want "grid", "rows" or "snake"`, false},
		{"empty", "", twoSamples, `view "": want`, false},
		{"no samples", ViewGrid, nil, "got 0 samples", true},
		{"size 0", ViewRows, []Shape{{2, 0}}, "got size 0 on axis 1", true},
		{"too many cells", ViewSnake, []Shape{{1 << 20, 1 << 20}}, "more than 2147483646 cells", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := View(tt.view, tt.samples)
			if got != nil || err == nil || errors.Is(err, ErrShape) != tt.shape || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}
