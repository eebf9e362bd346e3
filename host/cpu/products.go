package cpu

// segment is a run of columns of a left factor: row m is
// data[index[m]*stride+offset:][:width]. A missing predecessor is an index that
// names a row of zeros. A nil index means the rows from first on.
type segment struct {
	data                  []float32
	stride, offset, width int
	index                 []int32
	first                 int
	ones                  bool // a column of ones instead
}

// products multiplies matrices whose left factor is gathered from the rows of
// segments, side by side. One is used by one worker at a time.
type products interface {
	// factor makes a right factor of zeros, in the order in which rows reads it best.
	factor(rows, columns int) panels

	// rows computes out = left·b: left [m, k] from the segments, b the first n
	// columns of a right factor of k rows or more, out [m, n].
	rows(segments []segment, m int, b panels, n int, out []float32)

	// outer computes out += leftᵀ·z: left [m, k] from the segments, z [m, n] with
	// rows stride apart, out [k, n]. The sum over the m rows is made before it is
	// added.
	outer(segments []segment, m int, z []float32, stride, n int, out []float32)
}

// panels is a right factor cut into panels of columns, one after the other, each
// with its rows side by side, as a product goes through it. In a wide matrix a
// panel's rows lie pages apart, and in few sets of a cache.
type panels struct {
	data    []float32
	rows    int
	columns int
	wide    int // columns of a panel, but for the last; columns, or more: row-major
	first   int // row, of a factor that is a part of these rows
}

func newPanels(rows, columns, wide int) panels {
	return panels{data: make([]float32, rows*columns), rows: rows, columns: columns, wide: wide}
}

// rowMajor makes a right factor of a matrix with columns columns.
func rowMajor(data []float32, columns int) panels {
	return panels{data: data, columns: columns, wide: columns}
}

// from is the factor of the rows from row on.
func (b panels) from(row int) panels {
	b.first = row
	return b
}

// column says where column j begins and how far apart its rows are.
func (b *panels) column(j int) (at, stride int) {
	begin := j / b.wide * b.wide
	stride = min(b.wide, b.columns-begin)
	return begin*b.rows + b.first*stride + j - begin, stride
}

// setColumn copies values to column j, from row on.
func (b *panels) setColumn(j, row int, values []float32) {
	at, stride := b.column(j)
	column := b.data[at+row*stride:]
	for i, v := range values {
		column[i*stride] = v
	}
}

// setRow copies values to a row, from column j on.
func (b *panels) setRow(row, j int, values []float32) {
	for len(values) > 0 {
		at, stride := b.column(j)
		n := copy(b.data[at+row*stride:][:stride-j%b.wide], values)
		values, j = values[n:], j+n
	}
}

// columnsOf leaves of segments the columns from … to-1 of their left factor.
func columnsOf(segments []segment, from, to int) []segment {
	kept := segments[:0]
	for _, s := range segments {
		first, last := max(from, 0), min(to, s.width)
		from, to = from-s.width, to-s.width
		if first < last {
			s.offset, s.width = s.offset+first, last-first
			kept = append(kept, s)
		}
	}
	return kept
}

func width(segments []segment) int {
	k := 0
	for i := range segments {
		k += segments[i].width
	}
	return k
}
