package task

import (
	"fmt"
	"slices"
	"testing"

	"mdlstm-gpu/host/grid"
)

func TestCopyView(t *testing.T) {
	tests := []struct {
		name        string
		full, size  grid.Shape
		start, flip []int
		width       int
		want        []int // cells of full, in order
	}{
		{"whole", grid.Shape{2, 3}, grid.Shape{2, 3}, nil, nil, 1, []int{0, 1, 2, 3, 4, 5}},
		{"whole, two channels", grid.Shape{1, 3}, grid.Shape{1, 3}, nil, nil, 2, []int{0, 1, 2}},
		{"crop", grid.Shape{3, 4}, grid.Shape{2, 2}, []int{1, 2}, nil, 1, []int{6, 7, 10, 11}},
		{"rows reversed", grid.Shape{2, 3}, grid.Shape{2, 3}, nil, []int{0}, 2, []int{3, 4, 5, 0, 1, 2}},
		{"columns reversed", grid.Shape{2, 3}, grid.Shape{2, 3}, nil, []int{1}, 2, []int{2, 1, 0, 5, 4, 3}},
		{"crop, both reversed", grid.Shape{3, 4}, grid.Shape{2, 2}, []int{1, 2}, []int{0, 1}, 3, []int{11, 10, 7, 6}},
		{"line", grid.Shape{5}, grid.Shape{3}, []int{1}, []int{0}, 1, []int{3, 2, 1}},
		{"volume", grid.Shape{2, 2, 2}, grid.Shape{2, 1, 2}, []int{0, 1, 0}, []int{0, 2}, 1, []int{7, 6, 3, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := view{size: test.size}
			copy(v.start[:], test.start)
			for _, d := range test.flip {
				v.flip[d] = true
			}
			src := make([]int, test.full.Cells()*test.width)
			for i := range src {
				src[i] = i
			}
			var want []int
			for _, cell := range test.want {
				for k := range test.width {
					want = append(want, cell*test.width+k)
				}
			}
			got := make([]int, len(want))
			copyView(got, src, test.full, v, test.width)
			if !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestRandomView: every part and every flip comes, none outside the grid.
func TestRandomView(t *testing.T) {
	full, size := grid.Shape{3, 2}, grid.Shape{2, 2}
	seen := map[string]int{}
	var r stream
	for s := range int64(200) {
		r.start(7, "images", s)
		v := randomView(&r, full, size, []int{1})
		if v.start[0] < 0 || v.start[0] > 1 || v.start[1] != 0 || v.flip[0] {
			t.Fatalf("sample %d: view %+v", s, v)
		}
		seen[fmt.Sprint(v.start[0], v.flip[1])]++
	}
	for _, kind := range []string{"0 false", "0 true", "1 false", "1 true"} {
		if seen[kind] < 30 { // 50 are expected, with a deviation of 6
			t.Errorf("%s came %d times of 200", kind, seen[kind])
		}
	}
	if v := middle(grid.Shape{5, 2}, size); v.start[0] != 1 || v.start[1] != 0 {
		t.Errorf("middle begins at %v", v.start[:2])
	}
}
