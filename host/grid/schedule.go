package grid

import "sync"

// Schedule is the order of computation of one batch on one grid: T rows sorted
// by wavefront, then sample, then cell. It is read-only once made and safe for
// use by several goroutines.
type Schedule struct {
	Axes       int
	Samples    int
	Rows       int // T
	Wavefronts int
	Shapes     []Shape // of each sample

	// Start [Wavefronts*Samples + 1]: sample b of wavefront t has the rows
	// Start[t*Samples+b] up to the entry behind it, so samples a … b-1 of
	// wavefront t are one block too, and so is the whole wavefront.
	Start []int32

	// Pred and Succ [Axes][Rows+1]: the row of the neighbour one step back and
	// one step forward along an axis; Rows where there is none, and for row Rows.
	Pred, Succ [][]int32

	// Cell [Rows+1] gives a row's packed cell, Row [Rows+1] a packed cell's row;
	// entry Rows is Rows in both.
	Cell, Row []int32

	// First [Samples+1] is the packed cell at which each sample begins.
	First []int32

	mu     sync.Mutex
	inputs map[Direction][]int32
}
