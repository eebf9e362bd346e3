package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// peakSums is how many sums the peak kernel adds to side by side, more than any
// processor's latency × ports.
const peakSums = 12

// peak does nothing but multiply and add: benchmarks measure with it what a core
// could do.
func (s isa) peak() {
	TEXT("peak"+s.name, 4, "func(rounds int)")
	Doc("peak" + s.name + " makes 12 vector multiply-adds a round: the limit that products are compared with.")
	Pragma("noescape")
	rounds := Load(Param("rounds"), GP64())
	sums, x := s.vectors(peakSums), s.vector()
	zero(x)
	for _, v := range sums {
		zero(v)
	}
	Label("round")
	for _, v := range sums {
		VFMADD231PS(x, x, v)
	}
	SUBQ(U8(1), rounds)
	JNZ(LabelRef("round"))
	VZEROUPPER()
	RET()
}
