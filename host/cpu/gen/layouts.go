package main

// The types of package cpu that signatures name or that assembly reads: the
// fields and their order must be the same there. Package cpu's tests compare
// every kernel with Go, so a difference does not stay unseen.

type operand struct{}

type table struct {
	weight, shift, scale, offset []float32
}

type adamStep struct {
	optimizer          string
	rate, momentum     float32
	scale              float32
	correct1, correct2 float32
}

type tile struct {
	n, p, axes int
	gates      []float32
	c, tc      []float32
	x          []float32
	weight     []float32
	shift      []float32
	cells      []float32
	pred       [][]int32

	h      []float32
	row    []int32
	stride int
	hidden int

	peepI, peepO []float32
	peepF        []float32

	dh, dcs        []float32
	dcp            []float32
	clip           float32
	dPeepI, dPeepO []float32
	dPeepF         []float32

	grad           []float32
	succ           [][]int32
	none, behind   int
	laterH, laterC []float32
}
