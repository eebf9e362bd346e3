package grid_test

import (
	"fmt"

	"mdlstm-gpu/host/grid"
)

// The batch drawn in the package documentation: its wavefronts, and what each
// row depends on.
func ExampleNew() {
	s, err := grid.New([]grid.Shape{{2, 2}, {1, 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for t := range s.Wavefronts {
		lo, hi := s.Range(t, 0, s.Samples)
		fmt.Printf("wavefront %d: rows %d-%d, cells %v, pred %v %v\n",
			t, lo, hi-1, s.Cell[lo:hi], s.Pred[0][lo:hi], s.Pred[1][lo:hi])
	}
	// Output:
	// wavefront 0: rows 0-1, cells [0 4], pred [7 7] [7 7]
	// wavefront 1: rows 2-4, cells [1 2 5], pred [7 0 7] [0 7 1]
	// wavefront 2: rows 5-6, cells [3 6], pred [2 7] [3 4]
}

// A window joins 2 × 2 cells to one, with the row of zeros (7) where a sample
// ends; then the remaining cells of each line are added up.
func ExampleSchedule_Window() {
	s, err := grid.New([]grid.Shape{{2, 2}, {1, 3}})
	if err != nil {
		fmt.Println(err)
		return
	}
	w, err := s.Window([]int{2, 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	sum, err := w.Next.Sum(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Shapes, w.Next.Shapes, sum.Next.Shapes)
	for r := range w.Next.Rows {
		fmt.Printf("new row %d reads", r)
		for _, source := range w.Source {
			fmt.Print(" ", source[r])
		}
		fmt.Println()
	}
	// Output:
	// [2x2 1x3] [1x1 1x2] [1 1]
	// new row 0 reads 0 2 3 5
	// new row 1 reads 1 4 7 7
	// new row 2 reads 6 7 7 7
}
