package cpu

import "gonum.org/v1/gonum/blas"

// BLAS is what the engine needs of gonum's interface: gonum's own
// implementation and OpenBLAS through netlib both have it.
type BLAS interface {
	Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int,
		beta float32, c []float32, ldc int)
}

func (s *segment) row(m int) []float32 {
	r := s.first + m
	if s.index != nil {
		r = int(s.index[m])
	}
	at := r*s.stride + s.offset
	return s.data[at : at+s.width]
}

// gonumPanel is the largest product, in rows and in columns of the result, that
// gonum computes without starting goroutines of its own: it does so from four
// blocks of 64 × 64 up.
const (
	gonumPanelRows    = 64
	gonumPanelColumns = 192
)

// blasProducts gathers the left factor into memory of its own and leaves the
// rest to a BLAS.
type blasProducts struct {
	blas   BLAS
	serial bool      // cut every product to gonum's serial size
	left   []float32 // [m, k]
	sums   []float32 // [k, n]
}

// gather copies m rows of the segments side by side into the scratch matrix
// [m, k]; it returns a segment's own memory where no copying is needed.
func (p *blasProducts) gather(segments []segment, m, k int) (left []float32, stride int) {
	if s := &segments[0]; len(segments) == 1 && s.index == nil && !s.ones {
		return s.data[s.first*s.stride+s.offset:], s.stride
	}
	if len(p.left) < m*k {
		p.left = make([]float32, m*k)
	}
	at := 0
	for i := range segments {
		s := &segments[i]
		if s.ones {
			for r := range m {
				p.left[r*k+at] = 1
			}
		} else {
			gatherRows(p.left[at:], k, s, m)
		}
		at += s.width
	}
	return p.left, k
}

// gatherRows copies m rows of s to dst, whose rows are stride apart. Short rows
// are the common case (one channel, 16 hidden units), where calling copy costs
// more than the copy.
func gatherRows(dst []float32, stride int, s *segment, m int) {
	if s.width == 1 && s.index != nil {
		for r, at := range s.index[:m] {
			dst[r*stride] = s.data[int(at)*s.stride+s.offset]
		}
		return
	}
	for r := range m {
		copy(dst[r*stride:r*stride+s.width], s.row(r))
	}
}

func (p *blasProducts) factor(rows, columns int) panels { return newPanels(rows, columns, columns) }

func (p *blasProducts) rows(segments []segment, m int, b panels, n int, out []float32) {
	k := width(segments)
	left, lda := p.gather(segments, m, k)
	at, stride := b.column(0)
	p.multiply(blas.NoTrans, m, n, k, left, lda, b.data[at:], stride, out, n)
}

func (p *blasProducts) outer(segments []segment, m int, z []float32, stride, n int, out []float32) {
	k := width(segments)
	left, lda := p.gather(segments, m, k)
	if len(p.sums) < k*n {
		p.sums = make([]float32, k*n)
	}
	p.multiply(blas.Trans, k, n, m, left, lda, z, stride, p.sums, n)
	addScalar(out[:k*n], p.sums[:k*n])
}

func (p *blasProducts) multiply(ta blas.Transpose, m, n, k int, a []float32, lda int, b []float32, ldb int,
	c []float32, ldc int) {
	if !p.serial {
		p.blas.Sgemm(ta, blas.NoTrans, m, n, k, 1, a, lda, b, ldb, 0, c, ldc)
		return
	}
	for i := 0; i < m; i += gonumPanelRows {
		rows := min(gonumPanelRows, m-i)
		from := i * lda
		if ta == blas.Trans {
			from = i
		}
		for j := 0; j < n; j += gonumPanelColumns {
			columns := min(gonumPanelColumns, n-j)
			p.blas.Sgemm(ta, blas.NoTrans, rows, columns, k, 1, a[from:], lda, b[j:], ldb, 0, c[i*ldc+j:], ldc)
		}
	}
}
