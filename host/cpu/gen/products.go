package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A product of a layer has a left factor whose rows are gathered by index from
// several arrays side by side (inputs, outputs of each predecessor), so the
// micro-kernels gather them themselves: a tile of the result stays in registers
// while they walk along the rows of all operands. Tiles have up to isa.rows rows
// and two vectors of columns, or one for the last columns of a matrix.

// The layout of package cpu's operand.
const (
	operandBase   = 0
	operandIndex  = 8
	operandStride = 16
	operandWidth  = 24
	operandSize   = 32
)

func (s isa) products() {
	for vectors := 1; vectors <= 2; vectors++ {
		for rows := 1; rows <= s.rows; rows++ {
			s.rowsKernel(rows, vectors)
		}
	}
	for vectors := 1; vectors <= 2; vectors++ {
		for inputs := 1; inputs <= s.rows; inputs++ {
			s.outerKernel(inputs, vectors)
		}
	}
}

func (s isa) columnsOf(vectors int) columns {
	if vectors == 1 {
		return s.firstColumns()
	}
	return columns{isa: s}
}

// rowsKernel computes blocks × rows rows of out = left·b, one panel of columns
// wide.
func (s isa) rowsKernel(rows, vectors int) {
	TEXT(fmt.Sprintf("rows%dx%d%s", rows, vectors, s.name), 4, // NOSPLIT
		"func(from, to *operand, blocks int, b *float32, ldb uintptr, ahead *float32, out *float32, ldo uintptr, columns int)")
	Doc(fmt.Sprintf("rows%dx%d%s computes blocks × %d rows of a product, %d vectors wide: see microKernels.", rows, vectors, s.name, rows, vectors))
	Pragma("noescape")
	c := s.columnsOf(vectors)

	block := GP64() // byte offset of the block's first row in the operands' indices
	XORQ(block, block)
	out, left := AllocLocal(8), AllocLocal(8)
	t := Load(Param("out"), GP64())
	MOVQ(t, out)
	t = Load(Param("blocks"), GP64())
	MOVQ(t, left)
	ldb, ahead := Load(Param("ldb"), GP64()), Load(Param("ahead"), GP64())

	Label("block")
	sum := s.vectors(rows * vectors)
	for _, v := range sum {
		zero(v)
	}
	b := Load(Param("b"), GP64())
	op := Load(Param("from"), GP64())

	Label("operand")
	row := make([]reg.GPVirtual, rows)
	at := GP64()
	MOVQ(Mem{Base: op, Disp: operandIndex}, at)
	ADDQ(block, at)
	for r := range row {
		row[r] = GP64()
		MOVLQSX(Mem{Base: at, Disp: 4 * r}, row[r])
		IMULQ(Mem{Base: op, Disp: operandStride}, row[r])
		ADDQ(Mem{Base: op, Disp: operandBase}, row[r])
	}
	// Rows are addressed from their ends, so that one register counts up to zero.
	k := at
	MOVQ(Mem{Base: op, Disp: operandWidth}, k)
	SHLQ(I8(2), k)
	for _, r := range row {
		ADDQ(k, r)
	}
	NEGQ(k)
	right := s.vectors(vectors)

	Label("column")
	PREFETCHT1(Mem{Base: ahead})
	c.multiply(rows, func(r int) Mem { return Mem{Base: row[r], Index: k, Scale: 1} }, b, right, sum)
	ADDQ(I8(vectors*s.bytes()/8), ahead)
	ADDQ(ldb, b)
	ADDQ(I8(4), k)
	JNZ(LabelRef("column"))

	ADDQ(I8(operandSize), op)
	CMPQ(op, paramMem("to"))
	JNE(LabelRef("operand"))

	to, ldo := GP64(), GP64()
	MOVQ(out, to)
	Load(Param("ldo"), ldo)
	for r := range rows {
		for v := range vectors {
			c.store(sum[r*vectors+v], Mem{Base: to, Disp: v * s.bytes()})
		}
		ADDQ(ldo, to)
	}
	MOVQ(to, out)
	ADDQ(I8(4*rows), block)
	DECQ(left)
	JNZ(LabelRef("block"))
	VZEROUPPER()
	RET()
}

// multiply adds each of n numbers times a row of the right factor, which it loads
// into right, to that number's sums.
func (c columns) multiply(n int, number func(i int) Mem, row reg.Register, right, sums []reg.VecVirtual) {
	for v := range right {
		c.load(Mem{Base: row, Disp: v * c.bytes()}, right[v])
	}
	for i := range n {
		if len(right) == 1 && c.lanes == 16 {
			VFMADD231PS_BCST(number(i), right[0], sums[i])
			continue
		}
		factor := c.vector()
		VBROADCASTSS(number(i), factor)
		for v := range right {
			VFMADD231PS(factor, right[v], sums[i*len(right)+v])
		}
	}
}

// paramMem is where a parameter lies.
func paramMem(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// outerKernel adds leftᵀ·z to inputs rows of out, one panel of columns wide, for
// rows of one operand. Few inputs would wait for one addition after the other,
// so they take several rows at once, with sums of their own.
func (s isa) outerKernel(inputs, vectors int) {
	TEXT(fmt.Sprintf("outer%dx%d%s", inputs, vectors, s.name), 4,
		"func(base *float32, index *int32, stride uintptr, rows int, z *float32, ldz uintptr, out *float32, ldo uintptr, columns int)")
	Doc(fmt.Sprintf("outer%dx%d%s adds to %d rows of a product, %d vectors wide: see microKernels.", inputs, vectors, s.name, inputs, vectors))
	Pragma("noescape")
	c := s.columnsOf(vectors)
	at := 1
	for inputs*vectors*at < 8 && at < 4 {
		at *= 2
	}

	base, index, stride := Load(Param("base"), GP64()), Load(Param("index"), GP64()), Load(Param("stride"), GP64())
	z, ldz := Load(Param("z"), GP64()), Load(Param("ldz"), GP64())
	rows := Load(Param("rows"), GP64())
	sums := make([][]reg.VecVirtual, at)
	for i := range sums {
		sums[i] = s.vectors(inputs * vectors)
		for _, v := range sums[i] {
			zero(v)
		}
	}
	oneRow := func(sum []reg.VecVirtual, n int) {
		row := GP64()
		MOVLQSX(Mem{Base: index, Disp: 4 * n}, row)
		IMULQ(stride, row)
		x := func(i int) Mem { return Mem{Base: base, Index: row, Scale: 1, Disp: 4 * i} }
		c.multiply(inputs, x, z, s.vectors(vectors), sum)
		ADDQ(ldz, z)
	}
	if at > 1 {
		SUBQ(I8(at), rows)
		JLT(LabelRef("rest"))
		Label("rows")
		for i := range sums {
			oneRow(sums[i], i)
		}
		ADDQ(I8(4*at), index)
		SUBQ(I8(at), rows)
		JGE(LabelRef("rows"))
		Label("rest")
		ADDQ(I8(at), rows)
		JZ(LabelRef("done"))
	}
	Label("row")
	oneRow(sums[0], 0)
	ADDQ(I8(4), index)
	DECQ(rows)
	JNZ(LabelRef("row"))
	Label("done")
	for n := at / 2; n > 0; n /= 2 {
		for i := range n {
			for v := range sums[i] {
				VADDPS(sums[i+n][v], sums[i][v], sums[i][v])
			}
		}
	}
	out, ldo := Load(Param("out"), GP64()), Load(Param("ldo"), GP64())
	for i := range inputs {
		for v := range vectors {
			m := Mem{Base: out, Disp: v * s.bytes()}
			old := s.vector()
			c.load(m, old)
			VADDPS(sums[0][i*vectors+v], old, old)
			c.store(old, m)
		}
		if i < inputs-1 {
			ADDQ(ldo, out)
		}
	}
	VZEROUPPER()
	RET()
}
