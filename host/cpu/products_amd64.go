package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// operand is a segment as the micro-kernels read it: row m is width floats at
// base + index[m]·stride bytes. Its layout is known to gen.
type operand struct {
	base   *float32
	index  *int32
	stride uintptr
	width  uintptr
}

// microKernels are the tiles that the products of one instruction set are made
// of: up to len(rows[v]) rows, and v+1 vectors of lanes columns. Those of one
// vector touch the first columns of it only; the others ignore that argument.
type microKernels struct {
	lanes int

	// rows[v][r-1] computes blocks·r rows of left·b, the rows of left beginning
	// with the first indices of the operands from … to, exclusive. ldb and ldo are
	// the bytes of a row of b and out. From ahead on memory is fetched, an eighth as
	// much as is read of b: the next panel, so that eight blocks have it near.
	rows [2][]rowsKernel

	// outer[v][k-1] adds, for all rows, k columns of left at base + index[m]·stride,
	// transposed, times a row of z to k rows of out.
	outer [2][]outerKernel
}

type (
	rowsKernel  = func(from, to *operand, blocks int, b *float32, ldb uintptr, ahead *float32, out *float32, ldo uintptr, columns int)
	outerKernel = func(base *float32, index *int32, stride uintptr, rows int, z *float32, ldz uintptr, out *float32, ldo uintptr, columns int)
)

// instructionSets lists the vector instruction sets that have micro-kernels
// here and that this processor and its system know, the fastest first.
func instructionSets() (names []string) {
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA {
		return nil
	}
	if x.HasAVX512F && x.HasAVX512VL && x.HasBMI2 {
		names = append(names, avx512)
	}
	return append(names, avx2)
}

const (
	avx2   = "avx2"
	avx512 = "avx512"
)

// newTiledProducts makes products of the named instruction set.
func newTiledProducts(set string) products {
	p := &tiledProducts{one: 1}
	switch set {
	case avx512:
		p.kernels.lanes = 16
		p.kernels.rows = [2][]rowsKernel{
			{rows1x1AVX512, rows2x1AVX512, rows3x1AVX512, rows4x1AVX512, rows5x1AVX512, rows6x1AVX512, rows7x1AVX512, rows8x1AVX512},
			{rows1x2AVX512, rows2x2AVX512, rows3x2AVX512, rows4x2AVX512, rows5x2AVX512, rows6x2AVX512, rows7x2AVX512, rows8x2AVX512},
		}
		p.kernels.outer = [2][]outerKernel{
			{outer1x1AVX512, outer2x1AVX512, outer3x1AVX512, outer4x1AVX512, outer5x1AVX512, outer6x1AVX512, outer7x1AVX512, outer8x1AVX512},
			{outer1x2AVX512, outer2x2AVX512, outer3x2AVX512, outer4x2AVX512, outer5x2AVX512, outer6x2AVX512, outer7x2AVX512, outer8x2AVX512},
		}
	default:
		p.kernels.lanes = 8
		p.kernels.rows = [2][]rowsKernel{
			{rows1x1AVX2, rows2x1AVX2, rows3x1AVX2, rows4x1AVX2, rows5x1AVX2, rows6x1AVX2},
			{rows1x2AVX2, rows2x2AVX2, rows3x2AVX2, rows4x2AVX2, rows5x2AVX2, rows6x2AVX2},
		}
		p.kernels.outer = [2][]outerKernel{
			{outer1x1AVX2, outer2x1AVX2, outer3x1AVX2, outer4x1AVX2, outer5x1AVX2, outer6x1AVX2},
			{outer1x2AVX2, outer2x2AVX2, outer3x2AVX2, outer4x2AVX2, outer5x2AVX2, outer6x2AVX2},
		}
	}
	return p
}

// tiledProducts are products of micro-kernels that gather the left factor
// themselves. Every element is one sum in the order of the left factor's columns,
// however the rows are cut.
type tiledProducts struct {
	kernels  microKernels
	operands []operand
	index    []int32 // 0, 1, 2, … for segments without an index
	one      float32 // the column of ones
}

// gather makes the operands of segments, for m rows.
func (p *tiledProducts) gather(segments []segment, m int) {
	for len(p.index) < m {
		p.index = append(p.index, int32(len(p.index)))
	}
	p.operands = p.operands[:0]
	for i := range segments {
		s := &segments[i]
		o := operand{width: uintptr(s.width)}
		switch {
		case s.ones:
			o.base, o.index = &p.one, &p.index[0]
		case s.index == nil:
			o.base, o.index, o.stride = &s.data[s.first*s.stride+s.offset], &p.index[0], uintptr(s.stride)*4
		default:
			o.base, o.index, o.stride = &s.data[s.offset], &s.index[0], uintptr(s.stride)*4
		}
		p.operands = append(p.operands, o)
	}
	// rows points at the end: within the array, or the collector would take the
	// pointer for the next object's and keep, or find, what is free.
	p.operands = append(p.operands, operand{})[:len(p.operands)]
}

// panels calls tile for every panel of n columns: for its first column, how many
// vectors it has less one, and how many columns.
func (k *microKernels) panels(n int, tile func(j, v, columns int)) {
	j := 0
	for ; j+2*k.lanes <= n; j += 2 * k.lanes {
		tile(j, 1, 2*k.lanes)
	}
	for ; j < n; j += k.lanes {
		tile(j, 0, min(k.lanes, n-j))
	}
}

func (p *tiledProducts) factor(rows, columns int) panels {
	return newPanels(rows, columns, 2*p.kernels.lanes)
}

func (p *tiledProducts) rows(segments []segment, m int, b panels, n int, out []float32) {
	if m == 0 {
		return
	}
	p.gather(segments, m)
	k := &p.kernels
	from, ldo := &p.operands[0], uintptr(n)*4
	to := (*operand)(unsafe.Add(unsafe.Pointer(from), uintptr(len(p.operands))*unsafe.Sizeof(operand{})))
	k.panels(n, func(j, v, columns int) {
		most := len(k.rows[v])
		at, stride := b.column(j)
		right, ldb := &b.data[at], uintptr(stride)*4
		ahead := &b.data[min(at+b.rows*stride, len(b.data)-1)]
		blocks := m / most
		if blocks > 0 {
			k.rows[v][most-1](from, to, blocks, right, ldb, ahead, &out[j], ldo, columns)
		}
		if rest := m % most; rest > 0 {
			p.skip(blocks * most)
			k.rows[v][rest-1](from, to, 1, right, ldb, ahead, &out[blocks*most*n+j], ldo, columns)
			p.skip(-blocks * most)
		}
	})
}

// skip moves the operands on by some rows.
func (p *tiledProducts) skip(rows int) {
	for i := range p.operands {
		o := &p.operands[i]
		o.index = (*int32)(unsafe.Add(unsafe.Pointer(o.index), 4*rows))
	}
}

func (p *tiledProducts) outer(segments []segment, m int, z []float32, stride, n int, out []float32) {
	if m == 0 {
		return
	}
	p.gather(segments, m)
	k := &p.kernels
	k.panels(n, func(j, v, columns int) {
		at := j
		for i := range p.operands {
			o := &p.operands[i]
			for c := 0; c < int(o.width); {
				inputs := min(int(o.width)-c, len(k.outer[v]))
				base := (*float32)(unsafe.Add(unsafe.Pointer(o.base), 4*c))
				k.outer[v][inputs-1](base, o.index, o.stride, m, &z[j], uintptr(stride)*4, &out[at], uintptr(n)*4, columns)
				at += inputs * n
				c += inputs
			}
		}
	})
}
