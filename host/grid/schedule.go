package grid

import (
	"fmt"
	"math"
	"sync"
)

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

	ordered sync.Once // by a Cache

	// Tables made on demand and kept, so that a batch of known sizes builds
	// nothing.
	mu      sync.Mutex
	inputs  map[Direction][]int32
	windows map[[MaxAxes]int]*WindowMap
	sums    map[int]*SumMap
}

// New makes the schedule of a batch of samples with any mix of sizes, in time
// and memory proportional to Rows·Axes + Wavefronts·Samples. The shapes are
// copied. Errors wrap [ErrShape]: no samples, different numbers of axes or more
// than [MaxAxes], a size below 1, more than [MaxRows] cells, or a table of
// starts as long as that (very many samples beside a very long one).
func New(samples []Shape) (*Schedule, error) {
	s, err := sized(samples)
	if err != nil {
		return nil, err
	}
	s.order()
	return s, nil
}

// sized is a schedule without its tables.
func sized(samples []Shape) (*Schedule, error) {
	rows, err := countRows(samples)
	if err != nil {
		return nil, fmt.Errorf("schedule: %w", err)
	}
	s := &Schedule{
		Axes:    len(samples[0]),
		Samples: len(samples),
		Rows:    rows,
		Shapes:  cloneShapes(samples),
	}
	for _, shape := range s.Shapes {
		s.Wavefronts = max(s.Wavefronts, wavefronts(shape))
	}
	if s.Wavefronts > math.MaxInt32/s.Samples {
		return nil, fmt.Errorf("schedule: %d samples times %d wavefronts are more than %d blocks: "+
			"put long and short samples into different batches: %w", s.Samples, s.Wavefronts, math.MaxInt32, ErrShape)
	}
	return s, nil
}

// order makes the tables.
func (s *Schedule) order() {
	s.number()
	s.link()
}

// wavefronts counts the different sums of coordinates in a grid.
func wavefronts(shape Shape) int {
	count := 1
	for _, n := range shape {
		count += n - 1
	}
	return count
}

// number fills First, Start, Cell and Row. It is a counting sort of the cells by
// (wavefront, sample); cells come in packed order, so those of one block stay in
// row-major order.
func (s *Schedule) number() {
	s.First = make([]int32, s.Samples+1)
	for b, shape := range s.Shapes {
		s.First[b+1] = s.First[b] + int32(shape.Cells())
	}

	// A line has a cell in each of l.n wavefronts in turn, so its ends are enough to
	// count the cells of every block.
	s.Start = make([]int32, s.Wavefronts*s.Samples+1)
	counts := s.Start[1:]
	for l := range s.lines {
		counts[l.sum*s.Samples+l.sample]++
		if end := l.sum + l.n; end < s.Wavefronts {
			counts[end*s.Samples+l.sample]--
		}
	}
	for i := s.Samples; i < len(counts); i++ {
		counts[i] += counts[i-s.Samples]
	}
	for i := 1; i < len(s.Start); i++ {
		s.Start[i] += s.Start[i-1]
	}

	// Start serves as the next free row of each block. That moves every entry on
	// to the start of the block behind it, so shifting by one restores it; a
	// copy would double what many samples beside a long one need.
	s.Cell, s.Row = make([]int32, s.Rows+1), make([]int32, s.Rows+1)
	s.Cell[s.Rows], s.Row[s.Rows] = int32(s.Rows), int32(s.Rows)
	for l := range s.lines {
		for j := range l.n {
			row := &s.Start[(l.sum+j)*s.Samples+l.sample]
			s.Row[l.cell+j] = *row
			s.Cell[*row] = int32(l.cell + j)
			*row++
		}
	}
	copy(s.Start[1:], s.Start)
	s.Start[0] = 0
}

// manyRows is from how many rows on goroutines pay for tables.
const manyRows = 1 << 12

// link fills Pred and Succ, of large batches for all axes at once.
func (s *Schedule) link() {
	s.Pred, s.Succ = make([][]int32, s.Axes), make([][]int32, s.Axes)
	var all sync.WaitGroup
	for d := range s.Axes {
		if s.Rows < manyRows {
			s.linkAxis(d)
			continue
		}
		all.Go(func() { s.linkAxis(d) })
	}
	all.Wait()
}

func (s *Schedule) linkAxis(d int) {
	pred, succ := s.table(), s.table()
	s.Pred[d], s.Succ[d] = pred, succ
	for l := range s.lines {
		rows := s.Row[l.cell : l.cell+l.n]
		if d == s.Axes-1 {
			for j := 1; j < l.n; j++ {
				pred[rows[j]], succ[rows[j-1]] = rows[j-1], rows[j]
			}
			continue
		}
		if l.at[d] == 0 {
			continue
		}
		for j, back := range s.Row[l.cell-l.stride[d]:][:l.n] {
			pred[rows[j]], succ[back] = back, rows[j]
		}
	}
}

// table is a new table [Rows+1] in which every row leads to the row of zeros.
func (s *Schedule) table() []int32 { return filled(s.Rows+1, s.Rows) }

// filled is a new table of n entries, each of them row.
func filled(n, row int) []int32 {
	t := make([]int32, n)
	for i := range t {
		t[i] = int32(row)
	}
	return t
}

// Range gives the rows lo … hi-1 that samples from … to-1 have in a wavefront;
// lo = hi if they have none, as smaller samples do in late wavefronts. It panics
// if the wavefront or a sample does not exist.
func (s *Schedule) Range(wavefront, from, to int) (lo, hi int) {
	at := wavefront * s.Samples
	return int(s.Start[at+from]), int(s.Start[at+to])
}
