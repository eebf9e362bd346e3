package cpu

// field is what one stage hands to the next: width features for each of T rows,
// a row of zeros behind them, and the gradient that comes back. The consumer
// writes every element of grad exactly once.
type field struct {
	width int
	back  bool      // a gradient is wanted: not of the model's inputs
	rows  int       // T
	slab  *slab     // whose memory data is; nil: its own
	data  []float32 // [T+1, width]
	grad  []float32 // [T+1, width]

	// A field whose producer reads each row's gradient once or twice need not keep
	// them: sparing says that it would rather ask, source is then whom.
	sparing bool
	source  gradientSource
}

// gradientSource computes rows of a field's gradient when they are wanted:
// columns offset … offset+width-1 of the rows of index into dst [len(index), width].
type gradientSource interface {
	gradientOf(index []int32, offset, width int, dst []float32, worker int)
}

// resize makes room for rows rows and zeroes the row behind the last.
func (f *field) resize(rows int) {
	f.rows = rows
	n := (rows + 1) * f.width
	if f.slab != nil { // see place
		f.slab.need = max(f.slab.need, n)
		return
	}
	f.data = grow(f.data, n)
	clear(f.data[rows*f.width:])
	if f.back && f.source == nil {
		f.grad = grow(f.grad, n)
		clear(f.grad[rows*f.width:])
	}
}

// place takes data from the slab, once it has room for all its fields.
func (f *field) place() {
	if f.slab != nil {
		f.data = f.slab.data[:(f.rows+1)*f.width]
	}
}

// zero clears the row behind the last, where another field of the slab may have
// been.
func (f *field) zero() { clear(f.data[f.rows*f.width:]) }

// grow returns s with length n, anew only when its room does not suffice.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		s = make([]T, n)
		inHugePages(s)
	}
	return s[:n]
}

// chunkRows is how many rows are summed in one go before sums meet in a wider
// accumulator, and the unit of work of everything that is not a strand.
const chunkRows = 256

func chunks(rows int) int { return (rows + chunkRows - 1) / chunkRows }

func chunk(i, rows int) (from, to int) { return i * chunkRows, min((i+1)*chunkRows, rows) }
