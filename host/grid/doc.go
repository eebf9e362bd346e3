// Package grid turns grids of any number of axes into the order in which a
// multi-dimensional LSTM may compute them: the schedule. It is pure index
// arithmetic; no package below it exists and no data passes through it.
//
// # Wavefronts
//
// A cell of a grid depends on its predecessor along each axis, so all cells
// whose coordinates have the same sum (an anti-diagonal, in more axes a
// hyperplane) depend only on cells of the sum before. That set is a wavefront
// and can be computed at once. A 3 × 4 grid has 3 + 4 - 1 = 6 of them:
//
//	        axis 1 →
//	axis 0   0  1  2  3        pred along axis 1: the cell to the left
//	   ↓     1  2  3  4        pred along axis 0: the cell above
//	         2  3  4  5        both lie in the wavefront before
//
// # Rows
//
// A row is one (sample, cell) that exists. The T rows of a batch are sorted by
// wavefront, then sample, then cell in row-major order. Two samples, a of
// 2 × 2 and b of 1 × 3, give T = 7 rows:
//
//	wavefront   0        1              2
//	row         0   1    2    3    4    5    6
//	sample      a   b    a    a    b    a    b
//	cell       0,0 0,0  0,1  1,0  0,1  1,1  0,2
//	pred 0      -   -    -    0    -    2    -     row of the cell above
//	pred 1      -   -    0    -    1    3    4     row of the cell to the left
//	packed      0   4    1    2    5    3    6     a's cells are 0 … 3, b's 4 … 6
//
// So a wavefront is one contiguous block of rows of every array, and each
// sample is one contiguous block within it. Samples of unequal size simply have
// other rows: padding does not exist. Row T, one behind the last, is the row of
// zeros that stands for every cell outside a sample: each "-" above is 7.
//
// # Packed cells
//
// Data come and go in packed order: sample after sample, each sample's cells in
// row-major order, nothing between them. [Schedule.Cell] and [Schedule.Row]
// translate.
//
// # Directions
//
// A direction says for each axis whether it is scanned from index 0 up or from
// the end down. All directions share one schedule: in direction q, row r stands
// for the cell mirrored inside its own sample, whose data lie at row
// Input(q)[r]. The table is an involution, so gradients gather through it too.
//
// # Maps between layers
//
// A window makes w_0 × w_1 × … cells one; sum collapses an axis; a view, before
// the first layer, reads the grid as 1-D sequences. Each is a table of rows
// between two schedules, or for views just another list of shapes, because
// packed order is the same for both. Windows of 2 × 2 on the two samples above
// read the row of zeros beyond the far edges of each sample:
//
//	a  [0  2]      b  [1  4] [6  -]      new row    0        1        2
//	   [3  5]         [-  -] [-  -]      reads   0 2 3 5  1 4 - -  6 - - -
//
// [Cache] keeps the schedules of the batches used last, and each schedule the
// tables and maps that were made from it.
package grid
