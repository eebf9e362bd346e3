package kernels

// maxNormBlocks is the largest grid of gradient_norm: as many partial sums as
// a block of adam or sgd adds up again in two rounds.
const maxNormBlocks = 512

// NormBlocks is the grid of gradient_norm for n gradients: four a thread until
// all blocks are in use. It is a function of n alone, so that the sums are too.
func NormBlocks(n int) int {
	const perBlock = 4 * 256
	return min(max((n+perBlock-1)/perBlock, 1), maxNormBlocks)
}

// OneBlock says whether an update of n parameters is one block of one launch:
// while that is quicker than the second launch which a larger grid needs. It is
// a function of n alone, because the norm's order follows from it.
func OneBlock(n int) bool { return n <= 8*1024 }

// Where the optimizer kernels read and write their scalars (optimizer.cu).
const (
	HyperLR       = 0 // index into hyper
	HyperMomentum = 1
	HyperClip     = 2
	HyperScale    = 3
	HyperLength   = 4

	ResultNorm   = 0 // index into result
	ResultFinite = 1
	ResultLength = 2

	PartialRows = 3 // partial is [PartialRows, NormBlocks(n)]
)
