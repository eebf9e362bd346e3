package grid

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestNewByHand holds the tables of the documented batch and of the smallest
// grids as they were worked out on paper.
func TestNewByHand(t *testing.T) {
	type tables struct {
		Wavefronts       int
		Start            []int32
		Pred, Succ       [][]int32
		Cell, Row, First []int32
	}
	tests := []struct {
		name    string
		samples []Shape
		want    tables
	}{
		{"2x2 and 1x3", twoSamples, tables{
			Wavefronts: 3,
			Start:      []int32{0, 1, 2, 4, 5, 6, 7},
			Pred:       [][]int32{{7, 7, 7, 0, 7, 2, 7, 7}, {7, 7, 0, 7, 1, 3, 4, 7}},
			Succ:       [][]int32{{3, 7, 5, 7, 7, 7, 7, 7}, {2, 4, 7, 5, 6, 7, 7, 7}},
			Cell:       []int32{0, 4, 1, 2, 5, 3, 6, 7},
			Row:        []int32{0, 2, 3, 5, 1, 4, 6, 7},
			First:      []int32{0, 4, 7},
		}},
		{"no axes, two samples", []Shape{{}, {}}, tables{
			Wavefronts: 1,
			Start:      []int32{0, 1, 2},
			Pred:       [][]int32{}, Succ: [][]int32{},
			Cell: []int32{0, 1, 2}, Row: []int32{0, 1, 2}, First: []int32{0, 1, 2},
		}},
		{"one cell of 3 axes", []Shape{{1, 1, 1}}, tables{
			Wavefronts: 1,
			Start:      []int32{0, 1},
			Pred:       [][]int32{{1, 1}, {1, 1}, {1, 1}}, Succ: [][]int32{{1, 1}, {1, 1}, {1, 1}},
			Cell: []int32{0, 1}, Row: []int32{0, 1}, First: []int32{0, 1},
		}},
		{"sequences of 1 and 3", []Shape{{1}, {3}}, tables{
			Wavefronts: 3,
			Start:      []int32{0, 1, 2, 2, 3, 3, 4},
			Pred:       [][]int32{{4, 4, 1, 2, 4}}, Succ: [][]int32{{4, 2, 3, 4, 4}},
			Cell: []int32{0, 1, 2, 3, 4}, Row: []int32{0, 1, 2, 3, 4}, First: []int32{0, 1, 4},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSchedule(t, tt.samples...)
			got := tables{s.Wavefronts, s.Start, s.Pred, s.Succ, s.Cell, s.Row, s.First}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("got -, want +:\n%s", diff)
			}
		})
	}
}

func TestNewManyAxes(t *testing.T) {
	samples := []Shape{{2, 1, 2, 1, 2, 1, 2, 2}, {1, 3, 1, 1, 2, 1, 1, 1}}
	s := newSchedule(t, samples...)
	if err := checkSchedule(s, samples); err != nil {
		t.Error(err)
	}
	for _, direction := range []Direction{0, 1 << 7, 0b10101010, 0xff} {
		if err := checkInput(s, direction, s.Input(direction)); err != nil {
			t.Error(err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name    string
		samples []Shape
		want    string // part of the message
	}{
		{"nil", nil, "got 0 samples"},
		{"differing axes", []Shape{{2, 2}, {4}}, "sample 1: got 1 axes (4), want 2"},
		{"no axes beside some", []Shape{{2}, {}}, "sample 1: got 0 axes (1 cell), want 1"},
		{"too many axes", []Shape{make(Shape, MaxAxes+1)}, "want at most 8"},
		{"size 0", []Shape{{2, 2}, {3, 0}}, "sample 1: got size 0 on axis 1 (3x0)"},
		{"negative sizes", []Shape{{-2, -2}}, "got size -2 on axis 0"},
		{"one row too many", []Shape{{MaxRows + 1}}, "more than 2147483646 cells"},
		{"product beyond int64", []Shape{{1 << 30, 1 << 30, 1 << 30}}, "more than 2147483646 cells"},
		{"sum beyond int32", []Shape{{1 << 15, 1 << 15}, {1 << 15, 1 << 15}}, "sample 1 (32768x32768)"},
		{"too many blocks", append(make1D(1<<16, 1), Shape{1 << 16}), "65537 samples times 65536 wavefronts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := New(tt.samples)
			if s != nil || !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an ErrShape with %q", err, tt.want)
			}
		})
	}
}

// make1D is a list of sequences of one length.
func make1D(samples, length int) []Shape {
	list := make([]Shape, samples)
	for b := range list {
		list[b] = Shape{length}
	}
	return list
}

func TestNewCopiesShapes(t *testing.T) {
	samples := []Shape{{2, 3}, {3, 2}}
	s := newSchedule(t, samples...)
	samples[0][0], samples[1] = 9, Shape{9, 9}
	if err := checkSchedule(s, []Shape{{2, 3}, {3, 2}}); err != nil {
		t.Error(err)
	}
	// Growing one copy must not run into the next.
	_ = append(s.Shapes[0], 7)
	if !s.Shapes[1].Equal(Shape{3, 2}) {
		t.Errorf("shape 1 became %v", s.Shapes[1])
	}
}

func TestRange(t *testing.T) {
	s := newSchedule(t, Shape{2, 2}, Shape{1, 1}, Shape{1, 3})
	tests := []struct {
		wavefront, from, to int
		lo, hi              int
	}{
		{0, 0, 3, 0, 3},
		{1, 0, 1, 3, 5},
		{1, 1, 2, 5, 5}, // the single cell has no wavefront 1
		{1, 1, 3, 5, 6},
		{2, 0, 3, 6, 8},
		{2, 3, 3, 8, 8},
	}
	for _, tt := range tests {
		if lo, hi := s.Range(tt.wavefront, tt.from, tt.to); lo != tt.lo || hi != tt.hi {
			t.Errorf("Range(%d, %d, %d) = %d, %d, want %d, %d", tt.wavefront, tt.from, tt.to, lo, hi, tt.lo, tt.hi)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, size := range []struct {
		shape   Shape
		samples int
	}{
		{Shape{8, 8}, 16},
		{Shape{28, 28}, 64},
		{Shape{32, 256}, 16},
		{Shape{16, 16, 16}, 16},
		{Shape{784}, 64},
		{Shape{1024, 1024}, 1},
	} {
		b.Run(fmt.Sprintf("size=%v/B=%d", size.shape, size.samples), func(b *testing.B) {
			samples := make([]Shape, size.samples)
			for i := range samples {
				samples[i] = size.shape
			}
			rows := size.shape.Cells() * size.samples
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(samples); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
