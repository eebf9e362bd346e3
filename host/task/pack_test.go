package task

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"mdlstm-gpu/host/grid"
)

// TestEachRun compares with a walk over all cells by coordinates.
func TestEachRun(t *testing.T) {
	for _, padded := range []grid.Shape{{}, {1}, {4}, {2, 3}, {3, 1, 2}, {2, 3, 2, 2}} {
		for code := range padded.Cells() {
			size := slices.Clone(padded)
			for d, less := range coordinates(code, padded) {
				size[d] -= less
			}
			t.Run(fmt.Sprintf("%v in %v", size, padded), func(t *testing.T) {
				var want, got []int
				for cell := range padded.Cells() {
					inside := true
					for d, at := range coordinates(cell, padded) {
						inside = inside && at < size[d]
					}
					if inside {
						want = append(want, cell)
					}
				}
				runs := 0
				eachRun(padded, size, func(start, cells int) {
					runs++
					for i := range cells {
						got = append(got, start+i)
					}
				})
				if !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
				if slices.Equal(size, padded) && runs != 1 {
					t.Errorf("a whole sample took %d runs", runs)
				}
			})
		}
	}
}

func TestScatter(t *testing.T) {
	nan := float32(math.NaN())
	dst := slices.Repeat([]float32{nan}, 18)
	err := Scatter(dst, counting(10), []grid.Shape{{2, 3}, {1, 2}, {2, 1}}, grid.Shape{2, 3}, 1)
	want := []float32{0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 8, 0, 0, 9, 0, 0}
	if err != nil || !slices.Equal(dst, want) {
		t.Errorf("got %v, %v, want %v", dst, err, want)
	}
	dst = slices.Repeat([]float32{nan}, 8)
	err = Scatter(dst, counting(4), []grid.Shape{{1}, {1}}, grid.Shape{2}, 2)
	if want := []float32{0, 1, 0, 0, 2, 3, 0, 0}; err != nil || !slices.Equal(dst, want) {
		t.Errorf("two units: got %v, %v, want %v", dst, err, want)
	}
	dst = []float32{nan, nan}
	if err := Scatter(dst, []float32{3, 4}, []grid.Shape{{}, {}}, grid.Shape{}, 1); err != nil || !slices.Equal(dst, []float32{3, 4}) {
		t.Errorf("no axes: got %v, %v", dst, err)
	}
}

// TestScatterUndoesGather takes samples of all sizes there and back.
func TestScatterUndoesGather(t *testing.T) {
	padded := grid.Shape{2, 3, 2}
	src := counting(2 * padded.Cells() * 2)
	for code := range padded.Cells() {
		size := slices.Clone(padded)
		for d, less := range coordinates(code, padded) {
			size[d] -= less
		}
		packed := make([]float32, size.Cells()*2)
		if n := gather(packed, src, 1, padded, size, 2); n != len(packed) {
			t.Fatalf("%v: gathered %d values, want %d", size, n, len(packed))
		}
		dst := make([]float32, padded.Cells()*2)
		if err := Scatter(dst, packed, []grid.Shape{size}, padded, 2); err != nil {
			t.Fatal(err)
		}
		for i, v := range dst {
			want := src[len(dst)+i]
			for d, at := range coordinates(i/2, padded) {
				if at >= size[d] {
					want = 0
				}
			}
			if v != want {
				t.Errorf("%v: value %d is %v, want %v", size, i, v, want)
			}
		}
	}
}

func TestScatterRefuses(t *testing.T) {
	for _, test := range []struct {
		name        string
		dst, packed int
		sizes       []grid.Shape
		want        string
	}{
		{"packed too short", 6, 3, []grid.Shape{{2, 2}}, "got 3 packed values, want 4"},
		{"packed too long", 6, 5, []grid.Shape{{2, 2}}, "got 5 packed values, want 4"},
		{"no room", 5, 4, []grid.Shape{{2, 2}}, "room for 5 values, want 6"},
		{"beyond", 6, 6, []grid.Shape{{3, 2}}, "size 3 on axis 0, want 1 … 2"},
		{"empty", 6, 0, []grid.Shape{{0, 2}}, "size 0 on axis 0"},
		{"axes", 6, 2, []grid.Shape{{2}}, "want 2 axes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			checkError(t, Scatter(make([]float32, test.dst), make([]float32, test.packed), test.sizes, grid.Shape{2, 3}, 1), test.want)
		})
	}
}
