package gpu

import "mdlstm-gpu/host/cuda"

// HeadLoss says which loss a head is trained with (kernels/head.cu).
type HeadLoss int

// The losses, as head_step numbers them.
const (
	HeadMSE HeadLoss = iota
	HeadClasses
	HeadBinary
)

// HeadArgs are the arguments of [Kernels.Head]: a small head of U units on K
// inputs, in one launch.
type HeadArgs struct {
	RowsArgs
	K, Units   int
	Loss       HeadLoss
	Activation Activation // mse

	X            cuda.Address // [·, K]
	Weight, Bias cuda.Address // [Units, K], [Units] as in the model file
	Out          cuda.Address // [·, Units] outputs (=)
	Target       cuda.Address // [·, Units] in row order; classes: int32 [·], -1 where ignored
	Classes      cuda.Address // [Units] class weights; 0: all 1
	Relevant     cuda.Address // mse: int32 [·] how often a row is relevant; 0: none is
	Control      cuda.Address // int32 [LossControls], of which ControlTargets is read
	Scale        cuda.Address // [1] 1/normaliser
	DX           cuda.Address // [·, K] gradient of X (=); 0: not wanted

	Partial cuda.Address // [Blocks(), Units·K + Units] (=): see [HeadArgs.ReduceJobs]
	Sums    cuda.Address // [2, Blocks()] (=): losses, relevant losses; add each line in float64
}

// headRows and headBlocks are kHeadRows and kHeadBlocks in kernels/head.cu.
const (
	headRows    = 64
	headBlocks  = 256
	headThreads = 256
)

// The largest head that Head takes: more would leave the device idle.
const (
	maxHeadUnits   = 16
	maxHeadWeights = 1024
)

// HeadFits says whether Head computes a head: a function of its shape alone.
// Larger ones are a product, a loss, a weight gradient and a product.
func HeadFits(units, k int) bool { return units <= maxHeadUnits && units*(k+1) <= maxHeadWeights }

// Blocks is how many partial results there are.
func (a HeadArgs) Blocks() int { return min(blocksOf(a.Capacity, headRows), headBlocks) }

// Head queues a head's outputs, its loss, and the gradients of inputs, weights
// and bias (kernels/head.cu).
func (k *Kernels) Head(s *cuda.Stream, a HeadArgs) error {
	c := a.check("head_step", a.K, a.Units).within("Units", a.Units, 1, maxHeadUnits).
		within("weights", a.Units*(a.K+1), 1, maxHeadWeights).within("Loss", int(a.Loss), int(HeadMSE), int(HeadBinary)).
		within("Activation", int(a.Activation), int(Linear), int(Sigmoid)).
		present("X", a.X).present("Weight", a.Weight).present("Bias", a.Bias).present("Out", a.Out).present("Target", a.Target).
		present("Control", a.Control).present("Scale", a.Scale).present("Partial", a.Partial).present("Sums", a.Sums)
	if c.err != nil {
		return c.err
	}
	shared := 4 * (2*headRows*a.Units + headThreads)
	return k.launch(s, "head_step", cuda.Dim{X: a.Blocks()}, shared, ptr(a.X), ptr(a.Weight), ptr(a.Bias), ptr(a.Out),
		ptr(a.Target), ptr(a.Classes), ptr(a.Relevant), ptr(a.Control), ptr(a.Scale), ptr(a.DX), ptr(a.Partial), ptr(a.Sums),
		ptr(a.Rows), i32(a.K), i32(a.Units), i32(int(a.Loss)), i32(int(a.Activation)))
}

// ReduceJobs are the jobs that add Partial into the gradients of weight and
// bias.
func (a HeadArgs) ReduceJobs(weight, bias cuda.Address) []ReduceJob {
	w := a.Units * a.K
	return []ReduceJob{
		{From: a.Partial, To: weight, Count: w, Slots: a.Blocks(), Stride: w + a.Units},
		{From: a.Partial + cuda.Address(4*w), To: bias, Count: a.Units, Slots: a.Blocks(), Stride: w + a.Units},
	}
}
