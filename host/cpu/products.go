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
	// rows computes out = left·b: left [m, k] from the segments, b [k, n] with rows
	// stride apart, out [m, n].
	rows(segments []segment, m int, b []float32, stride, n int, out []float32)

	// outer computes out += leftᵀ·z: left [m, k] from the segments, z [m, n] with
	// rows stride apart, out [k, n]. The sum over the m rows is made before it is
	// added.
	outer(segments []segment, m int, z []float32, stride, n int, out []float32)
}

func width(segments []segment) int {
	k := 0
	for i := range segments {
		k += segments[i].width
	}
	return k
}
