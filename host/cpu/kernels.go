package cpu

// kernels are the element-wise parts of the engine, over whole tiles. There is
// a set in Go and sets in assembly, made by gen; the tests hold one against the
// other. Arrays are row-major; P is hidden padded to a multiple of 8, or not at
// all where there is no assembly. Lengths are the caller's to check.
type kernels struct {
	name  string
	width int // of a vector: tiles whose P is a multiple of it can use the set

	// activate computes dst = scale·tanh(weight·src + shift) + offset on rows of
	// len(t.weight) columns, stride apart; dst may be src.
	activate func(dst, src []float32, rows, stride int, t table)

	// normalise makes each of groups runs of P columns of src [rows, groups, P]
	// zero-mean and unit-variance over its first hidden ones: dst = (src-μ)·r,
	// r = 1/√(var + ε) into inverse[row*stride+group]. dst may be src.
	normalise func(dst, src []float32, inverse []float32, stride, rows, groups, p, hidden int)

	// denormalise is its backward with the norm's own weight: d [rows, groups, P]
	// holds ∂/∂(weight·hat + bias) and becomes ∂/∂src; the gradients of weight and
	// bias [groups, P] are added to dWeight and dBias.
	denormalise func(d, hat, weight, inverse []float32, stride, rows, groups, p, hidden int, dWeight, dBias []float32)

	// peepholes adds what i and f_d see of the predecessors' cells to the gates'
	// pre-activations, outputPeephole what o sees of the new cell.
	peepholes, outputPeephole func(t *tile)

	// state computes c from the gates and the predecessors' c, one a cell family.
	additive, stable, leaky func(t *tile)
	// hidden computes tc = tanh(weight·x + shift) and h = tc·o, mixed
	// h = tanh(o·c + i·m) (into tc and h).
	hidden, mixed func(t *tile)

	// collect adds up what arrives at h (from above and from the successors), into
	// dh, clamped to ±clip, where NaN stays, and at c (from the successors), into dcs.
	collect func(t *tile)

	// output is the backward of hidden where there is a norm: dh becomes
	// ∂/∂(argument of the cell's tanh), and the output gate its dz.
	output func(t *tile)
	// normedBack is the backward of additive behind a norm: the gates become their
	// dz (before any norm), dcp the gradients for the predecessors' c. It reads
	// ∂/∂c from above in dh and clamps the sum with dcs to ±clip.
	normedBack func(t *tile)
	// The others are the backward of all that follows the gates; dh is ∂/∂h.
	additiveBack, peepholesBack, stableBack, leakyBack func(t *tile)

	// add computes dst += src.
	add func(dst, src []float32)
	// axpy computes y += a·x.
	axpy func(a float32, x, y []float32)

	// adam is one update of parameters w with gradients g and moments m and v.
	adam func(w, g, m, v []float32, s *adamStep)
}

// tile is a block of n consecutive rows of one wavefront of one direction. gen
// knows its layout.
type tile struct {
	n, p, axes int
	gates      []float32 // [n, G, P] pre-activations, then gates, then dz
	c, tc      []float32 // [n, P] cell, tanh of it (mixed: h)
	x          []float32 // [n, P] c, or what the norm made of it
	weight     []float32 // [P] of the norm, or 1
	shift      []float32 // [P] bias of the norm, or 0
	cells      []float32 // [T+1, P] all cells of the direction
	pred       [][]int32 // [D][n] rows of predecessors

	h      []float32 // row r is h[row[r]*stride:][:hidden]: the layer's outputs
	row    []int32   // [n]
	stride int
	hidden int // P is it, padded

	peepI, peepO []float32 // [P]
	peepF        []float32 // [D, P]

	// backward
	dh, dcs        []float32 // [n, P] ∂/∂h; ∂/∂c from the successors
	dcp            []float32 // [n, D, P] ∂/∂(predecessor's c), for them to fetch
	clip           float32
	dPeepI, dPeepO []float32 // [P] +=
	dPeepF         []float32 // [D, P] +=

	grad           []float32 // ∂/∂h from above, as h
	succ           [][]int32 // [D][n] rows of successors, or none
	none, behind   int       // the row behind is the first of the successors
	laterH, laterC []float32 // [rows, D, P] ∂/∂h and dcp of the successors
}

// kernelSets lists the sets for this processor, the widest first: the one in Go
// only where it has no other.
func kernelSets() []*kernels {
	if sets := vectorKernels(); len(sets) > 0 {
		return sets
	}
	return []*kernels{scalarKernels()}
}

// kernelsFor is the widest set for tiles of p columns.
func kernelsFor(sets []*kernels, p int) *kernels {
	for _, k := range sets[:len(sets)-1] {
		if p%k.width == 0 {
			return k
		}
	}
	return sets[len(sets)-1]
}

// maxAxes bounds the fixed-size scratch of the stick-breaking cells. 2^8
// directions are more than anybody has used.
const maxAxes = 8

const normEpsilon = 1e-5
