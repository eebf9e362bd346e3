package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The approximation of package cpu's tanh32, which says where it is from.
const tanhLimit = 7.9

var (
	tanhP = []float32{1.525979520522469e-08, 2.1903522792854346e-05, 0.0035717033315449953, 0.13444457948207855}
	tanhQ = []float32{8.53060157623986e-07, 0.00034117544419132173, 0.02616444043815136, 0.4677777886390686}
)

// tanh holds its constants in registers.
type tanh struct {
	isa
	lo, hi, one reg.VecVirtual
	p, q        []reg.VecVirtual
}

func (s isa) newTanh() *tanh {
	f := &tanh{isa: s, lo: s.spread(-tanhLimit), hi: s.spread(tanhLimit), one: s.spread(1)}
	for i := range tanhP {
		f.p, f.q = append(f.p, s.spread(tanhP[i])), append(f.q, s.spread(tanhQ[i]))
	}
	return f
}

// of replaces x by its tanh. Dividing exactly costs nothing: VRCP14PS and a step
// of Newton took as long, because the next vector's multiplications fill the time.
func (f *tanh) of(x reg.VecVirtual) {
	f.clamp(x, f.lo, f.hi)
	u := f.mul(x, x)
	series := func(c []reg.VecVirtual) reg.VecVirtual {
		y := f.copy(c[0])
		for _, c := range c[1:] {
			VFMADD213PS(c, u, y)
		}
		VFMADD213PS(f.one, u, y)
		return y
	}
	p, q := series(f.p), series(f.q)
	VMULPS(p, x, x)
	VDIVPS(q, x, x)
}

// activate is kernels.activate. Columns of the last vector beyond the row's end
// are masked.
func (s isa) activate() {
	TEXT("activate"+s.name, 4, "func(dst, src []float32, rows, stride int, t table)")
	Doc("activate" + s.name + " computes scale·tanh(weight·src + shift) + offset: see kernels.")
	Pragma("noescape")
	base := func(c string) reg.GPVirtual { return Load(Param(c).Base(), GP64()).(reg.GPVirtual) }
	field := func(f string) reg.GPVirtual {
		return Load(Param("t").Field(f).Base(), GP64()).(reg.GPVirtual)
	}
	rows := Load(Param("rows"), GP64())
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	dst, src, stride := base("dst"), base("src"), Load(Param("stride"), GP64())
	weight, shift, scale, offset := field("weight"), field("shift"), field("scale"), field("offset")
	n, o := Load(Param("t").Field("weight").Len(), GP64()), GP64() // bytes of the whole vectors
	rest := GP64()
	MOVQ(n, rest)
	ANDQ(I8(s.lanes-1), rest)
	SUBQ(rest, n)
	part := s.first(rest) // nothing, if there is no rest
	SHLQ(I8(2), stride)
	SHLQ(I8(2), n)
	f := s.newTanh()
	vector := func(c columns) {
		x, w := c.read(src, o), c.read(weight, o)
		VFMADD213PS(c.read(shift, o), w, x)
		f.of(x)
		y := c.read(scale, o)
		VFMADD213PS(c.read(offset, o), x, y)
		c.write(y, dst, o)
	}

	Label("row")
	XORQ(o, o)
	TESTQ(n, n)
	JZ(LabelRef("rest"))
	Label("columns")
	vector(columns{isa: s})
	ADDQ(I8(s.bytes()), o)
	CMPQ(o, n)
	JNE(LabelRef("columns"))
	Label("rest")
	t := GP64()
	Load(Param("t").Field("weight").Len(), t)
	ANDQ(I8(s.lanes-1), t)
	JZ(LabelRef("next"))
	vector(part)
	Label("next")
	ADDQ(stride, src)
	ADDQ(stride, dst)
	DECQ(rows)
	JNZ(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}
